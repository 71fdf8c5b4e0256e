-- Compares the films of these cameras with who had the camera, and flags or withdraws `worn_by_another`: somebody else
-- had it at the start of the film. A camera that nobody has taken out tells nothing.
--
-- cameras: serial numbers in capitals. within: which films, by their start. kinds: kinds of things whose serial number
-- tells a wearer (works.toml, tells_wearer). Returns the films with such a finding.
CREATE OR REPLACE FUNCTION judge_wearers(
    cameras text[], within tstzrange, kinds text[], at timestamptz
) RETURNS SETOF uuid LANGUAGE sql AS $$
    WITH films AS MATERIALIZED (
        SELECT r.id, r.organ, r.wearer, r.started_at, r.ended_at, EXISTS (
            SELECT FROM issued_item i WHERE i.kind = ANY (kinds) AND i.serial_key = upper(r.camera_serial)
                AND i.during @> r.started_at AND i.person <> r.wearer
        ) AND NOT EXISTS (
            SELECT FROM issued_item i WHERE i.kind = ANY (kinds) AND i.serial_key = upper(r.camera_serial)
                AND i.during @> r.started_at AND i.person = r.wearer
        ) AS contradicted
        FROM recording r WHERE upper(r.camera_serial) = ANY (cameras) AND within @> r.started_at
    ),
    stood AS (
        INSERT INTO finding AS f (kind, subject, organ, person, against_organ, started_at, ended_at)
        SELECT 'worn_by_another', id, organ, wearer, false, started_at, ended_at FROM films WHERE contradicted
        ON CONFLICT (kind, subject) DO UPDATE SET withdrawn_at = NULL WHERE f.withdrawn_at IS NOT NULL
    ),
    gone AS (
        UPDATE finding f SET withdrawn_at = at FROM films x
        WHERE f.subject = x.id AND f.kind = 'worn_by_another' AND f.withdrawn_at IS NULL AND NOT x.contradicted
    )
    SELECT id FROM films WHERE contradicted ORDER BY 1
$$;
