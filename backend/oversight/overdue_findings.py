"""Refresh the findings that change by time alone: gaps that grow while nobody writes, footage not handed over.

Guarantees: each person is locked and refreshed in a transaction of their own; an error for one does not stop the rest.
"""

from datetime import datetime

import structlog

from backend.core import findings
from backend.core.database import fetch, tx
from backend.core.days import since
from backend.core.findings import Touched
from backend.core.write_path import lock_persons
from backend.law.catalogue import law

# Persons whose findings may change with time or with the roster: their activity is open and its shift goes on; their
# footage is not handed over (until it is found late); or their missing insurance has been imported. For a term only.
WAITING = """
SELECT person, min(since) AS since FROM (
    SELECT a.person, lower(a.reach) AS since FROM activity a
    WHERE NOT a.finished AND lower(a.reach) >= $3 AND NOT EXISTS (
        SELECT FROM shift h WHERE h.person = a.person AND h.in_force AND h.during @> lower(a.reach)
            AND h.ended_at < $1::timestamptz - $2::interval)
    UNION ALL
    SELECT r.wearer, r.started_at FROM upload u JOIN recording r ON r.id = u.id
    WHERE u.state IN ('declared', 'receiving', 'mismatch') AND r.started_at >= $3
        AND NOT EXISTS (
        SELECT FROM finding f WHERE f.subject = r.id AND f.kind = 'handed_over_late' AND f.withdrawn_at IS NULL)
    UNION ALL
    SELECT a.person, lower(a.reach) FROM finding f JOIN activity a ON a.id = f.subject
    JOIN activity_telling t ON t.activity = a.id
    JOIN qualification q ON q.person = a.person AND q.code = ANY (t.insurances)
        AND q.valid_from <= day_in_china(lower(a.reach))
        AND coalesce(q.valid_until >= day_in_china(a.started_at), true)
    WHERE f.kind = 'uninsured' AND f.withdrawn_at IS NULL AND f.found_at >= $3
) waiting GROUP BY person ORDER BY 2
"""
log = structlog.get_logger()


async def refresh_due(now: datetime) -> int:
    """Refresh the findings of everybody for whom time may have changed them. Returns how many persons."""
    rows = await fetch(WAITING, now, law().span("look_again_within"), since(law(), "looked_at_again_for", now))
    for row in rows:
        try:
            async with tx():
                await lock_persons([row["person"]])
                await findings.refresh(Touched([row["person"]], row["since"]), now)
        except Exception as error:
            log.error("findings not refreshed", error=type(error).__name__)
    return len(rows)
