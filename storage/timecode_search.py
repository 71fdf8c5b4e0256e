"""Searches the first and the last minute of a film for time codes: QR pictures whose text begins with PREFIX.

Guarantees: bounded in frames and processor time, whatever the film; other QR pictures are not kept, as a bystander's
may say something about them. Runs in the probing child: a hostile file can only end that child.
Only key frames are decoded where they come often enough, as recorders write them; else every frame.
"""

from collections.abc import Iterator
from itertools import pairwise
from time import process_time
from typing import Any

import av
import zxingcpp

from storage.probe.film import opened

PREFIX = "FJ:"
MINUTE = 60.0
ROUNDING = 0.001  # seconds
STEP = 0.4  # seconds between two frames that are looked at
FRAMES = 160  # looked at in each minute, at most
CPU_SECONDS = 6.0  # for each minute
KEY_FRAMES_APART = 2.0  # seconds; where they are farther apart, every frame is decoded
WIDEST = 1280
INDEXED = {"mov", "mp4", "avi"}
SHORT = 30.0  # seconds; of a film without an index that is no longer, every frame is decoded
CODES = 50
QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)


def search(file: Any) -> list[dict[str, Any]]:
    """Every code that was found: {"text", "at_ms", "frame"}; `at_ms` from the first frame, `frame` from 0.

    The number of the frame is by the mean rate of the film. Each text counts once, where it is seen first.
    """
    found: dict[str, dict[str, Any]] = {}
    try:
        for from_end in (False, True):
            for each in _minute(file, from_end):
                found.setdefault(each["text"], each)
                if len(found) >= CODES:
                    return list(found.values())
    except (av.error.FFmpegError, ValueError, OverflowError, ZeroDivisionError, TypeError, IndexError):
        pass
    return list(found.values())


def _minute(file: Any, from_end: bool) -> Iterator[dict[str, Any]]:
    with opened(file) as container:
        if not container.streams.video:
            return
        stream = container.streams.video[0]
        first, last = _ends(container, stream)
        begins = max(first, last - MINUTE) if from_end else first
        if from_end and begins < first + MINUTE:
            begins = first + MINUTE
        if begins > last and from_end:
            return
        keys_only = _keys_are_near(stream, begins, last - first)
        stream.codec_context.skip_frame = "NONKEY" if keys_only else "DEFAULT"
        if from_end:
            container.seek(int(begins / stream.time_base), stream=stream)
        for at, frame in _frames(container, stream, begins, begins + MINUTE):
            for text in _codes_in(frame):
                yield _code(text, at - first, stream)


def _code(text: str, position: float, stream: Any) -> dict[str, Any]:
    number = round(position * float(stream.average_rate)) if stream.average_rate else 0
    return {"text": text, "at_ms": max(0, round(position * 1000)), "frame": max(0, number)}


def _ends(container: Any, stream: Any) -> tuple[float, float]:
    """The first moment of the film and its last, by its header, in seconds."""
    first = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
    if stream.duration is not None:
        return first, first + float(stream.duration * stream.time_base)
    return first, first + (container.duration or 0) / av.time_base


def _keys_are_near(stream: Any, begins: float, lasts: float) -> bool:
    """Whether key frames come often enough in this minute, by the index. A long film without one is taken to have."""
    if stream.container.format.name.split(",")[0] not in INDEXED:
        return lasts > SHORT
    times = [float(entry.timestamp * stream.time_base) for entry in stream.index_entries if entry.is_keyframe]
    times = [at for at in times if begins <= at <= begins + MINUTE]
    return len(times) > 2 and all(later - earlier <= KEY_FRAMES_APART for earlier, later in pairwise(times))


def _frames(container: Any, stream: Any, begins: float, ends: float) -> Iterator[tuple[float, Any]]:
    """Frames of this minute, STEP apart, while there is time for them."""
    looked, since, due = 0, process_time(), begins
    for frame in container.decode(stream):
        if process_time() - since > CPU_SECONDS or looked >= FRAMES:
            return
        if frame.time is None or frame.time < due - ROUNDING:
            continue
        if frame.time > ends:
            return
        looked, due = looked + 1, frame.time + STEP
        yield frame.time, frame


def _codes_in(frame: Any) -> Iterator[str]:
    width = min(frame.width, WIDEST)
    height = max(1, round(frame.height * width / frame.width))
    gray = frame.reformat(width, height, "gray").planes[0]
    picture = memoryview(gray).cast("B", shape=[height, gray.line_size])
    for each in zxingcpp.read_barcodes(picture, formats=QR, try_invert=False):
        if each.text.startswith(PREFIX):
            yield each.text
