-- What an entry told and was recorded without, because it cannot be: a place, a text, a number, as JSON as it came.
-- Erased as a place is. The journal holds a salted digest of it only.
CREATE TABLE left_out (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry uuid NOT NULL,
    field text NOT NULL,
    told text,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    UNIQUE (entry, field)
);
CREATE INDEX left_out_told ON left_out (at) WHERE told IS NOT NULL;
