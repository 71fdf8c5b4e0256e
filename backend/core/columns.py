"""Tables with headings, read line by line: which heading means which column, and every fault with its place.

A heading is found in Chinese or by its own name, in any order, under titles and notes; headings may go over two rows
(服务期限 above 起 and 止). Of two columns that mean the same, the first in which something stands counts.
Guarantees: all faults of a file are told at once. A missing last cell is an empty cell.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from backend.core.sheets import Grid, Line
from storage.language import SentenceError, by_locale

R = TypeVar("R")
Headings = Mapping[str, Sequence[str]]  # column: the headings that mean it, the first of them its name on a template
SEARCHED = 15  # lines in which the headings are looked for
INVISIBLE = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
HAN = r"\u2e80-\u9fff\uf900-\ufaff\ue000-\uf8ff\U00020000-\U0003ffff\U000f0000-\U0010ffff"
DOTS = re.compile(rf"(?<=[{HAN}])\s*[·•‧・･∙⋅•．.]\s*(?=[{HAN}])")
BETWEEN_HAN = re.compile(rf"(?<=[{HAN}·])\s+(?=[{HAN}·])")
UNPRINTED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # categories of Unicode that no name has; private use is printed


class Fault(NamedTuple):
    """What is wrong in one place of a file."""

    line: int
    reason: str
    column: str = ""
    sheet: str = ""


class SheetLine(int):
    """The number of a line that knows its sheet, and the headings that stand there, by column."""

    sheet: str
    headings: Mapping[str, str]

    def __new__(cls, number: int, sheet: str = "", headings: Mapping[str, str] = {}) -> "SheetLine":
        line = super().__new__(cls, number)
        line.sheet, line.headings = sheet, headings
        return line

    @property
    def where(self) -> str:
        """Its sheet and number."""
        return f"{self.sheet} {int(self)}".strip()

    def fault(self, column: str, zh: str, en: str) -> Fault:
        """What is wrong with the line in this column, or as a whole (`column` is empty)."""
        return Fault(int(self), by_locale(zh, en), self.headings.get(column, column), self.sheet)


NO_LINE = SheetLine(0)  # of what no file tells


def no_sheet() -> Fault:
    """What is wrong with a workbook in which every sheet is hidden."""
    return SheetLine(1).fault("", "没有可见的工作表", "there is no visible sheet")


class FaultyFile(SentenceError):
    """A file was not taken over. `faults`: everything that is wrong with it; `lines`: the same, one for each line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        count = len({(each.sheet, each.line) for each in self.faults})
        super().__init__(f"{count} 行有误；未导入任何内容", f"{count} bad lines; nothing was imported")

    @property
    def lines(self) -> list[tuple[int, str]]:
        """The faults of the cells of a line together, and each fault of a line as a whole."""
        by_line: dict[tuple[str, int, int], list[str]] = {}
        for number, fault in enumerate(self.faults):
            whole = 0 if fault.column else number + 1
            by_line.setdefault((fault.sheet, fault.line, whole), []).append(fault.reason)
        return [(line, "; ".join(reasons)) for (_, line, _), reasons in by_line.items()]


class CellFault(ValueError):
    """What is wrong with a cell, or with a line as a whole (`column` is empty)."""

    def __init__(self, column: str, zh: str, en: str) -> None:
        super().__init__(by_locale(zh, en))
        self.column, self.zh, self.en = column, zh, en

    def at(self, line: SheetLine) -> Fault:
        """The same with its place."""
        return line.fault(self.column, self.zh, self.en)


class ReadFile(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """What a file says. `good`: its rows without a fault; `faults`: of the others; `sheets`: in their order.

    `is_whole`: no line was left out unread; else what a row refers to may stand there.
    """

    good: list[R]
    faults: list[Fault] = []
    sheets: tuple[str, ...] = ("",)
    is_whole: bool = True

    def rows(self, found: Iterable[Fault] = ()) -> list[R]:
        """All its rows. `found`: what is wrong with them by what is known. Raises FaultyFile with every fault of both,
        in the order of the file, each once."""
        faults = dict.fromkeys([*self.faults, *found])
        if faults:
            raise FaultyFile(sorted(faults, key=lambda fault: (self.sheets.index(fault.sheet), fault.line)))
        return self.good


class Filled(NamedTuple):
    """One line of a table: its cells by column, stripped."""

    line: SheetLine
    cells: dict[str, str]


class Table(NamedTuple):
    """A table whose headings were found: `at` this line. `headings`: as they stand there, by column; `ignored`: those
    of no column."""

    at: SheetLine
    headings: dict[str, str]
    lines: list[Filled]
    ignored: list[str]


def plain(text: str) -> str:
    """A code, date or choice as it is meant: full-width signs narrow, no space at the ends, nothing invisible."""
    return INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).strip()


