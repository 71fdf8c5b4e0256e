"""Put the bytes of a sealed file back, where the store lost them or does not give them.

Guarantees: only bytes of exactly the sealed digest and size become a version, which is read back, locked at least as
long and held as before, before the database names it; the broken version stays where it is until the file is disposed
of. Killed in between, running it again goes on with what is there. The owner of the tables does it, as a restore; the
line `evidence/heal` says which version took the place of which, and `fujing verify` reads such a file every time.
See docs/adr/0062.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

import msgspec

from backend.core import findings, journal
from backend.core.database import Record, execute, fetch, first, rows_touched, tx
from backend.evidence import resending, unreadable
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoreNonsense
from storage.language import SentenceError

HEAL, RESTORE = "evidence/heal", "evidence/restore"
Origin = Literal["backup", "file", "device"]
BLOCK = 1024 * 1024  # bytes
TRIES = 3
FILE = "SELECT u.* FROM upload given JOIN upload u ON u.id = coalesce(given.same_as, given.id) WHERE given.id = $1"
MOVE = """
UPDATE upload SET object_key = $2, version = $3, store_upload = NULL, stored_bytes = NULL, resent_at = NULL
WHERE id = $1 AND (object_key, version) = ($4, $5) AND state = 'sealed' AND disposed_at IS NULL
"""
LINES = """
SELECT verb, entry FROM journal WHERE subjects @> ARRAY[$1::uuid] AND verb IN ('evidence/heal', 'evidence/restore')
    AND outcome = 'done' ORDER BY epoch, xid, seq
