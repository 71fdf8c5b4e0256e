-- Stepping aside where impartiality is in doubt. R.33.

-- One case, however its number is typed: full-width letters, blanks and small letters are alike.
CREATE FUNCTION case_key(case_ref text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT lower(regexp_replace(normalize(case_ref, NFKC), '\s', '', 'g'))
$$;

-- Asked for, and as it stands by its steps. `decided_in`: the organ whose commander decides. `version` rises with each
-- step, so that nobody decides on what they have not seen. Names and words are for erasing when their term is over.
CREATE TABLE recusal (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    case_ref text NOT NULL,
    case_kind text NOT NULL CHECK (case_kind IN ('administrative', 'criminal')),
    capacity text NOT NULL CHECK (capacity IN ('self', 'party', 'legal_representative')),
    applicant text,
    oral boolean NOT NULL,
    ground text NOT NULL CHECK (ground IN ('party_or_relative', 'interest', 'other_relation', 'improper_contact')),
    words text NOT NULL,
    taken_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    asked_at timestamptz NOT NULL,
    decided_in text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    state text NOT NULL CHECK (state IN ('pending', 'granted', 'refused')),
    due_at timestamptz,
    version integer NOT NULL CHECK (version >= 1),
    CHECK ((capacity = 'self') = (applicant IS NULL)),
    CHECK ((capacity = 'self') = (taken_by = person)),
    CHECK ((state = 'pending') = (due_at IS NOT NULL))
);
CREATE INDEX recusal_person ON recusal (person);
CREATE INDEX recusal_organ ON recusal (organ, asked_at);
CREATE INDEX recusal_due ON recusal (due_at) WHERE state = 'pending';

-- What was decided and done about it, each once. Two who decide on the same version are told apart by the database.
CREATE TABLE recusal_step (
    id uuid PRIMARY KEY,
    recusal uuid NOT NULL REFERENCES recusal ON DELETE RESTRICT,
    version integer NOT NULL CHECK (version > 1),
    step text NOT NULL CHECK (step IN ('stand_aside', 'go_on', 'grant', 'refuse', 'pass_on', 'reconsider', 'tell', 'judge')),
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    words text NOT NULL,
    how text CHECK (how IN ('in_person', 'telephone', 'letter', 'message')),
    organ text REFERENCES organ ON DELETE RESTRICT,
    UNIQUE (recusal, version),
    CHECK ((step = 'tell') = (how IS NOT NULL)),
    CHECK ((step = 'pass_on') = (organ IS NOT NULL))
);
CREATE UNIQUE INDEX recusal_reconsidered_once ON recusal_step (recusal) WHERE step = 'reconsider';

-- After granting: whether what was done before on the case stands. The latest counts.
CREATE TABLE recusal_act (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    step uuid NOT NULL REFERENCES recusal_step ON DELETE RESTRICT,
    activity uuid NOT NULL REFERENCES activity ON DELETE RESTRICT,
    stands boolean NOT NULL,
    words text NOT NULL,
    UNIQUE (step, activity)
);
CREATE INDEX activity_telling_case ON activity_telling (case_key(case_ref)) WHERE case_ref IS NOT NULL;

-- From when to when who was how far out of which case.
CREATE VIEW recused AS
SELECT recusal, person, case_ref, case_key(case_ref) AS case_key, case_kind, standing, during FROM (
    SELECT r.id AS recusal, r.person, r.case_ref, r.case_kind, s.standing,
        tstzrange(s.at, lead(s.at) OVER (PARTITION BY r.person, r.id ORDER BY s.version)) AS during
    FROM recusal r JOIN LATERAL (
        SELECT 1 AS version, r.asked_at AS at, 'pending' AS standing
        UNION ALL
        SELECT t.version, t.at, CASE t.step WHEN 'stand_aside' THEN 'standing_aside' WHEN 'grant' THEN 'granted'
            WHEN 'refuse' THEN 'refused' ELSE 'pending' END
        FROM recusal_step t
        WHERE t.recusal = r.id AND t.step IN ('stand_aside', 'go_on', 'grant', 'refuse', 'reconsider')
    ) s ON true
) x WHERE standing <> 'refused' AND NOT isempty(during);

-- Footage of a case from which the viewer is recused now, or stands aside: whoever wore the camera.
CREATE FUNCTION hidden_from(viewer uuid, wearer uuid, span tstzrange) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM recused c JOIN activity_telling t ON case_key(t.case_ref) = c.case_key JOIN activity a ON a.id = t.activity
        WHERE c.person = viewer AND c.standing IN ('standing_aside', 'granted') AND c.during @> now()
            AND acted(a) && span AND (a.person = wearer OR EXISTS (
                SELECT FROM led l WHERE l.auxiliary = a.person AND l.officer = wearer
                    AND l.named && span * acted(a) AND l.during && (span * acted(a))))
    )
