"""Bytes on their way: which parts are missing, and when all are there. Bytes never pass through here.

Guarantees: the store is asked first, then one conditional UPDATE says what became true, so that a process killed at
any line leaves something that the next call goes on from; nothing expires on a device; completing twice is completing
once. No transaction spans a call to the store.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from backend.core import findings, jobs, journal
from backend.core.database import Record, execute, first, rows_touched, tx
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.evidence import rules
from backend.evidence.declaring import corrected
from backend.evidence.refresh import lock_concerned, look_again
from backend.evidence.schemas import Complete, Parts, PartToSend, Sealed, State
from backend.law.catalogue import Language, law
from storage.evidence_store import EvidenceStore, ObjectUnknown, Part, UploadUnknown

MINE = """
SELECT u.* FROM upload asked JOIN upload u ON u.id = coalesce(asked.same_as, asked.id)
WHERE asked.id = $1 AND $2 IN (asked.owner, asked.declared_by)
"""
OPENED = """
UPDATE upload SET store_upload = $2, state = 'receiving', touched_at = $3
WHERE id = $1 AND store_upload IS NULL AND state IN ('declared', 'receiving', 'mismatch', 'abandoned')
"""
FORGOTTEN = "UPDATE upload SET store_upload = NULL WHERE id = $1 AND store_upload = $2"
TOUCHED = "UPDATE upload SET touched_at = $2 WHERE id = $1"
SIZED = "UPDATE upload SET bytes = $2 WHERE id = $1 AND bytes IS NULL"
RECEIVED = """
UPDATE upload SET state = 'received', bytes = $2, sha256 = $3, received_at = $4, touched_at = $4, store_upload = NULL
WHERE id = $1 AND state = 'receiving'
"""
TWIN = """
SELECT id, state FROM upload
WHERE owner = $2 AND kind = $3 AND sha256 = $4 AND same_as IS NULL AND id <> $1
"""
SAME_AS = """
UPDATE upload SET state = 'same_as', same_as = $2, store_upload = NULL WHERE id = $1 OR same_as = $1
"""
HELD = frozenset({"received", "sealed"})


async def mine(upload: UUID, actor: Actor) -> Record:
    """The upload that holds the bytes of this id, which the actor wore the camera for, or declared.

    Raises Refusal `unknown_upload` where it is neither.
    """
    row = await first(MINE, upload, actor.person)
    if row is None:
        raise Refusal("unknown_upload")
    return row


async def carried(upload: UUID, actor: Actor) -> Record:
    """As `mine`, for the device that carries it: a desk's session only reads how it stands.

    Raises Refusal `device_needed`, `unknown_upload`.
    """
    if actor.device is None:
        raise Refusal("device_needed")
    return await mine(upload, actor)


async def parts(store: EvidenceStore, actor: Actor, upload: UUID, now: datetime, start: int, limit: int) -> Parts:
    """What the store has of an upload, and signed URLs for the first parts from `start` on that it has not.

    Opens the upload in the store where needed. Raises Refusal `part_out_of_range`, `unknown_upload`, `upload_busy`,
    `device_needed`.
    """
    row = await carried(upload, actor)
    if row["state"] in HELD:
        return _all_there(upload, row)
    if row["bytes"] is not None and (start - 1) * row["part_size"] >= row["bytes"]:
        raise Refusal("part_out_of_range")
    row, have = await _open(store, row, now)
    await execute(TOUCHED, row["id"], now)
    sizes = {part.number: part.bytes for part in have}
    size, part = row["bytes"], row["part_size"]
    wanted = rules.missing_parts(sizes, size, part) if size else _next_parts(sizes, start, limit)
    expires = now + law().span("part_url_life")
    return Parts(
        id=upload,
        state="receiving",
        part_size=part,
        parts=-(-size // part) if size else None,
        have=rules.runs(set(sizes) - set(wanted)),
        missing=[_to_send(store, row, number, expires) for number in _first(wanted, start, limit)],
    )


async def complete(store: EvidenceStore, actor: Actor, upload: UUID, told: Complete, now: datetime) -> State:
    """Every part is there: have the store join them, and a job seal them. Returns the state.

    Raises Refusal `parts_missing` with their numbers, `digest_missing`, `digest_differs`, `end_before_start`,
    `device_needed`, `upload_busy`.
    """
    row = await carried(upload, actor)
    size, sha256 = _agreed(row, told)
    if row["state"] in HELD:
        return row["state"]  # type: ignore[no-any-return]
    ended_at = await _end_of(row, told, now)
    if row["state"] != "receiving":
        raise Refusal("parts_missing", extra={"missing": _numbers(size, row["part_size"]), "state": row["state"]})
    try:
        await _join(store, row, size)
    except (Refusal, UploadUnknown) as error:
        again = await mine(upload, actor)  # another call may have completed it meanwhile, and dropped its bytes
        if again["state"] in HELD:
            return again["state"]  # type: ignore[no-any-return]
        if isinstance(error, UploadUnknown):
            raise Refusal("upload_busy", retry_after=1) from None
        raise
    if await _received(row, actor, size, sha256, ended_at, now) == "same_as":
        await _drop(store, row["object_key"])
    return (await mine(upload, actor))["state"]  # type: ignore[no-any-return]


async def receipt(actor: Actor, upload: UUID, language: Language) -> Sealed:
    """The sealed receipt of an upload, or what to do until there is one."""
    row = await mine(upload, actor)
    advice = law().messages[f"upload_{row['state']}"].sentence(language)
    return Sealed(id=upload, state=row["state"], receipt=row["receipt"], advice=advice)


async def _open(store: EvidenceStore, row: Record, now: datetime) -> tuple[Record, list[Part]]:
    """The upload, open in the store, with the parts it has. Whoever opens it second uses the first one's."""
    for _ in range(3):
        if row["store_upload"] is None:
            opened = await store.open_upload(row["object_key"], row["media_type"])
            if rows_touched(await execute(OPENED, row["id"], opened, now)) == 0:
                await store.abort_upload(row["object_key"], opened)
            elif row["state"] in ("abandoned", "mismatch"):
                await _claims_again(row, now)
            row = await _again(row)
        if row["store_upload"] is None:
            break
        try:
            return row, await store.parts(row["object_key"], row["store_upload"])
        except UploadUnknown:
            if await _joined_already(store, row):
                return row, _as_joined(row)
            await execute(FORGOTTEN, row["id"], row["store_upload"])
            row = await _again(row)
    raise Refusal("upload_busy", retry_after=1)


