-- Who there is. R.2: two kinds of auxiliary; R.7: whose organ answers.

CREATE TABLE organ (
    code text PRIMARY KEY CHECK (code ~ '^[0-9]{12}$'),
    name text NOT NULL CHECK (name <> ''),
    parent text,
    depth smallint NOT NULL CHECK (depth BETWEEN 0 AND 12),
    -- A parent is exactly one level up, so no organ can come to stand under itself.
    parent_depth smallint GENERATED ALWAYS AS (CASE WHEN parent IS NULL THEN NULL ELSE depth - 1 END) STORED,
    CHECK ((parent IS NULL) = (depth = 0)),
    UNIQUE (code, depth)
);
ALTER TABLE organ ADD CONSTRAINT organ_parent_fkey FOREIGN KEY (parent, parent_depth)
    REFERENCES organ (code, depth) ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX organ_parent ON organ (parent);

CREATE FUNCTION organs_under(roots text[]) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    WITH RECURSIVE reach AS (
        SELECT code FROM organ WHERE code = ANY (roots)
        UNION SELECT o.code FROM organ o JOIN reach r ON o.parent = r.code
    )
    SELECT code FROM reach
$$;

CREATE TABLE person (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    badge text NOT NULL UNIQUE CHECK (badge ~ '^[A-Za-z0-9-]{1,20}$'),
    name text NOT NULL CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('officer', 'duty_auxiliary', 'civilian_auxiliary', 'staff')),
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    serves_from date NOT NULL,
    serves_until date CHECK (serves_until >= serves_from)
);
CREATE INDEX person_organ ON person (organ);

CREATE TABLE credential (
    person uuid PRIMARY KEY REFERENCES person ON DELETE RESTRICT,
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    changed_at timestamptz NOT NULL
);

CREATE TABLE role_grant (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    role text NOT NULL CHECK (role IN ('commander', 'treasurer', 'inspector', 'administrator')),
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    valid_from date NOT NULL,
    valid_until date CHECK (valid_until >= valid_from),
    UNIQUE (person, role, organ, valid_from)
);

-- R.8 last paragraph: work that needs a professional qualification; R.30: training.
CREATE TABLE qualification (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    code text NOT NULL CHECK (code ~ '^[a-z][a-z0-9_]{0,39}$'),
    valid_from date NOT NULL,
    valid_until date CHECK (valid_until >= valid_from),
    UNIQUE (person, code, valid_from)
);

CREATE TABLE device (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    serial text NOT NULL UNIQUE CHECK (serial ~ '^[A-Za-z0-9._-]{1,40}$'),
    name text NOT NULL CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('handheld', 'desk', 'dock')),
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    revoked_at timestamptz
);

-- A session is a family of refresh tokens. `used` is the highest generation that was ever spent.
CREATE TABLE session (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    device uuid REFERENCES device ON DELETE RESTRICT,
    used integer NOT NULL DEFAULT 0 CHECK (used >= 0),
    opened_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > opened_at),
    ended_at timestamptz,
    end_reason text CHECK (end_reason IN ('signed_out', 'token_reused', 'revoked', 'password_changed')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX session_open ON session (person) WHERE ended_at IS NULL;

-- Counted before the password is looked at, so that guesses side by side count too; a success removes the account's.
CREATE TABLE sign_in_attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    badge text NOT NULL,
    address text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX sign_in_attempt_badge ON sign_in_attempt (badge, at);
CREATE INDEX sign_in_attempt_address ON sign_in_attempt (address, at);
