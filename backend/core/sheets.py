"""Tables in files: .xlsx and CSV read as text, and .xlsx written.

`read(bytes)` gives the visible sheets of a workbook, or the one table of a CSV file, every cell as the text that its
reader sees: a number keeps the zeros of its format, a date is `2026-03-01`, a merged cell stands in each of its places.
`xlsx(title, headings, rows)` writes one list as a workbook; `workbook` writes several.

Guarantees: a file that cannot be read is one sentence (UnreadableFile). No workbook unpacks into more than SIZE bytes,
and none refers to anything outside itself. In what is written, text stays text: a cell that begins with = + - @ is
never computed, and long digits keep every one of them.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from backend.core.days import CHINA
from storage.language import SentenceError

SIZE = 200 * 1024 * 1024  # bytes of an unpacked workbook
COLUMNS = 200  # of a sheet that are read; a merged cell may name thousands
ZIP, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCODINGS = ("utf-8-sig", "gb18030")  # Excel in Chinese writes CSV in the second
EMPTY_FILL = b"<fill/>"
ZEROS = re.compile(r"0+")
# Built-in date formats of East Asian Excel and WPS (ECMA-376 part 1, 18.8.30); files name them without defining them.
EAST_ASIAN_DATES = {*range(27, 37), *range(50, 59)}
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # what XML cannot hold
LONGEST = 32_767  # characters of a cell in Excel
WIDEST = 48  # columns of characters; a longer text is broken into lines

Value = str | int | float | date | datetime | None


class UnreadableFile(SentenceError):
    """The file is no table that can be read; the sentence says what to do."""


class Line(NamedTuple):
    """One row with something in it: its number in the file, from 1, and its cells as text."""

    number: int
    cells: list[str]
    is_note: bool = False  # one merged cell and nothing else: a title or a remark, never a record


class Grid(NamedTuple):
    """A sheet, or a CSV file (`name` is empty then). `broken`: where the CSV ends being one, and why."""

    name: str
    lines: list[Line]
    broken: tuple[int, str] | None = None


class Sheet(NamedTuple):
    """A list to write: its title (of the tab), headings, rows."""

    title: str
    headings: Sequence[str]
    rows: Iterable[Sequence[Value]]


TOO_LARGE = UnreadableFile(
    "该 .xlsx 过大，或不是由 Excel、WPS 保存的：请删除多余的工作表后另存。",
    "This .xlsx is too large, or no Excel or WPS saved it: take out what is not needed and save it again.",
)


def read(content: bytes) -> list[Grid]:
    """The tables of a file, empty rows left out. Raises UnreadableFile."""
    if content.startswith(OLD_EXCEL):
        raise UnreadableFile(
            "这是旧版 .xls 或加密的文件：请在 Excel 或 WPS 中另存为不加密的 .xlsx。",
            "This is an old .xls file or an encrypted one: save it as .xlsx without a password, in Excel or WPS.",
        )
    return list(_read_workbook(content)) if content.startswith(ZIP) else [_read_csv(_decoded(content))]


def _decoded(content: bytes) -> str:
    for encoding in ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableFile(
        "文件既不是 UTF-8，也不是 GB18030，也不是 .xlsx：请在 Excel 或 WPS 中另存为 .xlsx 或 CSV UTF-8。",
        "The file is neither UTF-8 nor GB18030 nor .xlsx: save it as .xlsx or CSV UTF-8, in Excel or WPS.",
    )


def _read_csv(text: str) -> Grid:
    """Separated by what the first line has most of: comma, tab or semicolon."""
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",\t;", key=first.count), strict=True)
    lines: list[Line] = []
    before = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append(Line(reader.line_num, cells))
            before = reader.line_num
    except csv.Error as error:
        return Grid("", lines, (before + 1, str(error)))
    return Grid("", lines)


def _read_workbook(content: bytes) -> Iterator[Grid]:
    from openpyxl import load_workbook

    try:
        book = load_workbook(io.BytesIO(_checked(content)), data_only=True, keep_links=False)
        for sheet in book.worksheets:
            if sheet.sheet_state == "visible":
                yield Grid(sheet.title, _lines(sheet, book.epoch))
    except UnreadableFile:
        raise
    except Exception as error:  # openpyxl raises whatever it stumbles upon
        raise UnreadableFile(
            f"无法读取该 .xlsx（{type(error).__name__}）：请在 Excel 或 WPS 中打开并另存为 .xlsx。",
            f"This .xlsx cannot be read ({type(error).__name__}): open it in Excel or WPS and save it as .xlsx.",
        ) from error


def _checked(content: bytes) -> bytes:
    """The workbook, refused where it unpacks into too much or its XML defines entities.

    Some programs write an empty fill, which Excel takes and openpyxl does not: it becomes the fill that it means.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        entries = parts.infolist()
        if sum(entry.file_size for entry in entries) > SIZE:
            raise TOO_LARGE
        texts = {each.filename: parts.read(each) for each in entries if each.filename.endswith((".xml", ".rels"))}
    if any(b"<!DOCTYPE" in text for text in texts.values()):
        raise TOO_LARGE
    if not any(EMPTY_FILL in text for text in texts.values()):
        return content
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as repaired:
        for name, text in texts.items():
            repaired.writestr(name, text.replace(EMPTY_FILL, b"<fill><patternFill/></fill>"))
    return out.getvalue()


