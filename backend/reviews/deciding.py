"""Tell a finding to the person whom it concerns, and decide about what they reply (采纳／不采纳).

Guarantees: who decides oversees the organ, is not the person, did not order the act, and did not lead then. A finding
is decided once it was told and answered, or its term to answer is over; a new reply may be decided anew. An assessment
(考核) counts nothing else: nothing with an objective cause, nothing against the organ, nothing that comes of an
officer's silence, nothing that was ordered. Source: R.7, 13, 31.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from backend.core.database import Record, execute, fetch, first
from backend.core.days import until
from backend.core.described import Badge, OrganCode, PersonName
from backend.core.journal import utc
from backend.core.paging import ListQuery, Page, moment_parameter, next_page, rows_of_page
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import reaches, viewer, visible_to
from backend.core.wire import Entry, Moment, Receipt, Words
from backend.law.catalogue import Language, law
from backend.oversight.findings_lists import FINDING
from backend.reviews import rules
from backend.reviews.tables import FindingDecision

FindingId = Annotated[UUID, msgspec.Meta(description="id of the finding that is told or decided")]
Accepted = Annotated[
    bool, msgspec.Meta(description="true: the reply is accepted 采纳, and the finding counts for nothing; false 不采纳")
]
ROWS = f"""
SELECT f.id, f.person, f.organ, f.withdrawn_at, led_then(f, $1) AS led, EXISTS (
    SELECT FROM given_order o WHERE o.id = f.subject AND o.officer = $1) AS ordered
FROM finding f WHERE f.id = ANY ($3) AND {FINDING.condition}
"""  # noqa: S608
STATE = """
SELECT t.answer_by, (SELECT max(y.at) FROM finding_reply y WHERE y.finding = $1 AND y.by_person = $2) AS replied_at,
    (SELECT max(d.at) FROM finding_decision d WHERE d.finding = $1) AS decided_at
FROM (SELECT $1::uuid AS finding) x LEFT JOIN finding_told t ON t.finding = x.finding
"""
TELL = """
INSERT INTO finding_told (finding, person, told_by, at, answer_by) SELECT unnest($1::uuid[]), $2, $3, $4, $5
ON CONFLICT (finding) DO NOTHING
"""
DECIDED = """
SELECT x.accepted, x.why, x.at FROM finding_decision x WHERE x.finding = f.id ORDER BY x.at DESC, x.id DESC LIMIT 1
"""
# $3 the kinds that count, $4 the objective causes, $5 the tolerance; $6 the person, $7, $8 the time.
ASSESSED = f"""
SELECT f.id, f.kind, f.organ, f.person, p.badge, p.name, f.started_at, f.ended_at, f.found_at,
    coalesce(t.at, (
        SELECT min(y.at) FROM finding_reply y WHERE y.finding = f.id AND y.by_person = f.person)) AS told_at,
    (SELECT count(*) FROM finding_reply y WHERE y.finding = f.id AND y.by_person = f.person) AS replies,
    d.at AS decided_at, d.why
FROM finding f JOIN person_now p ON p.id = f.person LEFT JOIN finding_told t ON t.finding = f.id
CROSS JOIN LATERAL ({DECIDED}) d
"""  # noqa: S608
COUNTS = f"""
f.withdrawn_at IS NULL AND f.person IS NOT NULL AND NOT f.against_organ AND f.kind = ANY ($3::text[])
AND NOT (SELECT d.accepted FROM ({DECIDED}) d) AND excuses(f, $4::text[], $5::interval) = '{{}}'
AND ($6::uuid IS NULL OR f.person = $6) AND f.found_at >= coalesce($7::timestamptz, '-infinity')
AND f.found_at < coalesce($8::timestamptz, 'infinity')
"""  # noqa: S608
ASSESSABLE = visible_to(own=["f.person"], organ="f.organ")


class TellFindings(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Tell a person what was found about them. From then on they have a term to reply."""

    person: Annotated[UUID, msgspec.Meta(description="id of the person whom the findings concern")]
    findings: Annotated[
        list[UUID], msgspec.Meta(min_length=1, max_length=200, description="ids of the findings, all of this person")
    ]


