-- told_bytes: the size that a completion told while parts were missing; binds nobody. stored_bytes: what the store was
-- seen to hold of an unfinished upload, a part sent twice counted twice; weighed_at: when it was seen.
ALTER TABLE upload
    ADD COLUMN told_bytes bigint CHECK (told_bytes > 0),
    ADD COLUMN stored_bytes bigint CHECK (stored_bytes >= 0),
    ADD COLUMN weighed_at timestamptz;

-- Versions that were read twice and were not what was declared. The sweep removes them after their term.
CREATE TABLE refused_version (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upload uuid NOT NULL REFERENCES upload ON DELETE RESTRICT,
    version text NOT NULL CHECK (version <> ''),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    found_at timestamptz NOT NULL,
    removed_at timestamptz,
    UNIQUE (upload, version)
);
CREATE INDEX refused_version_there ON refused_version (found_at) WHERE removed_at IS NULL;
