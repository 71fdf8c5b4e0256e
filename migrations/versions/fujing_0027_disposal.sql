-- A disposed upload stays sealed: its receipt, its digest and what it proved stand. Only its bytes go. DESIGN §7.
-- `disposed_at`: decided, under the lock that placing a hold takes; `removed_at`: the store has let go of the bytes.
ALTER TABLE upload
    ADD COLUMN disposed_at timestamptz,
    ADD COLUMN removed_at timestamptz,
    ADD CHECK (disposed_at IS NULL OR (state = 'sealed' AND NOT legal_hold AND disposed_at >= locked_until)),
    ADD CHECK (removed_at >= disposed_at),
    ADD CHECK (removed_at IS NULL OR disposed_at IS NOT NULL);
CREATE INDEX upload_past_term ON upload (locked_until) WHERE disposed_at IS NULL AND state = 'sealed';
CREATE INDEX upload_to_remove ON upload (id) WHERE disposed_at IS NOT NULL AND removed_at IS NULL;

-- The four categories that are kept for ever (公通字〔2016〕14号).
ALTER TABLE hold
    ADD COLUMN category text CHECK (category IN ('case_evidence', 'obstruction', 'major_incident', 'other_major')),
    ADD CHECK (category IS NULL OR permanent);
