"""A forger's zips: any header, gap, comment or record can be other than ours, and all offsets still agree."""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any

LOCAL = {"sig": "4s", "needs": "H", "flags": "H", "method": "H", "made": "L", "crc": "L", "packed": "L", "size": "L",
    "name": "H", "extra": "H"}  # fmt: skip
CENTRAL = {"sig": "4s", "by": "B", "system": "B", "needs": "H", "flags": "H", "method": "H", "made": "L", "crc": "L",
    "packed": "L", "size": "L", "name": "H", "extra": "H", "comment": "H", "disk": "H", "internal": "H",
    "external": "L", "offset": "L"}  # fmt: skip
END = {"sig": "4s", "disk": "H", "first": "H", "here": "H", "count": "H", "size": "L", "at": "L", "comment": "H"}


def packed(fields: dict[str, str], values: dict[str, Any]) -> bytes:
    return struct.pack("<" + "".join(fields.values()), *(values[name] for name in fields))


@dataclass
class Piece:
    """One file. `local`, `central`: fields that are other than they should be. `listed`: in the central directory."""

    name: bytes
    content: bytes
    made: int
    long: bool = False
    before: bytes = b""
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    local_name: bytes | None = None
    local_extra: bytes = b""
    central_extra: bytes = b""
    comment: bytes = b""
    descriptor: bytes | None = None
    stored: bytes | None = None  # the bytes as they lie there, where they are compressed
    listed: bool = True

    @property
    def sizes(self) -> dict[str, int]:
        stored = self.content if self.stored is None else self.stored
        return {"crc": zlib.crc32(self.content), "packed": len(stored), "size": len(self.content)}

    def written(self) -> bytes:
        extra = (struct.pack("<2H2Q", 1, 16, 0, 0) if self.long else b"") + self.local_extra
        size, name = (0xFFFFFFFF if self.long else 0), self.name if self.local_name is None else self.local_name
        told = {"sig": b"PK\3\4", "needs": 45 if self.long else 20, "flags": 8, "method": 0, "made": self.made,
            "crc": 0, "packed": size, "size": size, "name": len(name), "extra": len(extra)}  # fmt: skip
        sizes = self.sizes
        behind = struct.pack("<4sLQQ" if self.long else "<4s3L", b"PK\7\10", *sizes.values())
        stored = self.content if self.stored is None else self.stored
        behind = behind if self.descriptor is None else self.descriptor
        return packed(LOCAL, told | self.local) + name + extra + stored + behind

    def entry(self, offset: int) -> bytes:
        told = {"sig": b"PK\1\2", "by": 45 if self.long else 20, "system": 3, "needs": 45 if self.long else 20,
            "flags": 8, "method": 0, "made": self.made, **self.sizes, "name": len(self.name),
            "extra": len(self.central_extra), "comment": len(self.comment), "disk": 0, "internal": 0,
            "external": 0o600 << 16, "offset": offset}  # fmt: skip
        return packed(CENTRAL, told | self.central) + self.name + self.central_extra + self.comment


@dataclass
class Forged:
    """An archive of pieces. `last`: before the central directory; `inside`, `behind`: at its end, counted or not."""

    pieces: list[Piece]
    last: bytes = b""
    inside: bytes = b""
    behind: bytes = b""
    end: dict[str, Any] = field(default_factory=dict)
    comment: bytes = b""
    zip64: bool = False
    zip64_data: bytes = b""
    reversed: bool = False

    def written(self) -> bytes:
        whole, entries = bytearray(), []
        for piece in self.pieces:
            whole += piece.before
            if piece.listed:
                entries.append(piece.entry(len(whole)))
            whole += piece.written()
        whole += self.last
        directory = b"".join(reversed(entries) if self.reversed else entries) + self.inside
        told = {"sig": b"PK\5\6", "disk": 0, "first": 0, "here": len(entries), "count": len(entries),
            "size": len(directory), "at": len(whole), "comment": len(self.comment)}  # fmt: skip
        at = len(whole)
        whole += directory + self.behind
        if self.zip64:
            where, few = len(whole), len(entries)
            whole += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44 + len(self.zip64_data), 45, 45, 0, 0, few, few,
                len(directory), at) + self.zip64_data + struct.pack("<4sLQL", b"PK\6\7", 0, where, 1)  # fmt: skip
        return bytes(whole) + packed(END, told | self.end) + self.comment

    def get(self, name: str) -> Piece:
        """The file whose name ends so."""
        return next(piece for piece in self.pieces if piece.name.endswith(name.encode()))


def taken_apart(whole: bytes) -> Forged:
    """The pieces of one of our archives. Put together again they are the same bytes."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        pieces = []
        for info in archive.infolist():
            made = struct.unpack_from("<L", whole, info.header_offset + 10)[0]
            long = "/data/originals/" in info.filename
            pieces.append(Piece(info.filename.encode(), archive.read(info), made, long))
    return Forged(pieces)
