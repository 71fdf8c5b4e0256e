"""Short films as recorders write them: in containers and codecs that browsers play, and in others.

The picture is flat and changes with each frame, so that a test can tell frames apart by their brightness: see `shade`.
"""

from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

WIDTH, HEIGHT, RATE = 160, 120, 10
CONTAINERS = {  # by the ending of the name: FFmpeg's muxer and its options
    "ts": ("mpegts", {}), "mts": ("mpegts", {"mpegts_m2ts_mode": "1"}), "mp4": ("mp4", {}), "avi": ("avi", {}),
    "flv": ("flv", {}), "mpg": ("vob", {}), "mkv": ("matroska", {}), "mov": ("mov", {}),
    "264": ("h264", {}), "265": ("hevc", {}), "live.mp4": ("mp4", {"movflags": "frag_keyframe+empty_moov"}),
}  # fmt: skip
SOUND_RATES = {"pcm_alaw": 8000, "libopencore_amrnb": 8000}


@cache
def recorded_film(
    ending: str, picture: str = "libx264", sound: str | None = "aac", seconds: int = 4, turned: int = 0, pause: int = 0,
    apart: int = 1,
) -> bytes:  # fmt: skip
    """A film of some seconds at 10 frames a second. `turned`: degrees by which it says that it is turned; `pause`:
    seconds for which the camera stood still in its middle; `apart`: seconds between pictures that stand alone."""
    muxer, options = CONTAINERS[ending]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"film.{ending}"
        with av.open(str(path), "w", format=muxer, options=options) as container:
            _write(container, picture, sound, seconds, turned, pause, apart)
        return path.read_bytes()


def hikvision(content: bytes) -> bytes:
    """A program stream behind the maker's forty bytes, as some recorders write it into a file named .mp4."""
    return b"IMKH" + bytes(36) + content


def shade(number: int) -> int:
    """The brightness of a frame."""
    return 40 + number * 7 % 160


def _write(container: Any, picture: str, sound: str | None, seconds: int, turned: int, pause: int, apart: int) -> None:
    video = container.add_stream(picture, rate=RATE)
    video.width, video.height = WIDTH, HEIGHT
    video.pix_fmt = "yuvj420p" if picture == "mjpeg" else "yuv420p"
    if picture in ("libx264", "libx265"):
        video.options = {
            "preset": "ultrafast", "g": str(RATE * apart), "x265-params": f"log-level=none:keyint={RATE * apart}",
            **({"sc_threshold": "0"} if apart > 1 else {}),
        }  # fmt: skip
    if turned:
        video.set_display_rotation(turned)
    audio = None
    if sound is not None:
        audio = container.add_stream(sound, rate=SOUND_RATES.get(sound, 48000), layout="mono")
    written = 0
    for number in range(seconds * RATE):
        later = pause * RATE if number >= seconds * RATE // 2 else 0
        container.mux(video.encode(_frame(number, video.pix_fmt, later)))
        if audio is not None:
            written = _write_sound(container, audio, written, number + 1)
    for stream in (video, *([audio] if audio else [])):
        container.mux(stream.encode(None))


def _frame(number: int, pixels: str, later: int) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane, value in zip(frame.planes, (shade(number), 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    if pixels != "yuv420p":
        frame = frame.reformat(format=pixels)
    frame.pts, frame.time_base = number + later, Fraction(1, RATE)
    return frame


def _write_sound(container: Any, audio: Any, written: int, frames: int) -> int:
    """Silence up to the end of that many frames. The samples written so far."""
    context = audio.codec_context
    while written < frames * context.sample_rate // RATE:
        size = context.frame_size or context.sample_rate // RATE
        silence = av.AudioFrame(format=context.format.name, layout="mono", samples=size)
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        silence.sample_rate, silence.pts, silence.time_base = (
            context.sample_rate,
            written,
            Fraction(1, context.sample_rate),
        )
        container.mux(audio.encode(silence))
        written += size
    return written
