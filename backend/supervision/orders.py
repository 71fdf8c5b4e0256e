"""Orders: disputed by the officer who is named as giving them, or declined by the auxiliary who was given them.

Guarantees: an order that an entry names is told to the officer, who may dispute it within a term. Undisputed, what is
wrong with the act is the officer's and the organ's, never the auxiliary's. An auxiliary may record that they declined
what Article 12 forbids; the inspector reads that, and never the officer who ordered it. Source: R.7, 12.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.core.database import first
from backend.core.described import Badge, DevicePlace, OrganCode, PersonName
from backend.core.journal import utc
from backend.core.officers import officers_among
from backend.core.paging import ListQuery, Page, next_page, rows_of_page
from backend.core.refusals import Refusal, Unknown, notes
from backend.core.roles import INSPECTING
from backend.core.verb import Actor, HeldConcern, Occasion, Outcome
from backend.core.visibility import visible_to
from backend.core.wire import LEFT_OUT_IF_WRONG, WHOLE, Entry, Moment, Note, Place, Receipt, Words, as_json
from backend.law.catalogue import Language
from backend.supervision.tables import DeclinedOrder, OrderDispute

OrderId = Annotated[UUID, msgspec.Meta(description="id of the order: that of the entry which names it")]
OrderingOfficer = Annotated[UUID, msgspec.Meta(description="id of the officer who ordered it")]
DisputeBy = Annotated[Moment, msgspec.Meta(description="until then the officer may dispute that they ordered it")]
DisputedAt = Annotated[Moment | None, msgspec.Meta(description="when the officer disputed it; null: they did not")]
DeclinedId = Annotated[UUID, msgspec.Meta(description="id of the declined order: that of the entry which declined it")]
ForbiddenWork = Annotated[
    str,
    msgspec.Meta(max_length=40, pattern=r"^[0-9A-Za-z._]+" + WHOLE, description="code of what is forbidden, as 12.3"),
]
GIVEN = """
SELECT g.*, o.name AS officer_name, o.badge AS officer_badge, a.name AS auxiliary_name, a.badge AS auxiliary_badge,
    (SELECT e.despite FROM entry e WHERE e.id = g.id) AS despite, d.at AS disputed_at, d.words AS dispute
FROM given_order g JOIN person_now o ON o.id = g.officer JOIN person_now a ON a.id = g.auxiliary
LEFT JOIN order_dispute d ON d.given = g.id
"""
VISIBLE = visible_to(own=["g.officer", "g.auxiliary"], organ="g.organ")
OrderStatus = Literal["open", "undisputed", "disputed", "all"]
DISPUTED = "EXISTS (SELECT FROM order_dispute d WHERE d.given = g.id)"
ROW = f"SELECT g.*, {DISPUTED} AS disputed FROM given_order g WHERE g.id = $1"  # noqa: S608
STATUSES: dict[OrderStatus, str] = {
    "open": f"NOT {DISPUTED} AND g.dispute_by > now()",
    "undisputed": f"NOT {DISPUTED}",
    "disputed": DISPUTED,
    "all": "true",
}
DECLINED = """
SELECT x.*, p.name, p.badge, o.name AS officer_name, o.badge AS officer_badge
FROM declined_order x JOIN person_now p ON p.id = x.person JOIN person_now o ON o.id = x.officer
"""
DECLINED_VISIBLE = visible_to(own=["x.person"], organ="x.organ").only("x.officer <> $1")


class DisputeOrder(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The officer who is named as ordering an act disputes it: they gave no such order."""

    order: OrderId
    words: Annotated[Words, msgspec.Meta(description="what was ordered, and what was not")]


