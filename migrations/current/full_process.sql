-- Full process (R.10, R.32): of each activity the time that was led, claimed and proved, and the gaps that are wider
-- than the tolerance. Work that only assists enforcement is recorded while it is led (R.32). One that was never finished
-- ends with the shift it began in, or at read time. What a picture shows is proved; a sound alone proves nothing.
CREATE OR REPLACE FUNCTION full_process(which uuid[], at timestamptz, tolerance interval, open_ceiling interval)
RETURNS TABLE (
    activity uuid, person uuid, organ text, spans tstzmultirange, led_spans tstzmultirange, claimed tstzmultirange,
    proved tstzmultirange, led_gaps tstzmultirange, unrecorded_gaps tstzmultirange, led_answered tstzmultirange,
    recording_answered tstzmultirange, closed boolean
) LANGUAGE sql STABLE AS $$
    SELECT a.id, a.person, a.organ, s.spans, led.spans, f.claimed, f.proved,
        CASE WHEN a.needs_leading THEN wide(s.spans - led.spans, tolerance) ELSE '{}' END,
        wide(CASE WHEN a.needs_recording THEN s.spans WHEN a.notice_owed THEN led.spans ELSE '{}' END - f.claimed, tolerance),
        c.leading_answered, c.recording_answered, a.finished OR e.ends IS NOT NULL
    FROM activity a
    CROSS JOIN LATERAL (SELECT CASE WHEN NOT a.finished THEN (
        SELECT h.ended_at FROM shift h JOIN activity_telling t ON t.id = a.id
        WHERE h.person = a.person AND h.in_force AND h.during @> t.started_at
    ) END AS ends) e
    CROSS JOIN LATERAL (SELECT CASE WHEN a.finished THEN a.spans
        ELSE a.spans * tstzmultirange(tstzrange(NULL, greatest(lower(a.reach), least(at, e.ends)), '[]')) END AS spans) x
    CROSS JOIN LATERAL (SELECT x.spans, range_merge(x.spans) AS reach) s
    CROSS JOIN LATERAL (
        SELECT coalesce(range_agg(l.during), '{}') * s.spans AS spans FROM led l
        WHERE l.auxiliary = a.person AND l.confirmed AND l.named && s.reach AND l.during && s.spans
    ) led
    CROSS JOIN LATERAL (
        SELECT coalesce(range_agg(m.claimed), '{}') * s.spans AS claimed, coalesce(range_agg(m.proved), '{}') * s.spans AS proved
        FROM (
            SELECT o.claimed, o.proved FROM filmed(a.person, s.reach, open_ceiling) o
            UNION ALL
            SELECT o.claimed * l.during, o.proved * l.during
            FROM led l CROSS JOIN LATERAL filmed(l.officer, s.reach, open_ceiling) o
            WHERE l.auxiliary = a.person AND l.confirmed AND l.named && s.reach AND l.during && s.spans
        ) m
    ) f
    CROSS JOIN LATERAL (
        SELECT coalesce(range_agg(g.during) FILTER (WHERE g.gap = 'leading'), '{}') AS leading_answered,
            coalesce(range_agg(g.during) FILTER (WHERE g.gap = 'recording'), '{}') AS recording_answered
        FROM gap_account g WHERE g.activity = a.id
    ) c
    WHERE a.id = ANY (which)
$$;
