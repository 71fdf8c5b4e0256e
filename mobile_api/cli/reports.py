"""Reports for the terminal and for spreadsheets.

Headings and the last line are in the language of the terminal; a cell that is a code shows it in both.
As .xlsx a report has Chinese headings, an organ in two columns, name and code, and numbers to compute with.
Guarantees: a spreadsheet takes no cell for a formula, whatever the roster holds; the terminal takes no name for markup.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from backend.core.sheets import Value, xlsx
from backend.hours.reads import PersonHours, note
from backend.injuries.reads import Outstanding
from backend.oversight.expiring import Expiring
from backend.reviews.spot_checks import SpotCheckCount
from mobile_api.printing import BEIJING, COSTS, yuan
from storage.language import by_locale, language

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BOM = "\ufeff"  # tells a spreadsheet that the file is UTF-8
STATES = {"expires": "即将到期", "expired": "已过期", "missing": "没有记录"}
Columns = Sequence[tuple[str, str]]  # headings in Chinese and in English
PERSON = (("单位", "organ"), ("警号", "badge"), ("姓名", "name"))
EXPIRING = (*PERSON, ("事项", "what"), ("有效期至", "valid until"), ("状态", "state"))
SPOT_CHECKS = (
    ("单位", "organ"), ("抽取", "drawn"), ("到期", "due"), ("完成", "done"), ("逾期", "overdue"),
    ("发现问题", "with findings"),
)  # fmt: skip
ADVANCES = (
    *PERSON, ("费用", "cost"), ("状态", "state"), ("工伤认定", "recognition"), ("申请", "requested"),
    ("批准", "approved"), ("支付", "paid"), ("结清", "settled"), ("未结", "open"), ("支付日期", "paid since"),
    ("伤情", "injury"),
)  # fmt: skip
HOURS = (
    *PERSON, ("工时", "worked"), ("值班", "watch"), ("备勤", "standby"), ("超日", "beyond day"),
    ("超周", "beyond week"), ("休息日", "rest day"), ("法定节假日", "holiday"), ("加班", "overtime"),
    ("已补休", "time off taken"), ("应补休", "owed"), ("备注", ""),
)  # fmt: skip
HOURS_STACKED = (
    ("姓名、警号\n单位", "name, badge\norgan"), ("工时", "worked"), ("值班\n备勤", "watch\nstandby"),
    ("超日\n超周", "beyond day\nbeyond week"), ("休息日\n节假日", "rest day\nholiday"), ("加班", "overtime"),
    ("已补休\n应补休", "off taken\noff owed"), ("备注", ""),
)  # fmt: skip
NUMBERS = {
    "drawn", "due", "done", "overdue", "with findings", "requested", "approved", "paid", "settled", "open", "worked",
    "watch", "standby", "beyond day", "beyond week", "rest day", "holiday", "overtime", "time off taken", "owed",
}  # fmt: skip
ITEM_STATES = {
    "requested": "待审批", "refused": "不予垫付", "approved": "已批准", "paid": "已支付", "settling": "结算中",
    "settled": "已结清",
}  # fmt: skip


class Report(NamedTuple):
    """Headings, cells (a line feed parts Chinese from English), and one line that sums the report up."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    sentence: str
    title: str = ""
    chinese: Sequence[str] = ()  # the headings in Chinese
    numbers: frozenset[int] = frozenset()  # columns of numbers
    compact: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None  # for a terminal, where the columns are many

    def table(self) -> Table:
        """The table for a terminal: Chinese over English in a cell, in full however narrow the terminal is."""
        columns, rows = self.compact or (self.columns, self.rows)
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for cells in rows:
            table.add_row(*map(Text, cells))
        return table

    def xlsx(self) -> bytes:
        """The table as a workbook, its last line below it."""
        heads = [self.chinese[0], f"{self.chinese[0]}代码", *self.chinese[1:]]
        rows: list[list[Value]] = [self._values(cells) for cells in self.rows]
        return xlsx(self.title, heads, [*rows, [self.sentence]])

    def _values(self, cells: Sequence[str]) -> list[Value]:
        """The cells of a row: the organ's name and code apart, Chinese alone, numbers as numbers."""
        name, _, code = cells[0].rpartition("\n")
        told = [cell.partition("\n")[0] for cell in cells[1:]]
        return [name, code, *(float(cell) if at in self.numbers and cell else cell for at, cell in enumerate(told, 1))]

    def csv(self) -> str:
        """The table for a spreadsheet: UTF-8 with a byte order mark."""
        text = io.StringIO(newline="")
        lines = ([as_text(cell.replace("\n", " ")) for cell in cells] for cells in (self.columns, *self.rows))
        csv.writer(text).writerows(lines)
        return BOM + text.getvalue()


def headings(columns: Columns) -> list[str]:
    """The headings in the language of the terminal."""
    return [by_locale(zh, en) for zh, en in columns]


