"""Merkle trees of RFC 6962, with SHA-256. Pure.

The hash of a leaf is over 0x00 and its bytes, the hash of a node over 0x01 and the hashes of its two children.
"""

import hashlib
from collections.abc import Sequence


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes, 32 bytes. Without leaves: the hash of the empty string."""
    level = list(leaves)
    if not level:
        return hashlib.sha256().digest()
    while len(level) > 1:
        level = _next_level(level)
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling nodes on the way from the leaf at `index` to the root, lowest first. Raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    path, level = [], list(leaves)
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        level, index = _next_level(level), index // 2
    return path


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that follows from a leaf hash and its path; None if no tree of this size has such a path."""
    siblings, node = list(path), leaf
    last = size - 1
    if not 0 <= index <= last:
        return None
    while last > 0:
        if index % 2 == 1 or index < last:
            if not siblings:
                return None
            sibling = siblings.pop(0)
            node = _node(sibling, node) if index % 2 == 1 else _node(node, sibling)
        index, last = index // 2, last // 2
    return None if siblings else node


def _next_level(level: Sequence[bytes]) -> list[bytes]:
    """The level above: each pair becomes one node; a last one without a partner moves up unchanged."""
    sha256 = hashlib.sha256
    pairs = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
    return pairs if len(level) % 2 == 0 else [*pairs, level[-1]]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
