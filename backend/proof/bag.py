"""The form of a package's bag (BagIt, RFC 8493): which files it has, what its tag files say, and how one is opened.

Guarantees: what is in an archive or a folder is a file that can be read here, or is named as a stray. No file is
written, no link is followed.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath

from backend.core.days import day_of
from backend.proof.archive import Damaged, NotABag, content_of, members_of

BAGIT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD, TAGS = "manifest-sha256.txt", "tagmanifest-sha256.txt"
SIGNED, INFO = "package.jwt", "bag-info.txt"
TAG_FILES = {"bagit.txt", INFO, PAYLOAD, SIGNED, TAGS}
BLOCK = 1024 * 1024
SMALL = 64 * 1024 * 1024  # bytes: the largest file that is read into memory; footage never is
LONGEST = 2000  # characters of a sentence that are shown

Digests = dict[str, tuple[str, int]]  # of each file its SHA-256 in hex and its size


class Bag:
    """The files of a bag, from an archive or a folder. `blocks_of` reads one by its name inside the bag.

    `top`, `made`: the folder inside the archive and the time of its files (`archive.stamp`); None for a folder.
    `strays`: what is in a folder and is no file.
    """

    def __init__(
        self, names: list[str], blocks_of: Callable[[str], Iterator[bytes]], strays: list[str],
        top: str | None = None, made: set[int] | None = None,
    ) -> None:  # fmt: skip
        self.names, self.blocks_of, self.strays, self.top, self.made = names, blocks_of, strays, top, made

    def read(self, name: str) -> bytes:
        """The content of a small file. Raises NotABag, OSError."""
        if name not in self.names:
            raise NotABag(f"缺少文件 {name}", f"the file {name} is missing")
        content = bytearray()
        for block in self.blocks_of(name):
            content += block
            if len(content) > SMALL:
                raise NotABag(f"文件 {name} 过大", f"the file {name} is too large")
        return bytes(content)

    def digests(self) -> Digests:
        """SHA-256 and size of every file. The digest is empty if the archive's own checksum differs."""
        return {name: self._digest(name) for name in self.names}

    def _digest(self, name: str) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        try:
            for block in self.blocks_of(name):
                digest.update(block)
                size += len(block)
        except Damaged:
            return "", size
        return digest.hexdigest(), size


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Open the package at this path, an archive or a folder. Raises NotABag, OSError."""
    if path.is_dir():
        names, strays = _walk(path)
        yield Bag(names, lambda name: _blocks(path / name), strays)
        return
    if not path.is_file():
        raise NotABag("既不是文件也不是文件夹", "it is neither a file nor a folder")
    with path.open("rb") as file:
        listed = members_of(file)
        tops = {member.name.partition("/")[0] for member in listed}
        if len(tops) != 1:
            raise NotABag("文件不在同一个文件夹内", "its files are not in one folder")
        _refuse_twice([member.name for member in listed])
        members, made = {each.name.partition("/")[2]: each for each in listed}, {each.made for each in listed}
        yield Bag(list(members), lambda name: content_of(file, members[name]), [], tops.pop(), made)


def _refuse_twice(names: list[str]) -> None:
    """Raise NotABag if two names are one, or would be one where case does not count."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise NotABag(f"文件 {name} 出现两次", f"the file {name} is there twice")
        seen.add(name.casefold())


def _walk(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the files in a folder, and of all else in it: links, special files, folders without a file."""
    names, strays, folders, pending = [], [], set(), [""]
    while pending:
        with os.scandir(folder / (inside := pending.pop())) as entries:
            for entry in entries:
                name = f"{inside}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.add(name)
                    pending.append(f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    names.append(name)
                else:
                    strays.append(name)
    parents = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents}
    return sorted(names), sorted({*strays, *(folders - parents)})


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def manifest_of(digests: Mapping[str, str], *, data: bool) -> bytes:
    """The manifest of the payload (`data`) or of the tag files, sorted by name."""
    names = sorted(name for name in digests if name.startswith("data/") == data and name != TAGS)
    return "".join(f"{digests[name]}  {name}\n" for name in names).encode(errors="surrogateescape")


def bag_info(id: str, made_at: str, sizes: Mapping[str, int], *, utc_day: bool = False) -> bytes:
    """The file `bag-info.txt` of the package `id`, made at this time (RFC 3339). `sizes`: in bytes, by name.

    Its date is the day in China. `utc_day`: as packages had it before 0.5, by the day in UTC.
    """
    payload = [size for name, size in sizes.items() if name.startswith("data/")]
    told = {
        "Source-Organization": "Fujing 辅警",
        "External-Identifier": id,
        "Bagging-Date": made_at[:10] if utc_day else day_of(datetime.fromisoformat(made_at)).isoformat(),
        "Bag-Software-Agent": "fujing",
        "Payload-Oxum": f"{sum(payload)}.{len(payload)}",
    }
    return "".join(f"{name}: {text}\n" for name, text in told.items()).encode()


def top_of(id: str) -> str:
    """The folder of the package `id` inside its archive."""
    return f"fujing-{id}"


def printable(text: object) -> str:
    """The text without what a terminal obeys or what turns the order of reading: such characters stand as \\x1b."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)[:LONGEST])
    return shown if len(str(text)) <= LONGEST else f"{shown}…"
