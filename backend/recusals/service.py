"""Record that a recusal is declared, applied for, decided, and that the applicant is told: one transaction each.

Guarantees: each step is a row of its own and names the version it saw, so of two decisions on one version only one is
recorded. Who may not work on a case, and when, follows from the steps alone (view `recused`). Nobody decides in their
own matter. refresh_findings finds what was done on a case meanwhile. Source: R.33, DOMAIN §4; docs/adr/0020.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from backend.core import findings
from backend.core.database import Record, execute, first, value
from backend.core.findings import Overdue, Touched
from backend.core.journal import utc
from backend.core.officers import organ_of_auxiliary
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, reaches, viewer, visible_to
from backend.evidence.papers import own_papers
from backend.recusals import rules
from backend.recusals.schemas import (
    ApplyForRecusal,
    DecideRecusal,
    DeclareRecusal,
    JudgeActs,
    OnRecusal,
    PassOnRecusal,
    ReconsiderRecusal,
    StandAside,
    TellApplicant,
)
from backend.recusals.tables import RecusalAct, RecusalStep

INSERT = """
INSERT INTO recusal (id, person, organ, case_ref, case_kind, capacity, applicant, oral, ground, words, taken_by,
    asked_at, decided_in, state, due_at, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, deciding_organ($3), 'pending', $13, 1)
RETURNING *, false AS standing_aside
"""
ATTACH = "INSERT INTO recusal_paper (recusal, document) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING"
MOVE = "UPDATE recusal SET version = $2, state = $3, due_at = $4, decided_in = $5 WHERE id = $1 RETURNING *"
COUNT_OF_CASE = """
SELECT count(DISTINCT t.activity) FROM activity_telling t JOIN activity a ON a.id = t.activity
WHERE t.activity = ANY ($1) AND a.person = $2 AND case_key(t.case_ref) = case_key($3)
"""
VISIBLE = visible_to(own=["r.person", "r.taken_by"], organ="r.organ")
RECUSALS = """
SELECT r.*, p.badge, p.name, coalesce(l.step = 'stand_aside', false) AS standing_aside,
    coalesce(x.at, r.asked_at) AS latest,
    (SELECT max(at) FROM recusal_step t WHERE t.recusal = r.id AND t.step = 'tell') AS told_at
FROM recusal r JOIN person_now p ON p.id = r.person
LEFT JOIN LATERAL (SELECT step FROM recusal_step t WHERE t.recusal = r.id
    AND t.step IN ('stand_aside', 'go_on', 'grant', 'refuse', 'reconsider') ORDER BY version DESC LIMIT 1) l ON true
LEFT JOIN LATERAL (SELECT at FROM recusal_step t WHERE t.recusal = r.id ORDER BY version DESC LIMIT 1) x ON true
"""
ROW = f"{RECUSALS} WHERE r.id = $3 AND {VISIBLE.condition}"
LED_THEM = """
SELECT count(*) > 0 FROM activity_telling t JOIN activity a ON a.id = t.activity JOIN led l ON l.auxiliary = a.person
WHERE case_key(t.case_ref) = case_key($3) AND a.person = $2 AND l.officer = $1
    AND l.named && acted(a) AND l.during && acted(a)
"""


class RecusalRequest(NamedTuple):
    """Whose recusal is requested, by whom and how."""

    person: UUID
    organ: str
    capacity: str
    applicant: str | None
    oral: bool


async def declare(occasion: Occasion, entry: DeclareRecusal) -> Outcome:
    """An auxiliary declares their own recusal. Raises Refusal `unknown_document`."""
    actor = occasion.actor
    return await _record_request(occasion, entry, RecusalRequest(actor.person, occasion.organ, "self", None, False))


async def apply(occasion: Occasion, entry: ApplyForRecusal) -> Outcome:
    """An officer writes down a party's application. Raises Refusal `not_an_auxiliary`, `unknown_document`."""
    organ = await organ_of_auxiliary(entry.person, occasion.at)
    return await _record_request(
        occasion, entry, RecusalRequest(entry.person, organ, entry.capacity, entry.applicant, entry.oral)
    )


async def stand_aside(occasion: Occasion, entry: StandAside) -> Outcome:
    """Order to stand aside or go on until the decision. Raises Refusal as `decide` does."""
    row = await _for_decider(occasion, entry)
    step = Step("stand_aside" if entry.aside else "go_on", entry.why)
    return await _take(occasion, entry, row, step)


