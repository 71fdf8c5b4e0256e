"""Our bucket: whether it is the one of this house, whether it keeps locks and holds, and whether it takes writes.

Guarantees: a bucket is ours where a locked object is at the version and with the bytes that the database names; in
another one nothing is sealed, locked, held or removed, and no upload is opened. Only the owner of the database names
another object, after a restore. What a proof left in the store is looked at by later proofs, by one process at a time.
No transaction spans a call to the store. See docs/adr/0063.
"""

import asyncio
import hashlib
import secrets
import shutil
import tomllib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

import asyncpg
import msgspec
import structlog

from backend.core import clocks, journal
from backend.core.database import Record, execute, fetch, first, rows_touched, tx, value
from backend.core.days import day_of, until
from backend.law.catalogue import law
from storage.evidence_store import (
    EvidenceStore,
    KnownObject,
    LockNotKept,
    ObjectLocked,
    ObjectUnknown,
    StoreFull,
    StoreReadOnly,
    StoreRefused,
    StoreSwapped,
    StoreUnavailable,
)
from storage.lock_proof import MOST_LEFT, LockFound, Probe

FOLDER = "house/marker/"  # in the store
MARK = "house/mark-store"  # verb of the line that names the object
WRITING_SECONDS = 20.0  # for one attempt
ROOM = 64 * 1024 * 1024  # bytes of a disk; the embedded store says only that it failed where less is free
MARKER = "SELECT key, version, bytes, sha256 FROM store_marker ORDER BY number DESC LIMIT 1"
NEWEST_SEALED = """
SELECT object_key, version, bytes FROM upload WHERE state = 'sealed' AND disposed_at IS NULL
ORDER BY sealed_at DESC LIMIT 20
"""
NEXT_NUMBER = "SELECT coalesce(max(number), 0) + 1 FROM store_marker"
INSERT = """
INSERT INTO store_marker (id, number, bucket, key, version, bytes, sha256, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
CHECKS = "SELECT kind, at, state, code, facts::text, extract(epoch FROM now() - at) AS age FROM store_check"
RECORD = "UPDATE store_check SET at = now(), state = $2, code = $3, facts = $4::jsonb WHERE kind = $1"
# Whoever gets the claim has the probes of days before to itself.
CLAIM = """
UPDATE store_check SET claimed_by = $1, claimed_at = now()
WHERE kind = 'lock' AND (claimed_by IS NULL OR claimed_at < now() - make_interval(secs => $2))
RETURNING left_there::text
"""
KEEP = "UPDATE store_check SET left_there = $2::jsonb WHERE kind = 'lock' AND claimed_by = $1"
LET_GO = "UPDATE store_check SET claimed_by = NULL, claimed_at = NULL WHERE kind = 'lock' AND claimed_by = $1"
BEGIN_ANEW = """
UPDATE store_check SET at = NULL, state = NULL, code = NULL, facts = '{}', left_there = '[]', claimed_by = NULL,
    claimed_at = NULL
"""
Write = Literal["ok", "full", "read_only", "away", "swapped", "unknown"]
Lock = Literal["kept", "not_kept", "unknown"]
log = structlog.get_logger()


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A period in seconds, with its source."""

    seconds: float
    source: str


PERIODS = msgspec.convert(
    tomllib.loads(Path(__file__).with_name("store_checks.toml").read_text(encoding="utf-8")), dict[str, Span]
)


def period(name: str) -> float:
    """A period of store_checks.toml in seconds."""
    return PERIODS[name].seconds


class StoreNotProved(StoreRefused):
    """The last proof found that the store does not keep what is locked or held."""


class StoreTold(NamedTuple):
    """What was found of the store last, as the database keeps it. Times are the database's; facts are sentences."""

    lock: Lock
    proved_at: datetime | None
    proof_age: float  # seconds; infinite: never proved
    lock_facts: dict[str, Any]
    write: Write
    written_at: datetime | None
    write_code: str | None


