-- One append-only row for everything accepted or refused. See docs/adr/0008.

-- `epoch` rises when the cluster's identity changed (a restore): transaction ids of another cluster say nothing here.
CREATE TABLE journal_epoch (
    epoch integer PRIMARY KEY,
    system_identifier bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION current_epoch() RETURNS integer LANGUAGE sql STABLE AS 'SELECT max(epoch) FROM journal_epoch';

CREATE TABLE journal (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epoch integer NOT NULL DEFAULT current_epoch(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL,
    actor uuid,
    device uuid,
    verb text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('recorded', 'refused', 'denied', 'done')),
    entry_id uuid,
    subjects uuid[] NOT NULL,
    organ text,
    entry bytea NOT NULL
);
CREATE UNIQUE INDEX journal_entry_once ON journal (entry_id, outcome) WHERE outcome IN ('recorded', 'refused');
CREATE INDEX journal_order ON journal (epoch, xid, seq);
CREATE INDEX journal_subjects ON journal USING gin (subjects);

CREATE FUNCTION journal_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_stands();
CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_stands();

-- The entry as it came, free text and places included: erasable, with the salt of its digest. See docs/adr/0010.
CREATE TABLE entry (
    id uuid PRIMARY KEY,
    actor uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    verb text NOT NULL,
    salt bytea CHECK (length(salt) = 16),
    content bytea,
    despite bytea,
    CHECK ((salt IS NULL) = (content IS NULL))
);

CREATE TABLE finding (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL,
    subject uuid NOT NULL,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    person uuid REFERENCES person ON DELETE RESTRICT,
    against_organ boolean NOT NULL DEFAULT false,
    started_at timestamptz,
    ended_at timestamptz,
    found_at timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz,
    CHECK (ended_at >= started_at),
    UNIQUE (kind, subject)
);
CREATE INDEX finding_person ON finding (person, found_at) WHERE withdrawn_at IS NULL;
CREATE INDEX finding_organ ON finding (organ, found_at) WHERE withdrawn_at IS NULL;