async def decide(occasion: Occasion, entry: DecideRecusal) -> Outcome:
    """Grant or refuse. Raises Refusal `unknown_recusal`, `stale`, `recusal_decided`, `not_the_decider`,
    `own_matter`."""
    row = await _for_decider(occasion, entry)
    step = "grant" if entry.outcome == "granted" else "refuse"
    outcome = await _take(occasion, entry, row, Step(step, entry.why, state=entry.outcome))
    if occasion.at <= row["due_at"]:
        await findings.withdraw("recusal_overdue", row["id"])
    return outcome


async def pass_on(occasion: Occasion, entry: PassOnRecusal) -> Outcome:
    """Pass the decision to the organ above, for a commander with a conflict of interest.

    Raises Refusal `unknown_recusal`, `stale`, `recusal_decided`, `not_the_decider`, `no_higher_organ`.
    """
    row = await _pending(occasion, entry)
    await _must_command(occasion.actor, row)
    above = await value("SELECT parent FROM organ WHERE code = $1", row["decided_in"])
    if above is None:
        raise Refusal("no_higher_organ")
    return await _take(occasion, entry, row, Step("pass_on", entry.why, organ=above))


async def reconsider(occasion: Occasion, entry: ReconsiderRecusal) -> Outcome:
    """Apply for a second decision. Raises Refusal `unknown_recusal`, `stale`, `not_the_applicant`,
    `recusal_not_refused`, `reconsideration_criminal_only`, `reconsidered_before`, `unknown_document`; live
    `reconsideration_too_late`."""
    row = await _visible_recusal(occasion, entry)
    own = row["capacity"] == "self"
    if (occasion.actor.person != row["person"]) if own else (occasion.actor.kind != "officer"):
        raise Refusal("not_the_applicant")
    if row["state"] != "refused":
        raise Refusal("recusal_not_refused")
    if row["case_kind"] != "criminal":
        raise Refusal("reconsideration_criminal_only")
    if await RecusalStep.exists().where(RecusalStep.recusal == row["id"], RecusalStep.step == "reconsider"):
        raise Refusal("reconsidered_before")
    term = occasion.law.span("reconsideration_asked")
    unmet = occasion.require(rules.too_late(occasion.at, row["told_at"], term))
    await execute(ATTACH, row["id"], await own_papers(occasion.actor, entry.papers))
    step = Step("reconsider", entry.words, state="pending", due_at=occasion.at + occasion.law.span("reconsideration"))
    return await _take(occasion, entry, row, step, unmet)


async def tell(occasion: Occasion, entry: TellApplicant) -> Outcome:
    """Record that the applicant was told of the decision.

    Raises Refusal `unknown_recusal`, `stale`, `recusal_not_decided`, `nobody_to_tell`; `not_the_decider` unless the
    actor decides in that organ or wrote the application down.
    """
    row = await _visible_recusal(occasion, entry)
    if occasion.actor.person != row["taken_by"]:
        await _must_command(occasion.actor, row)
    if row["capacity"] == "self":
        raise Refusal("nobody_to_tell")
    if row["state"] == "pending":
        raise Refusal("recusal_not_decided")
    return await _take(occasion, entry, row, Step("tell", entry.words, how=entry.how))


async def judge(occasion: Occasion, entry: JudgeActs) -> Outcome:
    """Decide whether earlier acts on the case stand.

    Raises Refusal `unknown_recusal`, `stale`, `not_the_decider`, `own_matter`, `recusal_not_granted`;
    `unknown_activity` for an act that is not the person's on this case.
    """
    row = await _visible_recusal(occasion, entry)
    await _must_decide(occasion.actor, row)
    if row["state"] != "granted":
        raise Refusal("recusal_not_granted")
    activities = list({act.activity for act in entry.acts})
    if await value(COUNT_OF_CASE, activities, row["person"], row["case_ref"]) < len(entry.acts):
        raise Refusal("unknown_activity")
    outcome = await _take(occasion, entry, row, Step("judge", "-"))
    await RecusalAct.insert(
        *(
            RecusalAct(id=uuid4(), step=entry.id, activity=act.activity, stands=act.stands, words=act.why)
            for act in entry.acts
        )
    )
    return outcome


async def concerned(actor: Actor, entry: ApplyForRecusal | OnRecusal) -> Iterable[UUID]:
    """The persons whom an entry about a recusal concerns: the actor and the person recused, who never changes."""
    if isinstance(entry, ApplyForRecusal):
        return [actor.person, entry.person]
    person = await value("SELECT person FROM recusal WHERE id = $1", entry.recusal)
    return [actor.person] if person is None else [actor.person, person]