class LeftProbe(msgspec.Struct, frozen=True):
    """A probe that is looked at later, and when it was left. `seen`: it was there when it was looked at. `lost`: it was
    not, at the first look."""

    probe: Probe
    left_at: datetime
    seen: bool = False
    lost: bool = False


class _Look:
    """What this process knows of a bucket: whether it is ours, and when it looked last (monotonic seconds)."""

    def __init__(self) -> None:
        self.ours: bool | None = None
        self.at, self.busy = float("-inf"), False

    def is_fresh(self) -> bool:
        return monotonic() - self.at < period("known_for" if self.ours else "looked_again")


_LOOKS: WeakKeyDictionary[EvidenceStore, _Look] = WeakKeyDictionary()
_decode_probes = msgspec.json.Decoder(list[LeftProbe]).decode


class Standing(NamedTuple):
    """How the store stands for this process. `reads`, `ours`, `writes`, `kept`: None where nobody can tell now."""

    reads: bool
    ours: bool | None
    writes: bool | None
    kept: bool | None
    why: str | None  # full, read_only, swapped, lock_not_kept


NOTHING_TOLD = Standing(False, None, None, None, None)


# -- the known object


async def marker() -> KnownObject | None:
    """The object by which our bucket is known; None: none was made yet."""
    row = await first(MARKER)
    return None if row is None else KnownObject(**row)


async def look(store: EvidenceStore) -> bool | None:
    """Whether this bucket is ours; None: no object was made yet. Reads only. Raises StoreUnavailable."""
    store.known = await marker()
    if store.known is None:
        return None
    try:
        await store.check_known(store.known)
    except StoreSwapped:
        return False
    return True


async def must_be_ours(store: EvidenceStore) -> None:
    """For what writes, locks or removes. What was found good counts for a minute.

    A house that has no known object yet gets one, if it has sealed nothing or its sealed files are in this bucket.
    Raises StoreSwapped, StoreNotProved, StoreUnavailable.
    """
    seen = _LOOKS.setdefault(store, _Look())
    if seen.ours and seen.is_fresh():
        return
    ours = await look(store)
    if ours is None:
        await _make_first(store)
    elif not ours:
        raise StoreSwapped(store.bucket)
    told_now = await told()
    if told_now.lock == "not_kept":
        raise StoreNotProved(told_now.lock_facts.get("zh", ""), told_now.lock_facts.get("en", ""))
    seen.ours, seen.at = True, monotonic()


async def standing(store: EvidenceStore) -> bool | None:
    """Whether this bucket is ours, as this process saw it within the last minute; None: nobody could tell.

    One request looks while others go by what was seen before; one that failed is not repeated by each. Raises
    StoreUnavailable for whoever looked: what they want of the store next would wait as long.
    """
    seen = _LOOKS.setdefault(store, _Look())
    if seen.busy or seen.is_fresh():
        return seen.ours
    seen.busy = True
    try:
        seen.ours = await look(store)
    except StoreUnavailable:
        seen.ours = None
        raise
    finally:
        seen.at, seen.busy = monotonic(), False
    return seen.ours


def forget(store: EvidenceStore) -> None:
    """Look again at the next question."""
    _LOOKS.pop(store, None)


async def _make_first(store: EvidenceStore) -> None:
    """Make the first known object. Raises StoreSwapped where files were sealed and none of the newest is here."""
    await _must_have_what_was_sealed(store)
    known = await put_marker(store)
    try:
        await name(store, known, 1)
    except asyncpg.UniqueViolationError:  # another process was quicker
        await _drop(store, known)
        known = store.known = await marker() or known
    await store.check_known(known)
    await lengthen(store)


async def _must_have_what_was_sealed(store: EvidenceStore) -> None:
    rows = await fetch(NEWEST_SEALED)
    failed: StoreUnavailable | None = None
    for row in rows:
        try:
            if await store.size_of(row["object_key"], row["version"]) == row["bytes"]:
                return
        except ObjectUnknown:
            continue
        except StoreUnavailable as error:  # one file is not the store
            failed = error
    if failed is not None:
        raise failed
    if rows:
        raise StoreSwapped(store.bucket)


