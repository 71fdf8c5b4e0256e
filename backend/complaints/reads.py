"""Read complaints and matters.

Guarantees: only inspectors who may handle the complaint and the person who wrote it down see the complainant's name,
contact and words. For the person complained of and the officers who led them then a complaint does not exist, in no
list and no count, before it is concluded. The person complained of then sees how it ended; nothing of when it came, of
its terms, or of what the complainant was told, neither in a row nor by the order of their list.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.complaints.hearings import HearingRow, hearings_of
from backend.complaints.matters_service import VISIBLE as MATTER
from backend.complaints.schemas import (
    AcceptedAt,
    AnswerBy,
    AnsweredAt,
    CaseState,
    CaseTold,
    Channel,
    ComplaintId,
    ComplaintOutcome,
    ConcludedAt,
    EndBy,
    ExtendedFrom,
    ExtensionToldAt,
    FedBackAt,
    KindOfComplaint,
    MatterId,
    MatterKind,
    NoticedAt,
    RaisedAt,
)
from backend.complaints.service import approvers
from backend.core.database import Record, fetch, first, value
from backend.core.described import Badge, ContactMethod, NameBeside, OrganCode, OrganName, PersonName, ShiftId
from backend.core.paging import ListQuery, Page, as_row, moment_parameter, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import AUXILIARY, Actor, part_of
from backend.core.visibility import INSPECTING, ME, AccessFilter, IndexPath, name_of, reaches, viewer, visible_to
from backend.core.wire import Moment, Place
from backend.evidence.papers import MatterOfPaper, PaperLine
from backend.law.catalogue import law

# Until when an extension is asked for that nobody has answered.
ASKED_UNTIL = """
SELECT CASE s.step WHEN 'extend' THEN s.until_at END FROM complaint_step s
WHERE s.complaint = c.id AND s.step IN ('extend', 'approve_extension', 'refuse_extension')
ORDER BY s.version DESC LIMIT 1
"""
ComplaintStatus = Literal["open", "overdue", "untold", "unaccepted", "extension", "all"]
COMPLAINT_STATUSES: dict[ComplaintStatus, str] = {
    "open": "c.outcome IS NULL",
    "overdue": "c.outcome IS NULL AND c.end_by < now()",
    "untold": "c.outcome IS NOT NULL AND c.fed_back_at IS NULL AND NOT c.anonymous",
    "unaccepted": "c.accepted_at IS NULL AND c.outcome IS NULL",
    "extension": f"c.outcome IS NULL AND c.extended_from IS NULL AND ({ASKED_UNTIL}) IS NOT NULL",
    "all": "true",
}
MatterStatus = Literal["open", "overdue", "all"]
MATTER_STATUSES: dict[MatterStatus, str] = {
    "open": "m.answered_at IS NULL", "overdue": "m.answered_at IS NULL AND m.answer_by < now()", "all": "true",
}  # fmt: skip
ABOUT_ME = "EXISTS (SELECT FROM complaint_person p WHERE p.complaint = c.id AND p.person = $1)"
COMPLAINTS = f"""
SELECT c.*, $1::uuid AS reader, {ABOUT_ME} AS about_me, {name_of("c.taken_by")} AS taken_by_name,
    CASE WHEN c.outcome IS NULL AND c.extended_from IS NULL THEN ({ASKED_UNTIL}) END AS extension_asked,
    (c.taken_by = $1 OR c.organ IN (SELECT organs_under({{inspects}}::text[]))) AND NOT may_not_handle(c.id, $1)
    AS in_full, ARRAY(SELECT person FROM complaint_person p WHERE p.complaint = c.id ORDER BY 1) AS persons
