-- Days are days; a recusal outside a case; kinds of complaints and petitions. R.33, 34; 信访工作条例 23, 30, 31, 34;
-- 刑事案件程序规定 32, 36. Terms that are running keep the end that they had.

-- The last moment of a term in whole years or days that begins at this moment and counts plainly: as
-- backend.core.days.until, for many rows at once.
CREATE FUNCTION end_of_term(begins timestamptz, years integer, days integer) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT ((day_in_china(begins) + make_interval(years => years, days => days))::date + 1)::timestamp
        AT TIME ZONE 'Asia/Shanghai' - interval '1 microsecond'
$$;

-- A recusal from a case, a shift, an act or a mediation, or in an incident, which may also stand beside one of these.
-- Grounds and who may apply are data (recusals.toml).
ALTER TABLE recusal
    ALTER case_ref DROP NOT NULL,
    ALTER case_kind DROP NOT NULL,
    DROP CONSTRAINT recusal_capacity_check,
    DROP CONSTRAINT recusal_ground_check,
    ADD COLUMN shift uuid REFERENCES shift ON DELETE RESTRICT,
    ADD COLUMN activity uuid REFERENCES activity ON DELETE RESTRICT,
    ADD COLUMN mediation text,
    ADD COLUMN incident_ref text,
    ADD CONSTRAINT recusal_about_one_check CHECK (
        num_nonnulls(case_ref, shift, activity, mediation) = 1
        OR num_nonnulls(case_ref, shift, activity, mediation) = 0 AND incident_ref IS NOT NULL),
    ADD CONSTRAINT recusal_case_kind_told_check CHECK ((case_ref IS NULL) = (case_kind IS NULL)),
    ADD CONSTRAINT recusal_codes_check CHECK (capacity ~ '^[a-z][a-z_]*$' AND ground ~ '^[a-z][a-z_]*$');
CREATE INDEX recusal_shift ON recusal (shift) WHERE shift IS NOT NULL;
CREATE INDEX recusal_activity ON recusal (activity) WHERE activity IS NOT NULL;

-- The shift and the act are those of the person recused.
CREATE FUNCTION recusal_is_of_its_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.shift IS NOT NULL AND NEW.person IS DISTINCT FROM (SELECT h.person FROM shift h WHERE h.id = NEW.shift)
        OR NEW.activity IS NOT NULL
            AND NEW.person IS DISTINCT FROM (SELECT a.person FROM activity a WHERE a.id = NEW.activity)
    THEN
        RAISE check_violation USING MESSAGE = 'a recusal names a shift or an act of another person';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER recusal_person BEFORE INSERT OR UPDATE OF person, shift, activity ON recusal
    FOR EACH ROW WHEN (num_nonnulls(NEW.shift, NEW.activity) > 0) EXECUTE FUNCTION recusal_is_of_its_person();

-- The time for a decision is extended once, where the case is complex and the head approved it.
ALTER TABLE recusal_step
    DROP CONSTRAINT recusal_step_step_check,
    ADD CONSTRAINT recusal_step_step_check CHECK (
        step IN ('stand_aside', 'go_on', 'grant', 'refuse', 'pass_on', 'reconsider', 'tell', 'judge', 'extend'));
CREATE UNIQUE INDEX recusal_extended_once ON recusal_step (recusal) WHERE step = 'extend';

-- Every number under which an act was told of, by any of its entries.
CREATE VIEW told_of AS
SELECT activity, case_key(case_ref) AS key FROM activity_telling WHERE case_ref IS NOT NULL;

-- From when to when who was how far out of what: of a shift, no longer than it lasts; everything in it.
CREATE OR REPLACE VIEW recused AS
SELECT recusal, person, case_ref, case_key, case_kind, standing, during, shift, activity, incident_key FROM (
    SELECT r.id AS recusal, r.person, r.case_ref, case_key(coalesce(r.case_ref, r.mediation)) AS case_key, r.case_kind,
        s.standing, r.shift, r.activity, case_key(r.incident_ref) AS incident_key,
        tstzrange(s.at, lead(s.at) OVER (PARTITION BY r.person, r.id ORDER BY s.version))
            * CASE WHEN r.shift IS NULL THEN '(,)' ELSE (SELECT h.during FROM shift h WHERE h.id = r.shift) END AS during
    FROM recusal r JOIN LATERAL (
        SELECT 1 AS version, r.asked_at AS at, 'pending' AS standing
        UNION ALL
        SELECT t.version, t.at, CASE t.step WHEN 'stand_aside' THEN 'standing_aside' WHEN 'grant' THEN 'granted'
            WHEN 'refuse' THEN 'refused' ELSE 'pending' END
        FROM recusal_step t
        WHERE t.recusal = r.id AND t.step IN ('stand_aside', 'go_on', 'grant', 'refuse', 'reconsider')
    ) s ON true
) x WHERE standing <> 'refused' AND NOT isempty(during);

