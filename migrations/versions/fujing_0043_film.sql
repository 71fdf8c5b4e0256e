-- What footage proves: the stretches in which its film shows a picture, not its start and a length (docs/adr/0044).

-- What a probe found in the film of a sealed upload, track by track. The rows of the highest version count; a later
-- probe adds rows and alters none. Times are milliseconds from the first frame of the file.
-- `proved`: where there are frames that can be decoded. `undecoded`: where there are frames that cannot.
-- `kind`: none: the one row of a file in which there is neither picture nor sound.
-- Version 0: sealed before 0043. The film counts from its start as long as it lasts; nobody has looked inside.
CREATE TABLE film (
    id bigserial PRIMARY KEY,
    upload uuid NOT NULL REFERENCES recording ON DELETE RESTRICT,
    track smallint NOT NULL CHECK (track >= 0),
    kind text NOT NULL CHECK (kind IN ('video', 'audio', 'none')),
    codec text,
    proved int8multirange NOT NULL,
    undecoded int8multirange NOT NULL,
    jumps integer NOT NULL CHECK (jumps >= 0), -- how often the clock of the film jumped; the parts stand one after another
    probe_version integer NOT NULL CHECK (probe_version >= 0),
    probed_at timestamptz NOT NULL,
    UNIQUE (upload, probe_version, track),
    CHECK (proved <@ int8range(0, 31622400001) AND undecoded <@ int8range(0, 31622400001)), -- 366 days
    CHECK (isempty(proved * undecoded)),
    CHECK (kind <> 'none' OR isempty(proved))
);
CREATE TRIGGER film_stays BEFORE UPDATE OR DELETE ON film FOR EACH ROW EXECUTE FUNCTION stays_as_written();

-- `proved`: where the film shows a picture, by the server's clock. `film_ends_at`: the end of its last frame or sound.
-- `probe_version`: of the newest rows of its film. All three follow from film and started_at: place_film sets them.
ALTER TABLE recording ADD COLUMN proved tstzmultirange NOT NULL DEFAULT '{}', ADD COLUMN film_ends_at timestamptz,
    ADD COLUMN probe_version integer;

INSERT INTO film (upload, track, kind, codec, proved, undecoded, jumps, probe_version, probed_at)
SELECT r.id, 0, CASE WHEN r.probed_ms > 0 THEN 'video' ELSE 'none' END, r.codec,
    CASE WHEN r.probed_ms > 0 THEN int8multirange(int8range(0, least(r.probed_ms, 31622400000))) ELSE '{}' END, '{}', 0, 0,
    u.sealed_at
FROM recording r JOIN upload u ON u.id = r.id WHERE u.state = 'sealed';

-- Stretches of a film in milliseconds, by the server's clock; only those of at least this width.
CREATE FUNCTION placed(start timestamptz, stretches int8multirange, width interval) RETURNS tstzmultirange
LANGUAGE sql IMMUTABLE AS $$
    SELECT wide(coalesce(range_agg(tstzrange(start + lower(s) * interval '1 millisecond',
        start + upper(s) * interval '1 millisecond')), '{}'), width) FROM unnest(stretches) s
$$;

-- What a film shows, by the server's clock, from the rows of its newest probe. Sets what follows from them and from
-- the start: called whenever one of the two is new. A film that is not probed proves nothing.
CREATE FUNCTION place_film(which uuid) RETURNS void LANGUAGE sql AS $$
    WITH newest AS (
        SELECT f.* FROM film f
        WHERE f.upload = which AND f.probe_version = (SELECT max(probe_version) FROM film WHERE upload = which)
    )
    UPDATE recording r SET
        probe_version = (SELECT max(n.probe_version) FROM newest n),
        film_ends_at = r.started_at
            + (SELECT max(upper(range_merge(n.proved + n.undecoded))) FROM newest n) * interval '1 millisecond',
        proved = placed(r.started_at, coalesce(
            (SELECT range_agg(n.proved) FROM newest n WHERE n.kind = 'video'), '{}'), interval '0')
    WHERE r.id = which
$$;

-- `during`: from its start to the end that was declared, or to that of the film where this is later. It says what a film
-- may show, sound and pauses too: what is kept, and who may see it, goes by it. What is proved goes by `proved`.
DROP VIEW held;
ALTER TABLE recording DROP COLUMN during;
UPDATE recording r SET probe_version = 0, film_ends_at = r.started_at + x.ms * interval '1 millisecond',
    proved = CASE WHEN x.ms > 0
        THEN tstzmultirange(tstzrange(r.started_at, r.started_at + x.ms * interval '1 millisecond')) ELSE '{}' END
FROM (SELECT f.upload, upper(range_merge(f.proved)) AS ms FROM film f) x WHERE x.upload = r.id;
-- What is disposed of cannot be probed anew.
UPDATE recording r SET probe_version = NULL FROM upload u WHERE u.id = r.id AND u.removed_at IS NOT NULL;
ALTER TABLE recording ADD COLUMN during tstzrange
    GENERATED ALWAYS AS (tstzrange(started_at, greatest(ended_at, film_ends_at))) STORED;