def as_text(cell: str) -> str:
    """The cell as a spreadsheet shows it and never computes it."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def of_expiring(rows: Sequence[Expiring], days: int) -> Report:
    """What expires, has expired or is missing."""
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    summary = by_locale(
        f"{days} 天内到期 {counts['expires']} 项，已过期 {counts['expired']} 项，没有记录 {counts['missing']} 项",
        f"{counts['expires']} expire within {days} days, {counts['expired']} expired, {counts['missing']} missing",
    )
    none = by_locale(
        f"{days} 天内没有到期、过期或缺失的记录。", f"Nothing expires within {days} days, has expired or is missing."
    )
    return _report(EXPIRING, [_expiring(row) for row in rows], summary if rows else none, "到期提醒")


def of_advances(rows: Sequence[Outstanding]) -> Report:
    """Costs requested, approved, paid and settled, in yuan."""
    paid, open_ = yuan(sum(row.paid_fen for row in rows)), yuan(sum(row.outstanding_fen for row in rows))
    summary = by_locale(
        f"{len(rows)} 项费用，已支付 {paid} 元，未结 {open_} 元",
        f"{len(rows)} costs, {paid} yuan paid, {open_} not settled yet",
    )
    none = by_locale("没有申请过伤害费用。", "No cost of an injury was asked for.")
    return _report(ADVANCES, [_advance(row) for row in rows], summary if rows else none, "垫付费用")


def of_hours(rows: Sequence[PersonHours], month: str, names: Mapping[str, str] = {}) -> Report:
    """What each person worked in a month, in hours. `names`: of organs, by code."""
    over = sum(row.overtime_min > row.limit_min for row in rows)
    summary = by_locale(
        f"{month}：辅警 {len(rows)} 人，超限 {over} 人", f"{month}: {len(rows)} auxiliaries, {over} over the limit"
    )
    cells = [_hours(row, names) for row in rows]
    unsure = note(month, language())
    return _report(HOURS, cells, f"{summary}\n{unsure}" if unsure else summary, f"{month} 工时")._replace(
        compact=(headings(HOURS_STACKED), [_stacked(row) for row in cells])
    )


def of_spot_checks(rows: Sequence[SpotCheckCount], month: str) -> Report:
    """How many spot checks were due and done, of the weeks that begin in a month."""
    cells = [(f"{row.organ_name}\n{row.organ}", *map(str, _numbers(row))) for row in rows]
    due, done, overdue = (sum(getattr(row, name) for row in rows) for name in ("due", "done", "overdue"))
    summary = by_locale(
        f"{month}：到期 {due}，完成 {done}，逾期 {overdue}", f"{month}: {due} due, {done} done, {overdue} overdue"
    )
    return _report(SPOT_CHECKS, cells, summary, f"{month} 抽查")


def _report(columns: Columns, rows: Sequence[Sequence[str]], sentence: str, title: str) -> Report:
    chinese = [zh for zh, _ in columns]
    numbers = frozenset(at for at, (_, en) in enumerate(columns) if en in NUMBERS)
    return Report(headings(columns), rows, sentence, title, chinese, numbers)


def _numbers(row: SpotCheckCount) -> tuple[int, ...]:
    return row.drawn, row.due, row.done, row.overdue, row.with_findings


def _expiring(row: Expiring) -> tuple[str, ...]:
    until = "" if row.valid_until is None else row.valid_until.isoformat()
    organ, state = f"{row.organ_name}\n{row.organ}", f"{STATES[row.state]}\n{row.state}"
    return organ, row.badge, row.name, "\n".join(row.words()), until, state


def _stacked(cells: Sequence[str]) -> tuple[str, ...]:
    """A row of hours in eight columns: who, and pairs of numbers one over the other."""
    organ, badge, name, *spans, note = cells
    pairs = (spans[1:3], spans[3:5], spans[5:7], spans[8:10])
    watch, beyond, rest, off = ("\n".join(pair) for pair in pairs)
    return f"{name} {badge}\n{organ}", spans[0], watch, beyond, rest, spans[7], off, note.replace("; ", "\n")


def _hours(row: PersonHours, names: Mapping[str, str]) -> tuple[str, ...]:
    spans = (
        row.worked_min, row.watch_min, row.standby_min, row.beyond_day_min, row.beyond_week_min, row.rest_day_min,
        row.holiday_min, row.overtime_min, row.taken_min, row.owed_min,
    )  # fmt: skip
    marks = ["超限 over the limit"] if row.overtime_min > row.limit_min else []
    marks += ["未签退 unfinished"] if row.unfinished else []
    marks += [f"有争议 contested: {row.contested_shifts}"] if row.contested_shifts else []
    marks += [f"未签退按上限计 no check-out, capped: {row.capped_shifts}"] if row.capped_shifts else []
    organ = f"{names[row.organ]}\n{row.organ}" if row.organ in names else row.organ
    return organ, row.badge, row.name, *(f"{span / 60:.2f}" for span in spans), "; ".join(marks)


def _advance(row: Outstanding) -> tuple[str, ...]:
    amounts = (row.requested_fen, row.approved_fen, row.paid_fen, row.settled_fen, row.outstanding_fen)
    paid = "" if row.first_paid_at is None else f"{row.first_paid_at.astimezone(BEIJING):%Y-%m-%d}"
    return (
        f"{row.organ_name}\n{row.organ}", row.badge, row.name, f"{COSTS[row.kind]}\n{row.kind}",
        f"{ITEM_STATES[row.state]}\n{row.state}", row.recognition, *map(yuan, amounts), paid, str(row.injury),
    )  # fmt: skip
