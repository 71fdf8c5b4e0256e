"""Every list comes as a workbook too: the same rows, Chinese headings, the organ's name beside its code."""

import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, get_args, get_origin

import pytest
from litestar import Litestar
from openpyxl import load_workbook

from backend.core.database import execute, value
from backend.core.days import in_china
from backend.core.paging import Page
from backend.people import roster
from mobile_api.app import assemble
from mobile_api.listing import XLSX, columns_of
from mobile_api.openapi import answer_of, contract, handlers_of
from tests import every_verb
from tests.builders import (
    CITY,
    DISTRICT,
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    an_administrator_of,
    organ_row,
    refused,
    somebody,
)

CHINESE_OR_OUR_OWN = {"SHA-256"}


def lists() -> Iterator[tuple[str, Any]]:
    """The path of every route that answers a Page, and the struct of its rows."""
    for handler in handlers_of(assemble([])):
        answer = answer_of(handler)
        if get_origin(answer) is Page:
            (path,) = handler.paths
            yield path.replace(":uuid}", "}"), get_args(answer)[0]


LISTS = dict(lists())
WITH_STATUS = {"/assistance", "/complaints", "/injuries", "/items", "/recusals", "/reviews"}  # open ones, unless asked


async def pages(who: Someone, path: str, **query: Any) -> list[dict[str, Any]]:
    rows, more = list[dict[str, Any]](), dict[str, Any]()
    while True:
        answer = await who.get(f"/v1{path}", limit=100, **query, **more)
        assert 200 == answer.status_code, answer.text
        rows += answer.json()["items"]
        if answer.json()["next"] is None:
            return rows
        more = {"cursor": answer.json()["next"]}


async def workbook(who: Someone, path: str, *, english: bool = False, **query: Any) -> list[list[Any]]:
    answer = await who.get(f"/v1{path}", english=english, format="xlsx", **query)
    assert (200, XLSX) == (answer.status_code, answer.headers["content-type"]), answer.text
    assert "no-store" == answer.headers["cache-control"]
    assert answer.headers["content-disposition"].endswith(".xlsx")
    (sheet,) = load_workbook(io.BytesIO(answer.content)).worksheets
    assert (True, "landscape", "$1:$1") == (
        sheet.sheet_properties.pageSetUpPr.fitToPage, sheet.page_setup.orientation, sheet.print_title_rows
    )  # fmt: skip
    return [list(row) for row in sheet.iter_rows(values_only=True)]


@pytest.mark.parametrize("path", LISTS)
def test_every_field_has_a_heading_in_chinese(path: str) -> None:
    """A new field needs a word in mobile_api/sheet_words.py, and no two columns have the same one."""
    headings = [column.zh for column in columns_of(LISTS[path])]
    assert [] == [zh for zh in headings if zh.isascii() and zh not in CHINESE_OR_OUR_OWN]
    assert sorted(set(headings)) == sorted(headings)


async def test_every_list_says_so_in_the_contract(app: Litestar) -> None:
    """Each has the parameter, and the media type of a workbook beside JSON."""
    document = contract(app)["paths"]
    for path in LISTS:
        operation = document[f"/v1{path}"]["get"]
        (given,) = [each for each in operation["parameters"] if each["name"] == "format"]
        assert ["json", "xlsx"] == given["schema"]["enum"]
        assert {"application/json", XLSX} == set(operation["responses"]["200"]["content"])


async def test_a_workbook_has_the_rows_of_the_pages(app: Litestar) -> None:
    """For every list, of everything that there is: row by row the same ids, times and words."""
    await every_verb.answers(app)
    roles = [(role, CITY) for role in ("commander", "inspector", "administrator", "treasurer")]
    chief = await somebody(app, "officer", CITY, roles=roles)
    recording = await value("SELECT recording FROM review LIMIT 1")
    filled = set()
    for path in LISTS:
        address = path.replace("{recording}", str(recording))
        query = {"status": "all"} if path in WITH_STATUS else {}
        rows, (headings, *lines) = await pages(chief, address, **query), await workbook(chief, address, **query)
        columns = columns_of(LISTS[path])
        assert [column.zh for column in columns] == headings
        assert len(rows) == len(lines), path
        for row, line in zip(rows, lines, strict=True):
            for column, cell in zip(columns, line, strict=True):
                assert_same(path, row, column, cell)
        filled |= {path} if rows else set()
    assert {"/people", "/organs", "/devices", "/shifts", "/recordings", "/findings", "/items", "/complaints"} <= filled


