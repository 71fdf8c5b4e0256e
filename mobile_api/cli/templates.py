"""Workbooks to fill in: a roster with drop-downs, and a month of duty as a grid; each with a sheet that explains.

Guarantees: what a template holds can be imported as it is: its examples stand on the sheet that explains, which is not
read. The drop-downs offer the words that the import takes.
"""

import calendar
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from backend.core.sheets import fit_paper
from backend.people import roster_words as words
from backend.rosters.plan_files import DUTIES

ROWS = 500  # that have drop-downs
OPTIONS = "选项"  # the hidden sheet of what the drop-downs offer
SHEETS = {  # of a roster: the columns of each kind of record
    "organ": ("code", "name", "organ"),
    "person": ("code", "name", "kind", "organ", "from", "until", "formerly"),
    "role": ("code", "kind", "organ", "from", "until"),
    "qualification": ("code", "kind", "from", "until"),
    "device": ("code", "name", "kind", "organ"),
}
TITLES = {
    ("organ", "organ"): "上级单位", ("person", "from"): "入职日期", ("person", "until"): "离职日期",
    ("qualification", "from"): "取得日期",
    ("qualification", "until"): "有效期至",
}  # fmt: skip
ROSTER_NOTES = (
    ("工作表", "说明"),
    (
        "怎样填写",
        "每张工作表填一类记录，一行一条；不需要的工作表可以空着，可以调整列的顺序，可以增加不导入的列（如备注）。",
    ),
    ("怎样导入", "fujing import-roster 文件.xlsx；有错时逐条列出工作表、行、列和原因，什么也不导入；改正后重新导入。"),
    ("先看变更", "fujing import-roster 文件.xlsx --dry-run 只列出将有的变更，什么也不写入。"),
    ("再次导入", "同一文件再次导入不会重复；改了的内容会更新。"),
    ("单位", "代码为 12 位数字；上级单位填代码或名称，最上一级留空。"),
    ("人员", "警号由字母、数字和 - 组成，最多 20 位；单位填代码或名称。采集工作站也是一个“人员”，类别为“采集工作站”。"),
    ("原警号", "警号变了而人没变时，填此前的警号，其记录随之延续；否则留空。"),
    ("角色", "给人员的权限：{roles}；及于该单位及其下级。"),
    ("资质", "资质、培训和保险：{qualifications}。"),
    ("设备", "设备按序列号登记，类型为：{devices}。"),
    ("日期", "可写 2026-03-01、2026/3/1、2026.3.1、2026年3月1日，或使用日期格式的单元格；结束日期留空表示长期。"),
    ("例：人员", "FJ1001　林小雨　勤务辅警　330102010000 城关派出所　2024/3/1"),
    ("例：角色", "100001　单位负责人　城关派出所　2026/1/1　2028/12/31"),
)
PLAN_NOTES = (
    ("项目", "说明"),
    ("怎样填写", "“排班”表：一人一行，一天一列，格内填岗位代码；一天两班用、或 / 隔开；休息可空着或填“休”“假”。"),
    ("岗位", "“岗位”表说明每个代码：岗位、勤务类型（{duties}）、开始和结束时间；结束早于开始为次日。"),
    ("带班民警", "填警号，可空着。纬度、经度、坐标系（WGS84 或 GCJ02）和半径（米）同时填写或都空着。"),
    (
        "怎样导入",
        "fujing import-plan 文件.xlsx；有错时逐条列出工作表、行、列和原因，什么也不排；同一文件再次导入不会重复。",
    ),
)
PLAN_POSTS = (
    ("代码", "岗位", "勤务类型", "开始", "结束", "带班民警", "纬度", "经度", "坐标系", "半径"),
    ("早", "南门", "值守", "08:00", "16:00"),
    ("夜", "夜间巡逻", "巡逻", "20:00", "08:00"),
)
WEEKDAYS = "一二三四五六日"


def roster(organs: Mapping[str, str], parents: Mapping[str, str | None]) -> bytes:
    """A roster to fill in, with the organs that are known already: their names, and their parents, by code."""
    book = _Book()
    offered = {
        "person": _offer(words.kinds()), "role": _offer(words.ROLES), "device": _offer(words.DEVICES),
        "qualification": [f"{code} {meant[0]}" for code, meant in words.choices("qualification").items()],
        "organs": [f"{code} {name}" for code, name in organs.items()],
    }  # fmt: skip
    notes = [(head, text.format(
        roles="、".join(offered["role"]), qualifications="、".join(offered["qualification"]),
        devices="、".join(offered["device"]),
    )) for head, text in ROSTER_NOTES]  # fmt: skip
    for record, columns in SHEETS.items():
        tab = book.sheet(words.RECORDS[record][0], [title(record, column) for column in columns])
        if record in offered:
            book.choose(tab, columns.index("kind"), record, offered[record])
        if "organ" in columns and organs:
            book.choose(tab, columns.index("organ"), "organs", offered["organs"], strict=False)
        if record == "organ":
            book.fill(tab, [(code, name, parents.get(code) or "") for code, name in organs.items()])
    return book.written("说明", notes)


