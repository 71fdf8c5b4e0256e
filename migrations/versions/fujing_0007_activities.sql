-- What was done on duty, and whether all of it was led and recorded. R.7 to 12, R.32.

-- The row holds what follows from the tellings below: the columns of the first group as the latest one has it, those
-- of the second as all of them together ask, so that no telling takes away what another one asked.
CREATE TABLE activity (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    work text NOT NULL,
    case_kind text NOT NULL CHECK (case_kind IN ('administrative', 'criminal', 'none')),
    case_ref text,
    officers_present integer CHECK (officers_present >= 0),
    emergency boolean NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,

    finished boolean NOT NULL,
    spans tstzmultirange NOT NULL CHECK (NOT isempty(spans)),
    needs_leading boolean NOT NULL,
    needs_recording boolean NOT NULL,
    legality boolean NOT NULL,
    notice_owed boolean NOT NULL,
    notice_given boolean NOT NULL,
    needs_insurance boolean NOT NULL,
    equipment text[] NOT NULL,
    reach tstzrange GENERATED ALWAYS AS (range_merge(spans)) STORED,
    CHECK (ended_at >= started_at),
    CHECK (finished = (ended_at IS NOT NULL))
);
CREATE INDEX activity_person ON activity (person, started_at);
CREATE INDEX activity_organ ON activity (organ, started_at);
CREATE INDEX activity_reach ON activity USING gist (person, reach);
CREATE INDEX activity_open ON activity (person) WHERE NOT finished;

-- Start, finish and every amendment, as they were told; what the law asked of the work then stands beside it.
-- `equipment`: one text an item, with the names it goes by, parted by |.
CREATE TABLE activity_telling (
    id uuid PRIMARY KEY,
    activity uuid NOT NULL REFERENCES activity ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    verb text NOT NULL CHECK (verb IN ('start', 'finish', 'amend')),
    at timestamptz NOT NULL,
    live boolean NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    work text,
    needs_leading boolean NOT NULL,
    needs_recording boolean NOT NULL,
    legality boolean NOT NULL,
    notice_owed boolean NOT NULL,
    needs_insurance boolean NOT NULL,
    equipment text[] NOT NULL,
    case_kind text CHECK (case_kind IN ('administrative', 'criminal', 'none')),
    case_ref text,
    officers_present integer CHECK (officers_present >= 0),
    emergency boolean,
    recording boolean,
    notice_given boolean NOT NULL,
    notice_told text,
    place jsonb,
    notes text,
    why text,
    CHECK (ended_at >= started_at),
    CHECK (verb <> 'start' OR (id = activity AND work IS NOT NULL AND started_at IS NOT NULL AND case_kind IS NOT NULL)),
    CHECK (verb <> 'finish' OR ended_at IS NOT NULL),
    CHECK (verb <> 'amend' OR why IS NOT NULL)
);
CREATE INDEX activity_telling_of ON activity_telling (activity, at, id);

-- 程序规定 58: by which means, who ordered it, who watches, from when to when.
CREATE TABLE restraint (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    restraint uuid NOT NULL,
    telling uuid NOT NULL REFERENCES activity_telling ON DELETE RESTRICT,
    position smallint NOT NULL,
    activity uuid NOT NULL REFERENCES activity ON DELETE RESTRICT,
    means text NOT NULL,
    ordered_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    watcher uuid REFERENCES person ON DELETE RESTRICT,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    CHECK (ended_at >= started_at),
    UNIQUE (telling, position)
);
CREATE INDEX restraint_of ON restraint (activity, restraint);

-- What somebody answers for a gap: its cause, or what else covers the time. Claimed, never proved; the gap stands.
CREATE TABLE gap_account (
    id uuid PRIMARY KEY,
    activity uuid NOT NULL REFERENCES activity ON DELETE RESTRICT,
    by_person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    at timestamptz NOT NULL,
    gap text NOT NULL CHECK (gap IN ('leading', 'recording')),
    cause text CHECK (cause IN ('fault', 'damage', 'weather', 'battery', 'storage', 'other')),
    spoken boolean,
    reported_to uuid REFERENCES person ON DELETE RESTRICT,
    covered_by text CHECK (covered_by IN ('fixed_camera', 'platform', 'colleague')),
    source text,
    colleague uuid REFERENCES person ON DELETE RESTRICT,
    words text,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    during tstzrange GENERATED ALWAYS AS (tstzrange(started_at, ended_at)) STORED,
    CHECK (ended_at > started_at),
    CHECK ((cause IS NULL) <> (covered_by IS NULL)),
    CHECK (cause IS NULL OR words IS NOT NULL),
    CHECK (covered_by IS NULL OR (gap = 'recording' AND source IS NOT NULL)),
    CHECK (colleague IS NULL OR covered_by = 'colleague')
);
CREATE INDEX gap_account_of ON gap_account (activity);

-- `spans`: where a gap lies, stretch by stretch. `explained`: somebody answered for the whole of it.
ALTER TABLE finding ADD COLUMN spans tstzmultirange, ADD COLUMN explained boolean NOT NULL DEFAULT false;
CREATE INDEX finding_kind ON finding (kind, found_at) WHERE withdrawn_at IS NULL;

-- From a to b, whichever comes first; never empty, so that what took no time is still found.
CREATE FUNCTION told_span(a timestamptz, b timestamptz) RETURNS tstzrange LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN a = b THEN tstzrange(a, b, '[]') WHEN b < a THEN tstzrange(b, a) ELSE tstzrange(a, b) END
$$;

-- The stretches of at least this width.
CREATE FUNCTION wide(spans tstzmultirange, width interval) RETURNS tstzmultirange LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(range_agg(x) FILTER (WHERE upper_inf(x) OR upper(x) - lower(x) >= width), '{}') FROM unnest(spans) x
$$;

