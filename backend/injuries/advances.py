"""What happens to the costs that an organ advances: one transaction each.

Guarantees: each decision is made on the version of the item that was seen; never more is paid than was approved, nor
settled than was paid, which the database holds too; one receipt is one payment. Whoever asks does not approve, whoever
approves does not pay, and nobody does either for themselves. Source: R.26; 工伤保险条例 30, 33, 34, 62.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from backend.core import findings
from backend.core.database import Record, execute, first, value
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, HANDLING, PAYING, reaches, viewer
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
from backend.injuries.service import VISIBLE, asked, attached, concerned, known, own_papers

ROW = f"""
SELECT x.*, i.person, i.organ, i.handled_in, i.recognition FROM advance_item x JOIN injury i ON i.id = x.injury
WHERE x.id = $3 AND {VISIBLE.condition}
"""  # noqa: S608 - constants
DECIDE = """
UPDATE advance_item SET decided_by = $2, decided_at = $3, approved_fen = $4, decision = $5, version = version + 1
WHERE id = $1
"""
PAY = "INSERT INTO advance_payment (id, item, fen, receipt, by_person, at, words) VALUES ($1, $2, $3, $4, $5, $6, $7)"
SETTLE = """
INSERT INTO advance_settlement (id, item, fen, payer, by_person, at, words) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
DISPOSE = "UPDATE advance_item SET then_what = $2, then_why = $3, version = version + 1 WHERE id = $1"
RECEIPT = """
SELECT d.id FROM upload u JOIN document d ON d.id = coalesce(u.same_as, u.id)
WHERE u.id = $1 AND (u.owner = $2 OR EXISTS (SELECT FROM injury_paper p WHERE p.document = d.id AND p.injury = $3))
"""
USED = """
SELECT count(*) FROM advance_payment p JOIN upload paid ON paid.id = p.receipt JOIN upload told ON told.id = $1
WHERE paid.id = told.id OR paid.sha256 = told.sha256
"""  # the same bytes are the same bill, whoever declared them
RECOGNISED = ("recognised", "treated_as")
REFUSED = ("not_recognised", "not_accepted")


async def request(occasion: Occasion, entry: RequestAdvance) -> Outcome:
    """Raises Refusal `unknown_injury`, `unknown_document`."""
    row = await known(occasion.actor, entry.injury)
    await attached(occasion, row["id"], entry.id, await own_papers(occasion.actor, entry.papers))
    cost = Cost(kind=entry.kind, fen=entry.fen, words=entry.words)
    return await _outcome(await asked(occasion, row["id"], entry.id, cost))


async def approve(occasion: Occasion, entry: ApproveAdvance) -> Outcome:
    """Raises Refusal `unknown_item`, `stale`, `not_the_handler`, `own_matter`, `item_decided`, `beyond_requested`."""
    row = await _to_decide(occasion, entry)
    if entry.fen > row["requested_fen"]:
        raise Refusal("beyond_requested")
    await execute(DECIDE, row["id"], occasion.actor.person, occasion.at, entry.fen, entry.why)
    return await _outcome(row["id"])


async def refuse(occasion: Occasion, entry: RefuseAdvance) -> Outcome:
    """Raises Refusal as `approve`, but for the sum."""
    row = await _to_decide(occasion, entry)
    await execute(DECIDE, row["id"], occasion.actor.person, occasion.at, 0, entry.why)
    return await _outcome(row["id"])


async def pay(occasion: Occasion, entry: PayAdvance) -> Outcome:
    """Raises Refusal `unknown_item`, `stale`, `not_the_handler`, `own_matter`, `not_approved`, `beyond_approved`,
    `unknown_document`, `receipt_used`."""
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
    await execute(PAY, entry.id, row["id"], entry.fen, receipt, occasion.actor.person, occasion.at, entry.words)
    return await _outcome(row["id"])


async def settle(occasion: Occasion, entry: SettleAdvance) -> Outcome:
    """Raises Refusal `unknown_item`, `stale`, `not_the_handler`, `own_matter`, `beyond_paid`, `not_recognised_yet`."""
    row = await _item(occasion.actor, entry, PAYING)
    if entry.payer == "fund" and row["recognition"] not in RECOGNISED:
        raise Refusal("not_recognised_yet")
    if entry.fen > rules.unsettled(row["paid_fen"], row["settled_fen"]):
        raise Refusal("beyond_paid")
    await execute(
        SETTLE, entry.id, row["id"], entry.fen, entry.payer, occasion.actor.person, occasion.at, entry.words
    )  # fmt: skip
    if row["settled_fen"] + entry.fen == row["paid_fen"]:
        await findings.withdraw("advance_undecided", row["id"])
    return await _outcome(row["id"])


async def dispose(occasion: Occasion, entry: DisposeAdvance) -> Outcome:
    """Raises Refusal `unknown_item`, `stale`, `not_the_handler`, `own_matter`, `not_refused_recognition`."""
    row = await _item(occasion.actor, entry, COMMANDING)
    if row["recognition"] not in REFUSED:
        raise Refusal("not_refused_recognition")
    await execute(DISPOSE, row["id"], entry.then_what, entry.why)
    await findings.withdraw("advance_undecided", row["id"])
    return await _outcome(row["id"])


async def whose_item(actor: Actor, entry: OnItem) -> Iterable[UUID]:
    """Whom a decision about a cost concerns: the actor, and who was hurt; one decision on it is taken at a time."""
    sql = "SELECT i.person FROM advance_item x JOIN injury i ON i.id = x.injury WHERE x.id = $1"
    person = await value(sql, entry.item)
    return [actor.person] if person is None else [actor.person, person]


async def _to_decide(occasion: Occasion, entry: OnItem) -> Record:
    row = await _item(occasion.actor, entry, COMMANDING)
    if occasion.actor.person == row["requested_by"]:
        raise Refusal("own_matter")
    if row["state"] != "requested":
        raise Refusal("item_decided")
    return row


async def _item(actor: Actor, entry: OnItem, roles: frozenset[str]) -> Record:
    """The item, if one has this role where it is handled, and was not hurt oneself."""
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
    others = sorted({*await concerned(row["injury"])} - {row["person"]})
    subjects = [row["injury"], item, row["person"], *others]
    return Outcome(subject={"item": _standing(row)}, subjects=subjects, organ=row["organ"])


def _standing(row: Any) -> dict[str, Any]:
    told = {name: row[name] for name in ("kind", "state", "requested_fen", "approved_fen", "paid_fen", "settled_fen")}
    return {"id": str(row["id"]), "injury": str(row["injury"]), **told, "version": row["version"]}
