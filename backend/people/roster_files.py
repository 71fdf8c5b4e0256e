"""Reads a roster from a workbook or CSV. Pure; roster.py brings the tables in line with it.

A file has five kinds of record, one for each line, in the columns `record,code,name,kind,organ,from,until`:

    organ          code (12 digits), name, organ = its parent
    person         code = badge, name, organ, from, until,
                   kind (officer, staff, dock, or a kind of auxiliary of the law: duty_auxiliary, civilian_auxiliary)
    role           code = badge, kind (commander, treasurer, inspector, administrator), organ, from, until
    qualification  code = badge, kind = its code, from, until
    device         code = serial, name, kind (handheld, desk, dock), organ

An eighth column `formerly` may follow: of a person, the badge under which they served before, where it was another one.

A docking station is a person of kind dock: `person,DOCK-01,采集工作站,dock,330102010000,2026-01-01,`. It signs in with
a password and brings in footage for the wearers of its organ and those below it.

As HR keeps it, a workbook has a sheet for each kind of record (its tab tells which; without a tab they are persons),
headings and kinds in Chinese, and an organ by its code or its name: roster_words.py has the words.

Guarantees: every fault has its sheet, line, column and a reason. A line with a fault is kept as far as it can be read:
what else is wrong with it is told in the same run, and what refers to it is not told as unknown.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import TypeVar

import msgspec

from backend.core import sheets
from backend.core.columns import (
    NO_LINE,
    CellFault,
    Fault,
    Filled,
    ReadFile,
    SheetLine,
    Table,
    is_printed,
    named,
    no_sheet,
    plain,
    table_of,
)
from backend.core.sheets import Grid
from backend.people import roster_words as words
from storage.language import by_locale

T = TypeVar("T")
ROSTER_COLUMNS = ["record", "code", "name", "kind", "organ", "from", "until"]
FORMERLY = "formerly"
BADGE = re.compile(r"[A-Za-z0-9-]{1,20}")
ORGAN_CODE = re.compile(r"[0-9]{12}")
DEVICE_SERIAL = re.compile(r"[A-Za-z0-9._-]{1,40}")
SCIENTIFIC = re.compile(r"\d(\.\d+)?[Ee]\+?\d+")  # 3.30102E+11, as a spreadsheet writes a long number into CSV
DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})")
LONGEST_NAME = 120
CODES = {"organ": ORGAN_CODE, "person": BADGE, "role": BADGE, "qualification": BADGE, "device": DEVICE_SERIAL}
OF_A_BADGE = ("警号由字母、数字和 - 组成，最多 20 位", "a badge has letters, digits and -, at most 20")
TAKES = {  # what the column `code` takes, in Chinese and in English
    "organ": ("单位代码须为 12 位数字", "the code of an organ has 12 digits"),
    "person": OF_A_BADGE, "role": OF_A_BADGE, "qualification": OF_A_BADGE,
    "device": ("序列号由字母、数字和 . _ - 组成，最多 40 位", "a serial has letters, digits and . _ -, at most 40"),
}  # fmt: skip
WITH_DATES = {"person", "role", "qualification"}
WITH_NAME = {"organ", "person", "device"}
WITH_ORGAN = {"person", "role", "device"}
REQUIRED = {
    "organ": ["code", "name"],
    "person": ["code", "name", "kind", "organ", "from"],
    "role": ["code", "kind", "organ", "from"],
    "qualification": ["code", "kind", "from"],
    "device": ["code", "name", "kind", "organ"],
}


class RosterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line."""

    line: SheetLine = NO_LINE
    record: str
    code: str
    name: str
    kind: str
    organ: str
    valid_from: date | None
    valid_until: date | None
    formerly: str = ""


class RosterFile(ReadFile[RosterRow], frozen=True, kw_only=True):
    """What a roster says. `torn`: lines with a fault, without the cells that have one; their record may be empty too.

    `ignored`: the headings of columns that mean nothing to us.
    """

    torn: Sequence[RosterRow] = ()
    ignored: Sequence[str] = ()


def read(text: str) -> list[RosterRow]:
    """Read the rows of a roster in CSV. Raises FaultyFile with every fault."""
    return read_file(text.encode()).rows()


