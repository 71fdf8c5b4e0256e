"""Reads one law file into structs, and lists every mistake in it with file and line.

Guarantees: the whole file is checked, so one run shows every mistake. An unknown key is a mistake.
TOML's reader gives no line numbers; a scan of the text finds them.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from storage.language import SentenceError, by_locale

T = TypeVar("T", bound=msgspec.Struct)
Key = tuple[str, ...]

PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
NAME = re.compile(rf"\s*(\[\s*)?({PART}(?:\s*\.\s*{PART})*)\s*(?(1)\]|=)")


class LawError(SentenceError):
    """The law cannot be used. The text has one line for each mistake, with file, line and entry."""

    exit_code = 2


class Sheet(msgspec.Struct):
    """One file: its tables, the line of each key, and the mistakes found so far."""

    name: str
    present: bool = True
    tables: dict[str, Any] = {}
    lines: dict[Key, int] = {}
    mistakes: list[tuple[int, str]] = []

    def wrong(self, key: Key, what: str, *, field: str | None = None) -> None:
        """Add a mistake in the entry `key`, at the line of its `field` where the file has that."""
        at = self.lines.get((*key, field)) if field else None
        line = at or self.lines.get(key, 1)
        self.mistakes.append((line, f"{self.name}:{line}: [{'.'.join(key)}] {what}"))

    def sorted_mistakes(self) -> list[str]:
        """The mistakes by line number."""
        return [text for _, text in sorted(self.mistakes, key=lambda mistake: mistake[0])]


def read_sheet(path: Path) -> Sheet:
    """Read the file at `path`. An unreadable file gives a sheet without tables, with that mistake."""
    read = Sheet(path.name)
    try:
        text = path.read_text(encoding="utf-8-sig")
        read.tables = tomllib.loads(text)
        read.lines = dict(_lines(text))
    except OSError as error:
        read.mistakes.append((0, f"{path.name}: {by_locale('无法读取：', 'cannot be read: ')}{error.strerror}"))
    except UnicodeDecodeError as error:
        line = len(error.object[: error.start].split(b"\n"))
        what = by_locale("不是 UTF-8 编码：请以该编码保存", "is not UTF-8: save it in that encoding")
        read.mistakes.append((line, f"{path.name}:{line}: {what}"))
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at else len(text.split("\n"))
        read.mistakes.append((line, f"{path.name}:{line}: {by_locale('不是 TOML：', 'is no TOML: ')}{error}"))
    return read


def structs_of(read: Sheet, tables: Mapping[str, Any], kind: type[T], under: Key = ()) -> dict[str, T]:
    """Convert each table to `kind`. A wrong table is left out, and its mistakes are added to the sheet."""
    good = {}
    for name, table in tables.items():
        key = (*under, name)
        if not isinstance(table, dict):
            read.wrong(key, by_locale("必须是一个表", "must be a table"))
        elif (struct := _struct(read, key, table, kind)) is not None:
            good[name] = struct
    return good


def _struct(read: Sheet, key: Key, table: dict[str, Any], kind: type[T]) -> T | None:
    before = len(read.mistakes)
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for name in sorted(table.keys() - fields.keys()):
        read.wrong(key, by_locale(f"这里没有 {name} 这一项", f"{name} is not known here"), field=name)
    for name, field in fields.items():
        if name in table:
            _check(read, key, name, table[name], field.type)
        elif field.required:
            read.wrong(key, by_locale(f"缺少 {name}", f"{name} is missing"))
    return msgspec.convert(table, kind) if len(read.mistakes) == before else None


def _check(read: Sheet, key: Key, name: str, value: Any, kind: Any) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        choices = _choices(kind)
        if choices:
            what = by_locale(f"{name} 必须是 {' 或 '.join(choices)}", f"{name} must be {' or '.join(choices)}")
        else:
            what = by_locale(f"{name} 无法使用：{error}", f"{name} is not usable: {error}")
        read.wrong(key, what, field=name)


def _choices(kind: Any) -> list[str]:
    """The values that a field may take; empty where it takes any."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [choice for part in get_args(kind) for choice in _choices(part)]


def _lines(text: str) -> Iterator[tuple[Key, int]]:
    """The line of each table and key, by its whole path; lines count from 1."""
    table: Key = ()
    inside = ""
    for number, line in enumerate(text.split("\n"), start=1):
        match = None if inside else NAME.match(line)
        if match is not None:
            path = _path(match[2])
            if match[1]:
                table = path
                yield table, number
            else:
                yield from (((*table, *path[:depth]), number) for depth in range(1, len(path) + 1))
        inside = _still_inside(line, inside)


def _path(name: str) -> Key:
    return tuple(part.strip("\"'") for part in re.findall(PART, name))


def _still_inside(line: str, inside: str) -> str:
    """The quotes of a multi-line text that is still open at the end of this line; empty where none is."""
    for mark in re.findall("\"\"\"|'''", line):
        if not inside:
            inside = mark
        elif mark == inside:
            inside = ""
    return inside
