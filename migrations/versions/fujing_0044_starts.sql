-- When footage began: every telling stays, and the newest chosen one counts.

-- file_modified_at: the file's own time in the file system, by the camera's clock.
ALTER TABLE recording ADD COLUMN file_modified_at timestamptz;

-- One telling of when a film began, by the server's clock. `why`: by which rule (backend/evidence/starts/rules.py).
-- `chosen`: it counts where no newer chosen one does. `candidates`: what each source of the file says, as JSON.
CREATE TABLE film_start (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upload uuid NOT NULL REFERENCES recording ON DELETE RESTRICT,
    value timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('clock', 'metadata', 'file_name', 'file_time', 'timecode', 'corrected')),
    doubtful boolean NOT NULL,
    chosen boolean NOT NULL,
    why text NOT NULL CHECK (why <> ''),
    candidates jsonb NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX film_start_newest ON film_start (upload, id DESC);

-- Before this, the declaration told the start, and nothing else did.
INSERT INTO film_start (upload, value, source, doubtful, chosen, why, candidates, at)
SELECT r.id, r.started_at, r.time_source, false, true, 'told', '[]', u.declared_at
FROM recording r JOIN upload u ON u.id = r.id ORDER BY u.declared_at, r.id;

-- Who corrected a start, to what, and why. The words are erasable.
CREATE TABLE time_correction (
    id uuid PRIMARY KEY,
    recording uuid NOT NULL REFERENCES recording ON DELETE RESTRICT,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    value timestamptz NOT NULL,
    words text NOT NULL CHECK (words <> '')
);
CREATE INDEX time_correction_recording ON time_correction (recording, at);

-- A time code that a film shows. `standing`: it proves the start, or why it does not. `digest`: SHA-256 of its text.
-- `offset_ms`: the camera's clock minus the code's; NULL: the camera tells no time.
CREATE TABLE film_timecode (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upload uuid NOT NULL REFERENCES recording ON DELETE RESTRICT,
    camera_serial text NOT NULL,
    position_ms bigint NOT NULL CHECK (position_ms >= 0),
    frame bigint NOT NULL CHECK (frame >= 0),
    shown_at timestamptz NOT NULL,
    signer text NOT NULL CHECK (signer IN ('server', 'device')),
    age_s bigint NOT NULL CHECK (age_s >= 0),
    wearer uuid NOT NULL,
    shift uuid,
    offset_ms bigint,
    standing text NOT NULL CHECK (standing <> ''),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    at timestamptz NOT NULL
);
CREATE INDEX film_timecode_upload ON film_timecode (upload, id);
CREATE INDEX film_timecode_digest ON film_timecode (digest);
CREATE INDEX film_timecode_camera ON film_timecode (camera_serial, shown_at) WHERE standing = 'proves';

-- The start that counts is the recording's, its end moves along, and so does what the film proves.
CREATE FUNCTION begin_film() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE recording SET started_at = NEW.value,
        ended_at = NEW.value + extract(epoch FROM ended_at - started_at) * interval '1 second',
        film_ends_at = NEW.value + extract(epoch FROM film_ends_at - started_at) * interval '1 second'
    WHERE id = NEW.upload AND started_at <> NEW.value;
    IF FOUND THEN
        PERFORM place_film(NEW.upload);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER start_counts AFTER INSERT ON film_start FOR EACH ROW WHEN (NEW.chosen) EXECUTE FUNCTION begin_film();

CREATE TRIGGER film_start_stays BEFORE UPDATE OR DELETE ON film_start
    FOR EACH ROW EXECUTE FUNCTION stays_as_written();
CREATE TRIGGER film_timecode_stays BEFORE UPDATE OR DELETE ON film_timecode
    FOR EACH ROW EXECUTE FUNCTION stays_as_written();
CREATE TRIGGER time_correction_stays BEFORE DELETE OR UPDATE OF id, recording, by_person, at, value ON time_correction
    FOR EACH ROW EXECUTE FUNCTION stays_as_written();
