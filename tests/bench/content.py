"""Files of a given size: random bytes, or a film. Changing a few bytes makes either a new file at no cost."""

import os
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av

from mobile_api.cli.demo_film import Film, film

MIB = 1024 * 1024
FREE = (16).to_bytes(4) + b"free"  # an MP4 box of 16 bytes that players skip
MARK = 8


def noise(path: Path, size: int) -> None:
    """A file of random bytes."""
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - start)))


def long_film(path: Path, size: int) -> Film:
    """H.264 in MP4 of about this size, at 9 Mbit/s: ten seconds are encoded, and their packets repeated."""
    short = path.with_name("short.mp4")
    film(short, seconds=10, rate=25, crf=34)
    times = max(1, round(size / short.stat().st_size))
    with av.open(str(short)) as source, av.open(str(path), "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [(bytes(packet), packet) for packet in source.demux(video=0) if packet.size]
        length = sum(packet.duration for _, packet in packets)
        for number in range(times * len(packets)):
            turn, index = divmod(number, len(packets))
            target.mux(_again(*packets[index], stream, turn * length))
    short.unlink()
    with path.open("ab") as file:
        file.write(FREE + bytes(MARK))
    ended = datetime.now(UTC)
    return Film(path, ended - timedelta(seconds=times * 10), ended)


def _again(content: bytes, packet: av.Packet, stream: av.VideoStream, later: int) -> av.Packet:
    """A copy of the packet, `later` ticks later."""
    copy = av.Packet(content)
    copy.stream, copy.time_base = stream, packet.time_base or Fraction(1, 25)
    copy.pts, copy.dts, copy.duration = packet.pts + later, packet.dts + later, packet.duration
    copy.is_keyframe = packet.is_keyframe
    return copy


def renew(path: Path, *, at_end: bool) -> None:
    """Change a few bytes, keeping the size: the same bytes would be taken for the same recording."""
    with path.open("r+b") as file:
        file.seek(-MARK if at_end else 0, os.SEEK_END if at_end else os.SEEK_SET)
        file.write(os.urandom(MARK))
