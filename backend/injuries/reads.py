"""Read injuries and their advances.

Guarantees: only the injured and those who handle the case see medical details and what costs are for; a reporter sees
their own report. The database keeps the sums of the ledger.
"""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.core.database import Record, fetch, first, value
from backend.core.described import (
    ActivityId,
    Badge,
    OrganCode,
    OrganName,
    PersonName,
    Version,
)
from backend.core.paging import ListQuery, Page, as_row, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import HANDLING, reaches, viewer, visible_to
from backend.core.wire import Moment, Place
from backend.evidence.papers import MatterOfPaper, PaperLine
from backend.injuries.schemas import (
    ApplyBy,
    CostKind,
    DecideBy,
    Fatal,
    FirstFen,
    HandledIn,
    InjuryId,
    ItemId,
    ItemState,
    PaperDate,
    Payer,
    Recognition,
    RecognitionStep,
    Severity,
    SurvivorCode,
    ThenWhat,
)
from backend.injuries.service import VISIBLE
from backend.law.catalogue import Language, law
from backend.people.tables import Organ

InjuryStatus = Literal["open", "to_apply", "overdue", "all"]
STATUSES: dict[InjuryStatus, str] = {
    "open": "i.id IN (SELECT id FROM open_matter)",
    "to_apply": "i.recognition = 'reported'",
    "overdue": "i.recognition = 'reported' AND i.apply_by < now()",
    "all": "true",
}
INJURIES = "SELECT i.*, p.badge, p.name FROM injury i JOIN person_now p ON p.id = i.person"
REPORTS = """
SELECT r.*, p.name AS by_name, ARRAY(SELECT person FROM injury_witness w WHERE w.report = r.id ORDER BY 1) AS witnesses
FROM injury_report r JOIN person_now p ON p.id = r.by_person WHERE r.injury = $1 ORDER BY r.at, r.id
"""
PAPERS = """
SELECT d.id, d.title, u.media_type, u.state, x.by_person, x.at FROM injury_paper x JOIN document d ON d.id = x.document
JOIN upload u ON u.id = d.id WHERE x.injury = $1 ORDER BY x.at, d.id
"""
STEPS = """
SELECT s.step, s.by_person, p.name AS by_name, s.at, s.on_day, s.until_day, s.words FROM injury_step s
JOIN person_now p ON p.id = s.by_person WHERE s.injury = $1 ORDER BY s.version
"""
SURVIVORS = "SELECT * FROM survivor_item WHERE injury = $1 ORDER BY item"
ITEMS = "SELECT * FROM advance_item WHERE injury = $1 ORDER BY kind, requested_at NULLS LAST, id"
PAYMENTS = """
SELECT y.* FROM advance_payment y JOIN advance_item x ON x.id = y.item WHERE x.injury = $1 ORDER BY y.at, y.id
"""
SETTLEMENTS = """
SELECT y.* FROM advance_settlement y JOIN advance_item x ON x.id = y.item WHERE x.injury = $1 ORDER BY y.at, y.id
"""
HOSPITAL = """
SELECT hospital FROM injury_report
WHERE injury = $1 AND hospital IS NOT NULL AND ($2::uuid IS NULL OR by_person = $2) ORDER BY at DESC, id LIMIT 1
"""
HANDLED = visible_to(own=["i.person"], organ="i.organ")
# Papers of an injury and receipts of what was paid for it, for the injured and those who handle the case.
MATTERS_OF_PAPER = f"""
SELECT 'injury' AS kind, i.id FROM injury_paper x JOIN injury i ON i.id = x.injury
WHERE x.document = $3 AND {HANDLED.condition}
UNION
SELECT 'payment', i.id FROM advance_payment y JOIN advance_item x ON x.id = y.item JOIN injury i ON i.id = x.injury
WHERE y.receipt = $3 AND {HANDLED.condition}
ORDER BY kind, id
"""  # noqa: S608 - constants
OUTSTANDING = """
SELECT i.organ, o.name AS organ_name, p.badge, p.name, i.id AS injury, x.kind, x.state, i.recognition, x.requested_fen,
    x.approved_fen, x.paid_fen, x.settled_fen, x.paid_fen - x.settled_fen AS outstanding_fen,
    (SELECT min(y.at) FROM advance_payment y WHERE y.item = x.id) AS first_paid_at
FROM advance_item x JOIN injury i ON i.id = x.injury JOIN person_now p ON p.id = i.person
JOIN organ o ON o.code = i.organ
WHERE x.state <> 'open' AND ($1::text IS NULL OR i.organ IN (SELECT organs_under(ARRAY[$1::text])))
ORDER BY i.organ, i.injured_at, i.id, x.kind, x.id
"""


