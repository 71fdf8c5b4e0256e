"""Find what people who left did not give back, and tell the commander (R.32 para 2).

Guarantees: the finding stands from the day after the last day of service until the thing is given back, or its holder
serves again. It is of whoever left, and stands for each thing by its own.
"""

from datetime import datetime
from uuid import UUID

from backend.core import findings, journal
from backend.core.database import execute, fetch, tx
from backend.core.findings import Finding

# Whether the holder of a thing `i` serves nowhere from the day of {0} on.
HAS_LEFT = """NOT EXISTS (SELECT FROM stint s WHERE s.person = i.person
    AND (upper(s.during) IS NULL OR upper(s.during) > ({0} AT TIME ZONE 'Asia/Shanghai')::date))"""
UNRETURNED = f"""
SELECT i.id, i.person, i.organ, (SELECT max(upper(s.during)) FROM stint s WHERE s.person = i.person)::timestamp
    AT TIME ZONE 'Asia/Shanghai' AS since
FROM issued_item i WHERE i.returned_at IS NULL AND {HAS_LEFT.format("$1::timestamptz")}
    AND NOT EXISTS (SELECT FROM finding f
        WHERE f.kind = 'item_not_returned' AND f.subject = i.id AND f.withdrawn_at IS NULL)
ORDER BY i.organ, i.id LIMIT 1000
"""  # noqa: S608 - constants, here and below
SETTLED = f"""
UPDATE finding f SET withdrawn_at = $1 FROM issued_item i
WHERE f.kind = 'item_not_returned' AND f.withdrawn_at IS NULL AND i.id = f.subject
    AND (i.returned_at IS NOT NULL OR NOT {HAS_LEFT.format("$1::timestamptz")})
"""  # noqa: S608
LOCK = "SELECT pg_advisory_xact_lock(hashtext('fujing leaving'))"


async def refresh(now: datetime) -> int:
    """Add or withdraw the findings about things that are not given back; a line in the feed tells each organ's
    overseers of new ones. Returns how many things are new."""
    async with tx():
        await execute(LOCK)
        await execute(SETTLED, now)
        rows = await fetch(UNRETURNED, now)
        for row in rows:
            await findings.flag(
                Finding(
                    kind="item_not_returned", subject=row["id"], organ=row["organ"], person=row["person"],
                    started_at=row["since"],
                )
            )  # fmt: skip
        for organ in sorted({row["organ"] for row in rows}):
            items = [row["id"] for row in rows if row["organ"] == organ]
            await _append_line(organ, items, now)
    return len(rows)


async def _append_line(organ: str, items: list[UUID], now: datetime) -> None:
    await journal.append(
        journal.Line(
            at=now, verb="items/unreturned", outcome="done", organ=organ, subjects=items,
            facts={"subject": {"unreturned": {"organ": organ, "items": len(items)}}},
        )
    )  # fmt: skip
