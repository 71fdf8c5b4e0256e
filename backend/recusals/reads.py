"""Read recusals: which wait for a decision, which are overdue, what was decided and why, and which acts stand.

Guarantees: the person whose recusal a party applied for sees neither the applicant's name nor their words.
"""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.database import Record, fetch, first
from backend.core.described import (
    ActivityId,
    Badge,
    ContactMethod,
    NameBeside,
    OrganCode,
    PersonName,
    Version,
)
from backend.core.paging import ListQuery, Page, as_row, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer
from backend.core.wire import Moment
from backend.evidence.papers import MatterOfPaper, PaperLine
from backend.law.catalogue import law
from backend.recusals import rules
from backend.recusals.schemas import (
    CaseGiven,
    CaseKindGiven,
    DecidedIn,
    DueAt,
    FromActivity,
    FromIncident,
    FromMediation,
    FromShift,
    Ground,
    ReconsiderUntil,
    RecusalId,
    RecusalState,
    RecusedPerson,
    StandingAside,
)
from backend.recusals.service import RECUSALS, VISIBLE

RecusalStatus = Literal["pending", "overdue", "granted", "refused", "untold", "all"]
STATUSES: dict[RecusalStatus, str] = {
    "pending": "r.state = 'pending'",
    "overdue": "r.state = 'pending' AND r.due_at < now()",
    "granted": "r.state = 'granted'",
    "refused": "r.state = 'refused'",
    "untold": """r.state <> 'pending' AND r.capacity <> 'self' AND (
        SELECT t.step FROM recusal_step t WHERE t.recusal = r.id AND t.step IN ('grant', 'refuse', 'tell')
        ORDER BY t.version DESC LIMIT 1) <> 'tell'""",
    "all": "true",
}
STEPS = """
SELECT s.step, s.by_person, p.name AS by_name, s.at, s.words, s.how, s.organ FROM recusal_step s
JOIN person_now p ON p.id = s.by_person WHERE s.recusal = $1 ORDER BY s.version
"""
ACTS = """
SELECT a.id AS activity, a.work, a.started_at, j.stands, j.words FROM activity a
LEFT JOIN LATERAL (
    SELECT c.stands, c.words FROM recusal_act c JOIN recusal_step s ON s.id = c.step
    WHERE c.activity = a.id AND s.recusal = $1 ORDER BY s.version DESC LIMIT 1
) j ON true
WHERE a.person = $2 AND a.id IN (SELECT acts_of_recusal($1))
ORDER BY a.started_at, a.id
"""

PAPERS = """
SELECT d.id, d.title, u.media_type, u.state FROM recusal_paper p JOIN document d ON d.id = p.document
JOIN upload u ON u.id = d.id WHERE p.recusal = $1 ORDER BY u.declared_at, d.id
"""
# Not for the auxiliary for whose recusal somebody else applied: they see neither name nor words of it.
RECUSALS_OF_PAPER = f"""
SELECT r.id FROM recusal_paper p JOIN recusal r ON r.id = p.recusal
WHERE p.document = $3 AND {VISIBLE.condition} AND (r.capacity = 'self' OR r.person <> $1) ORDER BY r.id
"""  # noqa: S608 - constants
OF_INCIDENT = "case_key(r.incident_ref) = case_key($3::text)"


class RecusalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A recusal in a list."""

    id: RecusalId
    person: RecusedPerson
    badge: Badge
    name: PersonName
    organ: OrganCode
    case_ref: CaseGiven
    case_kind: CaseKindGiven
    capacity: Annotated[
        str,
        msgspec.Meta(
            description="who asked for the recusal: self 本人, or the code of a capacity: party 当事人, "
            "legal_representative 法定代理人"
        ),
    ]
    applicant: Annotated[
        str | None,
        msgspec.Meta(
            description="name of the applicant; null: the auxiliary declared it, or the reader is that auxiliary"
        ),
    ]
    oral: Annotated[bool, msgspec.Meta(description="the application was made orally and written down")]
    ground: Ground
    words: Annotated[
        str | None,
        msgspec.Meta(
            description="the facts behind the ground; null: somebody else asked, and the reader is the auxiliary"
        ),
    ]
    taken_by: Annotated[UUID, msgspec.Meta(description="id of the person who wrote the request down")]
    taken_by_name: NameBeside = None
    asked_at: Annotated[
        Moment, msgspec.Meta(description="when the recusal was declared or applied for, in corrected time")
    ]
    decided_in: DecidedIn
    state: RecusalState
    standing_aside: StandingAside
    due_at: DueAt
    told_at: Annotated[
        Moment | None, msgspec.Meta(description="when the applicant was told of the decision; null: not yet")
    ]
    version: Version
    shift: FromShift = None
    activity: FromActivity = None
    mediation: FromMediation = None
    incident_ref: FromIncident = None
    reconsider_until: ReconsiderUntil = None


class RecusalStepRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step about a recusal: who took it, and why."""

    step: Annotated[
        Literal["stand_aside", "go_on", "grant", "refuse", "pass_on", "reconsider", "tell", "judge", "extend"],
        msgspec.Meta(
            description="stand_aside 暂停参与, go_on 继续参与, grant 决定回避, refuse 驳回, pass_on 报上级, "
            "reconsider 申请复议, tell 告知申请人, judge 认定行为效力, extend 批准延长决定期限"
        ),
    ]
    by_person: Annotated[UUID, msgspec.Meta(description="id of the person who took this step of the recusal")]
    by_name: Annotated[str, msgspec.Meta(description="name of the person who took this step of the recusal")]
    at: Annotated[Moment, msgspec.Meta(description="when this step of the recusal was taken, in corrected time")]
    words: Annotated[
        str, msgspec.Meta(description="the reasons, or what was said; empty: hidden from the auxiliary concerned")
    ]
    how: Annotated[
        ContactMethod | None, msgspec.Meta(description="how the applicant was told; null: the step is no telling")
    ]
    organ: Annotated[
        str | None, msgspec.Meta(description="code of the organ that decides from now on; null: not passed on")
    ]


