"""Reports for the terminal and for spreadsheets.

Guarantees: no cell of a spreadsheet is taken for a formula, whatever the roster holds; no name is markup of the
terminal.
"""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from backend.hours.reads import PersonHours
from backend.injuries.reads import Outstanding
from backend.oversight.expiring import Expiring
from backend.reviews.spot_checks import SpotCheckCount
from mobile_api.printing import BEIJING, COSTS, yuan

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BOM = "\ufeff"  # by which spreadsheets know UTF-8
STATES = {"expires": "即将到期", "expired": "已过期", "missing": "没有记录"}
EXPIRING = ("organ", "badge", "name", "what", "valid until", "state")
SPOT_CHECKS = ("organ", "drawn", "due", "done", "overdue", "with findings")
ADVANCES = (
    "organ", "badge", "name", "cost", "state", "recognition", "requested", "approved", "paid", "settled", "open",
    "paid since", "injury",
)  # fmt: skip
HOURS = (
    "organ", "badge", "name", "worked", "watch", "standby", "beyond day", "beyond week", "rest day", "holiday",
    "overtime", "time off taken", "owed", "",
)  # fmt: skip
ITEM_STATES = {
    "requested": "待审批", "refused": "不予垫付", "approved": "已批准", "paid": "已支付", "settling": "结算中",
    "settled": "已结清",
}  # fmt: skip


class Report(NamedTuple):
    """What a report says: its columns, its cells (a line feed parts Chinese from English), and one line of it."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    sentence: str

    def table(self) -> Table:
        """One row each, Chinese over English, in full however narrow the terminal is."""
        table = Table(box=None)
        for column in self.columns:
            table.add_column(column, overflow="fold")
        for cells in self.rows:
            table.add_row(*map(Text, cells))
        return table

    def csv(self) -> str:
        """The same for a spreadsheet: UTF-8 with its mark."""
        told = io.StringIO(newline="")
        lines = ([as_text(cell.replace("\n", " ")) for cell in cells] for cells in (self.columns, *self.rows))
        csv.writer(told).writerows(lines)
        return BOM + told.getvalue()


def as_text(cell: str) -> str:
    """A cell that a spreadsheet shows and never computes."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def of_expiring(rows: Sequence[Expiring], days: int) -> Report:
    """What expires, has expired or is missing."""
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    told = f"{counts['expires']} expire within {days} days, {counts['expired']} expired, {counts['missing']} missing"
    none = f"Nothing expires within {days} days, has expired or is missing."
    return Report(EXPIRING, [_expiring(row) for row in rows], told if rows else none)


def of_advances(rows: Sequence[Outstanding]) -> Report:
    """What was asked for, approved, paid and settled, in yuan."""
    open_fen = sum(row.outstanding_fen for row in rows)
    told = f"{len(rows)} costs, {yuan(sum(row.paid_fen for row in rows))} yuan paid, {yuan(open_fen)} not settled yet"
    return Report(ADVANCES, [_advance(row) for row in rows], told if rows else "No cost of an injury was asked for.")


def of_hours(rows: Sequence[PersonHours], month: str) -> Report:
    """What everybody worked in a month, in hours."""
    over = sum(row.overtime_min > row.limit_min for row in rows)
    return Report(HOURS, [_hours(row) for row in rows], f"{month}: {len(rows)} auxiliaries, {over} over the limit")


def of_spot_checks(rows: Sequence[SpotCheckCount], month: str) -> Report:
    """How many spot checks were due and done, of the weeks that begin in a month."""
    cells = [(f"{row.organ_name}\n{row.organ}", *(str(row_of) for row_of in _numbers(row))) for row in rows]
    due, done = sum(row.due for row in rows), sum(row.done for row in rows)
    return Report(SPOT_CHECKS, cells, f"{month}: {due} due, {done} done, {sum(row.overdue for row in rows)} overdue")


def _numbers(row: SpotCheckCount) -> tuple[int, ...]:
    return row.drawn, row.due, row.done, row.overdue, row.with_findings


def _expiring(row: Expiring) -> tuple[str, ...]:
    until = "" if row.valid_until is None else row.valid_until.isoformat()
    organ, state = f"{row.organ_name}\n{row.organ}", f"{STATES[row.state]}\n{row.state}"
    return organ, row.badge, row.name, "\n".join(row.words()), until, state


def _hours(row: PersonHours) -> tuple[str, ...]:
    spans = (
        row.worked_min, row.watch_min, row.standby_min, row.beyond_day_min, row.beyond_week_min, row.rest_day_min,
        row.holiday_min, row.overtime_min, row.taken_min, row.owed_min,
    )  # fmt: skip
    marks = ["超限 over the limit"] if row.overtime_min > row.limit_min else []
    marks += ["未签退 unfinished"] if row.unfinished else []
    marks += [f"有争议 contested: {row.contested_shifts}"] if row.contested_shifts else []
    return row.organ, row.badge, row.name, *(f"{span / 60:.2f}" for span in spans), "; ".join(marks)


def _advance(row: Outstanding) -> tuple[str, ...]:
    amounts = (row.requested_fen, row.approved_fen, row.paid_fen, row.settled_fen, row.outstanding_fen)
    paid = "" if row.first_paid_at is None else f"{row.first_paid_at.astimezone(BEIJING):%Y-%m-%d}"
    return (
        f"{row.organ_name}\n{row.organ}", row.badge, row.name, f"{COSTS[row.kind]}\n{row.kind}",
        f"{ITEM_STATES[row.state]}\n{row.state}", row.recognition, *map(yuan, amounts), paid, str(row.injury),
    )  # fmt: skip
