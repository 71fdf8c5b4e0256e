"""Place and release holds, which keep footage beyond its term, and set the store's legal hold accordingly.

Guarantees: a hold is a condition, so it also covers footage declared after it; several holds may cover the same
footage, and it stays until the last one is released; a job updates the store after each change, and a sweep repeats
what was missed. No transaction spans a call to the store. Source: DESIGN §7; 公通字〔2016〕14号.
"""

from collections.abc import Iterable
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
from backend.core.visibility import INSPECTING, reaches
from backend.core.wire import as_json
from backend.evidence.schemas import PlaceHold, ReleaseHold
from backend.evidence.tables import Hold, Upload
from storage.evidence_store import EvidenceStore, ObjectUnknown

# Disposal takes this lock exclusively, placing a hold takes it shared: each sees the result of the other.
LOCK = "hashtext('fujing holds')"
LOCK_OUT_DISPOSAL = f"SELECT pg_advisory_xact_lock_shared({LOCK})"
LOCK_OUT_HOLDS = f"SELECT pg_advisory_xact_lock({LOCK})"
IS_ABOUT_ACTOR = """
SELECT $2 = (SELECT owner FROM upload WHERE id = h.upload) OR $2 = h.person
    OR EXISTS (SELECT FROM supervision s WHERE s.auxiliary = h.person AND s.officer = $2 AND s.during && h.during)
FROM hold h WHERE h.id = $1
"""
IS_NEEDED = "SELECT count(*) > 0 FROM open_matter m JOIN hold h ON h.about = m.id WHERE h.id = $1"
# Sealed uploads whose legal hold in the store is not what the holds ask for; without those that the store has lost.
OUT_OF_DATE = """
WITH covered AS MATERIALIZED (SELECT DISTINCT upload FROM held)
SELECT u.id, u.owner, u.organ, u.object_key, u.version, NOT u.legal_hold AS keep FROM upload u
WHERE u.state = 'sealed' AND u.disposed_at IS NULL AND ($1::uuid IS NULL OR u.id > $1) AND (
    NOT u.legal_hold AND u.id IN (SELECT upload FROM covered)
    OR u.legal_hold AND u.id NOT IN (SELECT upload FROM covered))
AND NOT EXISTS (SELECT FROM finding f WHERE f.kind = 'evidence_missing' AND f.subject = u.id AND f.withdrawn_at IS NULL)
ORDER BY u.id LIMIT 500
"""
SET_LEGAL_HOLD = "UPDATE upload SET legal_hold = $2 WHERE id = $1 AND legal_hold <> $2 AND version = $3"
IS_COVERED = "SELECT count(*) > 0 FROM held WHERE upload = $1"


class NewHold(NamedTuple):
    """A hold to be placed: its columns. One of `person`, `place` with its radius, `upload`."""

    id: UUID
    organ: str
    reason: str
    placed_by: UUID
    placed_at: datetime
    origin: Literal["placed", "injury", "complaint", "matter"] = "placed"
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
    `unknown_recording`.
    """
    _check_fields(entry)
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
    """Release a hold, by an inspector.

    Raises Refusal `unknown_hold`, `own_matter`, `hold_released`, `hold_needed`, `hold_permanent`.
    """
    row = await Hold.select().where(Hold.id == entry.hold).first()
    if row is None or not await _may_hold(occasion.actor, row["organ"]):
        raise Unknown("unknown_hold", entry.hold)
    if await value(IS_ABOUT_ACTOR, entry.hold, occasion.actor.person):
        raise Refusal("own_matter")
    if row["released_at"] is not None:
        raise Refusal("hold_released")
    if await value(IS_NEEDED, entry.hold):
        raise Refusal("hold_needed")
    if row["permanent"] and not entry.mistaken:
        raise Refusal("hold_permanent")
    await Hold.update(
        {
            Hold.released_by: occasion.actor.person,
            Hold.released_at: occasion.timing.as_of,
            Hold.released_why: entry.why,
        }
    ).where(Hold.id == entry.hold)
    await jobs.enqueue(jobs.HOLD, entry.hold)
    return await _outcome(entry.hold)


async def concerned_by_release(actor: Actor, entry: ReleaseHold) -> Iterable[UUID]:
    """The actor and the hold itself: it is locked, so it is released once."""
    return (actor.person, entry.hold)


async def is_held(upload: UUID) -> bool:
    """Whether a hold that stands covers the upload."""
    return bool(await value(IS_COVERED, upload))


async def update_store(store: EvidenceStore) -> int:
    """Set and lift the store's legal holds as the holds ask for. Returns how many changed. Raises StoreUnavailable.

    Where the store has lost sealed bytes, there is a finding, and the others are updated all the same.
    """
    changed, last = 0, None
    while rows := await fetch(OUT_OF_DATE, last):
        last = rows[-1]["id"]
        for row in rows:
            try:
                await store.hold(row["object_key"], row["version"], row["keep"])
            except ObjectUnknown:
                await findings.flag(Finding(kind="evidence_missing", subject=row["id"], organ=row["organ"]))
            else:
                changed += await _set_legal_hold(row)
    return changed


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
    return Outcome(subject={"hold": standing}, subjects=[hold], organ=row["organ"])
