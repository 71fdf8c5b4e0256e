"""Sealing: read every byte back, compare the digest, lock the version, then sign the receipt.

Guarantees: a job may run twice and commits once. What is sealed has a version, a length and a digest that agree with
the store's own answers. That the bytes do not match is believed when they were read twice, the second time over a new
connection, and both agree; then the version is not locked, its poster is removed, the device must send the file again,
and the sweep removes the version after its term. A file that is no media, cannot be decoded, or whose duration
disagrees, gets a finding and is sealed all the same: these are the bytes that were sent.

Source: DESIGN §7; retention: 公通字〔2016〕14号.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import structlog

from backend.core import clocks, jobs, journal
from backend.core.database import Record, execute, fetch, first, rows_touched, tx
from backend.core.days import since
from backend.core.keys import Keys
from backend.evidence import excess, films, probing, resending, rules, unreadable
from backend.evidence.probing import Probe
from backend.evidence.refresh import lock_concerned, refresh_findings
from backend.evidence.removing import is_gone, poster_key, posters_are_gone
from backend.evidence.retention import legal_holds
from backend.evidence.starts import service as starts
from backend.evidence.tables import Upload
from backend.law.catalogue import law
from backend.proof import known_store
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoredObject, StoreNonsense

ISSUER = "fujing"
RECEIPT_TYPE = "fujing-receipt+jwt"
SELECT_RECEIVED = """
SELECT u.*, r.started_at, r.ended_at FROM upload u LEFT JOIN recording r ON r.id = u.id
WHERE u.id = $1 AND u.state = 'received'
"""
SELECT_DUPLICATE = """
SELECT u.*, k.state AS kept_state, k.sha256 AS kept_sha256, k.bytes AS kept_bytes
FROM upload u JOIN upload k ON k.id = u.same_as WHERE u.id = $1 AND u.state = 'same_as'
"""
SET_MISMATCH = """
UPDATE upload SET state = 'mismatch', store_upload = NULL, stored_bytes = NULL,
    sha256 = CASE WHEN digest_declared THEN sha256 END
