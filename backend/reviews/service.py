"""Reviews: one transaction each.

Guarantees: nobody opens footage without a purpose and the number of a task; beyond one's rights, of oneself, and of
restricted footage, the commander of the collecting organ answers first, and never in their own matter; a recused person
opens nothing of that case; who keeps opening one person's footage without a task is a finding. Source: DESIGN §7;
公通字〔2016〕14号; R.33.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from backend.core.database import Record, execute, first, value
from backend.core.journal import utc
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, INSPECTING, reaches, viewer
from backend.evidence.reads import RECORDING_FILTER
from backend.oversight.findings_lists import FINDING
from backend.reviews.schemas import (
    ApproveReview,
    CloseReview,
    LiftRestriction,
    NoteInReview,
    OnReview,
    OpenReview,
    RefuseReview,
    ReplyToFinding,
    RestrictFootage,
)

INSERT = """
INSERT INTO review (id, recording, wearer, organ, reviewer, purpose, number, about, tasked, opened_at, over_at,
    needs_approval)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
# $1 the person, $2 the organs of their roles, $3 the recording, $4 whether they inspect anywhere.
FOOTAGE = f"""
SELECT r.id, r.wearer, r.organ, EXISTS (
    SELECT FROM restriction x WHERE x.recording = r.id AND x.lifted_at IS NULL) AS restricted
FROM recording r WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $3)
    AND NOT hidden_from($1, r.wearer, r.during) AND ($4 OR ({RECORDING_FILTER.condition}))
"""  # noqa: S608
TASKS = {
    "complaint": "SELECT EXISTS (SELECT FROM complaint WHERE id = $1) AND NOT may_not_handle($1, $2)",
    "spot_check": "SELECT EXISTS (SELECT FROM spot_check WHERE id = $1 AND $2::uuid IS NOT NULL)",
    "injury": "SELECT EXISTS (SELECT FROM injury WHERE id = $1 AND $2::uuid IS NOT NULL)",
    "matter": "SELECT EXISTS (SELECT FROM matter WHERE id = $1 AND against IS DISTINCT FROM $2)",
}
UNTASKED = """
SELECT count(*) FROM review WHERE reviewer = $1 AND wearer = $2 AND NOT tasked
    AND opened_at > $3::timestamptz - $4::interval
"""
DECIDE = """
UPDATE review SET decided_by = $2, decided_at = $3, allowed = $4, decided_why = $5, over_at = $6 WHERE id = $1
"""
CLOSE = "UPDATE review SET closed_at = $2, found = $3, words = $4 WHERE id = $1"
DONE = "UPDATE spot_check SET done_at = $2, done_by = $3, found = $4 WHERE id = $1 AND done_at IS NULL"
NOTE = "INSERT INTO review_note (id, review, at_ms, words, by_person, at) VALUES ($1, $2, $3, $4, $5, $6)"
RESTRICT = """
INSERT INTO restriction (id, recording, category, words, marked_by, marked_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING RETURNING id
"""
VISIBLE_RECORDING = f"""
SELECT r.id, r.organ FROM recording r
WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $3) AND {RECORDING_FILTER.condition}
"""  # noqa: S608
LIFT = "UPDATE restriction SET lifted_by = $2, lifted_at = $3, lifted_why = $4 WHERE id = $1"
REPLY = "INSERT INTO finding_reply (id, finding, by_person, words, at) VALUES ($1, $2, $3, $4, $5)"


async def open_one(occasion: Occasion, entry: OpenReview) -> Outcome:
    """Raises Refusal `unknown_recording`, `unknown_task`."""
    actor, at = occasion.actor, occasion.timing.as_of
    footage = await _footage(actor, entry.recording)
    about = await _task(actor, entry)
    tasked = bool(await value("SELECT belongs_to($1, $2, $3, $4)", footage["id"], entry.purpose, about, entry.number))
    own_right = await reaches(actor, footage["organ"], INSPECTING) and footage["wearer"] != actor.person
    await execute(
        INSERT, entry.id, footage["id"], footage["wearer"], footage["organ"], actor.person, entry.purpose, entry.number,
        about, tasked, at, at + occasion.law.span("review_lasts"), footage["restricted"] or not own_right,
    )  # fmt: skip
    return await _outcome(entry.id, () if tasked else await _too_often(occasion, footage["wearer"]))