def named(text: str) -> str:
    """A name as it is meant: one dot · and no space between Chinese characters, every character as it was written."""
    text = re.sub(r"\s+", " ", INVISIBLE.sub("", text)).strip()
    return BETWEEN_HAN.sub("", DOTS.sub("·", text))


def is_printed(text: str) -> bool:
    """Whether a name has no control character. Rare characters that this Python does not know yet are printed too."""
    return not any(unicodedata.category(char) in UNPRINTED for char in text)


def heading(text: str) -> str:
    """A heading without spaces, line breaks, marks and what stands in brackets at its end."""
    return re.sub(r"[(（\[【].*$|[*＊:：]", "", re.sub(r"\s+", "", plain(text)))


def table_of(grid: Grid, headings: Headings, faults: list[Fault]) -> Table | None:
    """The lines under the headings of this sheet; None, with a fault, where it has none or is broken."""
    meant = {each: column for column, names in headings.items() for each in (column, *names)}
    at = _headed(grid.lines[:SEARCHED], meant)
    if grid.broken is not None:
        line, why = grid.broken
        faults.append(Fault(line, by_locale(f"不是 CSV：{why}", f"not CSV: {why}"), sheet=grid.name))
    if at is None:
        if grid.broken is None:
            faults.append(_without_headings(grid, headings))
        return None
    heads, begin = _heads(grid.lines, at, meant)
    places = _places(heads, headings)
    known = {place for columns in places.values() for place in columns}
    ignored = [text for number, text in enumerate(heads) if text and number not in known]
    headings_there = {column: heads[columns[0]] for column, columns in places.items()}
    lines = [
        _filled(SheetLine(line.number, grid.name, headings_there), line.cells, len(heads), places, faults)
        for line in grid.lines[begin:]
        if not line.is_note
    ]
    return Table(
        SheetLine(grid.lines[at].number, grid.name),
        headings_there,
        [line for line in lines if line is not None],
        list(dict.fromkeys(ignored)),
    )


def _without_headings(grid: Grid, headings: Headings) -> Fault:
    line = grid.lines[0].number if grid.lines else 1
    zh, en = "、".join(names[0] for names in headings.values()), ",".join(headings)
    return Fault(line, by_locale(f"找不到表头：{zh}", f"there are no headings: {en}"), sheet=grid.name)


def _headed(lines: Sequence[Line], meant: Mapping[str, str]) -> int | None:
    """Which line holds the headings: the first with two of them or more."""
    for number, line in enumerate(lines):
        if len({meant[text] for cell in line.cells if (text := heading(cell)) in meant}) > 1:
            return number
    return None


def _heads(lines: Sequence[Line], at: int, meant: Mapping[str, str]) -> tuple[list[str], int]:
    """The headings by place, and the line after them; a second row of headings belongs to them."""
    upper = [heading(cell) for cell in lines[at].cells]
    if at + 1 == len(lines):
        return upper, at + 1
    lower = [heading(cell) for cell in lines[at + 1].cells]
    width = max(len(upper), len(lower))
    upper, lower = ([*row, *[""] * (width - len(row))] for row in (upper, lower))
    repeats = any(text in meant and text == below for text, below in zip(upper, lower, strict=True))
    if not repeats and not (sum(text in meant for text in lower) > 1 and len(set(upper)) < len(upper)):
        return upper[: len(lines[at].cells)], at + 1
    both = [
        next((text for text in (above + below, below, above) if text in meant), below or above)
        for above, below in zip(upper, lower, strict=True)
    ]
    return both, at + 2


def _places(heads: Sequence[str], headings: Headings) -> dict[str, list[int]]:
    """Where each column stands, best heading first."""
    places: dict[str, list[int]] = {}
    for column, names in headings.items():
        for each in (column, *names):
            places.setdefault(column, []).extend(number for number, text in enumerate(heads) if text == each)
    return {column: list(dict.fromkeys(columns)) for column, columns in places.items() if columns}


def _filled(
    line: SheetLine, cells: Sequence[str], width: int, places: Mapping[str, Sequence[int]], faults: list[Fault]
) -> Filled | None:
    """The cells of a line by column; None, with a fault, where a CSV line has more cells than there are headings."""
    if not line.sheet and len(cells) > width:
        zh, en = f"有 {len(cells)} 列，表头只有 {width} 列", f"has {len(cells)} cells for {width} headings"
        faults.append(line.fault("", zh, en))
        return None
    cells = [*cells, *[""] * (width - len(cells))]
    return Filled(
        line,
        {
            column: next((text for at in columns if (text := cells[at].strip())), "")
            for column, columns in places.items()
        },
    )
