"""Record what is handed out and given back: one transaction each.

Guarantees: a thing is with one person at a time. Who hands out has the role of commander or administrator over the
person's organ, or is a clerk of that organ. What is told afterwards compares the films of that recorder again.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from backend.core import findings
from backend.core.database import Record, execute, first, tx, value
from backend.core.journal import utc
from backend.core.officers import IS_AUXILIARY
from backend.core.refusals import Refusal, Unknown
from backend.core.roles import ADMINISTERING, COMMANDING
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import reaches
from backend.items import wearers
from backend.items.schemas import IssueItem, ReturnItem
from backend.items.tables import IssuedItem

HANDING_OUT = COMMANDING | ADMINISTERING
TAKERS = f"""
SELECT organ FROM stint WHERE person = $1 AND (kind = 'officer' OR kind {IS_AUXILIARY})
    AND during @> ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date
"""  # noqa: S608 - constants
ITEM = "SELECT * FROM issued_item WHERE id = $1"
ITEM_TO_RETURN = f"{ITEM} FOR UPDATE"
RETURN = "UPDATE issued_item SET returned_at = $2, returned_to = $3 WHERE id = $1"


async def issue(occasion: Occasion, entry: IssueItem) -> Outcome:
    """Hand a thing out. Raises Refusal `unknown_item_kind`, `unknown_person`, `item_with_somebody`, `time_ahead`,
    `time_out_of_range`."""
    if entry.kind not in occasion.law.items:
        raise Refusal("unknown_item_kind")
    at = occasion.at if entry.issued_at is None else occasion.corrected(entry.issued_at)
    organ = await value(TAKERS, entry.person, at)
    if organ is None or not await _hands_out(occasion.actor, organ):
        raise Unknown("unknown_person", entry.person)
    try:
        async with tx():
            await IssuedItem.insert(
                IssuedItem(
                    id=entry.id, kind=entry.kind, serial=entry.serial, person=entry.person, organ=organ, issued_at=at,
                    issued_by=occasion.actor.person, source="entry",
                )
            )  # fmt: skip
    except asyncpg.ExclusionViolationError:
        raise Refusal("item_with_somebody") from None
    return await _outcome(occasion, entry.id, at, None)


async def give_back(occasion: Occasion, entry: ReturnItem) -> Outcome:
    """Take a thing back. Raises Refusal `unknown_issued_item`, `item_returned`, `end_before_start`, `time_ahead`,
    `time_out_of_range`."""
    row = await first(ITEM_TO_RETURN, entry.item)
    if row is None or not await _hands_out(occasion.actor, row["organ"]):
        raise Unknown("unknown_issued_item", entry.item)
    if row["returned_at"] is not None:
        raise Refusal("item_returned")
    at = occasion.at if entry.returned_at is None else occasion.corrected(entry.returned_at)
    if at < row["issued_at"] - occasion.law.span("skew_floor"):  # clocks may differ by less
        raise Refusal("end_before_start")
    at = max(at, row["issued_at"])
    await execute(RETURN, row["id"], at, occasion.actor.person)
    await findings.withdraw("item_not_returned", row["id"])
    return await _outcome(occasion, row["id"], at, None)


async def concerned(actor: Actor, entry: IssueItem | ReturnItem) -> Iterable[UUID]:
    """The actor, and the person who gets the thing or has it."""
    if isinstance(entry, IssueItem):
        return (actor.person, entry.person)
    row = await first(ITEM, entry.item)
    return (actor.person,) if row is None else (actor.person, row["person"])


async def _hands_out(actor: Actor, organ: str) -> bool:
    """Whether the actor hands things out to people of this organ."""
    return (actor.kind == "staff" and actor.organ == organ) or await reaches(actor, organ, HANDING_OUT)


async def _outcome(occasion: Occasion, item: UUID, since: datetime, until: datetime | None) -> Outcome:
    """The thing as it stands; films of this recorder from `since` on are compared again."""
    row: Any = await first(ITEM, item)
    if row["kind"] in occasion.law.wearer_kinds():
        await wearers.judge(row["serial"], since, until, occasion.timing.as_of)
    return Outcome(subject={"item": _standing(row)}, subjects=[item, row["person"]], organ=row["organ"])


def _standing(row: Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "person": str(row["person"]),
        "issued_at": utc(row["issued_at"]),
        "returned_at": row["returned_at"] and utc(row["returned_at"]),
    }
