-- What the application's own role may not do to sealed footage and to holds, whatever line it writes. The owner may: its
-- changes are found by proof. Each function is the owner's and has a fixed search path. See docs/adr/0055.

-- A sealed file stays the one that was sealed. Its term only grows; it is disposed of once, after its term, when nothing
-- holds it, and removed once after that. A file is declared before it is anything else. An hour: more than the clocks of
-- the program and the database may ever differ by (terms.toml, clocks_apart).
CREATE FUNCTION upload_stands() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    wrong text;
BEGIN
    IF session_user = current_user THEN
        RETURN NEW;
    ELSIF TG_OP = 'INSERT' THEN
        wrong := CASE WHEN NEW.state NOT IN ('declared', 'same_as') OR num_nonnulls(NEW.version, NEW.received_at,
            NEW.sealed_at, NEW.locked_until, NEW.receipt, NEW.disposed_at, NEW.removed_at) > 0 OR NEW.legal_hold
            THEN 'is not declared first' END;
    ELSIF (NEW.id, NEW.state, NEW.version, NEW.bytes, NEW.sha256, NEW.received_at, NEW.sealed_at, NEW.receipt, NEW.same_as)
        IS DISTINCT FROM
        (OLD.id, OLD.state, OLD.version, OLD.bytes, OLD.sha256, OLD.received_at, OLD.sealed_at, OLD.receipt, OLD.same_as)
    THEN
        wrong := 'is sealed';
    ELSIF coalesce(NEW.locked_until < OLD.locked_until, true) THEN
        wrong := 'has a longer term';
    ELSIF NEW.disposed_at IS DISTINCT FROM OLD.disposed_at THEN
        wrong := CASE WHEN OLD.disposed_at IS NOT NULL THEN 'was disposed of'
            WHEN NEW.disposed_at > now() + interval '1 hour' THEN 'is not disposed of yet'
            WHEN EXISTS (SELECT FROM held h WHERE h.upload = NEW.id) THEN 'is held' END;
    ELSIF OLD.removed_at IS NOT NULL AND NEW.removed_at IS DISTINCT FROM OLD.removed_at THEN
        wrong := 'was removed';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'upload % %', NEW.id, wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER upload_is_declared BEFORE INSERT ON upload FOR EACH ROW EXECUTE FUNCTION upload_stands();
CREATE TRIGGER upload_stands BEFORE UPDATE ON upload
    FOR EACH ROW WHEN (OLD.state = 'sealed') EXECUTE FUNCTION upload_stands();

-- A hold is released once, and not taken back; meanwhile it only grows. Its place goes when it is over. One that follows
-- from an act that goes on has no end until the act has one.
CREATE FUNCTION hold_stands() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF session_user <> current_user AND (
        OLD.released_at IS NOT NULL AND (NEW.released_by, NEW.released_at) IS DISTINCT FROM (OLD.released_by, OLD.released_at)
        OR OLD.released_at IS NULL AND NEW.place IS DISTINCT FROM OLD.place
        OR NEW.started_at > OLD.started_at OR NEW.ended_at < OLD.ended_at
        OR OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND OLD.origin <> 'category'
        OR OLD.permanent AND NOT NEW.permanent)
    THEN
        RAISE EXCEPTION 'hold % stands', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold_stands BEFORE UPDATE ON hold FOR EACH ROW EXECUTE FUNCTION hold_stands();

-- A file gets another version in the store by a restore only: the owner does it, in an epoch that a restore began.
ALTER TABLE journal_epoch ADD COLUMN restored boolean NOT NULL DEFAULT false;
UPDATE journal_epoch e SET restored = true
WHERE EXISTS (SELECT FROM journal j WHERE j.epoch = e.epoch AND j.verb = 'evidence/restore');

-- Lines that the owner alone writes.
CREATE FUNCTION owner_writes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF session_user <> current_user THEN
        RAISE EXCEPTION '% is written by the owner of the tables', NEW.verb USING ERRCODE = 'insufficient_privilege';
    ELSIF NEW.verb = 'evidence/restore' AND NOT coalesce(
        (SELECT e.restored FROM journal_epoch e WHERE e.epoch = NEW.epoch AND e.epoch = current_epoch()), false)
    THEN
        RAISE EXCEPTION 'no restore began epoch %', NEW.epoch USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER owner_writes BEFORE INSERT ON journal FOR EACH ROW
    WHEN (NEW.verb IN ('evidence/restore', 'house/baseline')) EXECUTE FUNCTION owner_writes();
