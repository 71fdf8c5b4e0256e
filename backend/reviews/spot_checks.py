"""Spot checks: the server draws what is looked at, so that nobody chooses, and says how many were due and done.

Guarantees: of what an organ had sealed in a week, so many as terms.toml says, each at random and once; whoever runs the
draw again draws nothing. Source: 公通字〔2016〕14号.
"""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from backend.core import journal
from backend.core.database import Record, execute, fetch, tx
from backend.core.findings import Overdue
from backend.core.paging import ListQuery, as_row, next_page, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, viewer, visible_to
from backend.core.wire import Moment
from backend.law.catalogue import law
from backend.reviews.schemas import Found

LOCK = "SELECT pg_advisory_xact_lock(hashtext('fujing spot checks'))"
DRAW = """
INSERT INTO spot_check (recording, organ, week, drawn_at, due_at)
SELECT d.id, d.organ, d.week, $1, $1::timestamptz + $2::interval FROM (
    SELECT r.id, r.organ, w.week, row_number() OVER (PARTITION BY r.organ ORDER BY gen_random_uuid()) AS place
    FROM (SELECT date_trunc('week', $1::timestamptz AT TIME ZONE 'Asia/Shanghai')::date - 7 AS week) w
    JOIN upload u ON u.sealed_at >= w.week::timestamp AT TIME ZONE 'Asia/Shanghai'
        AND u.sealed_at < (w.week + 7)::timestamp AT TIME ZONE 'Asia/Shanghai'
    JOIN recording r ON r.id = u.id
    WHERE u.state = 'sealed' AND u.disposed_at IS NULL
        AND NOT EXISTS (SELECT FROM spot_check s WHERE s.organ = r.organ AND s.week = w.week)
) d WHERE d.place <= $3 ON CONFLICT (recording) DO NOTHING RETURNING id, recording, organ
"""
SPOT_CHECKS = """
SELECT s.id, s.recording, s.organ, s.week, s.drawn_at, s.due_at, s.done_at, s.found, p.badge AS wearer_badge
FROM spot_check s JOIN recording r ON r.id = s.recording JOIN person p ON p.id = r.wearer
"""
VISIBLE = visible_to(own=[], organ="s.organ").only(
    "EXISTS (SELECT FROM recording x WHERE x.id = s.recording AND x.wearer <> $1)"
)
SpotCheckStatus = Literal["open", "overdue", "done", "all"]
STATUSES: dict[SpotCheckStatus, str] = {
    "open": "s.done_at IS NULL",
    "overdue": "s.done_at IS NULL AND s.due_at < now()",
    "done": "s.done_at IS NOT NULL",
    "all": "true",
}
COUNTS = """
SELECT s.organ, o.name AS organ_name, count(*) AS drawn, count(*) FILTER (WHERE s.due_at <= now()) AS due,
    count(s.done_at) AS done, count(*) FILTER (WHERE s.done_at IS NULL AND s.due_at < now()) AS overdue,
    count(*) FILTER (WHERE NOT 'nothing_found' = ANY (s.found)) AS with_findings
FROM spot_check s JOIN organ o ON o.code = s.organ
WHERE s.week >= $1 AND s.week < $2 AND ($3::text[] IS NULL OR s.organ IN (SELECT organs_under($3)))
GROUP BY s.organ, o.name ORDER BY s.organ
"""
OVERDUE = (
    Overdue(
        kind="spot_check_overdue",
        due="SELECT id, organ, due_at AS since FROM spot_check WHERE done_at IS NULL AND due_at < $1",
    ),
)


class SpotCheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """Footage to look at. `week`: the Monday of the week in which it was sealed."""

    id: UUID
    recording: UUID
    organ: str
    wearer_badge: str
    week: date
    drawn_at: Moment
    due_at: Moment
    done_at: Moment | None
    found: list[Found] | None


class SpotChecks(msgspec.Struct, frozen=True, kw_only=True):
    """A page of spot checks."""

    items: list[SpotCheckRow]
    next: str | None


class SpotCheckCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many an organ had of the weeks asked for, and what became of them."""

    organ: str
    organ_name: str
    drawn: int
    due: int
    done: int
    overdue: int
    with_findings: int


async def draw(now: datetime) -> int:
    """Draw for last week, where nothing was drawn yet. How many."""
    async with tx():
        await execute(LOCK)
        rows = await fetch(DRAW, now, law().span("spot_check_due"), law().count("spot_checks_week"))
        for row in rows:
            await _tell(row, now)
    return len(rows)


async def spot_checks(actor: Actor, status: SpotCheckStatus, cursor: str | None, limit: int) -> SpotChecks:
    """Of the organs that one inspects, newest first; never of one's own footage."""
    listed = ListQuery(SPOT_CHECKS, "spot_check s", VISIBLE, STATUSES[status], by="drawn_at")
    rows = await rows_of_page(listed, actor, cursor, limit, roles=INSPECTING)
    items = [as_row(SpotCheckRow, row) for row in rows[:limit]]
    return SpotChecks(items=items, next=next_page(rows, limit, "drawn_at"))


async def counts(actor: Actor, since: date, until: date) -> list[SpotCheckCount]:
    """By organ, of those one inspects, of the weeks that begin from `since` and before `until`."""
    return await _counts(since, until, viewer(actor, INSPECTING)[1])


async def report(since: date, until: date, organ: str | None) -> list[SpotCheckCount]:
    """The same for whoever runs the server."""
    return await _counts(since, until, None if organ is None else [organ])


async def _counts(since: date, until: date, organs: list[str] | None) -> list[SpotCheckCount]:
    return [as_row(SpotCheckCount, row) for row in await fetch(COUNTS, since, until, organs)]


async def _tell(row: Record, now: datetime) -> None:
    await journal.append(
        journal.Line(
            at=now, verb="spot-checks/draw", outcome="done", organ=row["organ"], subjects=[row["id"], row["recording"]]
        )
    )
