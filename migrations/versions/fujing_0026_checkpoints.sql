-- Signed heads over the journal, in the order of (epoch, xid, seq): each covers the rows after the one before it, up to
-- and including the row that it names. The copy in the locked store is the proof; this one says what is there.
CREATE TABLE checkpoint (
    number bigint PRIMARY KEY CHECK (number > 0),
    epoch integer NOT NULL,
    xid xid8 NOT NULL,
    seq bigint NOT NULL,
    rows integer NOT NULL CHECK (rows > 0),
    total bigint NOT NULL CHECK (total >= rows),
    at timestamptz NOT NULL,
    signed text NOT NULL,
    leaves bytea, -- until the store has it
    version text,
    leaves_version text,
    CHECK (num_nonnulls(version, leaves_version) IN (0, 2)),
    CHECK ((leaves IS NULL) = (version IS NOT NULL))
);
CREATE INDEX checkpoint_order ON checkpoint (epoch, xid, seq);
CREATE INDEX checkpoint_pending ON checkpoint (number) WHERE version IS NULL;

CREATE FUNCTION checkpoint_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.version IS NULL AND (NEW.number, NEW.epoch, NEW.xid, NEW.seq, NEW.rows, NEW.total, NEW.at,
        NEW.signed) IS NOT DISTINCT FROM (OLD.number, OLD.epoch, OLD.xid, OLD.seq, OLD.rows, OLD.total, OLD.at, OLD.signed)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a checkpoint stands' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER checkpoint_no_change BEFORE UPDATE OR DELETE ON checkpoint
    FOR EACH ROW EXECUTE FUNCTION checkpoint_stands();
CREATE TRIGGER checkpoint_no_truncate BEFORE TRUNCATE ON checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION checkpoint_stands();
