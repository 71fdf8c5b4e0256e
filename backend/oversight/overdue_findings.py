"""What only time brings: gaps that grow while nobody writes, footage that nobody hands over.

Guarantees: each person is locked and looked at in a transaction of their own; one who fails leaves the others found.
"""

from datetime import datetime

import structlog

from backend.core import findings
from backend.core.database import fetch, tx
from backend.core.findings import Touched
from backend.core.write_path import lock_persons
from backend.law.catalogue import law

# Whose findings may change with time or with the roster: an open activity whose shift goes on, footage not handed over
# (until it is found late), and insurance that was lacking and has come by the roster. For no longer than a term.
WAITING = """
SELECT person, min(since) AS since FROM (
    SELECT a.person, lower(a.reach) AS since FROM activity a
    WHERE NOT a.finished AND lower(a.reach) > $1::timestamptz - $3::interval AND NOT EXISTS (
        SELECT FROM shift h WHERE h.person = a.person AND h.in_force AND h.during @> lower(a.reach)
            AND h.ended_at < $1::timestamptz - $2::interval)
    UNION ALL
    SELECT r.wearer, r.started_at FROM upload u JOIN recording r ON r.id = u.id
    WHERE u.state IN ('declared', 'receiving', 'mismatch') AND r.started_at > $1::timestamptz - $3::interval
        AND NOT EXISTS (
        SELECT FROM finding f WHERE f.subject = r.id AND f.kind = 'handed_over_late' AND f.withdrawn_at IS NULL)
    UNION ALL
    SELECT a.person, lower(a.reach) FROM finding f JOIN activity a ON a.id = f.subject
    JOIN qualification q ON q.person = a.person AND q.code = 'accident_insurance'
        AND q.valid_from <= lower(a.reach) AND coalesce(q.valid_until >= a.started_at::date, true)
    WHERE f.kind = 'uninsured' AND f.withdrawn_at IS NULL AND f.found_at > $1::timestamptz - $3::interval
) waiting GROUP BY person ORDER BY 2
"""
log = structlog.get_logger()


async def look_again(now: datetime) -> int:
    """Find anew for everybody whose findings time may have changed. Returns how many persons."""
    rows = await fetch(WAITING, now, law().span("look_again_within"), law().span("looked_at_again_for"))
    for row in rows:
        try:
            async with tx():
                await lock_persons([row["person"]])
                await findings.refresh(Touched([row["person"]], row["since"]), now)
        except Exception as error:
            log.error("not looked at again", error=type(error).__name__)
    return len(rows)