async def put_marker(store: EvidenceStore) -> KnownObject:
    """Put an object whose bytes nobody can guess. It counts once it is named."""
    content = f"Fujing knows its bucket by this object. {secrets.token_hex(32)}\n".encode()
    put = await store.put(f"{FOLDER}{uuid4()}", content, "text/plain")
    return KnownObject(put.key, put.version, put.bytes, hashlib.sha256(content).hexdigest())


async def _drop(store: EvidenceStore, known: KnownObject) -> None:
    try:
        await store.remove(known.key, known.version)
    except (ObjectLocked, StoreUnavailable):  # a rule of the bucket keeps it for a while: it is a line of text
        log.warning("an unused object stays", key=known.key)


async def name(store: EvidenceStore, known: KnownObject, number: int | None = None) -> None:
    """Name the object in the database and in the journal, in one transaction. `number`: 1 for the first; none: the
    next, which the owner alone gives. Raises UniqueViolationError."""
    now, marked = datetime.now(UTC), uuid4()
    async with tx():
        number = number or await value(NEXT_NUMBER)
        await execute(
            INSERT, marked, number, store.bucket, known.key, known.version, known.bytes, known.sha256, now
        )  # fmt: skip
        facts = {"number": number, "key": known.key, "version": known.version, "sha256": known.sha256}
        await journal.append(journal.Line(at=now, verb=MARK, outcome="done", subjects=[marked], facts=facts))
    store.known = known


async def lengthen(store: EvidenceStore) -> None:
    """Lock the known object for as long as a checkpoint (terms.toml), once half of that is over."""
    if store.known is None:
        return
    try:
        now = await clocks.must_agree()
    except clocks.ClocksDiffer:  # the alarm was given; another day
        return
    end = until(law(), "checkpoint_lock", now)
    kept = await store.locked_until(store.known.key, store.known.version)
    if kept is None or kept < now + (end - now) / 2:
        await store.lock(store.known.key, store.known.version, end)


# -- the proof of lock and hold


async def at_start(store: EvidenceStore, by: str) -> None:
    """For a process that writes into the store: the bucket, the proof of its lock, and that it is ours.

    `by`: name of the process, for the record. Nothing is written into a bucket that is not ours. Raises LockNotKept,
    StoreSwapped, StoreUnavailable.
    """
    known = store.known = await marker()
    await store.prepare(make=known is None and not await fetch(NEWEST_SEALED))
    if known is not None:
        await store.check_known(known)
    else:
        await _must_have_what_was_sealed(store)
    await prove(store, by, period("proved_anew"))
    await must_be_ours(store)


async def prove_again(store: EvidenceStore, by: str) -> None:
    """The job of every five minutes: look at what was left, and prove anew once a day or after a proof that failed."""
    if await look(store) is False:
        raise StoreSwapped(store.bucket)
    if not await prove(store, by, period("proved_daily")):
        await look_at_what_was_left(store, by)


async def prove(store: EvidenceStore, by: str, again: float) -> bool:
    """Prove that the bucket keeps locks and holds, unless that was proved within `again` seconds. Whether it was
    proved now. Raises LockNotKept."""
    before = await told()
    if before.lock == "kept" and before.proof_age < again:
        return False
    found = await _recorded(by, store.prove_lock)
    if await look_at_what_was_left(store, by, tidy=True) or before.lock != "not_kept":
        await _record_kept(by, found)
    return True


async def look_at_what_was_left(store: EvidenceStore, by: str, *, tidy: bool = False) -> bool:
    """Look at the probes that were left, by one process of the house; remove those of days before, and leave others.

    `tidy`: remove what ended processes left, too. False: another process does so now. Raises LockNotKept.
    """
    claim = uuid4()
    text = await value(CLAIM, claim, period("claim"))
    if text is None:
        return False
    try:
        now = datetime.now(UTC)
        left = await _without_lost(store, _probes(text), now)
        due = [each.probe for each in left if _is_due(each, now)]
        await _recorded(by, lambda: store.look_at_probes(due))
        seen = [msgspec.structs.replace(each, seen=True) if each.probe in due else each for each in left]
        await _change_what_is_left(store, claim, seen, now, tidy=tidy)
    finally:
        await execute(LET_GO, claim)
    return True


