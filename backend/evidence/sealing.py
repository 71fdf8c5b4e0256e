"""Sealing: the server re-reads every byte, compares the digest, locks the version, then signs.

Guarantees: it may run twice and commits once; a version whose bytes do not match is never locked and the device is
told to send again; a file that is no media, or whose duration disagrees, is a finding and is sealed all the same: the
bytes are what was sent; of bytes that are refused no still is left. Source: DESIGN §7; retention: 公通字〔2016〕14号.
"""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
import structlog

from backend.core import findings, jobs, journal
from backend.core.database import Record, execute, fetch, first, rows_touched, tx
from backend.core.findings import Finding
from backend.core.keys import Keys
from backend.evidence import rules
from backend.evidence.refresh import lock_concerned, look_again
from backend.evidence.retention import legal_holds
from backend.law.catalogue import law
from storage.evidence_store import EvidenceStore, ObjectUnknown, StoredObject

PROBE_SECONDS = 600
LONGEST_FILM_MS = 366 * 86_400_000  # what claims more is a file made to deceive
ISSUER = "fujing"
RECEIPT_TYPE = "fujing-receipt+jwt"
ROW = """
SELECT u.*, r.started_at, r.ended_at FROM upload u LEFT JOIN recording r ON r.id = u.id
WHERE u.id = $1 AND u.state = 'received'
"""
MISMATCH = """
UPDATE upload SET state = 'mismatch', store_upload = NULL, sha256 = CASE WHEN digest_declared THEN sha256 END
WHERE id = $1 AND state = 'received'
"""  # a digest told only at complete may be told anew
SEALED = """
UPDATE upload SET state = 'sealed', version = $2, sealed_at = $3, locked_until = $4, receipt = $5
WHERE id = $1 AND state = 'received'
"""
ASK_AGAIN = """
UPDATE upload SET touched_at = $2 WHERE state = 'received' AND touched_at < $1 AND NOT EXISTS (
    SELECT FROM pgqueuer q WHERE q.entrypoint = 'seal' AND q.payload = uuid_send(upload.id)
        AND q.status IN ('queued', 'picked')
) RETURNING id
"""
ABANDON = """
WITH old AS (
    SELECT id, object_key, store_upload FROM upload
    WHERE state IN ('declared', 'receiving', 'mismatch') AND touched_at < $1 FOR UPDATE SKIP LOCKED
)
UPDATE upload u SET state = 'abandoned', store_upload = NULL FROM old WHERE u.id = old.id
RETURNING u.id, u.owner, u.organ, old.object_key, old.store_upload
"""
log = structlog.get_logger()


class Probe(msgspec.Struct, frozen=True):
    """What the bounded child saw; `media` is false for what is none, and for what made the child fail."""

    media: bool
    duration_ms: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_FILM_MS)] | None = None
    codec: str | None = None
    poster: bytes | None = None  # a still frame: a JPEG


class ProbedFile(msgspec.Struct, frozen=True):
    """What the probe saw, and the version of the still that stands in the store, not locked yet."""

    probe: Probe
    poster: str | None = None


async def seal(store: EvidenceStore, keys: Keys, upload: UUID) -> None:
    """Seal one received upload. Raises StoreUnavailable, upon which the job is tried again."""
    row = await first(ROW, upload)
    if row is None:
        return
    try:
        found = await store.find(row["object_key"])
    except ObjectUnknown:
        await remove_stills(store, upload)
        await _refuse(row, "nothing")
        return
    looking = asyncio.create_task(_look(store, found, row))
    try:
        sha256, size = await store.digest(found.key, found.version)
        seen = await looking
    finally:
        looking.cancel()
    if (sha256, size) == (row["sha256"], row["bytes"]):
        await _lock_and_sign(store, keys, row, found, seen)
        return
    await remove_stills(store, upload)  # first: while the file is there, a killed worker's job is done again
    await store.remove(found.key, found.version)
    await _refuse(row, sha256)


async def _lock_and_sign(
    store: EvidenceStore, keys: Keys, row: Record, found: StoredObject, seen: ProbedFile | None
) -> None:
    now = datetime.now(UTC)
    ended = row["ended_at"] or row["started_at"] or row["declared_at"]
    until = rules.locked_until(ended, now, law().span("footage_retention"), law().span("sealed_retention_floor"))
    until = until.replace(microsecond=0) + timedelta(seconds=1)
    kept = [(found.key, found.version)]
    if seen is not None and seen.poster is not None:
        kept.append((poster_key(row["id"]), seen.poster))
    await asyncio.gather(*(store.lock(key, version, until) for key, version in kept))
    signed = keys.evidence.sign(
        {
            "iss": ISSUER,
            "id": str(row["id"]),
            "sha256": row["sha256"],
            "bytes": row["bytes"],
            "sealed_at": journal.utc(now),
        },
        RECEIPT_TYPE,
    )
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        if rows_touched(await execute(SEALED, row["id"], found.version, now, until, signed)) == 0:
            return
        await _note(row, seen)
        await look_again(row["id"], now)
        if await legal_holds.covers(row["id"]):
            await jobs.enqueue(jobs.HOLD, row["id"])
        facts = {
            "sha256": row["sha256"],
            "bytes": row["bytes"],
            "version": found.version,
            "locked_until": journal.utc(until),
        }
        await _tell(row, "evidence/seal", now, facts)


