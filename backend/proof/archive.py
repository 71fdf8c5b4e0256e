"""The form of a package's archive: a zip of files that are stored as they are. The writer and the reader share it.

Guarantees: an archive is read only if each of its bytes is the byte that we would have written. The files follow each
other from the first byte on, then comes the central directory, and its end is the end of the archive. So nothing can
hide between, before or behind the files, nor in their headers. Pure: what stands in the files is checked elsewhere.
Source: PKWARE APPNOTE 6.3, sections 4.3 and 4.5.
"""

import struct
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import IO

import msgspec

LOCAL = struct.Struct("<4s3H4L2H")
CENTRAL = struct.Struct("<4s2B3H4L5H2L")
END = struct.Struct("<4s4H2LH")
END64, LOCATOR = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
SIZE_FOLLOWS = 8  # the flag that checksum and size stand behind the file: it is written while it comes
UNIX, MODE = 3, 0o600 << 16
FULL = 0xFFFFFFFF  # stands where the number is in the zip64 field
LIMIT = 0x7FFFFFFF  # what is larger goes into a zip64 field
MOST_FILES = 0xFFFF
LARGEST_DIRECTORY = 64 * 1024 * 1024  # bytes that are read into memory
BLOCK = 1024 * 1024


class NotABag(Exception):
    """This is no package. The two texts say why, in Chinese and English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


class Damaged(NotABag):
    """A file is not the one of which the archive has the checksum."""


class Form(msgspec.Struct, frozen=True):
    """How the header of a file is written. `size`: what stands in the place of the size that follows the file."""

    version: int
    size: int
    extra: bytes
    follows: struct.Struct

    def local_header(self, member: "Member") -> bytes:
        name = member.name.encode()
        numbers = (self.version, SIZE_FOLLOWS, 0, member.made, 0, self.size, self.size, len(name), len(self.extra))
        return LOCAL.pack(b"PK\3\4", *numbers) + name + self.extra


SHORT = Form(20, 0, b"", struct.Struct("<4s3L"))
LONG = Form(45, FULL, struct.pack("<2H2Q", 1, 16, 0, 0), struct.Struct("<4sL2Q"))  # of any size: footage
EARLY = Form(20, 0, LONG.extra, LONG.follows)  # what Python before 3.11.4 wrote for LONG
FORMS = (SHORT, LONG, EARLY)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One file in an archive. `offset`: of its header. `made`: as `stamp` gives it. `crc`: CRC-32 of its bytes."""

    name: str
    offset: int
    size: int
    crc: int
    made: int
    form: Form = SHORT

    @property
    def header(self) -> bytes:
        return self.form.local_header(self)

    @property
    def begins(self) -> int:
        """Where its bytes begin."""
        return self.offset + len(self.header)

    @property
    def descriptor(self) -> bytes:
        """What stands behind its bytes."""
        return self.form.follows.pack(b"PK\7\10", self.crc, self.size, self.size)

    @property
    def ends(self) -> int:
        """Where the next file begins."""
        return self.begins + self.size + self.form.follows.size

    @property
    def entry(self) -> bytes:
        """What stands about it in the central directory."""
        long, far = self.size > LIMIT, self.offset > LIMIT
        fields = [self.size, self.size] * long + [self.offset] * far
        extra = struct.pack(f"<2H{len(fields)}Q", 1, 8 * len(fields), *fields) if fields else b""
        version = LONG.version if fields else self.form.version
        size, offset, name = FULL if long else self.size, FULL if far else self.offset, self.name.encode()
        numbers = (version, UNIX, version, SIZE_FOLLOWS, 0, self.made, self.crc, size, size, len(name), len(extra))
        return CENTRAL.pack(b"PK\1\2", *numbers, 0, 0, 0, MODE, offset) + name + extra


def stamp(made_at: datetime) -> int:
    """A time as an archive has it, to the minute."""
    day = (made_at.year - 1980) << 9 | made_at.month << 5 | made_at.day
    return day << 16 | made_at.hour << 11 | made_at.minute << 5


def end_of(count: int, at: int, size: int) -> bytes:
    """The end of an archive of `count` files, whose central directory begins at `at` and has `size` bytes."""
    zip64 = b""
    if count > MOST_FILES or at > LIMIT or size > LIMIT:
        zip64 = END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, at)
        zip64 += LOCATOR.pack(b"PK\6\7", 0, at + size, 1)
    few = min(count, MOST_FILES)
    return zip64 + END.pack(b"PK\5\6", 0, 0, few, few, min(size, FULL), min(at, FULL), 0)


