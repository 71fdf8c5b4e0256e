"""Reads one law file into structs and lists every mistake in it, each with file and line.

Guarantees: a file is read to its end, so whoever adapts the law is told all that is wrong at once; a key that is not
known is a mistake. TOML's reader gives no line numbers: they are found again by scanning the text.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

T = TypeVar("T", bound=msgspec.Struct)
Key = tuple[str, ...]

PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
NAME = re.compile(rf"\s*(\[\s*)?({PART}(?:\s*\.\s*{PART})*)\s*(?(1)\]|=)")


class LawError(Exception):
    """A law that cannot be used; the text names each mistake with file, line and entry, one a line."""


class Sheet(msgspec.Struct):
    """One file as it was read: its tables, where each key stands, and the mistakes found so far."""

    name: str
    present: bool = True
    tables: dict[str, Any] = {}
    lines: dict[Key, int] = {}
    mistakes: list[tuple[int, str]] = []

    def wrong(self, key: Key, what: str, *, field: str | None = None) -> None:
        """Notes a mistake in the entry `key`, at the line of its `field` where that stands in the file."""
        at = self.lines.get((*key, field)) if field else None
        line = at or self.lines.get(key, 1)
        self.mistakes.append((line, f"{self.name}:{line}: [{'.'.join(key)}] {what}"))

    def told(self) -> list[str]:
        """The mistakes in order of line."""
        return [text for _, text in sorted(self.mistakes, key=lambda mistake: mistake[0])]


def sheet(path: Path) -> Sheet:
    """The file at `path`; one that cannot be read is a sheet without tables and with that mistake."""
    read = Sheet(path.name)
    try:
        text = path.read_text(encoding="utf-8-sig")
        read.tables = tomllib.loads(text)
        read.lines = dict(_lines(text))
    except OSError as error:
        read.mistakes.append((0, f"{path.name}: cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        line = len(error.object[: error.start].split(b"\n"))
        read.mistakes.append((line, f"{path.name}:{line}: is not UTF-8: save it in that encoding"))
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at else len(text.split("\n"))
        read.mistakes.append((line, f"{path.name}:{line}: is no TOML: {error}"))
    return read


def entries(read: Sheet, tables: Mapping[str, Any], kind: type[T], under: Key = ()) -> dict[str, T]:
    """Each table as `kind`. One that is wrong is left out and its mistakes are noted."""
    good = {}
    for name, table in tables.items():
        key = (*under, name)
        if not isinstance(table, dict):
            read.wrong(key, "must be a table")
        elif (entry := _entry(read, key, table, kind)) is not None:
            good[name] = entry
    return good


def _entry(read: Sheet, key: Key, table: dict[str, Any], kind: type[T]) -> T | None:
    before = len(read.mistakes)
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for name in sorted(table.keys() - fields.keys()):
        read.wrong(key, f"{name} is not known here", field=name)
    for name, field in fields.items():
        if name in table:
            _check(read, key, name, table[name], field.type)
        elif field.required:
            read.wrong(key, f"{name} is missing")
    return msgspec.convert(table, kind) if len(read.mistakes) == before else None


def _check(read: Sheet, key: Key, name: str, value: Any, kind: Any) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        choices = _choices(kind)
        what = f"must be {' or '.join(choices)}" if choices else f"is not usable: {error}"
        read.wrong(key, f"{name} {what}", field=name)


def _choices(kind: Any) -> list[str]:
    """The words that a field may take; none where it takes any."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [choice for part in get_args(kind) for choice in _choices(part)]


def _lines(text: str) -> Iterator[tuple[Key, int]]:
    """Where each table and each key stands, by its whole path; lines count from 1."""
    table: Key = ()
    inside = ""
    for number, line in enumerate(text.split("\n"), start=1):
        found = None if inside else NAME.match(line)
        if found is not None:
            path = _path(found[2])
            if found[1]:
                table = path
                yield table, number
            else:
                yield from (((*table, *path[:depth]), number) for depth in range(1, len(path) + 1))
        inside = _still_inside(line, inside)


def _path(name: str) -> Key:
    return tuple(part.strip("\"'") for part in re.findall(PART, name))


def _still_inside(line: str, inside: str) -> str:
    """The quotes of a text of several lines that is open at the end of this line."""
    for mark in re.findall("\"\"\"|'''", line):
        if not inside:
            inside = mark
        elif mark == inside:
            inside = ""
    return inside