"""


class NotHealed(SentenceError):
    """The file is not put back. The text says why."""


class Source(Protocol):
    """What `open` of a binary file gives, as far as it is read here."""

    def read(self, size: int = -1, /) -> bytes: ...


class Place(NamedTuple):
    """Where the store has the bytes of a file."""

    key: str
    version: str


class _Replacing(msgspec.Struct, frozen=True):
    replaced: str | None = None
    replaced_key: str | None = None


class _HealLine(msgspec.Struct, frozen=True):
    facts: _Replacing = _Replacing()


async def sealed_file(upload: UUID) -> Record:
    """The sealed file of this id. Raises NotHealed."""
    row = await first(FILE, upload)
    if row is None:
        raise NotHealed(f"没有上传 {upload}。", f"There is no upload {upload}.")
    if row["state"] != "sealed":
        raise NotHealed(
            f"{upload} 尚未封存（{row['state']}）：设备仍保留原件，会重新发送。",
            f"{upload} is not sealed ({row['state']}): its device still has it, and sends it again.",
        )
    if row["disposed_at"] is not None:
        raise NotHealed(f"{upload} 已到期处置。", f"{upload} was disposed of after its term.")
    return row


async def heal(store: EvidenceStore, row: Record, origin: Origin, source: Source | None) -> str | None:
    """Put the file back from `source`, or from what a device sent again. Its new version; None: nothing was broken.

    Must run as the owner of the tables. Raises NotHealed, StoreUnavailable, LockNotKept.
    """
    for _ in range(TRIES):
        place = await _whole_place(store, row)
        if place == _place_of(row):
            await _say_whole(row["id"])
            await resending.remove(store, row["id"])
            return None
        if place is None:
            place = await _put(store, row, source or await _sent_again(store, row["id"]))
        await _protect(store, row, place)
        if await _move(row, place, origin):
            await resending.remove(store, row["id"])
            await _protect(store, await sealed_file(row["id"]), place)  # a hold may have come meanwhile
            return place.version
        row = await sealed_file(row["id"])  # somebody else put it back at this moment
    raise NotHealed("同时有人在修复这份资料，请稍后再试。", "Somebody else is putting this file back: try again later.")


def _place_of(row: Mapping[str, Any]) -> Place:
    return Place(row["object_key"], row["version"])


def _beside(key: str) -> str:
    """The key for a file of whose own key the store cannot read what it knows: MinIO takes nothing new there."""
    return f"{key}.healed"


async def _whole_place(store: EvidenceStore, row: Record) -> Place | None:
    """Where the sealed bytes are whole: the newest version, which a killed run may have put there, or the one that is
    named. None: nowhere."""
    places = []
    for key in (row["object_key"], _beside(row["object_key"])):
        with suppress(ObjectUnknown, ObjectUnreadable):
            places.append(Place(key, (await store.find(key)).version))
    for place in dict.fromkeys([*places, _place_of(row)]):
        with suppress(ObjectUnknown, ObjectUnreadable):
            if await store.digest(*place) == (row["sha256"], row["bytes"]):
                return place
    return None


async def _key_for(store: EvidenceStore, row: Record) -> str:
    """The key for the bytes: their own, or one beside it where that takes nothing."""
    try:
        await store.find(row["object_key"])
    except ObjectUnknown:
        pass
    except ObjectUnreadable:
        return _beside(row["object_key"])
    return str(row["object_key"])


async def _say_whole(upload: UUID) -> None:
    """Nothing says any longer that the file is lost or cannot be read."""
    await unreadable.forget(upload)
    await findings.withdraw("evidence_missing", upload)


async def _put(store: EvidenceStore, row: Record, source: Source) -> Place:
    """Store the bytes as a new version, and read them back. Raises NotHealed: then nothing was stored."""
    checked = _Checked(source, row["sha256"], row["bytes"])
    stored = await store.put_stream(await _key_for(store, row), checked, row["media_type"])
    if await store.digest(stored.key, stored.version) != (row["sha256"], row["bytes"]):
        raise StoreNonsense(
            f"存储读回的 {stored.key} 与写入的不同。", f"The store gave {stored.key} back other than it was put."
        )
    return Place(stored.key, stored.version)


class _Checked:
    """A source that ends in NotHealed where it is not exactly the sealed bytes, so that nothing of it is stored."""

    def __init__(self, source: Source, sha256: str, size: int) -> None:
        self._source, self._sealed = source, (sha256, size)
        self._digest, self._read = hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        try:
            piece = self._source.read(size)
        except OSError as error:
            raise NotHealed(f"所给文件读不出：{error}", f"The file given cannot be read: {error}") from error
        self._digest.update(piece)
        self._read += len(piece)
        too_much = self._read > self._sealed[1]
        if too_much or (not piece and (self._digest.hexdigest(), self._read) != self._sealed):
            raise NotHealed(
                "所给内容不是封存的那一份：摘要或大小不同，未写入任何内容。",
                "These are not the bytes that were sealed: digest or size differ. Nothing was stored.",
            )
        return piece


async def _sent_again(store: EvidenceStore, upload: UUID) -> Source:
    """What a device sent again. Raises NotHealed where none did."""
    try:
        stored = await store.find(resending.key_of(upload))
    except (ObjectUnknown, ObjectUnreadable):
        raise NotHealed(
            "没有设备重新发送过这份资料：请用 --from 指明备份文件夹或文件。",
            "No device sent this file again: name a backup's folder or a file with --from.",
        ) from None
    blocks = store.stream(stored.key, stored.version, 0, stored.bytes, BLOCK)
    return _Blocks(blocks, asyncio.get_running_loop())


class _Blocks:
    """The blocks of a stored object as a file, for whoever reads in a thread."""

    def __init__(self, blocks: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._blocks, self._loop, self._left = blocks, loop, b""

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            self._left = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
        piece, self._left = (self._left, b"") if size < 0 else (self._left[:size], self._left[size:])
        return piece

    async def _next(self) -> bytes:
        return await anext(aiter(self._blocks), b"")


async def _protect(store: EvidenceStore, row: Record, place: Place) -> None:
    """Lock and hold the version as the file is locked and held."""
    if row["locked_until"] > datetime.now(UTC):
        await store.lock(*place, row["locked_until"])
    if row["legal_hold"]:
        await store.hold(*place, True)


async def _move(row: Record, place: Place, origin: Origin) -> bool:
    """Name the new version in the database and the journal. Whether nobody else changed it meanwhile."""
    before = _place_of(row)
    async with tx():
        if not rows_touched(await execute(MOVE, row["id"], *place, *before)):
            return False
        await _say_whole(row["id"])
        facts = {
            "sha256": row["sha256"], "bytes": row["bytes"], "key": place.key, "version": place.version,
            "replaced_key": before.key, "replaced": before.version, "from": origin,
        }  # fmt: skip
        await journal.append(
            journal.Line(
                at=datetime.now(UTC), verb=HEAL, outcome="done", organ=row["organ"],
                subjects=[row["id"], row["owner"]], facts=facts,
            )
        )  # fmt: skip
    return True


async def places_of(row: Mapping[str, Any]) -> list[Place]:
    """Where a file is in this store, and the versions that it took the place of: all go when the file does."""
    replaced: list[Place] = []
    for line in await fetch(LINES, row["id"]):
        told = msgspec.json.decode(line["entry"], type=_HealLine).facts
        if line["verb"] == RESTORE:
            replaced = []
        elif told.replaced and told.replaced_key:
            replaced.append(Place(told.replaced_key, told.replaced))
    return list(dict.fromkeys([_place_of(row), *replaced]))
