"""Merkle trees of RFC 6962: SHA-256, a leaf as 0x00 and its bytes, a node as 0x01 and its two children. Pure."""

import hashlib
from collections.abc import Sequence


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's head over these leaf hashes, 32 bytes; of none, the hash of nothing."""
    level = list(leaves)
    if not level:
        return hashlib.sha256().digest()
    while len(level) > 1:
        level = _above(level)
    return level[0]


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The nodes that lead from the leaf at `index` to the head, from below. Raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    path, level = [], list(leaves)
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        level, index = _above(level), index // 2
    return path


def head_of(hashed: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The head that this path leads to from a leaf hash; None where it is no path in a tree of this size."""
    left = list(path)
    last = size - 1
    if not 0 <= index <= last:
        return None
    while last > 0:
        if index % 2 == 1 or index < last:
            if not left:
                return None
            beside = left.pop(0)
            hashed = _node(beside, hashed) if index % 2 == 1 else _node(hashed, beside)
        index, last = index // 2, last // 2
    return None if left else hashed


def _above(level: Sequence[bytes]) -> list[bytes]:
    """The level above: pairs joined, one left over goes up as it is."""
    sha256 = hashlib.sha256
    pairs = [sha256(b"\x01" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
    return pairs if len(level) % 2 == 0 else [*pairs, level[-1]]


def _node(first: bytes, second: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + first + second).digest()