-- What everything told of an activity amounts to. The last finish ends it, so that nobody can make it shorter by another
-- one told later; an amendment of its times adds a stretch. Public notice is told by start or finish, or live meanwhile.
CREATE FUNCTION settle_activity(which uuid) RETURNS activity LANGUAGE sql AS $$
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
            bool_or(legality) AND bool_or(case_kind = 'administrative') AND bool_or(officers_present <= 1) AS legality,
            bool_or(notice_owed) AS notice_owed,
            bool_or(needs_insurance) AS needs_insurance,
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
        needs_insurance = l.needs_insurance, equipment = l.equipment
    FROM latest l, base b, shown s WHERE a.id = which RETURNING a.*
$$;

-- As in 0004, but a leading ends with the duty it was named in however that ended, so that nobody is led tomorrow by
-- whom they named today; and `named`, the whole of the naming: leading lies within it, and an index finds it.
CREATE OR REPLACE VIEW led AS
SELECT s.id AS supervision, s.auxiliary, s.officer, s.answer IS NOT DISTINCT FROM 'confirmed' AS confirmed,
    (SELECT coalesce(range_agg(h.during), '{}') FROM shift h
        WHERE h.person = s.auxiliary AND h.in_force AND h.during && s.during)
    * CASE WHEN b.ends <= b.starts THEN '{}'::tstzmultirange ELSE tstzmultirange(tstzrange(b.starts, b.ends)) END AS during,
    s.during AS named
FROM supervision s CROSS JOIN LATERAL (
    SELECT coalesce(s.leads_from, s.started_at) AS starts, least(s.ended_at, (
        SELECT h.ended_at FROM shift h
        WHERE h.person = s.auxiliary AND h.in_force AND h.ended_at > s.started_at
        ORDER BY h.ended_at LIMIT 1
    )) AS ends
) b
WHERE s.in_force AND s.answer IS DISTINCT FROM 'declined';
CREATE INDEX shift_ended ON shift (person, ended_at) WHERE in_force;
CREATE INDEX supervision_led ON supervision USING gist (officer, during);

-- When an activity was: one that was never finished ends with the shift it began in.
CREATE FUNCTION acted(a activity) RETURNS tstzrange LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN a.finished THEN a.reach ELSE tstzrange(lower(a.reach), (
        SELECT h.ended_at FROM shift h JOIN activity_telling t ON t.id = a.id
        WHERE h.person = a.person AND h.in_force AND h.during @> t.started_at AND h.ended_at >= lower(a.reach)
    ), '[]') END
$$;

-- What a person's footage covers, recording by recording. Declared: claimed, unless what came was something else; one without an end, no further than its
-- shift and `open_ceiling`. Sealed: proved, for at most what the file holds; then nothing more is claimed either.
CREATE FUNCTION filmed(who uuid, within tstzrange, open_ceiling interval)
RETURNS TABLE (recording uuid, claimed tstzrange, proved tstzrange) LANGUAGE sql STABLE AS $$
    SELECT r.id, CASE WHEN u.state = 'sealed' THEN p.span ELSE tstzrange(r.started_at, o.ends) END,
        CASE WHEN u.state = 'sealed' THEN p.span ELSE 'empty' END
    FROM recording r JOIN upload u ON u.id = r.id
    CROSS JOIN LATERAL (SELECT coalesce(r.ended_at, least(r.started_at + open_ceiling, (
        SELECT h.ended_at FROM shift h WHERE h.person = r.wearer AND h.in_force AND h.ended_at > r.started_at
        ORDER BY h.ended_at LIMIT 1
    ))) AS ends) o
    CROSS JOIN LATERAL (SELECT CASE WHEN r.probed_ms IS NULL THEN 'empty'::tstzrange ELSE
        tstzrange(r.started_at, least(r.ended_at, r.started_at + r.probed_ms * interval '1 millisecond')) END AS span) p
    WHERE r.wearer = who AND r.during && within AND u.state NOT IN ('same_as', 'abandoned', 'mismatch')
$$;

-- Full process (R.10, R.32): of each activity the time that was led, claimed and proved, and the gaps that are wider
-- than the tolerance. Work that only assists enforcement is recorded while it is led (R.32). One that was never finished ends with the shift it began in, or at read time.
CREATE FUNCTION full_process(which uuid[], at timestamptz, tolerance interval, open_ceiling interval)
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
            SELECT tstzmultirange(o.claimed) AS claimed, tstzmultirange(o.proved) AS proved
            FROM filmed(a.person, s.reach, open_ceiling) o
            UNION ALL
            SELECT tstzmultirange(o.claimed) * l.during, tstzmultirange(o.proved) * l.during
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

-- What is wrong with these persons' acts and footage in this time, or with those whom they led, as far as the facts
-- known now tell. Findings stand or are withdrawn by it; returns those that stand.
CREATE FUNCTION refresh_findings(
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
                    'no_public_notice', 'not_released', 'not_on_shift', 'not_led', 'uninsured', 'unequipped')
                OR f.subject IN (SELECT id FROM namings) AND f.kind = 'not_on_shift'
                OR f.subject IN (SELECT id FROM footage) AND f.kind = 'handed_over_late')
            AND NOT EXISTS (SELECT FROM due d WHERE d.kind = f.kind AND d.subject = f.subject)
    )
    SELECT d.kind, d.subject FROM due d ORDER BY 1, 2
$$;

-- Where they were when one named and the other answered: R.10 asks for an officer who leads in person.
ALTER TABLE supervision ADD COLUMN place jsonb;
ALTER TABLE supervision_answer ADD COLUMN place jsonb;
