"""Heard before judged: the person complained of is told the substance, and answers, before a complaint is concluded.

Guarantees: the inspector chooses the moment, before the conclusion. The person is told what is said, never who said it:
not by a field, a count, a line of the feed or an error; words that name the complainant are refused. Without a hearing
a complaint is founded, wholly or in part, only with a reason. The conclusion says where to appeal. Source: R.13(5), 34.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.complaints import rules
from backend.complaints.rules import Heard
from backend.complaints.schemas import ComplaintId
from backend.complaints.tables import Hearing, HearingStatement
from backend.core import journal
from backend.core.database import Record, execute, fetch, first, value
from backend.core.days import until
from backend.core.described import NameBeside, OrganCode, OrganName, SeenVersion
from backend.core.journal import utc
from backend.core.paging import ListQuery, Page, next_page, rows_of_page
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, HeldConcern, Occasion, Outcome
from backend.core.visibility import INSPECTING, ME, AccessFilter, IndexPath, name_of, viewer
from backend.core.wire import Entry, Moment, Receipt, Words

HearingId = Annotated[UUID, msgspec.Meta(description="id of the hearing")]
ToldAt = Annotated[Moment, msgspec.Meta(description="when the person complained of was told the substance")]
AnswerUntil = Annotated[
    Moment, msgspec.Meta(description="until then the person may answer; later answers are read too")
]
TOLD = "hearings/told"  # the journal line that tells the person
PERSONS = "SELECT person FROM complaint_person WHERE complaint = $1"
HEARINGS_OF = """
SELECT h.person, h.answer_by, EXISTS (SELECT FROM hearing_statement s WHERE s.hearing = h.id) AS answered
FROM hearing h WHERE h.complaint = $1
"""
# What the person complained of may know. Nothing of who complained, how, when, or through whom.
HEARINGS = """
SELECT h.id, h.told_at, h.answer_by, h.substance, c.organ, o.name AS organ_name, c.started_at, c.ended_at, c.outcome,
    c.concluded_at, c.appeal_to, a.name AS appeal_to_name, (
        SELECT jsonb_agg(jsonb_build_object('id', s.id, 'at', s.at, 'words', s.words) ORDER BY s.at, s.id)
        FROM hearing_statement s WHERE s.hearing = h.id) AS statements
FROM hearing h JOIN complaint c ON c.id = h.complaint JOIN organ o ON o.code = c.organ
LEFT JOIN organ a ON a.code = c.appeal_to
"""
MINE = AccessFilter("h.person = $1 AND $2::text[] IS NOT NULL", (IndexPath("h.person", ME),))  # no role shows it
HearingStatus = Literal["open", "all"]
CONCLUDED = "EXISTS (SELECT FROM complaint c WHERE c.id = h.complaint AND c.outcome IS NOT NULL)"
STATUSES: dict[HearingStatus, str] = {"open": f"NOT {CONCLUDED}", "all": "true"}
IN_FULL = f"""
SELECT h.*, p.badge, p.name, {name_of("h.heard_by")} AS heard_by_name, (
    SELECT jsonb_agg(jsonb_build_object('id', s.id, 'at', s.at, 'words', s.words) ORDER BY s.at, s.id)
    FROM hearing_statement s WHERE s.hearing = h.id) AS statements
FROM hearing h JOIN person_now p ON p.id = h.person WHERE h.complaint = $1 ORDER BY h.told_at, h.id
"""  # noqa: S608 - constants
COMPLAINT_OF = """
SELECT c.organ, c.started_at, c.ended_at, c.case_ref FROM hearing h JOIN complaint c ON c.id = h.complaint
WHERE h.id = $1 AND h.person = $2
"""
EVER = datetime(2000, 1, 1, tzinfo=UTC)  # before any record
# Above the organ in which the inspector decides, or that one where there is none above. $1 the complaint's organ, $2
# the organs that the inspector inspects.
ABOVE = """
SELECT coalesce(o.parent, o.code) FROM organ o WHERE o.code = ANY ($2) AND $1 IN (SELECT organs_under(ARRAY[o.code]))
ORDER BY o.depth DESC LIMIT 1
"""


class HearPerson(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Tell the person complained of what is said, and hear them, before the complaint is concluded (R.13(5), 34).

    The id of this entry is the hearing's id.
    """

    complaint: ComplaintId
    version: SeenVersion
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary complained of")]
    substance: Annotated[
        Words, msgspec.Meta(description="what the person is told: what is said of them, never who said it")
    ]


