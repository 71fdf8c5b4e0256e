-- Things handed out (领用, 归还): who has which recorder, handheld, uniform or ID, from when to when. R.11, R.32.
-- kind: a code of [items.…] in works.toml. serial_key: one thing, however its letters are written.
CREATE TABLE issued_item (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    serial text NOT NULL,
    serial_key text NOT NULL GENERATED ALWAYS AS (upper(serial)) STORED,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    issued_at timestamptz NOT NULL,
    returned_at timestamptz,
    issued_by uuid REFERENCES person ON DELETE RESTRICT,
    returned_to uuid REFERENCES person ON DELETE RESTRICT,
    source text NOT NULL CHECK (source IN ('entry', 'import')),
    during tstzrange GENERATED ALWAYS AS (tstzrange(issued_at, returned_at)) STORED,
    CHECK (returned_at >= issued_at),
    CHECK (returned_to IS NULL OR returned_at IS NOT NULL),
    CONSTRAINT item_with_one_person_at_a_time EXCLUDE USING gist (kind WITH =, serial_key WITH =, during WITH &&)
);
CREATE INDEX issued_item_person ON issued_item (person, issued_at);
CREATE INDEX issued_item_organ ON issued_item (organ, issued_at);

-- The films of one camera, to be compared with who had it.
CREATE INDEX recording_camera ON recording (upper(camera_serial), started_at);

-- The daily roster (值班表): who leads an organ's duty (带班领导) and which officers are on duty (值班民警). R.7, R.9.
-- One row of an organ at a time. A row that was ended before it began has an empty `during`.
CREATE TABLE duty_roster (
    id uuid PRIMARY KEY,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    named_by uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    ended_by uuid REFERENCES person ON DELETE RESTRICT,
    ended_at timestamptz,
    ended_why text,
    during tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at)) STORED,
    CHECK (ends_at >= starts_at),
    CHECK (num_nonnulls(ended_by, ended_at, ended_why) IN (0, 3)),
    CONSTRAINT duty_roster_one_at_a_time EXCLUDE USING gist (organ WITH =, during WITH &&)
);
CREATE INDEX duty_roster_organ ON duty_roster (organ, starts_at);

CREATE TABLE duty_roster_person (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    duty uuid NOT NULL REFERENCES duty_roster ON DELETE RESTRICT,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    part text NOT NULL CHECK (part IN ('leader', 'officer')),
    UNIQUE (duty, person)
);
CREATE UNIQUE INDEX duty_roster_one_leader ON duty_roster_person (duty) WHERE part = 'leader';
CREATE INDEX duty_roster_person_of ON duty_roster_person (person);

-- Who commands an organ's duty, and when, as far as it has begun.
CREATE VIEW duty_command AS
SELECT d.id AS duty, d.organ, p.person, p.part, d.during FROM duty_roster d JOIN duty_roster_person p ON p.duty = d.id
WHERE NOT isempty(d.during) AND d.starts_at <= now();

-- Who commanded the duty when a call came, and is to be rung before the others.
ALTER TABLE assistance_called ADD COLUMN first boolean NOT NULL DEFAULT false;

-- Until when a shift counts: one that nobody checked out of no longer than `ceiling` (terms.toml unfinished_shift_ceiling),
-- also where the next check-in ended it later.
CREATE FUNCTION counted_end(h shift, ceiling interval) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN h.ended_by = 'check_out' THEN h.ended_at ELSE least(h.ended_at, h.started_at + ceiling) END
$$;

-- The first shift that overlapped a planned one answered it.
DROP FUNCTION judge_roster(uuid[], tstzrange, timestamptz, interval, interval);
DROP VIEW planned_answer;

-- The shift that answers each planned one, for these persons (none: everybody) and planned shifts in this time.
--
-- A planned shift and a shift of its person fit where they overlap; they fit better for the same post, then for the
-- nearer start, then for the longer overlap. The best pair of all goes first, then the best of what is left: so a shift
-- answers one planned shift, a planned one has one answer, and a shift more never makes the answer of any planned one
-- worse. What only runs over into a planned shift, by no more than `grace`, does not answer it.
-- Pairs are looked at two ceilings beyond the time asked for: a shift may answer a planned one that is not asked for.
-- grace, ceiling: terms.toml check_in_grace, unfinished_shift_ceiling.
CREATE FUNCTION planned_answers(
    persons uuid[], within tstzrange, grace interval, ceiling interval
) RETURNS TABLE (planned uuid, shift uuid, came_at timestamptz, came_to jsonb) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    pair record;
    whose uuid;
    taken uuid[];
