"""Read who has what, and who was seen in uniform off duty: oneself, and the organs where one hands out or oversees."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.core.database import fetch
from backend.core.described import Badge, OrganCode, OrganName, PersonName
from backend.core.paging import ListQuery, Page, as_row, next_page, rows_of_page
from backend.core.roles import ADMINISTERING, OVERSEEING
from backend.core.verb import Actor
from backend.core.visibility import IndexPath, visible_to
from backend.items.leaving import HAS_LEFT
from backend.items.schemas import HolderId, IssuedAt, ItemId, ItemKindCode, ReturnedAt, SeenAt, SightingId

ITEMS = """
SELECT i.*, p.badge, p.name, o.name AS organ_name
FROM issued_item i JOIN person_now p ON p.id = i.person JOIN organ o ON o.code = i.organ
"""
CLERKS_ORGAN = "SELECT c.organ AS value FROM person_now c WHERE c.id = $1 AND c.kind = 'staff'"
VISIBLE = visible_to(own=["i.person"], organ="i.organ").also(
    f"i.organ IN ({CLERKS_ORGAN})",
    IndexPath("i.organ", CLERKS_ORGAN),
)
ItemStatus = Literal["out", "unreturned", "returned", "all"]
STATUSES = {
    "out": "i.returned_at IS NULL", "unreturned": f"i.returned_at IS NULL AND {HAS_LEFT.format('now()')}",
    "returned": "i.returned_at IS NOT NULL", "all": "true",
}  # fmt: skip
FILTERS = {
    "kind": "i.kind = {value}::text",
    "serial": "i.serial_key = upper({value}::text)",
    "person": "i.person = {value}::uuid",
    "organ": "i.organ IN (SELECT organs_under(ARRAY[{value}::text]))",
}
IN_HAND = """
SELECT id, kind, serial, issued_at FROM issued_item WHERE person = $1 AND returned_at IS NULL ORDER BY issued_at, id
LIMIT 200
"""
SerialAsWritten = Annotated[str, msgspec.Meta(description="its number, as it was written when it was handed out")]


class ItemRow(msgspec.Struct, frozen=True, kw_only=True):
    """A thing handed out, with who has or had it."""

    id: ItemId
    kind: ItemKindCode
    serial: SerialAsWritten
    person: HolderId
    badge: Badge
    name: PersonName
    organ: OrganCode
    organ_name: OrganName
    issued_at: IssuedAt
    returned_at: ReturnedAt
    issued_by: Annotated[UUID | None, msgspec.Meta(description="id of who handed it out; null: it was imported")]
    returned_to: Annotated[UUID | None, msgspec.Meta(description="id of who took it back; null: nobody yet")]


class ItemsFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which things to list: of a kind, of a number, of a person, of an organ and all below it."""

    kind: str | None = None
    serial: str | None = None
    person: UUID | None = None
    organ: str | None = None
    status: ItemStatus = "out"


class ItemInHand(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that the person has now."""

    id: ItemId
    kind: ItemKindCode
    serial: SerialAsWritten
    issued_at: IssuedAt


SIGHTINGS = """
SELECT u.*, p.badge, p.name, o.name AS organ_name
FROM uniform_sighting u JOIN person_now p ON p.id = u.person JOIN organ o ON o.code = u.organ
"""
SIGHTING_VISIBLE = visible_to(own=["u.person"], organ="u.organ")


class SightingRow(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was seen in uniform off duty."""

    id: SightingId
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary who was seen")]
    badge: Badge
    name: PersonName
    organ: OrganCode
    organ_name: OrganName
    seen_at: SeenAt
    words: Annotated[str, msgspec.Meta(description="where they were seen, and in what")]


async def sightings(actor: Actor, cursor: str | None, limit: int) -> Page[SightingRow]:
    """A page of the sightings of oneself, and of the organs that one oversees, the latest first."""
    listed = ListQuery(SIGHTINGS, "uniform_sighting u", SIGHTING_VISIBLE, by="seen_at")
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Page(items=[as_row(SightingRow, row) for row in rows[:limit]], next=next_page(rows, limit, "seen_at"))


async def items(actor: Actor, wanted: ItemsFilter, cursor: str | None, limit: int) -> Page[ItemRow]:
    """A page of the things that the actor may see, those handed out last first."""
    asked: dict[str, Any] = {name: value for name in FILTERS if (value := getattr(wanted, name)) is not None}
    conditions = [FILTERS[name].format(value=f"${number}") for number, name in enumerate(asked, 3)]
    where = " AND ".join([STATUSES[wanted.status], *conditions])
    listed = ListQuery(ITEMS, "issued_item i", VISIBLE, where, by="issued_at")
    rows = await rows_of_page(listed, actor, cursor, limit, *asked.values(), roles=OVERSEEING | ADMINISTERING)
    return Page(items=[as_row(ItemRow, row) for row in rows[:limit]], next=next_page(rows, limit, "issued_at"))


async def in_hand(actor: Actor) -> list[ItemInHand]:
    """What the actor has now."""
    return [as_row(ItemInHand, row) for row in await fetch(IN_HAND, actor.person)]