class DeclineOrder(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary declined an order to do what Article 12 forbids (依法不能做). The inspector reads it, and never the
    officer who ordered it."""

    officer: OrderingOfficer
    work: ForbiddenWork
    words: Annotated[
        Words | None, msgspec.Meta(description="what was ordered, in words; null: not said", extra=LEFT_OUT_IF_WRONG)
    ] = None
    place: DevicePlace = None


class OrderStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stands."""

    id: OrderId
    dispute_by: DisputeBy
    disputed_at: DisputedAt


class OrderReceipt(Receipt, kw_only=True):
    """The answer where an officer disputes an order."""

    order: Annotated[OrderStanding, msgspec.Meta(description="the order as it stands now")]


class DeclinedStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A declined order as recorded."""

    id: DeclinedId
    work: Annotated[str, msgspec.Meta(description="code of what is forbidden")]


class DeclinedReceipt(Receipt, kw_only=True):
    """The answer where an order was declined."""

    declined: Annotated[DeclinedStanding, msgspec.Meta(description="what was declined")]


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An act that an auxiliary did by order, as their entry says."""

    id: OrderId
    officer: OrderingOfficer
    officer_badge: Badge
    officer_name: PersonName
    auxiliary: Annotated[UUID, msgspec.Meta(description="id of the auxiliary who did it")]
    auxiliary_badge: Badge
    auxiliary_name: PersonName
    organ: OrganCode
    verb: Annotated[str, msgspec.Meta(description="what was done, such as activities/start")]
    at: Annotated[Moment, msgspec.Meta(description="when it was done, in corrected time")]
    why: Annotated[str | None, msgspec.Meta(description="why it was done all the same, in words; null: erased")]
    findings: Annotated[list[Note], msgspec.Meta(description="what is wrong with it, or follows, because of the order")]
    told_at: Annotated[Moment, msgspec.Meta(description="when the officer was told of it")]
    dispute_by: DisputeBy
    disputed_at: DisputedAt
    dispute: Annotated[
        str | None, msgspec.Meta(description="what the officer says to it; null: they do not dispute it")
    ]


class DeclinedRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was declined."""

    id: DeclinedId
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary who declined")]
    badge: Badge
    name: PersonName
    organ: OrganCode
    officer: OrderingOfficer
    officer_badge: Badge
    officer_name: PersonName
    work: Annotated[str, msgspec.Meta(description="code of what is forbidden")]
    words: Annotated[str | None, msgspec.Meta(description="what was ordered, in words; null: not said, or erased")]
    place: DevicePlace
    at: Annotated[Moment, msgspec.Meta(description="when it was declined, in corrected time")]


async def dispute(occasion: Occasion, entry: DisputeOrder) -> Outcome:
    """Dispute an order. Raises Refusal `unknown_order`, `order_disputed`, `dispute_too_late`."""
    row = await first(ROW, entry.order)
    if row is None or row["officer"] != occasion.actor.person:
        raise Unknown("unknown_order", entry.order)
    if row["disputed"]:
        raise Refusal("order_disputed")
    if occasion.at > row["dispute_by"]:
        raise Refusal("dispute_too_late")
    await OrderDispute.insert(OrderDispute(id=entry.id, given=row["id"], words=entry.words, at=occasion.at))
    standing = {"id": str(row["id"]), "dispute_by": utc(row["dispute_by"]), "disputed_at": utc(occasion.at)}
    return Outcome(
        subject={"order": standing}, subjects=[row["id"], row["officer"], row["auxiliary"]], organ=row["organ"]
    )


async def decline(occasion: Occasion, entry: DeclineOrder) -> Outcome:
    """Record that an order was declined. Raises Refusal `not_an_officer`, live `unknown_work`, `work_not_forbidden`."""
    await officers_among([entry.officer], occasion.at)
    work = occasion.law.works.get(entry.work)
    occasion.require_live_state(work is not None, "unknown_work")
    occasion.require_live_state(work is None or work.kind == "none", "work_not_forbidden")
    await DeclinedOrder.insert(
        DeclinedOrder(
            id=entry.id, person=occasion.actor.person, organ=occasion.organ, officer=entry.officer, work=entry.work,
            words=entry.words, place=as_json(entry.place), at=occasion.at,
        )
    )  # fmt: skip
    declined = {"id": str(entry.id), "work": entry.work}
    return Outcome(subject={"declined": declined}, subjects=[entry.id, occasion.actor.person], organ=occasion.organ)


async def concerned(actor: Actor, entry: DisputeOrder) -> Iterable[UUID]:
    """The ids to lock: the officer and the order, which is disputed once."""
    return (actor.person, entry.order)


async def kept_from_who_ordered(actor: Actor, entry: DeclineOrder) -> HeldConcern:
    """While it is held, the entry does not exist for the officer who ordered it."""
    return HeldConcern(person=entry.officer)


async def orders(
    actor: Actor, status: OrderStatus, language: Language, cursor: str | None, limit: int
) -> Page[OrderRow]:
    """A page of the orders that one is said to have given, of one's own acts by order, and of one's organs."""
    rows = await rows_of_page(
        ListQuery(GIVEN, "given_order g", VISIBLE, STATUSES[status], by="at"), actor, cursor, limit
    )
    return Page(items=[_order(row, language) for row in rows[:limit]], next=next_page(rows, limit, "at"))


async def declined(actor: Actor, cursor: str | None, limit: int) -> Page[DeclinedRow]:
    """A page of the orders that one declined, and of those declined in the organs that one inspects; none of one's
    own orders."""
    listed = ListQuery(DECLINED, "declined_order x", DECLINED_VISIBLE, by="at")
    rows = await rows_of_page(listed, actor, cursor, limit, roles=INSPECTING)
    return Page(items=[_declined(row) for row in rows[:limit]], next=next_page(rows, limit, "at"))


def _order(row: Any, language: Language) -> OrderRow:
    columns = {name: row[name] for name in OrderRow.__struct_fields__ if name not in ("why", "findings")}
    why = None if row["despite"] is None else msgspec.json.decode(row["despite"])["why"]
    return OrderRow(**columns, why=why, findings=[Note(**note) for note in notes(row["codes"], language)])


def _declined(row: Any) -> DeclinedRow:
    place = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return DeclinedRow(**{name: row[name] for name in DeclinedRow.__struct_fields__ if name != "place"}, place=place)
