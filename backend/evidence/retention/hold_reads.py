"""Holds as they are read: by those who oversee the organ, never by the person they are about.

A hold may serve a complaint that the person does not know of.
"""

from typing import Literal
from uuid import UUID

import msgspec

from backend.core.database import Record, fetch, first
from backend.core.paging import Listed, as_row, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer, visible_to
from backend.core.wire import Moment, Place
from backend.evidence.schemas import HoldCategory

HoldStatus = Literal["standing", "released", "all"]
STATUSES: dict[HoldStatus, str] = {
    "standing": "h.released_at IS NULL",
    "released": "h.released_at IS NOT NULL",
    "all": "true",
}
VISIBLE = visible_to(own=[], organ="h.organ").only("h.person IS DISTINCT FROM $1")
HOLDS = """
SELECT h.*, h.upload AS recording FROM hold h
"""
COVERED = """
SELECT u.id, u.kind, u.owner, u.state, u.locked_until, u.legal_hold, r.started_at FROM held k
JOIN upload u ON u.id = k.upload LEFT JOIN recording r ON r.id = u.id
WHERE k.hold = $1 ORDER BY r.started_at, u.id LIMIT 1000
"""


class HoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A hold. `about`: the injury, complaint or matter it serves."""

    id: UUID
    organ: str
    origin: Literal["placed", "injury", "complaint", "matter"]
    about: UUID | None
    person: UUID | None
    place: Place | None
    radius_m: int | None
    recording: UUID | None
    started_at: Moment | None
    ended_at: Moment | None
    permanent: bool
    category: HoldCategory | None
    number: str | None
    reason: str
    placed_by: UUID
    placed_at: Moment
    released_by: UUID | None
    released_at: Moment | None
    released_why: str | None


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """What it covers that is known by now. `legal_hold`: the store keeps it whatever the date."""

    id: UUID
    kind: Literal["recording", "document"]
    owner: UUID
    state: str
    started_at: Moment | None
    locked_until: Moment | None
    legal_hold: bool


class HoldDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One hold, and up to 1,000 uploads that it covers."""

    hold: HoldRow
    covers: list[Covered]


class Holds(msgspec.Struct, frozen=True, kw_only=True):
    """A page of holds."""

    items: list[HoldRow]
    next: str | None


async def holds(actor: Actor, status: HoldStatus, cursor: str | None, limit: int) -> Holds:
    """Those of the organs that one oversees, newest first."""
    listed = Listed(HOLDS, "hold h", VISIBLE, STATUSES[status], by="placed_at")
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Holds(items=[_row(row) for row in rows[:limit]], next=next_page(rows, limit, "placed_at"))


async def hold(actor: Actor, asked: UUID) -> HoldDetail:
    """Raises Refusal `unknown_hold`."""
    row = await first(f"{HOLDS} WHERE h.id = $3 AND {VISIBLE.condition}", *viewer(actor), asked)
    if row is None:
        raise Refusal("unknown_hold")
    return HoldDetail(hold=_row(row), covers=[as_row(Covered, each) for each in await fetch(COVERED, asked)])


def _row(row: Record) -> HoldRow:
    place = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return HoldRow(**{field: row[field] for field in HoldRow.__struct_fields__ if field != "place"}, place=place)