class InjuryRow(msgspec.Struct, frozen=True, kw_only=True):
    """An injury in a list. It has no medical details."""

    id: InjuryId
    person: Annotated[UUID, msgspec.Meta(description="id of the injured person")]
    badge: Badge
    name: PersonName
    organ: OrganCode
    handled_in: HandledIn
    injured_at: Annotated[Moment, msgspec.Meta(description="when the accident happened, in corrected time")]
    reported_at: Annotated[Moment, msgspec.Meta(description="when the server received the first report")]
    recognition: Recognition
    apply_by: ApplyBy
    decide_by: DecideBy
    fatal: Fatal
    version: Version


class InjuryReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One person's report of the injury."""

    id: Annotated[UUID, msgspec.Meta(description="id of the report: that of its entry")]
    by_person: Annotated[UUID, msgspec.Meta(description="id of the person who reported")]
    by_name: Annotated[str, msgspec.Meta(description="name of the person who reported")]
    at: Annotated[Moment, msgspec.Meta(description="when the report was made, in corrected time")]
    injured_at: Annotated[Moment, msgspec.Meta(description="when the accident happened, according to this report")]
    place: Annotated[Place | None, msgspec.Meta(description="where the accident happened; null: not known, or erased")]
    how: Annotated[str, msgspec.Meta(description="how the accident happened")]
    doing: Annotated[str, msgspec.Meta(description="what work the injured person was doing")]
    activity: Annotated[
        ActivityId | None,
        msgspec.Meta(description="id of the activity that the injured person was doing; null: not recorded"),
    ]
    body_part: Annotated[str, msgspec.Meta(description="injured part of the body")]
    severity: Severity
    hospital: Annotated[str | None, msgspec.Meta(description="hospital; null: not known, or erased")]
    witnesses: Annotated[list[UUID], msgspec.Meta(description="ids of colleagues who saw the accident")]
    outsiders: Annotated[
        str | None,
        msgspec.Meta(description="other people who saw the accident, and how to reach them; null: none, or erased"),
    ]


class Paper(PaperLine, frozen=True, kw_only=True):
    """A photo or paper of the case."""

    by_person: Annotated[UUID, msgspec.Meta(description="id of the person who attached the document")]
    at: Annotated[Moment, msgspec.Meta(description="when the document was attached, in corrected time")]


class RecognitionStepRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step on the way to recognition."""

    step: RecognitionStep
    by_person: Annotated[UUID, msgspec.Meta(description="id of the person who recorded this step of recognition")]
    by_name: Annotated[str, msgspec.Meta(description="name of the person who recorded this step of recognition")]
    at: Annotated[Moment, msgspec.Meta(description="when this step of recognition was recorded, in corrected time")]
    on_day: PaperDate
    until_day: Annotated[
        date | None, msgspec.Meta(description="last day of the extended term to apply; null: the step is no extension")
    ]
    words: Annotated[str, msgspec.Meta(description="what was decided or requested; each missing paper")]


class SurvivorRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something owed to survivors, and whether it is done."""

    item: SurvivorCode
    message: Annotated[str, msgspec.Meta(description="what is owed, in the reader's language")]
    done_by: Annotated[UUID | None, msgspec.Meta(description="id of the person who did it; null: not done yet")]
    done_at: Annotated[Moment | None, msgspec.Meta(description="when it was done; null: not done yet")]
    words: Annotated[str | None, msgspec.Meta(description="what was done for the survivors; null: not done yet")]


class InjuryDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One injury. The lists hold only what the reader may see."""

    injury: Annotated[InjuryRow, msgspec.Meta(description="the injury as it stands now")]
    reports: Annotated[list[InjuryReportRow], msgspec.Meta(description="reports of the injury that the reader may see")]
    papers: Annotated[list[Paper], msgspec.Meta(description="photos and papers that the reader may see")]
    steps: Annotated[
        list[RecognitionStepRow],
        msgspec.Meta(description="steps of recognition, in order; empty: the reader does not handle the case"),
    ]
    survivors: Annotated[
        list[SurvivorRow],
        msgspec.Meta(description="what survivors are owed; empty: no death, or the reader does not handle the case"),
    ]


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment of a cost."""

    id: Annotated[UUID, msgspec.Meta(description="id of the payment: that of its entry")]
    fen: Annotated[int, msgspec.Meta(description="paid amount, in fen")]
    receipt: Annotated[UUID, msgspec.Meta(description="id of the document that is the receipt")]
    by_person: Annotated[UUID, msgspec.Meta(description="id of the treasurer who paid")]
    at: Annotated[Moment, msgspec.Meta(description="when it was paid, in corrected time")]
    words: Annotated[str, msgspec.Meta(description="a note on the payment")]


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Who bears a paid cost, or that it was recovered."""

    id: Annotated[UUID, msgspec.Meta(description="id of the settlement: that of its entry")]
    fen: Annotated[int, msgspec.Meta(description="settled amount, in fen")]
    payer: Payer
    by_person: Annotated[UUID, msgspec.Meta(description="id of the treasurer who recorded the settlement")]
    at: Annotated[Moment, msgspec.Meta(description="when the settlement was recorded, in corrected time")]
    words: Annotated[str, msgspec.Meta(description="a note on the settlement")]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One cost with everything booked on it. Amounts are in fen."""

    id: ItemId
    kind: CostKind
    state: ItemState
    requested_by: Annotated[
        UUID | None, msgspec.Meta(description="id of the person who requested it; null: nobody yet")
    ]
    requested_at: Annotated[Moment | None, msgspec.Meta(description="when it was requested; null: not yet")]
    requested_fen: Annotated[int | None, msgspec.Meta(description="requested amount, in fen; null: not requested")]
    words: Annotated[str | None, msgspec.Meta(description="what the cost is for; null: not requested")]
    decided_by: Annotated[
        UUID | None, msgspec.Meta(description="id of the commander who approved or refused it; null: nobody yet")
    ]
    decided_at: Annotated[Moment | None, msgspec.Meta(description="when it was approved or refused; null: not yet")]
    approved_fen: Annotated[
        int | None, msgspec.Meta(description="approved amount, in fen; 0: refused; null: not decided")
    ]
    decision: Annotated[str | None, msgspec.Meta(description="why it was approved or refused; null: not decided")]
    first_by: Annotated[
        UUID | None, msgspec.Meta(description="id of the commander who approved it first, where two must; null: nobody")
    ]
    first_at: Annotated[Moment | None, msgspec.Meta(description="when it was approved first; null: not yet")]
    first_fen: FirstFen
    paid_fen: Annotated[int, msgspec.Meta(description="paid amount, in fen")]
    settled_fen: Annotated[int, msgspec.Meta(description="amount that somebody bore or that was recovered, in fen")]
    unpaid_fen: Annotated[int, msgspec.Meta(description="approved and not paid yet, in fen")]
    outstanding_fen: Annotated[int, msgspec.Meta(description="paid and not settled yet, in fen")]
    then_what: Annotated[
        ThenWhat | None,
        msgspec.Meta(description="what happens to the cost as the injury was not recognised; null: not decided"),
    ]
    then_why: Annotated[str | None, msgspec.Meta(description="why the cost is treated so; null: not decided")]
    version: Version
    payments: Annotated[list[Payment], msgspec.Meta(description="payments, in order of time")]
    settlements: Annotated[list[Settlement], msgspec.Meta(description="settlements, in order of time")]


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of all items, in fen. `paid_fen` is the sum of the amounts borne, recovered and outstanding."""

    requested_fen: Annotated[int, msgspec.Meta(description="requested in all, in fen")]
    approved_fen: Annotated[int, msgspec.Meta(description="approved in all, in fen")]
    paid_fen: Annotated[int, msgspec.Meta(description="paid in all, in fen")]
    fund_fen: Annotated[int, msgspec.Meta(description="borne by the work-injury insurance fund 工伤保险基金, in fen")]
    employer_fen: Annotated[int, msgspec.Meta(description="borne by the employer 单位, in fen")]
    accident_insurer_fen: Annotated[int, msgspec.Meta(description="borne by the accident insurer 意外险, in fen")]
    third_party_fen: Annotated[int, msgspec.Meta(description="borne by a third party 第三人, in fen")]
    recovered_fen: Annotated[int, msgspec.Meta(description="recovered 追回, in fen")]
    outstanding_fen: Annotated[int, msgspec.Meta(description="paid and not settled yet in all, in fen")]


class Advance(msgspec.Struct, frozen=True, kw_only=True):
    """The costs of one injury, as a ledger."""

    injury: Annotated[InjuryRow, msgspec.Meta(description="the injury as it stands now")]
    items: Annotated[list[Item], msgspec.Meta(description="every cost of the injury")]
    sums: Annotated[Sums, msgspec.Meta(description="sums of all items")]


class Outstanding(msgspec.Struct, frozen=True, kw_only=True):
    """One requested cost in the report on advances. Amounts are in fen."""

    organ: OrganCode
    organ_name: OrganName
    badge: Badge
    name: PersonName
    injury: InjuryId
    kind: CostKind
    state: ItemState
    recognition: Recognition
    requested_fen: Annotated[int, msgspec.Meta(description="requested amount, in fen")]
    approved_fen: Annotated[
        int | None, msgspec.Meta(description="approved amount, in fen; 0: refused; null: not decided")
    ]
    paid_fen: Annotated[int, msgspec.Meta(description="paid amount, in fen")]
    settled_fen: Annotated[int, msgspec.Meta(description="amount that somebody bore or that was recovered, in fen")]
    outstanding_fen: Annotated[int, msgspec.Meta(description="paid and not settled yet, in fen")]
    first_paid_at: Annotated[Moment | None, msgspec.Meta(description="when it was first paid; null: not paid")]


async def injuries(actor: Actor, status: InjuryStatus, cursor: str | None, limit: int) -> Page[InjuryRow]:
    """A page of one's own injuries, those one reported, and those of the organs for which one decides or pays."""
    listed = ListQuery(INJURIES, "injury i", VISIBLE, STATUSES[status], by="reported_at")
    rows = await rows_of_page(listed, actor, cursor, limit, roles=HANDLING)
    return Page(items=[as_row(InjuryRow, row) for row in rows[:limit]], next=next_page(rows, limit, "reported_at"))


