"""Films that recorders and accidents make, small, each made once: paused, cut, joined, hollow, encrypted, and so on.

Nothing is copied from anywhere: they are encoded here. Each kind is made once in a run of the tests.
"""

import io
import random
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import av

WIDTH, HEIGHT, RATE = 160, 120, 10
SOUND_RATE = 16_000


def _as_it_is(at: float) -> float:
    return at


def mux(
    form: str = "mp4",
    *,
    picture: float = 0,
    sound: float = 0,
    codec: str = "libx264",
    sound_codec: str = "aac",
    gop: int = 10,
    rate: int = RATE,
    at: Callable[[float], float] = _as_it_is,
    options: dict[str, str] | None = None,
    **encoding: str,
) -> bytes:
    """A film of so many seconds of picture and of sound. `at`: where in the file a filmed second lies."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=form, options=options or {}) as container:
        streams = []
        if picture:
            streams.append(_picture_stream(container, codec, rate, gop, encoding))
        if sound:
            streams.append(container.add_stream(sound_codec, rate=8000 if sound_codec in _NARROW else SOUND_RATE))
            streams[-1].codec_context.layout = "mono"
        packets = [packet for stream in streams for packet in _packets(stream, picture, sound)]
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            moved = round(at(float(packet.dts * packet.time_base)) / packet.time_base) - packet.dts
            packet.dts, packet.pts = packet.dts + moved, packet.pts + moved
            container.mux(packet)
    return sink.getvalue()


_NARROW = ("pcm_alaw", "pcm_mulaw", "libopencore_amrnb")


def _picture_stream(container: Any, codec: str, rate: int, gop: int, encoding: dict[str, str]) -> Any:
    stream = container.add_stream(codec, rate=rate)
    stream.width, stream.height = WIDTH, HEIGHT
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    stream.codec_context.gop_size = gop
    fast = {
        "libx264": {"preset": "ultrafast", "tune": "zerolatency", "crf": "40"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
        "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    }
    stream.options = fast.get(codec, {}) | encoding
    return stream


def _packets(stream: Any, picture: float, sound: float) -> list[Any]:
    frames = _pictures(picture, stream) if stream.type == "video" else _sounds(stream, sound)
    packets = [packet for frame in frames for packet in stream.encode(frame)]
    return [*packets, *stream.encode(None)]


def _pictures(seconds: float, stream: Any) -> list[av.VideoFrame]:
    grain = random.Random("grain").randbytes(WIDTH * HEIGHT)  # noqa: S311 - a picture, no secret
    frames = []
    for number in range(round(seconds * stream.codec_context.framerate)):
        frame = av.VideoFrame(WIDTH, HEIGHT, stream.pix_fmt)
        shift = number * 7919 % len(grain)
        for part, plane in enumerate(frame.planes):
            content = bytes([128 + number % 16]) if part else grain[shift:] + grain[:shift]
            plane.update(content.ljust(plane.buffer_size, content[-1:])[: plane.buffer_size])
        frame.pts = number
        frames.append(frame)
    return frames


def _sounds(stream: Any, seconds: float) -> list[av.AudioFrame]:
    codec = stream.codec_context
    codec.open()
    size, rate = codec.frame_size or codec.sample_rate // 50, codec.sample_rate
    frames = []
    for number in range(int(seconds * rate / size)):
        frame = av.AudioFrame(format=codec.format.name, layout="mono", samples=size)
        noise = random.Random(number).randbytes(frame.planes[0].buffer_size)  # noqa: S311 - a noise
        frame.planes[0].update(noise if codec.format.name == "s16" else bytes(len(noise)))
        frame.sample_rate, frame.pts, frame.time_base = rate, number * size, Fraction(1, rate)
        frames.append(frame)
    return frames


# -- what happens to films; each is made once

BEFORE = 3.0  # seconds that are filmed before a pause or a jump, and after it


@cache
def paused(form: str = "mp4", pause: float = 600.0) -> bytes:
    """Three seconds, a pause, three seconds more, in one file with sound."""
    return mux(form, picture=2 * BEFORE, sound=2 * BEFORE, at=lambda at: at if at < BEFORE else at + pause)


@cache
def with_segment_index() -> bytes:
    """Twenty seconds of fragmented MP4, each fragment with a `sidx` before it."""
    return mux(picture=20, options={"movflags": "dash+frag_keyframe+empty_moov+default_base_moof"})


@cache
def joined(form: str, codec: str = "libx264", rate: int = RATE) -> bytes:
    """Two parts of four seconds, the clocks of which begin alike, one behind the other."""
    return 2 * mux(form, picture=4, codec=codec, rate=rate)


@cache
def mostly_sound() -> bytes:
    """Two seconds of picture, and half a minute of sound."""
    return mux(picture=2, sound=30)


@cache
def whole(codec: str = "libx264", gop: int = 10) -> bytes:
    """Twenty seconds of picture and sound, with nothing wrong; five of HEVC, which is slow to encode."""
    seconds = 5 if codec == "libx265" else 20
    return mux(picture=seconds, sound=seconds, codec=codec, gop=gop)


@cache
def hollow(codec: str = "libx264", gop: int = 10, filling: str = "zeros") -> bytes:
    """The same; of its picture and sound 60 % are zeros, or noise, behind a good index."""
    content = whole(codec, gop)
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    from_here = start + round(0.4 * (end - start))
    lost = end - from_here
    filled = bytes(lost) if filling == "zeros" else random.Random("hollow").randbytes(lost)  # noqa: S311 - no secret
    return content[:from_here] + filled + content[end:]


@cache
def damaged() -> bytes:
    """The same, with a hole of zeros in the middle: from 40 to 60 %."""
    content = whole()
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    hole = slice(start + round(0.4 * (end - start)), start + round(0.6 * (end - start)))
    return content[: hole.start] + bytes(hole.stop - hole.start) + content[hole.stop :]


@cache
def encrypted() -> bytes:
    """Four seconds of MP4 whose samples are encrypted (CENC), without the key."""
    key = "00112233445566778899aabbccddeeff"
    how = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": key}
    return mux(picture=4, options=how)


@cache
def photo() -> bytes:
    """A JPEG."""
    return mux("mjpeg", picture=1 / RATE, codec="mjpeg")
