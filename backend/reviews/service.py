"""Record reviews, restrictions of footage and replies to findings.

Guarantees: nobody opens footage without a purpose and the number of a task. The commander of the organ that collected
the footage must approve first when the reviewer has no right of their own to it, when it is the reviewer's own footage,
and when it is restricted. Nobody decides in their own matter. A recused person opens nothing of that case. A reviewer
who keeps opening one person's footage without a task becomes a finding.
Source: DESIGN §7; 公通字〔2016〕14号; R.33.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from backend.core.database import Record, first, value
from backend.core.days import since, until
from backend.core.journal import utc
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, INSPECTING, reaches, viewer
from backend.evidence.reads import RECORDING_FILTER
from backend.oversight.findings_lists import FINDING
from backend.people import factor
from backend.reviews import own_film
from backend.reviews.own_film import OpenOwnFilm
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
    WatchedInReview,
)
from backend.reviews.tables import FindingReply, Restriction, Review, ReviewNote, SpotCheck, Viewing, WatchedStretch

# $1 the person, $2 the organs of their roles, $3 the recording, $4 whether they are an inspector anywhere.
FOOTAGE = f"""
SELECT r.id, r.wearer, r.organ, EXISTS (
    SELECT FROM restriction x WHERE x.recording = r.id AND x.lifted_at IS NULL) AS restricted
FROM recording r WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $3)
    AND NOT hidden_from($1, r.wearer, r.during) AND ($4 OR ({RECORDING_FILTER.condition}))
"""  # noqa: S608
# Whether the task exists and this person may handle it. $1 the task, $2 the person.
TASKS = {
    "complaint": "SELECT EXISTS (SELECT FROM complaint WHERE id = $1) AND NOT may_not_handle($1, $2)",
    "spot_check": "SELECT EXISTS (SELECT FROM spot_check WHERE id = $1 AND $2::uuid IS NOT NULL)",
    "injury": "SELECT EXISTS (SELECT FROM injury WHERE id = $1 AND $2::uuid IS NOT NULL)",
    "matter": "SELECT EXISTS (SELECT FROM matter WHERE id = $1 AND against IS DISTINCT FROM $2)",
}
UNTASKED = """
SELECT count(*) FROM review WHERE reviewer = $1 AND wearer = $2 AND NOT tasked
    AND opened_at >= $3
"""
VISIBLE_RECORDING = f"""
SELECT r.id, r.organ FROM recording r
WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $3) AND {RECORDING_FILTER.condition}
"""  # noqa: S608
KEPT_FROM = "SELECT review_kept_from($1, $2, $3)"
RESTRICTION = """
SELECT x.*, r.organ, r.wearer FROM restriction x JOIN recording r ON r.id = x.recording WHERE x.id = $1
"""


async def open_one(occasion: Occasion, entry: OpenReview) -> Outcome:
    """Open a review. Raises Refusal `unknown_recording`, `unknown_task`."""
    actor, at = occasion.actor, occasion.timing.as_of
    footage = await _footage(actor, entry.recording)
    about = await _task(actor, entry)
    tasked = bool(await value("SELECT belongs_to($1, $2, $3, $4)", footage["id"], entry.purpose, about, entry.number))
    own_right = await reaches(actor, footage["organ"], INSPECTING) and footage["wearer"] != actor.person
    await Review.insert(
        Review(
            id=entry.id, recording=footage["id"], wearer=footage["wearer"], organ=footage["organ"],
            reviewer=actor.person, purpose=entry.purpose, number=entry.number, about=about, tasked=tasked,
            opened_at=at, over_at=until(occasion.law, "review_lasts", at),
            needs_approval=footage["restricted"] or not own_right,
        )
    )  # fmt: skip
    return await _outcome(entry.id, () if tasked else await _too_often(occasion, footage["wearer"]))


async def open_own(occasion: Occasion, entry: OpenOwnFilm) -> Outcome:
    """Open a review of one's own film. Raises Refusal `own_film_of_one`, `unknown_task`, `unknown_recording`."""
    await own_film.insert(occasion, entry)
    return await _outcome(entry.id)


async def approve(occasion: Occasion, entry: ApproveReview) -> Outcome:
    """Approve a review. Raises Refusal `unknown_review`, `own_matter`, `review_decided`, `review_closed`."""
    return await _decide(occasion, entry, allowed=True, why=entry.why)


async def refuse(occasion: Occasion, entry: RefuseReview) -> Outcome:
    """Refuse a review. Raises as `approve`."""
    return await _decide(occasion, entry, allowed=False, why=entry.why)


