"""Uploads in parts: which parts are missing, and what happens when all are there. The bytes never pass through here.

Guarantees: the store is called first, then one conditional UPDATE records the result, so the next call can go on
wherever a process was killed; nothing expires on a device; completing twice is the same as once. A URL takes exactly
its part, so the last one is signed when the size of the file is told. A version that was refused is never taken for
the file. No transaction spans a call to the store.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from backend.core import findings, jobs, journal
from backend.core.database import execute, first, rows_touched, tx
from backend.core.findings import Finding
from backend.core.refusals import Refusal
from backend.core.verb import AUXILIARIES, CLOCK_DOUBTFUL, Actor, part_of
from backend.evidence import excess, resending, rules
from backend.evidence.refresh import lock_concerned, refresh_findings
from backend.evidence.resending import Row
from backend.evidence.schemas import Complete, PartToSend, Sealed, State, StoredPart, UploadParts
from backend.evidence.tables import Recording
from backend.law.catalogue import Language, law
from backend.proof import known_store
from storage.evidence_store import (
    EvidenceStore,
    ObjectUnknown,
    ObjectUnreadable,
    Part,
    StoreNonsense,
    UploadUnknown,
    newest_of_each,
)

OWN_UPLOAD = """
SELECT u.* FROM upload declared JOIN upload u ON u.id = coalesce(declared.same_as, declared.id)
WHERE declared.id = $1 AND $2 IN (declared.owner, declared.declared_by)
"""
SET_RESUMED = "UPDATE upload SET state = 'receiving' WHERE id = $1 AND state = 'abandoned' AND store_upload = $2"
SET_ABORTED = """
UPDATE upload SET state = 'abandoned', touched_at = $2
WHERE id = $1 AND state IN ('declared', 'receiving', 'mismatch')
"""
SET_OPEN = """
UPDATE upload SET store_upload = $2, state = CASE state WHEN 'sealed' THEN state ELSE 'receiving' END, touched_at = $3,
    versions_before = $4
WHERE id = $1 AND store_upload IS NULL AND (state IN ('declared', 'receiving', 'mismatch', 'abandoned')
    OR state = 'sealed' AND resent_at IS NULL)
"""  # of a sealed one: beside it (resending.py)
FORGET_STORE_UPLOAD = "UPDATE upload SET store_upload = NULL WHERE id = $1 AND store_upload = $2"
TOUCH = "UPDATE upload SET touched_at = $2, stored_bytes = $3, weighed_at = $2 WHERE id = $1"
SET_TOLD = "UPDATE upload SET told_bytes = $2 WHERE id = $1 AND bytes IS NULL AND told_bytes IS DISTINCT FROM $2"
SET_SIZE = "UPDATE upload SET bytes = $2 WHERE id = $1 AND bytes IS NULL"
SET_RECEIVED = """
UPDATE upload SET state = 'received', bytes = $2, sha256 = $3, received_at = $4, touched_at = $4, store_upload = NULL,
    stored_bytes = NULL