async def injury(actor: Actor, wanted: UUID, language: Language) -> InjuryDetail:
    """One injury, as far as the actor may see it. Raises Refusal `unknown_injury`."""
    row = await _visible_row(actor, wanted)
    handles = await _handles(actor, row)
    reports = [_report(row) for row in await fetch(REPORTS, wanted) if handles or row["by_person"] == actor.person]
    papers = [as_row(Paper, paper) for paper in await fetch(PAPERS, wanted)]
    steps = [as_row(RecognitionStepRow, step) for step in await fetch(STEPS, wanted)] if handles else []
    survivors = [_survivor(item, language) for item in await fetch(SURVIVORS, wanted)] if handles else []
    return InjuryDetail(
        injury=as_row(InjuryRow, row),
        reports=reports,
        papers=[paper for paper in papers if handles or paper.by_person == actor.person],
        steps=steps,
        survivors=survivors,
    )


async def advance(actor: Actor, wanted: UUID) -> Advance:
    """The ledger of an injury, for the injured and those who handle the case. Raises Refusal `unknown_injury`."""
    row = await first(f"{INJURIES} WHERE i.id = $3 AND {HANDLED.condition}", *viewer(actor, HANDLING), wanted)
    if row is None:
        raise Refusal("unknown_injury")
    return await _advance(row)


