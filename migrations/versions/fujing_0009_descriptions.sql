-- Key content of footage with its time spans (公安机关办理行政案件程序规定 55, 86): it may stand in for a written record then.

-- Every description is a row of its own; the newest one stands, earlier ones stay readable.
CREATE TABLE recording_description (
    id uuid PRIMARY KEY,
    recording uuid NOT NULL REFERENCES recording ON DELETE RESTRICT,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL
);
CREATE INDEX recording_description_of ON recording_description (recording, at, id);

CREATE TABLE recording_key_content (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    description uuid NOT NULL REFERENCES recording_description ON DELETE RESTRICT,
    position integer NOT NULL CHECK (position BETWEEN 1 AND 200),
    from_ms bigint NOT NULL CHECK (from_ms >= 0),
    to_ms bigint NOT NULL CHECK (to_ms > from_ms),
    words text NOT NULL CHECK (words <> ''),
    UNIQUE (description, position)
);
