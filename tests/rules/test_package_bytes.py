"""Every byte of a package is accounted for: hundreds of forged archives and folders, each found, none a stack.

The package was made by the build e3800f6 and is kept in tests/data/packages; its keys are gone.
"""

import gzip
import hashlib
import io
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from backend.core.days import in_china
from backend.packages.bags import BagWriter
from backend.proof import archive
from backend.proof.archive import Member, NotABag, content_of, end_of, members_of, stamp
from backend.proof.bag import PAYLOAD, SIGNED, TAGS, open_bag, printable
from backend.proof.package import verify
from mobile_api.cli.verify_package import check
from tests.builders import now
from tests.forged_archives import Forged, Piece, taken_apart

KEPT = Path(__file__).parents[1] / "data/packages/made-at-e3800f6.zip"
TRUST = "d57f21dc5dafabe4b85d72abf49cc51f793a4f8c0253c09dc7a7ec7dbc61ee34"
WHOLE = KEPT.read_bytes()
FILM = b"\0\0\0\x18ftypmp42" + random.Random(17).randbytes(3000)  # noqa: S311
Dice = random.Random
FULL = 0xFFFFFFFF
ROUNDS = 6  # of each kind, each at another place


def told(path: Path, *trust: str) -> tuple[int, str]:
    """The exit code of `fujing verify-package` and what it prints."""
    said = io.StringIO()
    return check(path, trust or [TRUST], Console(file=said, width=10_000)), said.getvalue()


def is_found(whole: bytes, path: Path, kind: object) -> str:
    """What is said about an archive with these bytes, which must not pass."""
    path.write_bytes(whole)
    code, said = told(path)
    assert 1 == code, f"{kind} passes: {said}"
    assert all(character.isprintable() for line in said.splitlines() for character in line), said
    return said


def test_a_package_made_by_an_earlier_build_verifies(tmp_path: Path) -> None:
    """Footage went out in it before archives were read strictly; so did some made by Python before 3.11.4."""
    code, said = told(KEPT)
    assert (0, True) == (code, "verified" in said), said
    early = taken_apart(WHOLE)
    for piece in early.pieces:
        if piece.long:  # as that Python wrote it, looked at by hand
            piece.local = {"needs": 20, "packed": 0, "size": 0}
            piece.central = {"needs": 20, "by": 20}
    (tmp_path / "early.zip").write_bytes(early.written())
    assert 0 == told(tmp_path / "early.zip")[0]


def test_a_forger_who_changes_nothing_writes_the_same_bytes() -> None:
    """So what is found below is what was forged, and nothing else."""
    assert taken_apart(WHOLE).written() == WHOLE


async def a_bag(id: str, made_at: object, contents: dict[str, bytes]) -> bytes:
    writer = BagWriter(id, made_at)  # type: ignore[arg-type]

    async def blocks(content: bytes) -> object:
        for at in range(0, len(content), 100):
            yield content[at : at + 100]

    whole = b""
    for name, content in contents.items():
        if name.startswith("data/originals"):
            whole += b"".join([piece async for piece in writer.add(name, blocks(content))])  # type: ignore[arg-type]
        else:
            whole += writer.put(name, content)
    return whole + writer.close()


class _NoSeek(io.RawIOBase):
    def __init__(self) -> None:
        self.whole = b""

    def writable(self) -> bool:
        return True

    def write(self, block: bytes) -> int:  # type: ignore[override]
        self.whole += bytes(block)
        return len(block)


