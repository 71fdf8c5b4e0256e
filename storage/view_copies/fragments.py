"""The output of a view copy: a fragmented MP4, cut into its beginning (`init`) and its fragments, each with its time.

The muxer writes into it; each piece goes on as soon as it is whole, so nothing is kept but one fragment.
"""

import io
from collections.abc import Callable
from typing import Any

from storage.view_copies.messages import INIT, MEDIA

MICROSECONDS = 1_000_000
Send = Callable[[bytes, bytes, int], None]  # the kind, the bytes, the time in microseconds at which they begin


class Fragments(io.RawIOBase):
    """A file for the muxer. `send` gets the init once, then every fragment."""

    def __init__(self, send: Send) -> None:
        self._send, self._held, self._parts = send, bytearray(), bytearray()
        self._scales: dict[int, int] = {}
        self._time = 0
        self._begun = False

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._held += content
        self._pass_on()
        return len(content)

    def finish(self) -> None:
        """What is left, where the film ended."""
        self._send_part()

    def _pass_on(self) -> None:
        """Send every box that is whole: `ftyp` and `moov` together, then each `moof` with its `mdat`."""
        at = 0
        while len(self._held) - at >= 8:
            size = int.from_bytes(self._held[at : at + 4], "big")
            if size < 8 or len(self._held) - at < size:
                break
            self._take(bytes(self._held[at + 4 : at + 8]), bytes(self._held[at : at + size]))
            at += size
        del self._held[:at]

    def _take(self, kind: bytes, box: bytes) -> None:
        if kind in (b"moof", b"mfra"):
            self._send_part()
        if kind == b"mfra":  # an index by bytes of the whole, which nobody gets
            return
        if kind == b"moov":
            self._scales = dict(scales_of(box))
        if kind == b"moof":
            self._time = time_of(box, self._scales)
        self._parts += box
        if kind == b"mdat":
            self._send_part()

    def _send_part(self) -> None:
        if self._parts:
            kind, self._begun = (MEDIA if self._begun else INIT), True
            self._send(kind, bytes(self._parts), self._time)
            self._parts.clear()


def boxes(content: bytes, start: int = 8) -> list[tuple[bytes, bytes]]:
    """The boxes inside a box: kind and bytes of each, its own head too. Only of our own making."""
    found = []
    while start + 8 <= len(content):
        size = int.from_bytes(content[start : start + 4], "big")
        if size < 8:
            break
        found.append((content[start + 4 : start + 8], content[start : start + size]))
        start += size
    return found


def scales_of(moov: bytes) -> list[tuple[int, int]]:
    """Each track's number and how many units its second has."""
    return [(_track_of(trak), _scale_of(trak)) for kind, trak in boxes(moov) if kind == b"trak"]


def _track_of(trak: bytes) -> int:
    head = dict(boxes(trak))[b"tkhd"]
    at = 28 if head[8] else 20  # version 1 has longer times before it
    return int.from_bytes(head[at : at + 4], "big")


def _scale_of(trak: bytes) -> int:
    head = dict(boxes(dict(boxes(trak))[b"mdia"]))[b"mdhd"]
    at = 28 if head[8] else 20
    return int.from_bytes(head[at : at + 4], "big")


def time_of(moof: bytes, scales: dict[int, int]) -> int:
    """When a fragment begins, in microseconds: the decoding time of its first track, the picture's where there is one.

    The sound beside it may begin a little earlier.
    """
    times = {}
    for kind, traf in boxes(moof):
        if kind == b"traf":
            inside = dict(boxes(traf))
            track = int.from_bytes(inside[b"tfhd"][12:16], "big")
            told = inside[b"tfdt"]
            ticks = int.from_bytes(told[12:20] if told[8] else told[12:16], "big")
            times[track] = ticks * MICROSECONDS // (scales.get(track) or 1)
    return times[min(times)] if times else 0


def codecs_of(init: bytes) -> str:
    """The codecs as Media Source Extensions want them named, like `avc1.64001f,mp4a.40.2`."""
    names = []
    at = init.find(b"avcC")
    if at >= 0:
        names.append("avc1." + init[at + 5 : at + 8].hex())
    if b"mp4a" in init:
        names.append("mp4a.40.2")
    return ",".join(names)
