-- Help: called in the street, acknowledged by one, until it is closed.

-- `asked_in`: the organ whose officers and commanders were called last; `ask_again_at`: when the one above is called
-- unless somebody answers; none where there is none above.
CREATE TABLE assistance (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    kind text NOT NULL CHECK (kind IN ('violence', 'injury', 'pursuit', 'crowd', 'medical', 'other')),
    words text,
    place jsonb,
    called_at timestamptz NOT NULL,
    asked_in text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    ask_again_at timestamptz
);
CREATE INDEX assistance_person ON assistance (person, called_at);
CREATE INDEX assistance_organ ON assistance (organ, called_at);
CREATE INDEX assistance_unanswered ON assistance (ask_again_at) WHERE ask_again_at IS NOT NULL;

-- What was done about it, as it was told; of several the earliest counts.
CREATE TABLE assistance_step (
    id uuid PRIMARY KEY,
    call uuid NOT NULL REFERENCES assistance ON DELETE RESTRICT,
    step text NOT NULL CHECK (step IN ('acknowledge', 'arrive', 'close')),
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    words text,
    CHECK ((step = 'close') = (words IS NOT NULL))
);
CREATE INDEX assistance_step_of ON assistance_step (call, step, at, id);

-- Who got notice of it, once.
CREATE TABLE assistance_called (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    call uuid NOT NULL REFERENCES assistance ON DELETE RESTRICT,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    UNIQUE (call, person)
);
CREATE INDEX assistance_called_person ON assistance_called (person, at);
