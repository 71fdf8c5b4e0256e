-- Things handed out (领用, 归还): who has which recorder, handheld, uniform or ID, from when to when. R.11, R.32.
-- kind: a code of [items.…] in works.toml. serial_key: one thing, however its letters are written.
CREATE TABLE issued_item (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    serial text NOT NULL,
    serial_key text NOT NULL GENERATED ALWAYS AS (upper(serial)) STORED,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    issued_at timestamptz NOT NULL,
    returned_at timestamptz,
    issued_by uuid REFERENCES person ON DELETE RESTRICT,
    returned_to uuid REFERENCES person ON DELETE RESTRICT,
    source text NOT NULL CHECK (source IN ('entry', 'import')),
    during tstzrange GENERATED ALWAYS AS (tstzrange(issued_at, returned_at)) STORED,
    CHECK (returned_at >= issued_at),
    CHECK (returned_to IS NULL OR returned_at IS NOT NULL),
    CONSTRAINT item_with_one_person_at_a_time EXCLUDE USING gist (kind WITH =, serial_key WITH =, during WITH &&)
);
CREATE INDEX issued_item_person ON issued_item (person, issued_at);
CREATE INDEX issued_item_organ ON issued_item (organ, issued_at);

-- The films of one camera, to be compared with who had it.
CREATE INDEX recording_camera ON recording (upper(camera_serial), started_at);

-- The daily roster (值班表): who leads an organ's duty (带班领导) and which officers are on duty (值班民警). R.7, R.9.
-- One row of an organ at a time. A row that was ended before it began has an empty `during`.
CREATE TABLE duty_roster (
    id uuid PRIMARY KEY,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    named_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    ended_by uuid REFERENCES person ON DELETE RESTRICT,
    ended_at timestamptz,
    ended_why text,
    during tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at)) STORED,
    CHECK (ends_at >= starts_at),
    CHECK (num_nonnulls(ended_by, ended_at, ended_why) IN (0, 3)),
    CONSTRAINT duty_roster_one_at_a_time EXCLUDE USING gist (organ WITH =, during WITH &&)
);
CREATE INDEX duty_roster_organ ON duty_roster (organ, starts_at);

CREATE TABLE duty_roster_person (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    duty uuid NOT NULL REFERENCES duty_roster ON DELETE RESTRICT,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    part text NOT NULL CHECK (part IN ('leader', 'officer')),
    UNIQUE (duty, person)
);
CREATE UNIQUE INDEX duty_roster_one_leader ON duty_roster_person (duty) WHERE part = 'leader';
CREATE INDEX duty_roster_person_of ON duty_roster_person (person);

-- Who commands an organ's duty, and when, as far as it has begun.
CREATE VIEW duty_command AS
SELECT d.id AS duty, d.organ, p.person, p.part, d.during FROM duty_roster d JOIN duty_roster_person p ON p.duty = d.id
WHERE NOT isempty(d.during) AND d.starts_at <= now();

-- Who commanded the duty when a call came, and is to be rung before the others.
ALTER TABLE assistance_called ADD COLUMN first boolean NOT NULL DEFAULT false;

-- Until when a shift counts: one that nobody checked out of no longer than `ceiling` (terms.toml unfinished_shift_ceiling),
-- also where the next check-in ended it later.
CREATE FUNCTION counted_end(h shift, ceiling interval) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN h.ended_by = 'check_out' THEN h.ended_at ELSE least(h.ended_at, h.started_at + ceiling) END
$$;

-- The shift that answers a planned one is now the one that fits best: planned_answers in migrations/current.
DROP FUNCTION judge_roster(uuid[], tstzrange, timestamptz, interval, interval);
DROP VIEW planned_answer;
