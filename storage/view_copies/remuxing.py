"""Put the packets of a film into fragmented MP4 as they are; only sound that MP4 players lack is encoded anew.

Guarantees: nothing is read but what lies between the asked time and the reader's end, where the clocks of the film
allow to jump; otherwise it is read from its beginning. Memory: one fragment, and one group of pictures.
Traps: `aac_adtstoasc` for AAC out of a stream, `delay_moov` for its kind in the head (STACK).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any

import av

from storage.view_copies import SHIFT_MS
from storage.view_copies.fragments import Fragments
from storage.view_copies.opening import MICROSECONDS, FilmClock, opened, packets_of, picture_of, sound_of
from storage.view_copies.ways import COPIED_PICTURE, COPIED_SOUND

SHIFT = SHIFT_MS * 1000
MUX = {
    "movflags": "frag_keyframe+delay_moov+default_base_moof+frag_discont",
    "frag_duration": "1000000",
    "min_frag_duration": "400000",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
}
MUX_BUFFER = 1024 * 1024
FLUSH = 0x0200  # AVFMT_FLAG_FLUSH_PACKETS: what is whole goes on at once
INDEXED = {"mov", "matroska", "avi", "wav", "mp3"}  # where a seek finds the picture before the time by an index
STEPS = (2, 4, 8, 16, 32, 64, 128)  # seconds before the asked time to look for a picture that stands alone
HELD_BYTES = 64 * 1024 * 1024
SOUND_RATE, SOUND_BITS = 48000, 96_000
Timed = tuple[Any, int]  # a packet and its decoding time in the film, in microseconds


def remux(file: Any, sink: Fragments, from_ms: int, broken_clock: bool, note: str) -> None:
    """Write the film from the last picture that stands alone before `from_ms` on.

    `broken_clock`: the film's clock began anew somewhere, so that a time cannot be sought by it.

    Raises av.error.FFmpegError, ValueError: it cannot be read.
    """
    with opened(file, measured=False) as source:
        picture, sound = picture_of(source), sound_of(source)
        if picture is not None and picture.codec_context.name != COPIED_PICTURE:
            raise ValueError(picture.codec_context.name)
        with av.open(sink, "w", format="mp4", options=MUX, buffer_size=MUX_BUFFER) as target:
            target.flags |= FLUSH
            target.metadata["comment"] = note
            writers = {
                stream.index: writer
                for stream, writer in ((picture, _picture(picture, target)), (sound, _sound(sound, target)))
                if writer is not None
            }
            for packet, at in packets_from(source, [picture, sound], from_ms * 1000, broken_clock):
                sink.reaches = at + SHIFT
                if (writer := writers.get(packet.stream_index)) is not None:
                    writer.write(packet, at)
            for writer in writers.values():
                writer.finish()


def packets_from(source: Any, streams: list[Any], at: int, broken_clock: bool) -> Iterator[Timed]:
    """The packets from the last picture that stands alone at or before `at`, in microseconds of the film."""
    wanted = [stream for stream in streams if stream is not None]
    if at <= 0:
        return _timed(source, wanted)
    if broken_clock:
        return _from_last_alone(_timed(source, wanted), wanted[0], at)
    if source.format.name.split(",")[0] in INDEXED:
        return _from_first_alone(source, wanted, at)
    return _sought(source, wanted, at)


def _timed(source: Any, wanted: list[Any]) -> Iterator[Timed]:
    clock = FilmClock(source)
    for packet in packets_of(source, wanted):
        at = clock.set(packet)
        if at is not None:
            yield packet, at


def _timed_from(source: Any, wanted: list[Any], at: int) -> Iterator[Timed]:
    """The packets from about this time of the film on."""
    main = wanted[0]
    source.seek(int((at + FilmClock(source).zero) / MICROSECONDS / main.time_base), stream=main)
    return _timed(source, wanted)


def _alone(timed: Timed, main: Any) -> bool:
    """Whether this is a packet of `main` that can be decoded alone."""
    return bool(timed[0].stream_index == main.index and (timed[0].is_keyframe or main.type == "audio"))


def _from_first_alone(source: Any, wanted: list[Any], at: int) -> Iterator[Timed]:
    packets = _timed_from(source, wanted, at)
    begun = next((timed for timed in packets if _alone(timed, wanted[0])), None)
    return _going_on([begun] if begun else [], packets)


def _going_on(begun: Iterable[Timed], packets: Iterator[Timed]) -> Iterator[Timed]:
    """Packets that are held, then the others; no sound of before."""
    first: int | None = None
    for timed in chain(begun, packets):
        first = timed[1] if first is None else first
        if timed[1] >= first - MICROSECONDS // 4:
            yield timed


def _from_last_alone(packets: Iterator[Timed], main: Any, at: int) -> Iterator[Timed]:
    """Read on up to `at`, holding the packets since the last picture that stands alone; then all from that one."""
    held: deque[Timed] = deque()
    size = 0
    for timed in packets:
        if _alone(timed, main) and timed[1] <= at:
            held.clear()
            size = 0
        held.append(timed)
        size += timed[0].size
        if (timed[0].stream_index == main.index and timed[1] >= at) or size > HELD_BYTES:
            break
    yield from held
    yield from packets


def _sought(source: Any, wanted: list[Any], at: int) -> Iterator[Timed]:
    """Look in steps backwards. Each is read only up to where the one after it began, in which there was no picture."""
    main, until = wanted[0], at
    for step in STEPS:
        packets = _timed_from(source, wanted, max(0, at - step * MICROSECONDS))
        first = next((timed for timed in packets if timed[0].stream_index == main.index), None)
        if first is None:
            continue
        found = _up_to(chain((first,), packets), main, until)
        if found:
            return _going_on(_from_last_alone(iter(found), main, until), packets)
        until = min(until, first[1])
        if step * MICROSECONDS >= at:
            break
    return _from_first_alone(source, wanted, at)


def _up_to(packets: Iterator[Timed], main: Any, until: int) -> list[Timed]:
    """The packets up to this time from the first picture that stands alone; none where that comes later."""
    found: list[Timed] = []
    size = 0
    for timed in packets:
        if found or (_alone(timed, main) and timed[1] <= until):
            found.append(timed)
            size += timed[0].size
        if (timed[0].stream_index == main.index and timed[1] >= until) or size > HELD_BYTES:
            break
    return found


class _Copied:
    """Writes the packets of one stream as they are, in the film's time."""

    def __init__(self, source: Any, target: Any) -> None:
        self._target, self._stream = target, target.add_stream_from_template(source)
        self._filter = None
        if source.codec_context.name == "aac" and source.container.format.name in ("mpegts", "mpeg", "aac"):
            self._filter = av.bitstream.BitStreamFilterContext("aac_adtstoasc", source)
        self._last = -(2**62)
        self._shift = round(SHIFT / MICROSECONDS / source.time_base)

    def write(self, packet: Any, at: int) -> None:
        decoded, shown = packet.dts + self._shift, packet.pts + self._shift
        if decoded <= self._last or shown < decoded or decoded < 0:
            return
        self._last, packet.dts, packet.pts = decoded, decoded, shown
        for each in (packet,) if self._filter is None else self._filter.filter(packet):
            each.stream = self._stream
            self._target.mux(each)

    def finish(self) -> None:
        """Nothing is kept back."""


