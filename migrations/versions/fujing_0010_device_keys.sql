-- What a device proves itself with (RFC 7638, 9449), and how it came to be known.

-- Keys are kept for ever: what one of them signed must stay verifiable. One is in force for each device.
CREATE TABLE device_key (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    device uuid NOT NULL REFERENCES device ON DELETE RESTRICT,
    jkt text NOT NULL UNIQUE CHECK (jkt ~ '^[A-Za-z0-9_-]{43}$'),
    jwk jsonb NOT NULL,
    enrolled_at timestamptz NOT NULL,
    ended_at timestamptz CHECK (ended_at >= enrolled_at),
    end_reason text CHECK (end_reason IN ('re_enrolled', 'reinstated')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE UNIQUE INDEX device_key_in_force ON device_key (device) WHERE ended_at IS NULL;

-- A single-use code; only its digest is kept. `made_by` is nobody where the server's operator made it.
CREATE TABLE enrolment_code (
    digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    device uuid NOT NULL REFERENCES device ON DELETE RESTRICT,
    made_by uuid REFERENCES person ON DELETE RESTRICT,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at >= made_at),
    used_at timestamptz
);
CREATE INDEX enrolment_code_unused ON enrolment_code (device) WHERE used_at IS NULL;

-- A session on a device is bound to the key that the device had when it was opened. Sessions from before have none.
ALTER TABLE session DROP CONSTRAINT session_end_reason_check;
ALTER TABLE session ADD CONSTRAINT session_end_reason_check
    CHECK (end_reason IN ('signed_out', 'token_reused', 'revoked', 'password_changed', 're_enrolled'));
UPDATE session SET ended_at = greatest(now(), opened_at), end_reason = 're_enrolled' WHERE ended_at IS NULL;
ALTER TABLE session ADD COLUMN device_key uuid REFERENCES device_key ON DELETE RESTRICT;
ALTER TABLE session ADD CONSTRAINT session_device_key_check
    CHECK (ended_at IS NOT NULL OR (device IS NULL) = (device_key IS NULL));
CREATE INDEX session_of_key ON session (device_key) WHERE ended_at IS NULL;

-- Proofs seen lately, by a digest of key and jti, so that none is taken twice by any worker. Not in the write-ahead
-- log: a crash of the database forgets it, and a proof lives for minutes.
CREATE UNLOGGED TABLE proof_seen (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);
