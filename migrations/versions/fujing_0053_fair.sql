-- Fair to the auxiliary, and to whoever complains: heard before judged, findings told and decided, ordered and not
-- chosen, one's own film, praise; and the number of an incident (接处警编号). R.6, 7, 12, 13, 31, 34.

-- An incident has a number long before it has a case. Of the entries about an act the latest that gives one counts.
ALTER TABLE activity ADD COLUMN incident_ref text;
ALTER TABLE activity_telling ADD COLUMN incident_ref text;
ALTER TABLE assistance ADD COLUMN incident_ref text;
ALTER TABLE recording ADD COLUMN incident_ref text;
CREATE INDEX activity_incident ON activity (case_key(incident_ref)) WHERE incident_ref IS NOT NULL;
CREATE INDEX assistance_incident ON assistance (case_key(incident_ref)) WHERE incident_ref IS NOT NULL;
CREATE INDEX recording_incident ON recording (case_key(incident_ref)) WHERE incident_ref IS NOT NULL;
-- An act is known by the number of its incident too, so a recusal in an incident counts for it (0051).
CREATE INDEX activity_telling_incident ON activity_telling (case_key(incident_ref)) WHERE incident_ref IS NOT NULL;
CREATE OR REPLACE VIEW told_of AS
SELECT activity, case_key(case_ref) AS key FROM activity_telling WHERE case_ref IS NOT NULL
UNION ALL SELECT activity, case_key(incident_ref) FROM activity_telling WHERE incident_ref IS NOT NULL;
CREATE FUNCTION number_incident() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE activity a SET incident_ref = (
        SELECT t.incident_ref FROM activity_telling t WHERE t.activity = NEW.activity AND t.incident_ref IS NOT NULL
        ORDER BY t.at DESC, t.id DESC LIMIT 1) WHERE a.id = NEW.activity;
    RETURN NULL;
END $$;
CREATE TRIGGER telling_numbers AFTER INSERT ON activity_telling
    FOR EACH ROW WHEN (NEW.incident_ref IS NOT NULL) EXECUTE FUNCTION number_incident();

