-- Hurt on duty: the accident, its recognition as a work injury, and the costs that the organ advances. R.26;
-- 工伤保险条例. Words about the injury and amounts stand here only; the journal holds ids, codes, times and amounts.

-- One accident of one person, however many report it. `handled_in`: the organ that decides on the advance.
-- `apply_by`: until when the organ applies for recognition (工伤保险条例 17); `window_until`: until when others may.
CREATE TABLE injury (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    handled_in text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    injured_at timestamptz NOT NULL,
    reported_at timestamptz NOT NULL,
    fatal boolean NOT NULL,
    recognition text NOT NULL CHECK (recognition IN ('reported', 'applied', 'papers_missing', 'accepted',
        'not_accepted', 'suspended', 'recognised', 'treated_as', 'not_recognised', 'in_review')),
    apply_by timestamptz NOT NULL,
    decide_by timestamptz,
    window_until timestamptz NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    CHECK (apply_by > injured_at AND window_until > injured_at)
);
CREATE INDEX injury_person ON injury (person, injured_at);
CREATE INDEX injury_organ ON injury (organ, reported_at);
CREATE INDEX injury_due ON injury (apply_by) WHERE recognition = 'reported';

-- What each who reported it told; never altered.
CREATE TABLE injury_report (
    id uuid PRIMARY KEY,
    injury uuid NOT NULL REFERENCES injury ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    injured_at timestamptz NOT NULL,
    place jsonb,
    how text NOT NULL,
    doing text NOT NULL,
    activity uuid REFERENCES activity ON DELETE RESTRICT,
    body_part text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('minor', 'serious', 'critical', 'fatal')),
    hospital text,
    outsiders text
);
CREATE INDEX injury_report_of ON injury_report (injury, at, id);
CREATE INDEX injury_report_by ON injury_report (by_person);

-- Colleagues who saw it; their footage is held too.
CREATE TABLE injury_witness (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    report uuid NOT NULL REFERENCES injury_report ON DELETE RESTRICT,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    UNIQUE (report, person)
);

-- Photos and papers, whoever brought them: uploaded as any document, and held with the footage.
CREATE TABLE injury_paper (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    injury uuid NOT NULL REFERENCES injury ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    document uuid NOT NULL REFERENCES document ON DELETE RESTRICT,
    entry uuid NOT NULL,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    UNIQUE (injury, document)
);
CREATE INDEX injury_paper_document ON injury_paper (document);

-- The way to recognition, step by step, each on the version before it.
CREATE TABLE injury_step (
    id uuid PRIMARY KEY,
    injury uuid NOT NULL REFERENCES injury ON DELETE RESTRICT,
    version integer NOT NULL CHECK (version > 1),
    step text NOT NULL,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    on_day date NOT NULL,
    until_day date,
    words text NOT NULL,
    UNIQUE (injury, version),
    CHECK ((step = 'extend') = (until_day IS NOT NULL))
);

-- Of a death: what the survivors are owed (R.26 para 2, 3), done when somebody says so.
CREATE TABLE survivor_item (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    injury uuid NOT NULL REFERENCES injury ON DELETE RESTRICT,
    item text NOT NULL,
    done_by uuid REFERENCES person ON DELETE RESTRICT,
    done_at timestamptz,
    words text,
    UNIQUE (injury, item),
    CHECK (num_nonnulls(done_by, done_at, words) IN (0, 3))
);

-- One cost of an injury and what became of it, in fen. `paid_fen` and `settled_fen` are what the payments and
-- settlements below add up to; no balance can be wrong, whoever writes.
CREATE TABLE advance_item (
    id uuid PRIMARY KEY,
    injury uuid NOT NULL REFERENCES injury ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    kind text NOT NULL CHECK (kind IN ('medical', 'transport', 'nursing', 'other')),
    requested_by uuid REFERENCES person ON DELETE RESTRICT,
    requested_at timestamptz,
    requested_fen bigint CHECK (requested_fen > 0),
    words text,
    decided_by uuid REFERENCES person ON DELETE RESTRICT,
    decided_at timestamptz,
    approved_fen bigint CHECK (approved_fen >= 0 AND approved_fen <= requested_fen),
    decision text,
    paid_fen bigint NOT NULL DEFAULT 0 CHECK (paid_fen >= 0 AND paid_fen <= coalesce(approved_fen, 0)),
    settled_fen bigint NOT NULL DEFAULT 0 CHECK (settled_fen >= 0 AND settled_fen <= paid_fen),
    then_what text CHECK (then_what IN ('employer', 'recover', 'third_party', 'accident_insurer', 'await_review')),
    then_why text,
    version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    state text NOT NULL GENERATED ALWAYS AS (CASE
        WHEN requested_fen IS NULL THEN 'open'
        WHEN decided_at IS NULL THEN 'requested'
        WHEN approved_fen = 0 THEN 'refused'
        WHEN paid_fen = 0 THEN 'approved'
        WHEN settled_fen = 0 THEN 'paid'
        WHEN settled_fen < paid_fen OR paid_fen < approved_fen THEN 'settling'
        ELSE 'settled' END) STORED,
    CHECK (num_nonnulls(requested_by, requested_at, requested_fen, words) IN (0, 4)),
    CHECK (num_nonnulls(decided_by, decided_at, approved_fen, decision) IN (0, 4)),
    CHECK (decided_at IS NULL OR requested_at IS NOT NULL),
    CHECK ((then_what IS NULL) = (then_why IS NULL))
);
CREATE INDEX advance_item_of ON advance_item (injury, kind);
CREATE INDEX advance_item_state ON advance_item (state);