FROM complaint c
"""  # noqa: S608 - constants
CONCLUDED_ABOUT_ME = f"c.outcome IS NOT NULL AND {ABOUT_ME}"
THOSE_ABOUT_ME = IndexPath("c.id", "SELECT p.complaint AS value FROM complaint_person p WHERE p.person = $1")
# Until it is concluded, it does not exist for the officers who led the person then, whatever role they have.
NOT_KEPT = "(c.outcome IS NOT NULL OR NOT matter_is_about(c.id, {viewer}))"
VISIBLE = (
    visible_to(own=[], organ="c.organ").only(NOT_KEPT.format(viewer="$1"))
    .also("c.taken_by = $1", IndexPath("c.taken_by", ME))
    .only(f"NOT {ABOUT_ME}").also(CONCLUDED_ABOUT_ME, THOSE_ABOUT_ME)
)  # fmt: skip
MINE = AccessFilter(f"({CONCLUDED_ABOUT_ME} AND $2::text[] IS NOT NULL)", (THOSE_ABOUT_ME,))
STEPS = """
SELECT s.step, s.by_person, s.at, s.words, s.how, s.until_at, s.kind FROM complaint_step s WHERE s.complaint = $1
ORDER BY s.version
"""
PAPERS = """
SELECT d.id, d.title, u.media_type, u.state FROM complaint_paper p JOIN document d ON d.id = p.document
JOIN upload u ON u.id = d.id WHERE p.complaint = $1 ORDER BY u.declared_at, d.id
"""
MATTERS = f"""
SELECT m.*, {name_of("m.against")} AS against_name, {name_of("m.answered_by")} AS answered_by_name,
    ARRAY(SELECT recording FROM matter_recording r WHERE r.matter = m.id ORDER BY 1) AS recordings,
    ARRAY(SELECT document FROM matter_paper d WHERE d.matter = m.id ORDER BY 1) AS papers, p.badge, p.name, k.case_ref,
    k.state AS case_state, k.at AS case_told_at, k.words AS case_words
FROM matter m JOIN person_now p ON p.id = m.person LEFT JOIN LATERAL (
    SELECT c.* FROM matter_case c WHERE c.matter = m.id ORDER BY c.at DESC, c.id DESC LIMIT 1) k ON true
"""  # noqa: S608 - constants
COUNTS = f"""
SELECT c.organ, o.name AS organ_name, count(*) AS received, count(*) FILTER (WHERE c.outcome IS NULL) AS open,
    count(*) FILTER (WHERE c.outcome IS NULL AND c.end_by < now()) AS overdue,
    count(*) FILTER (WHERE c.outcome = 'founded') AS founded, count(*) FILTER (WHERE c.outcome = 'partly') AS partly,
    count(*) FILTER (WHERE c.outcome = 'unfounded') AS unfounded,
    count(*) FILTER (WHERE c.outcome = 'withdrawn') AS withdrawn
FROM complaint c JOIN organ o ON o.code = c.organ
WHERE c.organ IN (SELECT organs_under($1::text[])) AND c.received_at >= coalesce($2, '-infinity'::timestamptz)
    AND c.received_at < coalesce($3, 'infinity'::timestamptz) AND (c.taken_by = $4 OR {NOT_KEPT.format(viewer="$4")})
GROUP BY c.organ, o.name ORDER BY c.organ
"""  # noqa: S608 - constants
COMPLAINTS_OF_PAPER = """
SELECT c.id, may_not_handle(c.id, $1) AS kept,
    c.taken_by = $1 OR c.organ IN (SELECT organs_under($2::text[])) AS theirs
