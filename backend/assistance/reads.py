"""Calls for help as they are read: one's own, those one was called to, those of a shift."""

from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.assistance.schemas import Kind
from backend.assistance.service import CALLS, VISIBLE
from backend.core.database import fetch, first
from backend.core.paging import ListQuery, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer
from backend.core.wire import Moment, Place

OF_SHIFT = f"""
{CALLS} JOIN shift w ON w.person = h.person AND w.during @> h.called_at
WHERE w.id = $1 ORDER BY h.called_at, h.id
"""

CallStatus = Literal["open", "unanswered", "all"]
NO_STEP = "NOT EXISTS (SELECT FROM assistance_step x WHERE x.call = h.id AND x.step IN ({steps}))"
CALL_STATUSES = {
    "open": NO_STEP.format(steps="'close'"),
    "unanswered": NO_STEP.format(steps="'acknowledge', 'close'"),
    "all": "true",
}


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """A call for help. `asked_in`: the organ whose officers were called last."""

    id: UUID
    person: UUID
    badge: str
    name: str
    organ: str
    kind: Kind
    words: str | None
    place: Place | None
    called_at: Moment
    asked_in: str
    acknowledged_by: UUID | None
    acknowledged_at: Moment | None
    arrived_at: Moment | None
    closed_at: Moment | None
    closed_by: UUID | None
    outcome: str | None


async def calls_of(shift: UUID) -> list[CallRow]:
    """What its person called for in this time."""
    return [call_row(row) for row in await fetch(OF_SHIFT, shift)]


def call_row(row: Any) -> CallRow:
    place = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return CallRow(**{field: row[field] for field in CallRow.__struct_fields__ if field != "place"}, place=place)


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """A page of calls for help."""

    items: list[CallRow]
    next: str | None


async def calls(actor: Actor, status: CallStatus, cursor: str | None, limit: int) -> Calls:
    """One's own calls for help, those one was called to, and those of the organs that one oversees."""
    listed = ListQuery(CALLS, "assistance h", VISIBLE, CALL_STATUSES[status], by="called_at")
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Calls(items=[call_row(row) for row in rows[:limit]], next=next_page(rows, limit, "called_at"))


async def call(actor: Actor, asked: UUID) -> CallRow:
    """Raises Refusal `unknown_call`."""
    row = await first(f"{CALLS} WHERE h.id = $3 AND {VISIBLE.condition}", *viewer(actor), asked)
    if row is None:
        raise Refusal("unknown_call")
    return call_row(row)