class DecideFinding(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Decide about a finding and what its person replied (采纳／不采纳)."""

    finding: FindingId
    accepted: Accepted
    why: Annotated[Words, msgspec.Meta(description="why it is decided so; the person reads it")]


class ToldStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Findings that were told."""

    findings: Annotated[list[UUID], msgspec.Meta(description="ids of the findings that were told")]
    answer_by: Annotated[Moment, msgspec.Meta(description="until then the person may reply before it is decided")]


class ToldReceipt(Receipt, kw_only=True):
    """The answer where findings are told."""

    told: Annotated[ToldStanding, msgspec.Meta(description="what was told")]


class DecisionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A decision about a finding."""

    id: Annotated[UUID, msgspec.Meta(description="id of the decision")]
    finding: FindingId
    accepted: Accepted
    at: Annotated[Moment, msgspec.Meta(description="when the finding was decided")]


class DecisionReceipt(Receipt, kw_only=True):
    """The answer where a finding is decided."""

    decision: Annotated[DecisionStanding, msgspec.Meta(description="the decision as recorded")]


class AssessedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that counts in an assessment: told, answerable and decided."""

    id: FindingId
    kind: Annotated[str, msgspec.Meta(description="code of the finding, as in the catalogue")]
    message: Annotated[str, msgspec.Meta(description="what was found, a sentence in the reader's language")]
    organ: OrganCode
    person: Annotated[UUID, msgspec.Meta(description="id of the person for whom it counts")]
    badge: Badge
    name: PersonName
    started_at: Annotated[Moment | None, msgspec.Meta(description="start of the time it is about; null: no interval")]
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end of the time it is about; null: no interval")]
    found_at: Annotated[Moment, msgspec.Meta(description="when the server found it")]
    told_at: Annotated[Moment, msgspec.Meta(description="when the person was told of it, or first replied")]
    replies: Annotated[int, msgspec.Meta(description="how often the person replied")]
    decided_at: Annotated[Moment, msgspec.Meta(description="when the finding was decided")]
    why: Annotated[str, msgspec.Meta(description="why it was decided so")]


async def tell(occasion: Occasion, entry: TellFindings) -> Outcome:
    """Tell findings. Raises Refusal `unknown_finding`, `own_matter`, `led_then`, `finding_withdrawn`."""
    wanted = sorted(set(entry.findings))
    rows = await _decidable(occasion.actor, wanted)
    if len(rows) < len(wanted) or any(row["person"] != entry.person for row in rows):
        raise Unknown("unknown_finding", wanted[0])
    at = occasion.timing.as_of
    answer_by = until(occasion.law, "finding_answer", at)
    await execute(TELL, wanted, entry.person, occasion.actor.person, at, answer_by)
    told = {"findings": [str(each) for each in wanted], "answer_by": utc(answer_by)}
    return Outcome(subject={"told": told}, subjects=[*wanted, entry.person], organ=rows[0]["organ"])


async def decide(occasion: Occasion, entry: DecideFinding) -> Outcome:
    """Decide about a finding. Raises Refusal as `tell`, and `finding_not_told`, `finding_unanswered`,
    `finding_decided`."""
    rows = await _decidable(occasion.actor, [entry.finding])
    if not rows or rows[0]["person"] is None:
        raise Unknown("unknown_finding", entry.finding)
    row, at = rows[0], occasion.timing.as_of
    state: Any = await first(STATE, row["id"], row["person"])
    lacks = rules.decision_lacks(state["answer_by"], state["replied_at"], state["decided_at"], at)
    if lacks is not None:
        raise Refusal(lacks)
    await FindingDecision.insert(
        FindingDecision(
            id=entry.id, finding=row["id"], accepted=entry.accepted, why=entry.why, by_person=occasion.actor.person,
            at=at,
        )
    )  # fmt: skip
    decision = {"id": str(entry.id), "finding": str(row["id"]), "accepted": entry.accepted, "at": utc(at)}
    return Outcome(subject={"decision": decision}, subjects=[row["id"], row["person"]], organ=row["organ"])


async def lock_ids(actor: Actor, entry: DecideFinding) -> Iterable[UUID]:
    """Lock the finding: its decisions are taken one at a time."""
    return (actor.person, entry.finding)


async def _decidable(actor: Actor, findings: list[UUID]) -> list[Record]:
    """These findings, as far as the actor may tell or decide them.

    Raises Refusal `unknown_finding`, `own_matter`, `led_then`, `finding_withdrawn`.
    """
    rows = list(await fetch(ROWS, *viewer(actor), findings))
    for row in rows:
        if not await reaches(actor, row["organ"]):
            raise Unknown("unknown_finding", row["id"])
        if row["person"] == actor.person or row["ordered"]:
            raise Refusal("own_matter")
        if row["led"]:
            raise Refusal("led_then")
        if row["withdrawn_at"] is not None:
            raise Refusal("finding_withdrawn")
    return rows


async def assessed(
    actor: Actor, person: UUID | None, span: tuple[datetime | None, datetime | None], language: Language,
    cursor: str | None, limit: int,
) -> Page[AssessedFinding]:  # fmt: skip
    """A page of the findings that count in an assessment: one's own, and those of the organs that one oversees.

    `span`: found from the one moment until before the other. Raises Refusal `invalid`.
    """
    since, before = (
        moment and moment_parameter(name, moment) for name, moment in zip(("from", "to"), span, strict=True)
    )
    listed = ListQuery(ASSESSED, "finding f", ASSESSABLE, f"EXISTS ({DECIDED}) AND {COUNTS}", by="found_at")
    answers, tolerance = law().answers, law().span("gap_tolerance")
    values = (answers.counted(), answers.objective_causes, tolerance, person, since, before)
    rows = await rows_of_page(listed, actor, cursor, limit, *values)
    return Page(items=[_assessed(row, language) for row in rows[:limit]], next=next_page(rows, limit, "found_at"))


def _assessed(row: Record, language: Language) -> AssessedFinding:
    columns = {name: row[name] for name in AssessedFinding.__struct_fields__ if name != "message"}
    return AssessedFinding(**columns, message=law().messages[row["kind"]].sentence(language))
