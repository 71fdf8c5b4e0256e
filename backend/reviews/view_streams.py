"""How a recording is watched: as it is, or by a view copy (观看副本), which is sent by the time in the film.

Guarantees: a view copy is sent under the same review, rights and journal as the footage; the journal has the time that
was sent. A copy that is put together while it is sent holds one fragment in memory; who takes nothing for a while is
let go of.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import structlog

from backend.core.database import fetch, first
from backend.core.described import Badge, PersonName, RecordingId, WearerId
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, viewer
from backend.core.wire import Moment
from backend.evidence import view_copies
from backend.evidence.reads import RECORDING_FILTER
from backend.evidence.view_copies import Look
from backend.law.catalogue import law
from backend.reviews import rules
from backend.reviews.schemas import Stretch
from backend.reviews.watching import BLOCK, LATE_WRITES, Sent, Source, ViewingRequest, begin, end
from storage.evidence_store import EvidenceStore
from storage.view_copies import SHIFT_MS
from storage.view_copies.children import Reading, Unreadable
from storage.view_copies.messages import INIT, MEDIA

STALLED = 120.0  # seconds in which a viewer must take something
HEAD_SECONDS = 60
STREAM_CPU_SECONDS = 3600
LAST_MS = 500  # of a film, which are shown where a time behind its end is asked for
FILE = """
SELECT r.started_at, r.probed_ms, u.sha256, u.bytes, u.file_name FROM recording r JOIN upload u ON u.id = r.id
WHERE r.id = $1
"""
# In milliseconds from the first frame: the picture's stretches, or the sound's where there is no picture.
STRETCHES = """
WITH newest AS (
    SELECT f.* FROM film f WHERE f.upload = $1 AND f.kind <> 'none'
        AND f.probe_version = (SELECT max(probe_version) FROM film WHERE upload = $1)
)
SELECT lower(s) AS from_ms, upper(s) AS to_ms FROM (
    SELECT unnest(range_agg(n.proved)) AS s FROM newest n
    WHERE n.kind = 'video' OR NOT EXISTS (SELECT FROM newest v WHERE v.kind = 'video')
) x ORDER BY 1
"""
PROBED = """
SELECT r.probed_ms, (SELECT max(f.jumps) FROM film f WHERE f.upload = r.id AND f.probe_version > 0) AS jumps
FROM recording r WHERE r.id = $1
"""
# $1 the person, $2 the organs of their roles, $3 the recording, $4 whether they are an inspector anywhere.
NEIGHBOURS = f"""
WITH here AS (SELECT id, wearer, started_at, during FROM recording WHERE id = $3), near AS (
    (SELECT 'before' AS place, r.id FROM recording r, here h WHERE r.wearer = h.wearer
        AND (r.started_at, r.id) < (h.started_at, h.id) ORDER BY r.started_at DESC, r.id DESC LIMIT 1)
    UNION ALL
    (SELECT 'after', r.id FROM recording r, here h WHERE r.wearer = h.wearer
        AND (r.started_at, r.id) > (h.started_at, h.id) ORDER BY r.started_at, r.id LIMIT 1)
    UNION ALL
    (SELECT 'same_moment', r.id FROM recording r, here h WHERE r.wearer <> h.wearer AND r.during && h.during
        AND EXISTS (SELECT FROM led l WHERE l.named && h.during AND l.during && h.during
            AND (l.officer, l.auxiliary) IN ((r.wearer, h.wearer), (h.wearer, r.wearer)))
        ORDER BY r.started_at, r.id LIMIT 4)
)
SELECT n.place, r.id, r.wearer, r.started_at, r.ended_at, p.badge, p.name, (
    SELECT v.id FROM review v WHERE v.recording = r.id AND v.reviewer = $1 AND v.closed_at IS NULL AND v.over_at > now()
    ORDER BY v.opened_at DESC LIMIT 1) AS review
FROM near n JOIN recording r ON r.id = n.id JOIN upload u ON u.id = r.id JOIN person_now p ON p.id = r.wearer
WHERE u.state = 'sealed' AND u.disposed_at IS NULL AND NOT hidden_from($1, r.wearer, r.during)
    AND ($4 OR ({RECORDING_FILTER.condition}))