async def undertaking(actor: Actor, wanted: UUID) -> tuple[Advance, str, str | None, str]:
    """What the undertaking for the hospital says: the ledger, the organ's name, the hospital named last, its number.

    A reporter at the hospital's counter gets it too, with the hospital that they named themselves.
    Raises Refusal `unknown_injury`.
    """
    row = await _visible_row(actor, wanted)
    organ = await value("SELECT name FROM organ WHERE code = $1", row["handled_in"])
    reporter = None if await _handles(actor, row) else actor.person
    number = f"〔{row['number_year']}〕{row['number']}号"
    return await _advance(row), organ, await value(HOSPITAL, wanted, reporter), number


async def matters_of_paper(actor: Actor, document: UUID) -> list[MatterOfPaper]:
    """The injuries, and what was paid for them, of which this is a paper; of those that the actor has part in."""
    return [as_row(MatterOfPaper, row) for row in await fetch(MATTERS_OF_PAPER, *viewer(actor, HANDLING), document)]


async def outstanding(organ: str | None = None) -> list[Outstanding]:
    """Every requested cost, in an organ and all below it; None: in all organs. Raises Refusal `unknown_organ`."""
    if organ is not None and not await Organ.exists().where(Organ.code == organ):
        raise Refusal("unknown_organ")
    return [as_row(Outstanding, row) for row in await fetch(OUTSTANDING, organ)]


async def _visible_row(actor: Actor, wanted: UUID) -> Record:
    row = await first(f"{INJURIES} WHERE i.id = $3 AND {VISIBLE.condition}", *viewer(actor, HANDLING), wanted)
    if row is None:
        raise Refusal("unknown_injury")
    return row


async def _handles(actor: Actor, row: Record) -> bool:
    """Whether the actor is the injured person, or decides or pays for the organ."""
    return actor.person == row["person"] or await reaches(actor, row["organ"], HANDLING)


async def _advance(row: Record) -> Advance:
    paid, settled = await fetch(PAYMENTS, row["id"]), await fetch(SETTLEMENTS, row["id"])
    items = [_item(item, paid, settled) for item in await fetch(ITEMS, row["id"])]
    return Advance(injury=as_row(InjuryRow, row), items=items, sums=_sums(items))


def _item(row: Any, payments: Any, settlements: Any) -> Item:
    derived = ("unpaid_fen", "outstanding_fen", "payments", "settlements")
    return Item(
        **{field: row[field] for field in Item.__struct_fields__ if field not in derived},
        unpaid_fen=(row["approved_fen"] or 0) - row["paid_fen"],
        outstanding_fen=row["paid_fen"] - row["settled_fen"],
        payments=[as_row(Payment, payment) for payment in payments if payment["item"] == row["id"]],
        settlements=[as_row(Settlement, settlement) for settlement in settlements if settlement["item"] == row["id"]],
    )


def _sums(items: list[Item]) -> Sums:
    by_payer = {f"{payer}_fen": 0 for payer in ("fund", "employer", "accident_insurer", "third_party", "recovered")}
    for item in items:
        for settlement in item.settlements:
            by_payer[f"{settlement.payer}_fen"] += settlement.fen
    return Sums(
        requested_fen=sum(item.requested_fen or 0 for item in items),
        approved_fen=sum(item.approved_fen or 0 for item in items),
        paid_fen=sum(item.paid_fen for item in items),
        outstanding_fen=sum(item.outstanding_fen for item in items),
        **by_payer,
    )


def _report(row: Any) -> InjuryReportRow:
    place = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return InjuryReportRow(
        **{field: row[field] for field in InjuryReportRow.__struct_fields__ if field != "place"}, place=place
    )


def _survivor(row: Any, language: Language) -> SurvivorRow:
    columns = {field: row[field] for field in SurvivorRow.__struct_fields__ if field != "message"}
    return SurvivorRow(**columns, message=law().messages[row["item"]].sentence(language))
