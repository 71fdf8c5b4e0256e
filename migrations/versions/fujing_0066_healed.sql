-- One file that the store has and does not give is asked for again and put back. See docs/adr/0062.

-- Since when bytes that a device sent again, for a sealed file that cannot be read, wait beside it; null: none do.
ALTER TABLE upload ADD COLUMN resent_at timestamptz;
-- A version that nobody could read is no other film: it counts against nobody, and goes only once another one is sealed.
-- Its device sends under another key, because MinIO takes nothing more where an object's metadata is damaged.
-- `object_key`: where it lies, where that is not the upload's own key any more.
ALTER TABLE refused_version ADD COLUMN unreadable boolean NOT NULL DEFAULT false, ADD COLUMN object_key text;

-- Only of what is on its way, and only a key of this upload: the application's role cannot change a key otherwise.
CREATE FUNCTION send_elsewhere(which uuid, key text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH moved AS (
        UPDATE upload SET object_key = key
        WHERE id = which AND state IN ('receiving', 'abandoned') AND split_part(key, '.', 1) = split_part(object_key, '.', 1)
        RETURNING id
    )
    SELECT count(*) > 0 FROM moved
$$;

-- A file that was put back: the owner alone says so, in any epoch, because no restore began one. It has the digest and
-- size of its sealing, and lies under the version that the line names.
CREATE FUNCTION heal_stands() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    told jsonb := convert_from(NEW.entry, 'UTF8')::jsonb -> 'facts';
BEGIN
    IF session_user <> current_user THEN
        RAISE EXCEPTION '% is written by the owner of the tables', NEW.verb USING ERRCODE = 'insufficient_privilege';
    ELSIF NOT EXISTS (
        SELECT FROM upload u WHERE u.id = NEW.subjects[1] AND u.state = 'sealed'
            AND (u.sha256, u.bytes::text, u.object_key, u.version)
                = (told ->> 'sha256', told ->> 'bytes', told ->> 'key', told ->> 'version'))
    THEN
        RAISE EXCEPTION 'the line is of other bytes than were sealed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER heal_stands BEFORE INSERT ON journal FOR EACH ROW
    WHEN (NEW.verb = 'evidence/heal') EXECUTE FUNCTION heal_stands();
