-- Whether nobody may tell this person of a hold: the footage is theirs, or it serves a complaint or a matter that is
-- kept from them. A hold by hand may serve one too, so it is kept from whoever led its person then. Of a hold on a place,
-- whoever filmed in that organ and time may be filmed or meant. Who placed one by hand knows of it.
CREATE OR REPLACE FUNCTION hold_kept_from(h hold, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT (h.origin = 'placed' AND h.placed_by = viewer) AND (
        coalesce(h.person = viewer, false)
        OR h.upload IS NOT NULL AND EXISTS (SELECT FROM upload u WHERE u.id = h.upload AND u.owner = viewer)
        OR h.about IS NOT NULL AND (
            EXISTS (SELECT FROM matter m WHERE m.id = h.about AND m.against = viewer) OR may_not_handle(h.about, viewer))
        OR h.origin = 'placed' AND EXISTS (
            SELECT FROM supervision s LEFT JOIN recording r ON r.id = h.upload
            WHERE s.officer = viewer AND s.auxiliary = coalesce(h.person, r.wearer)
                AND s.answer IS DISTINCT FROM 'declined' AND s.during && coalesce(r.during, h.during))
        OR h.place IS NOT NULL AND EXISTS (
            SELECT FROM recording r WHERE r.wearer = viewer AND r.during && h.during
                AND r.organ IN (SELECT organs_under(ARRAY[h.organ]))))
$$;
