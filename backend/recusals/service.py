"""Record that a recusal is declared, applied for, decided, and that the applicant is told: one transaction each.

Guarantees: each step is a row of its own and names the version it saw, so of two decisions on one version only one is
recorded. Who may not work on what, and when, follows from the steps alone (view `recused`). Nobody decides in their
own matter. refresh_findings finds what was done on a case meanwhile. Source: R.33, DOMAIN §4; docs/adr/0020.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from backend.core import findings
from backend.core.database import Record, execute, first, value
from backend.core.days import until
from backend.core.findings import Overdue, Touched
from backend.core.journal import utc
from backend.core.officers import organ_of_auxiliary
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, name_of, reaches, viewer, visible_to
from backend.evidence.papers import own_papers
from backend.law.catalogue import Law
from backend.recusals import rules
from backend.recusals.schemas import (
    ApplyForRecusal,
    DecideRecusal,
    DeclareRecusal,
    ExtendRecusal,
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
    asked_at, decided_in, state, due_at, version, shift, activity, mediation, incident_ref)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, organ_that_decides($3, $18), 'pending', $13, 1, $14, $15,
    $16, $17)
RETURNING *, false AS standing_aside
"""
ATTACH = "INSERT INTO recusal_paper (recusal, document) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING"
MOVE = "UPDATE recusal SET version = $2, state = $3, due_at = $4, decided_in = $5 WHERE id = $1 RETURNING *"
COUNT_OF_ACTS = """
SELECT count(*) FROM activity a
WHERE a.id = ANY ($1) AND a.person = $2 AND a.id IN (SELECT acts_of_recusal($3))
"""
THEIR_SHIFT = "SELECT FROM shift WHERE id = $1 AND person = $2"
THEIR_ACT = "SELECT FROM activity WHERE id = $1 AND person = $2"
VISIBLE = visible_to(own=["r.person", "r.taken_by"], organ="r.organ")
RECUSALS = f"""
SELECT r.*, p.badge, p.name, {name_of("r.taken_by")} AS taken_by_name,
    coalesce(l.step = 'stand_aside', false) AS standing_aside,
    coalesce(x.at, r.asked_at) AS latest,
    (SELECT max(at) FROM recusal_step t WHERE t.recusal = r.id AND t.step = 'tell') AS told_at
FROM recusal r JOIN person_now p ON p.id = r.person
LEFT JOIN LATERAL (SELECT step FROM recusal_step t WHERE t.recusal = r.id
    AND t.step IN ('stand_aside', 'go_on', 'grant', 'refuse', 'reconsider') ORDER BY version DESC LIMIT 1) l ON true
LEFT JOIN LATERAL (SELECT at FROM recusal_step t WHERE t.recusal = r.id ORDER BY version DESC LIMIT 1) x ON true
"""  # noqa: S608 - constants
ROW = f"{RECUSALS} WHERE r.id = $3 AND {VISIBLE.condition}"
LED_THEM = """
SELECT count(*) > 0 FROM activity a JOIN led l ON l.auxiliary = a.person
WHERE a.id IN (SELECT acts_of_recusal($3)) AND a.person = $2 AND l.officer = $1
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
    """An auxiliary declares their own recusal. Raises Refusal as `_record_request`."""
    actor = occasion.actor
    return await _record_request(occasion, entry, RecusalRequest(actor.person, occasion.organ, "self", None, False))


async def apply(occasion: Occasion, entry: ApplyForRecusal) -> Outcome:
    """An officer writes down a party's application. Raises Refusal `not_an_auxiliary`, `unknown_capacity`, and as
    `_record_request`."""
    if entry.capacity not in occasion.law.recusals.applicants:
        raise Refusal("unknown_capacity")
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
    await findings.withdraw_overdue("recusal_overdue", row["id"], row["due_at"], occasion.at)
    return outcome


async def extend(occasion: Occasion, entry: ExtendRecusal) -> Outcome:
    """Approve that a complex case takes longer to decide. The term still runs from the application.

    Raises Refusal as `decide`, `recusal_not_extendable`, `not_the_approver`, `recusal_extended_before`; live
    `recusal_extended_late`.
    """
    row = await _for_decider(occasion, entry)
    terms = occasion.law.recusals.terms_of(row["case_kind"])
    if terms.extended is None or await _has(row["id"], "reconsider"):
        raise Refusal("recusal_not_extendable")
    if not await reaches(occasion.actor, row["decided_in"], frozenset(terms.extended_by_roles)):
        raise Refusal("not_the_approver")
    if await _has(row["id"], "extend"):
        raise Refusal("recusal_extended_before")
    unmet = occasion.require(rules.extended(occasion.at, row["due_at"]))
    await findings.withdraw_overdue("recusal_overdue", row["id"], row["due_at"], occasion.at)
    step = Step("extend", entry.why, due_at=until(occasion.law, terms.extended, row["asked_at"]))
    return await _take(occasion, entry, row, step, unmet)


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
    terms = occasion.law.recusals.terms_of(row["case_kind"])
    if terms.reconsidered is None:
        raise Refusal("reconsideration_criminal_only")
    if await _has(row["id"], "reconsider"):
        raise Refusal("reconsidered_before")
    last = rules.reconsider_until(occasion.law, terms, row["state"], row["told_at"])
    unmet = occasion.require(rules.too_late(occasion.at, last))
    await execute(ATTACH, row["id"], await own_papers(occasion.actor, entry.papers))
    due = until(occasion.law, terms.reconsidered, occasion.at)
    step = Step("reconsider", entry.words, state="pending", due_at=due)
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
    """Decide whether earlier acts stand that the recusal is about.

    Raises Refusal `unknown_recusal`, `stale`, `not_the_decider`, `own_matter`, `recusal_not_granted`;
    `unknown_activity` for an act that is not the person's, or not among these.
    """
    row = await _visible_recusal(occasion, entry)
    await _must_decide(occasion.actor, row)
    if row["state"] != "granted":
        raise Refusal("recusal_not_granted")
    activities = list({act.activity for act in entry.acts})
    if await value(COUNT_OF_ACTS, activities, row["person"], row["id"]) < len(entry.acts):
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
    """Insert a recusal with its deadline. Raises Refusal `unknown_ground`, `unknown_document`, and as
    `_check_about`."""
    law = occasion.law
    if entry.ground not in law.recusals.grounds:
        raise Refusal("unknown_ground")
    await _check_about(law, entry, request.person)
    papers = await own_papers(occasion.actor, entry.papers)
    due = rules.due(law, law.recusals.terms_of(entry.case_kind), occasion.at)
    row = await first(
        INSERT, entry.id, request.person, request.organ, entry.case_ref, entry.case_kind, request.capacity,
        request.applicant, request.oral, entry.ground, entry.words, occasion.actor.person, occasion.at, due,
        entry.shift, entry.activity, entry.mediation, entry.incident_ref, law.decision("recusal").level,
    )  # fmt: skip
    await execute(ATTACH, entry.id, papers)
    return _outcome(_standing(row, aside=False), row, since=occasion.at)


async def _check_about(law: Law, entry: DeclareRecusal | ApplyForRecusal, person: UUID) -> None:
    """Check what the recusal is from.

    Raises Refusal `recusal_about_one`; `recusal_not_from_this`: the law has none from it; `unknown_shift`,
    `unknown_activity`: not that person's.
    """
    given = rules.abouts(
        {
            "case": entry.case_ref, "shift": entry.shift, "activity": entry.activity, "mediation": entry.mediation,
            "incident": entry.incident_ref,
        }
    )  # fmt: skip
    if not given or (entry.case_ref is None) != (entry.case_kind is None):
        raise Refusal("recusal_about_one")
    if not law.recusals.about.keys() >= {*given}:
        raise Refusal("recusal_not_from_this")
    if entry.shift is not None and await first(THEIR_SHIFT, entry.shift, person) is None:
        raise Unknown("unknown_shift", entry.shift)
    if entry.activity is not None and await first(THEIR_ACT, entry.activity, person) is None:
        raise Unknown("unknown_activity", entry.activity)


async def _has(recusal: UUID, step: str) -> bool:
    """Whether this step was taken before."""
    return await RecusalStep.exists().where(RecusalStep.recusal == recusal, RecusalStep.step == step)


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
    told_at = at if step.step == "tell" else row["told_at"]
    last = rules.reconsider_until(occasion.law, occasion.law.recusals.terms_of(row["case_kind"]), state, told_at)
    standing = _standing(moved, asides.get(step.step, row["standing_aside"]), last)
    return _outcome(standing, moved, since=at, unmet=unmet)


async def _visible_recusal(occasion: Occasion, entry: OnRecusal) -> Record:
    """The recusal, if the actor may see it. Raises Refusal `unknown_recusal`; `stale` with how it stands now."""
    row = await first(ROW, *viewer(occasion.actor), entry.recusal)
    if row is None:
        raise Unknown("unknown_recusal", entry.recusal)
    if row["version"] != entry.version:
        terms = occasion.law.recusals.terms_of(row["case_kind"])
        last = rules.reconsider_until(occasion.law, terms, row["state"], row["told_at"])
        raise Refusal("stale", extra={"current": _standing(row, row["standing_aside"], last)})
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

    `own_matter` for the person recused, for whoever wrote the request down or led that person in what it is about.
    """
    await _must_command(actor, row)
    if actor.person in (row["person"], row["taken_by"]) or await value(
        LED_THEM, actor.person, row["person"], row["id"]
    ):
        raise Refusal("own_matter")


def _standing(row: Any, aside: bool, reconsider_until: datetime | None = None) -> dict[str, Any]:
    """A recusal as receipts and the journal show it."""
    return {
        "id": str(row["id"]),
        "person": str(row["person"]),
        "state": row["state"],
        "standing_aside": aside,
        "decided_in": row["decided_in"],
        "due_at": row["due_at"] and utc(row["due_at"]),
        "version": row["version"],
        "reconsider_until": reconsider_until and utc(reconsider_until),
    }


def _outcome(standing: dict[str, Any], row: Any, *, since: datetime, unmet: Iterable[str] = ()) -> Outcome:
    return Outcome(
        subject={"recusal": standing},
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