ORDER BY r.started_at, r.id
"""  # noqa: S608
log = structlog.get_logger()


class CopyProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the view copy is that must be encoded."""

    state: Annotated[
        Literal["none", "asked", "made", "failed"],
        msgspec.Meta(
            description="none: nobody asked yet; asked: it is being made; made: it is there; failed: none can be "
            "made of this file"
        ),
    ]
    percent: Annotated[int, msgspec.Meta(description="how much of it is made, 0 to 100")]


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """Another recording near this one in time, as far as you may know of it."""

    place: Annotated[
        Literal["before", "after", "same_moment"],
        msgspec.Meta(
            description="before: the wearer's file before it; after: the one after it; same_moment: of who led or "
            "was led then"
        ),
    ]
    id: RecordingId
    wearer: WearerId
    badge: Badge
    name: PersonName
    started_at: Annotated[Moment, msgspec.Meta(description="start, in corrected time")]
    ended_at: Annotated[
        Moment | None, msgspec.Meta(description="when that footage ends, in corrected time; null: not declared yet")
    ]
    review: Annotated[UUID | None, msgspec.Meta(description="your open review of it; null: you have none")]


class HowToWatch(msgspec.Struct, frozen=True, kw_only=True):
    """How the footage of a review is watched."""

    recording: RecordingId
    way: Annotated[
        Literal["as_is", "remux", "transcode", "none"],
        msgspec.Meta(
            description="as_is: its own bytes play; remux: `view` puts it together while it sends; transcode: `view` "
            "sends a copy that is encoded first; none: it cannot be watched here, and must be exported"
        ),
    ]
    kind: Annotated[
        Literal["video", "audio", "photo", "unknown"], msgspec.Meta(description="what the file is, by its content")
    ]
    media_type: Annotated[str, msgspec.Meta(description="media type by the content of the file")]
    container: Annotated[str | None, msgspec.Meta(description="container by its common name; null: not known")]
    codec: Annotated[str | None, msgspec.Meta(description="codec of the picture; null: there is none")]
    sound: Annotated[str | None, msgspec.Meta(description="codec of the sound; null: there is none")]
    frame_rate: Annotated[float | None, msgspec.Meta(description="frames a second; null: not known")]
    duration_ms: Annotated[int | None, msgspec.Meta(description="length of the film in milliseconds; null: not known")]
    stretches: Annotated[
        list[Stretch], msgspec.Meta(description="when something was filmed; between them are gaps; empty: not known")
    ]
    started_at: Annotated[Moment, msgspec.Meta(description="when the film begins, in corrected time")]
    sha256: Annotated[str, msgspec.Meta(description="SHA-256 of the sealed original")]
    shift_ms: Annotated[
        int, msgspec.Meta(description="times in a view copy are those of the film plus this, in milliseconds")
    ]
    copy: Annotated[CopyProgress | None, msgspec.Meta(description="of a copy that is encoded; null: none is needed")]
    may_watch: Annotated[
        Stretch | None, msgspec.Meta(description="of one's own film: the stretch that may be watched; null: all of it")
    ] = None
    neighbours: Annotated[list[Neighbour], msgspec.Meta(description="other recordings near it in time, in order")]


class OpenedView(msgspec.Struct, frozen=True):
    """A view copy that is about to be sent: its media type with its codecs, and its bytes."""

    media_type: str
    content: AsyncIterator[bytes]


async def how_to_watch(store: EvidenceStore, actor: Actor, source: Source) -> HowToWatch:
    """How this footage is watched, and what is beside it. Raises StoreUnavailable."""
    look, row = await view_copies.look_of(store, source.recording), await first(FILE, source.recording)
    assert row is not None  # noqa: S101 - the source is of this recording
    length = await _length_of(source.recording, look)
    inspects = any(role.role in INSPECTING for role in actor.roles)
    return HowToWatch(
        recording=source.recording, way=_way(look, source), kind=look.kind, media_type=look.media_type,
        container=look.container, codec=look.video.codec if look.video else None,
        sound=look.audio.codec if look.audio else None,
        frame_rate=look.video.frame_rate if look.video else None, duration_ms=length.ms,
        stretches=await _stretches(source.recording, length.ms), started_at=row["started_at"], sha256=row["sha256"],
        shift_ms=SHIFT_MS, may_watch=source.stretch and Stretch(*source.stretch),
        copy=await _progress(source.recording) if look.way == "transcode" else None,
        neighbours=[
            Neighbour(**{name: near[name] for name in Neighbour.__struct_fields__})
            for near in await fetch(NEIGHBOURS, *viewer(actor), source.recording, inspects)
        ],
    )  # fmt: skip


