"""Probe media files, each in a child process with limited memory and time: a hostile file can only kill that child.

`python -m storage.probe` is a server: it reads one order a line (signed URL, size, longest frame) and writes one
answer a line. It forks a child for each file, so only the start of the server pays for the imports.

The child writes duration and codec before it decodes a picture. That first line stays valid, whatever decoding does to
the child. Then the child has a minute, no way to the caller but through the server, and only a picture is accepted.

The duration comes from the packets, not from the header. Where there is an index (MP4), it lists every packet; entries
beyond the end of the file do not count. Without an index (WebM, TS), every packet is read.
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
CACHED_BLOCKS = 4
POSTER_WIDTH = 480
POSTER_BYTES = 200_000
PICTURE_SECONDS = 60
ANSWER_CEILING = 1024 * 1024  # bytes


class RangeFile(io.RawIOBase):
    """A stored object as a seekable file. Reads blocks by range and caches the last few: a probe jumps between the
    start of a film and its end, where the index is."""

    def __init__(self, url: str, size: int) -> None:
        self._url, self._size, self._at = url, size, 0
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=2)
        self._blocks: deque[tuple[int, bytes]] = deque(maxlen=CACHED_BLOCKS)

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
        start, block = self._cached_block() or self._fetch_block(max(wanted, BLOCK))
        piece = block[self._at - start : self._at - start + wanted]
        self._at += len(piece)
        return piece

    def _cached_block(self) -> tuple[int, bytes] | None:
        covering = ((start, block) for start, block in self._blocks if start <= self._at < start + len(block))
        return next(covering, None)

    def _fetch_block(self, length: int) -> tuple[int, bytes]:
        last = min(self._at + length, self._size) - 1
        answer = self._pool.request("GET", self._url, headers={"Range": f"bytes={self._at}-{last}"})
        if answer.status not in (200, 206):
            raise OSError(f"the store answered {answer.status}")
        self._blocks.appendleft((self._at if answer.status == 206 else 0, answer.data))
        return self._blocks[0]


def probe(file: Any, size: int, longest_frame: float) -> dict[str, Any]:
    """Probe a file of `size` bytes: {"media", "duration_ms", "codec"}; the duration is that of its longest stream.

    `longest_frame`: the longest time in seconds that one frame counts for, so two frames an hour apart are no hour of
    footage.
    """
    try:
        with av.open(file, metadata_errors="ignore") as container:
            streams = [s for s in container.streams if s.type in ("video", "audio")]
            if not streams:
                return {"media": False}
            spans = _spans_by_index(streams, size, longest_frame)
            spans = spans or _spans_by_packets(container, streams, longest_frame)
            if not spans:
                return {"media": False}
            codec = (container.streams.video or container.streams.audio)[0].codec_context.name
            return {"media": True, "duration_ms": round(max(spans) * 1000), "codec": codec}
    except (av.error.FFmpegError, ValueError, OverflowError):
        return {"media": False}


def poster(file: Any) -> dict[str, str]:
    """{"poster"}: the first frame that can be decoded, as a JPEG in base64; {} where there is none."""
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


def _spans_by_index(streams: list[Any], size: int, longest_frame: float) -> list[float]:
    """Seconds of each stream by its index; empty where the format has no index of all packets."""
    if any(stream.container.format.name.split(",")[0] not in ("mov", "mp4") for stream in streams):
        return []
    return [span for stream in streams if (span := _span_by_index(stream, size, longest_frame)) is not None]


def _span_by_index(stream: Any, size: int, longest_frame: float) -> float | None:
    whole = [entry for entry in stream.index_entries if entry.pos + entry.size <= size]
    if not whole or stream.time_base is None:
        return None
    times = sorted(float(entry.timestamp * stream.time_base) for entry in whole)
    steps = [min(later - earlier, longest_frame) for earlier, later in pairwise(times)]
    return sum(steps) + (sum(steps) / len(steps) if steps else 0.0)


def _spans_by_packets(container: Any, streams: list[Any], longest_frame: float) -> list[float]:
    last: dict[int, float] = {}
    spans: dict[int, float] = {}
    ending = 0.0
    for packet in container.demux(streams):
        at = packet.dts if packet.dts is not None else packet.pts
        if at is None or packet.time_base is None:
            continue
        index, begin, lasting = packet.stream.index, float(at * packet.time_base), packet.duration or 0
        spans[index] = spans.get(index, 0.0) + min(max(begin - last.get(index, begin), 0.0), longest_frame)
        last[index] = max(begin, last.get(index, begin))
        ending = min(float(lasting * packet.time_base), longest_frame)
    return [span + ending for span in spans.values()]


def serve() -> None:
    """Answer orders until standard input closes, which happens when the parent process ends."""
    av.logging.set_level(av.logging.PANIC)
    for line in sys.stdin.buffer:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _run_child(json.loads(line), writing)
        os.close(writing)
        written = _read_answer(reading)
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        _write_line(sys.stdout.fileno(), parse_answer(written))


def _run_child(order: dict[str, Any], writing: int) -> None:
    """In the child: limit memory and time, probe the file, write the answer, exit."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for inherited in (sys.stdin.fileno(), sys.stdout.fileno()):
            os.dup2(nothing, inherited)
        file = RangeFile(order["url"], order["bytes"])
        answer = probe(file, order["bytes"], order["longest_frame"])
        _write_line(writing, answer)
        if answer["media"]:
            file.seek(0)
            _write_line(writing, poster(file))
    finally:
        os._exit(0)


def _read_answer(reading: int) -> bytes:
    """Read what the child writes until it ends, writes too much, or takes too long over the picture."""
    written, deadline = b"", None
    while len(written) < ANSWER_CEILING:
        if not select.select([reading], [], [], None if deadline is None else max(0.0, deadline - monotonic()))[0]:
            break
        if not (piece := os.read(reading, ANSWER_CEILING)):
            break
        written += piece
        if deadline is None and b"\n" in written:
            deadline = monotonic() + PICTURE_SECONDS
    return written


def parse_answer(written: bytes) -> dict[str, Any]:
    """The first line, and the picture of the second. Lines that are cut off do not count; without a first: no media."""
    first, second, *_ = [*(line for line in written.splitlines(keepends=True) if line.endswith(b"\n")), b"", b""]
    answer, picture = _json_object(first), _json_object(second).get("poster")
    return {"media": False, **answer, **({"poster": picture} if _is_base64(picture) else {})}


def _json_object(line: bytes) -> dict[str, Any]:
    """The line as a JSON object; empty where it is none."""
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _is_base64(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _write_line(descriptor: int, answer: dict[str, Any]) -> None:
    line = memoryview(json.dumps(answer).encode() + b"\n")
    while line:
        line = line[os.write(descriptor, line) :]


if __name__ == "__main__":
    serve()
