"""Holds: what must stay whatever its term, and the store's legal hold that follows them.

Guarantees: a hold is a predicate, so it covers what is declared after it; several stand beside each other, and what
one releases another still keeps; the store follows within a job, and by a sweep whatever was missed. No transaction
spans a call to the store. Source: DESIGN §7; 公通字〔2016〕14号.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from backend.core import findings, jobs, journal
from backend.core.database import Record, execute, fetch, first, rows_touched, tx, value
from backend.core.findings import Finding
from backend.core.journal import utc
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import INSPECTING, reaches
from backend.core.wire import as_json
from backend.evidence.schemas import PlaceHold, ReleaseHold
from storage.evidence_store import EvidenceStore, ObjectUnknown

# Disposal takes it alone, whoever places a hold beside others: each sees what the other did.
LOCK = "hashtext('fujing holds')"
LOCK_OUT_DISPOSAL = f"SELECT pg_advisory_xact_lock_shared({LOCK})"
LOCK_OUT_HOLDS = f"SELECT pg_advisory_xact_lock({LOCK})"
INSERT = """
INSERT INTO hold (id, organ, origin, about, person, place, radius_m, datums_m, upload, started_at, ended_at, permanent,
    number, reason, placed_by, placed_at, category)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""
RECORDING = "SELECT coalesce(u.same_as, u.id) AS id, u.organ FROM upload u WHERE u.id = $1 AND u.kind = 'recording'"
RELEASE = "UPDATE hold SET released_by = $2, released_at = $3, released_why = $4 WHERE id = $1"
OWN = """
SELECT $2 = (SELECT owner FROM upload WHERE id = h.upload) OR $2 = h.person
    OR EXISTS (SELECT FROM supervision s WHERE s.auxiliary = h.person AND s.officer = $2 AND s.during && h.during)
FROM hold h WHERE h.id = $1
"""
NEEDED = "SELECT count(*) > 0 FROM open_matter m JOIN hold h ON h.about = m.id WHERE h.id = $1"
# But for what the store has lost, which is found already.
OUT_OF_LINE = """
WITH kept AS MATERIALIZED (SELECT DISTINCT upload FROM held)
SELECT u.id, u.owner, u.organ, u.object_key, u.version, NOT u.legal_hold AS keep FROM upload u
WHERE u.state = 'sealed' AND u.disposed_at IS NULL AND ($1::uuid IS NULL OR u.id > $1) AND (
    NOT u.legal_hold AND u.id IN (SELECT upload FROM kept) OR u.legal_hold AND u.id NOT IN (SELECT upload FROM kept))
AND NOT EXISTS (SELECT FROM finding f WHERE f.kind = 'evidence_missing' AND f.subject = u.id AND f.withdrawn_at IS NULL)
ORDER BY u.id LIMIT 500
"""
TOLD = "UPDATE upload SET legal_hold = $2 WHERE id = $1 AND legal_hold <> $2 AND version = $3"
COVERED = "SELECT count(*) > 0 FROM held WHERE upload = $1"


class Hold(NamedTuple):
    """What to keep. One of `person`, `place` with its radius, `upload`."""

    id: UUID
    organ: str
    reason: str
    by: UUID
    at: datetime
    origin: Literal["placed", "injury", "complaint", "matter"] = "placed"
    about: UUID | None = None
    person: UUID | None = None
    place: str | None = None
    radius_m: int | None = None
    datums_m: int | None = None
    upload: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    permanent: bool = False
    number: str | None = None
    category: str | None = None


async def hold(what: Hold) -> None:
    """Keep it from now on. Must be called inside `database.tx`."""
    await execute(LOCK_OUT_DISPOSAL)
    await execute(
        INSERT, what.id, what.organ, what.origin, what.about, what.person, what.place, what.radius_m, what.datums_m,
        what.upload, what.since, what.until, what.permanent, what.number, what.reason, what.by, what.at,
        what.category,
    )  # fmt: skip
    await jobs.enqueue(jobs.HOLD, what.id)