BEGIN
    FOR pair IN
        SELECT p.person, p.id AS planned, h.id AS shift, h.started_at, h.place
        FROM planned_shift p JOIN shift h ON h.person = p.person AND h.in_force AND h.during && p.during
        CROSS JOIN LATERAL (SELECT tstzrange(h.started_at, counted_end(h, ceiling)) * p.during AS shared) x
        WHERE p.withdrawn_at IS NULL AND (persons IS NULL OR p.person = ANY (persons))
            AND p.during && tstzrange(lower(within) - 2 * ceiling, upper(within) + 2 * ceiling)
            AND (upper(x.shared) >= least(p.starts_at + grace, p.ends_at) OR h.started_at >= p.starts_at - grace)
        ORDER BY p.person, coalesce(h.roster_post = p.post, false) DESC, greatest(h.started_at - p.starts_at,
            p.starts_at - h.started_at), upper(x.shared) - lower(x.shared) DESC NULLS LAST, p.id, h.id
    LOOP
        IF pair.person IS DISTINCT FROM whose THEN
            whose := pair.person;
            taken := '{}';
        END IF;
        IF NOT taken && ARRAY[pair.planned, pair.shift] THEN
            taken := taken || pair.planned || pair.shift;
            planned := pair.planned;
            shift := pair.shift;
            came_at := pair.started_at;
            came_to := pair.place;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- Whether these persons (none: everybody) came to what was planned in this time, as far as is known at `at`. Findings
-- stand or are withdrawn by it; returns those that stand. Places of two datums are never compared.
-- grace, absent_after, ceiling: terms.toml check_in_grace, absent_after, unfinished_shift_ceiling.
CREATE FUNCTION judge_planned(
    persons uuid[], within tstzrange, at timestamptz, grace interval, absent_after interval, ceiling interval
) RETURNS TABLE (kind text, subject uuid) LANGUAGE sql AS $$
    WITH planned AS MATERIALIZED (
        SELECT p.*, a.came_at, a.came_to FROM planned_shift p
        LEFT JOIN planned_answers(persons, within, grace, ceiling) a ON a.planned = p.id
        WHERE p.withdrawn_at IS NULL AND p.during && within AND p.starts_at <= at
            AND (persons IS NULL OR p.person = ANY (persons))
    ),
    due (kind, subject, organ, person, started_at, ended_at) AS (
        SELECT 'absent', id, organ, person, starts_at, ends_at FROM planned
        WHERE came_at IS NULL AND at >= least(ends_at, starts_at + absent_after)
        UNION ALL
        SELECT 'late_check_in', id, organ, person, starts_at, came_at FROM planned WHERE came_at > starts_at + grace
        UNION ALL
        SELECT 'off_post', id, organ, person, came_at, NULL FROM planned
        WHERE came_to->>'datum' = place->>'datum' AND metres(came_to, place)
            > radius_m + (came_to->>'accuracy_m')::float8 + (place->>'accuracy_m')::float8
    ),
    stood AS (
        INSERT INTO finding AS f (kind, subject, organ, person, against_organ, started_at, ended_at)
        SELECT d.kind, d.subject, d.organ, d.person, false, d.started_at, d.ended_at FROM due d
        ON CONFLICT (kind, subject) DO UPDATE
        SET started_at = excluded.started_at, ended_at = excluded.ended_at, withdrawn_at = NULL
        WHERE (f.started_at, f.ended_at, f.withdrawn_at)
            IS DISTINCT FROM (excluded.started_at, excluded.ended_at, NULL::timestamptz)
    ),
    gone AS (
        UPDATE finding f SET withdrawn_at = at
        WHERE f.withdrawn_at IS NULL AND f.kind IN ('absent', 'late_check_in', 'off_post')
            AND f.subject IN (SELECT id FROM planned)
            AND NOT EXISTS (SELECT FROM due d WHERE d.kind = f.kind AND d.subject = f.subject)
    )
    SELECT d.kind, d.subject FROM due d ORDER BY 1, 2
$$;

-- Compares the films of these cameras with who had the camera, and flags or withdraws `worn_by_another`: somebody else
-- had it at the start of the film. A camera that nobody has taken out tells nothing.
--
-- cameras: serial numbers in capitals. within: which films, by their start. kinds: kinds of things whose serial number
-- tells a wearer (works.toml, tells_wearer). Returns the films with such a finding.
CREATE FUNCTION judge_wearers(
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
