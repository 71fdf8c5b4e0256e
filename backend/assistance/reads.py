"""A call for help as it is read, and those of a shift."""

from typing import Any
from uuid import UUID

import msgspec

from backend.assistance.schemas import Kind
from backend.assistance.service import CALLS
from backend.core.database import fetch
from backend.core.write_path import Moment, Place

OF_SHIFT = f"""
{CALLS} JOIN shift w ON w.person = h.person AND w.during @> h.called_at
WHERE w.id = $1 ORDER BY h.called_at, h.id
"""


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
