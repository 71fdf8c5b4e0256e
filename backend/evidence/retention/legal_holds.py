"""Place and release holds, which keep footage beyond its term, and set the store's legal hold accordingly.

Guarantees: a hold is a condition, so it also covers footage declared after it; several holds may cover the same
footage, and it stays until the last one is released; a job updates the store after each change, and a sweep repeats
what was missed. No transaction spans a call to the store. A hold that follows from a category (category_holds.py) is
released by two people: one asks, another answers; neither in their own matter. Source: DESIGN §7; 公通字〔2016〕14号.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from backend.core import findings, jobs, journal
from backend.core.database import Record, execute, fetch, rows_touched, tx, value
from backend.core.findings import Finding
from backend.core.journal import utc
from backend.core.officers import organ_of
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import INSPECTING, OVERSEEING, reaches
from backend.core.wire import as_json
from backend.evidence import unreadable
from backend.evidence.retention import category_holds
from backend.evidence.retention.category_holds import LOCK_OUT_DISPOSAL as LOCK_OUT_DISPOSAL
from backend.evidence.retention.category_holds import LOCK_OUT_HOLDS as LOCK_OUT_HOLDS
from backend.evidence.rules import is_category
from backend.evidence.schemas import AnswerRelease, PlaceHold, ReleaseHold
from backend.evidence.tables import Hold, Upload
from backend.proof import known_store
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoreUnavailable

IS_KEPT_FROM = "SELECT hold_kept_from(h, $2) FROM hold h WHERE h.id = $1"
IS_ABOUT_ACTOR = """
SELECT $2 = (SELECT owner FROM upload WHERE id = h.upload) OR $2 = h.person
    OR h.origin = 'category' AND $2 = h.placed_by
    OR EXISTS (SELECT FROM supervision s WHERE s.auxiliary = h.person AND s.officer = $2 AND s.during && h.during)