def plan(month: str, people: Sequence[tuple[str, str]]) -> bytes:
    """A month of duty to fill in. `month`: 2026-03; `people`: badge and name of each."""
    year, number = map(int, month.split("-"))
    days = [date(year, number, day) for day in range(1, calendar.monthrange(year, number)[1] + 1)]
    book = _Book()
    tab = book.sheet("排班", [f"{year}年{number}月排班表"])
    tab.merge_cells(start_row=1, start_column=1, end_row=1, end_column=len(days) + 2)
    book.fill(tab, [
        ("警号", "姓名", *(str(day.day) for day in days)),
        ("", "", *(WEEKDAYS[day.weekday()] for day in days)),
        *people,
    ])  # fmt: skip
    for column in range(3, len(days) + 3):
        tab.column_dimensions[_letter(column)].width = 5
    tab.freeze_panes = "C4"
    posts = book.sheet("岗位", PLAN_POSTS[0])
    book.fill(posts, PLAN_POSTS[1:])
    book.choose(posts, 2, "duties", _offer(DUTIES))
    notes = [(head, text.format(duties="、".join(_offer(DUTIES)))) for head, text in PLAN_NOTES]
    return book.written("说明", notes)


def title(record: str, column: str) -> str:
    """The heading of a column on the template."""
    return TITLES.get((record, column)) or words.headings(record)[column][0]


def _offer(known: words.Words) -> list[str]:
    return [meant[0] for meant in known.values()]


def _letter(column: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(column))


class _Book:
    """A workbook with drop-downs; what they offer is on a hidden sheet, however long it is."""

    def __init__(self) -> None:
        from openpyxl import Workbook

        self._book = Workbook()
        self._options = self._book.active
        self._options.title, self._options.sheet_state = OPTIONS, "hidden"
        self._offered: dict[str, str] = {}

    def sheet(self, name: str, headings: Sequence[str]) -> Any:
        """A new sheet with these headings; every cell of it is text."""
        from openpyxl.styles import Font, PatternFill

        tab = self._book.create_sheet(name)
        fit_paper(tab)
        for number, text in enumerate(headings, 1):
            head = tab.cell(1, number, text)
            head.font, head.fill = Font(bold=True), PatternFill("solid", fgColor="FFE8EEF7")
            tab.column_dimensions[_letter(number)].width = 24 if text in ("单位", "上级单位", "名称", "资质") else 16
            for row in range(2, ROWS + 2):
                tab.cell(row, number).number_format = "@"
        tab.freeze_panes = "A2"
        return tab

    def fill(self, tab: Any, rows: Sequence[Sequence[str]]) -> None:
        """Rows from the second one on."""
        for number, row in enumerate(rows, 2):
            for column, text in enumerate(row, 1):
                cell = tab.cell(number, column)
                cell.number_format = "@"
                if text:
                    cell.value, cell.data_type = text, "s"

    def choose(self, tab: Any, column: int, what: str, offered: Sequence[str], *, strict: bool = True) -> None:
        """A drop-down in a column, counted from 0. Not `strict`: something else may be written too."""
        from openpyxl.worksheet.datavalidation import DataValidation

        if what not in self._offered:
            at = len(self._offered) + 1
            for row, text in enumerate(offered, 1):
                self._options.cell(row, at, text)
            self._offered[what] = f"{OPTIONS}!${_letter(at)}$1:${_letter(at)}${len(offered)}"
        choice = DataValidation("list", formula1=self._offered[what], allow_blank=True, showErrorMessage=strict)
        choice.error, choice.errorTitle = "请从下拉列表中选择。", "不在列表中"
        choice.add(f"{_letter(column + 1)}2:{_letter(column + 1)}{ROWS + 1}")
        tab.add_data_validation(choice)

    def written(self, name: str, notes: Sequence[Sequence[str]]) -> bytes:
        """The workbook, with its notes on a sheet of their own before everything else."""
        from openpyxl.styles import Alignment, Font

        tab = self._book.create_sheet(name, 0)
        fit_paper(tab)
        tab.column_dimensions["A"].width, tab.column_dimensions["B"].width = 14, 90
        for row in notes:
            tab.append(list(row))
        for row in tab.iter_rows(max_col=2):
            row[0].font = Font(bold=True)
            row[1].alignment = Alignment(wrap_text=True, vertical="top")
        self._book.active = 0
        out = io.BytesIO()
        self._book.save(out)
        return out.getvalue()