async def _decide(occasion: Occasion, entry: OnReview, *, allowed: bool, why: str) -> Outcome:
    actor, at = occasion.actor, occasion.timing.as_of
    row = await Review.select().where(Review.id == entry.review).first()
    if row is None or not (row["reviewer"] == actor.person or await reaches(actor, row["organ"], COMMANDING)):
        raise Unknown("unknown_review", entry.review)
    secret = row["wearer"] == actor.person and row["purpose"] in ("complaint", "matter")  # not for its wearer to know
    secret = secret or await value(KEPT_FROM, row["purpose"], row["about"], actor.person)
    if secret and row["reviewer"] != actor.person:
        raise Unknown("unknown_review", entry.review)
    if actor.person in (row["reviewer"], row["wearer"]):
        raise Refusal("own_matter")
    _require_open(row)
    if row["allowed"] is not None or not row["needs_approval"]:
        raise Refusal("review_decided")
    await Review.update(
        decided_by=actor.person, decided_at=at, allowed=allowed, decided_why=why,
        over_at=until(occasion.law, "review_lasts", at),
    ).where(Review.id == row["id"])  # fmt: skip
    return await _outcome(row["id"])


async def note(occasion: Occasion, entry: NoteInReview) -> Outcome:
    """Record a note. Raises Refusal `unknown_review`, `review_closed`, `review_unapproved`."""
    row = await _own_open_review(occasion.actor, entry.review)
    if row["needs_approval"] and not row["allowed"]:
        raise Refusal("review_unapproved")
    await ReviewNote.insert(
        ReviewNote(
            id=entry.id, review=row["id"], at_ms=entry.at_ms, words=entry.words, by_person=occasion.actor.person,
            at=occasion.timing.as_of,
        )
    )  # fmt: skip
    return await _outcome(row["id"])


async def watched(occasion: Occasion, entry: WatchedInReview) -> Outcome:
    """Record what was watched. Raises Refusal `unknown_review`, `review_closed`, `review_unapproved`,
    `end_before_start`."""
    row = await _own_open_review(occasion.actor, entry.review)
    if row["needs_approval"] and not row["allowed"]:
        raise Refusal("review_unapproved")
    if any(stretch.to_ms <= stretch.from_ms for stretch in entry.stretches):
        raise Refusal("end_before_start")
    await WatchedStretch.insert(
        *(
            WatchedStretch(
                watching=entry.id, position=position, review=row["id"], from_ms=stretch.from_ms, to_ms=stretch.to_ms,
                at=occasion.timing.as_of,
            )
            for position, stretch in enumerate(entry.stretches, 1)
        )
    )  # fmt: skip
    return await _outcome(row["id"])


async def close(occasion: Occasion, entry: CloseReview) -> Outcome:
    """Close a review. Raises Refusal `unknown_review`, `review_closed`, `praise_in_words`, `found_alone`,
    `not_watched`."""
    row = await _own_open_review(occasion.actor, entry.review)
    found = sorted(set(entry.found))
    if ("praise" in found) != (entry.praise is not None):
        raise Refusal("praise_in_words")
    if entry.praise is not None and row["wearer"] == occasion.actor.person:
        raise Refusal("own_matter")
    if "nothing_found" in found and len(found) > 1:
        raise Refusal("found_alone")
    at = occasion.timing.as_of
    if row["purpose"] == "spot_check":
        if not await Viewing.exists().where(Viewing.review == row["id"], Viewing.what.is_in(["content", "view"])):
            raise Refusal("not_watched")
        if row["tasked"]:
            await SpotCheck.update(done_at=at, done_by=occasion.actor.person, found=found).where(
                SpotCheck.id == row["about"], SpotCheck.done_at.is_null()
            )
    await Review.update(closed_at=at, found=found, words=entry.words, praise=entry.praise).where(Review.id == row["id"])
    return await _outcome(row["id"])


async def restrict(occasion: Occasion, entry: RestrictFootage) -> Outcome:
    """Restrict footage. Raises Refusal `unknown_recording`, `restricted_already`."""
    row = await first(VISIBLE_RECORDING, *viewer(occasion.actor), entry.recording)
    if row is None:
        raise Unknown("unknown_recording", entry.recording)
    restriction = Restriction(
        id=entry.id, recording=row["id"], category=entry.category, words=entry.words,
        marked_by=occasion.actor.person, marked_at=occasion.timing.as_of,
    )  # fmt: skip
    if not await Restriction.insert(restriction).on_conflict(action="DO NOTHING").returning(Restriction.id):
        raise Refusal("restricted_already")
    return await _restriction_outcome(entry.id)