async def place(occasion: Occasion, entry: PlaceHold) -> Outcome:
    """An inspector keeps something. Raises Refusal `hold_of_one_thing`, `end_before_start`, `time_out_of_range`,
    `not_for_your_role`, `unknown_person`, `unknown_recording`."""
    _in_order(entry)
    actor = occasion.actor
    upload, organ = None, actor.organ
    if entry.person is not None:
        organ = await _reached(actor, await value("SELECT organ FROM person WHERE id = $1", entry.person)) or ""
        if not organ:
            raise Unknown("unknown_person", entry.person)
    elif entry.recording is not None:
        row = await first(RECORDING, entry.recording)
        if row is None or await _reached(actor, row["organ"]) is None:
            raise Unknown("unknown_recording", entry.recording)
        upload, organ = row["id"], row["organ"]
    elif await _reached(actor, organ) is None:
        raise Refusal("not_for_your_role")
    datums = None if entry.place is None else occasion.law.count("datums_apart")
    await hold(
        Hold(
            entry.id, organ, entry.reason, actor.person, occasion.timing.as_of, person=entry.person,
            place=as_json(entry.place), radius_m=entry.radius_m, datums_m=datums, upload=upload,
            since=entry.started_at, until=entry.ended_at, number=entry.number, category=entry.category,
            permanent=entry.permanent or entry.category is not None,
        )
    )  # fmt: skip
    return await _outcome(entry.id)


async def release(occasion: Occasion, entry: ReleaseHold) -> Outcome:
    """Let it go. Raises Refusal `unknown_hold`, `own_matter`, `hold_released`, `hold_needed`, `hold_permanent`."""
    row = await first("SELECT * FROM hold WHERE id = $1", entry.hold)
    if row is None or await _reached(occasion.actor, row["organ"]) is None:
        raise Unknown("unknown_hold", entry.hold)
    if await value(OWN, entry.hold, occasion.actor.person):
        raise Refusal("own_matter")
    if row["released_at"] is not None:
        raise Refusal("hold_released")
    if await value(NEEDED, entry.hold):
        raise Refusal("hold_needed")
    if row["permanent"] and not entry.mistaken:
        raise Refusal("hold_permanent")
    await execute(RELEASE, entry.hold, occasion.actor.person, occasion.timing.as_of, entry.why)
    await jobs.enqueue(jobs.HOLD, entry.hold)
    return await _outcome(entry.hold)


async def whose_hold(actor: Actor, entry: ReleaseHold) -> Iterable[UUID]:
    """The hold itself, so that it is released once."""
    return (actor.person, entry.hold)


async def covers(upload: UUID) -> bool:
    """Whether something keeps it now."""
    return bool(await value(COVERED, upload))


async def follow(store: EvidenceStore) -> int:
    """Bring the store's legal holds in line with the holds. How many changed. Raises StoreUnavailable.

    Sealed bytes that the store no longer has are found, and hinder no other.
    """
    changed, last = 0, None
    while rows := await fetch(OUT_OF_LINE, last):
        last = rows[-1]["id"]
        for row in rows:
            try:
                await store.hold(row["object_key"], row["version"], row["keep"])
            except ObjectUnknown:
                await findings.stand(Finding(kind="evidence_missing", subject=row["id"], organ=row["organ"]))
            else:
                changed += await _told(row)
    return changed


async def _told(row: Record) -> int:
    """Keep that the store was told so; nothing where somebody else did."""
    async with tx():
        if not rows_touched(await execute(TOLD, row["id"], row["keep"], row["version"])):
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


def _in_order(entry: PlaceHold) -> None:
    what = [each for each in (entry.person, entry.place, entry.recording) if each is not None]
    if len(what) != 1 or (entry.place is None) != (entry.radius_m is None):
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


async def _reached(actor: Actor, organ: str | None) -> str | None:
    return organ if organ is not None and await reaches(actor, organ, INSPECTING) else None


async def _outcome(asked: UUID) -> Outcome:
    row: Any = await first("SELECT * FROM hold WHERE id = $1", asked)
    standing = {
        "id": str(asked),
        "organ": row["organ"],
        "placed_at": utc(row["placed_at"]),
        "permanent": row["permanent"],
        "released_at": row["released_at"] and utc(row["released_at"]),
    }
    return Outcome(subject={"hold": standing}, subjects=[asked], organ=row["organ"])
