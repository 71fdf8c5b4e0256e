"""Record matters that auxiliaries raise (suggestions, appeals, harassment) and the answers: one transaction each.

Guarantees: the person appealed against can neither read nor answer a matter. Linked footage is held in the same
transaction. Harassment that became a police case keeps its number and how far it is. Source: R.13(4), (5), 27, 39.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

from backend.complaints.schemas import AnswerMatter, LinkFootage, RaiseMatter, TellCase
from backend.complaints.tables import Matter, MatterCase
from backend.core import findings
from backend.core.database import Record, execute, fetch, first
from backend.core.days import until
from backend.core.findings import Overdue
from backend.core.journal import utc
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, HeldConcern, Occasion, Outcome
from backend.core.visibility import OVERSEEING, reaches, viewer, visible_to
from backend.evidence.papers import hold_in_store, own_papers
from backend.evidence.retention import legal_holds
from backend.evidence.retention.legal_holds import NewHold
from backend.people.tables import Person

LINK = "INSERT INTO matter_recording (matter, recording) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING recording"
ATTACH = "INSERT INTO matter_paper (matter, document) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING"
OWN_RECORDINGS = """
SELECT u.id AS given, coalesce(u.same_as, u.id) AS id FROM upload u
WHERE u.id = ANY ($1) AND u.owner = $2 AND u.kind = 'recording'
"""
LAST_CASE = "SELECT case_ref, state, at, words FROM matter_case WHERE matter = $1 ORDER BY at DESC, id DESC LIMIT 1"
VISIBLE = visible_to(own=["m.person"], organ="m.organ").only("m.against IS DISTINCT FROM $1")
ROW = f"SELECT m.* FROM matter m WHERE m.id = $3 AND {VISIBLE.condition}"  # noqa: S608 - constants


async def raise_matter(occasion: Occasion, entry: RaiseMatter) -> Outcome:
    """Raise a matter. Raises Refusal `unknown_person`, `own_matter`, `relative_of_harassment`, `unknown_recording`,
    `unknown_document`.
    """
    actor = occasion.actor
    if entry.of_relative and entry.kind != "harassment":
        raise Refusal("relative_of_harassment")
    if entry.against == actor.person:
        raise Refusal("own_matter")
    if entry.against is not None and not await Person.exists().where(Person.id == entry.against):
        raise Refusal("unknown_person")
    papers = await own_papers(actor, entry.papers)
    await Matter.insert(
        Matter(
            id=entry.id, person=actor.person, organ=occasion.organ, kind=entry.kind, against=entry.against,
            of_relative=entry.of_relative, words=entry.words, raised_at=occasion.at,
            answer_by=until(occasion.law, "matter_answer", occasion.at),
        )
    )  # fmt: skip
    await execute(ATTACH, entry.id, papers)
    await hold_in_store(papers)
    await _link(occasion, entry.id, occasion.organ, entry.recordings)
    return await _outcome(entry.id)


async def link(occasion: Occasion, entry: LinkFootage) -> Outcome:
    """Link footage to one's own matter. Raises Refusal `unknown_matter`, `unknown_recording`."""
    row = await Matter.select().where(Matter.id == entry.matter, Matter.person == occasion.actor.person).first()
    if row is None:
        raise Unknown("unknown_matter", entry.matter)
    await _link(occasion, row["id"], row["organ"], entry.recordings)
    return await _outcome(row["id"])


async def answer(occasion: Occasion, entry: AnswerMatter) -> Outcome:
    """Answer a matter. Raises Refusal `unknown_matter`, `not_for_your_role`, `own_matter`, `matter_answered`,
    `unknown_document`.
    """
    row = await _to_handle(occasion.actor, entry.matter)
    if row["answered_at"] is not None:
        raise Refusal("matter_answered")
    papers = await own_papers(occasion.actor, entry.papers)
    await execute(ATTACH, row["id"], papers)
    await hold_in_store(papers)
    if occasion.at <= row["answer_by"]:
        await findings.withdraw("matter_overdue", row["id"])
    await Matter.update(
        {
            Matter.answered_by: occasion.actor.person,
            Matter.answered_at: occasion.at,
            Matter.answer: entry.words,
        }
    ).where(Matter.id == row["id"])
    return await _outcome(row["id"])


