"""Namings of leading officers as they are read, newest first."""

from typing import Literal
from uuid import UUID

import msgspec

from backend.core.paging import ListQuery, as_row, next_page, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import visible_to
from backend.core.wire import Moment

SUPERVISION = visible_to(own=["v.auxiliary", "v.officer"], organ="v.organ")
Status = Literal["open", "unanswered", "confirmed", "declined", "contested", "all"]
STATUSES = {
    "open": "v.ended_at IS NULL AND v.in_force",
    "unanswered": "v.answer IS NULL AND v.in_force",
    "confirmed": "v.answer = 'confirmed'",
    "declined": "v.answer = 'declined'",
    "contested": "NOT v.in_force",
    "all": "true",
}
SUPERVISIONS = """
SELECT v.*, a.name AS auxiliary_name, o.name AS officer_name FROM supervision v
JOIN person a ON a.id = v.auxiliary JOIN person o ON o.id = v.officer
"""


class SupervisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A naming in a list."""

    id: UUID
    auxiliary: UUID
    auxiliary_name: str
    officer: UUID
    officer_name: str
    organ: str
    started_at: Moment
    ended_at: Moment | None
    in_force: bool
    answer: Literal["confirmed", "declined"] | None
    leads_from: Moment | None


class Supervisions(msgspec.Struct, frozen=True, kw_only=True):
    items: list[SupervisionRow]
    next: str | None


async def supervisions(actor: Actor, status: Status, cursor: str | None, limit: int) -> Supervisions:
    listed = ListQuery(SUPERVISIONS, "supervision v", SUPERVISION, STATUSES[status])
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Supervisions(items=[as_row(SupervisionRow, row) for row in rows[:limit]], next=next_page(rows, limit))
