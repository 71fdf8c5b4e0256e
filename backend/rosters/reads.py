"""Planned shifts, read, each with the shift that answered it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from backend.core.database import fetch
from backend.core.paging import PageCursor, moment_parameter, next_page
from backend.core.verb import Actor
from backend.core.visibility import viewer, visible_to
from backend.core.wire import Moment, Place
from backend.shifts.schemas import DutyType

PLANNED = f"""
SELECT p.*, w.badge, w.name, a.shift, a.started_at AS checked_in_at
FROM planned_shift p JOIN person w ON w.id = p.person
LEFT JOIN planned_answer a ON a.planned = p.id
WHERE {visible_to(own=["p.person", "p.officer"], organ="p.organ").condition} AND p.withdrawn_at IS NULL
    AND p.during && tstzrange($3, $4) AND ($5::timestamptz IS NULL OR (p.starts_at, p.id) > ($5, $6::uuid))
ORDER BY p.starts_at, p.id LIMIT $7
"""  # noqa: S608 - constants


class PlannedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A planned shift. `shift`: the first in force that overlaps it; null while nobody came."""

    id: UUID
    person: UUID
    badge: str
    name: str
    organ: str
    post: str
    officer: UUID | None
    duty_type: DutyType
    starts_at: Moment
    ends_at: Moment
    place: Place | None
    radius_m: int | None
    shift: UUID | None
    checked_in_at: Moment | None


class Rosters(msgspec.Struct, frozen=True, kw_only=True):
    """A page of planned shifts."""

    items: list[PlannedRow]
    next: str | None


async def rosters(
    actor: Actor, since: datetime | None, until: datetime | None, cursor: str | None, limit: int
) -> Rosters:
    """One's own, those one is to lead, and those of the organs that one oversees, the earliest first."""
    page = PageCursor.after(cursor)
    span = (since and moment_parameter("from", since), until and moment_parameter("to", until))
    if None not in span and span[0] > span[1]:  # type: ignore[operator]
        return Rosters(items=[], next=None)
    rows = await fetch(PLANNED, *viewer(actor), *span, page and page.at, page and page.id, limit + 1)
    return Rosters(items=[_row(row) for row in rows[:limit]], next=next_page(rows, limit, "starts_at"))


def _row(row: Any) -> PlannedRow:
    told = {field: row[field] for field in PlannedRow.__struct_fields__}
    told["place"] = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return PlannedRow(**told)
