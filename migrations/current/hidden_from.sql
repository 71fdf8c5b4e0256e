-- Whether footage of this wearer and time shows an act from which the viewer is recused now, or stands aside: whoever
-- wore the camera, also the officer who led that act. Of a shift too that is over: mostly it is over when it is decided.
-- Called by backend/evidence/reads.py and whoever shows footage.
CREATE OR REPLACE FUNCTION hidden_from(viewer uuid, wearer uuid, span tstzrange) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM recusal r CROSS JOIN LATERAL acts_of_recusal(r.id) x JOIN activity a ON a.id = x
        WHERE r.person = viewer AND (SELECT t.step IN ('stand_aside', 'grant') FROM recusal_step t WHERE t.recusal = r.id
                AND t.step IN ('stand_aside', 'go_on', 'grant', 'refuse', 'reconsider') ORDER BY t.version DESC LIMIT 1)
            AND acted(a) && span AND (a.person = wearer OR EXISTS (
                SELECT FROM led l WHERE l.auxiliary = a.person AND l.officer = wearer
                    AND l.named && span * acted(a) AND l.during && (span * acted(a))))
    )
$$;