FROM hold h WHERE h.id = $1
"""
IS_NEEDED = "SELECT count(*) > 0 FROM open_matter m JOIN hold h ON h.about = m.id WHERE h.id = $1"
# Sealed uploads whose legal hold in the store is not what the holds ask for; without those that the store has lost.
OUT_OF_DATE = """
SELECT u.id, u.owner, u.organ, u.object_key, u.version, NOT u.legal_hold AS keep FROM upload u
WHERE u.state = 'sealed' AND u.disposed_at IS NULL AND ($1::uuid IS NULL OR u.id > $1) AND ({which})
AND NOT EXISTS (SELECT FROM finding f WHERE f.kind = 'evidence_missing' AND f.subject = u.id AND f.withdrawn_at IS NULL)
ORDER BY u.id LIMIT 500
"""
COVERED = "WITH covered AS MATERIALIZED (SELECT DISTINCT upload FROM held)"
ALL = COVERED + OUT_OF_DATE.format(which="u.legal_hold <> (u.id IN (SELECT upload FROM covered))")
# What these holds cover and the store does not hold yet, and these uploads where anything covers them.
OF_THESE = OUT_OF_DATE.format(
    which="""NOT u.legal_hold AND (u.id = ANY (ARRAY(SELECT k.upload FROM hold h
        CROSS JOIN LATERAL (SELECT x.upload FROM held x WHERE x.hold = h.id) k WHERE h.id = ANY ($2::uuid[])))
    OR u.id = ANY ($2::uuid[]) AND (SELECT count(*) FROM held x WHERE x.upload = u.id) > 0)"""
)
# An hour ago counts as new: the store may have been away meanwhile.
NEW = """
SELECT id FROM hold
WHERE released_at IS NULL AND (origin <> 'category' OR placed_at > $1::timestamptz - interval '1 hour')
"""
TAKE_TIME = "SET LOCAL statement_timeout = '15min'"  # all holds on all footage
SET_LEGAL_HOLD = "UPDATE upload SET legal_hold = $2 WHERE id = $1 AND legal_hold <> $2 AND version = $3"
IS_COVERED = "SELECT count(*) > 0 FROM held WHERE upload = $1"


class NewHold(NamedTuple):
    """A hold to be placed: its columns. One of `person`, `place` with its radius, `upload`."""

    id: UUID
    organ: str
    reason: str
    placed_by: UUID
    placed_at: datetime
    origin: Literal["placed", "injury", "complaint", "matter"] = "placed"  # `category`: see category_holds.py
    about: UUID | None = None
    person: UUID | None = None
    place: str | None = None
    radius_m: int | None = None
    datums_m: int | None = None
    upload: UUID | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    permanent: bool = False
    number: str | None = None
    category: str | None = None


async def insert_hold(hold: NewHold) -> None:
    """Insert a hold, in force from now on. Must be called inside `database.tx`."""
    await execute(LOCK_OUT_DISPOSAL)
    await Hold.insert(Hold(**hold._asdict()))
    await jobs.enqueue(jobs.HOLD, hold.id)


async def place(occasion: Occasion, entry: PlaceHold) -> Outcome:
    """Place a hold, by an inspector.

    Raises Refusal `hold_of_one_thing`, `end_before_start`, `time_out_of_range`, `not_for_your_role`, `unknown_person`,
    `unknown_recording`, `unknown_category`.
    """
    _check_fields(entry)
    if not is_category(occasion.law, entry.category):
        raise Refusal("unknown_category")
    organ, upload = await _organ_and_upload(occasion, entry)
    datums = None if entry.place is None else occasion.law.count("datums_apart")
    await insert_hold(
        NewHold(
            entry.id, organ, entry.reason, occasion.actor.person, occasion.timing.as_of, person=entry.person,
            place=as_json(entry.place), radius_m=entry.radius_m, datums_m=datums, upload=upload,
            started_at=entry.started_at, ended_at=entry.ended_at, number=entry.number, category=entry.category,
            permanent=entry.permanent or entry.category is not None,
        )
    )  # fmt: skip
    return await _outcome(entry.id)


async def _organ_and_upload(occasion: Occasion, entry: PlaceHold) -> tuple[str, UUID | None]:
    """The organ of what is held, and the upload of a recording. Raises Refusal where the actor does not inspect it.

    The organ of a person's footage is the one in which they served when the time held begins.
    """
    actor = occasion.actor
    if entry.person is not None:
        organ = await organ_of(entry.person, entry.started_at or occasion.at)
        if organ is None or not await _may_hold(actor, organ):
            raise Unknown("unknown_person", entry.person)
        return organ, None
    if entry.recording is not None:
        of_recording = (Upload.id == entry.recording) & (Upload.kind == "recording")
        row = await Upload.select(Upload.id, Upload.same_as, Upload.organ).where(of_recording).first()
        if row is None or not await _may_hold(actor, row["organ"]):
            raise Unknown("unknown_recording", entry.recording)
        return row["organ"], row["same_as"] or row["id"]
    if not await _may_hold(actor, actor.organ):
        raise Refusal("not_for_your_role")
    return actor.organ, None


async def release(occasion: Occasion, entry: ReleaseHold) -> Outcome:
    """Release a hold, by an inspector; ask to release one that follows from a category, which another person answers.

    Raises Refusal `unknown_hold`, `own_matter`, `hold_released`, `hold_needed`, `hold_permanent`, `hold_asked`.
    """
    row = await _standing_hold(occasion, entry.hold, INSPECTING)
    if row["origin"] == "category":
        if row["asked_by"] is not None:
            raise Refusal("hold_asked")
        await _set_asked(entry.hold, occasion.actor.person, occasion.timing.as_of, entry.why)
        return await _outcome(entry.hold)
    if row["permanent"] and not entry.mistaken:
        raise Refusal("hold_permanent")
    return await _release(occasion, entry.hold, entry.why)


async def answer_release(occasion: Occasion, entry: AnswerRelease) -> Outcome:
    """Agree to the release that another person asked for, or keep the hold; by an inspector or commander.

    Raises Refusal `unknown_hold`, `own_matter`, `hold_released`, `hold_needed`, `hold_not_asked`, `four_eyes`.
    """
    row = await _standing_hold(occasion, entry.hold, OVERSEEING)
    if row["asked_by"] is None:
        raise Refusal("hold_not_asked")
    if row["asked_by"] == occasion.actor.person:
        raise Refusal("four_eyes")
    if entry.agrees:
        return await _release(occasion, entry.hold, entry.why)
    await _set_asked(entry.hold, None, None, None)
    return await _outcome(entry.hold)


async def _standing_hold(occasion: Occasion, hold: UUID, roles: frozenset[str]) -> Any:
    """The hold, where the actor may release it. Raises Refusal `unknown_hold`, `own_matter`, `hold_released`,
    `hold_needed`."""
    row: Any = await Hold.select().where(Hold.id == hold).first()
    if row is None or not await reaches(occasion.actor, row["organ"], roles):
        raise Unknown("unknown_hold", hold)
    if await value(IS_KEPT_FROM, hold, occasion.actor.person):
        raise Unknown("unknown_hold", hold)
    if await value(IS_ABOUT_ACTOR, hold, occasion.actor.person):
        raise Refusal("own_matter")
    if row["released_at"] is not None:
        raise Refusal("hold_released")
    if await value(IS_NEEDED, hold):
        raise Refusal("hold_needed")
    return row


async def _set_asked(hold: UUID, by: UUID | None, at: datetime | None, why: str | None) -> None:
    """Record who asks to release the hold, or that nobody does."""
    await Hold.update({Hold.asked_by: by, Hold.asked_at: at, Hold.asked_why: why}).where(Hold.id == hold)


async def _release(occasion: Occasion, hold: UUID, why: str) -> Outcome:
    """Release the hold; a job tells the store."""
    at = occasion.timing.as_of
    await Hold.update(
        {Hold.released_by: occasion.actor.person, Hold.released_at: at, Hold.released_why: why}
    ).where(Hold.id == hold)  # fmt: skip
    await jobs.enqueue(jobs.HOLD, hold)
    return await _outcome(hold)


async def concerned_by_release(actor: Actor, entry: ReleaseHold | AnswerRelease) -> Iterable[UUID]:
    """The actor and the hold itself: it is locked, so it is released once."""
    return (actor.person, entry.hold)


async def is_held(upload: UUID) -> bool:
    """Whether a hold that stands covers the upload."""
    return bool(await value(IS_COVERED, upload))


async def update_store(store: EvidenceStore) -> int:
    """Set and lift the store's legal holds as the holds ask for. Returns how many changed. Raises StoreUnavailable.

    Where the store has lost sealed bytes or does not give them, there is a finding, and the others are updated all the
    same.
    """
    return await _update(store, ALL)


async def update_for(store: EvidenceStore, subject: UUID) -> int:
    """Set the store's legal holds for one hold or one upload; after a release, lift and set all. Raises
    StoreUnavailable."""
    if await Hold.exists().where(Hold.id == subject, Hold.released_at.is_not_null()):
        return await update_store(store)
    return await _update(store, OF_THESE, [subject])


async def update_new(store: EvidenceStore, now: datetime) -> int:
    """Set the store's legal holds for what is new: of facts that changed, and of holds that do not follow from a
    category. What a category covers only since a leading was told is set with `update_store`. Raises StoreUnavailable.
    """
    moved = await category_holds.judge_moved(now)
    return await _update(store, OF_THESE, [*moved, *(row["id"] for row in await fetch(NEW, now))])


async def _update(store: EvidenceStore, query: str, *values: Any) -> int:
    """Set and lift the legal holds of the rows of this query. Returns how many changed. Raises StoreUnavailable."""
    changed, last = 0, None
    while rows := await _in_own_time(query, last, *values):
        last = rows[-1]["id"]
        await known_store.must_be_ours(store)
        for row in rows:
            try:
                await _tell_store(store, row)
            except ObjectUnreadable:
                await unreadable.note(row["id"], row["organ"], datetime.now(UTC))
            except ObjectUnknown:
                await findings.flag(Finding(kind="evidence_missing", subject=row["id"], organ=row["organ"]))
            else:
                changed += await _set_legal_hold(row)
    return changed


async def _tell_store(store: EvidenceStore, row: Record) -> None:
    """Set or lift one legal hold. Raises ObjectUnknown, ObjectUnreadable, StoreUnavailable."""
    try:
        await store.hold(row["object_key"], row["version"], row["keep"])
    except StoreUnavailable as error:
        raise await unreadable.apart(store, row, error) from error


async def _in_own_time(query: str, *values: Any) -> Sequence[Record]:
    """Rows of a query that may take minutes."""
    async with tx():
        await execute(TAKE_TIME)
        return await fetch(query, *values)


async def _set_legal_hold(row: Record) -> int:
    """Record what the store was told. Returns 1, or 0 where another process recorded it already."""
    async with tx():
        if not rows_touched(await execute(SET_LEGAL_HOLD, row["id"], row["keep"], row["version"])):
            return 0
        await journal.append(
            journal.Line(
                at=datetime.now(UTC),
                verb="evidence/hold",
                outcome="done",
                organ=row["organ"],
                subjects=[row["id"]],
                facts={"keep": row["keep"]},
            )
        )
    return 1


def _check_fields(entry: PlaceHold) -> None:
    """Raises Refusal unless it names one thing, with its time and radius, and the times can be."""
    things = [thing for thing in (entry.person, entry.place, entry.recording) if thing is not None]
    if len(things) != 1 or (entry.place is None) != (entry.radius_m is None):
        raise Refusal("hold_of_one_thing")
    if (entry.started_at is None) != (entry.recording is not None):
        raise Refusal("hold_of_one_thing")
    if entry.started_at is None:
        if entry.ended_at is not None:
            raise Refusal("hold_of_one_thing")
        return
    ended = entry.ended_at or entry.started_at
    if not 2000 <= entry.started_at.year <= 9000 >= ended.year:
        raise Refusal("time_out_of_range")
    if ended < entry.started_at:
        raise Refusal("end_before_start")


async def _may_hold(actor: Actor, organ: str) -> bool:
    """Whether the actor inspects this organ."""
    return await reaches(actor, organ, INSPECTING)


async def _outcome(hold: UUID) -> Outcome:
    row: Any = await Hold.select().where(Hold.id == hold).first()
    standing = {
        "id": str(hold),
        "organ": row["organ"],
        "placed_at": utc(row["placed_at"]),
        "permanent": row["permanent"],
        "released_at": row["released_at"] and utc(row["released_at"]),
    }
    if row["asked_at"] is not None:
        standing["release_asked_at"] = utc(row["asked_at"])
    return Outcome(subject={"hold": standing}, subjects=[hold], organ=row["organ"])