def _lines(sheet: Any, epoch: datetime) -> list[Line]:
    """The rows that hold something. Read from what the file has, not from the size that it claims."""
    rows: dict[int, dict[int, str]] = {}
    for (number, column), cell in sheet._cells.items():
        if column <= COLUMNS and (text := _text(cell, epoch)).strip():
            rows.setdefault(number, {})[column] = text
    merged = _spread(sheet, rows)
    return [
        Line(
            number,
            [rows[number].get(column, "") for column in range(1, max(rows[number]) + 1)],
            _is_note(rows[number], merged.get(number, set())),
        )
        for number in sorted(rows)
    ]


def _spread(sheet: Any, rows: dict[int, dict[int, str]]) -> dict[int, set[int]]:
    """Write a merged cell's text into each of its places; the columns of those that go over several, by row."""
    wide: dict[int, set[int]] = {}
    for area in sheet.merged_cells.ranges:
        text = rows.get(area.min_row, {}).get(area.min_col)
        if text is None:
            continue
        columns = range(area.min_col, min(area.max_col, COLUMNS) + 1)
        for number in range(area.min_row, min(area.max_row, sheet.max_row) + 1):
            rows.setdefault(number, {}).update(dict.fromkeys(columns, text))
            if len(columns) > 1:
                wide.setdefault(number, set()).update(columns)
    return wide


def _is_note(cells: dict[int, str], merged: set[int]) -> bool:
    return bool(merged) and set(cells) <= merged and len(set(cells.values())) == 1


def _text(cell: Any, epoch: datetime) -> str:
    """A cell as its reader sees it."""
    value = cell.value
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).upper()
    if isinstance(value, (int, float)):
        return _number(value, cell, epoch)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, timedelta):
        minutes = round(value.total_seconds() / 60)
        return f"{minutes // 60:02}:{minutes % 60:02}"
    return value.isoformat() if isinstance(value, date) else str(value)


def _number(value: float, cell: Any, epoch: datetime) -> str:
    from openpyxl.utils.datetime import from_excel

    if cell._style.numFmtId in EAST_ASIAN_DATES and value > 1:
        return str(from_excel(int(value), epoch).date())
    text = str(int(value)) if float(value).is_integer() and abs(value) < 10**15 else repr(value)
    return text.zfill(len(cell.number_format)) if ZEROS.fullmatch(cell.number_format or "") else text


def xlsx(title: str, headings: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """One list as a workbook. Text stays text, numbers and dates can be computed with; times are those of Beijing."""
    return workbook([Sheet(title, headings, rows)])


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """Several lists as a workbook, a sheet each; the heading stays in sight and can be filtered by."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for sheet in sheets:
        _write(book.create_sheet(tab_name(sheet.title)), sheet)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def tab_name(title: str) -> str:
    """A title as the tab of a sheet takes it: without : \\ / ? * [ ] and of at most 31 characters."""
    return re.sub(r"[:\\/?*\[\]']", " ", UNPRINTABLE.sub("", title)).strip()[:31] or "1"


def fit_paper(tab: Any) -> None:
    """Print a sheet as wide as the page, lying, with its first row on every page. Call it before rows are appended."""
    from openpyxl.worksheet.properties import PageSetupProperties

    tab.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    tab.page_setup.orientation, tab.page_setup.paperSize = "landscape", 9  # A4
    tab.page_setup.fitToWidth, tab.page_setup.fitToHeight = 1, 0
    tab.print_title_rows = "1:1"


def _write(tab: Any, sheet: Sheet) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    fit_paper(tab)
    rows = [list(row) for row in sheet.rows]
    for number, width in enumerate(_widths(sheet.headings, rows), 1):
        tab.column_dimensions[get_column_letter(number)].width = width
    tab.freeze_panes = "A2"
    tab.auto_filter.ref = f"A1:{get_column_letter(max(1, len(sheet.headings)))}{len(rows) + 1}"
    tab.append([cell_of(tab, heading, font=Font(bold=True)) for heading in sheet.headings])
    for row in rows:
        tab.append([cell_of(tab, value) for value in row])


def cell_of(tab: Any, value: Value, font: Any = None) -> Any:
    """A cell of this value for a write-only sheet."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment

    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(CHINA).replace(tzinfo=None, microsecond=0)
    if not isinstance(value, str) or not value:
        cell = WriteOnlyCell(tab, None if value == "" else value)
        if isinstance(value, datetime):
            cell.number_format = "yyyy-mm-dd hh:mm:ss"
        return cell
    cell = WriteOnlyCell(tab, UNPRINTABLE.sub("\ufffd", value)[:LONGEST])
    cell.data_type, cell.number_format, cell.quotePrefix = "s", "@", True  # "=1+1" is three signs, not 2
    if font is not None:
        cell.font = font
    if "\n" in value or _width(value) > WIDEST:
        cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell


def _widths(headings: Sequence[str], rows: Sequence[Sequence[Value]]) -> list[float]:
    """A width for each column, by what stands in its first 500 rows."""
    widths = [_width(heading) + 3 for heading in headings]  # the arrow of the filter
    for row in rows[:500]:
        for number, value in enumerate(row[: len(widths)]):
            seen = 19 if isinstance(value, datetime) else _width(str(value or ""))
            widths[number] = max(widths[number], seen + 1)
    return [float(min(WIDEST, max(8, width))) for width in widths]


def _width(text: str) -> int:
    """Columns that a text takes; a Chinese character takes two."""
    return max((sum(2 if char > "\u2e7f" else 1 for char in line) for line in text.split("\n")), default=0)
