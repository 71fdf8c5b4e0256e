"""What auxiliaries raise themselves: suggestions, appeals, harassment. One transaction each.

Guarantees: whom one appeals against neither reads nor answers it; footage that shows harassment is held in the same
transaction. Source: R.13(4), (5), 27, 39.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

from backend.complaints.schemas import AnswerMatter, LinkFootage, RaiseMatter
from backend.core import findings
from backend.core.database import Record, execute, fetch, first, value
from backend.core.findings import Overdue
from backend.core.journal import utc
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import OVERSEEING, reaches, viewer, visible_to
from backend.evidence.retention import legal_holds
from backend.evidence.retention.legal_holds import NewHold

INSERT = """
INSERT INTO matter (id, person, organ, kind, against, of_relative, words, raised_at, answer_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
ANSWER = "UPDATE matter SET answered_by = $2, answered_at = $3, answer = $4 WHERE id = $1"
LINK = "INSERT INTO matter_recording (matter, recording) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING recording"
OWN = """
SELECT u.id AS told, coalesce(u.same_as, u.id) AS id FROM upload u
WHERE u.id = ANY ($1) AND u.owner = $2 AND u.kind = 'recording'
"""
VISIBLE = visible_to(own=["m.person"], organ="m.organ").only("m.against IS DISTINCT FROM $1")
ROW = f"SELECT m.* FROM matter m WHERE m.id = $3 AND {VISIBLE.condition}"  # noqa: S608 - constants


async def bring_up(occasion: Occasion, entry: RaiseMatter) -> Outcome:
    """Raises Refusal `unknown_person`, `own_matter`, `relative_of_harassment`, `unknown_recording`."""
    actor = occasion.actor
    if entry.of_relative and entry.kind != "harassment":
        raise Refusal("relative_of_harassment")
    if entry.against == actor.person:
        raise Refusal("own_matter")
    if entry.against is not None and not await value("SELECT count(*) FROM person WHERE id = $1", entry.against):
        raise Refusal("unknown_person")
    await execute(
        INSERT, entry.id, actor.person, actor.organ, entry.kind, entry.against, entry.of_relative, entry.words,
        occasion.at, occasion.at + occasion.law.span("matter_answer"),
    )  # fmt: skip
    await _link(occasion, entry.id, actor.organ, entry.recordings)
    return await _outcome(entry.id)


async def link(occasion: Occasion, entry: LinkFootage) -> Outcome:
    """Raises Refusal `unknown_matter`, `unknown_recording`."""
    row = await first("SELECT * FROM matter WHERE id = $1 AND person = $2", entry.matter, occasion.actor.person)
    if row is None:
        raise Unknown("unknown_matter", entry.matter)
    await _link(occasion, row["id"], row["organ"], entry.recordings)
    return await _outcome(row["id"])


async def answer(occasion: Occasion, entry: AnswerMatter) -> Outcome:
    """Raises Refusal `unknown_matter`, `not_for_your_role`, `own_matter`, `matter_answered`."""
    row = await _known(occasion.actor, entry.matter)
    if occasion.actor.person == row["person"]:
        raise Refusal("own_matter")
    if not await reaches(occasion.actor, row["organ"], OVERSEEING):
        raise Refusal("not_for_your_role")
    if row["answered_at"] is not None:
        raise Refusal("matter_answered")
    if occasion.at <= row["answer_by"]:
        await findings.withdraw("matter_overdue", row["id"])
    await execute(ANSWER, row["id"], occasion.actor.person, occasion.at, entry.words)
    return await _outcome(row["id"])


async def which(actor: Actor, entry: AnswerMatter | LinkFootage) -> Iterable[UUID]:
    """The matter itself, which is answered once."""
    return (actor.person, entry.matter)


async def _known(actor: Actor, matter: UUID) -> Record:
    row = await first(ROW, *viewer(actor), matter)
    if row is None:
        raise Unknown("unknown_matter", matter)
    return row


async def _link(occasion: Occasion, matter: UUID, organ: str, recordings: Sequence[UUID]) -> None:
    """Footage of one's own, each held by itself."""
    own = {row["told"]: row["id"] for row in await fetch(OWN, list(recordings), occasion.actor.person)}
    for told in recordings:
        if told not in own:
            raise Unknown("unknown_recording", told)
        if await first(LINK, matter, own[told]) is not None:
            reason, by = occasion.law.messages["hold_of_matter"].zh, occasion.actor.person
            kept = NewHold(uuid4(), organ, reason, by, occasion.timing.as_of, "matter", matter, upload=own[told])
            await legal_holds.insert_hold(kept)


async def _outcome(asked: UUID) -> Outcome:
    row: Any = await first("SELECT * FROM matter WHERE id = $1", asked)
    told = {
        "id": str(asked),
        "kind": row["kind"],
        "raised_at": utc(row["raised_at"]),
        "answer_by": utc(row["answer_by"]),
        "answered_at": row["answered_at"] and utc(row["answered_at"]),
    }
    return Outcome(subject={"matter": told}, subjects=[asked, row["person"]], organ=row["organ"])


OVERDUE = (
    Overdue(
        kind="matter_overdue",
        due="SELECT id, organ, answer_by AS since FROM matter WHERE answered_at IS NULL AND answer_by < $1",
    ),
)