class ActOnCase(msgspec.Struct, frozen=True, kw_only=True):
    """An activity of the recused person on the case, or on what else it is about, and whether it stands."""

    activity: ActivityId
    work: Annotated[str, msgspec.Meta(description="code of the work done on the case")]
    started_at: Annotated[Moment, msgspec.Meta(description="when the work on the case began, in corrected time")]
    stands: Annotated[bool | None, msgspec.Meta(description="whether the act stands; null: nobody decided yet")]
    words: Annotated[str | None, msgspec.Meta(description="why the act stands or does not; null: nobody decided yet")]


class RecusalDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One recusal with its steps, and what the person did on the case."""

    recusal: Annotated[RecusalRow, msgspec.Meta(description="the recusal as it stands now")]
    steps: Annotated[list[RecusalStepRow], msgspec.Meta(description="what was decided and done about it, in order")]
    acts: Annotated[list[ActOnCase], msgspec.Meta(description="what the person did on the case, and whether it stands")]
    papers: Annotated[
        list[PaperLine],
        msgspec.Meta(description="papers that came with it; none for the auxiliary, where somebody else applied"),
    ]


async def recusals(
    actor: Actor, status: RecusalStatus, cursor: str | None, limit: int, incident: str | None = None
) -> Page[RecusalRow]:
    """A page of one's own recusals, those one wrote down, and those of the organs that one oversees.

    `incident`: only those that name this incident.
    """
    where, values = STATUSES[status], [] if incident is None else [incident]
    where = f"({where}) AND {OF_INCIDENT}" if values else where
    listed = ListQuery(RECUSALS, "recusal r", VISIBLE, where, by="asked_at")
    rows = await rows_of_page(listed, actor, cursor, limit, *values)
    return Page(items=[_recusal_row(actor, row) for row in rows[:limit]], next=next_page(rows, limit, "asked_at"))


async def recusal(actor: Actor, wanted: UUID) -> RecusalDetail:
    """One recusal. Raises Refusal `unknown_recusal`."""
    row = await first(f"{RECUSALS} WHERE r.id = $3 AND {VISIBLE.condition}", *viewer(actor), wanted)
    if row is None:
        raise Refusal("unknown_recusal")
    steps = [as_row(RecusalStepRow, step) for step in await fetch(STEPS, wanted)]
    if _hides_applicant(actor, row):
        steps = [step if step.step != "reconsider" else msgspec.structs.replace(step, words="") for step in steps]
    acts = [as_row(ActOnCase, act) for act in await fetch(ACTS, wanted, row["person"])]
    hidden = _hides_applicant(actor, row)
    papers = [] if hidden else [as_row(PaperLine, paper) for paper in await fetch(PAPERS, wanted)]
    return RecusalDetail(recusal=_recusal_row(actor, row), steps=steps, acts=acts, papers=papers)


async def matters_of_paper(actor: Actor, document: UUID) -> list[MatterOfPaper]:
    """The recusals with which this paper came, of those that the actor may see with what was said for them."""
    rows = await fetch(RECUSALS_OF_PAPER, *viewer(actor), document)
    return [MatterOfPaper(kind="recusal", id=row["id"]) for row in rows]


def _hides_applicant(actor: Actor, row: Record) -> bool:
    """Whether the actor is the person concerned and somebody else applied."""
    return bool(row["capacity"] != "self" and actor.person == row["person"])


def _recusal_row(actor: Actor, row: Record) -> RecusalRow:
    terms = law().recusals.terms_of(row["case_kind"])
    last = rules.reconsider_until(law(), terms, row["state"], row["told_at"])
    recusal_row = as_row(RecusalRow, {**dict(row), "reconsider_until": last})
    hidden = _hides_applicant(actor, row)
    return msgspec.structs.replace(recusal_row, applicant=None, words=None) if hidden else recusal_row
