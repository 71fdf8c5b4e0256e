"""Looks into media files, each in a child with bounded memory and time: a hostile file can only kill that child.

`python -m storage.probe` serves: an order (signed URL, size, longest frame) a line comes in, an answer a line
goes out, and each file is looked into by a fork of its own, so that only starting the server costs the imports. The
fork tells how long it lasts before it decodes a picture, and what it told stands, whatever decoding does to it: it has
a minute, no way to the caller but through the server, and of what it says then only a picture counts.
Duration is what the packets say, not the header: the index lists every packet where there is one (MP4), and is
believed only as far as the file has bytes; otherwise every packet is read (WebM, TS).
"""

import base64
import io
import json
import os
import resource
import select
import signal
import sys
from collections import deque
from fractions import Fraction
from itertools import pairwise
from time import monotonic
from typing import Any

import av
import urllib3

MEMORY = 2 * 1024**3
CPU_SECONDS = 300
BLOCK = 1024 * 1024
KEPT = 4  # blocks
POSTER_WIDTH = 480
POSTER_BYTES = 200_000
PICTURE_SECONDS = 60
TOLD_CEILING = 1024 * 1024


class RangeFile(io.RawIOBase):
    """A stored object as a seekable file: reads by range, a block at a time, keeping the last few: a film is looked at
    in front, at its end where its index is, and in front again."""

    def __init__(self, url: str, size: int) -> None:
        self._url, self._size, self._at = url, size, 0
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=2)
        self._blocks: deque[tuple[int, bytes]] = deque(maxlen=KEPT)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, wanted: int = -1) -> bytes:
        left = self._size - self._at
        wanted = left if wanted < 0 else min(wanted, left)
        if wanted <= 0:
            return b""
        start, block = self._kept() or self._fetched(max(wanted, BLOCK))
        piece = block[self._at - start : self._at - start + wanted]
        self._at += len(piece)
        return piece

    def _kept(self) -> tuple[int, bytes] | None:
        return next((kept for kept in self._blocks if kept[0] <= self._at < kept[0] + len(kept[1])), None)

    def _fetched(self, length: int) -> tuple[int, bytes]:
        last = min(self._at + length, self._size) - 1
        answer = self._pool.request("GET", self._url, headers={"Range": f"bytes={self._at}-{last}"})
        if answer.status not in (200, 206):
            raise OSError(f"the store answered {answer.status}")
        self._blocks.appendleft((self._at if answer.status == 206 else 0, answer.data))
        return self._blocks[0]


def probe(file: Any, size: int, longest: float) -> dict[str, Any]:
    """{"media": bool, "duration_ms", "codec"} of the longest audio or video stream.

    `longest`: seconds that one frame can show; of a longer pause between two frames no more is counted, so that two
    frames an hour apart prove no hour.
    """
    try:
        with av.open(file, metadata_errors="ignore") as container:
            streams = [s for s in container.streams if s.type in ("video", "audio")]
            if not streams:
                return {"media": False}
            spans = _by_index(streams, size, longest) or _by_packets(container, streams, longest)
            if not spans:
                return {"media": False}
            codec = (container.streams.video or container.streams.audio)[0].codec_context.name
            return {"media": True, "duration_ms": round(max(spans) * 1000), "codec": codec}
    except (av.error.FFmpegError, ValueError, OverflowError):
        return {"media": False}


def poster(file: Any) -> dict[str, str]:
    """{"poster"}: the first frame that can be shown, as a JPEG in base64; nothing where there is none."""
    try:
        with av.open(file, metadata_errors="ignore") as container:
            if not container.streams.video:
                return {}
            frame = next(container.decode(container.streams.video[0]))
        width = min(POSTER_WIDTH, frame.width) // 2 * 2
        height = max(2, frame.height * width // frame.width // 2 * 2)
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuvj420p", Fraction(1, 25)
        small = frame.reformat(width, height, "yuvj420p", dst_color_range="JPEG")
        small.pts = 0
        jpeg = b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])
    except (av.error.FFmpegError, StopIteration, ValueError, OverflowError, ZeroDivisionError, TypeError):
        return {}
    return {"poster": base64.b64encode(jpeg).decode()} if len(jpeg) <= POSTER_BYTES else {}


def _by_index(streams: list[Any], size: int, longest: float) -> list[float]:
    """Seconds of each stream by its index; nothing where a stream's index does not cover it."""
    if any(stream.container.format.name.split(",")[0] not in ("mov", "mp4") for stream in streams):
        return []
    return [span for stream in streams if (span := _indexed(stream, size, longest)) is not None]


def _indexed(stream: Any, size: int, longest: float) -> float | None:
    whole = [entry for entry in stream.index_entries if entry.pos + entry.size <= size]
    if not whole or stream.time_base is None:
        return None
    times = sorted(float(entry.timestamp * stream.time_base) for entry in whole)
    steps = [min(later - earlier, longest) for earlier, later in pairwise(times)]
    return sum(steps) + (sum(steps) / len(steps) if steps else 0.0)


def _by_packets(container: Any, streams: list[Any], longest: float) -> list[float]:
    last: dict[int, float] = {}
    spans: dict[int, float] = {}
    ending = 0.0
    for packet in container.demux(streams):
        at = packet.dts if packet.dts is not None else packet.pts
        if at is None or packet.time_base is None:
            continue
        index, begin, lasting = packet.stream.index, float(at * packet.time_base), packet.duration or 0
        spans[index] = spans.get(index, 0.0) + min(max(begin - last.get(index, begin), 0.0), longest)
        last[index] = max(begin, last.get(index, begin))
        ending = min(float(lasting * packet.time_base), longest)
    return [span + ending for span in spans.values()]


def serve() -> None:
    """Answer orders until standard input closes, which it does when whoever started this ends."""
    av.logging.set_level(av.logging.PANIC)
    for line in sys.stdin.buffer:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _look(json.loads(line), writing)
        os.close(writing)
        told = _told(reading)
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        _write(sys.stdout.fileno(), understood(told))


def _look(order: dict[str, Any], writing: int) -> None:
    """In the child: look, tell, end."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for inherited in (sys.stdin.fileno(), sys.stdout.fileno()):
            os.dup2(nothing, inherited)
        file = RangeFile(order["url"], order["bytes"])
        seen = probe(file, order["bytes"], order["longest_frame"])
        _write(writing, seen)
        if seen["media"]:
            file.seek(0)
            _write(writing, poster(file))
    finally:
        os._exit(0)


def _told(reading: int) -> bytes:
    """What the child wrote until it ended, wrote too much, or took too long over the picture."""
    told, ends = b"", None
    while len(told) < TOLD_CEILING:
        if not select.select([reading], [], [], None if ends is None else max(0.0, ends - monotonic()))[0]:
            break
        if not (piece := os.read(reading, TOLD_CEILING)):
            break
        told += piece
        if ends is None and b"\n" in told:
            ends = monotonic() + PICTURE_SECONDS
    return told


def understood(told: bytes) -> dict[str, Any]:
    """The first line, and the picture of the second, where they came whole; no media without the first."""
    first, second, *_ = [*(line for line in told.splitlines(keepends=True) if line.endswith(b"\n")), b"", b""]
    seen, picture = _object(first), _object(second).get("poster")
    return {"media": False, **seen, **({"poster": picture} if _is_base64(picture) else {})}


def _object(line: bytes) -> dict[str, Any]:
    """Empty where the line is none."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_base64(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _write(to: int, seen: dict[str, Any]) -> None:
    line = memoryview(json.dumps(seen).encode() + b"\n")
    while line:
        line = line[os.write(to, line) :]


if __name__ == "__main__":
    serve()
