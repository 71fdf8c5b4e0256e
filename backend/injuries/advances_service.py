"""Record requests, decisions, payments and settlements of the costs that an organ advances: one transaction each.

Guarantees: each decision names the version of the item that it saw. Never more is paid than was approved, nor settled
than was paid; the database checks it too. One receipt is one payment. The requester does not approve, the approver does
not pay, and nobody decides or pays in their own matter. Source: R.26; 工伤保险条例 30, 33, 34, 62.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from backend.core import findings
from backend.core.database import Record, execute, first, value
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, HANDLING, PAYING, reaches, viewer
from backend.evidence.papers import hold_in_store, own_papers
from backend.injuries import rules
from backend.injuries.schemas import (
    ApproveAdvance,
    Cost,
    DisposeAdvance,
    OnItem,
    PayAdvance,
    RefuseAdvance,
    RequestAdvance,
    SettleAdvance,
)
from backend.injuries.service import VISIBLE, attach_papers, request_item, to_notify, visible_injury
from backend.injuries.tables import AdvanceItem, AdvancePayment, AdvanceSettlement

ROW = f"""
SELECT x.*, i.person, i.organ, i.handled_in, i.recognition FROM advance_item x JOIN injury i ON i.id = x.injury
WHERE x.id = $3 AND {VISIBLE.condition}
"""  # noqa: S608 - constants
RECEIPT = """
SELECT d.id FROM upload u JOIN document d ON d.id = coalesce(u.same_as, u.id)
WHERE u.id = $1 AND (u.owner = $2 OR EXISTS (SELECT FROM injury_paper p WHERE p.document = d.id AND p.injury = $3))
"""
# The same bytes are the same bill, whoever declared them.
USED = """
SELECT count(*) FROM advance_payment p JOIN upload paid ON paid.id = p.receipt JOIN upload given ON given.id = $1
WHERE paid.id = given.id OR paid.sha256 = given.sha256
"""
APPROVE_FIRST = """
UPDATE advance_item SET first_by = $2, first_at = $3, first_fen = $4, version = version + 1 WHERE id = $1
"""
RECOGNISED = ("recognised", "treated_as")
REFUSED = ("not_recognised", "not_accepted")


async def request(occasion: Occasion, entry: RequestAdvance) -> Outcome:
    """Request an advance. Raises Refusal `unknown_injury`, `unknown_document`."""
    row = await visible_injury(occasion.actor, entry.injury)
    await attach_papers(occasion, row["id"], entry.id, await own_papers(occasion.actor, entry.papers))
    cost = Cost(kind=entry.kind, fen=entry.fen, words=entry.words)
    return await _outcome(await request_item(occasion, row["id"], entry.id, cost))


async def approve(occasion: Occasion, entry: ApproveAdvance) -> Outcome:
    """Approve an advance; a large one is approved by a second person too, where the law says so.

    Raises Refusal `unknown_item`, `stale`, `not_the_handler`, `own_matter`, `item_decided`, `beyond_requested`,
    `second_person_needed`, `beyond_first_approval`.
    """
    row = await _to_decide(occasion, entry)
    if entry.fen > row["requested_fen"]:
        raise Refusal("beyond_requested")
    if row["first_by"] is None and rules.needs_second(entry.fen, occasion.law.decision("injury").second_above_fen):
        await execute(APPROVE_FIRST, row["id"], occasion.actor.person, occasion.at, entry.fen)
        return await _outcome(row["id"])
    if row["first_by"] == occasion.actor.person:
        raise Refusal("second_person_needed")
    if row["first_fen"] is not None and entry.fen > row["first_fen"]:
        raise Refusal("beyond_first_approval")
    await _decide(occasion, row["id"], entry.fen, entry.why)
    return await _outcome(row["id"])


async def refuse(occasion: Occasion, entry: RefuseAdvance) -> Outcome:
    """Refuse an advance, also one that a first person approved.

    Raises Refusal `unknown_item`, `stale`, `not_the_handler`, `own_matter`, `item_decided`.
    """
    row = await _to_decide(occasion, entry)
    await _decide(occasion, row["id"], 0, entry.why)
    return await _outcome(row["id"])


async def pay(occasion: Occasion, entry: PayAdvance) -> Outcome:
    """Record a payment. Raises Refusal `unknown_item`, `stale`, `not_the_handler`, `own_matter`, `not_approved`,
    `beyond_approved`, `unknown_document`, `receipt_used`."""
    row = await _item(occasion.actor, entry, PAYING)
    if occasion.actor.person == row["decided_by"]:
        raise Refusal("own_matter")
    if row["approved_fen"] in (None, 0):
        raise Refusal("not_approved")
    if entry.fen > rules.payable(row["approved_fen"], row["paid_fen"]):
        raise Refusal("beyond_approved")
    receipt = await value(RECEIPT, entry.receipt, occasion.actor.person, row["injury"])
    if receipt is None:
        raise Unknown("unknown_document", entry.receipt)
    if await value(USED, receipt):
        raise Refusal("receipt_used")
    await AdvancePayment.insert(
        AdvancePayment(
            id=entry.id, item=row["id"], fen=entry.fen, receipt=receipt, by_person=occasion.actor.person,
            at=occasion.at, words=entry.words,
        )
    )  # fmt: skip
    await hold_in_store([receipt])
    return await _outcome(row["id"])


async def settle(occasion: Occasion, entry: SettleAdvance) -> Outcome:
    """Record who bears a paid cost. Raises Refusal `unknown_item`, `stale`, `not_the_handler`, `own_matter`,
    `beyond_paid`, `not_recognised_yet`."""
    row = await _item(occasion.actor, entry, PAYING)
    if entry.payer == "fund" and row["recognition"] not in RECOGNISED:
        raise Refusal("not_recognised_yet")
    if entry.fen > rules.unsettled(row["paid_fen"], row["settled_fen"]):
        raise Refusal("beyond_paid")
    await AdvanceSettlement.insert(
        AdvanceSettlement(
            id=entry.id, item=row["id"], fen=entry.fen, payer=entry.payer, by_person=occasion.actor.person,
            at=occasion.at, words=entry.words,
        )
    )  # fmt: skip
    if row["settled_fen"] + entry.fen == row["paid_fen"]:
        await findings.withdraw("advance_undecided", row["id"])
    return await _outcome(row["id"])


async def dispose(occasion: Occasion, entry: DisposeAdvance) -> Outcome:
    """Decide on a cost of an injury that was not recognised. Raises Refusal `unknown_item`, `stale`,
    `not_the_handler`, `own_matter`, `not_refused_recognition`."""
    row = await _item(occasion.actor, entry, COMMANDING)
    if row["recognition"] not in REFUSED:
        raise Refusal("not_refused_recognition")
    await AdvanceItem.update(
        {
            AdvanceItem.then_what: entry.then_what,
            AdvanceItem.then_why: entry.why,
            AdvanceItem.version: AdvanceItem.version + 1,
        }
    ).where(AdvanceItem.id == row["id"])
    await findings.withdraw("advance_undecided", row["id"])
    return await _outcome(row["id"])


async def concerned(actor: Actor, entry: OnItem) -> Iterable[UUID]:
    """The persons whom a decision about a cost concerns: the actor and the injured person.

    They are locked, so decisions on one injury are made one at a time.
    """
    sql = "SELECT i.person FROM advance_item x JOIN injury i ON i.id = x.injury WHERE x.id = $1"
    person = await value(sql, entry.item)
    return [actor.person] if person is None else [actor.person, person]


async def _decide(occasion: Occasion, item: UUID, approved_fen: int, why: str) -> None:
    """Store the decision on an item; 0 fen: refused."""
    await AdvanceItem.update(
        {
            AdvanceItem.decided_by: occasion.actor.person,
            AdvanceItem.decided_at: occasion.at,
            AdvanceItem.approved_fen: approved_fen,
            AdvanceItem.decision: why,
            AdvanceItem.version: AdvanceItem.version + 1,
        }
    ).where(AdvanceItem.id == item)


async def _to_decide(occasion: Occasion, entry: OnItem) -> Record:
    """The requested item, for a commander who did not request it. Raises Refusal as `_item`, `item_decided`."""
    row = await _item(occasion.actor, entry, COMMANDING)
    if occasion.actor.person == row["requested_by"]:
        raise Refusal("own_matter")
    if row["state"] != "requested":
        raise Refusal("item_decided")
    return row


async def _item(actor: Actor, entry: OnItem, roles: frozenset[str]) -> Record:
    """The item, if the actor has one of these roles where it is handled, and is not the injured person.

    Raises Refusal `unknown_item`, `own_matter`, `not_the_handler`; `stale` with how the item stands now.
    """
    row = await first(ROW, *viewer(actor, HANDLING), entry.item)
    if row is None:
        raise Unknown("unknown_item", entry.item)
    if actor.person == row["person"]:
        raise Refusal("own_matter")
    if not await reaches(actor, row["handled_in"], roles):
        raise Refusal("not_the_handler")
    if row["version"] != entry.version:
        raise Refusal("stale", extra={"current": _standing(row)})
    return row


async def _outcome(item: UUID) -> Outcome:
    row: Any = await first(
        "SELECT x.*, i.person, i.organ FROM advance_item x JOIN injury i ON i.id = x.injury WHERE x.id = $1", item
    )
    others = sorted({*await to_notify(row["injury"])} - {row["person"]})
    subjects = [row["injury"], item, row["person"], *others]
    return Outcome(subject={"item": _standing(row)}, subjects=subjects, organ=row["organ"])


def _standing(row: Any) -> dict[str, Any]:
    names = ("kind", "state", "requested_fen", "first_fen", "approved_fen", "paid_fen", "settled_fen", "version")
    return {"id": str(row["id"]), "injury": str(row["injury"])} | {name: row[name] for name in names}