CREATE INDEX recording_during ON recording USING gist (wearer, during);
CREATE INDEX recording_when ON recording USING gist (during);
CREATE INDEX recording_proved ON recording USING gist (wearer, proved);
CREATE INDEX recording_probed ON recording (probe_version, started_at DESC);

-- As in 0020.
CREATE VIEW held AS
SELECT h.id AS hold, r.id AS upload FROM hold h JOIN recording r ON r.wearer = h.person AND r.during && h.during
WHERE h.released_at IS NULL
UNION
SELECT h.id, r.id FROM hold h JOIN supervision s ON s.auxiliary = h.person AND s.during && h.during
    JOIN recording r ON r.wearer = s.officer AND r.during && (s.during * h.during)
WHERE h.released_at IS NULL
UNION
SELECT h.id, h.upload FROM hold h WHERE h.released_at IS NULL AND h.upload IS NOT NULL
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN injury_paper p ON p.injury = h.about JOIN upload u ON u.id = p.document
WHERE h.released_at IS NULL
UNION
SELECT h.id, coalesce(u.same_as, u.id) FROM hold h JOIN advance_item i ON i.injury = h.about
    JOIN advance_payment p ON p.item = i.id JOIN upload u ON u.id = p.receipt
WHERE h.released_at IS NULL
UNION
SELECT h.id, r.id FROM hold h JOIN recording r ON r.during && h.during AND r.organ IN (SELECT organs_under(ARRAY[h.organ]))
WHERE h.released_at IS NULL AND h.place IS NOT NULL AND coalesce((
    SELECT bool_or(may_be_near(h.place, p, h.radius_m, h.datums_m)) FROM (
        SELECT places_of(r.wearer, r.during * h.during) AS p
        UNION ALL SELECT places_of(s.auxiliary, r.during * h.during * s.during) FROM supervision s
        WHERE s.officer = r.wearer AND s.during && (r.during * h.during)) w
), true);

-- What a person's footage covers, recording by recording. Sealed: proved, where the film shows a picture; then nothing
-- more is claimed either. Declared: claimed, unless what came was something else; one without an end, no further than
-- its shift and `open_ceiling`. Two indexes, so two queries.
DROP FUNCTION filmed(uuid, tstzrange, interval);
CREATE FUNCTION filmed(who uuid, within tstzrange, open_ceiling interval)
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

-- As in 0007; what is claimed and proved of a recording may be several stretches.
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

-- What is wrong with a film, by its newest probe: frames that cannot be decoded, sound without a picture, a clock that
-- jumped. Findings stand or are withdrawn by it, and have the film's times. Stretches under the tolerance say nothing.
--
-- tolerance: terms.toml gap_tolerance. Returns the kinds that hold. Call it after place_film.
CREATE FUNCTION judge_film(which uuid, at timestamptz, tolerance interval) RETURNS SETOF text LANGUAGE sql AS $$
    WITH newest AS (
        SELECT f.* FROM film f JOIN recording r ON r.id = f.upload AND f.probe_version = r.probe_version
        WHERE f.upload = which
    ),
    shown AS (
        SELECT r.id, r.organ, r.wearer, r.started_at, greatest(r.ended_at, r.film_ends_at) AS ended_at,
            coalesce(p.picture, '{}') AS picture, coalesce(p.sound, '{}') AS sound, coalesce(p.lost, '{}') AS lost, p.jumps
        FROM recording r, (
            SELECT range_agg(proved) FILTER (WHERE kind = 'video') AS picture,
                range_agg(proved) FILTER (WHERE kind = 'audio') AS sound, range_agg(undecoded) AS lost, max(jumps) AS jumps
            FROM newest
        ) p WHERE r.id = which
    ),
    due (kind, spans) AS (
        SELECT 'undecodable', placed(started_at, lost - picture, tolerance) FROM shown
        UNION ALL SELECT 'sound_only', placed(started_at, sound - picture - lost, tolerance) FROM shown
        UNION ALL SELECT 'film_clock_jumped', tstzmultirange(tstzrange(started_at, ended_at)) FROM shown WHERE jumps > 0
    ),
    stood AS (
        INSERT INTO finding AS f (kind, subject, organ, person, against_organ, started_at, ended_at, spans)
        SELECT d.kind, s.id, s.organ, s.wearer, false, lower(d.spans), upper(d.spans), d.spans
        FROM due d, shown s WHERE NOT isempty(d.spans)
        ON CONFLICT (kind, subject) DO UPDATE SET started_at = excluded.started_at, ended_at = excluded.ended_at,
            spans = excluded.spans, withdrawn_at = NULL
    ),
    gone AS (
        UPDATE finding f SET withdrawn_at = at
        WHERE f.subject = which AND f.kind IN ('undecodable', 'sound_only', 'film_clock_jumped') AND f.withdrawn_at IS NULL
            AND NOT EXISTS (SELECT FROM due d WHERE d.kind = f.kind AND NOT isempty(d.spans))
    )
    SELECT d.kind FROM due d WHERE NOT isempty(d.spans) ORDER BY 1
$$;