def members_of(file: IO[bytes]) -> list[Member]:
    """The files of an archive, after every byte that is not in a file was compared. Raises NotABag, OSError."""
    whole = file.seek(0, 2)
    at, size = _directory(file, whole)
    if at + size > whole or whole - at > LARGEST_DIRECTORY:
        raise _differs(whole - END.size)
    directory, members, place = _read(file, at, whole - at), [], 0
    for member in _entries(directory[:size]):
        if member.offset != place:
            raise _outside(place, member.offset)
        if place + member.size > at:
            raise _outside(place + member.size, at)
        members.append(_in_form(file, member))
        place = members[-1].ends
    if place != at:
        raise _outside(place, at)
    ours = b"".join(member.entry for member in members) + end_of(len(members), at, size)
    if ours != directory:
        raise _differs(at + next((i for i, (a, b) in enumerate(zip(ours, directory, strict=False)) if a != b), 0))
    return members


def content_of(file: IO[bytes], member: Member) -> Iterator[bytes]:
    """The bytes of a file, block by block. Raises Damaged at the end if they are not those of the checksum."""
    at, crc = member.begins, 0
    while at < member.begins + member.size:
        block = _read(file, at, min(BLOCK, member.begins + member.size - at))
        at, crc = at + len(block), zlib.crc32(block, crc)
        yield block
    if crc != member.crc:
        raise Damaged(f"文件 {member.name} 与压缩包内的校验和不符", f"{member.name} does not have its checksum")


def _directory(file: IO[bytes], whole: int) -> tuple[int, int]:
    """Where the central directory begins, and its size, as the end of the archive says."""
    if whole < END.size:
        raise NotABag("太短，不是压缩包", "it is too short to be an archive")
    *_, size, at, _ = END.unpack(_read(file, whole - END.size, END.size))
    before = whole - END.size - LOCATOR.size - END64.size
    if before >= 0 and _read(file, before, 4) == b"PK\6\6":
        *_, size, at = END64.unpack(_read(file, before, END64.size))
    return at, size


def _entries(directory: bytes) -> Iterator[Member]:
    """The files that a central directory names. What else it says is compared later."""
    at = 0
    while at < len(directory):
        try:
            *_, made, crc, _, size, name, extra, comment, _, _, _, offset = CENTRAL.unpack_from(directory, at)
            begins, ends = at + CENTRAL.size + name, at + CENTRAL.size + name + extra
            text = directory[begins - name : begins].decode("ascii")
            fields = [field for (field,) in struct.iter_unpack("<Q", directory[begins + 4 : ends])]
        except (struct.error, UnicodeDecodeError) as error:
            raise NotABag("压缩包的目录无法读取", "its list of files cannot be read") from error
        size = fields.pop(0) if size == FULL and fields else size
        offset = fields.pop() if offset == FULL and fields else offset
        yield Member(name=text, offset=offset, size=size, crc=crc, made=made)
        at = ends + comment


def _in_form(file: IO[bytes], member: Member) -> Member:
    """The file with the form of its header, after header and descriptor were compared."""
    for form in FORMS[member.size > LIMIT :]:  # SHORT holds none that is larger
        found = msgspec.structs.replace(member, form=form)
        if _read(file, found.offset, len(found.header)) == found.header:
            behind = found.begins + found.size
            if _read(file, behind, len(found.descriptor)) != found.descriptor:
                raise _differs(behind)
            return found
    raise _differs(member.offset)


def _read(file: IO[bytes], at: int, size: int) -> bytes:
    file.seek(at)
    read = file.read(size)
    if len(read) != size:
        raise NotABag("压缩包不完整", "the archive ends too early")
    return read


def _differs(at: int) -> NotABag:
    return NotABag(f"自第 {at:,} 字节起不是我们写出的压缩包", f"from byte {at:,} on it is no archive as we write it")


def _outside(place: int, other: int) -> NotABag:
    """Bytes between two places: of no file, or of two where the second place comes before the first."""
    first, last = sorted((place, other))
    zh, en = ("不属于任何文件", "no file") if place < other else ("属于两个文件", "two files")
    return NotABag(f"第 {first:,} 至 {last - 1:,} 字节{zh}", f"bytes {first:,} to {last - 1:,} belong to {en} of it")
