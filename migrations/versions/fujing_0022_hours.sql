-- Time off in lieu (补休) of work on rest days. R.25; 劳动法 44(2).

-- Taken on `on_day` for what was worked on rest days of `month` (its first day); withdrawn where it was not taken.
CREATE TABLE time_off (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    on_day date NOT NULL,
    minutes integer NOT NULL CHECK (minutes BETWEEN 1 AND 1440),
    words text NOT NULL,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    withdrawn_by uuid REFERENCES person ON DELETE RESTRICT,
    withdrawn_at timestamptz,
    withdrawn_why text,
    CHECK (by_person <> person),
    CHECK (num_nonnulls(withdrawn_by, withdrawn_at, withdrawn_why) IN (0, 3))
);
CREATE INDEX time_off_person ON time_off (person, month) WHERE withdrawn_at IS NULL;
CREATE UNIQUE INDEX time_off_once_a_day ON time_off (person, month, on_day) WHERE withdrawn_at IS NULL;