WHERE id = $1 AND state = 'received'
"""  # a digest that was not declared may be another one at the next completion
SET_ASKED_AGAIN = """
UPDATE upload SET state = 'receiving', store_upload = NULL, stored_bytes = NULL, weighed_at = NULL, touched_at = $2
WHERE id = $1 AND state = 'received'
"""
ELSEWHERE = "SELECT send_elsewhere($1, $2)"
ASKED_AGAIN = """
SELECT u.*, r.version AS refused, r.object_key AS refused_key FROM refused_version r JOIN upload u ON u.id = r.upload
WHERE r.unreadable AND r.removed_at IS NULL AND u.state IN ('receiving', 'abandoned') ORDER BY r.found_at LIMIT 500
"""
SET_READ_AFTER_ALL = """
UPDATE upload SET state = 'received', received_at = $2, touched_at = $2, store_upload = NULL, stored_bytes = NULL
WHERE id = $1 AND state IN ('receiving', 'abandoned')
"""  # parts that are there already are swept
SET_SEALED = """
UPDATE upload SET state = 'sealed', version = $2, sealed_at = $3, locked_until = $4, receipt = $5
WHERE id = $1 AND state = 'received'
"""
WITHOUT_JOB = """
UPDATE upload SET touched_at = $2 WHERE state = 'received' AND touched_at < $1 AND NOT EXISTS (
    SELECT FROM pgqueuer q WHERE q.entrypoint = 'seal' AND q.payload = uuid_send(upload.id)
        AND q.status IN ('queued', 'picked')
) RETURNING id
"""
SET_ABANDONED = """
WITH old AS (
    SELECT id, object_key, store_upload FROM upload
    WHERE (state IN ('declared', 'receiving', 'mismatch') OR state = 'abandoned' AND store_upload IS NOT NULL)
        AND touched_at < $1 FOR UPDATE SKIP LOCKED
)
UPDATE upload u SET state = 'abandoned', store_upload = NULL, stored_bytes = NULL FROM old WHERE u.id = old.id
RETURNING u.id, u.owner, u.organ, old.object_key, old.store_upload
"""
# What was begun under an id that became another's, and is known by its id alone: MinIO forgets its list at a restart.
REPLACED = "SELECT id, object_key, store_upload FROM upload WHERE state = 'same_as' AND store_upload IS NOT NULL"
FORGET = "UPDATE upload SET store_upload = NULL, stored_bytes = NULL WHERE id = $1 AND store_upload = $2"
log = structlog.get_logger()


class ProbedFile(msgspec.Struct, frozen=True):
    """The answer of the probe, and the version of the poster in the store, not locked yet."""

    probe: Probe
    poster: str | None = None


async def seal(store: EvidenceStore, keys: Keys, upload: UUID) -> None:
    """Seal one received upload. Raises StoreUnavailable, ObjectUnreadable, ClocksDiffer, ToldMeanwhile; the job is
    tried again then.

    What cannot be read for as long as `unreadable_tried` is asked of its device again; its version stays.
    """
    row = await first(SELECT_RECEIVED, upload)
    if row is None:
        return
    await known_store.must_be_ours(store)
    try:
        await _seal(store, keys, row)
    except ObjectUnreadable as error:
        now = datetime.now(UTC)
        if now - await unreadable.note(upload, row["organ"], now) < law().span("unreadable_tried"):
            raise
        await _ask_again(store, row, error)


async def _seal(store: EvidenceStore, keys: Keys, row: Record) -> None:
    """Seal one received upload, if it can be read. Raises ObjectUnreadable, and as `seal`."""
    upload = row["id"]
    stored = await _find(store, row["object_key"])
    if stored is None:
        await _set_mismatch(row, None, "nothing")
        await posters_are_gone(store, upload)
        return
    probe = asyncio.create_task(_probe(store, stored, row))
    try:
        sha256, size = await store.digest(stored.key, stored.version)
        probed = await probe
    finally:
        probe.cancel()
    if (sha256, size) == (row["sha256"], row["bytes"]) and size == stored.bytes:
        await _lock_and_sign(store, keys, row, stored, probed)
        return
    if await store.digest(stored.key, stored.version, anew=True) != (sha256, size) or size != stored.bytes:
        raise StoreNonsense(
            f"存储对 {stored.key} 两次读出的内容不同。", f"The store gave two different readings of {stored.key}."
        )
    await _set_mismatch(row, stored, sha256)
    await posters_are_gone(store, upload)


async def _ask_again(store: EvidenceStore, row: Record, error: ObjectUnreadable) -> None:
    """Have the device send the file again while it has it. Nothing is removed: the version may be read later.

    Under another key, because MinIO takes nothing more where an object's metadata is damaged.
    """
    now, version = datetime.now(UTC), error.version or await _newest_listed(store, row["object_key"])
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        if rows_touched(await execute(SET_ASKED_AGAIN, row["id"], now)) == 0:
            return
        if version:
            stored = StoredObject(row["object_key"], version, row["bytes"])
            await excess.refuse(row["id"], stored, now, unreadable=True)
        await execute(ELSEWHERE, row["id"], f"{row['object_key']}.again")
        await refresh_findings(row["id"], now)
        await append_line(row, "evidence/unreadable", now, {"read_to": error.read_to, "version": version})


async def _newest_listed(store: EvidenceStore, key: str) -> str:
    """The newest version by the list, where the store does not tell it by name; "": the list has it not either."""
    listed = (each for each in await store.versions(key) if each.key == key and each.newest and not each.deletion)
    return next((each.version for each in listed), "")


async def try_unreadable_again(store: EvidenceStore) -> int:
    """Read once more what could not be read when it was to be sealed, and was not sent again since. How many are read
    now, and go to be sealed. Raises StoreUnavailable."""
    found = 0
    for row in await fetch(ASKED_AGAIN):
        try:
            newest = await store.find(row["refused_key"])
            there = {**row, "object_key": newest.key, "version": newest.version}
            if newest.version != row["refused"] or not await unreadable.is_whole(store, there):
                continue
        except (ObjectUnknown, ObjectUnreadable):
            continue
        found += await _read_after_all(row, datetime.now(UTC))
    return found


async def _read_after_all(row: Record, now: datetime) -> bool:
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        await execute(ELSEWHERE, row["id"], row["refused_key"])
        if rows_touched(await execute(SET_READ_AFTER_ALL, row["id"], now)) == 0:
            return False
        await excess.forgive(row["id"], row["refused"], now)
        await refresh_findings(row["id"], now)
        await jobs.enqueue(jobs.SEAL, row["id"])
        await append_line(row, "evidence/unreadable", now, {"version": row["refused"], "read_after_all": True})
    return True


class NotSealedYet(Exception):
    """The upload whose bytes are kept is not sealed, so nobody has read them yet."""


async def compare(store: EvidenceStore, upload: UUID) -> None:
    """Read the bytes of a duplicate, and remove them where they are those that were sealed under the other id.

    Others stay for the term of a mismatch, as their device promised other bytes. Raises NotSealedYet, StoreNonsense,
    StoreUnavailable; the job is tried again then.
    """
    row, now = await first(SELECT_DUPLICATE, upload), datetime.now(UTC)
    if row is None:
        await resending.compare(store, upload, now)
        return
    await known_store.must_be_ours(store)
    if row["kept_state"] != "sealed":
        raise NotSealedYet
    stored = await _find(store, row["object_key"])
    if stored is None or stored.version in await excess.refused(upload):
        return
    try:
        sha256, size = await store.digest(stored.key, stored.version)
    except ObjectUnreadable:  # the other copy is sealed; this one stays
        await excess.refuse(upload, stored, now, unreadable=True)
        return
    if (sha256, size) == (row["kept_sha256"], row["kept_bytes"]) and size == stored.bytes:
        if not await is_gone(store, stored.key, stored.version):
            await excess.refuse(upload, stored, datetime.now(UTC))  # the sweep removes it when its lock ends
        return
    async with tx():
        await excess.refuse(upload, stored, now)
        await append_line(row, "evidence/mismatch", now, {"declared": row["kept_sha256"], "found": sha256})


async def _find(store: EvidenceStore, key: str) -> StoredObject | None:
    """The newest version. That there is none is believed when three answers say so: two HEADs and the list.

    Raises StoreNonsense where they disagree.
    """
    try:
        return await store.find(key)
    except ObjectUnknown:
        pass
    try:
        await store.find(key, anew=True)
    except ObjectUnknown:
        if not any(each.key == key and each.newest and not each.deletion for each in await store.versions(key)):
            return None
    raise StoreNonsense(f"存储时而有 {key}，时而没有。", f"The store has {key}, and has it not.")


async def _lock_and_sign(
    store: EvidenceStore, keys: Keys, row: Record, stored: StoredObject, probed: ProbedFile | None
) -> None:
    """Lock the file and its poster, sign the receipt, and record both in one transaction. All by the database's clock.

    Raises ClocksDiffer before anything is locked; ToldMeanwhile.
    """
    now = await clocks.must_agree()
    begins = rules.term_begins(row["declared_at"], row["ended_at"] or row["started_at"], row["received_at"])
    until = rules.locked_until(begins, now, law())
    until = until.replace(microsecond=0) + timedelta(seconds=1)
    versions = [(stored.key, stored.version)]
    if probed is not None and probed.poster is not None:
        versions.append((poster_key(row["id"]), probed.poster))
    await asyncio.gather(*(store.lock(key, version, until) for key, version in versions))
    receipt = _signed_receipt(keys, row, now)
    settling = None if probed is None else await starts.weigh(keys, row["id"], told_by(probed.probe))
    async with tx():
        await lock_concerned(row["owner"], [row["id"]], *([] if settling is None else [settling.after]))
        if rows_touched(await execute(SET_SEALED, row["id"], stored.version, now, until, receipt)) == 0:
            return
        await excess.forgive(row["id"], stored.version, now)
        await unreadable.forget(row["id"])
        filmed = {} if probed is None else await films.keep(row, probed.probe, now)
        await _save_poster(row["id"], probed)
        started = None if settling is None else await starts.settle(settling, now)
        await refresh_findings(row["id"], now)
        if await legal_holds.is_held(row["id"]):
            await jobs.enqueue(jobs.HOLD, row["id"])
        facts = {
            "sha256": row["sha256"],
            "bytes": row["bytes"],
            "version": stored.version,
            "locked_until": journal.utc(until),
        }
        await append_line(row, "evidence/seal", now, facts | filmed)
        if started is not None:
            await journal.append(started)


async def _save_poster(upload: UUID, probed: ProbedFile | None) -> None:
    if probed is not None and probed.poster is not None:
        await execute("UPDATE recording SET poster_version = $2 WHERE id = $1", upload, probed.poster)


def _signed_receipt(keys: Keys, row: Record, now: datetime) -> str:
    """The receipt: a JWS over id, digest, size and time of sealing."""
    claims = {
        "iss": ISSUER,
        "id": str(row["id"]),
        "sha256": row["sha256"],
        "bytes": row["bytes"],
        "sealed_at": journal.utc(now),
    }
    return keys.evidence.sign(claims, RECEIPT_TYPE)


async def _set_mismatch(row: Record, stored: StoredObject | None, sha256: str) -> None:
    """Record that other bytes were stored than declared: nothing was locked, and the device must send them again."""
    now = datetime.now(UTC)
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        if rows_touched(await execute(SET_MISMATCH, row["id"])) == 1:
            if stored is not None:
                await excess.refuse(row["id"], stored, now)
            await refresh_findings(row["id"], now)
            facts = {"declared": row["sha256"], "found": sha256}
            await append_line(row, "evidence/mismatch", now, facts)


def told_by(probe: Probe) -> starts.Probed:
    """What the probe found that tells of time. A photo has no container but its own format."""
    container = probe.container or probe.codec or ""
    return starts.Probed(duration_ms=probe.duration_ms or 0, container=container, tags=probe.tags, codes=probe.codes)


async def _probe(store: EvidenceStore, stored: StoredObject, row: Record) -> ProbedFile | None:
    """Probe a recording and store its poster. None for a paper, which is not probed."""
    if row["kind"] != "recording":
        return None
    probe = await probing.probe(store, stored)
    if probe.poster is None:
        return ProbedFile(probe)
    put = await store.put(poster_key(row["id"]), probe.poster, "image/jpeg")
    return ProbedFile(probe, put.version)


async def append_line(row: Record, verb: str, now: datetime, facts: dict[str, object]) -> None:
    """Append to the journal what the server did with an upload. `row`: its id, owner and organ."""
    await journal.append(
        journal.Line(
            at=now, verb=verb, outcome="done", organ=row["organ"], subjects=[row["id"], row["owner"]], facts=facts
        )
    )


async def sweep(store: EvidenceStore, now: datetime) -> dict[str, int]:
    """Enqueue lost jobs again; abandon uploads that nobody continues; drop from the store what is unknown, exceeds its
    slots, or was refused and is over its term.

    Returns how many of each. Raises ClocksDiffer before anything is dropped.
    """
    enqueued = await _enqueue_again(now)
    await clocks.must_agree()
    await known_store.must_be_ours(store)
    return {
        "abandoned": await _abandon(store, now),
        "enqueued_again": enqueued,
        "dropped": await _drop_replaced(store) + await _drop_unknown(store, now),
        "exceeded": await excess.weigh(store, now),
        "refused_removed": await excess.remove_refused(store, now),
        "again_dropped": await resending.close_left(store, now),
    }


async def _abandon(store: EvidenceStore, now: datetime) -> int:
    async with tx():
        rows = await fetch(SET_ABANDONED, since(law(), "upload_abandoned_after", now))
        for row in rows:
            await append_line(row, "evidence/abandon", now, {})
            await refresh_findings(row["id"], now)
    for row in rows:
        if row["store_upload"] is not None:
            await store.abort_upload(row["object_key"], row["store_upload"])
    return len(rows)


async def _enqueue_again(now: datetime) -> int:
    """Enqueue the sealing of received uploads whose job was lost."""
    async with tx():
        rows = await fetch(WITHOUT_JOB, now - law().span("seal_again_after"), now)
        for row in rows:
            await jobs.enqueue(jobs.SEAL, row["id"])
    return len(rows)


async def _drop_replaced(store: EvidenceStore) -> int:
    """Abort what was begun under an id that became the same as another."""
    rows = await fetch(REPLACED)
    for row in rows:
        await store.abort_upload(row["object_key"], row["store_upload"])
        await execute(FORGET, row["id"], row["store_upload"])
    return len(rows)


async def _drop_unknown(store: EvidenceStore, now: datetime) -> int:
    """Abort uploads that are open in the store but in no row: a process was killed between the two steps."""
    dropped = 0
    for key, store_upload in await store.open_uploads(since(law(), "upload_abandoned_after", now)):
        if not await Upload.exists().where(Upload.store_upload == store_upload):
            await store.abort_upload(key, store_upload)
            dropped += 1
    return dropped
