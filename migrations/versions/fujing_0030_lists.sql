-- Lists by index, whatever they are asked for.

-- What was withdrawn is listed too, so that these are no longer partial. `withdrawn_at` and `kind` are there to be
-- compared in the index, without a visit to the row.
DROP INDEX finding_person;
CREATE INDEX finding_person ON finding (person, found_at);
DROP INDEX finding_organ;
CREATE INDEX finding_organ ON finding (organ, found_at, withdrawn_at, kind);

-- The same rule, begun with the subject, by which a timeline finds what is wrong with its facts.
ALTER TABLE finding DROP CONSTRAINT finding_kind_subject_key, ADD UNIQUE (subject, kind);

-- A role reaches some organs, not a thousand: plans reckoned with as many readings of each list.
ALTER FUNCTION organs_under(text[]) ROWS 20;

-- Whose a row is, and when: one for each way to a list.
DROP INDEX recusal_person, complaint_taken;
CREATE INDEX recusal_person ON recusal (person, asked_at);
CREATE INDEX recusal_taken ON recusal (taken_by, asked_at);
CREATE INDEX complaint_taken ON complaint (taken_by, received_at);
CREATE INDEX injury_reported ON injury (person, reported_at);
CREATE INDEX spot_check_drawn ON spot_check (organ, drawn_at);
CREATE INDEX review_opened ON review (reviewer, opened_at);