def read_file(content: bytes, known: Mapping[str, str] | None = None) -> RosterFile:
    """Read a roster as .xlsx, or as CSV in UTF-8 or GB18030. `known`: names of organs by code, beside those it names.

    Raises UnreadableFile.
    """
    grids = [grid for grid in sheets.read(content) if grid.name not in words.EXPLAINING]
    faults: list[Fault] = [] if grids else [no_sheet()]
    tables = [(record, table) for grid in grids for record, table in [_sheet(grid, faults)] if table is not None]
    good, torn, is_whole = list[RosterRow](), list[RosterRow](), not faults
    faults += [fault for _, table in tables for fault in _strange(table)]
    lines = [(record, line) for record, table in tables for line in table.lines]
    organs, seen = _organs_by_name(lines, known or {}), dict[tuple[str, ...], SheetLine]()
    for record, line in lines:
        row, wrong = _row(line, record, organs)
        if not wrong and (again := _said_before(row, seen)) is not None:
            wrong = [again]
        faults += [each.at(line.line) for each in wrong]
        (torn if wrong else good).append(row)
    ignored = dict.fromkeys(text for _, table in tables for text in table.ignored)
    return RosterFile(
        good=good, torn=torn, faults=faults, ignored=list(ignored), is_whole=is_whole,
        sheets=tuple(grid.name for grid in grids) or ("",),
    )  # fmt: skip


def _sheet(grid: Grid, faults: list[Fault]) -> tuple[str, Table | None]:
    """The kind of record that the tab of a sheet tells, and its table; None, with faults, where a column is missing."""
    record = words.record_of(grid.name) or "person"
    table = table_of(grid, words.headings(record), faults)
    if table is None:
        return record, None
    needed = ["record", "code"] if "record" in table.headings else REQUIRED[record]
    missing = [column for column in needed if column not in table.headings]
    for column in missing:
        name = words.headings(record)[column][0]
        faults.append(table.at.fault(by_locale(name, column), f"缺少列：{name}", f"a column is missing: {column}"))
    return record, None if missing else table


def _strange(table: Table) -> Iterable[Fault]:
    """The columns that are none of a roster, where its headings are our own names: a mistake, not a column of HR."""
    if "record" in table.headings.values():
        for column in table.ignored:
            yield table.at.fault(column, "不是名册的列", "is no column of a roster")


def _organs_by_name(
    lines: Iterable[tuple[str, Filled]], known: Mapping[str, str]
) -> dict[str, set[str]]:  # fmt: skip
    """Codes of organs by name: those that are known, and those that the file names; empty where that is no code."""
    by_name: dict[str, set[str]] = {}
    told = [
        (plain(line.cells["code"]), line.cells.get("name", "")) for record, line in lines
        if (words.chosen(words.RECORDS, plain(line.cells.get("record", ""))) or record) == "organ"
    ]  # fmt: skip
    for code, name in [*told, *((code, name) for code, name in known.items() if code not in dict(told))]:
        by_name.setdefault(named(name), set()).add(code if ORGAN_CODE.fullmatch(code) else "")
    return by_name


def _row(line: Filled, record: str, organs: Mapping[str, set[str]]) -> tuple[RosterRow, list[CellFault]]:
    """The row of a line, and everything that is wrong with it; the cells with a fault are empty."""
    wrong: list[CellFault] = []

    def cell(column: str, read: Callable[[str], T], empty: T) -> T:
        try:
            return read(line.cells.get(column, ""))
        except CellFault as fault:
            wrong.append(fault)
            return empty

    record = cell("record", lambda text: _record(text, record), "")
    if not record:
        return _torn(line), wrong
    code = cell("code", lambda text: _code(text, record), "")
    name = cell("name", lambda text: _name(text, record), "")
    kind = cell("kind", lambda text: _kind(text, record), "")
    organ = cell("organ", lambda text: _organ(text, record, organs), "")
    start = cell("from", lambda text: told_day(text, "from", needed=record in WITH_DATES), None)
    end = cell("until", lambda text: told_day("" if plain(text) in words.NO_END else text, "until"), None)
    formerly = cell(FORMERLY, lambda text: _formerly(text, record), "")
    if start is not None and end is not None and end < start:
        wrong.append(CellFault("until", "结束日期早于开始日期", "until is before from"))
    row = RosterRow(
        line=line.line, record=record, code=code, name=name, kind=kind, organ=organ, valid_from=start, valid_until=end,
        formerly=formerly,
    )  # fmt: skip
    return row, wrong


