"""Reads a plan of duty from a file: a line for each shift, or a month as a grid as station chiefs draw it.

The grid (.xlsx): people down, days across, codes of posts in the cells, several apart by 、 or /; a sheet 岗位 says
what each code means: post, kind of duty, times, and perhaps the leading officer and the place. The month stands in a
title, in the tab of the sheet or in the dates above the days. 休, 假 and the like plan nothing.
Lines (.xlsx or CSV): the columns of COLUMNS, in English or in Chinese. Times of a workbook are those of Beijing.

Guarantees: each fault has its sheet, line and column.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import msgspec

from backend.core import sheets
from backend.core.columns import (
    CellFault,
    Fault,
    Filled,
    ReadFile,
    SheetLine,
    heading,
    named,
    no_sheet,
    plain,
    table_of,
)
from backend.core.days import CHINA
from backend.core.refusals import Refusal
from backend.core.sheets import Grid
from backend.core.wire import Place
from backend.law.catalogue import law
from backend.people.roster_words import BADGE_HEADS, EXPLAINING, Words, chosen
from backend.rosters.schemas import Planned
from storage.language import by_locale, language

COLUMNS = ["badge", "post", "officer", "duty_type", "starts_at", "ends_at", "lat", "lon", "datum", "radius_m"]
NEEDED = COLUMNS[:6]
DUTIES: Words = {
    "patrol": ("巡逻",), "post": ("值守",), "window": ("窗口",), "watch": ("值班",), "standby": ("备勤",),
    "event": ("活动安保", "安保"),
}  # fmt: skip
ABOUT_A_POST = {
    "post": ("岗位", "岗位名称"), "officer": ("带班民警", "带班", "带班民警警号"),
    "duty_type": ("勤务类型", "勤务", "类型"),
    "lat": ("纬度",), "lon": ("经度",), "datum": ("坐标系",), "radius_m": ("半径", "半径米"),
}  # fmt: skip
HEADINGS = {"badge": BADGE_HEADS, "starts_at": ("开始时间", "开始"), "ends_at": ("结束时间", "结束")} | ABOUT_A_POST
POST_HEADINGS = {
    "code": ("代码", "岗位代码", "班次"),
    "starts": ("开始", "开始时间"),
    "ends": ("结束", "结束时间"),
} | ABOUT_A_POST
POSTS = {"岗位", "岗位代码", "班次", "班次说明", "posts"}  # tabs of the sheet of posts
OFF = {
    "休", "假", "班休", "轮休", "公休", "调休", "补休", "年假", "年休", "病假", "事假", "产假", "婚假", "丧假", "-",
    "—", "―", "×", "x", "X",
}  # fmt: skip
MONTH = re.compile(r"(2\d{3})\s*[-年/.]\s*(\d{1,2})(?!\d)")
DAY = re.compile(r"(\d{1,2})[日号]?")
WEEKDAY = re.compile(r"(星期|周)?[一二三四五六日天]")
CLOCK = re.compile(r"(次日|翌日|第二天)?(\d{1,2})[::时](\d{2})?分?(:00)?")
IN_A_CELL = ("post", "officer", "starts_at")  # columns of COLUMNS that a cell of a grid stands for
LEAST_DAYS = 5  # a heading with so many days is that of a grid
TAKES = {  # what a column takes, in Chinese and in English
    "post": ("1 至 120 个字", "1 to 120 characters"),
    "duty_type": (
        f"以下之一：{'、'.join(f'{words[0]}（{code}）' for code, words in DUTIES.items())}",
        f"one of {', '.join(DUTIES)}",
    ),
    "lat": ("-90 至 90 度", "degrees from -90 to 90"),
    "lon": ("-180 至 180 度", "degrees from -180 to 180"),
    "datum": ("WGS84 或 GCJ02", "WGS84 or GCJ02"),
    "radius_m": ("1 至 20000 的整数，单位米", "a whole number of metres from 1 to 20000"),
}
PLANS = UUID("b2b5d0f4-8f0c-5a5b-9d0a-6d7b7a1c5f23")  # namespace of imported shifts: uuid5 of badge, post, times


class PlanLine(msgspec.Struct, frozen=True, kw_only=True):
    """One valid line of the file. `planned` does not have the person and the officer yet: they are found by badge."""

    line: SheetLine
    badge: str
    officer: str
    planned: Planned


class PlanFile(ReadFile[PlanLine], frozen=True, kw_only=True):
    """What a plan says. `torn`: the badge of each line that has a fault."""

    torn: Sequence[tuple[SheetLine, str]] = ()


Posts = Mapping[str, Mapping[str, str] | None]  # what each code means; None: its line has a fault


class Month(NamedTuple):
    """A grid: which line has the headings, where the badge stands, and the day of each column."""

    sheet: Grid
    at: int
    badge: int
    days: dict[int, date]


def read_file(content: bytes, month: str | None = None) -> PlanFile:
    """The lines of a plan in a workbook or CSV. `month`: 2026-03, where the grid does not say it.

    Raises UnreadableFile.
    """
    grids = sheets.read(content)
    faults: list[Fault] = [] if grids else [no_sheet()]
    posts = _posts([grid for grid in grids if grid.name in POSTS], faults)
    lines, torn = list[PlanLine](), list[tuple[SheetLine, str]]()
    for grid in grids:
        if grid.name in POSTS | EXPLAINING:
            continue
        drawn = _month(grid, month, faults)
        if drawn is None:
            lines += _flat(grid, faults, torn)
        elif drawn.days:
            lines += _drawn(drawn, posts, faults, torn)
    names = sorted((grid.name for grid in grids), key=lambda name: name not in POSTS)  # what codes mean comes first
    return PlanFile(good=lines, torn=torn, faults=faults, sheets=tuple(names) or ("",))


def _flat(grid: Grid, faults: list[Fault], torn: list[tuple[SheetLine, str]]) -> list[PlanLine]:
    """The lines of a sheet with a shift in each."""
    table = table_of(grid, HEADINGS, faults)
    if table is None:
        return []
    strange = table.ignored if "badge" in table.headings.values() else []  # our own names: a mistake
    missing = [column for column in NEEDED if column not in table.headings and column != "officer"]
    if strange or missing:
        zh, en = f"表头应为{'、'.join(map(word, COLUMNS))}", f"the headings must be {','.join(COLUMNS)}"
        faults += [table.at.fault(by_locale(word(each), each), zh, en) for each in (*missing, *strange)]
        return []
    lines = []
    for filled in table.lines:
        try:
            lines.append(_line(filled.line, dict.fromkeys(COLUMNS, "") | filled.cells))
        except CellFault as wrong:
            faults.append(wrong.at(filled.line))
            torn.append((filled.line, plain(filled.cells["badge"])))
    return lines


def word(column: str) -> str:
    """What a column is called in Chinese."""
    return HEADINGS[column][0] if column in HEADINGS else column


def _posts(grids: Sequence[Grid], faults: list[Fault]) -> Posts | None:
    """What each code means: the cells of its line; None, with a fault, where that cannot be read."""
    posts: dict[str, Mapping[str, str] | None] = {}
    for grid in grids:
        table = table_of(grid, POST_HEADINGS, faults)
        if table is None:
            return None
        for filled in table.lines:
            code = plain(filled.cells.get("code", ""))
            try:
                _check_new(code, posts)
                posts[code] = None
                posts[code] = _post(filled)
            except CellFault as wrong:
                faults.append(wrong.at(filled.line))
    return posts


def _check_new(code: str, posts: Posts) -> None:
    """Raises CellFault."""
    if not code or code in posts or code in OFF:
        raise CellFault("code", f"代码 {code} 为空、重复或表示不上班", f"code {code} is empty, twice or means no duty")


def _post(filled: Filled) -> dict[str, str]:
    """The cells of a post, checked as if it were planned on some day."""
    cells = dict.fromkeys(COLUMNS, "") | {name: text for name, text in filled.cells.items() if name != "code"}
    _line(filled.line, _on(cells, date(2026, 1, 1)) | {"badge": "X"})
    return cells


def _on(post: Mapping[str, str], day: date) -> dict[str, str]:
    """The cells of a shift at this post that begins on this day; at night it ends on the next."""
    starts, ends = _clock(post.get("starts", ""), "starts"), _clock(post.get("ends", ""), "ends")
    begin = datetime(day.year, day.month, day.day, tzinfo=CHINA)
    over = timedelta(days=1) if ends <= starts else timedelta()
    cells = {column: post.get(column, "") for column in COLUMNS}
    return cells | {"starts_at": (begin + starts).isoformat(), "ends_at": (begin + ends + over).isoformat()}


def _clock(text: str, column: str) -> timedelta:
    told = CLOCK.fullmatch(plain(text).replace(" ", ""))
    hours, minutes = (int(told[2]), int(told[3] or 0)) if told else (99, 0)
    if hours > 24 or minutes > 59 or (hours == 24 and minutes):
        raise CellFault(column, "须为 08:00 这样的时间", "must be a time like 08:00")
    return timedelta(hours=hours, minutes=minutes)


def _month(grid: Grid, month: str | None, faults: list[Fault]) -> Month | None:
    """The grid of this sheet; None: it is none. Without days, and with a fault, where no month is told."""
    for at, line in enumerate(grid.lines[:10]):
        heads = [heading(cell) for cell in line.cells]
        badge = next((number for number, text in enumerate(heads) if text in ("badge", *BADGE_HEADS)), None)
        days = {number: text for number, text in enumerate(heads) if DAY.fullmatch(text) or _iso(text)}
        if badge is None or len(days) < LEAST_DAYS:
            continue
        told = MONTH.search(
            " ".join([month or "", grid.name, *(cell for each in grid.lines[:at] for cell in each.cells)])
        )
        try:
            return Month(grid, at, badge, {number: _date(text, told) for number, text in days.items()})
        except ValueError:
            faults.append(_no_month(SheetLine(line.number, grid.name), is_told=told is not None))
            return Month(grid, at, badge, {})
    return None


def _no_month(line: SheetLine, *, is_told: bool) -> Fault:
    if is_told:
        return line.fault("", "日期不在该月内", "a day is not in the month")
    zh = "未写明月份：请在标题中写 2026年3月，或用 --month 2026-03"
    return line.fault("", zh, "no month is told: write 2026-03 above, or use --month 2026-03")


def _iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _date(text: str, told: re.Match[str] | None) -> date:
    """The day of a heading; date.min for 29 to 31 of a shorter month. Raises ValueError where it is no day."""
    whole = _iso(text)
    if whole is not None:
        return whole
    if told is None:
        raise ValueError(text)
    year, month, day = int(told[1]), int(told[2]), int(DAY.fullmatch(text)[1])  # type: ignore[index]
    if 28 < day < 32 and (date(year, month, 28) + timedelta(days=day - 28)).month != month:
        return date.min  # a form with 31 columns is used all year
    return date(year, month, day)


def _drawn(
    month: Month, posts: Posts | None, faults: list[Fault], torn: list[tuple[SheetLine, str]]
) -> list[PlanLine]:  # fmt: skip
    """The shifts of a grid."""
    heads = month.sheet.lines[month.at].cells
    lines: list[PlanLine] = []
    for line in month.sheet.lines[month.at + 1 :]:
        filled = {
            number: text for number in month.days if number < len(line.cells) and (text := plain(line.cells[number]))
        }
        badge = plain(line.cells[month.badge]) if month.badge < len(line.cells) else ""
        if line.is_note or not filled or (not badge and all(WEEKDAY.fullmatch(text) for text in filled.values())):
            continue
        for number, text in filled.items():
            there = {"badge": heads[month.badge]} | dict.fromkeys(IN_A_CELL, heads[number])
            place = SheetLine(line.number, month.sheet.name, there)
            try:
                lines += _cell(place, badge, text, month.days[number], posts)
            except CellFault as wrong:
                faults.append(wrong.at(place))
                torn.append((place, badge))
    return lines


def _cell(line: SheetLine, badge: str, text: str, day: date, posts: Posts | None) -> list[PlanLine]:
    """The shifts of one person on one day, but for posts with a fault. Raises CellFault."""
    codes = [code for code in re.split(r"[、,;/+\s]+", text) if code and code not in OFF]
    if posts is None:
        return []
    unknown = [code for code in codes if code not in posts]
    if unknown:
        known = "、".join(posts)
        raise CellFault(
            "post", f"{unknown[0]} 不在“岗位”表中：{known}", f"{unknown[0]} is not in the sheet of posts: {known}"
        )
    if codes and (not badge or day == date.min):
        raise CellFault("post", "缺少警号，或该月没有这一天", "the badge is missing, or the month has no such day")
    meant = [posts[code] for code in codes]
    return [_line(line, _on(post, day) | {"badge": badge}) for post in meant if post is not None]


def require_span(starts_at: datetime, ends_at: datetime) -> None:
    """Raises Refusal `time_out_of_range`, `end_before_start`."""
    if not (2000 <= starts_at.year < 9000 and 2000 <= ends_at.year < 9000):
        raise Refusal("time_out_of_range")
    if ends_at <= starts_at:
        raise Refusal("end_before_start")


def require_valid(planned: Planned) -> None:
    """Raises Refusal `time_out_of_range`, `end_before_start`, `post_without_radius`."""
    require_span(planned.starts_at, planned.ends_at)
    if (planned.place is None) != (planned.radius_m is None):
        raise Refusal("post_without_radius")


def _line(line: SheetLine, cells: Mapping[str, str]) -> PlanLine:
    """One line of the file, from its cells by column. Raises CellFault."""
    cells = {column: named(text) if column == "post" else plain(text) for column, text in cells.items()}
    times = {column: _moment(cells[column], column, local=bool(line.sheet)) for column in ("starts_at", "ends_at")}
    duty = chosen(DUTIES, cells["duty_type"]) or cells["duty_type"]
    fields: dict[str, Any] = {"post": cells["post"], "duty_type": duty, **times, **_placed(cells)}
    try:
        name = uuid5(PLANS, "/".join((cells["badge"], cells["post"], cells["starts_at"], cells["ends_at"])))
        planned = msgspec.convert({"id": name, "person": name, **fields}, Planned)
        require_valid(planned)
    except Refusal as refusal:
        raise CellFault("ends_at", *[law().messages[refusal.code].sentence(language())] * 2) from None
    except ValueError as error:
        raise _fault(str(error)) from None
    return PlanLine(line=line, badge=cells["badge"], officer=cells["officer"], planned=planned)


def _placed(cells: Mapping[str, str]) -> dict[str, Any]:
    """The place of the post and its radius, where they are given. Raises CellFault."""
    told = [cells[column] for column in ("lat", "lon", "datum", "radius_m")]
    if not any(told):
        return {}
    if not all(told):
        raise CellFault(
            "radius_m", "纬度、经度、坐标系与半径须同时填写或都不填",
            "lat, lon, datum and radius_m go together, or stay empty",
        )  # fmt: skip
    try:
        place = {"lat": float(told[0]), "lon": float(told[1]), "accuracy_m": 0.0, "datum": told[2]}
        return {"place": msgspec.convert(place, Place), "radius_m": int(told[3])}
    except ValueError as error:
        raise _fault(str(error)) from None


def _fault(error: str) -> CellFault:
    """Which column does not hold what it takes; `error` is msgspec's, or that of a number that is none."""
    path = re.search(r"\$\.(?:place\.)?(\w+)", error)
    if path is None:
        return CellFault("lat", "纬度、经度与半径须为数字", "lat, lon and radius_m must be numbers")
    zh, en = TAKES[path[1]]
    return CellFault(path[1], f"{word(path[1])}须为{zh}", f"{path[1]} must be {en}")


def _moment(text: str, column: str, *, local: bool) -> datetime:
    """A time with its offset; `local`: without one it is Beijing's. Raises CellFault."""
    try:
        moment = datetime.fromisoformat(text.replace("/", "-") if local else text)
        if moment.tzinfo is None and not local:
            raise ValueError(text)
    except ValueError:
        example = "2026-03-01T08:00:00+08:00"
        raise CellFault(
            column, f"{word(column)}须为 {example} 这样的时间", f"{column} must be a time like {example}"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=CHINA)