async def tell_case(occasion: Occasion, entry: TellCase) -> Outcome:
    """Record the police case that a harassment matter became, or how far it is.

    Raises Refusal `unknown_matter`, `not_for_your_role`, `own_matter`, `not_harassment`.
    """
    row = await _to_handle(occasion.actor, entry.matter)
    if row["kind"] != "harassment":
        raise Refusal("not_harassment")
    await MatterCase.insert(
        MatterCase(
            id=entry.id, matter=row["id"], case_ref=entry.case_ref, state=entry.state,
            by_person=occasion.actor.person, at=occasion.at, words=entry.words,
        )
    )  # fmt: skip
    return await _outcome(row["id"])


async def concerned(actor: Actor, entry: AnswerMatter | LinkFootage | TellCase) -> Iterable[UUID]:
    """The ids to lock: the actor and the matter, so that it is answered once."""
    return (actor.person, entry.matter)


async def kept_from_the_opponent(actor: Actor, entry: RaiseMatter) -> HeldConcern:
    """A held matter does not exist for the person whom it is against."""
    return HeldConcern(person=entry.against)


async def kept_like_its_matter(actor: Actor, entry: LinkFootage) -> HeldConcern:
    """A held link to footage is kept from the same person as its matter."""
    return HeldConcern(fact=entry.matter)


async def _to_handle(actor: Actor, matter: UUID) -> Record:
    """The matter, if the actor handles it. Raises Refusal `unknown_matter`, `own_matter`, `not_for_your_role`."""
    row = await _visible_matter(actor, matter)
    if actor.person == row["person"]:
        raise Refusal("own_matter")
    if not await reaches(actor, row["organ"], OVERSEEING):
        raise Refusal("not_for_your_role")
    return row


async def _visible_matter(actor: Actor, matter: UUID) -> Record:
    """The matter, if the actor may see it. Raises Refusal `unknown_matter`."""
    row = await first(ROW, *viewer(actor), matter)
    if row is None:
        raise Unknown("unknown_matter", matter)
    return row


async def _link(occasion: Occasion, matter: UUID, organ: str, recordings: Sequence[UUID]) -> None:
    """Link the actor's own recordings and hold each. Raises Refusal `unknown_recording`."""
    rows = await fetch(OWN_RECORDINGS, list(recordings), occasion.actor.person)
    own = {row["given"]: row["id"] for row in rows}
    for recording in recordings:
        if recording not in own:
            raise Unknown("unknown_recording", recording)
        if await first(LINK, matter, own[recording]) is not None:
            reason, by = occasion.law.messages["hold_of_matter"].zh, occasion.actor.person
            hold = NewHold(uuid4(), organ, reason, by, occasion.timing.as_of, "matter", matter, upload=own[recording])
            await legal_holds.insert_hold(hold)


async def _outcome(matter: UUID) -> Outcome:
    row: Any = await Matter.select().where(Matter.id == matter).first()
    case = await first(LAST_CASE, matter)
    standing = {
        "id": str(matter),
        "kind": row["kind"],
        "raised_at": utc(row["raised_at"]),
        "answer_by": utc(row["answer_by"]),
        "answered_at": row["answered_at"] and utc(row["answered_at"]),
        "case_state": case and case["state"],
        "case_told_at": case and utc(case["at"]),
    }
    return Outcome(subject={"matter": standing}, subjects=[matter, row["person"]], organ=row["organ"])


OVERDUE = (
    Overdue(
        kind="matter_overdue",
        due="SELECT id, organ, answer_by AS since FROM matter WHERE answered_at IS NULL AND answer_by < $1",
    ),
)