@pytest.mark.parametrize("limit", [archive.LIMIT, 700], ids=["small", "as if of many gibibytes"])
async def test_archives_are_what_pythons_own_library_would_stream(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, zip64 records too; so any program opens them."""
    monkeypatch.setattr(archive, "LIMIT", limit)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    made_at, sink = in_china(now()), _NoSeek()
    contents = {"data/originals/a.mp4": b"a" * 500, "data/originals/b.mp4": b"b" * 1000, "bagit.txt": b"c" * 9,
        "data/originals/empty.mp4": b"", "data/x.json": b"d" * 300}  # fmt: skip
    day = (made_at.year, made_at.month, made_at.day, made_at.hour, made_at.minute, 0)
    with zipfile.ZipFile(sink, "w") as theirs:  # type: ignore[arg-type]
        for name, content in contents.items():
            info = zipfile.ZipInfo(f"fujing-x/{name}", day)
            info.external_attr = 0o600 << 16
            with theirs.open(info, "w", force_zip64="originals" in name) as file:
                file.write(content)
    ours = await a_bag("x", made_at, contents)
    assert sink.whole == ours
    file = io.BytesIO(ours)
    found = {each.name.partition("/")[2]: b"".join(content_of(file, each)) for each in members_of(file)}
    assert contents == found


Raw = Callable[[bytes, Dice], bytes]


def changed(whole: bytes, at: int, length: int, by: bytes) -> bytes:
    return whole[:at] + by + whole[at + length :]


def places(dice: Dice) -> tuple[int, int]:
    one, other = sorted(dice.sample(range(len(WHOLE)), 2))
    return one, other


def swapped(whole: bytes, dice: Dice) -> bytes:
    one, other = places(dice)
    while whole[one] == whole[other]:
        one, other = places(dice)
    return changed(changed(whole, one, 1, whole[other : other + 1]), other, 1, whole[one : one + 1])


RAW: dict[str, Raw] = {
    "a bit flipped": lambda w, d: changed(w, at := d.randrange(len(w)), 1, bytes([w[at] ^ 1 << d.randrange(8)])),
    "a byte replaced": lambda w, d: changed(w, a := d.randrange(len(w)), 1, bytes([w[a] + d.randrange(1, 256) & 255])),
    "a byte put in": lambda w, d: changed(w, d.randrange(len(w)), 0, d.randbytes(1)),
    "a block put in": lambda w, d: changed(w, d.randrange(len(w)), 0, d.randbytes(d.randrange(2, 5000))),
    "a film put in": lambda w, d: changed(w, d.randrange(len(w)), 0, FILM),
    "a byte taken out": lambda w, d: changed(w, d.randrange(len(w)), 1, b""),
    "a block taken out": lambda w, d: changed(w, d.randrange(len(w)), d.randrange(2, 5000), b""),
    "a block overwritten": lambda w, d: changed(w, d.randrange(len(w) - 40), 40, d.randbytes(40)),
    "zeros over it": lambda w, d: changed(w, d.randrange(2000, 40_000), 30, bytes(30)),
    "two bytes swapped": swapped,
    "a block twice": lambda w, d: changed(w, at := d.randrange(len(w) - 300), 0, w[at : at + d.randrange(1, 300)]),
    "its tail cut off": lambda w, d: w[: d.randrange(len(w))],
    "its head cut off": lambda w, d: w[d.randrange(1, len(w)) :],
    "its middle alone": lambda w, d: w[places(d)[0] : places(d)[1]],
    "a film behind": lambda w, d: w + FILM,
    "one byte behind": lambda w, d: w + d.randbytes(1),
    "zeros behind": lambda w, d: w + bytes(d.randrange(1, 600)),
    "a line end behind": lambda w, d: w + d.choice([b"\n", b"\r\n", b"\x1a"]),
    "a film before": lambda w, d: FILM + w,
    "one byte before": lambda w, d: d.randbytes(1) + w,
    "a program before": lambda w, d: b"#!/bin/sh\nexit 0\n" + bytes(d.randrange(9)) + w,
    "twice": lambda w, d: w + w,
    "another end behind": lambda w, d: w + w[-22:],
    "another archive before": lambda w, d: plainly({"film.mp4": FILM}) + w,
    "another archive behind": lambda w, d: w + plainly({"film.mp4": FILM}),
    "compressed": lambda w, d: gzip.compress(w),
    "an archive inside an archive": lambda w, d: plainly({"package.zip": w}),
    "nothing": lambda w, d: b"",
    "an end alone": lambda w, d: w[-22:],
    "an end of nothing": lambda w, d: b"PK\5\6" + bytes(18),
    "noise": lambda w, d: d.randbytes(d.randrange(3000)),
    "written by another program": lambda w, d: plainly({p.name.decode(): p.content for p in taken_apart(w).pieces}),
    "and compressed": lambda w, d: plainly({p.name.decode(): p.content for p in taken_apart(w).pieces}, 8),
}  # fmt: skip


def plainly(files: dict[str, bytes], method: int = 0) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", method) as plain:
        for name, content in files.items():
            plain.writestr(name, content)
    return whole.getvalue()


@pytest.mark.parametrize("kind", RAW)
def test_bytes_changed_anywhere_are_found(kind: str, tmp_path: Path) -> None:
    """By who knows nothing of archives: a fault of a disk, or a film glued on."""
    dice = random.Random(f"17 {kind}")  # noqa: S311
    for _ in range(ROUNDS):
        is_found(RAW[kind](WHOLE, dice), tmp_path / "x.zip", kind)


def any_of(zip: Forged, dice: Dice) -> Piece:
    return dice.choice(zip.pieces)


def a_file(zip: Forged, name: str, content: bytes = FILM, **fields: object) -> Piece:
    """One more file of the forger's; `name` is under the folder of the others unless it is absolute or goes up."""
    top = zip.pieces[0].name.partition(b"/")[0] + b"/"
    return Piece(top + name.encode(), content, zip.pieces[0].made, **fields)  # type: ignore[arg-type]


def added(zip: Forged, dice: Dice, piece: Piece) -> None:
    zip.pieces.insert(dice.randrange(len(zip.pieces) + 1), piece)


def named(name: bytes) -> Callable[[Forged, Dice], None]:
    """One more file under exactly this name."""
    return lambda zip, dice: added(zip, dice, Piece(name, FILM, zip.pieces[0].made))


def inside(name: str, content: bytes = FILM) -> Callable[[Forged, Dice], None]:
    return lambda zip, dice: added(zip, dice, a_file(zip, name, content))


def field(where: str, **fields: object) -> Callable[[Forged, Dice], None]:
    """One file has other fields in its header (local), in the central directory, or in both."""

    def change(zip: Forged, dice: Dice) -> None:
        piece = any_of(zip, dice)
        if where != "central":
            piece.local |= fields
        if where != "local":
            piece.central |= fields

    return change


def of_one(**attributes: object) -> Callable[[Forged, Dice], None]:
    def change(zip: Forged, dice: Dice) -> None:
        piece = any_of(zip, dice)
        for name, value in attributes.items():
            setattr(piece, name, value)

    return change


def of_all(**attributes: object) -> Callable[[Forged, Dice], None]:
    def change(zip: Forged, dice: Dice) -> None:
        for name, value in attributes.items():
            setattr(zip, name, value)

    return change


def extra(data: bytes, id: int = 0xCAFE) -> bytes:
    return struct.pack("<2H", id, len(data)) + data


def retagged(zip: Forged) -> None:
    """The manifest of the tag files anew: it is not signed, so a forger can."""
    top = zip.pieces[0].name.partition(b"/")[0] + b"/"
    names = {piece.name.removeprefix(top).decode(): piece for piece in zip.pieces}
    lines = [
        f"{hashlib.sha256(piece.content).hexdigest()}  {name}\n"
        for name, piece in sorted(names.items())
        if not name.startswith("data/") and name != TAGS
    ]
    zip.get(TAGS).content = "".join(lines).encode()


def rewritten(name: str, change: Callable[[bytes], bytes]) -> Callable[[Forged, Dice], None]:
    """One tag file is other, and the manifest of the tag files agrees."""

    def forge(zip: Forged, dice: Dice) -> None:
        piece = zip.get(name)
        piece.content = change(piece.content)
        if name != TAGS:
            retagged(zip)

    return forge


def a_tag_file(name: str, content: bytes = FILM) -> Callable[[Forged, Dice], None]:
    def forge(zip: Forged, dice: Dice) -> None:
        added(zip, dice, a_file(zip, name, content))
        retagged(zip)

    return forge


def compressed(method: int, squeeze: Callable[[bytes], bytes]) -> Callable[[Forged, Dice], None]:
    def forge(zip: Forged, dice: Dice) -> None:
        piece = any_of(zip, dice)
        piece.stored = squeeze(piece.content)
        piece.local["method"] = piece.central["method"] = method

    return forge


def without_descriptor(zip: Forged, dice: Dice) -> None:
    piece = any_of(zip, dice)
    piece.descriptor, piece.long = b"", False
    piece.local = {"flags": 0, **piece.sizes}
    piece.central = {"flags": 0}


def other_descriptor(write: Callable[[dict[str, int]], bytes], first: int = 0) -> Callable[[Forged, Dice], None]:
    def forge(zip: Forged, dice: Dice) -> None:
        piece = dice.choice(zip.pieces[first:])
        piece.descriptor = write(piece.sizes)

    return forge


def of_other_bytes(zip: Forged, dice: Dice) -> None:
    """Directory and descriptor agree on a checksum, which is of other bytes."""
    piece = any_of(zip, dice)
    told = piece.sizes | {"crc": dice.randrange(1 << 32)}
    piece.central["crc"] = told["crc"]
    piece.descriptor = struct.pack("<4sL2Q" if piece.long else "<4s3L", b"PK\7\10", *told.values())


def short_descriptor(crc: int, size: int) -> Callable[[dict[str, int]], bytes]:
    """With a checksum and a size that differ by so much."""
    return lambda s: struct.pack("<4s3L", b"PK\7\10", s["crc"] ^ crc, s["size"], s["size"] + size)


def beyond(name: str, times: int) -> Callable[[Forged, Dice], None]:
    """A number in a zip64 field that no file has."""

    def forge(zip: Forged, dice: Dice) -> None:
        piece = dice.choice([zip.pieces[0], any_of(zip, dice)])  # the original, and others
        piece.central |= {"size": FULL, "packed": FULL} if name == "size" else {"offset": FULL}
        piece.central_extra = extra(b"\xff" * 8 * times, 1)

    return forge


def unlisted(name: str) -> Callable[[Forged, Dice], None]:
    """A whole file, header and descriptor too, that the central directory leaves out."""
    return lambda zip, dice: added(zip, dice, a_file(zip, name, listed=False))


def reordered(old: bytes) -> bytes:
    return b"".join(reversed(old.splitlines(keepends=True)))


def renamed(change: Callable[[bytes], bytes], local_too: bool = True) -> Callable[[Forged, Dice], None]:
    def forge(zip: Forged, dice: Dice) -> None:
        piece = any_of(zip, dice)
        piece.local_name = None if local_too else piece.name
        piece.name = change(piece.name)

    return forge


def all_renamed(change: Callable[[bytes], bytes]) -> Callable[[Forged, Dice], None]:
    def forge(zip: Forged, dice: Dice) -> None:
        for piece in zip.pieces:
            piece.name = change(piece.name)

    return forge


def twice(other_content: bool) -> Callable[[Forged, Dice], None]:
    def forge(zip: Forged, dice: Dice) -> None:
        piece = any_of(zip, dice)
        added(zip, dice, Piece(piece.name, FILM if other_content else piece.content, piece.made, piece.long))

    return forge


def in_capitals(zip: Forged, dice: Dice) -> None:
    name = zip.pieces[0].name
    folder, _, last = name.rpartition(b"/")
    added(zip, dice, Piece(folder + b"/" + last.upper(), FILM, zip.pieces[0].made))


def later(zip: Forged, dice: Dice) -> None:
    """All files are of another minute: the time of the package is in its signed content."""
    for piece in zip.pieces:
        piece.made += 1 << 5


def one_in_another(zip: Forged, dice: Dice) -> None:
    """Two entries share the bytes of one file."""
    piece = any_of(zip, dice)
    at = next(n for n, each in enumerate(zip.pieces) if each is piece)
    offset = sum(len(each.written()) for each in zip.pieces[:at])
    zip.inside += Piece(piece.name + b"2", piece.content, piece.made, piece.long).entry(offset)
    zip.end = {"here": len(zip.pieces) + 1, "count": len(zip.pieces) + 1}


def away(zip: Forged, dice: Dice) -> None:
    zip.pieces.remove(any_of(zip, dice))


def not_listed(zip: Forged, dice: Dice) -> None:
    any_of(zip, dice).listed = False


ID = "926f5dac-46f9-479e-a4fe-79b9afe90546"
FORGED: dict[str, Callable[[Forged, Dice], None]] = {
    "a film in a gap": of_one(before=FILM),
    "one byte in a gap": of_one(before=b"\0"),
    "a film before all": lambda z, d: setattr(z.pieces[0], "before", FILM),
    "a program before all": lambda z, d: setattr(z.pieces[0], "before", b"MZ" + bytes(500)),
    "a film before the directory": of_all(last=FILM),
    "a whole file that the directory leaves out": unlisted(f"data/originals/{ID}.mp4"),
    "such a file of another name": unlisted("film.mp4"),
    "a signature of an archive in a gap": of_all(last=b"PK\6\x08" + struct.pack("<L", len(FILM)) + FILM),
    "a film at the end of the directory": of_all(inside=FILM),
    "a digital signature record": of_all(inside=b"PK\5\5" + struct.pack("<H", len(FILM)) + FILM),
    "a film behind the directory": of_all(behind=FILM),
    "a zip64 end that is not needed": of_all(zip64=True),
    "a zip64 end with a film": of_all(zip64=True, zip64_data=FILM),
    "a zip64 end that alone has the numbers": of_all(zip64=True, end={"here": 0xFFFF, "size": FULL, "at": FULL}),
    "a comment": of_all(comment=FILM),
    "a comment that looks like an end": of_all(comment=b"PK\5\6" + bytes(18)),
    "a comment that is our whole package": of_all(comment=WHOLE[-65_000:]),
    "a comment of which the length is not told": of_all(comment=FILM, end={"comment": 0}),
    "a told comment that is not there": of_all(end={"comment": 7}),
    "a comment on a file": of_one(comment=FILM),
    "a field in the directory": of_one(central_extra=extra(FILM)),
    "a field in the header": of_one(local_extra=extra(FILM)),
    "the same field in both": of_one(local_extra=extra(FILM), central_extra=extra(FILM)),
    "another name in a field": of_one(central_extra=extra(b"\1" + bytes(4) + b"other.mp4", 0x7075)),
    "a time in a field": of_one(central_extra=extra(b"\3" + bytes(8), 0x5455)),
    "a zip64 field that is not needed": of_one(central_extra=extra(bytes(16), 1)),
    "a field cut short": of_one(central_extra=b"\1"),
    "an empty field": of_one(central_extra=extra(b"")),
    "a field longer than all": of_one(central={"extra": 0xFFFF}),
    "a name longer than all": of_one(central={"name": 0xFFFF}),
    "a comment longer than all": of_one(central={"comment": 0xFFFF}),
    "no descriptor": without_descriptor,
    "a descriptor with a film behind": other_descriptor(lambda s: short_descriptor(0, 0)(s) + FILM),
    "a descriptor without its signature": other_descriptor(lambda s: struct.pack("<3L", *s.values())),
    "a descriptor of the other width": other_descriptor(lambda s: struct.pack("<4sL2Q", b"PK\7\10", *s.values()), 1),
    "a descriptor of another checksum": other_descriptor(short_descriptor(1, 0)),
    "a descriptor of another size": other_descriptor(short_descriptor(0, 1)),
    "a checksum of other bytes": of_other_bytes,
    "a checksum in the header": field("local", crc=1),
    "a size in the header": field("local", size=1),
    "another checksum in the directory": field("central", crc=1),
    "another size in the directory": field("central", size=0, packed=0),
    "two sizes in the directory": field("central", packed=1),
    "a size beyond the end": field("central", size=0xFFFFFFF0, packed=0xFFFFFFF0),
    "a size of zip64 beyond all": beyond("size", 2),
    "a place of zip64 beyond all": beyond("offset", 1),
    "a place beyond the end": field("central", offset=0xFFFFFFF0),
    "a place at the wrong file": field("central", offset=3),
    "another signature of a header": field("local", sig=b"PK\3\5"),
    "another signature in the directory": field("central", sig=b"PK\1\3"),
    "two entries for the same bytes": one_in_another,
    "a directory the other way round": of_all(reversed=True),
    "another name in the header": of_one(local_name=b"fujing-x/data/other.mp4"),
    "another name in the directory": renamed(lambda name: name[:-1] + b"5", local_too=False),
    "a file renamed": renamed(lambda name: name[:-1] + b"5"),
    "a name in capitals": renamed(bytes.upper),
    "one name in other case": in_capitals,
    "a file twice": twice(False),
    "a name twice, of two contents": twice(True),
    "an absolute name": named(b"/etc/passwd"),
    "a name of a drive": named(b"C:/film.mp4"),
    "a name of a share": named(b"//server/film.mp4"),
    "a name that goes up": named(b"../film.mp4"),
    "a name that goes up from inside": inside("../../film.mp4"),
    "a name with a dot": inside("data/./film.mp4"),
    "a name with two slashes": inside("data//film.mp4"),
    "a name with backslashes": inside("data\\..\\film.mp4"),
    "a name with a zero": inside("data/film.mp4\0.txt"),
    "a name with a line end": inside("data/film\n✓ verified"),
    "a name that clears the screen": inside("data/\x1b[2J\x1b[H.mp4"),
    "a name that sets the title": inside("data/\x1b]0;verified\x07.mp4"),
    "a name that turns the reading": inside("data/film\u202e4pm.mp4"),
    "a name of a wide letter": inside("data/ﬁlm.mp4"),
    "a name in Chinese": inside("data/录像.mp4"),
    "a name that is no text": named(b"fujing-x/\xff\xfe\x80.mp4"),
    "an empty name": named(b""),
    "a very long name": inside("data/" + "x" * 60_000),
    "a folder": inside("data/more/", b""),
    "a folder with bytes": inside("data/more/"),
    "a link": field("both", external=0o120777 << 16),
    "a program": field("central", external=0o755 << 16),
    "a device": field("central", external=0o020666 << 16),
    "a mode that is set for all": field("central", external=0o4600 << 16),
    "a mark of DOS": field("central", external=0o600 << 16 | 2),
    "a deflated file": compressed(8, lambda content: zlib.compress(content)[2:-4]),
    "a file said to be deflated": field("both", method=8),
    "a method that nobody knows": field("both", method=99),
    "a file by bzip2": field("both", method=12),
    "an encrypted file": field("both", flags=9),
    "a strongly encrypted file": field("both", flags=0x49),
    "a name said to be UTF-8": field("both", flags=0x808),
    "a patch": field("both", flags=0x28),
    "another version that is needed": field("both", needs=63),
    "another version that wrote it": field("central", by=63),
    "another system that wrote it": field("central", system=0),
    "one file of another time": of_one(made=0x21),
    "all files of another time": later,
    "a file said to be text": field("central", internal=1),
    "a file on another disk": field("central", disk=1),
    "an end on another disk": of_all(end={"disk": 1}),
    "a directory on another disk": of_all(end={"first": 1}),
    "fewer files than there are": of_all(end={"count": 3, "here": 3}),
    "more files than there are": of_all(end={"count": 0xFFFF, "here": 0xFFFF}),
    "two counts": of_all(end={"here": 1}),
    "a smaller directory": of_all(end={"size": 46}),
    "a larger directory": of_all(end={"size": 0xFFFFFFFE}),
    "a directory elsewhere": of_all(end={"at": 0}),
    "a directory beyond the end": of_all(end={"at": 0xFFFFFFFE}),
    "a directory of zip64 and no zip64 end": of_all(end={"at": FULL, "size": FULL}),
    "a file away": away,
    "a file that the directory forgets": not_listed,
    "one more original": inside("data/originals/more.mp4"),
    "one more original of a good name": inside("data/originals/11111111-46f9-479e-a4fe-79b9afe90546.mp4"),
    "the original under another ending": inside(f"data/originals/{ID}.webm"),
    "one more checkpoint": inside("data/checkpoints/000000000003.jwt"),
    "a file beside the bag": a_tag_file("film.mp4"),
    "a file to be fetched": a_tag_file("fetch.txt", b"https://example.org/film.mp4 3012 data/film.mp4\n"),
    "another manifest": a_tag_file("manifest-md5.txt"),
    "a hidden file": a_tag_file(".DS_Store"),
    "a film in the bag info": rewritten("bag-info.txt", lambda old: old + b"Film: " + FILM.hex().encode() + b"\n"),
    "another date in the bag info": rewritten("bag-info.txt", lambda old: old.replace(b"2026", b"2025")),
    "a film in the declaration": rewritten("bagit.txt", lambda old: old + FILM),
    "other line ends in the declaration": rewritten("bagit.txt", lambda old: old.replace(b"\n", b"\r\n")),
    "a film in the signature": rewritten(SIGNED, lambda old: old + bytes(b for b in FILM if chr(b) in "!#$%&*")),
    "a line end in the signature": rewritten(SIGNED, lambda old: old + b"\n"),
    "padding in the signature": rewritten(SIGNED, lambda old: old + b"=="),
    "the last bits of the signature": rewritten(SIGNED, lambda old: old[:-1] + bytes([old[-1] + 1])),
    "a fourth part of the signature": rewritten(SIGNED, lambda old: old + b".AAAA"),
    "no signature": rewritten(SIGNED, lambda old: b""),
    "a signature that is no text": rewritten(SIGNED, lambda old: b"\xff\xfe" + old),
    "the manifest in another order": rewritten(PAYLOAD, reordered),
    "a manifest that is no text": rewritten(PAYLOAD, lambda old: b"\xff" + old),
    "a manifest of words": rewritten(PAYLOAD, lambda old: b"nothing\n"),
    "a film in the manifest of tags": rewritten(TAGS, lambda old: old + FILM),
    "a line more in the manifest of tags": rewritten(TAGS, lambda old: old + b"\n"),
    "capitals in the manifest of tags": rewritten(TAGS, lambda old: old.upper()),
    "stars in the manifest of tags": rewritten(TAGS, lambda old: old.replace(b"  ", b" *")),
    "the manifest of tags in another order": rewritten(TAGS, reordered),
    "another folder": all_renamed(lambda name: b"fujing-x/" + name.partition(b"/")[2]),
    "no folder": all_renamed(lambda name: name.partition(b"/")[2]),
    "one folder more": all_renamed(lambda name: b"x/" + name),
    "two folders": renamed(lambda name: b"x" + name),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_archive_is_found(kind: str, tmp_path: Path) -> None:
    """By who knows the format: offsets, sizes and checksums agree, and the content is still the signed one."""
    dice = random.Random(f"17 {kind}")  # noqa: S311
    for _ in range(ROUNDS):
        zip = taken_apart(WHOLE)
        FORGED[kind](zip, dice)
        is_found(zip.written(), tmp_path / "x.zip", kind)


def test_these_are_hundreds_of_kinds_and_places() -> None:
    """77 kinds were found by hand before this test was there."""
    assert len(RAW) + len(FORGED) >= 160
    assert (len(RAW) + len(FORGED)) * ROUNDS >= 900


def test_every_byte_that_is_no_content_of_a_file_counts(tmp_path: Path) -> None:
    """Headers, descriptors, directory and end, one byte after the other."""
    members = members_of(io.BytesIO(WHOLE))
    content = {at for member in members for at in range(member.begins, member.begins + member.size)}
    structure = [at for at in range(len(WHOLE)) if at not in content]
    assert len(structure) > 3000
    for at in structure:
        is_found(changed(WHOLE, at, 1, bytes([WHOLE[at] ^ 1])), tmp_path / "x.zip", at)


def test_every_byte_of_the_tag_files_counts(tmp_path: Path) -> None:
    """With a checksum and a manifest that agree: of these files the signature covers one."""
    for name in ("bagit.txt", "bag-info.txt", SIGNED, PAYLOAD, TAGS):
        for at in range(0, len(taken_apart(WHOLE).get(name).content), 5):
            zip = taken_apart(WHOLE)
            rewritten(name, lambda old, at=at: changed(old, at, 1, bytes([old[at] ^ 1])))(zip, random.Random(0))  # noqa: S311
            is_found(zip.written(), tmp_path / "x.zip", (name, at))


def test_a_film_outside_the_directory_is_named_by_its_place(tmp_path: Path) -> None:
    """An archive with another film in it passed as verified before."""
    zip = taken_apart(WHOLE)
    zip.pieces[1].before = FILM
    at = len(zip.pieces[0].written())
    said = is_found(zip.written(), tmp_path / "x.zip", "gap")
    assert f"bytes {at:,} to {at + len(FILM) - 1:,} belong to no file of it" in said
    assert f"第 {at:,} 至 {at + len(FILM) - 1:,} 字节不属于任何文件" in said


def test_a_size_that_its_header_cannot_hold_is_found(tmp_path: Path) -> None:
    """More than 4 GiB in a file whose header is that of a short one."""
    size, made = 5 << 30, stamp(now())
    short = Member(name="fujing-x/bagit.txt", offset=0, size=size, crc=0, made=made)
    with (tmp_path / "x.zip").open("wb") as file:
        file.write(short.header)
        file.seek(size + 200)
        file.write(short.entry + end_of(1, size + 200, len(short.entry)))
    code, said = told(tmp_path / "x.zip")
    assert (1, True) == (code, "is no archive as we write it" in said), said


def unpacked(folder: Path) -> Path:
    for piece in taken_apart(WHOLE).pieces:
        path = folder / piece.name.decode().partition("/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(piece.content)
    return folder


def test_what_is_more_in_an_unpacked_bag_is_named(tmp_path: Path) -> None:
    """Files, links to files and folders, pipes and empty folders, wherever they are."""
    bag = unpacked(tmp_path / "bag")
    assert 0 == told(bag)[0]
    film = tmp_path / "film.mp4"
    film.write_bytes(FILM)
    strays: dict[str, Callable[[Path], object]] = {
        "data/originals/more.mp4": lambda path: path.write_bytes(FILM),
        ".hidden": lambda path: path.write_bytes(FILM),
        "data/link.mp4": lambda path: path.symlink_to(film),
        "data/gone.mp4": lambda path: path.symlink_to(tmp_path / "nothing"),
        "data/folder": lambda path: path.symlink_to(tmp_path, target_is_directory=True),
        "pipe": os.mkfifo,
        "data/empty": lambda path: path.mkdir(),
    }
    for name, make in strays.items():
        make(bag / name)
        code, said = told(bag)
        assert (1, True) == (code, name in said), said
        (bag / name).rmdir() if name == "data/empty" else (bag / name).unlink()
    assert 0 == told(bag)[0]


def test_a_file_of_the_bag_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Even to the right bytes: who looks later may find others."""
    bag = unpacked(tmp_path / "bag")
    original = next((bag / "data/originals").iterdir())
    original.rename(tmp_path / "original")
    original.symlink_to(tmp_path / "original")
    code, said = told(bag)
    assert 1 == code
    assert f"data/originals/{original.name} is a link" in said


@pytest.mark.parametrize(
    "name", [b"\x1b[2J\x07.mp4", "film\u202e4pm".encode(), b"\xff\xfe.mp4", b"a\nb\r", "录像\u200b".encode()]
)
def test_names_are_printed_escaped(name: bytes, tmp_path: Path) -> None:
    """No name reaches the terminal as a command, turned round, or as what cannot be written."""
    bag = unpacked(tmp_path / "bag")
    (Path(os.fsdecode(os.fsencode(bag) + b"/data/" + name))).write_bytes(FILM)
    code, said = told(bag)
    assert (1, True) == (code, "is in no manifest" in said)
    said.encode()
    assert all(character.isprintable() for line in said.splitlines() for character in line)
    assert printable(os.fsdecode(name)) in said


def test_what_is_no_file_is_no_package(tmp_path: Path) -> None:
    """A pipe or a device is not read: that might never end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        code, said = told(path)
        assert (1, True) == (code, "neither a file nor a folder" in said), said


def test_a_folder_that_may_not_be_read_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 200)
    assert 1 == told(path)[0]
    with pytest.raises(NotABag), open_bag(path) as bag:
        verify(bag, [])