-- Money that went out, once for each receipt, and where it came back from. Never altered.
CREATE TABLE advance_payment (
    id uuid PRIMARY KEY,
    item uuid NOT NULL REFERENCES advance_item ON DELETE RESTRICT,
    fen bigint NOT NULL CHECK (fen > 0),
    receipt uuid NOT NULL UNIQUE REFERENCES document ON DELETE RESTRICT,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    words text NOT NULL
);
CREATE INDEX advance_payment_of ON advance_payment (item, at);

CREATE TABLE advance_settlement (
    id uuid PRIMARY KEY,
    item uuid NOT NULL REFERENCES advance_item ON DELETE RESTRICT,
    fen bigint NOT NULL CHECK (fen > 0),
    payer text NOT NULL CHECK (payer IN ('fund', 'employer', 'accident_insurer', 'third_party', 'recovered')),
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    words text NOT NULL
);
CREATE INDEX advance_settlement_of ON advance_settlement (item, at);

CREATE FUNCTION add_to_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'advance_payment' THEN
        UPDATE advance_item SET paid_fen = paid_fen + NEW.fen, version = version + 1 WHERE id = NEW.item;
    ELSE
        UPDATE advance_item SET settled_fen = settled_fen + NEW.fen, version = version + 1 WHERE id = NEW.item;
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION stays_as_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was booked is never altered: book the difference' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER payment_adds AFTER INSERT ON advance_payment FOR EACH ROW EXECUTE FUNCTION add_to_item();
CREATE TRIGGER settlement_adds AFTER INSERT ON advance_settlement FOR EACH ROW EXECUTE FUNCTION add_to_item();
CREATE TRIGGER payment_stays BEFORE UPDATE OR DELETE ON advance_payment FOR EACH ROW EXECUTE FUNCTION stays_as_written();
CREATE TRIGGER settlement_stays BEFORE UPDATE OR DELETE ON advance_settlement
    FOR EACH ROW EXECUTE FUNCTION stays_as_written();

-- An injury goes on while anybody may apply for recognition, it is not decided, or money is open.
CREATE OR REPLACE VIEW open_matter AS
SELECT i.id FROM injury i
WHERE i.window_until > now() OR i.recognition NOT IN ('not_accepted', 'recognised', 'treated_as', 'not_recognised')
    OR EXISTS (SELECT FROM advance_item x WHERE x.injury = i.id AND x.state IN ('requested', 'approved', 'paid', 'settling'));

-- As in 0019, and the papers of an injury with its holds.
CREATE OR REPLACE VIEW held AS
SELECT h.id AS hold, r.id AS upload FROM hold h JOIN recording r ON r.wearer = h.person AND r.during && h.during
WHERE h.released_at IS NULL
UNION
SELECT h.id, r.id FROM hold h JOIN supervision s ON s.auxiliary = h.person AND s.during && h.during
    JOIN recording r ON r.wearer = s.officer AND r.during && (s.during * h.during)
WHERE h.released_at IS NULL
UNION
SELECT h.id, h.upload FROM hold h WHERE h.released_at IS NULL AND h.upload IS NOT NULL
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN injury_paper p ON p.injury = h.about JOIN upload u ON u.id = p.document
WHERE h.released_at IS NULL
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN advance_item i ON i.injury = h.about
    JOIN advance_payment p ON p.item = i.id JOIN upload u ON u.id = p.receipt
WHERE h.released_at IS NULL
UNION
SELECT h.id, r.id FROM hold h JOIN recording r ON r.during && h.during AND r.organ IN (SELECT organs_under(ARRAY[h.organ]))
WHERE h.released_at IS NULL AND h.place IS NOT NULL AND coalesce((
    SELECT bool_or(may_be_near(h.place, p, h.radius_m, h.datums_m)) FROM (
        SELECT places_of(r.wearer, r.during * h.during) AS p
        UNION ALL SELECT places_of(s.auxiliary, r.during * h.during * s.during) FROM supervision s
        WHERE s.officer = r.wearer AND s.during && (r.during * h.during)) w
), true);