WHERE id = $1 AND state = 'receiving'
"""
TWIN = """
SELECT id, state FROM upload
WHERE owner = $2 AND kind = $3 AND sha256 = $4 AND same_as IS NULL AND id <> $1
"""
SET_SAME_AS = "UPDATE upload SET state = 'same_as', same_as = $2 WHERE id = $1 OR same_as = $1"
COMPLETE_STATES = frozenset({"received", "sealed"})
STORED_AT_ONCE = 1000  # parts told with size and ETag in one answer, as in a list of S3


class Wanted(NamedTuple):
    """Which URLs are asked for: `limit` from part number `start` on; `size` of the file, where it was not declared;
    `part`: one part, whether the store has it or not."""

    start: int
    limit: int
    size: int | None = None
    part: int | None = None

    @property
    def last(self) -> int:
        """The highest part number that is asked for."""
        return max(self.start, self.part or 1)


async def own_upload(upload: UUID, actor: Actor) -> Row:
    """The upload under which the bytes of this id are kept. The actor must own or have declared it. One that is sealed
    and cannot be read is on its way again.

    Raises Refusal `unknown_upload`.
    """
    row = await first(OWN_UPLOAD, upload, actor.person)
    if row is None:
        raise Refusal("unknown_upload")
    return await resending.as_told(row)


async def own_upload_to_send(upload: UUID, actor: Actor) -> Row:
    """As `own_upload`, for a session that may send its bytes: footage comes from a device, a paper from a desk too.

    An auxiliary's desk only reads. Raises Refusal `device_needed`, `unknown_upload`.
    """
    row = await own_upload(upload, actor)
    if actor.device is None and (row["kind"] != "document" or part_of(actor.kind) in AUXILIARIES):
        raise Refusal("device_needed")
    return row


async def parts(store: EvidenceStore, actor: Actor, upload: UUID, now: datetime, wanted: Wanted) -> UploadParts:
    """The parts that the store has of an upload, and signed URLs for the first missing parts.

    Opens the upload in the store where needed. While the size is not known, there are URLs for full parts only.
    Raises Refusal `part_out_of_range`, `digest_differs`, `file_too_large`, `unknown_upload`, `upload_busy`,
    `device_needed`, `store_swapped`, `store_full`, `store_read_only`, `store_unavailable`.
    """
    row = await own_upload_to_send(upload, actor)
    if row["state"] in COMPLETE_STATES:
        return _no_part_missing(upload, row)
    await _must_take_uploads(store, parts=True)
    size, part_size = _size_told(row, wanted), row["part_size"]
    if size is not None and (wanted.last - 1) * part_size >= size:
        raise Refusal("part_out_of_range")
    row, have = await _open_in_store(store, row, now, size)
    await execute(TOUCH, row["id"], now, excess.weight(have))
    newest = newest_of_each(have)
    sizes = {part.number: part.bytes for part in newest}
    missing = rules.missing_parts(sizes, size, part_size) if size else _next_parts(sizes, wanted)
    expires = now + law().span("part_url_life")
    return UploadParts(
        id=upload,
        state="receiving",
        part_size=part_size,
        parts=-(-size // part_size) if size else None,
        have=rules.runs(set(sizes) - set(missing)),
        missing=[_to_send(store, row, number, size, expires) for number in _first(missing, wanted)],
        stored=_stored(newest, wanted),
        part=None if wanted.part is None else _to_send(store, row, wanted.part, size, expires),
    )


async def complete(store: EvidenceStore, actor: Actor, upload: UUID, call: Complete, now: datetime) -> State:
    """Have the store join the parts, and enqueue the job that seals the file. Returns the state.

    Raises Refusal `parts_missing` with their numbers, `digest_missing`, `digest_differs`, `device_needed`,
    `upload_busy`, `store_swapped`, `store_unavailable`.
    """
    row = await own_upload_to_send(upload, actor)
    size, sha256 = _size_and_digest(row, call)
    if row["state"] in COMPLETE_STATES:
        return row["state"]  # type: ignore[no-any-return]
    await _must_take_uploads(store, parts=False)
    await execute(SET_TOLD, row["id"], size)  # a phone that never told it gets the URL of its last part by this
    if row["state"] != "receiving":
        raise Refusal("parts_missing", extra={"missing": _part_numbers(size, row["part_size"]), "state": row["state"]})
    try:
        await _join(store, row, size, {part.number: part.etag.strip('"') for part in call.parts or ()})
    except (Refusal, UploadUnknown) as error:
        current = await own_upload(upload, actor)  # another call may have completed it meanwhile, and removed its bytes
        if current["state"] in COMPLETE_STATES:
            return current["state"]  # type: ignore[no-any-return]
        if isinstance(error, UploadUnknown):
            raise Refusal("upload_busy", retry_after=1) from None
        raise
    await _set_received(row, actor, size, sha256, call, now)
    return (await own_upload(upload, actor))["state"]  # type: ignore[no-any-return]


async def abort(actor: Actor, upload: UUID, now: datetime) -> State:
    """The device that declared an upload gives it up. Returns the state.

    The store keeps its parts until the sweep; asking for the parts takes it up again. Raises Refusal `not_its_device`,
    `already_received`, `device_needed`, `unknown_upload`.
    """
    row = await own_upload_to_send(upload, actor)
    if row["state"] in COMPLETE_STATES:
        raise Refusal("already_received")
    if row["id"] != upload or row["device"] != actor.device:
        raise Refusal("not_its_device")
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        if rows_touched(await execute(SET_ABORTED, row["id"], now)) == 1:
            await refresh_findings(row["id"], now)
            await _append_line("uploads/abort", row, actor, now, {})
        current = await _reload(row)
    if current["state"] in COMPLETE_STATES:
        raise Refusal("already_received")
    return current["state"]  # type: ignore[no-any-return]


async def receipt(actor: Actor, upload: UUID, language: Language) -> Sealed:
    """The receipt of a sealed upload, or advice what to do until it is sealed. Raises Refusal `unknown_upload`."""
    row = await own_upload(upload, actor)
    wanted = resending.is_again(row) and row["state"] == "receiving"
    advice = law().messages["upload_unreadable" if wanted else f"upload_{row['state']}"].sentence(language)
    return Sealed(id=upload, state=row["state"], receipt=row["receipt"], advice=advice)


async def _must_take_uploads(store: EvidenceStore, *, parts: bool) -> None:
    """That the store is ours, keeps its locks, and took what the worker wrote a minute ago, as far as is known.

    `parts`: something is to be sent. Raises Refusal `store_swapped`, `store_unavailable`, `store_full`,
    `store_read_only`: the device keeps everything and tries later.
    """
    if await known_store.standing(store) is False:
        raise Refusal("store_swapped")
    found = await known_store.told()
    if found.lock == "not_kept":
        raise Refusal("store_unavailable")
    if parts and found.write in ("full", "read_only"):
        raise Refusal(f"store_{found.write}")


async def _open_in_store(store: EvidenceStore, row: Row, now: datetime, size: int | None) -> tuple[Row, list[Part]]:
    """The upload, open in the store, with the parts it has. Of two processes, the second uses what the first opened."""
    for _ in range(3):
        if row["store_upload"] is None:
            before = [each.version for each in await store.versions(row["object_key"]) if each.key == row["object_key"]]
            opened = await store.open_upload(row["object_key"], row["media_type"])
            if rows_touched(await execute(SET_OPEN, row["id"], opened, now, before)) == 0:
                await store.abort_upload(row["object_key"], opened)
            elif row["state"] in ("abandoned", "mismatch"):
                await _refresh_findings(row, now)
            row = await _reload(row)
        if row["store_upload"] is None:
            break
        try:
            have = await store.parts(row["object_key"], row["store_upload"])
            return await _taken_up(row, now), have
        except UploadUnknown:
            if size and await _is_joined(store, row, size):  # and the process was killed before it said so
                return row, _all_parts(row, size)
            await execute(FORGET_STORE_UPLOAD, row["id"], row["store_upload"])
            row = await _reload(row)
    raise Refusal("upload_busy", retry_after=1)


async def _taken_up(row: Row, now: datetime) -> Row:
    """The upload, of which the store still has the parts, is on its way again where its device had given it up."""
    if row["state"] != "abandoned" or rows_touched(await execute(SET_RESUMED, row["id"], row["store_upload"])) == 0:
        return row
    await _refresh_findings(row, now)
    return await _reload(row)


async def _refresh_findings(row: Row, now: datetime) -> None:
    """Footage that is taken up again claims its time again."""
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        await refresh_findings(row["id"], now)


async def _reload(row: Row) -> Row:
    current = await first("SELECT * FROM upload WHERE id = $1", row["id"])
    if current is None:
        raise Refusal("unknown_upload")
    return await resending.as_told(current)


async def _is_joined(store: EvidenceStore, row: Row, size: int) -> bool:
    """Whether the store has a joined file of this size under the key, which was not refused before.

    That it has not is believed when it is told twice, over a new connection: then everything is sent again. Raises
    StoreNonsense.
    """
    found = [await _version_of_size(store, row, size, anew=False)]
    if found[0] is None:
        found.append(await _version_of_size(store, row, size, anew=True))
    if len(set(found)) > 1:
        raise StoreNonsense(
            f"存储对 {row['object_key']} 两次答复不一。", f"The store told two things of {row['object_key']}."
        )
    return found[0] is not None


async def _version_of_size(store: EvidenceStore, row: Row, size: int, *, anew: bool) -> str | None:
    try:
        found = await store.find(row["object_key"], anew=anew)
    except (ObjectUnknown, ObjectUnreadable):
        return None
    return None if found.bytes != size or found.version in await _not_these(row) else found.version


async def _not_these(row: Row) -> set[str]:
    """Versions that cannot be what is being sent: there before it was, or refused."""
    return {*(row["versions_before"] or ()), *await excess.refused(row["id"])}


def _all_parts(row: Row, size: int) -> list[Part]:
    expected = rules.expected_parts(size, row["part_size"])
    return [Part(number=number, bytes=size, etag="") for number, size in expected.items()]


async def _join(store: EvidenceStore, row: Row, size: int, sent: dict[int, str]) -> None:
    """Join the parts, unless they are joined already. `sent`: the ETag of each part that its sender knows.

    Raises Refusal `parts_missing`, UploadUnknown.
    """
    key, opened = row["object_key"], row["store_upload"]
    try:
        have = newest_of_each(await store.parts(key, opened), sent) if opened else []
    except UploadUnknown:
        have = []
    if not have and await _is_joined(store, row, size):
        return
    missing = rules.missing_parts({part.number: part.bytes for part in have}, size, row["part_size"])
    if missing:
        raise Refusal("parts_missing", extra={"missing": missing[:1000], "state": "receiving"})
    expected = rules.expected_parts(size, row["part_size"])
    await execute(SET_SIZE, row["id"], size)  # by the size, a call after a crash recognises the joined file
    await store.complete_upload(key, opened, [part for part in have if part.number in expected], await _not_these(row))


async def _set_received(row: Row, actor: Actor, size: int, sha256: str, call: Complete, now: datetime) -> None:
    """Set the state to received and enqueue the job that seals the file, in one transaction.

    Where the owner has the same bytes under another id, one of the two becomes `same_as` the other. That they are the
    same is the device's word: a job reads what came second, before it removes it. What the other one had begun to send
    is aborted by the sweep.
    """
    if resending.is_again(row):
        await resending.set_received(row, actor, size, sha256, now)
        return
    async with tx():
        await lock_concerned(row["owner"], [row["id"]])
        twin = await first(TWIN, row["id"], row["owner"], row["kind"], sha256)
        if twin is not None and twin["state"] in COMPLETE_STATES:
            await execute(SET_SAME_AS, row["id"], twin["id"])
            await execute(FORGET_STORE_UPLOAD, row["id"], row["store_upload"])
            await _refresh_twins(row["id"], twin["id"], now)
            await jobs.enqueue(jobs.COMPARE, row["id"])
            told = {"bytes": size, "sha256": sha256, "same_as": str(twin["id"])}
            await _append_line("uploads/complete", row, actor, now, told)
            return
        if twin is not None:
            await execute(SET_SAME_AS, twin["id"], row["id"])
            await _refresh_twins(twin["id"], row["id"], now)
        if rows_touched(await execute(SET_RECEIVED, row["id"], size, sha256, now)) == 0 and twin is None:
            return
        ended_at = await _end_of(row, call, now)
        if ended_at is not None:
            await Recording.update({Recording.ended_at: ended_at}).where(Recording.id == row["id"])
        await refresh_findings(row["id"], now)
        await jobs.enqueue(jobs.SEAL, row["id"])
        await _append_line("uploads/complete", row, actor, now, {"bytes": size, "sha256": sha256})


async def _refresh_twins(duplicate: UUID, kept: UUID, now: datetime) -> None:
    """Refresh the findings in the time of both: the duplicate's own times count no longer."""
    await findings.withdraw("handed_over_late", duplicate)
    for upload in (duplicate, kept):
        await refresh_findings(upload, now)


