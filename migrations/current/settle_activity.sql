-- What everything told of an activity amounts to. The last finish ends it, so that nobody can make it shorter by another
-- one told later; an amendment of its times adds a stretch. Public notice is told by start or finish, or live meanwhile.
-- A kind of case that nobody was asked for counts as administrative: a report is taken before a case is opened.
-- Work is never refused only if every entry says such work: an amendment that says another one brings its findings.
CREATE OR REPLACE FUNCTION settle_activity(which uuid) RETURNS activity LANGUAGE sql AS $$
    WITH told AS (SELECT * FROM activity_telling WHERE activity = which),
    base AS (
        SELECT min(started_at) FILTER (WHERE verb = 'start') AS starts, max(ended_at) FILTER (WHERE verb = 'finish') AS ends,
            min(ended_at) FILTER (WHERE verb = 'finish') AS first_end
        FROM told
    ),
    latest AS (
        SELECT (array_agg(work ORDER BY at DESC, id DESC) FILTER (WHERE work IS NOT NULL))[1] AS work,
            (array_agg(case_kind ORDER BY at DESC, id DESC) FILTER (WHERE case_kind IS NOT NULL))[1] AS case_kind,
            (array_agg(case_ref ORDER BY at DESC, id DESC) FILTER (WHERE case_kind IS NOT NULL))[1] AS case_ref,
            (array_agg(officers_present ORDER BY at DESC, id DESC)
                FILTER (WHERE officers_present IS NOT NULL))[1] AS officers_present,
            (array_agg(emergency ORDER BY at DESC, id DESC) FILTER (WHERE emergency IS NOT NULL))[1] AS emergency,
            (array_agg(started_at ORDER BY at DESC, id DESC)
                FILTER (WHERE verb = 'amend' AND started_at IS NOT NULL))[1] AS started_at,
            (array_agg(ended_at ORDER BY at DESC, id DESC)
                FILTER (WHERE verb = 'amend' AND ended_at IS NOT NULL))[1] AS ended_at,
            bool_or(needs_leading) AS needs_leading,
            bool_or(needs_recording) AS needs_recording,
            bool_or(legality) AND bool_or(case_kind = 'administrative' OR case_kind = 'none' AND NOT case_asked)
                AND bool_or(officers_present <= 1) AS legality,
            bool_or(notice_owed) AS notice_owed,
            bool_or(needs_insurance) AS needs_insurance,
            bool_and(never_refused) FILTER (WHERE work IS NOT NULL) AS never_refused,
            (array_agg(case_asked ORDER BY at DESC, id DESC) FILTER (WHERE case_kind IS NOT NULL))[1] AS case_asked,
            (array_agg(auxiliaries_present ORDER BY at DESC, id DESC)
                FILTER (WHERE auxiliaries_present IS NOT NULL))[1] AS auxiliaries_present,
            (array_agg(place_kind ORDER BY at DESC, id DESC) FILTER (WHERE place_kind IS NOT NULL))[1] AS place_kind,
            (array_agg(light ORDER BY at DESC, id DESC) FILTER (WHERE light IS NOT NULL))[1] AS light,
            ARRAY(SELECT DISTINCT item FROM told t, unnest(t.equipment) item ORDER BY item) AS equipment
        FROM told
    ),
    shown AS (
        SELECT coalesce(l.started_at, b.starts) AS starts, CASE WHEN b.ends IS NOT NULL THEN coalesce(l.ended_at, b.ends) END AS ends
        FROM latest l, base b
    )
    UPDATE activity a SET work = l.work, case_kind = l.case_kind, case_ref = l.case_ref,
        officers_present = l.officers_present, emergency = coalesce(l.emergency, false),
        started_at = least(s.starts, s.ends), ended_at = CASE WHEN s.ends IS NOT NULL THEN greatest(s.starts, s.ends) END,
        finished = b.ends IS NOT NULL,
        spans = (SELECT range_agg(told_span(coalesce(t.started_at, b.starts), coalesce(
            CASE WHEN t.verb = 'amend' THEN t.ended_at END, b.ends))) FROM told t WHERE t.verb <> 'finish'),
        needs_leading = l.needs_leading, needs_recording = l.needs_recording, legality = coalesce(l.legality, false),
        notice_owed = l.notice_owed,
        notice_given = EXISTS (SELECT FROM told t WHERE t.notice_given
                AND (t.verb = 'start' OR t.verb = 'amend' AND t.live AND coalesce(t.at <= b.first_end, true)))
            OR (SELECT coalesce(bool_and(t.notice_given), false) FROM told t WHERE t.verb = 'finish'),
        needs_insurance = l.needs_insurance, equipment = l.equipment, never_refused = l.never_refused,
        case_asked = l.case_asked, auxiliaries_present = l.auxiliaries_present, place_kind = l.place_kind, light = l.light
    FROM latest l, base b, shown s WHERE a.id = which RETURNING a.*
$$;
