-- What a person's footage covers, recording by recording. Sealed: proved, where the film shows a picture; then nothing
-- more is claimed either. Declared: claimed, unless what came was something else; one without an end, no further than
-- its shift and `open_ceiling`. Two indexes, so two queries.
CREATE OR REPLACE FUNCTION filmed(who uuid, within tstzrange, open_ceiling interval)
RETURNS TABLE (recording uuid, claimed tstzmultirange, proved tstzmultirange) LANGUAGE sql STABLE AS $$
    SELECT r.id, r.proved, r.proved FROM recording r WHERE r.wearer = who AND r.proved && within
    UNION ALL
    SELECT r.id, tstzmultirange(tstzrange(r.started_at, coalesce(r.ended_at, least(r.started_at + open_ceiling, (
        SELECT h.ended_at FROM shift h WHERE h.person = r.wearer AND h.in_force AND h.ended_at > r.started_at
        ORDER BY h.ended_at LIMIT 1
    ))))), '{}'
    FROM recording r JOIN upload u ON u.id = r.id
    WHERE r.wearer = who AND r.during && within AND u.state IN ('declared', 'receiving', 'received')
$$;
