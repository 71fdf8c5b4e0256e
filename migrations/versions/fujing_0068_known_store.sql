-- The locked object by which a house knows its bucket: its place, its version there and the digest of its bytes. The row
-- with the highest number counts. Nobody changes or removes a row. The application writes the first; another one is the
-- owner's, after a restore. So whoever holds the application's role cannot make another bucket ours. See docs/adr/0063.
CREATE TABLE store_marker (
    id uuid PRIMARY KEY,
    number integer NOT NULL UNIQUE CHECK (number > 0),
    bucket text NOT NULL,
    key text NOT NULL,
    version text NOT NULL CHECK (version <> ''),
    bytes integer NOT NULL CHECK (bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    made_at timestamptz NOT NULL
);
CREATE FUNCTION store_marker_stands() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF session_user <> current_user AND NEW.number <> 1 THEN
        RAISE EXCEPTION 'the store of this house is known' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER store_marker_stands BEFORE INSERT ON store_marker FOR EACH ROW EXECUTE FUNCTION store_marker_stands();
CREATE TRIGGER store_marker_no_change BEFORE UPDATE OR DELETE ON store_marker
    FOR EACH ROW EXECUTE FUNCTION journal_stands();
CREATE TRIGGER store_marker_no_truncate BEFORE TRUNCATE ON store_marker
    FOR EACH STATEMENT EXECUTE FUNCTION journal_stands();

-- It is a fact: the line of its transaction names it, and proof compares the two.
CREATE FUNCTION fact_digest(t store_marker) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT version_1(json_build_array(t.id, t.number, t.bucket, t.key, t.version, t.bytes, t.sha256,
        t.made_at AT TIME ZONE 'UTC'))
$$;
CREATE TRIGGER fact_made AFTER INSERT ON store_marker FOR EACH ROW EXECUTE FUNCTION note_fact();
CREATE TRIGGER fact_changed AFTER UPDATE ON store_marker FOR EACH ROW
    WHEN ((OLD.id, OLD.number, OLD.bucket, OLD.key, OLD.version, OLD.bytes, OLD.sha256, OLD.made_at)
        IS DISTINCT FROM (NEW.id, NEW.number, NEW.bucket, NEW.key, NEW.version, NEW.bytes, NEW.sha256, NEW.made_at))
    EXECUTE FUNCTION note_fact();
CREATE CONSTRAINT TRIGGER fact_made_is_told AFTER INSERT ON store_marker DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION tie_fact();
CREATE CONSTRAINT TRIGGER fact_changed_is_told AFTER UPDATE ON store_marker DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.id, OLD.number, OLD.bucket, OLD.key, OLD.version, OLD.bytes, OLD.sha256, OLD.made_at)
        IS DISTINCT FROM (NEW.id, NEW.number, NEW.bucket, NEW.key, NEW.version, NEW.bytes, NEW.sha256, NEW.made_at))
    EXECUTE FUNCTION tie_fact();
DO $do$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW fact_row AS ' || rtrim(pg_get_viewdef('fact_row'::regclass), ';')
        || ' UNION ALL SELECT ''store_marker/'' || t.id, fact_digest(t) FROM store_marker t';
END $do$;

-- What was found of the store last: whether it keeps locks and holds ('lock'), and whether it takes writes ('write').
-- `left_there`: small objects under lock and hold that a later proof looks at. `claimed_by`: the process that does so now.
CREATE TABLE store_check (
    kind text PRIMARY KEY CHECK (kind IN ('lock', 'write')),
    at timestamptz,
    state text,
    code text,
    facts jsonb NOT NULL DEFAULT '{}',
    left_there jsonb NOT NULL DEFAULT '[]',
    claimed_by uuid,
    claimed_at timestamptz
);
INSERT INTO store_check (kind) VALUES ('lock'), ('write');
