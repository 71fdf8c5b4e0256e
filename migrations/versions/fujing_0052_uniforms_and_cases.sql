-- The police case that a harassment matter became (R.27, 39): its number and how far it is. The last row counts.
CREATE TABLE matter_case (
    id uuid PRIMARY KEY,
    matter uuid NOT NULL REFERENCES matter ON DELETE RESTRICT,
    case_ref text NOT NULL,
    state text NOT NULL CHECK (state IN ('reported', 'accepted', 'not_accepted', 'punished', 'transferred', 'ended')),
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    words text NOT NULL
);
CREATE INDEX matter_case_matter ON matter_case (matter, at);

-- That somebody was seen in uniform or with insignia while off duty (R.32). What they were seen in is not a judgement:
-- the finding beside it stands while no shift in force covers `seen_at`.
CREATE TABLE uniform_sighting (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    seen_at timestamptz NOT NULL,
    words text NOT NULL,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    CHECK (by_person <> person)
);
CREATE INDEX uniform_sighting_person ON uniform_sighting (person, seen_at);
CREATE INDEX uniform_sighting_organ ON uniform_sighting (organ, seen_at);

-- What is out, to be held against who still serves (R.32: given back on leaving).
CREATE INDEX issued_item_out ON issued_item (person) WHERE returned_at IS NULL;