async def _append_line(verb: str, row: Row, actor: Actor, now: datetime, facts: dict[str, Any]) -> None:
    await journal.append(
        journal.Line(
            at=now, verb=verb, outcome="done", organ=row["organ"], actor=actor.person, device=actor.device,
            subjects=[row["id"], row["owner"]], facts=facts,
        )
    )  # fmt: skip


def _size_and_digest(row: Row, call: Complete) -> tuple[int, str]:
    """Size and SHA-256, by the call or the declaration. Raises Refusal where one is missing or they differ."""
    size, sha256 = call.bytes or row["bytes"], call.sha256 or row["sha256"]
    if size is None or sha256 is None:
        raise Refusal("digest_missing")
    if row["bytes"] not in (None, size) or row["sha256"] not in (None, sha256):
        raise Refusal("digest_differs")
    _check_ceilings(size, row["part_size"])
    return size, sha256


def _check_ceilings(size: int, part_size: int) -> None:
    """Raises Refusal `file_too_large`."""
    if size > law().count("file_ceiling") or size > part_size * law().count("parts_ceiling"):
        raise Refusal("file_too_large")


async def _end_of(row: Row, call: Complete, now: datetime) -> datetime | None:
    """The end of a recording in corrected time, where it was not declared; None where the camera's clock cannot be
    right: then the length of the file counts, with a finding."""
    if row["kind"] != "recording" or call.ended_at is None:
        return None
    recording = await Recording.select().where(Recording.id == row["id"]).first()
    if recording is None or recording["ended_at"] is not None:
        return None
    ended = rules.moved(call.ended_at, timedelta(milliseconds=recording["correction_ms"]))
    latest = now + law().span("clock_skew_tolerance")
    if ended is not None and recording["started_at"] <= ended <= latest:
        moment: datetime = recording["started_at"] + rules.A_MOMENT
        return max(ended, moment)
    await findings.flag(
        Finding(
            kind=CLOCK_DOUBTFUL, subject=row["id"], organ=row["organ"], person=row["owner"],
            started_at=recording["started_at"],
        )
    )  # fmt: skip
    return None


