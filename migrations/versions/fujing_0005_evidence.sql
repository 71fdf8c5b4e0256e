-- Footage and papers. An upload is bytes on their way into the locked store; a recording or document is what they show.

CREATE TABLE upload (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('recording', 'document')),
    owner uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    declared_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    device uuid REFERENCES device ON DELETE RESTRICT,
    file_name text NOT NULL,
    media_type text NOT NULL,
    state text NOT NULL CHECK (state IN ('declared', 'receiving', 'received', 'sealed', 'mismatch', 'abandoned', 'same_as')),
    bytes bigint CHECK (bytes > 0),
    digest_declared boolean NOT NULL DEFAULT false,
    sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    part_size bigint NOT NULL CHECK (part_size >= 5242880),
    object_key text NOT NULL UNIQUE,
    store_upload text,
    version text,
    same_as uuid REFERENCES upload ON DELETE RESTRICT,
    declared_at timestamptz NOT NULL,
    touched_at timestamptz NOT NULL,
    received_at timestamptz,
    sealed_at timestamptz,
    locked_until timestamptz,
    receipt text,
    CHECK ((state = 'same_as') = (same_as IS NOT NULL)),
    CHECK (state NOT IN ('received', 'sealed') OR (bytes IS NOT NULL AND sha256 IS NOT NULL)),
    CHECK ((state = 'sealed') = (receipt IS NOT NULL)),
    CHECK (state <> 'sealed' OR (version IS NOT NULL AND sealed_at IS NOT NULL AND locked_until IS NOT NULL))
);
-- One person's bytes are one recording, whoever brings them.
CREATE UNIQUE INDEX upload_same_bytes ON upload (owner, kind, sha256) WHERE same_as IS NULL AND sha256 IS NOT NULL;
CREATE INDEX upload_owner ON upload (owner, declared_at);
CREATE INDEX upload_moving ON upload (state, touched_at) WHERE state IN ('declared', 'receiving', 'received', 'mismatch');
CREATE INDEX upload_same_as ON upload (same_as) WHERE same_as IS NOT NULL;

CREATE TABLE recording (
    id uuid PRIMARY KEY REFERENCES upload ON DELETE RESTRICT,
    wearer uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    camera_serial text NOT NULL,
    camera_offset_ms bigint NOT NULL,
    correction_ms bigint NOT NULL,
    camera_started_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    key_mark boolean NOT NULL,
    probed_ms bigint CHECK (probed_ms >= 0),
    codec text,
    during tstzrange GENERATED ALWAYS AS (tstzrange(started_at, ended_at)) STORED,
    CHECK (ended_at >= started_at)
);
CREATE INDEX recording_wearer ON recording (wearer, started_at);
CREATE INDEX recording_organ ON recording (organ, started_at);
CREATE INDEX recording_during ON recording USING gist (wearer, during);

CREATE TABLE document (
    id uuid PRIMARY KEY REFERENCES upload ON DELETE RESTRICT,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    title text NOT NULL
);
CREATE INDEX document_person ON document (person);
