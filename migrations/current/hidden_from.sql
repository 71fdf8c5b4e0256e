-- Whether footage of this wearer and time shows an act from which the viewer is recused now, or stands aside: whoever
-- wore the camera, also the officer who led that act. Called by backend/evidence/reads.py and whoever shows footage.
CREATE OR REPLACE FUNCTION hidden_from(viewer uuid, wearer uuid, span tstzrange) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM recused c CROSS JOIN LATERAL acts_of_recusal(c.recusal) x JOIN activity a ON a.id = x
        WHERE c.person = viewer AND c.standing IN ('standing_aside', 'granted') AND c.during @> now()
            AND acted(a) && span AND (a.person = wearer OR EXISTS (
                SELECT FROM led l WHERE l.auxiliary = a.person AND l.officer = wearer
                    AND l.named && span * acted(a) AND l.during && (span * acted(a))))
    )
$$;
