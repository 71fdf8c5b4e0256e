"""Searches the first and the last minute of a film for time codes: QR pictures whose text begins with PREFIX.

Guarantees: bounded in frames and processor time, whatever the film; other QR pictures are not kept, as a bystander's
may say something about them. Runs in the probing child: a hostile file can only end that child.
Key frames are looked at one by one, by the index; where they are far apart in a small file, every frame of the first
and last seconds too: in a large one, decoding these would cost a third of sealing. A film without an index is read:
every frame of a short one, the key frames of a long one. Of a stored film, key frames that lie near each other are
fetched together.
"""

from collections.abc import Iterator
from itertools import pairwise
from time import process_time
from typing import Any

import av
import zxingcpp

from storage.probe.film import opened
from storage.probe.sources import Source

PREFIX = "FJ:"
LONGEST_TEXT = 400  # characters: a longer one is no time code, whoever drew it
MINUTE = 60.0
DENSE = 12.0  # seconds at either end in which every frame is decoded, where key frames are far apart
STEP = 0.4  # seconds between two frames that are looked at
LATER = 0.3  # seconds between decoding and showing a frame, at most; less than STEP
ROUNDING = 0.001  # seconds
FRAMES = 160  # looked at in each minute, at most
CPU_SECONDS = 3.0  # for each minute
KEY_FRAMES_APART = 2.0  # seconds
SMALL = 64 * 1024 * 1024  # bytes
SHORT = 30.0  # seconds; of a film without an index that is no longer, every frame is decoded
WIDEST = 1280
CODES = 50
QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
Seen = tuple[float, Any]  # a moment of the film, and the frame


def search(file: Any) -> list[dict[str, Any]]:
    """Every code that was found: {"text", "at_ms", "frame"}; `at_ms` from the first frame, `frame` from 0.

    The number of the frame is by the mean rate of the film. Each text counts once, where it is seen first.
    """
    found: dict[str, dict[str, Any]] = {}
    for from_end in (False, True):
        try:
            for each in _minute(file, from_end):
                before = found.setdefault(each["text"], each)
                if each["at_ms"] < before["at_ms"]:
                    found[each["text"]] = each
                if len(found) >= CODES:
                    return list(found.values())
        except (av.error.FFmpegError, ValueError, OverflowError, ZeroDivisionError, TypeError, IndexError):
            continue
    return sorted(found.values(), key=lambda each: (each["at_ms"], each["text"]))


def _minute(file: Any, from_end: bool) -> Iterator[dict[str, Any]]:
    with opened(file) as container:
        if not container.streams.video:
            return
        stream = container.streams.video[0]
        first, last = _ends(container, stream)
        begins = max(first + MINUTE, last - MINUTE) if from_end else first
        if from_end and begins > last:
            return
        until = process_time() + CPU_SECONDS
        for looked, (at, frame) in enumerate(_frames(file, container, stream, (begins, first, last, from_end))):
            for text in _codes_in(frame):
                yield _code(text, at - first, stream)
            if process_time() > until or looked >= FRAMES:
                return


def _code(text: str, position: float, stream: Any) -> dict[str, Any]:
    number = round(position * float(stream.average_rate)) if stream.average_rate else 0
    return {"text": text, "at_ms": max(0, round(position * 1000)), "frame": max(0, number)}


def _ends(container: Any, stream: Any) -> tuple[float, float]:
    """The first moment of the film and its last, by its header, in seconds."""
    first = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
    if stream.duration is not None:
        return first, first + float(stream.duration * stream.time_base)
    return first, first + (container.duration or 0) / av.time_base


def _frames(file: Any, container: Any, stream: Any, where: tuple[float, float, float, bool]) -> Iterator[Seen]:
    """The frames of this minute that are looked at."""
    begins, first, last, from_end = where
    keys = _key_frames(stream, begins)
    if not keys:
        keys_only = last - first > SHORT
        yield from _every_frame(container, stream, begins, begins + MINUTE, keys_only=keys_only)
        return
    far_apart = _farthest(keys, stream, begins, min(begins + MINUTE, last)) > KEY_FRAMES_APART
    if far_apart and container.size <= SMALL:
        dense = max(begins, last - DENSE) if from_end else begins
        yield from _every_frame(container, stream, dense, dense + DENSE, keys_only=False)
    if isinstance(file, Source):
        file.expect((key.pos, key.size) for key in keys)
    for key in keys:
        yield from _key_frame(container, stream, key.timestamp)


def _key_frames(stream: Any, begins: float) -> list[Any]:
    """The key frames of this minute that the index lists, STEP apart: {timestamp, pos, size}.

    The index is searched by halving: going through all its entries takes longer than decoding the frames.
    """
    keys: list[Any] = []
    due = begins - ROUNDING
    earliest = stream.index_entries.search_timestamp(int(due / stream.time_base), backward=True, any_frame=True)
    for number in range(max(0, earliest), len(stream.index_entries)):
        entry = stream.index_entries[number]
        at = float(entry.timestamp * stream.time_base)
        if at > begins + MINUTE:
            break
        if entry.is_keyframe and due <= at:
            keys.append(entry)
            due = at + STEP
    return keys


def _farthest(keys: list[Any], stream: Any, begins: float, ends: float) -> float:
    """How far two key frames are apart at most, in seconds, the ends of the minute counting as such."""
    times = [begins, *(float(key.timestamp * stream.time_base) for key in keys), ends]
    return max(later - earlier for earlier, later in pairwise(times))


def _key_frame(container: Any, stream: Any, tick: int) -> Iterator[Seen]:
    """The key frame at this tick, decoded alone. The index has decoding times, and a frame is shown a little later."""
    container.seek(tick + int(LATER / stream.time_base), stream=stream)
    for packet in container.demux(stream):
        frames = stream.codec_context.decode(packet) or stream.codec_context.decode(None)
        yield from ((float(frame.pts * stream.time_base), frame) for frame in frames[:1] if frame.pts is not None)
        return


def _every_frame(container: Any, stream: Any, begins: float, ends: float, *, keys_only: bool) -> Iterator[Seen]:
    """Frames of this time, STEP apart."""
    stream.codec_context.skip_frame = "NONKEY" if keys_only else "DEFAULT"
    container.seek(int(begins / stream.time_base), stream=stream)
    due = begins
    for frame in container.decode(stream):
        if frame.time is None or frame.time < due - ROUNDING:
            continue
        if frame.time > ends:
            return
        due = frame.time + STEP
        yield frame.time, frame


def _codes_in(frame: Any) -> Iterator[str]:
    width = min(frame.width, WIDEST)
    height = max(1, round(frame.height * width / frame.width))
    gray = frame.reformat(width, height, "gray").planes[0]
    picture = memoryview(gray).cast("B", shape=[height, gray.line_size])
    for each in zxingcpp.read_barcodes(picture, formats=QR, try_invert=False, try_rotate=False):
        if each.text.startswith(PREFIX) and len(each.text) <= LONGEST_TEXT:
            yield each.text