async def lift(occasion: Occasion, entry: LiftRestriction) -> Outcome:
    """Lift a restriction, which opens footage to others.

    Raises Refusal `unknown_restriction`, `own_matter`, `second_factor_needed`, `restriction_lifted`.
    """
    row = await first(RESTRICTION, entry.restriction)
    if row is None or not await reaches(occasion.actor, row["organ"], COMMANDING):
        raise Unknown("unknown_restriction", entry.restriction)
    if row["wearer"] == occasion.actor.person:
        raise Refusal("own_matter")
    factor.require(occasion.actor)
    if row["lifted_at"] is not None:
        raise Refusal("restriction_lifted")
    await Restriction.update(
        lifted_by=occasion.actor.person, lifted_at=occasion.timing.as_of, lifted_why=entry.why
    ).where(Restriction.id == row["id"])
    return await _restriction_outcome(row["id"])


async def reply(occasion: Occasion, entry: ReplyToFinding) -> Outcome:
    """Record a reply to a finding. Raises Refusal `unknown_finding`, `not_about_you`."""
    sql = f"SELECT f.person, f.organ FROM finding f WHERE f.id = $3 AND {FINDING.condition}"  # noqa: S608
    row = await first(sql, *viewer(occasion.actor), entry.finding)
    if row is None:
        raise Unknown("unknown_finding", entry.finding)
    if row["person"] != occasion.actor.person:
        raise Refusal("not_about_you")
    at = occasion.timing.as_of
    await FindingReply.insert(
        FindingReply(id=entry.id, finding=entry.finding, by_person=occasion.actor.person, words=entry.words, at=at)
    )
    reply = {"id": str(entry.id), "finding": str(entry.finding), "at": utc(at)}
    return Outcome(subject={"reply": reply}, subjects=[entry.finding, occasion.actor.person], organ=row["organ"])


async def lock_ids_of_review(actor: Actor, entry: OnReview) -> Iterable[UUID]:
    """Lock the review: it is decided once and closed once."""
    return (actor.person, entry.review)


async def lock_ids_of_closing(actor: Actor, entry: CloseReview) -> Iterable[UUID]:
    """Lock the review, and the spot check that it is for: that is done once."""
    row = await Review.select(Review.about).where(Review.id == entry.review).first()
    return (actor.person, entry.review, *([row["about"]] if row and row["about"] else []))


async def lock_ids_of_restriction(actor: Actor, entry: LiftRestriction) -> Iterable[UUID]:
    """Lock the restriction: it is lifted once."""
    return (actor.person, entry.restriction)


async def _footage(actor: Actor, recording: UUID) -> Record:
    inspects = any(role.role in INSPECTING for role in actor.roles)
    row = await first(FOOTAGE, *viewer(actor), recording, inspects)
    if row is None:
        raise Unknown("unknown_recording", recording)
    return row


async def _task(actor: Actor, entry: OpenReview) -> UUID | None:
    """The id that the number names; None for a case, which is no row of ours."""
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
    """The finding `opens_without_task` when the reviewer has opened this person's footage too often without a task."""
    law = occasion.law
    opened = await value(
        UNTASKED, occasion.actor.person, wearer, since(law, "review_untasked_window", occasion.timing.as_of)
    )
    return ("opens_without_task",) if opened >= law.count("review_untasked_limit") else ()


async def _own_open_review(actor: Actor, review: UUID) -> dict[str, Any]:
    row = await Review.select().where(Review.id == review, Review.reviewer == actor.person).first()
    if row is None:
        raise Unknown("unknown_review", review)
    _require_open(row)
    return row


def _require_open(row: Mapping[str, Any]) -> None:
    if row["closed_at"] is not None:
        raise Refusal("review_closed")


def _utc_or_null(moment: datetime | None) -> str | None:
    return None if moment is None else utc(moment)


async def _outcome(review: UUID, unmet: tuple[str, ...] = ()) -> Outcome:
    row: Any = await Review.select().where(Review.id == review).first()
    subject = {
        "id": str(review),
        "recording": str(row["recording"]),
        "organ": row["organ"],
        "purpose": row["purpose"],
        "tasked": row["tasked"],
        "opened_at": utc(row["opened_at"]),
        "over_at": utc(row["over_at"]),
        "needs_approval": row["needs_approval"],
        "allowed": row["allowed"],
        "closed_at": _utc_or_null(row["closed_at"]),
        "found": row["found"],
    }
    subjects = [review, row["recording"], row["wearer"], row["reviewer"]]
    return Outcome(subject={"review": subject}, subjects=subjects, organ=row["organ"], unmet=unmet)


async def _restriction_outcome(restriction: UUID) -> Outcome:
    row: Any = await first(RESTRICTION, restriction)
    subject = {
        "id": str(restriction),
        "recording": str(row["recording"]),
        "category": row["category"],
        "marked_at": utc(row["marked_at"]),
        "lifted_at": _utc_or_null(row["lifted_at"]),
    }
    return Outcome(subject={"restriction": subject}, subjects=[restriction, row["recording"]], organ=row["organ"])
