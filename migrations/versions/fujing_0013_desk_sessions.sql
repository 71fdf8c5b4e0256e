-- Sessions at a desk: no device, a cookie instead of tokens, and a second factor for those who can do the most.

-- A row of `session` without a device, and what the browser's cookie adds to it. The cookie itself is nowhere.
CREATE TABLE desk_session (
    session uuid PRIMARY KEY REFERENCES session ON DELETE RESTRICT,
    cookie_sha256 bytea NOT NULL UNIQUE CHECK (length(cookie_sha256) = 32),
    factor_given boolean NOT NULL,
    seen_at timestamptz NOT NULL
);

-- TOTP (RFC 6238). The secret is encrypted by a key of the secrets directory; a reset empties the row. The last time
-- step whose code was taken rises, so that no code is taken twice.
CREATE TABLE second_factor (
    person uuid PRIMARY KEY REFERENCES person ON DELETE RESTRICT,
    kid text,
    secret bytea,
    confirmed_at timestamptz,
    last_step bigint,
    CHECK ((secret IS NULL) = (kid IS NULL)),
    CHECK (confirmed_at IS NULL OR secret IS NOT NULL),
    CHECK ((confirmed_at IS NULL) = (last_step IS NULL))
);
