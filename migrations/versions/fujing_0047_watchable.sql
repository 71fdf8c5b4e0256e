-- What no browser plays is watched as a view copy (观看副本), by time; and which time was watched is kept. DESIGN §11.10.

-- What a file is for whoever watches it, and its view copy where it has to be encoded anew. A copy is no evidence: it
-- lies unlocked in the store, under view/, and goes with the footage, or when room is short. `look` is what the probing
-- child saw. `fragments`: where each begins, as [milliseconds of the film, byte of the copy].
CREATE TABLE view_copy (
    recording uuid PRIMARY KEY REFERENCES recording ON DELETE RESTRICT,
    look jsonb NOT NULL,
    looked_at timestamptz NOT NULL,
    state text CHECK (state IN ('asked', 'made', 'failed')),
    percent smallint NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
    asked_at timestamptz,
    made_at timestamptz,
    used_at timestamptz,
    version text,
    bytes bigint CHECK (bytes > 0),
    init_bytes bigint CHECK (init_bytes BETWEEN 1 AND bytes),
    codecs text,
    fragments jsonb,
    CHECK ((state IS NULL) = (asked_at IS NULL)),
    CHECK (num_nonnulls(made_at, used_at, version, bytes, init_bytes, codecs, fragments)
        = CASE WHEN state = 'made' THEN 7 ELSE 0 END)
);
CREATE INDEX view_copy_used ON view_copy (used_at) WHERE state = 'made';

-- A view copy has no bytes to ask for, but a time: `from_ms` and `to_ms` are the time in the film that was sent, of the
-- footage itself too. None: nothing of the film was in those bytes, or nobody knows.
ALTER TABLE viewing DROP CONSTRAINT viewing_what_check,
    ADD CONSTRAINT viewing_what_check CHECK (what IN ('content', 'poster', 'view')),
    ALTER COLUMN first_byte DROP NOT NULL, ALTER COLUMN last_byte DROP NOT NULL,
    ADD CONSTRAINT viewing_bytes CHECK (num_nonnulls(first_byte, last_byte) = CASE WHEN what = 'view' THEN 0 ELSE 2 END),
    ADD COLUMN from_ms bigint CHECK (from_ms >= 0), ADD COLUMN to_ms bigint,
    ADD CONSTRAINT viewing_time CHECK (to_ms >= from_ms),
    ADD CONSTRAINT viewing_times CHECK ((from_ms IS NULL) = (to_ms IS NULL));

-- Which stretches of the film ran before the reviewer's eyes, as the page tells. Never altered.
CREATE TABLE watched_stretch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    watching uuid NOT NULL,
    position integer NOT NULL CHECK (position > 0),
    review uuid NOT NULL REFERENCES review ON DELETE RESTRICT,
    from_ms bigint NOT NULL CHECK (from_ms >= 0),
    to_ms bigint NOT NULL CHECK (to_ms > from_ms),
    at timestamptz NOT NULL,
    UNIQUE (watching, position)
);
CREATE INDEX watched_stretch_review ON watched_stretch (review, from_ms);