async def approve(occasion: Occasion, entry: ApproveReview) -> Outcome:
    """Raises Refusal `unknown_review`, `own_matter`, `not_for_your_role`, `review_decided`, `review_closed`."""
    return await _decide(occasion, entry, True, entry.why)


async def refuse(occasion: Occasion, entry: RefuseReview) -> Outcome:
    """Raises as `approve`."""
    return await _decide(occasion, entry, False, entry.why)


async def _decide(occasion: Occasion, entry: OnReview, allowed: bool, why: str) -> Outcome:
    actor, at = occasion.actor, occasion.timing.as_of
    row = await first("SELECT * FROM review WHERE id = $1", entry.review)
    if row is None or not (row["reviewer"] == actor.person or await reaches(actor, row["organ"], COMMANDING)):
        raise Unknown("unknown_review", entry.review)
    if actor.person in (row["reviewer"], row["wearer"]):
        raise Refusal("own_matter")
    _still_open(row)
    if row["allowed"] is not None or not row["needs_approval"]:
        raise Refusal("review_decided")
    over = at + occasion.law.span("review_lasts")
    await execute(DECIDE, row["id"], actor.person, at, allowed, why, over)
    return await _outcome(row["id"])


async def note(occasion: Occasion, entry: NoteInReview) -> Outcome:
    """Raises Refusal `unknown_review`, `review_closed`, `review_unapproved`."""
    row = await _own(occasion.actor, entry.review)
    if row["needs_approval"] and not row["allowed"]:
        raise Refusal("review_unapproved")
    at = occasion.timing.as_of
    await execute(NOTE, entry.id, row["id"], entry.at_ms, entry.words, occasion.actor.person, at)
    return await _outcome(row["id"])


async def close(occasion: Occasion, entry: CloseReview) -> Outcome:
    """Raises Refusal `unknown_review`, `review_closed`, `found_alone`, `not_watched`."""
    row = await _own(occasion.actor, entry.review)
    found = sorted(set(entry.found))
    if "nothing_found" in found and len(found) > 1:
        raise Refusal("found_alone")
    at = occasion.timing.as_of
    if row["purpose"] == "spot_check":
        if not await value("SELECT count(*) FROM viewing WHERE review = $1 AND what = 'content'", row["id"]):
            raise Refusal("not_watched")
        if row["tasked"]:
            await execute(DONE, row["about"], at, occasion.actor.person, found)
    await execute(CLOSE, row["id"], at, found, entry.words)
    return await _outcome(row["id"])


async def restrict(occasion: Occasion, entry: RestrictFootage) -> Outcome:
    """Raises Refusal `unknown_recording`, `restricted_already`."""
    row = await first(VISIBLE_RECORDING, *viewer(occasion.actor), entry.recording)
    if row is None:
        raise Unknown("unknown_recording", entry.recording)
    at = occasion.timing.as_of
    made = await first(RESTRICT, entry.id, row["id"], entry.category, entry.words, occasion.actor.person, at)
    if made is None:
        raise Refusal("restricted_already")
    return await _restriction(entry.id)


async def lift(occasion: Occasion, entry: LiftRestriction) -> Outcome:
    """Raises Refusal `unknown_restriction`, `own_matter`, `restriction_lifted`."""
    sql = "SELECT x.*, r.organ, r.wearer FROM restriction x JOIN recording r ON r.id = x.recording WHERE x.id = $1"
    row = await first(sql, entry.restriction)
    if row is None or not await reaches(occasion.actor, row["organ"], COMMANDING):
        raise Unknown("unknown_restriction", entry.restriction)
    if row["wearer"] == occasion.actor.person:
        raise Refusal("own_matter")
    if row["lifted_at"] is not None:
        raise Refusal("restriction_lifted")
    await execute(LIFT, row["id"], occasion.actor.person, occasion.timing.as_of, entry.why)
    return await _restriction(row["id"])