class Encoded:
    """Writes sound that MP4 players lack as AAC, in the film's time."""

    def __init__(self, source: Any, target: Any) -> None:
        self._target, self._source = target, source
        channels = "mono" if source.codec_context.channels == 1 else "stereo"
        self._stream = target.add_stream("aac", rate=SOUND_RATE, layout=channels)
        self._stream.bit_rate = SOUND_BITS
        self._resampler = av.AudioResampler("fltp", channels, SOUND_RATE)
        self._next: int | None = None  # of the next sample, in samples

    def write(self, packet: Any, at: int) -> None:
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return
        told = (at + SHIFT) * SOUND_RATE // MICROSECONDS
        if self._next is None or abs(told - self._next) > SOUND_RATE:
            self._next = told
        for frame in frames:
            self._encode(self._resampler.resample(frame))

    def _encode(self, frames: list[Any]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = self._next, Fraction(1, SOUND_RATE)
            self._next = (self._next or 0) + frame.samples
            self._target.mux(self._stream.encode(frame))

    def finish(self) -> None:
        if self._next is not None:
            self._encode(self._resampler.resample(None))
            self._target.mux(self._stream.encode(None))


def _picture(stream: Any, target: Any) -> _Copied | None:
    return None if stream is None else _Copied(stream, target)


def _sound(stream: Any, target: Any) -> _Copied | Encoded | None:
    if stream is None or stream.codec_context.codec is None:
        return None
    return _Copied(stream, target) if stream.codec_context.name == COPIED_SOUND else Encoded(stream, target)