def _size_told(row: Row, wanted: Wanted) -> int | None:
    """The size of the file: as declared, as told now, or as a completion told it. Raises Refusal."""
    if row["bytes"] is not None and wanted.size not in (None, row["bytes"]):
        raise Refusal("digest_differs")
    if wanted.size is not None:
        _check_ceilings(wanted.size, row["part_size"])
    size: int | None = row["bytes"] or wanted.size or row["told_bytes"]
    return size


def _to_send(store: EvidenceStore, row: Any, number: int, size: int | None, expires: datetime) -> PartToSend:
    offset, length = (number - 1) * row["part_size"], rules.slot(number, size, row["part_size"])
    url = store.sign_part(row["object_key"], row["store_upload"], number, length, law().span("part_url_life"))
    return PartToSend(number=number, offset=offset, bytes=length, url=url, url_expires_at=expires)


def _stored(newest: list[Part], wanted: Wanted) -> list[StoredPart]:
    kept = sorted((part for part in newest if part.number >= wanted.start), key=lambda part: part.number)
    return [
        StoredPart(number=part.number, bytes=part.bytes, etag=part.etag.strip('"')) for part in kept[:STORED_AT_ONCE]
    ]


def _first(numbers: list[int], wanted: Wanted) -> list[int]:
    return [number for number in numbers if number >= wanted.start][: wanted.limit]


def _next_parts(sizes: dict[int, int], wanted: Wanted) -> list[int]:
    """The first missing part numbers, while the size of the file is not known."""
    ceiling = min(law().count("parts_ceiling"), wanted.start - 1 + len(sizes) + wanted.limit)
    return [number for number in range(wanted.start, ceiling + 1) if number not in sizes]


def _part_numbers(size: int, part_size: int) -> list[int]:
    return list(rules.expected_parts(size, part_size))[:1000]


def _no_part_missing(upload: UUID, row: Row) -> UploadParts:
    count = -(-row["bytes"] // row["part_size"])
    return UploadParts(
        id=upload, state=row["state"], part_size=row["part_size"], parts=count, have=[(1, count)], missing=[]
    )