-- The acts that a recusal is about, whoever did them; of a shift, its person's.
CREATE FUNCTION acts_of_recusal(which uuid) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    SELECT t.activity FROM recusal r JOIN told_of t
        ON t.key = case_key(coalesce(r.case_ref, r.mediation)) WHERE r.id = which
    UNION SELECT t.activity FROM recusal r JOIN told_of t ON t.key = case_key(r.incident_ref) WHERE r.id = which
    UNION SELECT r.activity FROM recusal r WHERE r.id = which AND r.activity IS NOT NULL
    UNION SELECT a.id FROM recusal r JOIN shift h ON h.id = r.shift
        JOIN activity a ON a.person = h.person AND a.reach && h.during WHERE r.id = which
$$;

-- Footage of acts from which the viewer is recused now, or stands aside: whoever wore the camera.
CREATE OR REPLACE FUNCTION hidden_from(viewer uuid, wearer uuid, span tstzrange) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM recused c CROSS JOIN LATERAL acts_of_recusal(c.recusal) x JOIN activity a ON a.id = x
        WHERE c.person = viewer AND c.standing IN ('standing_aside', 'granted') AND c.during @> now()
            AND acted(a) && span AND (a.person = wearer OR EXISTS (
                SELECT FROM led l WHERE l.auxiliary = a.person AND l.officer = wearer
                    AND l.named && span * acted(a) AND l.during && (span * acted(a))))
    )
$$;

-- Complaints and petitions by kind (complaints.toml). The term to conclude runs from acceptance, where the kind has one.
-- Until now every complaint was handled as a petition, from its receipt on: those keep what they had.
ALTER TABLE complaint
    ALTER end_by DROP NOT NULL,
    ADD COLUMN kind text CHECK (kind ~ '^[a-z][a-z_]*$'),
    ADD COLUMN accepted_at timestamptz,
    ADD COLUMN extended_from timestamptz,
    ADD COLUMN extension_told_at timestamptz;
UPDATE complaint c SET kind = 'petition', accepted_at = received_at, extended_from = CASE
    WHEN EXISTS (SELECT FROM complaint_step s WHERE s.complaint = c.id AND s.step = 'extend') THEN end_by END;
ALTER TABLE complaint
    ADD CONSTRAINT complaint_accepted_as_check CHECK (accepted_at IS NULL OR kind IS NOT NULL),
    ADD CONSTRAINT complaint_accepted_after_check CHECK (accepted_at >= received_at),
    ADD CONSTRAINT complaint_end_check CHECK (end_by IS NULL OR accepted_at IS NOT NULL),
    ADD CONSTRAINT complaint_outcome_accepted_check CHECK (
        outcome IS NULL OR outcome = 'withdrawn' OR accepted_at IS NOT NULL),
    ADD CONSTRAINT complaint_extended_check CHECK (extended_from IS NULL OR end_by IS NOT NULL AND extended_from <= end_by),
    ADD CONSTRAINT complaint_extension_told_check CHECK (extension_told_at IS NULL OR extended_from IS NOT NULL);
CREATE INDEX complaint_notice ON complaint (notice_by) WHERE outcome IS NULL;
CREATE INDEX complaint_extended ON complaint (extended_from) WHERE extended_from IS NOT NULL AND extension_told_at IS NULL;

-- An extension is asked for by who handles it and answered by the head, who is somebody else (`asked_by`); then the
-- complainant is told. Until now it counted at once: those stand.
ALTER TABLE complaint_step
    DROP CONSTRAINT complaint_step_step_check,
    DROP CONSTRAINT complaint_step_check,
    DROP CONSTRAINT complaint_step_check1,
    ADD COLUMN kind text,
    ADD COLUMN asked_by uuid REFERENCES person ON DELETE RESTRICT,
    ADD CONSTRAINT complaint_step_step_check CHECK (step IN ('notify', 'identify', 'step_aside', 'extend', 'conclude',
        'feed_back', 'accept', 'approve_extension', 'refuse_extension', 'tell_extension')),
    ADD CONSTRAINT complaint_step_told_how_check CHECK (
        (step IN ('notify', 'feed_back', 'tell_extension')) = (how IS NOT NULL)),
    ADD CONSTRAINT complaint_step_until_check CHECK (
        (step IN ('extend', 'approve_extension')) = (until_at IS NOT NULL)),
    ADD CONSTRAINT complaint_step_kind_check CHECK ((step = 'accept') = (kind IS NOT NULL)),
    ADD CONSTRAINT complaint_step_asked_check CHECK (
        (step IN ('approve_extension', 'refuse_extension')) = (asked_by IS NOT NULL)),
    ADD CONSTRAINT complaint_step_other_check CHECK (asked_by <> by_person);
DROP INDEX complaint_extended_once;
CREATE UNIQUE INDEX complaint_extended_once ON complaint_step (complaint) WHERE step = 'approve_extension';
CREATE UNIQUE INDEX complaint_accepted_once ON complaint_step (complaint) WHERE step = 'accept';
