-- Lists by period, case and work, in a house of any size.

-- What lasted at a moment, so that a list of a period begins there and not at the beginning of the house.
CREATE INDEX shift_when ON shift USING gist (during);
CREATE INDEX activity_when ON activity USING gist (reach);

-- The acts of one case, and those of one work in an organ.
CREATE INDEX activity_case ON activity (case_key(case_ref)) WHERE case_ref IS NOT NULL;
CREATE INDEX activity_work ON activity (organ, work, started_at);