async def _refuse(row: Record, found: str) -> None:
    """The bytes are not what was declared: nothing was locked, and the device is told to send again."""
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        if rows_touched(await execute(MISMATCH, row["id"])) == 1:
            await look_again(row["id"], datetime.now(UTC))
            facts = {"declared": row["sha256"], "found": found}
            await _tell(row, "evidence/mismatch", datetime.now(UTC), facts)


def poster_key(upload: UUID) -> str:
    return f"poster/{upload}"


async def remove_stills(store: EvidenceStore, upload: UUID) -> None:
    """All of them: a worker that was killed before it could say so has left one that no row knows.

    Raises ObjectLocked where one is still kept.
    """
    for still in await store.versions(poster_key(upload)):
        await store.remove(still.key, still.version)


async def _note(row: Record, seen: ProbedFile | None) -> None:
    """What the probe saw beside what was claimed."""
    if seen is None:
        return
    await execute(
        "UPDATE recording SET probed_ms = $2, codec = $3, poster_version = $4 WHERE id = $1", row["id"],
        seen.probe.duration_ms, seen.probe.codec, seen.poster,
    )  # fmt: skip
    kind = _wrong(row, seen.probe)
    if kind is not None:
        await findings.stand(
            Finding(
                kind=kind, subject=row["id"], organ=row["organ"], person=row["owner"],
                started_at=row["started_at"], ended_at=row["ended_at"],
            )
        )  # fmt: skip


def _wrong(row: Record, seen: Probe) -> str | None:
    if not seen.media or seen.duration_ms is None:
        return "not_media"
    if row["ended_at"] is None:
        return "end_unknown"
    claimed, probed = row["ended_at"] - row["started_at"], timedelta(milliseconds=seen.duration_ms)
    tolerance, share = law().span("duration_tolerance"), law().count("duration_tolerance_share")
    return "duration_disagrees" if rules.durations_disagree(claimed, probed, tolerance, share) else None


async def _look(store: EvidenceStore, found: StoredObject, row: Record) -> ProbedFile | None:
    """Ask the child, while the digest is read, and keep the still that it made; a paper is not looked into."""
    if row["kind"] != "recording":
        return None
    url = store.sign_read(found.key, found.version, timedelta(seconds=2 * PROBE_SECONDS))  # one may take over
    probe = await asyncio.to_thread(PROBERS.ask, url, found.bytes)
    if probe.poster is None:
        return ProbedFile(probe)
    put = await store.put(poster_key(row["id"]), probe.poster, "image/jpeg")
    return ProbedFile(probe, put.version)


class Probers:
    """Probing servers that wait for a file; one more is started where all are busy. They end with this process."""

    def __init__(self) -> None:
        self._idle: list[subprocess.Popen[bytes]] = []

    def ask(self, url: str, size: int) -> Probe:
        """What a server's child saw; no media where none comes back.

        A server that dies or is silent for too long is replaced, once for a file.
        """
        longest = law().span("longest_frame").total_seconds()
        order = json.dumps({"url": url, "bytes": size, "longest_frame": longest}).encode() + b"\n"
        for choose in (self._take, _start_prober):
            server = choose()
            seen = _asked(server, order)
            if seen is not None:
                self._idle.append(server)
                return seen
            _end(server)
        return Probe(media=False)

    def _take(self) -> subprocess.Popen[bytes]:
        return self._idle.pop() if self._idle else _start_prober()


PROBERS = Probers()


def _start_prober() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "storage.probe"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, start_new_session=True,
    )  # fmt: skip


def _end(server: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _asked(server: subprocess.Popen[bytes], order: bytes) -> Probe | None:
    if server.stdin is None or server.stdout is None:
        return None
    try:
        server.stdin.write(order)
        if not select.select([server.stdout], [], [], PROBE_SECONDS)[0]:
            return None
        return msgspec.json.decode(server.stdout.readline(), type=Probe)
    except (OSError, msgspec.DecodeError):
        return None


async def _tell(row: Record, verb: str, now: datetime, facts: dict[str, object]) -> None:
    await journal.append(
        journal.Line(
            at=now, verb=verb, outcome="done", organ=row["organ"], subjects=[row["id"], row["owner"]], facts=facts
        )
    )


async def sweep(store: EvidenceStore, now: datetime) -> dict[str, int]:
    """What only time brings: abandon what nobody continues, seal again what no job took, drop what nobody knows."""
    return {
        "abandoned": await _abandon(store, now),
        "asked_again": await _ask_again(now),
        "dropped": await _drop_unknown(store, now),
    }


async def _abandon(store: EvidenceStore, now: datetime) -> int:
    async with tx():
        rows = await fetch(ABANDON, now - law().span("upload_abandoned_after"))
        for row in rows:
            await _tell(row, "evidence/abandon", now, {})
            await look_again(row["id"], now)
    for row in rows:
        if row["store_upload"] is not None:
            await store.abort_upload(row["object_key"], row["store_upload"])
    return len(rows)


async def _ask_again(now: datetime) -> int:
    async with tx():
        rows = await fetch(
            ASK_AGAIN,
            now - law().span("seal_again_after"), now,
        )  # fmt: skip
        for row in rows:
            await jobs.enqueue(jobs.SEAL, row["id"])
    return len(rows)


async def _drop_unknown(store: EvidenceStore, now: datetime) -> int:
    """Uploads open in the store that no row knows: a process was killed between opening and saying so."""
    dropped = 0
    for key, opened in await store.open_uploads(now - law().span("upload_abandoned_after")):
        if await first("SELECT 1 FROM upload WHERE store_upload = $1", opened) is None:
            await store.abort_upload(key, opened)
            dropped += 1
    return dropped