-- Heard before judged (R.13(5), 34): the person complained of is told the substance, never who complained, and answers.
CREATE TABLE hearing (
    id uuid PRIMARY KEY,
    complaint uuid NOT NULL REFERENCES complaint ON DELETE RESTRICT,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    substance text NOT NULL,
    heard_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    told_at timestamptz NOT NULL,
    answer_by timestamptz NOT NULL CHECK (answer_by >= told_at),
    UNIQUE (complaint, person)
);
CREATE INDEX hearing_person ON hearing (person, told_at);
CREATE TABLE hearing_statement (
    id uuid PRIMARY KEY,
    hearing uuid NOT NULL REFERENCES hearing ON DELETE RESTRICT,
    words text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX hearing_statement_hearing ON hearing_statement (hearing, at);
-- Why somebody was not heard before the conclusion, and where they may appeal against it.
ALTER TABLE complaint
    ADD COLUMN unheard_why text,
    ADD COLUMN appeal_to text REFERENCES organ ON DELETE RESTRICT;

-- A finding counts in an assessment (R.31) once it was told, could be answered, and was decided. The latest decision
-- counts; who decided did not lead then.
CREATE TABLE finding_told (
    finding uuid PRIMARY KEY, -- stands for ever: findings are withdrawn, never deleted
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    told_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    answer_by timestamptz NOT NULL CHECK (answer_by >= at)
);
CREATE INDEX finding_told_person ON finding_told (person, at);
CREATE TABLE finding_decision (
    id uuid PRIMARY KEY,
    finding uuid NOT NULL,
    accepted boolean NOT NULL,
    why text NOT NULL,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL
);
CREATE INDEX finding_decision_finding ON finding_decision (finding, at);

-- Ordered, not chosen (R.7, 12): the officer whom an entry names as ordering it (`despite.ordered_by`). `codes`: the
-- findings that follow from the order. They are the officer's and the organ's, unless the officer disputes the order.
CREATE TABLE given_order (
    id uuid PRIMARY KEY, -- that of the entry
    officer uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    auxiliary uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    verb text NOT NULL,
    at timestamptz NOT NULL,
    codes text[] NOT NULL,
    told_at timestamptz NOT NULL,
    dispute_by timestamptz NOT NULL CHECK (dispute_by >= told_at)
);
CREATE INDEX given_order_officer ON given_order (officer, at);
CREATE INDEX given_order_organ ON given_order (organ, at);
CREATE INDEX given_order_auxiliary ON given_order (auxiliary, at);
CREATE TABLE order_dispute (
    id uuid PRIMARY KEY,
    given uuid NOT NULL UNIQUE REFERENCES given_order ON DELETE RESTRICT,
    words text NOT NULL,
    at timestamptz NOT NULL
);
-- 依法不能做: an order to do what Article 12 forbids was declined. For the inspector, never for who ordered it.
CREATE TABLE declined_order (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    officer uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    work text NOT NULL,
    words text,
    place jsonb,
    at timestamptz NOT NULL,
    CHECK (person <> officer)
);
CREATE INDEX declined_order_organ ON declined_order (organ, at);
CREATE INDEX declined_order_person ON declined_order (person, at);

-- One's own film: the stretch that a finding or a hearing is about, under a review of one's own.
-- And praise (R.6) is an outcome of a review too.
ALTER TABLE review
    DROP CONSTRAINT review_purpose_check,
    ADD CONSTRAINT review_purpose_check
        CHECK (purpose IN ('complaint', 'case', 'spot_check', 'injury', 'matter', 'finding', 'hearing')),
    ADD COLUMN watch_from timestamptz,
    ADD COLUMN watch_until timestamptz,
    ADD COLUMN praise text,
    ADD CONSTRAINT review_own_check CHECK ((purpose IN ('finding', 'hearing')) = (watch_from IS NOT NULL)),
    ADD CONSTRAINT review_stretch_check CHECK ((watch_from IS NULL) = (watch_until IS NULL) AND watch_until > watch_from),
    ADD CONSTRAINT review_own_film_check CHECK (watch_from IS NULL OR reviewer = wearer),
    ADD CONSTRAINT review_praise_check CHECK (praise IS NULL OR 'praise' = ANY (found));
CREATE INDEX review_praised ON review (wearer, closed_at) WHERE praise IS NOT NULL;

-- Whether a review may not be known to this person, because it serves a complaint that is kept from them.
CREATE FUNCTION review_kept_from(purpose text, about uuid, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE purpose
        WHEN 'complaint' THEN may_not_handle(about, viewer)
        WHEN 'hearing' THEN EXISTS (SELECT FROM hearing h WHERE h.id = about AND may_not_handle(h.complaint, viewer))
        ELSE false END
$$;

-- Whether this officer led the person of a finding at its time.
CREATE FUNCTION led_then(f finding, officer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM led l, (SELECT tstzrange(coalesce(f.started_at, f.found_at),
            coalesce(f.ended_at, f.started_at, f.found_at), '[]') AS span) s
        WHERE l.officer = led_then.officer AND l.auxiliary = f.person AND l.named && s.span AND l.during && s.span)
$$;

-- Why a finding does not count against its person, though it holds. objective_cause: each stretch was interrupted by one
-- of `causes`, or another source recorded it. officer_silent: an officer was named and did not answer. ordered: an
-- officer ordered it and does not dispute that. Stretches within the tolerance are none.
CREATE FUNCTION excuses(f finding, causes text[], tolerance interval) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array_remove(ARRAY[
        CASE WHEN f.kind IN ('led_gap', 'unrecorded', 'legality_defect') AND f.spans IS NOT NULL AND isempty(wide(f.spans - (
            SELECT coalesce(range_agg(g.during), '{}') FROM gap_account g
            WHERE g.activity = f.subject AND g.gap = CASE f.kind WHEN 'led_gap' THEN 'leading' ELSE 'recording' END
                AND (g.cause = ANY (causes) OR g.covered_by IS NOT NULL)), tolerance)) THEN 'objective_cause' END,
        CASE WHEN f.kind = 'led_gap' AND f.spans IS NOT NULL AND isempty(wide(f.spans - (
            SELECT coalesce(range_agg(s.during), '{}') FROM supervision s
            WHERE s.auxiliary = f.person AND s.in_force AND s.answer IS NULL AND s.during && range_merge(f.spans)
            ), tolerance)) THEN 'officer_silent' END,
        CASE WHEN EXISTS (SELECT FROM given_order o WHERE o.id = f.subject AND f.kind = ANY (o.codes)
            AND NOT EXISTS (SELECT FROM order_dispute d WHERE d.given = o.id)) THEN 'ordered' END
    ], NULL)
$$;
