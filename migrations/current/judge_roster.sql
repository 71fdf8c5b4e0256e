-- The shift that answers each planned one, for these persons (none: everybody) and planned shifts in this time.
--
-- A planned shift and a shift of its person fit where they overlap; they fit better for the same post, then for the
-- nearer start, then for the longer overlap. The best pair of all goes first, then the best of what is left: so a shift
-- answers one planned shift, a planned one has one answer, and a shift more never makes the answer of any planned one
-- worse. What only runs over into a planned shift, by no more than `grace`, does not answer it.
-- Pairs are looked at two ceilings beyond the time asked for: a shift may answer a planned one that is not asked for.
-- grace, ceiling: terms.toml check_in_grace, unfinished_shift_ceiling.
CREATE OR REPLACE FUNCTION planned_answers(
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
CREATE OR REPLACE FUNCTION judge_roster(
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
