-- Why a finding does not count against its person, though it holds. objective_cause: each stretch was interrupted by one
-- of `causes`, or another source recorded it; of a recorder that was off at the start, that moment. officer_silent: an
-- officer was named and did not answer. ordered: an officer ordered it and does not dispute that. Stretches within the
-- tolerance are none.
CREATE OR REPLACE FUNCTION excuses(f finding, causes text[], tolerance interval) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array_remove(ARRAY[
        CASE WHEN f.kind IN ('led_gap', 'unrecorded', 'legality_defect') AND f.spans IS NOT NULL AND isempty(wide(f.spans - (
            SELECT coalesce(range_agg(g.during), '{}') FROM gap_account g
            WHERE g.activity = f.subject AND g.gap = CASE f.kind WHEN 'led_gap' THEN 'leading' ELSE 'recording' END
                AND (g.cause = ANY (causes) OR g.covered_by IS NOT NULL)), tolerance))
        OR f.kind = 'not_recording' AND EXISTS (
            SELECT FROM gap_account g JOIN activity a ON a.id = g.activity
            WHERE g.activity = f.subject AND g.gap = 'recording' AND (g.cause = ANY (causes) OR g.covered_by IS NOT NULL)
                AND g.during && tstzrange(a.started_at, a.started_at + tolerance, '[]'))
        THEN 'objective_cause' END,
        CASE WHEN f.kind = 'led_gap' AND f.spans IS NOT NULL AND isempty(wide(f.spans - (
            SELECT coalesce(range_agg(s.during), '{}') FROM supervision s
            WHERE s.auxiliary = f.person AND s.in_force AND s.answer IS NULL AND s.during && range_merge(f.spans)
            ), tolerance)) THEN 'officer_silent' END,
        CASE WHEN EXISTS (SELECT FROM given_order o WHERE o.id = f.subject AND f.kind = ANY (o.codes)
            AND NOT EXISTS (SELECT FROM order_dispute d WHERE d.given = o.id)) THEN 'ordered' END
    ], NULL)
$$;