def assert_same(path: str, row: dict[str, Any], column: Any, cell: Any) -> None:
    """The cell holds what the field of the row says."""
    told: Any = row
    for field in column.path:
        told = told and told.get(field)  # what is absent has its default
    if column.is_name:
        assert (cell is None) == (told is None), path
    elif told in (None, [], "") or isinstance(told, list | dict):
        assert (cell is None) == (not told and not isinstance(told, dict)), (path, column, cell)
    elif isinstance(told, bool):
        assert cell == ("是" if told else "否")
    elif isinstance(cell, datetime):
        at = datetime.fromisoformat(told)  # a moment, or a day
        at = at if at.tzinfo is None else in_china(at).replace(tzinfo=None)
        assert abs(at - cell) <= timedelta(seconds=1), (path, column)
    elif isinstance(told, float):
        assert cell == pytest.approx(told, rel=1e-14, abs=0)  # a workbook keeps sixteen digits
    else:
        lines = "\n".join(re.split("\r\n?|\n", told)) if isinstance(told, str) else told  # XML has one line end
        assert column.words.get(lines, lines) == cell, (path, column)


async def test_a_name_of_an_organ_stands_beside_its_code(app: Litestar) -> None:
    """Codes stay text, with every digit; kinds are in Chinese, times those of Beijing."""
    sun, lin = await a_commander_of(app, STATION), await a_duty_auxiliary(app)
    await lin.check_in()
    headings, *lines = await workbook(sun, "/shifts")
    row = dict(zip(headings, next(line for line in lines if lin.badge in line), strict=True))
    assert (STATION, "城关派出所") == (row["单位代码"], row["单位名称"])
    assert isinstance(row["开始时间"], datetime)
    people, *found = await workbook(sun, "/people", q=lin.badge)
    (person,) = [dict(zip(people, line, strict=True)) for line in found]
    assert ("勤务辅警", "林小川", "是") == (person["类型"], person["姓名"], person["在岗"])


async def test_text_stays_text(app: Litestar) -> None:
    """A name that looks like a formula is a name."""
    sun, formula = await a_commander_of(app, STATION), '=HYPERLINK("http://x")'
    who = await somebody(app, "duty_auxiliary", STATION, formula)
    answer = await sun.get("/v1/people", format="xlsx", q=who.badge)
    (sheet,) = load_workbook(io.BytesIO(answer.content)).worksheets
    (cell,) = [cell for row in sheet.iter_rows(min_row=2) for cell in row if cell.value == formula]
    assert "s" == cell.data_type


async def test_in_english_the_headings_are_the_fields(app: Litestar) -> None:
    """By Accept-Language, as every sentence."""
    headings, *_ = await workbook(await a_commander_of(app, STATION), "/people", english=True)
    assert {"badge", "organ", "organ name", "serves from"} <= set(headings)


async def test_filters_and_rights_are_those_of_the_list(app: Litestar) -> None:
    """Who may not see the list gets no workbook either; another format is refused by name."""
    lin = await a_duty_auxiliary(app)
    refused(await lin.get("/v1/devices", format="xlsx"), 403, "not_for_your_role")
    assert 2 == len(await workbook(lin, "/people"))
    problem = refused(await lin.get("/v1/people", format="pdf"), 422, "invalid")
    assert "?format" == problem["errors"][0]["pointer"]


async def test_a_workbook_that_is_cut_says_so(app: Litestar) -> None:
    """10000 rows, and a last line that tells how to get the others; from the cursor on, the rest."""
    top = "890000000000"
    await roster.bring_in([organ_row(top, "某省公安厅")])
    await execute(
        "INSERT INTO organ (code, name, parent, depth) SELECT '89' || lpad(n::text, 10, '0'), '第' || n || '所', $1, 1 "
        "FROM generate_series(1, 10001) n",
        top,
    )
    admin = await an_administrator_of(app, top)
    _, *lines = await workbook(admin, "/organs")
    assert 10_001 == len(lines)
    assert str(lines[-1][0]).startswith("只列出前 10000 行")
    *_, rest = await workbook(admin, "/organs", cursor=lines[-2][0])
    assert "第10001所" in rest


async def test_an_administrator_exports_the_devices(app: Litestar) -> None:
    """Beside the serial number: the name, the organ by name, and whether it is enrolled."""
    admin = await an_administrator_of(app, DISTRICT)
    headings, *lines = await workbook(admin, "/devices")
    assert {"序列号", "设备名称", "单位名称", "登记时间"} <= set(headings)
    assert lines
