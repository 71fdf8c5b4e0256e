"""View copies (观看副本) of footage that no browser plays: looking at a file, making a copy, keeping within a limit.

Guarantees: a copy is never evidence. It lies unlocked under `view/`, is made only when somebody asks for it, goes with
its footage, and goes when it was not used for long or room is short; then it is made again. A file that the probing
child cannot read, or that kills it, has no copy. What a file is, is looked at once.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Literal
from uuid import UUID

import msgspec
import structlog

from backend.core import jobs
from backend.core.database import Record, execute, fetch, first, rows_touched, tx
from backend.core.days import since
from backend.evidence import unreadable
from backend.law.catalogue import law
from backend.proof import known_store
from storage.evidence_store import (
    EvidenceStore,
    ObjectLocked,
    ObjectUnknown,
    ObjectUnreadable,
    StoreUnavailable,
)
from storage.media_types import HEAD_BYTES, media_type_of
from storage.view_copies import children
from storage.view_copies.ways import Way

CopyState = Literal["asked", "made", "failed"]
MEDIA_TYPE = "video/mp4"
SHOWN_PHOTOS = {"image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp", "image/avif"}
URL_LIFE = timedelta(hours=24)  # of one making
LOOKED_UP_AGAIN = 1  # seconds between two looks at how far a making is
FILE = """
SELECT u.id, u.organ, u.object_key, u.version, u.bytes, u.sha256, u.state, u.disposed_at, r.probed_ms
FROM upload u JOIN recording r ON r.id = u.id WHERE u.id = $1
"""
SAVE_LOOK = """
INSERT INTO view_copy (recording, look, looked_at) VALUES ($1, $2, $3) ON CONFLICT (recording) DO NOTHING
"""
# Whether it was asked for just now. A job that was lost is put into the queue again.
ASK = """
UPDATE view_copy SET state = 'asked', asked_at = $2, percent = 0 WHERE recording = $1
    AND (state IS NULL OR state = 'asked' AND NOT EXISTS (SELECT FROM pgqueuer q WHERE q.entrypoint = 'view'
        AND q.payload = uuid_send($1) AND q.status IN ('queued', 'picked')))
"""
SET_MADE = """
UPDATE view_copy SET state = 'made', percent = 100, made_at = $2, used_at = $2, version = $3, bytes = $4,
    init_bytes = $5, codecs = $6, fragments = $7
WHERE recording = $1 AND state = 'asked'
    AND EXISTS (SELECT FROM upload u WHERE u.id = $1 AND u.state = 'sealed' AND u.disposed_at IS NULL)
"""
FORGET = """
UPDATE view_copy SET state = NULL, asked_at = NULL, percent = 0, made_at = NULL, used_at = NULL, version = NULL,
    bytes = NULL, init_bytes = NULL, codecs = NULL, fragments = NULL
WHERE recording = $1
"""
# The copies that were not used since $1, and those beyond $2 bytes, the least lately used first.
TOO_MANY = """
SELECT c.recording FROM (
    SELECT recording, used_at, sum(bytes) OVER (ORDER BY used_at DESC, recording) AS with_newer
    FROM view_copy WHERE state = 'made'
) c WHERE c.used_at < $1 OR c.with_newer > $2
"""
log = structlog.get_logger()


class Measures(msgspec.Struct, frozen=True):
    """The track of a film: its codec, whether it can be decoded here, and the picture's size and frames a second."""

    codec: str
    decoded: bool
    width: int = 0
    height: int = 0
    frame_rate: float | None = None


class Look(msgspec.Struct, frozen=True):
    """What the probing child saw in a file, and how it can be watched. `points`: [byte, ms] pairs of its index."""

    kind: Literal["video", "audio", "photo", "unknown"]
    way: Way
    container: str | None = None
    video: Measures | None = None
    audio: Measures | None = None
    duration_ms: int | None = None
    fragmented: bool = False
    media_type: str = "application/octet-stream"
    points: list[tuple[int, int]] = []

    def copied(self) -> bool:
        """Whether a view copy is put together while it is sent."""
        picture = self.video is None or self.video.codec == "h264"
        return self.way == "remux" or (self.way == "as_is" and picture and self.kind != "photo")