def _way(look: Look, source: Source) -> Literal["as_is", "remux", "transcode", "none"]:
    """How it is watched. One's own film is never sent as it is, because that would be a copy."""
    if source.stretch is None or look.way != "as_is":
        return look.way
    return "remux" if look.copied() else "none"


async def _stretches(recording: UUID, duration_ms: int | None) -> list[Stretch]:
    """When something was filmed, by the newest probe; of a film that is not probed anew yet, all of its length."""
    rows = await fetch(STRETCHES, recording)
    if rows:
        return [Stretch(row["from_ms"], row["to_ms"]) for row in rows]
    return [Stretch(0, duration_ms)] if duration_ms else []


class Length(NamedTuple):
    """How long a film is, in milliseconds; None: not known. `broken_clock`: its clock began anew somewhere."""

    ms: int | None
    broken_clock: bool


async def _length_of(recording: UUID, look: Look) -> Length:
    """By the newest probe; of a film that is not probed anew yet, by its container, which may differ from the proof."""
    row: Any = await first(PROBED, recording)
    told, proved = look.duration_ms, row["probed_ms"]
    if row["jumps"] is not None:
        return Length(proved or told, row["jumps"] > 0)
    differ = told is not None and proved is not None and abs(told - proved) > max(2000, proved // 100)
    return Length(told or proved, differ)


async def _progress(recording: UUID) -> CopyProgress:
    copy = await view_copies.copy_of(recording)
    return CopyProgress(state=copy.state or "none", percent=copy.percent)


async def opened(store: EvidenceStore, request: ViewingRequest, source: Source, from_ms: int) -> OpenedView:
    """A view copy from this time of the film on; of a time behind its end, the end.

    Raises Refusal `no_view_copy`, `plays_as_it_is`, `own_film_over`, `view_copy_not_ready`, `too_many_views`;
    StoreUnavailable.
    """
    look = await view_copies.look_of(store, source.recording)
    if _way(look, source) == "none":
        raise _unwatchable(look)
    if look.way == "as_is" and not look.copied():
        raise Refusal("plays_as_it_is")
    length = await _length_of(source.recording, look)
    begin_ms = from_ms if length.ms is None else min(from_ms, max(0, length.ms - LAST_MS))
    if source.stretch is not None:
        within = rules.within(begin_ms, source.stretch)
        if within is None:
            raise Refusal("own_film_over")
        begin_ms = within
    if look.copied():
        return await _remuxed(store, request, source, look, length, begin_ms)
    return await _transcoded(store, request, source, look, length, begin_ms)


def _unwatchable(look: Look) -> Refusal:
    track = look.video or look.audio
    codec = track.codec if track else None
    return Refusal("no_view_copy", extra={"codec": codec, "container": look.container})


class Streams:
    """Counts the view copies that this process puts together now."""

    def __init__(self) -> None:
        self.open = 0


STREAMS = Streams()


class _Live:
    """A view copy that a child puts together: counted while it is open, ended where nobody takes anything of it."""

    def __init__(self, order: dict[str, Any]) -> None:
        if law().count("view_streams_ceiling") <= STREAMS.open:
            raise Refusal("too_many_views")
        STREAMS.open += 1
        self.reading, self.left = Reading(order), False
        self._stalled = asyncio.get_running_loop().call_later(HEAD_SECONDS + STALLED, self.leave)

    async def head(self) -> str:
        """Its codecs. Raises Unreadable, TimeoutError."""
        await self.reading.__aenter__()
        async with asyncio.timeout(HEAD_SECONDS):
            return await self.reading.head()

    def taken(self) -> None:
        """Somebody took something of it: wait anew."""
        self._stalled.cancel()
        if not self.left:
            self._stalled = asyncio.get_running_loop().call_later(STALLED, self.leave)

    def leave(self) -> None:
        """End the child; once."""
        if not self.left:
            self.left = True
            STREAMS.open -= 1
            self._stalled.cancel()
            self.reading.close()


async def _remuxed(
    store: EvidenceStore, request: ViewingRequest, source: Source, look: Look, length: Length, from_ms: int
) -> OpenedView:
    live = _Live({
        "task": "remux", "url": store.sign_read(source.key, source.version, view_copies.URL_LIFE),
        "bytes": source.bytes, "from_ms": from_ms, "broken_clock": length.broken_clock,
        "cpu_seconds": STREAM_CPU_SECONDS,
        "note": view_copies.note_of(source.sha256),
    })  # fmt: skip
    try:
        codecs = await live.head()
        viewing = await begin(request, source, None, from_ms)
    except (Unreadable, TimeoutError):
        live.leave()
        await _must_be_given(store, source)  # the child may have failed because of the store
        raise _unwatchable(look) from None
    except BaseException:
        live.leave()
        raise
    return OpenedView(_media_type(look, codecs), _sent(store, request, source, live, viewing, length.ms or 0))


async def _must_be_given(store: EvidenceStore, source: Source) -> None:
    """That the store gives all bytes of the footage. Raises StoreUnavailable, ObjectUnreadable, ObjectUnknown."""
    file = {
        "id": source.recording, "organ": source.organ, "object_key": source.key, "version": source.version,
        "bytes": source.bytes, "sha256": source.sha256,
    }  # fmt: skip
    await view_copies.must_be_given(store, file)


def _media_type(look: Look, codecs: str) -> str:
    return f'{"video" if look.video else "audio"}/mp4; codecs="{codecs}"'


async def _sent(
    store: EvidenceStore, request: ViewingRequest, source: Source, live: _Live, viewing: UUID, duration_ms: int
) -> AsyncIterator[bytes]:
    """The pieces as they come from the child. Whatever happens, what was sent is recorded and the child ended.

    Raises ObjectUnreadable, StoreUnavailable where the store gave the child no more: then this is not all of it.
    """
    sent, last_ms = Sent(), duration_ms if source.stretch is None else min(duration_ms, source.stretch[1])
    try:
        async for piece in live.reading.pieces():
            at = max(0, piece.at // 1000 - SHIFT_MS)
            if source.stretch is not None and piece.kind == MEDIA and at >= last_ms:
                break
            live.taken()
            yield piece.content
            sent.add(len(piece.content), at if piece.kind == MEDIA else None, None if piece.kind == INIT else at)
        sent.add(0, to_ms=last_ms)
    except Unreadable:
        log.warning("a view copy broke off", recording=str(source.recording))
        if not live.left:
            await _must_be_given(store, source)
    finally:
        live.leave()
        LATE_WRITES.start(end(request, source, viewing, sent))


async def _transcoded(
    store: EvidenceStore, request: ViewingRequest, source: Source, look: Look, length: Length, from_ms: int
) -> OpenedView:
    copy = await view_copies.copy_of(source.recording)
    if copy.state == "made" and not await view_copies.is_there(store, source.recording, str(copy.version)):
        copy = await view_copies.copy_of(source.recording)
    if copy.state == "failed":
        raise _unwatchable(look)
    if copy.state != "made":
        copy = await view_copies.ask(source.recording)
        raise Refusal("view_copy_not_ready", extra={"percent": copy.percent})
    await view_copies.used(source.recording)
    viewing = await begin(request, source, None, from_ms)
    content = _from_store(store, request, source, copy, viewing, from_ms, length.ms or 0)
    return OpenedView(_media_type(look, str(copy.codecs)), content)


async def _from_store(
    store: EvidenceStore, request: ViewingRequest, source: Source, copy: view_copies.Copy, viewing: UUID, from_ms: int,
    duration_ms: int,
) -> AsyncIterator[bytes]:  # fmt: skip
    """The beginning of the copy, then its fragments from this time on."""
    sent = Sent()
    key, version = view_copies.view_key(source.recording), str(copy.version)
    begun = at = copy.offset_of(from_ms)
    try:
        async with view_copies.made_again_if_lost(source.recording):
            init = copy.init_bytes or 0
            async for block in store.stream(key, version, 0, init, init):
                yield block
                sent.add(len(block))
            ends = copy.bytes or 0 if source.stretch is None else copy.end_of(source.stretch[1])
            async for block in store.stream(key, version, begun, ends - begun, BLOCK):
                yield block
                at += len(block)
                sent.add(len(block))
    finally:
        if at > begun:
            first_ms, last_ms = copy.times_of(begun, at - 1)
            sent.add(0, first_ms, max(first_ms, duration_ms) if last_ms is None else last_ms)
        LATE_WRITES.start(end(request, source, viewing, sent))


def times_of_bytes(look: Look, size: int) -> Any:
    """A function that tells from when to when bytes of the footage itself are; None where nobody knows."""

    def times(first_byte: int, last_byte: int) -> tuple[int, int] | None:
        if not look.duration_ms:
            return None
        before = [at for byte, at in look.points if byte <= first_byte]
        after = [at for byte, at in look.points if byte > last_byte]
        if look.points:
            return max(before, default=0), min(after, default=look.duration_ms)
        return first_byte * look.duration_ms // size, -(-(last_byte + 1) * look.duration_ms // size)

    return times
