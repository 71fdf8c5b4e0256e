-- Finds anew what is wrong with the facts of these persons in this time, and withdraws what no longer holds.
--
-- persons: whose facts changed; they are locked. within: the time touched. at: evaluation time of time-dependent rules.
-- tolerance, open_ceiling, handing_over: terms.toml gap_tolerance, open_recording_ceiling, handing_over.
-- Returns the findings that stand, by fact. Called by backend/core/findings.py in the transaction of the write.
-- PL/pgSQL with a generic plan: a plan made for each call costs more than the call (docs/adr/0033).
-- What no longer holds is looked up by its subject: by its kind, all findings of that kind would be read each time.
CREATE OR REPLACE FUNCTION refresh_findings(
    persons uuid[], within tstzrange, at timestamptz, tolerance interval, open_ceiling interval, handing_over interval
) RETURNS TABLE (kind text, subject uuid) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    acts uuid[] := ARRAY(
        SELECT a.id FROM activity a WHERE a.person = ANY (persons) AND a.reach && within
        UNION
        SELECT a.id FROM led l JOIN activity a ON a.person = l.auxiliary AND a.reach && within
        WHERE l.officer = ANY (persons) AND l.named && within AND l.during && within);
BEGIN
    IF acts = '{}'
        AND NOT EXISTS (SELECT FROM recording r WHERE r.wearer = ANY (persons) AND r.during && within)
        AND NOT EXISTS (SELECT FROM supervision s WHERE s.auxiliary = ANY (persons) AND s.during && within)
    THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH judged AS MATERIALIZED (
        SELECT p.*, a.started_at, a.ended_at, a.needs_leading, a.legality, a.notice_owed, a.notice_given,
            a.equipment, a.never_refused,
            ARRAY(SELECT DISTINCT owed FROM activity_telling t, unnest(t.insurances) owed WHERE t.activity = a.id) AS insured,
            ARRAY(SELECT t.started_at FROM activity_telling t WHERE t.activity = a.id AND t.started_at IS NOT NULL) AS starts
        FROM full_process(acts, at, tolerance, open_ceiling) p JOIN activity a ON a.id = p.activity
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
        WHERE NOT never_refused AND EXISTS (SELECT FROM unnest(j.starts) x WHERE NOT EXISTS (
            SELECT FROM shift h WHERE h.person = j.person AND h.in_force AND h.during @> x))
        UNION ALL
        SELECT 'not_led', activity, organ, person, false, started_at, ended_at, NULL, false FROM judged j
        WHERE needs_leading AND EXISTS (SELECT FROM unnest(j.starts) x WHERE NOT EXISTS (
            SELECT FROM led l WHERE l.auxiliary = j.person AND l.named @> x AND l.during @> x))
        UNION ALL
        SELECT 'uninsured', activity, organ, NULL, true, started_at, ended_at, NULL, false FROM judged j
        WHERE EXISTS (SELECT FROM unnest(j.insured) owed, unnest(j.starts) x WHERE NOT EXISTS (
            SELECT FROM qualification q WHERE q.person = j.person AND q.code = owed
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
            WHERE c.person = j.person AND c.standing IN ('standing_aside', 'granted') AND (
                c.shift IS NOT NULL OR c.activity = j.activity
                OR EXISTS (SELECT FROM told_of t WHERE t.activity = j.activity AND t.key IN (c.case_key, c.incident_key)))
        ) x WHERE NOT never_refused AND NOT isempty(x.spans)
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
        WHERE f.subject = ANY (acts || ARRAY(SELECT id FROM namings) || ARRAY(SELECT id FROM footage))
            AND f.withdrawn_at IS NULL
            AND (f.subject = ANY (acts) AND f.kind IN ('led_gap', 'unrecorded', 'legality_defect',
                    'no_public_notice', 'not_released', 'not_on_shift', 'not_led', 'uninsured', 'unequipped', 'recused')
                OR f.subject IN (SELECT id FROM namings) AND f.kind = 'not_on_shift'
                OR f.subject IN (SELECT id FROM footage) AND f.kind = 'handed_over_late')
            AND NOT EXISTS (SELECT FROM due d WHERE d.kind = f.kind AND d.subject = f.subject)
    )
    SELECT d.kind, d.subject FROM due d ORDER BY 1, 2;
END
$$;