def _torn(line: Filled) -> RosterRow:
    """A line of an unknown record: it says a code of something."""
    code = plain(line.cells.get("code", ""))
    return RosterRow(
        line=line.line, record="", code=code, name="", kind="", organ="", valid_from=None, valid_until=None
    )  # fmt: skip


def _formerly(text: str, record: str) -> str:
    badge = plain(text)
    if badge and (record != "person" or not BADGE.fullmatch(badge)):
        raise CellFault(FORMERLY, "须为人员此前的警号", "formerly must be the badge that a person had before")
    return badge


def _record(text: str, of_sheet: str) -> str:
    text = plain(text)
    record = words.chosen(words.RECORDS, text) if text else of_sheet
    if record is None:
        raise _one_of("record", words.RECORDS)
    return record


def _code(text: str, record: str) -> str:
    code = plain(text)
    if SCIENTIFIC.fullmatch(code):
        zh = f"{code} 已被表格软件改为科学计数，末位数字已丢失；请把该列设为文本后重新填写"
        raise CellFault(
            "code", zh, f"{code} lost its last digits in a spreadsheet: make the column text and fill it anew"
        )
    if not CODES[record].fullmatch(code):
        raise CellFault("code", *TAKES[record])
    return code


def _name(text: str, record: str) -> str:
    name = named(text)
    if record in WITH_NAME and not (0 < len(name) <= LONGEST_NAME and is_printed(name)):
        raise CellFault("name", "名称缺失、过长或含控制字符", "name is missing, too long or has control characters")
    return name


def _kind(text: str, record: str) -> str:
    text, known = plain(text), words.choices(record)
    if not known:
        return text
    kind = words.chosen(known, text)
    if kind is None:
        raise _one_of("kind", known)
    return kind


def _one_of(column: str, known: words.Words) -> CellFault:
    names = "、".join(f"{meant[0]}（{code}）" for code, meant in known.items())
    return CellFault(column, f"须为以下之一：{names}", f"{column} must be one of {', '.join(known)}")


def _organ(text: str, record: str, organs: Mapping[str, set[str]]) -> str:
    """The code of an organ, told by its code, by its name, or by both."""
    text = plain(text)
    if not text and record not in WITH_ORGAN:
        return ""
    codes = set(re.findall(r"(?<!\d)\d{12}(?!\d)", text)) or organs.get(named(text), set())
    if len(codes) > 1:
        zh, en = f"有 {len(codes)} 个单位名为 {text}，请填代码", f"{len(codes)} organs are called {text}: give the code"
        raise CellFault("organ", zh, en)
    if not codes:
        zh = f"没有名为“{text}”的单位；请填 12 位代码，或文件与系统中已有的名称" if text else "缺少单位"
        en = f"no organ is called {text}: give its code of 12 digits, or a name in the file or known"
        raise CellFault("organ", zh, en if text else "the organ is missing")
    return next(iter(codes))


def told_day(text: str, column: str, *, needed: bool = False) -> date | None:
    """A day, as 2026-03-01, 2026/3/1, 2026.3.1, 2026年3月1日 or 20260301."""
    text = re.sub(r"\s+", "", re.sub(r"[T ]00:00(:00)?$", "", plain(text)))
    if not text and not needed:
        return None
    parts = DAY.fullmatch(text) or DIGITS.fullmatch(text)
    try:
        if parts is not None:
            return date(*map(int, parts.groups()))
    except ValueError:
        pass
    zh = "须为 2026-03-01、2026/3/1 或 2026年3月1日 这样的日期"
    raise CellFault(column, zh if text else f"缺少日期；{zh}", f"{column} must be a date like 2026-03-01")


def _said_before(row: RosterRow, seen: dict[tuple[str, ...], SheetLine]) -> CellFault | None:
    """A fault where an earlier line says the same."""
    key: tuple[str, ...] = (row.record, row.code)
    if row.record in ("role", "qualification"):
        key += (row.kind, row.organ, str(row.valid_from))
    if row.record == "person":  # one line for each stint
        key += (str(row.valid_from),)
    if key not in seen:
        seen[key] = row.line
        return None
    where = seen[key].where
    zh = f"与第 {where} 行是同一{words.RECORDS[row.record][0]}"
    return CellFault("code", zh, f"says the same {row.record} as line {where}")
