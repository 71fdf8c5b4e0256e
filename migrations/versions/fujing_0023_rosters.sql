-- Planned shifts, and how what was worked compares with them: flagged, never blocked. R.29.

CREATE TABLE planned_shift (
    id uuid PRIMARY KEY,
    person uuid NOT NULL REFERENCES person ON DELETE RESTRICT,
    organ text NOT NULL REFERENCES organ ON DELETE RESTRICT,
    post text NOT NULL,
    officer uuid REFERENCES person ON DELETE RESTRICT,
    duty_type text NOT NULL CHECK (duty_type IN ('patrol', 'post', 'window', 'watch', 'standby', 'event')),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    place jsonb,
    radius_m integer CHECK (radius_m > 0),
    planned_by uuid REFERENCES person ON DELETE RESTRICT,
    withdrawn_by uuid REFERENCES person ON DELETE RESTRICT,
    withdrawn_at timestamptz,
    withdrawn_why text,
    during tstzrange GENERATED ALWAYS AS (tstzrange(starts_at, ends_at)) STORED,
    CHECK (ends_at > starts_at),
    CHECK ((place IS NULL) = (radius_m IS NULL)),
    CHECK (num_nonnulls(withdrawn_by, withdrawn_at, withdrawn_why) IN (0, 3)),
    CONSTRAINT planned_one_at_a_time EXCLUDE USING gist (person WITH =, during WITH &&) WHERE (withdrawn_at IS NULL)
);
CREATE INDEX planned_shift_when ON planned_shift USING gist (during) WHERE withdrawn_at IS NULL;
CREATE INDEX planned_shift_organ ON planned_shift (organ, starts_at);
CREATE INDEX planned_shift_officer ON planned_shift (officer, starts_at) WHERE officer IS NOT NULL;

-- The shift that answers a planned one: the first in force that overlaps it.
CREATE VIEW planned_answer AS
SELECT p.id AS planned, h.id AS shift, h.started_at, h.place FROM planned_shift p CROSS JOIN LATERAL (
    SELECT * FROM shift h WHERE h.person = p.person AND h.in_force AND h.during && p.during ORDER BY h.started_at LIMIT 1
) h;

-- Whether these persons (none: everybody) came to what was planned in this time, as far as is known at $3. Findings
-- stand or are withdrawn by it; returns those that stand. Places of two datums are never compared.
CREATE FUNCTION judge_roster(
    persons uuid[], within tstzrange, at timestamptz, grace interval, absent_after interval
) RETURNS TABLE (kind text, subject uuid) LANGUAGE sql AS $$
    WITH planned AS MATERIALIZED (
        SELECT p.*, a.started_at AS came_at, a.place AS came_to FROM planned_shift p
        LEFT JOIN planned_answer a ON a.planned = p.id
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
