"""Looks through a card: every file that has bytes, and all that cannot be taken, by name and reason.

Guarantees: every file with a byte in it is found, hidden ones and those of the operating system too: what is not taken
is lost when the card is cleared. No link is followed, so nothing outside the card is read and a loop of links ends. No
pipe, socket or device is opened. What cannot be read is named and stops nothing.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Left(msgspec.Struct, frozen=True):
    """What stays on the card, and why."""

    path: Path
    why: str


class Card(msgspec.Struct, frozen=True):
    """The files to take, in the order of their paths, and what stays."""

    files: list[Path]
    left: list[Left]


def look_through(folder: Path) -> Card:
    """Find every file below the folder. Raises OSError where the folder itself cannot be read."""
    root = folder.resolve(strict=True)
    os.scandir(root).close()
    card = Card([], [])
    folders = [root]
    while folders:
        place = folders.pop()
        try:
            entries = sorted(_entries(place), key=lambda entry: entry.name)
        except OSError as error:
            card.left.append(Left(place, unreadable(error)))
            continue
        for entry in entries:
            _sort_in(entry, root, folders, card)
    card.files.sort()
    card.left.sort(key=lambda left: left.path)
    return card


def unreadable(error: OSError) -> str:
    """The sentence about a file or folder that cannot be read."""
    return f"无法读取 cannot be read: {error.strerror or error}"


def _entries(place: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(place) as entries:
        yield from entries


def _sort_in(entry: os.DirEntry[str], root: Path, folders: list[Path], card: Card) -> None:
    """Put an entry of a folder where it belongs: more to look through, to take, or left."""
    path = Path(entry.path)
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        card.left.append(Left(path, unreadable(error)))
        return
    if stat.S_ISDIR(status.st_mode):
        folders.append(path)
    elif stat.S_ISLNK(status.st_mode):
        if not _leads_within(path, root):
            card.left.append(Left(path, "链接指向卡外，未跟随 a link that leads off the card"))
    elif not stat.S_ISREG(status.st_mode):
        card.left.append(Left(path, "不是普通文件 no ordinary file"))
    elif status.st_size == 0:
        card.left.append(Left(path, "空文件 empty"))
    else:
        card.files.append(path)


def _leads_within(link: Path, root: Path) -> bool:
    """Whether a link leads to something on the card, which is then found under its own name."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # to nothing, or in a loop
        return False
    return target.is_relative_to(root)