async def reply(occasion: Occasion, entry: ReplyToFinding) -> Outcome:
    """Raises Refusal `unknown_finding`, `not_about_you`."""
    sql = f"SELECT f.person, f.organ FROM finding f WHERE f.id = $3 AND {FINDING.condition}"  # noqa: S608
    row = await first(sql, *viewer(occasion.actor), entry.finding)
    if row is None:
        raise Unknown("unknown_finding", entry.finding)
    if row["person"] != occasion.actor.person:
        raise Refusal("not_about_you")
    at = occasion.timing.as_of
    await execute(REPLY, entry.id, entry.finding, occasion.actor.person, entry.words, at)
    told = {"id": str(entry.id), "finding": str(entry.finding), "at": utc(at)}
    return Outcome(subject={"reply": told}, subjects=[entry.finding, occasion.actor.person], organ=row["organ"])


async def which(actor: Actor, entry: OnReview) -> Iterable[UUID]:
    """The review itself, which is decided and closed once."""
    return (actor.person, entry.review)


async def which_spot_check(actor: Actor, entry: CloseReview) -> Iterable[UUID]:
    """And the spot check, which is done once."""
    row = await first("SELECT about FROM review WHERE id = $1", entry.review)
    return (actor.person, entry.review, *([row["about"]] if row and row["about"] else []))


async def which_restriction(actor: Actor, entry: LiftRestriction) -> Iterable[UUID]:
    return (actor.person, entry.restriction)


async def _footage(actor: Actor, recording: UUID) -> Record:
    inspects = any(role.role in INSPECTING for role in actor.roles)
    row = await first(FOOTAGE, *viewer(actor), recording, inspects)
    if row is None:
        raise Unknown("unknown_recording", recording)
    return row


async def _task(actor: Actor, entry: OpenReview) -> UUID | None:
    """What the number names; a case's number names no row of ours."""
    if entry.purpose == "case":
        return None
    try:
        about = UUID(entry.number)
    except ValueError:
        raise Refusal("unknown_task") from None
    if not await value(TASKS[entry.purpose], about, actor.person):
        raise Unknown("unknown_task", about)
    return about


async def _too_often(occasion: Occasion, wearer: UUID) -> tuple[str, ...]:
    """Whether they keep opening this person's footage without a task: a finding about the reviewer."""
    law = occasion.law
    opened = await value(
        UNTASKED, occasion.actor.person, wearer, occasion.timing.as_of, law.span("review_untasked_window")
    )
    return ("opens_without_task",) if opened >= law.count("review_untasked_limit") else ()


async def _own(actor: Actor, review: UUID) -> Record:
    row = await first("SELECT * FROM review WHERE id = $1 AND reviewer = $2", review, actor.person)
    if row is None:
        raise Unknown("unknown_review", review)
    _still_open(row)
    return row


def _still_open(row: Record) -> None:
    if row["closed_at"] is not None:
        raise Refusal("review_closed")


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else utc(moment)


async def _outcome(asked: UUID, unmet: tuple[str, ...] = ()) -> Outcome:
    row: Any = await first("SELECT * FROM review WHERE id = $1", asked)
    told = {
        "id": str(asked),
        "recording": str(row["recording"]),
        "organ": row["organ"],
        "purpose": row["purpose"],
        "tasked": row["tasked"],
        "opened_at": utc(row["opened_at"]),
        "over_at": utc(row["over_at"]),
        "needs_approval": row["needs_approval"],
        "allowed": row["allowed"],
        "closed_at": _utc(row["closed_at"]),
        "found": row["found"],
    }
    subjects = [asked, row["recording"], row["wearer"], row["reviewer"]]
    return Outcome(subject={"review": told}, subjects=subjects, organ=row["organ"], unmet=unmet)


async def _restriction(asked: UUID) -> Outcome:
    sql = "SELECT x.*, r.organ FROM restriction x JOIN recording r ON r.id = x.recording WHERE x.id = $1"
    row: Any = await first(sql, asked)
    told = {
        "id": str(asked),
        "recording": str(row["recording"]),
        "category": row["category"],
        "marked_at": utc(row["marked_at"]),
        "lifted_at": _utc(row["lifted_at"]),
    }
    return Outcome(subject={"restriction": told}, subjects=[asked, row["recording"]], organ=row["organ"])
