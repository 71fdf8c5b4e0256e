"""The output of a view copy: a fragmented MP4, cut into its beginning (`init`) and its fragments, each with its time.

The muxer writes into it. An index of the whole at its end, which nobody gets, is left out.
"""

import io
from collections.abc import Callable
from typing import Any

from storage.view_copies.messages import INIT, MEDIA, MORE

MICROSECONDS = 1_000_000
BOX_HEAD = 8
LONGEST_FRAME, ONE_FRAME = 2, 25  # seconds that a frame may last; frames a second where nothing else is known
LASTING, PER_FRAME = 0x100, (0x100, 0x200, 0x400, 0x800)  # what a run may say of each frame, of `trun`
Send = Callable[[bytes, Any, int], None]  # the kind, the bytes, the time in microseconds


class Fragments(io.RawIOBase):
    """A file for the muxer. `send` gets the init once, then of every fragment its beginning, and then the rest of it.

    Nothing is kept but the head of a fragment: its frames pass as they come.
    """

    def __init__(self, send: Send) -> None:
        self._send, self._head, self._init = send, bytearray(), bytearray()
        self._moof = b""  # until the head of its frames is there
        self._left = 0  # of the frames that pass
        self.reaches = 0  # microseconds: where in the film the muxer is, which is where a fragment that it writes ends
        self._scales: dict[int, int] = {}

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        view, at = memoryview(content), 0
        while at < len(view):
            at += self._pass_on(view[at:]) if self._left else self._gather(view[at:])
        return len(view)

    def _pass_on(self, content: memoryview) -> int:
        passing = content[: self._left]
        self._send(MORE, passing, self.reaches)
        self._left -= len(passing)
        return len(passing)

    def _gather(self, content: memoryview) -> int:
        """Take what the box lacks that is gathered now: its first eight bytes, then the rest of it."""
        wanted = (int.from_bytes(self._head[:4], "big") if len(self._head) >= BOX_HEAD else BOX_HEAD) - len(self._head)
        self._head += content[:wanted]
        if len(self._head) >= BOX_HEAD:
            self._box(bytes(self._head[4:8]), int.from_bytes(self._head[:4], "big"))
        return min(wanted, len(content))

    def _box(self, kind: bytes, size: int) -> None:
        if kind == b"mdat":  # its frames need not be waited for
            self._send(MEDIA, self._moof + self._head, time_of(self._moof, self._scales))
            self._left, self._head = size - BOX_HEAD, bytearray()
        elif len(self._head) >= size:
            self._whole(kind, bytes(self._head))
            self._head = bytearray()

    def _whole(self, kind: bytes, box: bytes) -> None:
        if kind == b"moof":
            self._moof = ending_with_a_frame(box, self._scales)
        elif kind in (b"ftyp", b"moov"):
            self._init += box
            if kind == b"moov":
                self._scales = dict(scales_of(box))
                self._send(INIT, bytes(self._init), 0)


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


def ending_with_a_frame(moof: bytes, scales: dict[int, int]) -> bytes:
    """The fragment's head, with no last frame that lasts for a pause of the camera.

    The muxer lets a frame last until the next one: a player would hold it for as long as nothing was filmed.
    """
    changed = bytearray(moof)
    for at, end in _places(moof, b"traf", BOX_HEAD, len(moof)):
        ((head, _),) = _places(moof, b"tfhd", at, end)
        scale = scales.get(int.from_bytes(moof[head + 4 : head + 8], "big")) or 1
        for run, _ in _places(moof, b"trun", at, end):
            place, before = _last_lasting(moof, head, run)
            if place and int.from_bytes(moof[place : place + 4], "big") > scale * LONGEST_FRAME:
                short = before if 0 < before <= scale * LONGEST_FRAME else max(1, scale // ONE_FRAME)
                changed[place : place + 4] = short.to_bytes(4, "big")
    return bytes(changed)


def _places(content: bytes, wanted: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where the contents of the boxes of this kind begin and end, between two places."""
    found = []
    while start + BOX_HEAD <= end and (size := int.from_bytes(content[start : start + 4], "big")) >= BOX_HEAD:
        if content[start + 4 : start + 8] == wanted:
            found.append((start + BOX_HEAD, start + size))
        start += size
    return found


def _last_lasting(moof: bytes, head: int, run: int) -> tuple[int, int]:
    """Where the last frame of a run says how long it lasts, 0 where it says it nowhere; and how long the one before."""
    flags, count = int.from_bytes(moof[run + 1 : run + 4], "big"), int.from_bytes(moof[run + 4 : run + 8], "big")
    if flags & LASTING:
        each = 4 * sum(bool(flags & flag) for flag in PER_FRAME)
        first = run + 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
        last = first + each * (count - 1)
        return last, int.from_bytes(moof[last - each : last - each + 4], "big") if count > 1 else 0
    told = int.from_bytes(moof[head + 1 : head + 4], "big")
    return (head + 8 + 8 * bool(told & 1) + 4 * bool(told & 2), 0) if count == 1 and told & 8 else (0, 0)


def codecs_of(init: bytes) -> str:
    """The codecs as Media Source Extensions want them named, like `avc1.64001f,mp4a.40.2`."""
    names = []
    at = init.find(b"avcC")
    if at >= 0:
        names.append("avc1." + init[at + 5 : at + 8].hex())
    if b"mp4a" in init:
        names.append("mp4a.40.2")
    return ",".join(names)