async def _claims_again(row: Record, now: datetime) -> None:
    """What claimed nothing for a while claims its time anew."""
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        await look_again(row["id"], now)


async def _again(row: Record) -> Record:
    found = await first("SELECT * FROM upload WHERE id = $1", row["id"])
    if found is None:
        raise Refusal("unknown_upload")
    return found


async def _joined_already(store: EvidenceStore, row: Record) -> bool:
    """Whether the store joined the parts and the process was killed before it could say so."""
    try:
        found = await store.find(row["object_key"])
    except ObjectUnknown:
        return False
    return row["bytes"] is not None and found.bytes == row["bytes"]


def _as_joined(row: Record) -> list[Part]:
    expected = rules.expected_parts(row["bytes"], row["part_size"])
    return [Part(number=number, bytes=size, etag="") for number, size in expected.items()]


async def _join(store: EvidenceStore, row: Record, size: int) -> None:
    key, opened = row["object_key"], row["store_upload"]
    try:
        have = await store.parts(key, opened) if opened else []
    except UploadUnknown:
        have = []
    if not have and await _found_whole(store, key, size):
        return
    missing = rules.missing_parts({part.number: part.bytes for part in have}, size, row["part_size"])
    if missing:
        raise Refusal("parts_missing", extra={"missing": missing[:1000], "state": "receiving"})
    wanted = rules.expected_parts(size, row["part_size"])
    await execute(SIZED, row["id"], size)  # so that whoever comes after a crash can tell the whole file
    await store.complete_upload(key, opened, [part for part in have if part.number in wanted])


async def _found_whole(store: EvidenceStore, key: str, size: int) -> bool:
    try:
        return (await store.find(key)).bytes == size
    except ObjectUnknown:
        return False