def _probes(text: str) -> list[LeftProbe]:
    """What the database names. The application's role can write that: what is no probe is never touched."""
    try:
        return _decode_probes(text)
    except msgspec.ValidationError as error:
        log.error("what was left in the store is not what a proof leaves", error=str(error))
        return []


async def _without_lost(store: EvidenceStore, left: list[LeftProbe], now: datetime) -> list[LeftProbe]:
    """What is left, where a power cut may have taken what was just left: once a week that is no proof of anything."""
    new = [each.probe for each in left if _is_due(each, now) and not each.seen]
    lost = await store.gone_probes(new)
    if not lost or any(each.lost for each in left):
        return left
    log.warning("what was left in the store is not there, and was never seen there", probes=len(lost))
    return [
        msgspec.structs.replace(each, lost=True, left_at=now) if each.probe.version in lost else each for each in left
    ]


def _is_due(left: LeftProbe, now: datetime) -> bool:
    return not left.lost and _age(left, now) >= period("left_for_looking")


async def _change_what_is_left(
    store: EvidenceStore, claim: UUID, left: list[LeftProbe], now: datetime, *, tidy: bool
) -> None:
    """Remove probes of days before, and leave others for the days to come. The database is told first of what goes, and
    last of what came: of a process that is killed in between, nothing is looked at that is not there."""
    stay = [each for each in left if not _is_over(each, now)]
    if not await _keep(claim, stay):
        return
    if tidy or len(stay) < len(left):
        over = [each.probe for each in left if each not in stay]
        await store.tidy_probes({each.probe.version for each in stay}, over)
    if len(stay) < MOST_LEFT and all(each.lost or _age(each, now) >= period("proved_daily") for each in stay):
        ends = (now + timedelta(seconds=period("locked_probe"))).replace(microsecond=0)
        fresh = await store.leave_probes(day_of(now).isoformat(), ends)
        await _keep(claim, [*stay, *(LeftProbe(probe, now) for probe in fresh)])
    await lengthen(store)


async def _keep(claim: UUID, left: list[LeftProbe]) -> bool:
    """Record what is left, while the claim is ours."""
    return rows_touched(await execute(KEEP, claim, msgspec.json.encode(left).decode())) == 1


def _age(left: LeftProbe, now: datetime) -> float:
    return (now - left.left_at).total_seconds()


def _is_over(left: LeftProbe, now: datetime) -> bool:
    """Whether a probe has served: it was looked at on another day, and no lock of ours keeps it."""
    if left.lost:
        return _age(left, now) >= period("lost_once")
    ends = left.probe.locked_until
    return _age(left, now) >= period("proved_daily") and (ends is None or ends < now - timedelta(minutes=1))


async def _recorded(by: str, proof: Callable[[], Awaitable[Any]]) -> Any:
    """What a proof gives. One that failed twice is recorded: a single answer may have been nonsense. It is told why it
    failed first, since a probe that could be deleted is only missing afterwards. Raises LockNotKept."""
    try:
        return await proof()
    except LockNotKept as error:
        failed = error
        await asyncio.sleep(1)
    try:
        return await proof()
    except LockNotKept:
        await _record("lock", "not_kept", None, {"zh": failed.zh, "en": failed.en, "by": by})
        log.error("the store does not keep what is locked or held", words=failed.en)
        raise failed from None


async def _record_kept(by: str, found: LockFound) -> None:
    facts = {"by": by}
    if found.by_default is not None:
        facts["default_retention"] = journal.utc(found.by_default)
        log.warning("the bucket has a default retention", keeps_until=facts["default_retention"])
    await _record("lock", "kept", None, facts)