$$;

-- The organ that decides: the nearest one from here up whose code is a county bureau's or higher (GA/T 380: twelve
-- figures, the last six of them zero), else the topmost.
CREATE FUNCTION deciding_organ(code text) RETURNS text LANGUAGE sql STABLE AS $$
    WITH RECURSIVE up AS (
        SELECT o.code, o.parent, o.depth FROM organ o WHERE o.code = $1
        UNION SELECT o.code, o.parent, o.depth FROM organ o JOIN up u ON o.code = u.parent
    )
    SELECT u.code FROM up u
    ORDER BY u.code LIKE '%000000' DESC, CASE WHEN u.code LIKE '%000000' THEN -u.depth ELSE u.depth END LIMIT 1
$$;

-- As in 0007, and what was done on a case from which the person was recused, or stood aside, by anything told of it.
-- What is wrong with these persons' acts and footage in this time, or with those whom they led, as far as the facts
-- known now tell. Findings stand or are withdrawn by it; returns those that stand.
CREATE OR REPLACE FUNCTION refresh_findings(
    persons uuid[], within tstzrange, at timestamptz, tolerance interval, open_ceiling interval, handing_over interval
) RETURNS TABLE (kind text, subject uuid) LANGUAGE sql AS $$
    WITH which AS MATERIALIZED (
        SELECT a.id FROM activity a
        WHERE a.reach && within AND (a.person = ANY (persons) OR a.person IN (
            SELECT l.auxiliary FROM led l WHERE l.officer = ANY (persons) AND l.named && within AND l.during && within))
    ),
    judged AS MATERIALIZED (
        SELECT p.*, a.started_at, a.ended_at, a.needs_leading, a.legality, a.notice_owed, a.notice_given,
            a.needs_insurance, a.equipment,
            ARRAY(SELECT t.started_at FROM activity_telling t WHERE t.activity = a.id AND t.started_at IS NOT NULL) AS starts
        FROM full_process(ARRAY(SELECT id FROM which), at, tolerance, open_ceiling) p JOIN activity a ON a.id = p.activity
    ),
    footage AS MATERIALIZED (
        SELECT r.id, r.wearer, r.organ, r.started_at, r.ended_at,
            CASE WHEN u.state IN ('received', 'sealed') THEN u.received_at ELSE at END > d.ends + handing_over AS late
        FROM recording r JOIN upload u ON u.id = r.id
        CROSS JOIN LATERAL (
            SELECT CASE WHEN count(*) = 0 THEN coalesce(r.ended_at, r.started_at)
                WHEN bool_and(h.ended_at IS NOT NULL) THEN max(h.ended_at) END AS ends
            FROM shift h WHERE h.person = r.wearer AND h.in_force
                AND (h.during @> r.started_at OR r.ended_at IS NOT NULL AND h.during && r.during)
        ) d
        WHERE r.wearer = ANY (persons) AND r.during && within AND u.state <> 'same_as'
    ),
    namings AS MATERIALIZED (
        SELECT s.id, s.auxiliary, s.organ, s.started_at, s.ended_at FROM supervision s
        WHERE s.auxiliary = ANY (persons) AND s.during && within
    ),
    due (kind, subject, organ, person, against_organ, started_at, ended_at, spans, explained) AS (
        SELECT 'led_gap', activity, organ, person, false, lower(led_gaps), upper(led_gaps), led_gaps,
            isempty(wide(led_gaps - led_answered, tolerance)) FROM judged WHERE NOT isempty(led_gaps)
        UNION ALL
        SELECT kind, activity, organ, person, false, lower(unrecorded_gaps), upper(unrecorded_gaps), unrecorded_gaps,
            isempty(wide(unrecorded_gaps - recording_answered, tolerance))
        FROM judged, unnest(ARRAY['unrecorded', CASE WHEN legality THEN 'legality_defect' END]) kind
        WHERE NOT isempty(unrecorded_gaps) AND kind IS NOT NULL
        UNION ALL
        SELECT 'no_public_notice', activity, organ, person, false, started_at, ended_at, NULL, false FROM judged
        WHERE closed AND notice_owed AND NOT notice_given AND (needs_leading OR NOT isempty(led_spans))
        UNION ALL
        SELECT 'not_released', activity, organ, person, false, started_at, ended_at, NULL, false FROM judged j
        WHERE closed AND EXISTS (
            SELECT FROM restraint r WHERE r.activity = j.activity GROUP BY r.restraint HAVING bool_and(r.ended_at IS NULL))
        UNION ALL
        SELECT 'not_on_shift', id, organ, auxiliary, false, started_at, ended_at, NULL, false FROM namings n
        WHERE NOT EXISTS (
            SELECT FROM shift h WHERE h.person = n.auxiliary AND h.in_force AND h.during @> n.started_at)
        UNION ALL
        SELECT 'not_on_shift', activity, organ, person, false, started_at, ended_at, NULL, false FROM judged j
        WHERE EXISTS (SELECT FROM unnest(j.starts) x WHERE NOT EXISTS (
            SELECT FROM shift h WHERE h.person = j.person AND h.in_force AND h.during @> x))
        UNION ALL
        SELECT 'not_led', activity, organ, person, false, started_at, ended_at, NULL, false FROM judged j
        WHERE needs_leading AND EXISTS (SELECT FROM unnest(j.starts) x WHERE NOT EXISTS (
            SELECT FROM led l WHERE l.auxiliary = j.person AND l.named @> x AND l.during @> x))
        UNION ALL
        SELECT 'uninsured', activity, organ, NULL, true, started_at, ended_at, NULL, false FROM judged j
        WHERE needs_insurance AND EXISTS (SELECT FROM unnest(j.starts) x WHERE NOT EXISTS (
            SELECT FROM qualification q WHERE q.person = j.person AND q.code = 'accident_insurance'
                AND q.valid_from <= (x AT TIME ZONE 'Asia/Shanghai')::date
                AND coalesce(q.valid_until >= (x AT TIME ZONE 'Asia/Shanghai')::date, true)))
        UNION ALL
        SELECT 'unequipped', activity, organ, NULL, true, started_at, ended_at, NULL, false FROM judged j
        WHERE EXISTS (
            SELECT FROM unnest(j.starts) x, shift h, unnest(j.equipment) item
            WHERE h.person = j.person AND h.in_force AND h.during @> x
                AND NOT string_to_array(item, '|') && h.equipment)
        UNION ALL
        SELECT 'recused', j.activity, j.organ, j.person, false, lower(x.spans), upper(x.spans), x.spans, false
        FROM judged j CROSS JOIN LATERAL (
            SELECT coalesce(range_agg(c.during), '{}') * j.spans AS spans FROM recused c
            WHERE c.person = j.person AND c.standing IN ('standing_aside', 'granted') AND c.case_key IN (
                SELECT case_key(t.case_ref) FROM activity_telling t WHERE t.activity = j.activity)
        ) x WHERE NOT isempty(x.spans)
        UNION ALL
        SELECT 'handed_over_late', id, organ, wearer, false, started_at, ended_at, NULL, false FROM footage WHERE late
    ),
    stood AS (
        INSERT INTO finding AS f (kind, subject, organ, person, against_organ, started_at, ended_at, spans, explained)
        SELECT * FROM due
        ON CONFLICT (kind, subject) DO UPDATE SET started_at = excluded.started_at, ended_at = excluded.ended_at,
            spans = excluded.spans, explained = excluded.explained, withdrawn_at = NULL
        WHERE (f.started_at, f.ended_at, f.spans, f.explained, f.withdrawn_at)
            IS DISTINCT FROM (excluded.started_at, excluded.ended_at, excluded.spans, excluded.explained, NULL::timestamptz)
    ),
    gone AS (
        UPDATE finding f SET withdrawn_at = at
        WHERE f.withdrawn_at IS NULL
            AND (f.subject IN (SELECT activity FROM judged) AND f.kind IN ('led_gap', 'unrecorded', 'legality_defect',
                    'no_public_notice', 'not_released', 'not_on_shift', 'not_led', 'uninsured', 'unequipped', 'recused')
                OR f.subject IN (SELECT id FROM namings) AND f.kind = 'not_on_shift'
                OR f.subject IN (SELECT id FROM footage) AND f.kind = 'handed_over_late')
            AND NOT EXISTS (SELECT FROM due d WHERE d.kind = f.kind AND d.subject = f.subject)
    )
    SELECT d.kind, d.subject FROM due d ORDER BY 1, 2
$$;
