"""Injuries and their advances, read.

Guarantees: medical details and what costs are for are told to the injured and to those who handle the case; who
reported it reads what they told themselves. The sums of the ledger are the database's.
"""

from datetime import date
from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.core.database import Record, fetch, first, value
from backend.core.paging import ListQuery, as_row, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import HANDLING, reaches, viewer, visible_to
from backend.core.wire import Moment, Place
from backend.injuries.schemas import ItemState, Kind, Payer, Recognition, RecognitionStep, Severity, SurvivorCode
from backend.injuries.service import VISIBLE
from backend.law.catalogue import Language, law

InjuryStatus = Literal["open", "to_apply", "overdue", "all"]
STATUSES: dict[InjuryStatus, str] = {
    "open": "i.id IN (SELECT id FROM open_matter)",
    "to_apply": "i.recognition = 'reported'",
    "overdue": "i.recognition = 'reported' AND i.apply_by < now()",
    "all": "true",
}
INJURIES = "SELECT i.*, p.badge, p.name FROM injury i JOIN person p ON p.id = i.person"
REPORTS = """
SELECT r.*, p.name AS by_name, ARRAY(SELECT person FROM injury_witness w WHERE w.report = r.id ORDER BY 1) AS witnesses
FROM injury_report r JOIN person p ON p.id = r.by_person WHERE r.injury = $1 ORDER BY r.at, r.id
"""
PAPERS = """
SELECT d.id, d.title, u.media_type, u.state, x.by_person, x.at FROM injury_paper x JOIN document d ON d.id = x.document
JOIN upload u ON u.id = d.id WHERE x.injury = $1 ORDER BY x.at, d.id
"""
STEPS = """
SELECT s.step, s.by_person, p.name AS by_name, s.at, s.on_day, s.until_day, s.words FROM injury_step s
JOIN person p ON p.id = s.by_person WHERE s.injury = $1 ORDER BY s.version
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
OUTSTANDING = """
SELECT i.organ, o.name AS organ_name, p.badge, p.name, i.id AS injury, x.kind, x.state, i.recognition, x.requested_fen,
    x.approved_fen, x.paid_fen, x.settled_fen, x.paid_fen - x.settled_fen AS outstanding_fen,
    (SELECT min(y.at) FROM advance_payment y WHERE y.item = x.id) AS first_paid_at
FROM advance_item x JOIN injury i ON i.id = x.injury JOIN person p ON p.id = i.person JOIN organ o ON o.code = i.organ
WHERE x.state <> 'open' AND ($1::text IS NULL OR i.organ IN (SELECT organs_under(ARRAY[$1::text])))
ORDER BY i.organ, i.injured_at, i.id, x.kind, x.id
"""


class InjuryRow(msgspec.Struct, frozen=True, kw_only=True):
    """An injury in a list: nothing medical."""

    id: UUID
    person: UUID
    badge: str
    name: str
    organ: str
    handled_in: str
    injured_at: Moment
    reported_at: Moment
    recognition: Recognition
    apply_by: Moment
    decide_by: Moment | None
    fatal: bool
    version: int


class InjuryReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one person told of it."""

    id: UUID
    by_person: UUID
    by_name: str
    at: Moment
    injured_at: Moment
    place: Place | None
    how: str
    doing: str
    activity: UUID | None
    body_part: str
    severity: Severity
    hospital: str | None
    witnesses: list[UUID]
    outsiders: str | None


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """A photo or paper of the case."""

    id: UUID
    title: str
    media_type: str
    state: str
    by_person: UUID
    at: Moment


class RecognitionStepRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step on the way to recognition, by the date of its paper."""

    step: RecognitionStep
    by_person: UUID
    by_name: str
    at: Moment
    on_day: date
    until_day: date | None
    words: str


class SurvivorRow(msgspec.Struct, frozen=True, kw_only=True):
    """What survivors are owed; `done_at` is null until somebody saw to it."""

    item: SurvivorCode
    message: str
    done_by: UUID | None
    done_at: Moment | None
    words: str | None


class InjuryDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One injury. Its advance has the same id."""

    injury: InjuryRow
    reports: list[InjuryReportRow]
    papers: list[Paper]
    steps: list[RecognitionStepRow]
    survivors: list[SurvivorRow]


class Injuries(msgspec.Struct, frozen=True, kw_only=True):
    """A page of injuries."""

    items: list[InjuryRow]
    next: str | None


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """Money that went out."""

    id: UUID
    fen: int
    receipt: UUID
    by_person: UUID
    at: Moment
    words: str


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Who bore it, or that it came back."""

    id: UUID
    fen: int
    payer: Payer
    by_person: UUID
    at: Moment
    words: str


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One cost, in fen, with everything booked on it. `unpaid_fen`: approved and not paid; `outstanding_fen`: paid
    and not settled."""

    id: UUID
    kind: Kind
    state: ItemState
    requested_by: UUID | None
    requested_at: Moment | None
    requested_fen: int | None
    words: str | None
    decided_by: UUID | None
    decided_at: Moment | None
    approved_fen: int | None
    decision: str | None
    paid_fen: int
    settled_fen: int
    unpaid_fen: int
    outstanding_fen: int
    then_what: str | None
    then_why: str | None
    version: int
    payments: list[Payment]
    settlements: list[Settlement]


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Of all items, in fen: `paid_fen` is what all who bore it and what is outstanding add up to."""

    requested_fen: int
    approved_fen: int
    paid_fen: int
    fund_fen: int
    employer_fen: int
    accident_insurer_fen: int
    third_party_fen: int
    recovered_fen: int
    outstanding_fen: int


class Advance(msgspec.Struct, frozen=True, kw_only=True):
    """The costs of one injury as a ledger."""

    injury: InjuryRow
    items: list[Item]
    sums: Sums


class Outstanding(msgspec.Struct, frozen=True, kw_only=True):
    """One cost in the report, in fen."""

    organ: str
    organ_name: str
    badge: str
    name: str
    injury: UUID
    kind: Kind
    state: ItemState
    recognition: Recognition
    requested_fen: int
    approved_fen: int | None
    paid_fen: int
    settled_fen: int
    outstanding_fen: int
    first_paid_at: Moment | None


async def injuries(actor: Actor, status: InjuryStatus, cursor: str | None, limit: int) -> Injuries:
    """One's own, those one reported, and those of the organs for which one decides or pays, newest first."""
    listed = ListQuery(INJURIES, "injury i", VISIBLE, STATUSES[status], by="reported_at")
    rows = await rows_of_page(listed, actor, cursor, limit, roles=HANDLING)
    return Injuries(items=[as_row(InjuryRow, row) for row in rows[:limit]], next=next_page(rows, limit, "reported_at"))