class Step(NamedTuple):
    """A step about a recusal, and what it changes; None: as before."""

    step: str
    words: str
    how: str | None = None
    organ: str | None = None
    state: str | None = None
    due_at: datetime | None = None


async def _record_request(
    occasion: Occasion, entry: DeclareRecusal | ApplyForRecusal, request: RecusalRequest
) -> Outcome:
    """Insert a recusal with its deadline."""
    law, criminal = occasion.law, entry.case_kind == "criminal"
    papers = await own_papers(occasion.actor, entry.papers)
    due = rules.due(occasion.at, criminal, law.span("recusal_decision"), law.span("recusal_decision_criminal"))
    row = await first(
        INSERT, entry.id, request.person, request.organ, entry.case_ref, entry.case_kind, request.capacity,
        request.applicant, request.oral, entry.ground, entry.words, occasion.actor.person, occasion.at, due,
    )  # fmt: skip
    await execute(ATTACH, entry.id, papers)
    return _outcome(row, aside=False, since=occasion.at)


async def _take(occasion: Occasion, entry: OnRecusal, row: Record, step: Step, unmet: Iterable[str] = ()) -> Outcome:
    """Insert a step and update the recusal."""
    at = max(occasion.at, row["latest"])
    version, state = row["version"] + 1, step.state or row["state"]
    due = step.due_at or row["due_at"] if state == "pending" else None
    await RecusalStep.insert(
        RecusalStep(
            id=entry.id, recusal=row["id"], version=version, step=step.step, by_person=occasion.actor.person, at=at,
            words=step.words, how=step.how, organ=step.organ,
        )
    )  # fmt: skip
    moved = await first(MOVE, row["id"], version, state, due, step.organ or row["decided_in"])
    asides = {"stand_aside": True, "go_on": False, "grant": False, "refuse": False, "reconsider": False}
    return _outcome(moved, aside=asides.get(step.step, row["standing_aside"]), since=at, unmet=unmet)


async def _visible_recusal(occasion: Occasion, entry: OnRecusal) -> Record:
    """The recusal, if the actor may see it. Raises Refusal `unknown_recusal`; `stale` with how it stands now."""
    row = await first(ROW, *viewer(occasion.actor), entry.recusal)
    if row is None:
        raise Unknown("unknown_recusal", entry.recusal)
    if row["version"] != entry.version:
        raise Refusal("stale", extra={"current": _standing(row, row["standing_aside"])})
    return row


async def _pending(occasion: Occasion, entry: OnRecusal) -> Record:
    """The recusal, while it is not decided. Raises Refusal as `_visible_recusal`, `recusal_decided`."""
    row = await _visible_recusal(occasion, entry)
    if row["state"] != "pending":
        raise Refusal("recusal_decided")
    return row


async def _for_decider(occasion: Occasion, entry: OnRecusal) -> Record:
    """The undecided recusal, for a person who may decide it. Raises Refusal as `_pending` and `_must_decide`."""
    row = await _pending(occasion, entry)
    await _must_decide(occasion.actor, row)
    return row


async def _must_command(actor: Actor, row: Record) -> None:
    """Raises Refusal `not_the_decider` unless the actor commands the organ that decides."""
    if not await reaches(actor, row["decided_in"], COMMANDING):
        raise Refusal("not_the_decider")


async def _must_decide(actor: Actor, row: Record) -> None:
    """Raises Refusal `not_the_decider`.

    `own_matter` for the person recused, for whoever wrote the request down or led that person on the case.
    """
    await _must_command(actor, row)
    if actor.person in (row["person"], row["taken_by"]) or await value(
        LED_THEM, actor.person, row["person"], row["case_ref"]
    ):
        raise Refusal("own_matter")


def _standing(row: Any, aside: bool) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "person": str(row["person"]),
        "state": row["state"],
        "standing_aside": aside,
        "decided_in": row["decided_in"],
        "due_at": row["due_at"] and utc(row["due_at"]),
        "version": row["version"],
    }


def _outcome(row: Any, *, aside: bool, since: datetime, unmet: Iterable[str] = ()) -> Outcome:
    return Outcome(
        subject={"recusal": _standing(row, aside)},
        subjects=[row["id"], row["person"], row["taken_by"]],
        organ=row["organ"],
        unmet=list(unmet),
        touches=Touched([row["person"]], since),
    )


OVERDUE = (
    Overdue(
        kind="recusal_overdue",
        due="SELECT id, decided_in AS organ, due_at AS since FROM recusal WHERE state = 'pending' AND due_at < $1",
    ),
)