FROM complaint_paper p JOIN complaint c ON c.id = p.complaint WHERE p.document = $3 ORDER BY c.id
"""
EXTENSION = {"extend", "approve_extension", "refuse_extension"}
MATTERS_OF_PAPER = f"""
SELECT m.id, coalesce(m.against = $1, false) AS kept, ({MATTER.condition}) AS theirs
FROM matter_paper p JOIN matter m ON m.id = p.matter WHERE p.document = $3 ORDER BY m.id
"""  # noqa: S608 - constants
HIDDEN = ("channel", "complainant", "contact", "words", "case_ref", "place", "radius_m", "taken_by", "taken_by_name")
# What would tell the person complained of when it came, whether there is a name, and what was done for the complainant.
HIDDEN_FROM_ITS_PERSON = (
    "anonymous", "received_at", "notice_by", "end_by", "noticed_at", "fed_back_at", "version", "accepted_at",
    "extension_asked", "extended_from", "extension_told_at",
)  # fmt: skip


class ComplaintRow(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint. Where `in_full` is false, what would identify the complainant is null.

    For the person complained of, who reads it once it is concluded, whether there is a name and what was done when is
    null too, but for the conclusion.
    """

    id: ComplaintId
    organ: OrganCode
    persons: Annotated[
        list[UUID],
        msgspec.Meta(description="ids of the auxiliaries complained of, if known; of one about yourself: you alone"),
    ]
    shift: Annotated[ShiftId | None, msgspec.Meta(description="id of the shift complained of; null: none is named")]
    started_at: Annotated[Moment, msgspec.Meta(description="when what is complained of began")]
    ended_at: Annotated[Moment, msgspec.Meta(description="when what is complained of was over")]
    in_full: Annotated[bool, msgspec.Meta(description="whether the reader may see who complained and what they said")]
    channel: Annotated[Channel | None, msgspec.Meta(description="how the complaint came in; null: not in full")]
    anonymous: Annotated[
        bool | None, msgspec.Meta(description="the complainant gave no name; null: it is about yourself")
    ]
    complainant: Annotated[
        str | None, msgspec.Meta(description="name of the complainant; null: anonymous, or not in full")
    ]
    contact: Annotated[
        str | None,
        msgspec.Meta(description="how to reach the complainant; null: not given, not in full, or erased"),
    ]
    words: Annotated[str | None, msgspec.Meta(description="what the complaint is about, in words; null: not in full")]
    case_ref: Annotated[
        str | None,
        msgspec.Meta(description="number of the case that the complaint is about; null: none, or not in full"),
    ]
    place: Annotated[
        Place | None, msgspec.Meta(description="where it happened; null: no place given, not in full, or erased")
    ]
    radius_m: Annotated[
        int | None, msgspec.Meta(description="metres around the place; null: no place, not in full, or erased")
    ]
    taken_by: Annotated[
        UUID | None, msgspec.Meta(description="id of the person who wrote the complaint down; null: not in full")
    ]
    taken_by_name: NameBeside = None
    received_at: Annotated[
        Moment | None,
        msgspec.Meta(description="when the complaint was received, in corrected time; null: it is about yourself"),
    ]
    notice_by: Annotated[
        Moment | None,
        msgspec.Meta(
            description="by when the complainant must be told what becomes of it: the last moment of that day in "
            "China; null: it is about yourself"
        ),
    ]
    end_by: EndBy
    noticed_at: NoticedAt
    outcome: Annotated[ComplaintOutcome | None, msgspec.Meta(description="how it ended; null: not concluded")]
    concluded_at: ConcludedAt
    fed_back_at: FedBackAt
    version: Annotated[
        int | None,
        msgspec.Meta(description="version of the complaint, which each step raises; null: it is about yourself"),
    ]
    kind: KindOfComplaint = None
    accepted_at: AcceptedAt = None
    extension_asked: Annotated[
        Moment | None,
        msgspec.Meta(description="until when an extension is asked for that the head has not answered; null: none"),
    ] = None
    extended_from: ExtendedFrom = None
    extension_told_at: ExtensionToldAt = None
    unheard_why: Annotated[
        str | None,
        msgspec.Meta(
            description="why somebody was not heard before the conclusion; null: everybody was, or not concluded"
        ),
    ] = None
    appeal_to: Annotated[
        str | None, msgspec.Meta(description="code of the organ to which one may appeal; null: not concluded")
    ] = None


class ComplaintStepRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step about a complaint."""

    step: Annotated[
        Literal[
            "notify",
            "identify",
            "step_aside",
            "extend",
            "conclude",
            "feed_back",
            "accept",
            "approve_extension",
            "refuse_extension",
            "tell_extension",
        ],
        msgspec.Meta(
            description="notify 告知受理, identify 查明被投诉人, step_aside 办理人回避, extend 申请延期, "
            "conclude 办结, feed_back 反馈, accept 受理, approve_extension 批准延期, refuse_extension 不批准延期, "
            "tell_extension 告知延期理由"
        ),
    ]
    by_person: Annotated[UUID, msgspec.Meta(description="id of the person who took this step of the complaint")]
    at: Annotated[Moment, msgspec.Meta(description="when this step of the complaint was taken, in corrected time")]
    words: Annotated[str, msgspec.Meta(description="the reasons for this step, or what was said")]
    how: Annotated[
        ContactMethod | None, msgspec.Meta(description="how the complainant was told; null: the step tells nobody")
    ]
    until_at: Annotated[Moment | None, msgspec.Meta(description="new end of the term; null: the step is no extension")]
    kind: Annotated[str | None, msgspec.Meta(description="the kind as which it was accepted; null: no acceptance")] = (
        None
    )


class ComplaintDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One complaint with its steps."""

    complaint: Annotated[ComplaintRow, msgspec.Meta(description="the complaint as it stands now")]
    steps: Annotated[
        list[ComplaintStepRow],
        msgspec.Meta(
            description="what was done about it, in order; not in full: only its conclusion, and for who approves "
            "extensions what is said of these"
        ),
    ]
    papers: Annotated[
        list[PaperLine],
        msgspec.Meta(description="letters and papers that came with it; not in full: none"),
    ]
    hearings: Annotated[
        list[HearingRow], msgspec.Meta(description="who was heard, and what they say; not in full: none")
    ] = msgspec.field(default_factory=list)


class ComplaintCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many complaints an organ received in the period, and how they ended, but for those that the reader may not
    know of. It names nobody."""

    organ: OrganCode
    organ_name: OrganName
    received: Annotated[int, msgspec.Meta(description="how many were received")]
    open: Annotated[int, msgspec.Meta(description="how many of these are not concluded")]
    overdue: Annotated[int, msgspec.Meta(description="how many of those not concluded are past their term")]
    founded: Annotated[int, msgspec.Meta(description="how many were founded 属实")]
    partly: Annotated[int, msgspec.Meta(description="how many were founded in part 部分属实")]
    unfounded: Annotated[int, msgspec.Meta(description="how many were unfounded 不属实")]
    withdrawn: Annotated[int, msgspec.Meta(description="how many were withdrawn 撤回")]


class ComplaintCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of complaints by organ."""

    items: Annotated[list[ComplaintCount], msgspec.Meta(description="one line for each organ that the reader oversees")]


class MatterRow(msgspec.Struct, frozen=True, kw_only=True):
    """A suggestion, an appeal, or harassment."""

    id: MatterId
    person: Annotated[UUID, msgspec.Meta(description="id of the person who raised the matter")]
    badge: Badge
    name: PersonName
    organ: OrganCode
    kind: MatterKind
    against: Annotated[
        UUID | None, msgspec.Meta(description="id of the person whose act is appealed against; null: none")
    ]
    against_name: NameBeside = None
    of_relative: Annotated[bool, msgspec.Meta(description="a close relative is harassed, not the person themselves")]
    words: Annotated[str, msgspec.Meta(description="the suggestion, the appeal or what happened, in words")]
    recordings: Annotated[list[UUID], msgspec.Meta(description="ids of the recordings that show it")]
    papers: Annotated[list[UUID], msgspec.Meta(description="ids of the documents that came with it or with its answer")]
    raised_at: RaisedAt
    answer_by: AnswerBy
    answered_by: Annotated[UUID | None, msgspec.Meta(description="id of the person who answered; null: not answered")]
    answered_by_name: NameBeside = None
    answered_at: AnsweredAt
    answer: Annotated[str | None, msgspec.Meta(description="the answer, in words; null: not answered")]
    case_ref: Annotated[
        str | None,
        msgspec.Meta(description="number of the police case that the harassment became; null: there is none"),
    ]
    case_state: Annotated[CaseState | None, msgspec.Meta(description="how far that case is; null: there is none")]
    case_told_at: CaseTold
    case_words: Annotated[
        str | None, msgspec.Meta(description="what was decided in that case, in words; null: there is none")
    ]


async def complaints(actor: Actor, status: ComplaintStatus, cursor: str | None, limit: int) -> Page[ComplaintRow]:
    """A page of complaints: of the organs that one oversees, those one wrote down, and concluded ones about oneself.

    An auxiliary's, which are only those about themselves, stand by their conclusions: their order and their cursor tell
    nothing of when they came.
    """
    select = COMPLAINTS.format(inspects="$3")
    listed = ListQuery(select, "complaint c", VISIBLE, COMPLAINT_STATUSES[status], by="received_at")
    if part_of(actor.kind) == AUXILIARY and not viewer(actor)[1]:
        where = "true" if status == "all" else "false"
        listed = listed._replace(visible=MINE, where=where, by="concluded_at")
    rows = await rows_of_page(listed, actor, cursor, limit, _inspects(actor))
    return Page(items=[_complaint(row) for row in rows[:limit]], next=next_page(rows, limit, listed.by))


