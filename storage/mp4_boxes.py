"""The outer boxes of an MP4 or MOV: whether its index was ever written. Pure: reads by a function that is handed in.

A camera writes the film first (`mdat`) and the index (`moov`) when it stops. Cut before that, by a battery or a blow,
the film is there and no player finds it. Source: ISO/IEC 14496-12.
"""

from collections.abc import Callable, Iterator

Piece = Callable[[int, int], bytes]  # up to so many bytes at a place of the file; empty at its end
MOST_BOXES = 10_000
KNOWN = {b"ftyp", b"mdat", b"moov", b"moof", b"free", b"skip", b"wide", b"uuid", b"sidx", b"styp", b"mfra", b"pnot"}


def index_is_lost(piece: Piece, size: int) -> bool:
    """Whether this is the film of an MP4 or MOV whose index is missing."""
    kinds: set[bytes] = set()
    for kind in _boxes(piece, size):
        if kind not in KNOWN and not kinds:
            return False
        kinds.add(kind)
    return b"mdat" in kinds and not kinds & {b"moov", b"moof"}


def _boxes(piece: Piece, size: int) -> Iterator[bytes]:
    """The kind of each outer box, as far as boxes follow one another."""
    at = 0
    for _ in range(MOST_BOXES):
        head = piece(at, 16)
        if len(head) < 8:
            return
        length, kind = int.from_bytes(head[:4]), head[4:8]
        yield kind
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length == 0 or length > size - at:  # to the end of the file, or cut off
            return
        if length < 8:
            return
        at += length
