-- When a person was on duty. R.7, R.32. Of two shifts that overlap, one is in force; the other is kept and counts for nothing.

CREATE TABLE shift (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    duty_type text NOT NULL CHECK (duty_type IN ('patrol', 'post', 'window', 'watch', 'standby', 'event')),
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text CHECK (ended_by IN ('check_out', 'next')),
    in_force boolean NOT NULL,
    dress text NOT NULL CHECK (dress IN ('uniform', 'plain')),
    dress_reason text,
    id_card_carried boolean NOT NULL,
    equipment text[] NOT NULL,
    vehicle text,
    ordered_by uuid REFERENCES person ON DELETE RESTRICT,
    roster_post text,
    place jsonb,
    during tstzrange GENERATED ALWAYS AS (tstzrange(started_at, ended_at)) STORED,
    CHECK (ended_at >= started_at),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CHECK (dress = 'uniform' OR dress_reason IS NOT NULL),
    CONSTRAINT shift_one_at_a_time EXCLUDE USING gist (person WITH =, during WITH &&) WHERE (in_force) DEFERRABLE
);
CREATE INDEX shift_person ON shift (person, started_at);
CREATE INDEX shift_organ ON shift (organ, started_at);
CREATE INDEX shift_during ON shift USING gist (person, during);

CREATE TABLE check_out (
    id uuid PRIMARY KEY,
    shift uuid NOT NULL REFERENCES shift ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    place jsonb
);
CREATE INDEX check_out_shift ON check_out (shift, at, id);