async def complaint(actor: Actor, wanted: UUID) -> ComplaintDetail:
    """One complaint. Raises Refusal `unknown_complaint`."""
    sql = f"{COMPLAINTS.format(inspects='$4')} WHERE c.id = $3 AND {VISIBLE.condition}"
    row = await first(sql, *viewer(actor), wanted, _inspects(actor))
    if row is None:
        raise Refusal("unknown_complaint")
    steps = [as_row(ComplaintStepRow, step) for step in await fetch(STEPS, wanted)]
    papers = [as_row(PaperLine, paper) for paper in await fetch(PAPERS, wanted)] if row["in_full"] else []
    shown = {"conclude"} | (EXTENSION if await _approves(actor, row) else set())
    return ComplaintDetail(
        complaint=_complaint(row),
        steps=[step for step in steps if row["in_full"] or step.step in shown],
        papers=papers,
        hearings=await hearings_of(wanted) if row["in_full"] else [],
    )


async def _approves(actor: Actor, row: Record) -> bool:
    """Whether the actor may approve that this complaint takes longer."""
    if not await reaches(actor, row["organ"], approvers(law(), row["kind"])):
        return False
    return not await value("SELECT may_not_handle($1, $2)", row["id"], actor.person)


async def counts(actor: Actor, since: datetime | None, until: datetime | None) -> ComplaintCounts:
    """Counts by organ of complaints received from `since` until before `until`. Raises Refusal `invalid`."""
    span = (since and moment_parameter("from", since), until and moment_parameter("to", until))
    rows = await fetch(COUNTS, viewer(actor)[1], *span, actor.person)
    return ComplaintCounts(items=[as_row(ComplaintCount, row) for row in rows])


async def matters(actor: Actor, status: MatterStatus, cursor: str | None, limit: int) -> Page[MatterRow]:
    """A page of one's own matters and those of the organs that one oversees, but none that appeals against oneself."""
    listed = ListQuery(MATTERS, "matter m", MATTER, MATTER_STATUSES[status], by="raised_at")
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Page(items=[as_row(MatterRow, row) for row in rows[:limit]], next=next_page(rows, limit, "raised_at"))


async def matter(actor: Actor, wanted: UUID) -> MatterRow:
    """One matter. Raises Refusal `unknown_matter`."""
    row = await first(f"{MATTERS} WHERE m.id = $3 AND {MATTER.condition}", *viewer(actor), wanted)
    if row is None:
        raise Refusal("unknown_matter")
    return as_row(MatterRow, row)


async def matters_of_paper(actor: Actor, document: UUID) -> list[MatterOfPaper] | None:
    """The complaints with which this paper came, of those that the actor reads in full, and the matters; None where it
    came with one that is kept from them: then it does not exist for them."""
    complaints = await fetch(COMPLAINTS_OF_PAPER, *viewer(actor, INSPECTING), document)
    matters = await fetch(MATTERS_OF_PAPER, *viewer(actor), document)
    if any(row["kept"] for row in (*complaints, *matters)):
        return None
    return [
        *(MatterOfPaper(kind="complaint", id=row["id"]) for row in complaints if row["theirs"]),
        *(MatterOfPaper(kind="matter", id=row["id"]) for row in matters if row["theirs"]),
    ]


def _inspects(actor: Actor) -> Any:
    """The codes of the organs in which the actor is an inspector."""
    return viewer(actor, INSPECTING)[1]


def _complaint(row: Record) -> ComplaintRow:
    """The row, without what the reader may not see of it."""
    columns: dict[str, Any] = {field: row[field] for field in ComplaintRow.__struct_fields__}
    columns["place"] = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    if not row["in_full"]:
        columns |= dict.fromkeys(HIDDEN)
    if row["about_me"]:
        columns |= dict.fromkeys(HIDDEN_FROM_ITS_PERSON) | {"persons": [row["reader"]]}
    return ComplaintRow(**columns)