class AnswerHearing(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The person complained of states and defends (陈述申辩)."""

    hearing: HearingId
    words: Annotated[Words, msgspec.Meta(description="the person's statement")]


class HearingStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A hearing as recorded."""

    id: HearingId
    answer_by: AnswerUntil


class HearingReceipt(Receipt, kw_only=True):
    """The answer where a person is heard, and where they answer."""

    hearing: Annotated[HearingStanding, msgspec.Meta(description="the hearing as it stands")]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What the person complained of says."""

    id: Annotated[UUID, msgspec.Meta(description="id of the statement")]
    at: Annotated[datetime, msgspec.Meta(description="when the statement was made, in corrected time")]
    words: Annotated[str, msgspec.Meta(description="the statement")]


Statements = Annotated[list[Statement], msgspec.Meta(description="what the person says, oldest first")]
Substance = Annotated[str, msgspec.Meta(description="what the person is told: what is said of them")]


class MyHearing(msgspec.Struct, frozen=True, kw_only=True):
    """What the person complained of may know. It does not say who complained."""

    id: HearingId
    organ: OrganCode
    organ_name: OrganName
    substance: Substance
    started_at: Annotated[Moment, msgspec.Meta(description="when what is said of you began")]
    ended_at: Annotated[Moment, msgspec.Meta(description="when what is said of you was over")]
    told_at: ToldAt
    answer_by: AnswerUntil
    statements: Statements
    outcome: Annotated[
        Literal["founded", "partly", "unfounded", "withdrawn"] | None,
        msgspec.Meta(
            description="founded 属实, partly 部分属实, unfounded 不属实, withdrawn 撤回; null: not concluded"
        ),
    ]
    concluded_at: Annotated[Moment | None, msgspec.Meta(description="when it was concluded; null: not yet")]
    appeal_to: Annotated[
        str | None, msgspec.Meta(description="code of the organ to which you may appeal; null: not concluded")
    ]
    appeal_to_name: Annotated[str | None, msgspec.Meta(description="name of that organ; null: not concluded")]


class HearingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A hearing as whoever handles the complaint reads it."""

    id: HearingId
    person: Annotated[UUID, msgspec.Meta(description="id of the person who is heard")]
    badge: Annotated[str, msgspec.Meta(description="badge number of the person who is heard")]
    name: Annotated[str, msgspec.Meta(description="name of the person who is heard")]
    substance: Substance
    heard_by: Annotated[UUID, msgspec.Meta(description="id of the inspector who told them")]
    heard_by_name: NameBeside = None
    told_at: ToldAt
    answer_by: AnswerUntil
    statements: Statements


async def hear(occasion: Occasion, row: Record, entry: HearPerson) -> Outcome:
    """Tell the person, and record it. `row`: the complaint, which is open and which the inspector may handle.

    Raises Refusal `not_complained_of`, `heard_before`, `names_complainant`.
    """
    if not await value(f"SELECT $2 IN ({PERSONS})", row["id"], entry.person):
        raise Refusal("not_complained_of")
    if await Hearing.exists().where(Hearing.complaint == row["id"], Hearing.person == entry.person):
        raise Refusal("heard_before")
    refuse_names(row, entry.substance)
    at = occasion.timing.as_of
    answer_by = until(occasion.law, "hearing_answer", at)
    await Hearing.insert(
        Hearing(
            id=entry.id, complaint=row["id"], person=entry.person, substance=entry.substance,
            heard_by=occasion.actor.person, told_at=at, answer_by=answer_by,
        )
    )  # fmt: skip
    await execute("UPDATE complaint SET version = version + 1 WHERE id = $1", row["id"])
    standing = {"id": str(entry.id), "answer_by": utc(answer_by)}
    await journal.append(
        journal.Line(
            at=at, verb=TOLD, outcome="done", organ=row["organ"], subjects=[entry.id, entry.person],
            facts={"subject": {"hearing": standing}},
        )
    )  # fmt: skip
    return Outcome(subject={"hearing": standing}, subjects=[row["id"]], organ=row["organ"])


async def answer(occasion: Occasion, entry: AnswerHearing) -> Outcome:
    """Record a statement; one after the term or the conclusion too. Raises Refusal `unknown_hearing`."""
    row: Any = await first("SELECT h.*, c.organ FROM hearing h JOIN complaint c ON c.id = h.complaint WHERE h.id = $1",
                           entry.hearing)  # fmt: skip
    if row is None or row["person"] != occasion.actor.person:
        raise Unknown("unknown_hearing", entry.hearing)
    await HearingStatement.insert(
        HearingStatement(id=entry.id, hearing=row["id"], words=entry.words, at=max(occasion.at, row["told_at"]))
    )
    standing = {"id": str(row["id"]), "answer_by": utc(row["answer_by"])}
    return Outcome(subject={"hearing": standing}, subjects=[row["id"], row["person"]], organ=row["organ"])


async def kept_like_its_complaint(actor: Actor, entry: AnswerHearing) -> HeldConcern:
    """A held statement is for inspectors who may handle the complaint: not for the officers who led its person then.

    While the hearing is not known, for nobody who ever led them.
    """
    row = await first(COMPLAINT_OF, entry.hearing, actor.person)
    if row is None:
        return HeldConcern(person=actor.person, leaders=True, started_at=EVER)
    return HeldConcern(
        organ=row["organ"], person=actor.person, leaders=True, started_at=row["started_at"], ended_at=row["ended_at"],
        case_ref=row["case_ref"],
    )  # fmt: skip


async def concerned(actor: Actor, entry: HearPerson) -> Iterable[UUID]:
    """The ids to lock: the actor and the complaint, so that its steps are taken one at a time."""
    return (actor.person, entry.complaint)


async def require_heard(row: Record, outcome: str, unheard_why: str | None, at: datetime) -> None:
    """Whether a complaint may be concluded so. Raises Refusal `not_heard`, `hearing_open`."""
    persons = [each["person"] for each in await fetch(PERSONS, row["id"])]
    heard = [Heard(each["person"], each["answer_by"], each["answered"]) for each in await fetch(HEARINGS_OF, row["id"])]
    lacks = rules.conclusion_lacks(outcome, persons, heard, unheard_why, at)
    if lacks is not None:
        raise Refusal(lacks)


async def organ_of_appeal(actor: Actor, row: Record, named: str | None) -> str:
    """The organ to which one may appeal: the one named, else the one above who decides. Raises Refusal
    `unknown_organ`."""
    if named is None:
        return str(await value(ABOVE, row["organ"], viewer(actor, INSPECTING)[1]))
    if not await value("SELECT EXISTS (SELECT FROM organ WHERE code = $1)", named):
        raise Refusal("unknown_organ")
    return named


def refuse_names(row: Record, words: str) -> None:
    """Raises Refusal `names_complainant` where words for the person complained of name the complainant."""
    if rules.names(words, row["complainant"]) or rules.names(words, row["contact"]):
        raise Refusal("names_complainant")


async def hearings(actor: Actor, status: HearingStatus, cursor: str | None, limit: int) -> Page[MyHearing]:
    """A page of the actor's own hearings."""
    rows = await rows_of_page(
        ListQuery(HEARINGS, "hearing h", MINE, STATUSES[status], by="told_at"), actor, cursor, limit
    )
    return Page(items=[_my_hearing(row) for row in rows[:limit]], next=next_page(rows, limit, "told_at"))


async def hearings_of(complaint: UUID) -> list[HearingRow]:
    """The hearings of a complaint, for whoever reads it in full."""
    return [
        HearingRow(
            **{name: row[name] for name in HearingRow.__struct_fields__ if name != "statements"},
            statements=_statements(row),
        )
        for row in await fetch(IN_FULL, complaint)
    ]


def _my_hearing(row: Record) -> MyHearing:
    columns = {name: row[name] for name in MyHearing.__struct_fields__ if name != "statements"}
    return MyHearing(**columns, statements=_statements(row))


def _statements(row: Record) -> list[Statement]:
    found = msgspec.json.decode(row["statements"] or "[]", type=list[Statement])
    return [msgspec.structs.replace(each, at=each.at.astimezone(UTC)) for each in found]
