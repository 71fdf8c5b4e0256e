"""Spot checks: the server draws recordings at random, so that nobody chooses them, and counts how many were done.

Guarantees: for each organ and week the server draws as many of the sealed recordings as terms.toml says. A recording is
drawn at most once. A second draw for the same week draws nothing. Source: 公通字〔2016〕14号.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core import journal
from backend.core.database import Record, execute, fetch, tx
from backend.core.days import until
from backend.core.described import Badge, OrganCode, OrganName, RecordingId
from backend.core.findings import Overdue
from backend.core.paging import ListQuery, Page, as_row, next_page, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, viewer, visible_to
from backend.core.wire import Moment
from backend.law.catalogue import law
from backend.reviews.schemas import Observations

LOCK = "SELECT pg_advisory_xact_lock(hashtext('fujing spot checks'))"
DRAW = """
INSERT INTO spot_check (recording, organ, week, drawn_at, due_at)
SELECT d.id, d.organ, d.week, $1, $2 FROM (
    SELECT r.id, r.organ, w.week, row_number() OVER (PARTITION BY r.organ ORDER BY gen_random_uuid()) AS place
    FROM (SELECT date_trunc('week', $1::timestamptz AT TIME ZONE 'Asia/Shanghai')::date - 7 AS week) w
    JOIN upload u ON u.sealed_at >= w.week::timestamp AT TIME ZONE 'Asia/Shanghai'
        AND u.sealed_at < (w.week + 7)::timestamp AT TIME ZONE 'Asia/Shanghai'
    JOIN recording r ON r.id = u.id
    WHERE u.state = 'sealed' AND u.disposed_at IS NULL AND u.media_type ~ '^(video|audio)/'
        AND NOT EXISTS (SELECT FROM spot_check s WHERE s.organ = r.organ AND s.week = w.week)
) d WHERE d.place <= $3 ON CONFLICT (recording) DO NOTHING RETURNING id, recording, organ
"""
SPOT_CHECKS = """
SELECT s.id, s.recording, s.organ, s.week, s.drawn_at, s.due_at, s.done_at, s.found, p.badge AS wearer_badge
FROM spot_check s JOIN recording r ON r.id = s.recording JOIN person_now p ON p.id = r.wearer
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
    """A recording to check."""

    id: Annotated[UUID, msgspec.Meta(description="id of the spot check: the `number` of its review")]
    recording: RecordingId
    organ: OrganCode
    wearer_badge: Badge
    week: Annotated[date, msgspec.Meta(description="Monday of the week in which the recording was sealed")]
    drawn_at: Annotated[Moment, msgspec.Meta(description="when the server drew it")]
    due_at: Annotated[Moment, msgspec.Meta(description="the spot check is overdue after this")]
    done_at: Annotated[Moment | None, msgspec.Meta(description="when it was done; null: it is open")]
    found: Observations


class SpotCheckCount(msgspec.Struct, frozen=True, kw_only=True):
    """The spot checks of one organ in numbers, for the requested weeks."""

    organ: OrganCode
    organ_name: OrganName
    drawn: Annotated[int, msgspec.Meta(description="number drawn")]
    due: Annotated[int, msgspec.Meta(description="number of these whose deadline has passed, done or not")]
    done: Annotated[int, msgspec.Meta(description="number of these that were done")]
    overdue: Annotated[int, msgspec.Meta(description="number of these whose deadline has passed and that are open")]
    with_findings: Annotated[int, msgspec.Meta(description="number of these where something was found")]


async def draw(now: datetime) -> int:
    """Draw spot checks for last week, for each organ that has none of that week. Returns how many were drawn."""
    async with tx():
        await execute(LOCK)
        rows = await fetch(DRAW, now, until(law(), "spot_check_due", now), law().count("spot_checks_week"))
        for row in rows:
            await _append_to_journal(row, now)
    return len(rows)


async def spot_checks(actor: Actor, status: SpotCheckStatus, cursor: str | None, limit: int) -> Page[SpotCheckRow]:
    """List the spot checks of the organs that one inspects, newest first, without those of one's own footage."""
    listed = ListQuery(SPOT_CHECKS, "spot_check s", VISIBLE, STATUSES[status], by="drawn_at")
    rows = await rows_of_page(listed, actor, cursor, limit, roles=INSPECTING)
    items = [as_row(SpotCheckRow, row) for row in rows[:limit]]
    return Page(items=items, next=next_page(rows, limit, "drawn_at"))


async def counts(actor: Actor, since: date, until: date) -> list[SpotCheckCount]:
    """Count by organ, for the organs that one inspects, over the weeks whose Monday is in `since` <= day < `until`."""
    return await _counts(since, until, viewer(actor, INSPECTING)[1])


async def report(since: date, until: date, organ: str | None) -> list[SpotCheckCount]:
    """Count like `counts`, for the operator of the server: for `organ` and all below it, or for all organs."""
    return await _counts(since, until, None if organ is None else [organ])


async def _counts(since: date, until: date, organs: list[str] | None) -> list[SpotCheckCount]:
    return [as_row(SpotCheckCount, row) for row in await fetch(COUNTS, since, until, organs)]


async def _append_to_journal(row: Record, now: datetime) -> None:
    await journal.append(
        journal.Line(
            at=now, verb="spot-checks/draw", outcome="done", organ=row["organ"], subjects=[row["id"], row["recording"]]
        )
    )
