"""Reads what is handed out from a workbook or CSV, and brings it in: all of it or nothing (R.32).

A line for each thing: badge, kind, serial, issued, returned (警号, 物品, 编号, 领用日期, 归还日期).
The last may be empty or left out.

Guarantees: every fault has its sheet, line and column. The same file again changes nothing, and a day of return that
was added takes the thing back. A thing is with one person at a time, also against what was entered at a desk.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from backend.core import bulk_lines, findings, sheets
from backend.core.bulk_lines import BulkChange
from backend.core.columns import (
    CellFault,
    Fault,
    Filled,
    ReadFile,
    SheetLine,
    Table,
    no_sheet,
    plain,
    table_of,
)
from backend.core.database import Record, execute, fetch, first, tx
from backend.core.days import end_of_day, start_of_day
from backend.core.stints import Stint
from backend.items import wearers
from backend.items.schemas import SERIAL
from backend.law.catalogue import law
from backend.people.roster_files import BADGE, told_day
from backend.people.roster_words import BADGE_HEADS, EXPLAINING, NO_END, chosen
from storage.language import by_locale

SERIAL_HEADS = ("编号", "物品编号", "序列号", "证件号", "设备编号", "代码")  # two of them are a badge's in a roster
HEADINGS = {
    "badge": tuple(head for head in BADGE_HEADS if head not in SERIAL_HEADS),
    "kind": ("物品", "物品种类", "种类", "类别", "类型", "名称"),
    "serial": SERIAL_HEADS,
    "issued": ("领用日期", "领用时间", "发放日期", "配发日期", "领用"),
    "returned": ("归还日期", "归还时间", "交回日期", "收回日期", "归还", "交回"),
}  # fmt: skip
NEEDED = ("badge", "kind", "serial", "issued")
HOLDERS = """
SELECT badge, person, organ, kind, lower(during) AS since, upper(during) - 1 AS until FROM stint
WHERE badge = ANY ($1) AND kind NOT IN ('dock', 'staff')
"""
KNOWN = """
SELECT id, organ, returned_at FROM issued_item
WHERE kind = $1 AND serial_key = upper($2) AND person = $3 AND issued_at = $4
"""
INSERT = """
INSERT INTO issued_item (id, kind, serial, person, organ, issued_at, returned_at, source)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'import')
"""
GIVE_BACK = "UPDATE issued_item SET returned_at = $2 WHERE id = $1 AND returned_at IS NULL"


class ItemLine(msgspec.Struct, frozen=True, kw_only=True):
    """One valid line of the file."""

    line: SheetLine
    badge: str
    kind: str
    serial: str
    issued: date
    returned: date | None

    @property
    def issued_at(self) -> datetime:
        return start_of_day(self.issued)

    @property
    def returned_at(self) -> datetime | None:
        """The beginning of the day of return, on which somebody else may get the thing; its end, if it is one day."""
        if self.returned is None:
            return None
        return end_of_day(self.returned) if self.returned == self.issued else start_of_day(self.returned)


def read_file(content: bytes) -> ReadFile[ItemLine]:
    """The lines of a file of things handed out. Raises UnreadableFile."""
    grids = [grid for grid in sheets.read(content) if grid.name not in EXPLAINING]
    faults: list[Fault] = [] if grids else [no_sheet()]
    lines: list[ItemLine] = []
    seen: dict[tuple[object, ...], SheetLine] = {}
    for grid in grids:
        table = table_of(grid, HEADINGS, faults)
        if table is not None and not _lacks_columns(table, faults):
            for filled in table.lines:
                try:
                    lines.append(_line(filled, seen))
                except CellFault as wrong:
                    faults.append(wrong.at(filled.line))
    return ReadFile(good=lines, faults=faults, sheets=tuple(grid.name for grid in grids) or ("",))


async def bring_in(file: ReadFile[ItemLine], now: datetime) -> int:
    """Hand out, and take back, what the file says, with lines in the journal. Returns how many lines changed something.

    Raises FaultyFile with every fault of the file and of what is known; then nothing is changed.
    """
    people: dict[str, list[Record]] = {}
    for row in await fetch(HOLDERS, [line.badge for line in file.good]):
        people.setdefault(row["badge"], []).append(row)
    faults: list[Fault] = []
    changed: list[tuple[ItemLine, BulkChange]] = []
    async with tx():
        await execute("SELECT pg_advisory_xact_lock(hashtext('fujing items'))")
        for line in sorted(file.good, key=lambda line: (line.issued_at, line.returned_at is None)):
            try:
                done = await _bring_in(line, people)
                changed += [] if done is None else [(line, done)]
            except CellFault as wrong:
                faults.append(wrong.at(line.line))
        file.rows(faults)
        await bulk_lines.append("items/import", [done for _, done in changed], now)
        for line, _ in changed:
            if line.kind in law().wearer_kinds():
                await wearers.judge(line.serial, line.issued_at, None, now)
    return len(changed)


def _lacks_columns(table: Table, faults: list[Fault]) -> bool:
    """Whether a column is missing, which is a fault."""
    missing = [column for column in NEEDED if column not in table.headings]
    for column in missing:
        zh = HEADINGS[column][0]
        faults.append(table.at.fault(by_locale(zh, column), f"缺少列：{zh}", f"a column is missing: {column}"))
    return bool(missing)


def _line(filled: Filled, seen: dict[tuple[object, ...], SheetLine]) -> ItemLine:
    """One line of the file. Raises CellFault."""
    cells = {column: plain(filled.cells.get(column, "")) for column in HEADINGS}
    issued = told_day(cells["issued"], "issued", needed=True)
    returned = told_day("" if cells["returned"] in NO_END else cells["returned"], "returned")
    if not BADGE.fullmatch(cells["badge"]):
        raise CellFault("badge", "须为警号：字母、数字和 -，最多 20 位", "must be a badge: letters, digits and -")
    if not re.fullmatch(SERIAL, cells["serial"]):
        raise CellFault(
            "serial", "编号由字母、数字、汉字和 〔〕 . _ - 组成，最多 40 位",
            "a serial has letters, digits, Chinese characters and 〔〕 . _ -, at most 40",
        )  # fmt: skip
    assert issued is not None  # noqa: S101 - for the type checker: it was needed
    if returned is not None and returned < issued:
        raise CellFault("returned", "归还日期早于领用日期", "returned is before issued")
    kind = _kind(cells["kind"])
    key = (kind, cells["serial"].upper(), cells["badge"], issued)
    if key in seen:
        raise CellFault("serial", f"与第 {seen[key].where} 行相同", f"says the same as line {seen[key].where}")
    seen[key] = filled.line
    return ItemLine(
        line=filled.line, badge=cells["badge"], kind=kind, serial=cells["serial"], issued=issued, returned=returned
    )


def _kind(text: str) -> str:
    """The code of a kind of thing, told by its code or its name. Raises CellFault."""
    known: Mapping[str, Any] = {code: (kind.zh, kind.en) for code, kind in law().items.items()}
    kind = chosen(known, text)
    if kind is None:
        names = "、".join(f"{meant[0]}（{code}）" for code, meant in known.items())
        raise CellFault("kind", f"须为以下之一：{names}", f"kind must be one of {', '.join(known)}")
    return kind


async def _bring_in(line: ItemLine, people: Mapping[str, list[Record]]) -> BulkChange | None:
    """Hand one thing out, or take it back. What that changed; None: nothing. Raises CellFault."""
    holder = _holder(line, people)
    known = await first(KNOWN, line.kind, line.serial, holder["person"], line.issued_at)
    try:
        async with tx():
            if known is None:
                item = uuid4()
                await execute(
                    INSERT, item, line.kind, line.serial, holder["person"], holder["organ"], line.issued_at,
                    line.returned_at,
                )  # fmt: skip
                return BulkChange(holder["organ"], [item, holder["person"]])
            if line.returned_at is None or known["returned_at"] is not None:
                return None
            await execute(GIVE_BACK, known["id"], line.returned_at)
            await findings.withdraw("item_not_returned", known["id"])
            return BulkChange(known["organ"], [known["id"], holder["person"]])
    except asyncpg.ExclusionViolationError:
        raise CellFault(
            "serial", f"{line.serial} 当时已由他人领用，或另有领用记录",
            f"{line.serial} was with somebody at that time, or is entered otherwise",
        ) from None  # fmt: skip


def _holder(line: ItemLine, people: Mapping[str, list[Record]]) -> Record:
    """Who had the badge on the day, or next to it. Raises CellFault."""
    served = people.get(line.badge, [])
    if not served:
        raise CellFault("badge", f"没有警号为 {line.badge} 的辅警或民警", f"nobody has the badge {line.badge}")
    return min(served, key=lambda row: _stint(row).days_from(line.issued))


def _stint(row: Record) -> Stint:
    return Stint(row["organ"], row["kind"], row["since"], row["until"])
