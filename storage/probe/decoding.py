"""Decodes a frame now and then, in a child process: what cannot be decoded is no picture and no sound.

Guarantees: at most FRAMES frames and CPU_SECONDS of one file, whatever is in it. A hostile frame can only end that
child: then it is not decoded, and the next one goes to a new child, twice at most. The child answers two bytes a time,
nothing else is believed of it.
"""

import os
import resource
import select
import signal
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

import av

FRAMES = 200
CPU_SECONDS = 20
MOST_DEATHS = 3
SILENCE = 60.0  # seconds
HEADER, LENGTH = struct.Struct(">HB"), struct.Struct(">I")
ERRORS = (av.error.FFmpegError, ValueError, OverflowError, MemoryError)


class Child(NamedTuple):
    """A decoding process: its id, where it reads packets, where it answers."""

    pid: int
    packets: BinaryIO
    answers: BinaryIO


class Decoder:
    """Tells whether packets can be decoded. `streams`: those of the open file, by their index; nothing else uses their
    codecs."""

    def __init__(self, streams: Sequence[Any]) -> None:
        self._streams = {stream.index: stream for stream in streams}
        self._child: Child | None = None
        self._deaths = self._frames = 0
        self._cpu_left = float(CPU_SECONDS)

    def shows(self, track: int, packets: Sequence[bytes]) -> bool | None:
        """Whether a frame without a fault comes out of these packets of a track, the first of which is a key frame.

        None: the file's budget is used up, so nobody knows.
        """
        if self._frames >= FRAMES or self._cpu_left < 1 or not packets:
            return None
        if self._deaths >= MOST_DEATHS:
            return False
        try:
            clean, frames = self._ask(track, packets[: FRAMES - self._frames])
        except (OSError, EOFError):
            killed_by = self.end()
            self._deaths += 1
            return None if killed_by == signal.SIGXCPU else False
        self._frames += frames
        return clean

    def _ask(self, track: int, packets: Sequence[bytes]) -> tuple[bool, int]:
        child = self._child = self._child or self._start()
        child.packets.write(HEADER.pack(track, len(packets)))
        for packet in packets:
            child.packets.write(LENGTH.pack(len(packet)))
            child.packets.write(packet)
        child.packets.flush()
        if not select.select([child.answers], [], [], SILENCE)[0]:
            raise EOFError
        answer = child.answers.read(2)
        if len(answer) != 2:
            raise EOFError
        return answer[0] == 1, max(1, answer[1])

    def _start(self) -> Child:
        asked, asking = os.pipe()
        answered, answering = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(asking)
            os.close(answered)
            _decode_for(self._streams, asked, answering, self._cpu_left)
        os.close(asked)
        os.close(answering)
        return Child(pid, os.fdopen(asking, "wb"), os.fdopen(answered, "rb", buffering=0))

    def end(self) -> int:
        """End the child. Returns the signal that had ended it before, else 0."""
        child, self._child = self._child, None
        if child is None:
            return 0
        with suppress(OSError):
            child.packets.close()
        child.answers.close()
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        _, status, used = os.wait4(child.pid, 0)
        self._cpu_left -= used.ru_utime + used.ru_stime
        ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        return ended_by if ended_by != signal.SIGKILL or self._cpu_left > 0 else int(signal.SIGXCPU)


def _decode_for(streams: dict[int, Any], asked: int, answering: int, seconds: float) -> None:
    """In the child: answer until nobody asks any more."""
    try:
        limit = max(1, round(seconds))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        nothing = os.open(os.devnull, os.O_RDWR)
        for inherited in (0, 1, 2):
            os.dup2(nothing, inherited)
        with os.fdopen(asked, "rb") as source:
            while header := source.read(HEADER.size):
                track, count = HEADER.unpack(header)
                packets = [source.read(LENGTH.unpack(source.read(LENGTH.size))[0]) for _ in range(count)]
                clean, frames = _clean_frame(streams[track].codec_context, packets)
                os.write(answering, bytes((clean, min(frames, 255))))
    finally:
        os._exit(0)


def _clean_frame(codec: Any, packets: list[bytes]) -> tuple[bool, int]:
    """Whether a frame without a fault comes out, and how many frames did. The key frame alone is tried first."""
    decoded = 0
    for group in [packets[:1], packets] if len(packets) > 1 else [packets]:
        with suppress(*ERRORS):
            codec.flush_buffers()
        for packet in (*group, None):
            try:
                frames = codec.decode(None if packet is None else _key_packet(packet))
            except ERRORS:
                frames = []
            decoded += len(frames)
            if any(not frame.is_corrupt for frame in frames):
                return True, decoded
    return False, decoded


def _key_packet(content: bytes) -> Any:
    packet = av.Packet(content)
    packet.is_keyframe = True
    return packet
