"""Makes films, H.264 in MP4, for the demonstration, tests and figures.

The picture is a bar that grows over rolling grain. Grain does not compress: a low `crf` makes a short film a big file.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import msgspec

WHITE = 235
TICK = Fraction(1, 1000)  # of a second


class Film(msgspec.Struct, frozen=True):
    """A film's file, and when its camera started and stopped."""

    path: Path
    started_at: datetime
    ended_at: datetime


def film(
    path: Path,
    *,
    seconds: float,
    width: int = 640,
    height: int = 360,
    rate: int = 10,
    crf: int = 40,
    live: bool = False,
    ago: float = 0,
    progress: Callable[[float], None] = lambda _: None,
) -> Film:
    """Encode a film. `live`: it takes as long as it shows, on a slow machine too: each frame has the time when it was
    filmed. `progress` is called with the seconds filmed.

    Its metadata say when it began: now, or so many seconds `ago`; with `ago`, it ended by its own length.
    """
    grain = random.Random(path.name).randbytes(width * height)  # noqa: S311 - a picture, no secret
    started = datetime.now(UTC) - timedelta(seconds=ago)
    begun = time.monotonic()
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["creation_time"] = f"{started:%Y-%m-%dT%H:%M:%SZ}"
        stream = container.add_stream("libx264", rate=rate)
        stream.time_base = stream.codec_context.time_base = TICK if live else Fraction(1, rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": str(crf)}
        frames = round(seconds * rate)
        for number in range(frames):
            frame = _frame(grain, width, height, number, number / frames)
            if live:
                frame.pts, frame.time_base = round((time.monotonic() - begun) / TICK), TICK
            container.mux(stream.encode(frame))
            if live:
                time.sleep(max(0.0, begun + (number + 1) / rate - time.monotonic()))
            progress((number + 1) / rate)
        container.mux(stream.encode(None))
    return Film(path, started, started + timedelta(seconds=seconds) if ago else datetime.now(UTC))


def _frame(grain: bytes, width: int, height: int, number: int, done: float) -> av.VideoFrame:
    """Grain, shifted by the frame's number, under a bar as wide as the share of the film that is `done`."""
    frame = av.VideoFrame(width, height, "yuv420p")
    shift = number * 7919 % len(grain)
    bar = (bytes([WHITE]) * round(width * done)).ljust(width, b"\x10") * (height // 12)
    luma = bar + (grain[shift:] + grain[:shift])[len(bar) :]
    for plane, content in zip(frame.planes, (luma, b"\x80" * len(luma), b"\x80" * len(luma)), strict=True):
        plane.update(_lines(content, width if plane is frame.planes[0] else plane.width, plane))
    frame.pts = number
    return frame


def _lines(content: bytes, width: int, plane: av.video.plane.VideoPlane) -> bytes:
    """The picture with each line padded to the plane's line size."""
    if plane.line_size == width:
        return content[: plane.buffer_size]
    rows = (content[row * width : (row + 1) * width] for row in range(plane.height))
    return b"".join(row.ljust(plane.line_size, b"\x00") for row in rows)