class Copy(msgspec.Struct, frozen=True):
    """The view copy of a recording that is encoded anew, as far as it is."""

    state: CopyState | None
    percent: int
    version: str | None
    bytes: int | None
    init_bytes: int | None
    codecs: str | None
    fragments: list[tuple[int, int]] | None

    def offset_of(self, at_ms: int) -> int:
        """The byte of the copy at which the fragment begins that shows this time of the film."""
        fragments = self.fragments or [(0, self.init_bytes or 0)]
        return fragments[max(0, bisect_right(fragments, at_ms, key=itemgetter(0)) - 1)][1]

    def end_of(self, at_ms: int) -> int:
        """The byte of the copy before which everything until this time of the film is."""
        later = [byte for start_ms, byte in self.fragments or [] if start_ms >= at_ms]
        return later[0] if later else self.bytes or 0

    def times_of(self, first_byte: int, last_byte: int) -> tuple[int, int | None]:
        """The time of the film in these bytes of the copy, in milliseconds; no end: that of the film."""
        fragments = self.fragments or [(0, 0)]
        begun = bisect_right(fragments, first_byte, key=itemgetter(1)) - 1
        after = bisect_right(fragments, last_byte, key=itemgetter(1))
        return fragments[max(0, begun)][0], fragments[after][0] if after < len(fragments) else None


def view_key(recording: UUID) -> str:
    """The key of the view copy of a recording."""
    return f"view/{recording}"


def note_of(sha256: str) -> str:
    """What a view copy says of itself."""
    return f"观看副本，非证据 view copy, not evidence; original SHA-256 {sha256}"


async def look_of(store: EvidenceStore, recording: UUID) -> Look:
    """What a sealed file is; looked at once. Raises StoreUnavailable, ObjectUnreadable."""
    kept = await first("SELECT look FROM view_copy WHERE recording = $1", recording)
    if kept is not None:
        return msgspec.json.decode(kept["look"], type=Look)
    row: Any = await first(FILE, recording)
    async with unreadable.noting(row["id"], row["organ"]):
        head = b"".join([block async for block in store.stream(
            row["object_key"], row["version"], 0, min(row["bytes"], HEAD_BYTES), HEAD_BYTES)])  # fmt: skip
    try:
        url = store.sign_read(row["object_key"], row["version"], URL_LIFE)
        seen: dict[str, Any] = await children.look(url, row["bytes"])
    except (children.Unreadable, TimeoutError):
        await must_be_given(store, row)  # the child may have failed because of the store: then nothing is concluded
        seen = {"kind": "unknown", "way": "none"}
    media_type = media_type_of(head)
    if media_type.startswith("image/"):
        seen = {"kind": "photo", "way": "as_is" if media_type in SHOWN_PHOTOS else "none"}
    look = msgspec.convert(seen | {"media_type": media_type}, Look)
    await execute(SAVE_LOOK, recording, msgspec.json.encode(look).decode(), datetime.now(UTC))
    return look


async def copy_of(recording: UUID) -> Copy:
    """The view copy of a recording that was looked at."""
    row: Any = await first("SELECT * FROM view_copy WHERE recording = $1", recording)
    fragments = row["fragments"] and msgspec.json.decode(row["fragments"], type=list[tuple[int, int]])
    names = (name for name in Copy.__struct_fields__ if name != "fragments")
    return Copy(**{name: row[name] for name in names}, fragments=fragments)


async def ask(recording: UUID) -> Copy:
    """Have the view copy made, unless it is there or being made; and how far it is."""
    async with tx():
        if rows_touched(await execute(ASK, recording, datetime.now(UTC))):
            await jobs.enqueue(jobs.VIEW, recording)
    return await copy_of(recording)


async def used(recording: UUID) -> None:
    """Remember that the copy was used, so that it stays."""
    await execute("UPDATE view_copy SET used_at = now() WHERE recording = $1 AND state = 'made'", recording)