async def prove_at_start(store: EvidenceStore, by: str) -> None:
    """As `at_start`, beside a process that serves meanwhile. What was found is recorded and logged: a store that does
    not keep its locks stops uploads and sealing, and one that is away stops nothing else."""
    try:
        await at_start(store, by)
    except LockNotKept:  # recorded
        return
    except (StoreUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        log.warning("the store was not proved at the start", error=type(error).__name__, words=str(error)[:300])


async def begin_anew() -> None:
    """Forget what was found of another bucket. For the owner, in the transaction of a restore."""
    await execute(BEGIN_ANEW)


async def mark_anew(store: EvidenceStore, by: str) -> KnownObject:
    """Take this bucket for ours, where it has files that were sealed; what was left to look at is forgotten.

    For a person who knows why the known object is gone or damaged, or who set the database back. The database is open
    as its owner. Raises LockNotKept, StoreSwapped, StoreUnavailable.
    """
    await _must_have_what_was_sealed(store)
    await begin_anew()
    await prove(store, by, 0)
    known = await put_marker(store)
    await name(store, known)
    await lengthen(store)
    forget(store)
    return known


# -- whether it takes writes


async def try_writing(store: EvidenceStore, disk: Path | None = None) -> Write:
    """Try whether the store takes what a device sends, and record it for all processes. One worker does so each minute.

    `disk`: the folder of the embedded store, where there is one.
    """
    try:
        state, code = await asyncio.wait_for(_try(store, disk), WRITING_SECONDS)
    except TimeoutError:
        state, code = "away", "timeout"
    await _record("write", state, code)
    if state != "ok":
        log.warning("the store takes no writes", state=state, code=code)
    return state


async def _try(store: EvidenceStore, disk: Path | None) -> tuple[Write, str | None]:
    try:
        ours = await look(store)
        if ours is None:
            await _make_first(store)
        if ours is False:
            return "swapped", None
        await store.try_write()
    except StoreSwapped:
        return "swapped", None
    except StoreFull as error:
        return "full", error.code
    except StoreReadOnly as error:
        return ("full" if _is_full(disk) else "read_only"), error.code
    except StoreUnavailable as error:
        return "away", error.en
    return "ok", None


def _is_full(disk: Path | None) -> bool:
    return disk is not None and disk.exists() and shutil.disk_usage(disk).free < ROOM


async def _record(kind: str, state: str, code: str | None, facts: dict[str, Any] | None = None) -> None:
    await execute(RECORD, kind, state, code and code[:200], msgspec.json.encode(facts or {}).decode())


async def told() -> StoreTold:
    """What was found of the store last. One query, no call to the store."""
    rows = {row["kind"]: row for row in await fetch(CHECKS)}
    lock, write = rows["lock"], rows["write"]
    fresh = write["age"] is not None and write["age"] <= period("written_for")
    return StoreTold(
        lock=lock["state"] or "unknown",
        proved_at=lock["at"],
        proof_age=_age_of(lock),
        lock_facts=msgspec.json.decode(lock["facts"]),
        write=write["state"] if fresh else "unknown",
        written_at=write["at"],
        write_code=write["code"] if fresh else None,
    )


async def how_it_stands(store: EvidenceStore) -> Standing:
    """Read the known object now, and take the rest from the database, which may be away itself."""
    try:
        found: StoreTold | None = await told()
        store.known = await marker()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        found = None
    reads, ours = await _read_now(store)
    proved = None if found is None or found.lock == "unknown" else found.lock == "kept"
    late = found is not None and proved and found.proof_age > period("proof_late")
    state = "unknown" if found is None else found.write
    if state == "swapped":  # the worker sees another store than this process does
        ours = False
    why = "swapped" if ours is False else state if state in ("full", "read_only") else None
    return Standing(
        reads, ours, writes=None if state == "unknown" else state == "ok", kept=False if late else proved,
        why=why or ("lock_not_kept" if proved is False else None),
    )  # fmt: skip


async def _read_now(store: EvidenceStore) -> tuple[bool, bool | None]:
    """Whether the store can be read, and is ours."""
    try:
        await store.alive()
    except StoreSwapped:
        return False, False
    except StoreUnavailable:
        return False, None
    return True, None if store.known is None else True


def _age_of(row: Record) -> float:
    return float("inf") if row["age"] is None else float(row["age"])
