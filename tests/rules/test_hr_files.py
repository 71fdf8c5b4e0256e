"""Rosters and plans as HR and station chiefs keep them: Excel, WPS, CSV from a Chinese Excel, in Chinese."""

import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from datetime import date
from typing import Any, get_args

import pytest
from openpyxl import Workbook, load_workbook
from rich.console import Console

from backend.core import sheets
from backend.core.columns import Fault, FaultyFile
from backend.core.described import DutyType
from backend.core.sheets import UnreadableFile
from backend.law.catalogue import law
from backend.law.regulation import BUILT_IN_PARTS
from backend.people.roster_files import RosterFile, RosterRow, read, read_file
from backend.people.roster_words import DEVICES, ROLES, kinds, record_of
from backend.people.schemas import DeviceKind, RoleKind
from backend.rosters import plan_files
from mobile_api.cli import templates
from mobile_api.cli.commands.people import fault_table

STATION = "330102010000"
KNOWN = {STATION: "城关派出所", "330102020000": "湖滨派出所"}
HEADS = ("警号", "姓名", "类别", "单位", "入职日期", "离职日期")
LIN = ("FJ1001", "林小川", "勤务辅警", "城关派出所", "2026/3/1", "")


def written(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def a_workbook(*rows: Sequence[Any], tab: str = "人员") -> bytes:
    """A workbook with one sheet, as a library writes it."""
    book = Workbook()
    book.active.title = tab
    for row in rows:
        book.active.append(list(row))
    return written(book)


def a_wps_workbook(cells: str, *, styles: str = "", shared: str = "", date1904: bool = False) -> bytes:
    """A workbook by its XML, with the least that WPS writes: wrong dimension, parts in its own order."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    parts = {
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><dimension ref="A1:A1"/>'
        f"<sheetData>{cells}</sheetData></worksheet>",
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{rels}"><workbookPr date1904="{int(date1904)}"/>'
        '<sheets><sheet name="辅警花名册" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{rels}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{rels}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId3" Type="{rels}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
        '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
        f'<cellXfs count="3"><xf numFmtId="0"/>{styles}</cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}">{shared}</sst>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{rels}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kinds}.styles+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kinds}.sharedStrings+xml"/></Types>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in parts.items():
            file.writestr(name, head + text)
    return out.getvalue()


def inline(*texts: str) -> str:
    """Cells as WPS writes them: the text in the cell itself."""
    return "".join(f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>' for text in texts)


def faults_of(content: bytes) -> list[Fault]:
    with pytest.raises(FaultyFile) as raised:
        read_file(content, KNOWN).rows()
    assert all(fault.reason for fault in raised.value.faults)
    return raised.value.faults


def only(file: RosterFile) -> RosterRow:
    (row,) = file.rows()
    return row


def test_a_workbook_of_hr_becomes_rows() -> None:
    """A title over all columns, headings in Chinese, columns that mean nothing here, an empty row, a remark below."""
    book = Workbook()
    sheet = book.active
    sheet.title = "辅警花名册"
    sheet.append(["城关派出所辅警花名册"])
    sheet.merge_cells("A1:H1")
    sheet.append(["序号", "姓名", "警号", "性别", "辅警类别", "所属单位", "入职时间", "离职时间"])
    sheet.append([1, "林小川", "FJ1001", "男", "勤务辅警", "城关派出所", dt.datetime(2026, 3, 1), None])
    sheet.append([None] * 8)
    sheet.append([2, "陈　默", "ＦＪ１００２", "女", "文职", f"{STATION} 城关派出所", "2025年1月6日", "2027.12.31"])
    sheet.append(["制表人：王芳"])
    sheet.merge_cells("A6:H6")
    sheet["A99"].number_format = "0.00"  # a trailing row with a format and nothing in it
    hidden = book.create_sheet("旧表")
    hidden.append(["警号", "姓名"])
    hidden.append(["坏", "坏"])
    hidden.sheet_state = "hidden"
    file = read_file(written(book), KNOWN)
    assert [
        ("person", "FJ1001", "林小川", "duty_auxiliary", STATION, date(2026, 3, 1), None),
        ("person", "FJ1002", "陈默", "civilian_auxiliary", STATION, date(2025, 1, 6), date(2027, 12, 31)),
    ] == [(r.record, r.code, r.name, r.kind, r.organ, r.valid_from, r.valid_until) for r in file.rows()]
    assert ["序号", "性别"] == file.ignored
    assert [(3, "辅警花名册"), (5, "辅警花名册")] == [(row.line, row.line.sheet) for row in file.rows()]


def test_headings_over_two_rows_are_read_together() -> None:
    """服务期限 stands above 起 and 止, and 姓名 goes down over both rows; 单位 is merged over several people."""
    book = Workbook()
    sheet = book.active
    sheet.append(["警号", "姓名", "类别", "单位", "服务期限", None])
    sheet.append([None, None, None, None, "起", "止"])
    for column in "ABCD":
        sheet.merge_cells(f"{column}1:{column}2")
    sheet.merge_cells("E1:F1")
    sheet.append(["FJ1", "甲", "勤务", "城关派出所", "2026-03-01", "长期"])
    sheet.append(["FJ2", "乙", "勤务", None, "2026-03-02", "2027-01-01"])
    sheet.merge_cells("D3:D4")
    rows = read_file(written(book), KNOWN).rows()
    assert [("FJ1", STATION, None), ("FJ2", STATION, date(2027, 1, 1))] == [
        (row.code, row.organ, row.valid_until) for row in rows
    ]


def test_numbers_keep_the_zeros_that_their_reader_sees() -> None:
    """A badge that is a number with the format 000000, and a code of twelve digits."""
    book = Workbook()
    sheet = book.active
    sheet.append(HEADS)
    sheet.append([12, "甲", "民警", 330102010000, "20260301", "至今"])
    sheet["A2"].number_format = "000000"
    row = only(read_file(written(book), KNOWN))
    assert ("000012", STATION, date(2026, 3, 1)) == (row.code, row.organ, row.valid_from)


def test_a_workbook_of_wps_is_read() -> None:
    """Text in the cells, shared text, a wrong dimension, and dates by a number format that no file defines."""
    cells = (
        f'<row r="1">{inline(*HEADS)}</row>'
        f'<row r="2">{inline("FJ1001")}<c t="s"><v>0</v></c>{inline("文职辅警", "城关派出所")}'
        '<c s="1"><v>46082</v></c></row>'
    )
    shared = "<si><r><t>吐尔逊</t></r><r><t>·买买提</t></r><rPh sb='0' eb='1'><t>tu</t></rPh></si>"
    content = a_wps_workbook(cells, styles='<xf numFmtId="31"/><xf numFmtId="14"/>', shared=shared)
    row = only(read_file(content, KNOWN))
    assert ("吐尔逊·买买提", "civilian_auxiliary", date(2026, 3, 1)) == (row.name, row.kind, row.valid_from)


@pytest.mark.parametrize("style", [1, 2])
def test_dates_counted_from_1904_are_the_dates_that_are_shown(style: int) -> None:
    """Old workbooks of a Mac count from another day."""
    cells = (
        f'<row r="1">{inline(*HEADS)}</row><row r="2">{inline(*LIN[:4])}<c s="{style}"><v>{46082 - 1462}</v></c></row>'
    )
    content = a_wps_workbook(cells, styles='<xf numFmtId="31"/><xf numFmtId="14"/>', date1904=True)
    assert date(2026, 3, 1) == only(read_file(content, KNOWN)).valid_from


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_csv_is_read_in_each_of_its_encodings(encoding: str, separator: str) -> None:
    """Excel in Chinese writes GB18030, and other commas where Windows is set so; a missing last comma is no fault."""
    text = "\r\n".join(separator.join(row) for row in (HEADS, LIN[:5], (*LIN[:5], "")[:6])).replace("FJ1001", "FJ1", 1)
    rows = read_file(text.encode(encoding), KNOWN).rows()
    assert ["FJ1", "FJ1001"] == [row.code for row in rows]
    assert {("林小川", "duty_auxiliary", STATION)} == {(row.name, row.kind, row.organ) for row in rows}


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("李　明", "李明"), ("　李明 ", "李明"), ("古丽·阿不都", "古丽·阿不都"), ("古丽•阿不都", "古丽·阿不都"),
        ("古丽 ・ 阿不都", "古丽·阿不都"), ("𠮷田", "𠮷田"), ("𬱖𰻝", "𬱖𰻝"), ("\U000313f0某", "\U000313f0某"),
        ("\ue1a5某", "\ue1a5某"), ("Anna  Maria Li", "Anna Maria Li"), ("林\u200b小川", "林小川"), ("﨎某", "﨎某"),
        ("买买提·" * 9 + "买买提江", "买买提·" * 9 + "买买提江"),
    ],
)  # fmt: skip
def test_a_name_is_kept_as_it_is_written(told: str, meant: str) -> None:
    """Spaces that pad a name of two characters go, dots become one dot; rare, private and long names are names."""
    row = only(read_file(a_workbook(HEADS, (LIN[0], told, *LIN[2:])), KNOWN))
    assert meant == row.name
    assert meant == only(read_file(",".join(HEADS).encode() + f"\nFJ1,{told},民警,{STATION},2026-3-1".encode())).name


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2026/3/1", "2026-03-01"), ("2026.3.1", "2026-03-01"), ("2026年3月1日", "2026-03-01"),
        ("２０２６年３月１日", "2026-03-01"), ("20260301", "2026-03-01"), ("2026-03-01", "2026-03-01"),
        ("2026 年 3 月 1 日", "2026-03-01"), ("2026-03-01 00:00:00", "2026-03-01"), (dt.date(2026, 3, 1), "2026-03-01"),
        ("3月1日", None), ("2026年3月", None), ("26/3/1", None), ("2026/13/1", None), (46082, None), ("昨天", None),
    ],
)  # fmt: skip
def test_a_date_is_read_as_people_write_it(told: Any, meant: str | None) -> None:
    """And refused where a day, a month or a year is missing: nothing is guessed."""
    content = a_workbook(HEADS, (*LIN[:4], told))
    if meant is None:
        assert ["入职日期"] == [fault.column for fault in faults_of(content)]
    else:
        assert meant == str(only(read_file(content, KNOWN)).valid_from)


def test_every_kind_of_record_has_a_sheet_of_its_own() -> None:
    """With the headings that fit it, an organ by its name, and every kind in Chinese or as its code."""
    book = Workbook()
    book.remove(book.active)
    told = {
        "说明": [["警号", "姓名"], ["这里", "不读"]],
        "机构": [["代码", "名称", "上级单位"], ["330102990000", "新设派出所", "城关派出所"]],
        "人员": [HEADS, *[(f"X{number}", "某某", kind, "新设派出所", "2026/3/1") for number, kind in enumerate(
            ("民警", "勤务辅警", "文职辅警", "职员", "采集工作站", "officer", "duty_auxiliary 勤务辅警"))]],
        "职务": [["警号", "职务", "单位", "任职日期"], *[("X0", role, STATION, "2026/3/1") for role in (
            "单位负责人", "警务保障", "督察", "系统管理")]],
        "资质": [["警号", "资质", "取得日期", "有效期至"], *[("X1", kind, "2026/3/1", "2027/3/1") for kind in (
            "岗前培训", "yearly_training", "accident_insurance 人身意外伤害保险", "medicine")]],
        "设备": [["序列号", "名称", "类型", "单位"], ["HH-1", "手持终端一号", "手持终端", "城关派出所"],
               ["HH-2", "台式机", "办公电脑", STATION]],
    }  # fmt: skip
    for tab, rows in told.items():
        sheet = book.create_sheet(tab)
        for row in rows:
            sheet.append(list(row))
    rows_read = read_file(written(book), KNOWN).rows()
    assert ["organ"] + ["person"] * 7 + ["role"] * 4 + ["qualification"] * 4 + ["device"] * 2 == [
        row.record for row in rows_read
    ]
    assert [
        "", "officer", "duty_auxiliary", "civilian_auxiliary", "staff", "dock", "officer", "duty_auxiliary",
        "commander", "treasurer", "inspector", "administrator", "pre_job_training", "yearly_training",
        "accident_insurance", "medicine", "handheld", "desk",
    ] == [row.kind for row in rows_read]  # fmt: skip
    assert {"330102990000"} == {row.organ for row in rows_read if row.record == "person"}
    assert STATION == rows_read[0].organ


@pytest.mark.parametrize(
    ("tab", "record"),
    [
        ("本单位辅警花名册", "person"), ("人员角色", "role"), ("下级单位", "organ"), ("机构", "organ"),
        ("职务", "role"), ("资质与培训", "qualification"), ("设备台账", "device"),
        ("device", "device"), ("Sheet1", None),
    ],
)  # fmt: skip
def test_a_tab_tells_its_kind_of_record_by_its_last_word(tab: str, record: str | None) -> None:
    """The last noun says what a Chinese title is about; the words of another house are taken too."""
    assert record == record_of(tab)


def test_the_words_of_a_roster_are_those_of_the_wire() -> None:
    """Each code has a Chinese word, and no word stands for a code that nobody takes."""
    duties = get_args(get_args(DutyType)[0])
    for known, codes in ((ROLES, RoleKind), (DEVICES, DeviceKind)):
        assert set(get_args(codes)) == set(known)
    assert {*BUILT_IN_PARTS, *law().kinds} == set(kinds())
    assert set(duties) == set(plan_files.DUTIES)


def test_all_faults_are_told_at_once_with_sheet_line_and_column() -> None:
    """Also several of one line; an unknown qualification is one of them; nothing of the file is a row."""
    book = Workbook()
    people, papers = book.active, book.create_sheet("资质")
    people.title = "人员"
    people.append(HEADS)
    people.append(["FJ 1", "", "临时工", "无此所", "春天", "2026/3/1"])
    people.append(LIN)
    people.append(LIN)
    people.append(["3.30102E+11", "甲", "民警", "城关派出所", "2026/3/1", "2026/2/1"])
    papers.append(["警号", "资质", "取得日期"])
    papers.append(["FJ1001", "juggling", "2026/3/1"])
    faults = faults_of(written(book))
    places = [(fault.sheet, fault.line, fault.column) for fault in faults]
    assert [("人员", 2, column) for column in HEADS[:5]] == places[:5]
    assert [("人员", 4, "警号"), ("人员", 5, "警号"), ("人员", 5, "离职日期"), ("资质", 2, "资质")] == places[5:]
    assert "first_aid" in faults[-1].reason
    console = Console(file=io.StringIO(), width=80)
    console.print(fault_table(faults))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) >= len(faults) + 1
    assert all("…" not in line for line in lines)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), ".xls"), (b"PK\x03\x04 broken", "saved|save it"),
        (b"\xff\xff\xff", "GB18030"), (b"", "nothing"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_one_sentence(content: bytes, word: str) -> None:
    """Old or encrypted, broken, no text, or nothing at all."""
    with pytest.raises((UnreadableFile, FaultyFile), match=word):
        read_file(content).rows()


def test_a_workbook_that_defines_entities_or_unpacks_without_end_is_refused() -> None:
    """Neither is what Excel saves; both would fill the memory of the server."""
    good = a_wps_workbook(f'<row r="1">{inline("a")}</row>')
    bomb = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("xl/media/zeros.xml", bytes(sheets.SIZE + 1))
    with zipfile.ZipFile(io.BytesIO(good)) as old:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                text = old.read(name)
                if name == "xl/sharedStrings.xml":
                    text = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>' + text.partition(b"\n")[2]
                new.writestr(name, text)
    for content in (bomb.getvalue(), out.getvalue()):
        with pytest.raises(UnreadableFile, match="too large"):
            sheets.read(content)


def test_what_is_written_stays_text() -> None:
    """A cell that begins as a formula is its signs, long digits keep every one, numbers and dates can be computed."""
    rows = [['=HYPERLINK("x")', "+1", "-1", "@a", "00012345678901234567", 1.5, dt.date(2026, 3, 1), None, "a\x01b"]]
    book = load_workbook(io.BytesIO(sheets.xlsx("名册/一", list("abcdefghi"), rows)))
    cells = next(iter(book.active.iter_rows(min_row=2)))
    assert ["s"] * 5 + ["n", "d"] == [cell.data_type for cell in cells[:7]]
    assert rows[0][:6] == [cell.value for cell in cells[:6]]
    assert all(cell.quotePrefix and cell.number_format == "@" for cell in cells[:5])
    assert ("名册 一", "a\ufffdb") == (book.active.title, cells[8].value)


def test_the_template_of_a_roster_offers_what_it_takes_and_can_be_imported() -> None:
    """Drop-downs for kinds, roles, qualifications, devices, organs; a sheet that explains; known organs are in it."""
    content = templates.roster(KNOWN, {STATION: None, "330102020000": STATION})
    book = load_workbook(io.BytesIO(content))
    assert ["说明", "选项", "单位", "人员", "角色", "资质", "设备"] == book.sheetnames
    assert "hidden" == book["选项"].sheet_state
    offered = {str(cell.value) for row in book["选项"].iter_rows() for cell in row if cell.value}
    assert {"勤务辅警", "文职辅警", "民警", "督察", "pre_job_training 岗前培训", f"{STATION} 城关派出所"} <= offered
    assert {tab: len(book[tab].data_validations.dataValidation) for tab in book.sheetnames[2:]} == {
        "单位": 1, "人员": 2, "角色": 2, "资质": 1, "设备": 2,
    }  # fmt: skip
    assert [("organ", STATION, ""), ("organ", "330102020000", STATION)] == [
        (row.record, row.code, row.organ) for row in read_file(content).rows()
    ]
    for row in (["FJ1", "甲", "勤务辅警", f"{STATION} 城关派出所", "2026/3/1"],):
        for column, text in enumerate(row, 1):
            book["人员"].cell(2, column, text)
    assert "FJ1" == read_file(written(book)).rows()[-1].code


def a_plan(*rows: Sequence[Any], posts: Sequence[Sequence[Any]] = (), tab: str = "2026年3月") -> bytes:
    """A month as a grid: a title, days across, people down, and what the codes mean."""
    book = Workbook()
    grid = book.active
    grid.title = tab
    grid.append(["城关派出所勤务安排"])
    grid.merge_cells("A1:AG1")
    for row in rows:
        grid.append(list(row))
    sheet = book.create_sheet("岗位")
    for row in [*templates.PLAN_POSTS, *posts]:
        sheet.append(list(row))
    return written(book)


DAYS = ["警号", "姓名", *range(1, 32)]


def test_a_month_is_planned_as_a_grid() -> None:
    """Codes of posts in the cells, two of them on one day, a night that ends on the next, and days off."""
    content = a_plan(DAYS, ["", "", *"日一二三四五六"], ["FJ1", "甲", "早", "夜", "休", "早、午", None, "假"],
                     posts=[("午", "北门", "值守", dt.time(16), "24:00", "P1")])  # fmt: skip
    lines = plan_files.read_file(content).rows()
    assert [
        ("南门", "post", "2026-03-01T08:00:00+08:00", "2026-03-01T16:00:00+08:00", ""),
        ("夜间巡逻", "patrol", "2026-03-02T20:00:00+08:00", "2026-03-03T08:00:00+08:00", ""),
        ("南门", "post", "2026-03-04T08:00:00+08:00", "2026-03-04T16:00:00+08:00", ""),
        ("北门", "post", "2026-03-04T16:00:00+08:00", "2026-03-05T00:00:00+08:00", "P1"),
    ] == [
        (plan.post, plan.duty_type, plan.starts_at.isoformat(), plan.ends_at.isoformat(), line.officer)
        for line in lines for plan in [line.planned]
    ]  # fmt: skip
    assert {"FJ1"} == {line.badge for line in lines}


def test_the_month_of_a_grid_comes_from_its_dates_too() -> None:
    """Dates above the days; a form with 31 columns is used in February too; without a month nothing is planned."""
    dates = ["警号", "姓名", *(dt.date(2026, 4, day) for day in range(1, 11))]
    (line,) = plan_files.read_file(a_plan(dates, ["FJ1", "甲", "早"], tab="排班")).rows()
    assert "2026-04-01" == str(line.planned.starts_at.date())
    (line,) = plan_files.read_file(a_plan(DAYS, ["FJ1", "甲", "早"], tab="排班"), month="2026-02").rows()
    assert "2026-02-01" == str(line.planned.starts_at.date())
    with pytest.raises(FaultyFile, match="nothing"):
        plan_files.read_file(a_plan(DAYS, ["FJ1", "甲", "早"], tab="排班")).rows()


def test_every_fault_of_a_grid_has_its_day() -> None:
    """An unknown code, a day that the month does not have, a line without a badge, a post that cannot be."""
    content = a_plan(DAYS, ["FJ1", "甲", "早", "Q"], ["FJ2", "乙", *[None] * 28, "早"], ["", "丙", "早"],
                     posts=[("坏", "南门", "摸鱼", "8点", "16:00")], tab="2026年2月")  # fmt: skip
    with pytest.raises(FaultyFile) as raised:
        plan_files.read_file(content).rows()
    assert [("岗位", 4, "开始"), ("2026年2月", 3, "2"), ("2026年2月", 4, "29"), ("2026年2月", 5, "1")] == [
        (fault.sheet, fault.line, fault.column) for fault in raised.value.faults
    ]


def test_a_plan_of_lines_is_read_from_a_workbook_in_chinese() -> None:
    """Times without an offset are those of Beijing."""
    content = a_workbook(
        ["警号", "岗位", "带班民警", "勤务类型", "开始时间", "结束时间"],
        ["FJ1", "南门", "", "值守", dt.datetime(2026, 3, 1, 8), "2026/03/01 16:00"], tab="排班",
    )  # fmt: skip
    (line,) = plan_files.read_file(content).rows()
    assert ("post", "2026-03-01T08:00:00+08:00") == (line.planned.duty_type, line.planned.starts_at.isoformat())


def test_the_template_of_a_plan_can_be_filled_in() -> None:
    """The month, its people and its posts are in it; one code planned is one shift."""
    book = load_workbook(io.BytesIO(templates.plan("2026-02", [("FJ1", "甲"), ("FJ2", "乙")])))
    assert ["说明", "选项", "排班", "岗位"] == book.sheetnames
    grid = book["排班"]
    assert ["FJ1", "甲"] == [grid.cell(4, column).value for column in (1, 2)]
    grid.cell(5, 3).value = "夜"
    (line,) = plan_files.read_file(written(book)).rows()
    assert ("FJ2", "2026-02-01T20:00:00+08:00") == (line.badge, line.planned.starts_at.isoformat())


def test_our_own_columns_take_no_strange_one() -> None:
    """A misspelt `until` would keep somebody in service for ever."""
    text = "record,code,name,kind,organ,from,untill\nperson,FJ1,甲,officer,330102010000,2026-03-01,2026-04-01\n"
    with pytest.raises(FaultyFile) as raised:
        read(text)
    assert [(1, "untill")] == [(fault.line, fault.column) for fault in raised.value.faults]