async def make(store: EvidenceStore, recording: UUID) -> None:
    """Make the copy that was asked for. Raises StoreUnavailable, ObjectUnreadable; the job is tried again then."""
    row = await first(FILE, recording)
    copy = await first("SELECT state, look FROM view_copy WHERE recording = $1", recording)
    if row is None or copy is None or copy["state"] != "asked" or row["disposed_at"] is not None:
        return
    await known_store.must_be_ours(store)
    look = msgspec.json.decode(copy["look"], type=Look)
    order = {
        "task": "transcode", "url": store.sign_read(row["object_key"], row["version"], URL_LIFE),
        "bytes": row["bytes"], "note": note_of(row["sha256"]), "nice": 10,
        "cpu_seconds": law().count("view_copy_cpu_seconds"),
    }  # fmt: skip
    stream = await asyncio.to_thread(children.CopyStream, order)
    telling = asyncio.create_task(_tell_progress(recording, stream, look.duration_ms or row["probed_ms"] or 0))
    try:
        stored = await store.put_stream(view_key(recording), stream, MEDIA_TYPE)
    except children.Unreadable:
        await _must_be_given_or_forgotten(store, row)
        await execute("UPDATE view_copy SET state = 'failed' WHERE recording = $1 AND state = 'asked'", recording)
        log.warning("no view copy can be made", recording=str(recording))
        return
    finally:
        stream.close()
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
    now = datetime.now(UTC)
    made = await execute(
        SET_MADE, recording, now, stored.version, stored.bytes, stream.init_bytes, stream.codecs,
        msgspec.json.encode(stream.fragments).decode(),
    )  # fmt: skip
    with suppress(ObjectLocked):  # a bucket that locks by itself: they go with the footage
        await _remove_others(store, recording, stored.version if rows_touched(made) else None)
    await trim(store, now)


async def must_be_given(store: EvidenceStore, row: Any) -> None:
    """That the store gives all bytes of this file, so that what failed was not its fault. Raises StoreUnavailable,
    ObjectUnreadable, ObjectUnknown."""
    async with unreadable.noting(row["id"], row["organ"]):
        await unreadable.is_whole(store, row)


async def _must_be_given_or_forgotten(store: EvidenceStore, row: Any) -> None:
    """The same; a copy of what cannot be read is asked for anew once it can."""
    try:
        await must_be_given(store, row)
    except ObjectUnreadable:
        await execute(FORGET, row["id"])
        raise


async def _tell_progress(recording: UUID, stream: children.CopyStream, duration_ms: int) -> None:
    while True:
        await asyncio.sleep(LOOKED_UP_AGAIN)
        percent = min(99, 100 * stream.at_ms // duration_ms) if duration_ms else 0
        await execute("UPDATE view_copy SET percent = $2 WHERE recording = $1 AND state = 'asked'", recording, percent)


async def _remove_others(store: EvidenceStore, recording: UUID, kept: str | None) -> None:
    """Remove every version of the copy but this one: those of a job that ran twice."""
    for version in await store.versions(view_key(recording)):
        if version.version != kept:
            await store.remove(version.key, version.version)


async def remove(store: EvidenceStore, recording: UUID) -> None:
    """Remove the copy of a recording, and every version that no row names. Raises ObjectLocked, StoreUnavailable."""
    await execute(FORGET, recording)
    await _remove_others(store, recording, None)


@asynccontextmanager
async def made_again_if_lost(recording: UUID) -> AsyncIterator[None]:
    """A copy that cannot be read is no evidence: it is forgotten, and made again for whoever asks next.

    Raises StoreUnavailable then.
    """
    try:
        yield
    except (ObjectUnknown, ObjectUnreadable) as error:
        await execute(FORGET, recording)
        raise StoreUnavailable(
            f"{recording} 的观看副本读不出，将重新制作。",
            f"The view copy of {recording} cannot be read: it is made again.",
        ) from error


async def trim(store: EvidenceStore, now: datetime) -> int:
    """Remove the copies that were not used for long, and those beyond the limit. Returns how many."""
    rows: list[Record] = list(
        await fetch(TOO_MANY, since(law(), "view_copy_unused", now), law().count("view_copies_ceiling"))
    )
    for row in rows:
        with suppress(ObjectLocked):
            await remove(store, row["recording"])
    return len(rows)


async def is_there(store: EvidenceStore, recording: UUID, version: str) -> bool:
    """Whether the store still has the copy; forgotten where it has not, after a restore for example."""
    try:
        found = await store.find(view_key(recording))
    except (ObjectUnknown, ObjectUnreadable):
        found = None
    if found is None or found.version != version:
        await execute(FORGET, recording)
        return False
    return True
