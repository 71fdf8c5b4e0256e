"""Read calls for help: one's own, those one was called to, those of a shift."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.assistance.schemas import (
    AcknowledgedAt,
    AcknowledgedBy,
    ArrivedAt,
    AskedIn,
    CalledAt,
    CalledFirst,
    CallerId,
    CallId,
    CallKind,
    ClosedAt,
)
from backend.assistance.service import CALLS, VISIBLE
from backend.core.database import fetch, first
from backend.core.described import Badge, DevicePlace, IncidentNumber, NameBeside, OrganCode, PersonName
from backend.core.paging import ListQuery, Page, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer
from backend.core.wire import Place

OF_SHIFT = f"""
{CALLS} JOIN shift w ON w.person = h.person AND w.during @> h.called_at
WHERE w.id = $1 ORDER BY h.called_at, h.id
"""

OF_INCIDENT = "case_key(h.incident_ref) = case_key($3::text)"
CallStatus = Literal["open", "unanswered", "all"]
NO_STEP = "NOT EXISTS (SELECT FROM assistance_step x WHERE x.call = h.id AND x.step IN ({steps}))"
CALL_STATUSES = {
    "open": NO_STEP.format(steps="'close'"),
    "unanswered": NO_STEP.format(steps="'acknowledge', 'close'"),
    "all": "true",
}


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """A call for help."""

    id: CallId
    person: CallerId
    badge: Badge
    name: PersonName
    organ: OrganCode
    kind: CallKind
    words: Annotated[str | None, msgspec.Meta(description="what is happening; null: not said, or erased")]
    place: DevicePlace
    place_told: Annotated[
        str | None,
        msgspec.Meta(description="what was told as the place and cannot be one, as it came; null: nothing, or erased"),
    ]
    called_at: CalledAt
    asked_in: AskedIn
    acknowledged_by: AcknowledgedBy
    acknowledged_by_name: NameBeside = None
    acknowledged_at: AcknowledgedAt
    arrived_at: ArrivedAt
    closed_at: ClosedAt
    closed_by: Annotated[
        UUID | None, msgspec.Meta(description="id of the person who closed the call; null: not closed")
    ]
    closed_by_name: NameBeside = None
    called_first: CalledFirst
    outcome: Annotated[str | None, msgspec.Meta(description="how the call ended, in words; null: not closed")]
    incident_ref: IncidentNumber = None


async def calls_of(shift: UUID) -> list[CallRow]:
    """The calls that the person of a shift made during it."""
    return [call_row(row) for row in await fetch(OF_SHIFT, shift)]


def call_row(row: Any) -> CallRow:
    """A row of CALLS, with its place decoded."""
    place = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return CallRow(**{field: row[field] for field in CallRow.__struct_fields__ if field != "place"}, place=place)


async def calls(
    actor: Actor, status: CallStatus, cursor: str | None, limit: int, incident: str | None = None
) -> Page[CallRow]:
    """A page of one's own calls, those one was called to, and those of the organs that one oversees.

    `incident`: only those that name this incident.
    """
    where, values = CALL_STATUSES[status], [] if incident is None else [incident]
    where = f"{where} AND {OF_INCIDENT}" if values else where
    listed = ListQuery(CALLS, "assistance h", VISIBLE, where, by="called_at")
    rows = await rows_of_page(listed, actor, cursor, limit, *values)
    return Page(items=[call_row(row) for row in rows[:limit]], next=next_page(rows, limit, "called_at"))


async def call(actor: Actor, wanted: UUID) -> CallRow:
    """One call for help. Raises Refusal `unknown_call`."""
    row = await first(f"{CALLS} WHERE h.id = $3 AND {VISIBLE.condition}", *viewer(actor), wanted)
    if row is None:
        raise Refusal("unknown_call")
    return call_row(row)
