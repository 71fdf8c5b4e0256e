-- What came by sync and cannot be recorded yet, what devices number, and what people decided between two stories.

-- An entry kept whole, free text included, until what it refers to is there or a person decides: erasable, and emptied
-- once it is recorded, for then `entry` holds it. `wakes`: whose arrival is a reason to try it again. See docs/adr/0017.
CREATE TABLE held_entry (
    id uuid PRIMARY KEY,
    actor uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    session uuid NOT NULL,
    device uuid,
    verb text NOT NULL,
    content text,
    despite text,
    occurred_at timestamptz,
    sent_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason IN ('unknown_reference', 'device_revoked')),
    waiting_for uuid[] NOT NULL,
    wakes uuid[] NOT NULL,
    until timestamptz,
    state text NOT NULL CHECK (state IN ('waiting', 'admitted', 'refused', 'unfit', 'recorded')),
    code text,
    decided_by uuid REFERENCES person ON DELETE RESTRICT,
    decided_at timestamptz,
    why text,
    CHECK ((reason = 'unknown_reference') = (until IS NOT NULL)),
    CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
    CHECK (state NOT IN ('admitted', 'refused') OR decided_by IS NOT NULL),
    CHECK ((state = 'recorded') = (content IS NULL))
);
CREATE INDEX held_entry_wakes ON held_entry USING gin (wakes) WHERE state IN ('waiting', 'admitted');
CREATE INDEX held_entry_listed ON held_entry (received_at DESC, id DESC);
CREATE INDEX held_entry_due ON held_entry (until) WHERE state IN ('waiting', 'admitted');
CREATE INDEX held_entry_actor ON held_entry (actor) WHERE state IN ('waiting', 'admitted');

-- What each device numbered, the refused included. `booted_at`: when it started, by its uptime and the corrected time.
-- `judged`: the numbers before it were awaited long enough.
CREATE TABLE device_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device uuid NOT NULL,
    seq bigint NOT NULL,
    entry uuid NOT NULL,
    person uuid NOT NULL,
    organ text NOT NULL,
    seen_at timestamptz NOT NULL,
    boot_id uuid,
    uptime_ms bigint,
    booted_at timestamptz,
    judged boolean NOT NULL DEFAULT false,
    UNIQUE (device, seq, entry)
);
CREATE INDEX device_entry_unjudged ON device_entry (seen_at) WHERE NOT judged;
CREATE INDEX device_entry_boot ON device_entry (device, boot_id) WHERE boot_id IS NOT NULL;

-- When a device started, by the server's clock: told by a sync call, whose uptime and arrival are of one moment.
CREATE TABLE device_boot (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device uuid NOT NULL,
    boot_id uuid NOT NULL,
    booted_at timestamptz NOT NULL,
    UNIQUE (device, boot_id)
);

-- Of two rows that contradict each other, which one a person found to be true. Never altered; of several about one
-- contested row the latest counts. `loser` counts for nothing; `other` is the row that `contested` contradicts.
CREATE TABLE ruling (
    id uuid PRIMARY KEY,
    contested uuid NOT NULL,
    other uuid NOT NULL CHECK (other <> contested),
    stands text NOT NULL CHECK (stands IN ('in_force', 'contested')),
    loser uuid NOT NULL GENERATED ALWAYS AS (CASE stands WHEN 'in_force' THEN contested ELSE other END) STORED,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    why text NOT NULL
);
CREATE INDEX ruling_contested ON ruling (contested, at, id);
CREATE INDEX ruling_loser ON ruling (loser);
CREATE TRIGGER ruling_no_change BEFORE UPDATE OR DELETE ON ruling
    FOR EACH ROW EXECUTE FUNCTION journal_stands();
CREATE TRIGGER ruling_no_truncate BEFORE TRUNCATE ON ruling
    FOR EACH STATEMENT EXECUTE FUNCTION journal_stands();

-- Whether the ruling in force sets this row aside.
CREATE FUNCTION set_aside(which uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM ruling r WHERE r.loser = which AND NOT EXISTS (
        SELECT FROM ruling n WHERE n.contested = r.contested AND (n.at, n.id) > (r.at, r.id)))
$$;

ALTER TABLE shift ADD COLUMN set_aside boolean NOT NULL DEFAULT false CHECK (NOT (set_aside AND in_force));
ALTER TABLE supervision ADD COLUMN set_aside boolean NOT NULL DEFAULT false CHECK (NOT (set_aside AND in_force));