async def injury(actor: Actor, asked: UUID, language: Language) -> InjuryDetail:
    """Raises Refusal `unknown_injury`."""
    row = await _seen(actor, asked)
    handles = await _handles(actor, row)
    reports = [_report(each) for each in await fetch(REPORTS, asked) if handles or each["by_person"] == actor.person]
    papers = [as_row(Paper, each) for each in await fetch(PAPERS, asked)]
    steps = [as_row(RecognitionStepRow, each) for each in await fetch(STEPS, asked)] if handles else []
    survivors = [_survivor(each, language) for each in await fetch(SURVIVORS, asked)] if handles else []
    return InjuryDetail(
        injury=as_row(InjuryRow, row),
        reports=reports,
        papers=[paper for paper in papers if handles or paper.by_person == actor.person],
        steps=steps,
        survivors=survivors,
    )


async def advance(actor: Actor, asked: UUID) -> Advance:
    """The ledger, for the injured and those who handle it. Raises Refusal `unknown_injury`."""
    row = await first(f"{INJURIES} WHERE i.id = $3 AND {HANDLED.condition}", *viewer(actor, HANDLING), asked)
    if row is None:
        raise Refusal("unknown_injury")
    return await _advance(row)


async def promised(actor: Actor, asked: UUID) -> tuple[Advance, str, str | None]:
    """What the undertaking for the hospital says: the ledger, the organ's name, the hospital told last.

    For whoever reported it too, who stand at the counter, with the hospital that they told themselves. Raises Refusal
    `unknown_injury`.
    """
    row = await _seen(actor, asked)
    organ = await value("SELECT name FROM organ WHERE code = $1", row["handled_in"])
    teller = None if await _handles(actor, row) else actor.person
    return await _advance(row), organ, await value(HOSPITAL, asked, teller)


async def outstanding(organ: str | None = None) -> list[Outstanding]:
    """Every cost that was asked for, in an organ and all below it. Raises Refusal `unknown_organ`."""
    if organ is not None and not await value("SELECT count(*) FROM organ WHERE code = $1", organ):
        raise Refusal("unknown_organ")
    return [as_row(Outstanding, row) for row in await fetch(OUTSTANDING, organ)]


async def _seen(actor: Actor, asked: UUID) -> Record:
    row = await first(f"{INJURIES} WHERE i.id = $3 AND {VISIBLE.condition}", *viewer(actor, HANDLING), asked)
    if row is None:
        raise Refusal("unknown_injury")
    return row


async def _handles(actor: Actor, row: Record) -> bool:
    return actor.person == row["person"] or await reaches(actor, row["organ"], HANDLING)


async def _advance(row: Record) -> Advance:
    paid, settled = await fetch(PAYMENTS, row["id"]), await fetch(SETTLEMENTS, row["id"])
    items = [_item(each, paid, settled) for each in await fetch(ITEMS, row["id"])]
    return Advance(injury=as_row(InjuryRow, row), items=items, sums=_sums(items))


def _item(row: Any, paid: Any, settled: Any) -> Item:
    kept = ("unpaid_fen", "outstanding_fen", "payments", "settlements")
    return Item(
        **{field: row[field] for field in Item.__struct_fields__ if field not in kept},
        unpaid_fen=(row["approved_fen"] or 0) - row["paid_fen"],
        outstanding_fen=row["paid_fen"] - row["settled_fen"],
        payments=[as_row(Payment, each) for each in paid if each["item"] == row["id"]],
        settlements=[as_row(Settlement, each) for each in settled if each["item"] == row["id"]],
    )


def _sums(items: list[Item]) -> Sums:
    by = {f"{payer}_fen": 0 for payer in ("fund", "employer", "accident_insurer", "third_party", "recovered")}
    for item in items:
        for each in item.settlements:
            by[f"{each.payer}_fen"] += each.fen
    return Sums(
        requested_fen=sum(item.requested_fen or 0 for item in items),
        approved_fen=sum(item.approved_fen or 0 for item in items),
        paid_fen=sum(item.paid_fen for item in items),
        outstanding_fen=sum(item.outstanding_fen for item in items),
        **by,
    )


def _report(row: Any) -> InjuryReportRow:
    place = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return InjuryReportRow(
        **{field: row[field] for field in InjuryReportRow.__struct_fields__ if field != "place"}, place=place
    )


def _survivor(row: Any, language: Language) -> SurvivorRow:
    told = {field: row[field] for field in SurvivorRow.__struct_fields__ if field != "message"}
    return SurvivorRow(**told, message=law().messages[row["item"]].sentence(language))