async def _drop(store: EvidenceStore, key: str) -> None:
    """Remove bytes that are kept already under another id."""
    with suppress(ObjectUnknown):
        joined = await store.find(key)
        await store.remove(joined.key, joined.version)


async def _received(row: Record, actor: Actor, size: int, sha256: str, ended_at: datetime | None, now: datetime) -> str:
    """Say that the bytes are there and ask for the job that seals them, in one transaction."""
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        twin = await first(TWIN, row["id"], row["owner"], row["kind"], sha256)
        if twin is not None and twin["state"] in HELD:
            await execute(SAME_AS, row["id"], twin["id"])
            await _same(row["id"], twin["id"], now)
            return "same_as"
        if twin is not None:
            await execute(SAME_AS, twin["id"], row["id"])
            await _same(twin["id"], row["id"], now)
        if rows_touched(await execute(RECEIVED, row["id"], size, sha256, now)) == 0:
            return "received"
        if ended_at is not None:
            await execute("UPDATE recording SET ended_at = $2 WHERE id = $1", row["id"], ended_at)
        await look_again(row["id"], now)
        await jobs.enqueue(jobs.SEAL, row["id"])
        await _tell(row, actor, size, sha256, now)
    return "received"


async def _same(left: UUID, kept: UUID, now: datetime) -> None:
    """What was claimed or found by the times of the one that is kept no longer, is found anew."""
    await findings.withdraw("handed_over_late", left)
    for each in (left, kept):
        await look_again(each, now)


async def _tell(row: Record, actor: Actor, size: int, sha256: str, now: datetime) -> None:
    await journal.append(
        journal.Line(
            at=now, verb="uploads/complete", outcome="done", organ=row["organ"], actor=actor.person,
            device=actor.device, subjects=[row["id"], row["owner"]], facts={"bytes": size, "sha256": sha256},
        )
    )  # fmt: skip


def _agreed(row: Record, told: Complete) -> tuple[int, str]:
    size, sha256 = told.bytes or row["bytes"], told.sha256 or row["sha256"]
    if size is None or sha256 is None:
        raise Refusal("digest_missing")
    if row["bytes"] not in (None, size) or row["sha256"] not in (None, sha256):
        raise Refusal("digest_differs")
    if size > law().count("file_ceiling") or size > row["part_size"] * law().count("parts_ceiling"):
        raise Refusal("file_too_large")
    return size, sha256


async def _end_of(row: Record, told: Complete, now: datetime) -> datetime | None:
    """When a recording ended, where that was not declared."""
    if row["kind"] != "recording" or told.ended_at is None:
        return None
    recording = await first("SELECT * FROM recording WHERE id = $1", row["id"])
    if recording is None or recording["ended_at"] is not None:
        return None
    correction = timedelta(milliseconds=recording["correction_ms"])
    ended = corrected(told.ended_at, correction, now + law().span("clock_skew_tolerance"))
    if ended < recording["started_at"]:
        raise Refusal("end_before_start")
    return ended


def _to_send(store: EvidenceStore, row: Any, number: int, expires: datetime) -> PartToSend:
    part, size = row["part_size"], row["bytes"]
    offset = (number - 1) * part
    url = store.sign_part(row["object_key"], row["store_upload"], number, law().span("part_url_life"))
    bytes_ = part if size is None else min(part, size - offset)
    return PartToSend(number=number, offset=offset, bytes=bytes_, url=url, url_expires_at=expires)


def _first(wanted: list[int], start: int, limit: int) -> list[int]:
    return [number for number in wanted if number >= start][:limit]


def _next_parts(sizes: dict[int, int], start: int, limit: int) -> list[int]:
    """Numbers to go on with while the size is not known: the first that are not there."""
    ceiling = min(law().count("parts_ceiling"), start - 1 + len(sizes) + limit)
    return [number for number in range(start, ceiling + 1) if number not in sizes]


def _numbers(size: int, part: int) -> list[int]:
    return list(rules.expected_parts(size, part))[:1000]


def _all_there(upload: UUID, row: Record) -> Parts:
    count = -(-row["bytes"] // row["part_size"])
    return Parts(id=upload, state=row["state"], part_size=row["part_size"], parts=count, have=[(1, count)], missing=[])
