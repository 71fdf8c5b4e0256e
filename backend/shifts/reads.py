"""Shifts as they are read.

Guarantees: what one may not see is not there (404); the order is newest first and stable.
"""

from typing import Literal
from uuid import UUID

import msgspec

from backend.core.paging import ListQuery, as_row, next_page, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import visible_while_led
from backend.core.wire import Moment

SHIFT = visible_while_led(auxiliary="s.person", organ="s.organ", span="s.during", began="s.started_at")
SHIFTS = "SELECT s.*, p.badge, p.name FROM shift s JOIN person p ON p.id = s.person"


class ShiftRow(msgspec.Struct, frozen=True, kw_only=True):
    """A shift in a list."""

    id: UUID
    person: UUID
    badge: str
    name: str
    organ: str
    duty_type: str
    started_at: Moment
    ended_at: Moment | None
    ended_by: Literal["check_out", "next"] | None
    in_force: bool


class Shifts(msgspec.Struct, frozen=True, kw_only=True):
    items: list[ShiftRow]
    next: str | None


async def shifts(actor: Actor, cursor: str | None, limit: int) -> Shifts:
    rows = await rows_of_page(ListQuery(SHIFTS, "shift s", SHIFT), actor, cursor, limit)
    return Shifts(items=[as_row(ShiftRow, row) for row in rows[:limit]], next=next_page(rows, limit))
