"""Reports for the terminal and for spreadsheets.

Guarantees: no cell of a spreadsheet is taken for a formula, whatever the roster holds; no name is markup of the
terminal.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from backend.oversight.expiring import Expiring

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BOM = "\ufeff"  # by which spreadsheets know UTF-8
STATES = {"expires": "即将到期", "expired": "已过期", "missing": "没有记录"}
COLUMNS = ("organ", "badge", "name", "what", "valid until", "state")


def expiring_table(rows: Sequence[Expiring]) -> Table:
    """One row each, Chinese over English, in full however narrow the terminal is."""
    table = Table(box=None)
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for cells in _cells(rows, "\n"):
        table.add_row(*map(Text, cells))
    return table


def expiring_csv(rows: Sequence[Expiring]) -> str:
    """The same for a spreadsheet: UTF-8 with its mark."""
    told = io.StringIO(newline="")
    csv.writer(told).writerows([map(as_text, cells) for cells in (COLUMNS, *_cells(rows, " "))])
    return BOM + told.getvalue()


def expiring_sentence(rows: Sequence[Expiring], days: int) -> str:
    """What the report says in one line."""
    if not rows:
        return f"Nothing expires within {days} days, has expired or is missing."
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    return f"{counts['expires']} expire within {days} days, {counts['expired']} expired, {counts['missing']} missing"


def as_text(cell: str) -> str:
    """A cell that a spreadsheet shows and never computes."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _cells(rows: Iterable[Expiring], between: str) -> Iterable[tuple[str, ...]]:
    for row in rows:
        until = "" if row.valid_until is None else row.valid_until.isoformat()
        organ, state = f"{row.organ_name}{between}{row.organ}", f"{STATES[row.state]}{between}{row.state}"
        yield organ, row.badge, row.name, between.join(row.words()), until, state
