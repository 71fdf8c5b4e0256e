"""Imports a roster from a workbook or CSV: reads the file, and brings the tables in line with it.

A file has five kinds of record, one for each line, in the columns `record,code,name,kind,organ,from,until`:

    organ          code (12 digits), name, organ = its parent
    person         code = badge, name, organ, from, until,
                   kind (officer, duty_auxiliary, civilian_auxiliary, staff, dock)
    role           code = badge, kind (commander, treasurer, inspector, administrator), organ, from, until
    qualification  code = badge, kind = its code, from, until
    device         code = serial, name, kind (handheld, desk, dock), organ

An eighth column `formerly` may follow: of a person, the badge under which they served before, where it was another one.

A docking station is a person of kind dock: `person,DOCK-01,采集工作站,dock,330102010000,2026-01-01,`. It signs in with
a password and brings in footage for the wearers of its organ and those below it.

As HR keeps it, a workbook has a sheet for each kind of record (its tab tells which; without a tab they are persons),
headings and kinds in Chinese, and an organ by its code or its name: roster_words.py has the words.

Guarantees: everything is imported or nothing. Every fault is reported with its sheet, line, column and a reason.
Importing the same file again changes nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

import msgspec

from backend.core import sheets
from backend.core.columns import (
    CellFault,
    Fault,
    FaultyFile,
    Filled,
    SheetLine,
    Table,
    is_printed,
    named,
    plain,
    table_of,
)
from backend.core.database import Record, execute, fetch, first, rows_touched, tx
from backend.core.officers import TODAY
from backend.core.sheets import Grid
from backend.core.stints import CHINA, day_of
from backend.core.stints import Stint as Service
from backend.people import roster_words as words
from backend.people.histories import (
    A_DAY,
    TO_CONFIRM,
    BadgeHeldError,
    Change,
    Histories,
    LookAlike,
    Term,
    Told,
    UnknownBeforeError,
    groups_alike,
    look_alikes,
)
from backend.people.tables import Organ, Stint
from storage.language import SentenceError, by_locale

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
DEEPEST = 12  # levels of organs; the table has the same limit
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


class RosterError(FaultyFile):
    """The roster was not imported. `faults`: everything that is wrong; `lines`: (line, reason) of every bad line."""


class RosterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One valid line."""

    line: int
    record: str
    code: str
    name: str
    kind: str
    organ: str
    valid_from: date | None
    valid_until: date | None
    formerly: str = ""

    @property
    def sheet(self) -> str:
        """The sheet of the workbook; empty for CSV."""
        return getattr(self.line, "sheet", "")


class RosterFile(NamedTuple):
    """What a file says: its rows, and the headings of columns that mean nothing to us."""

    rows: list[RosterRow]
    ignored: list[str]


def read(text: str) -> list[RosterRow]:
    """Read the rows of a roster in CSV. Raises RosterError with every fault."""
    return read_grids([sheets.read_csv(text)]).rows


def read_file(content: bytes, known: Mapping[str, str] | None = None) -> RosterFile:
    """Read a roster as .xlsx, or as CSV in UTF-8 or GB18030. `known`: names of organs by code, beside those it names.

    Raises RosterError with every fault of every sheet, UnreadableFile.
    """
    return read_grids(sheets.read(content), known)


def read_grids(grids: Sequence[Grid], known: Mapping[str, str] | None = None) -> RosterFile:
    """Read a roster from its sheets. Raises RosterError with every fault."""
    faults: list[Fault] = []
    tables = [_sheet(grid, faults) for grid in grids if grid.name not in words.EXPLAINING]
    lines = [(record, table.headings, line) for record, table in tables if table for line in table.lines]
    organs = _organs_by_name(lines, known or {})
    seen: dict[tuple[str, ...], SheetLine] = {}
    rows = []
    for record, heads, line in lines:
        row, wrong = _row(line, record, organs)
        if row is not None and (again := _said_before(row, seen)) is not None:
            row, wrong = None, [again]
        faults += [_placed(line, each, heads) for each in wrong]
        rows += [] if row is None else [row]
    if faults or not grids:
        raise RosterError(faults or [Fault(1, by_locale("没有可见的工作表", "there is no visible sheet"))])
    ignored = [text for _, table in tables if table for text in table.ignored]
    return RosterFile(rows, list(dict.fromkeys(ignored)))


def _sheet(grid: Grid, faults: list[Fault]) -> tuple[str, Table | None]:
    """The kind of record that the tab of a sheet tells, and its table; None, with faults, where a column is missing."""
    record = words.record_of(grid.name) or "person"
    table = table_of(grid, words.headings(record), faults)
    if table is None:
        return record, None
    needed = ["record", "code"] if "record" in table.headings else REQUIRED[record]
    missing = [column for column in needed if column not in table.headings]
    if "record" in table.headings.values():  # our own names: a strange one is a mistake, not a column of HR
        missing_zh = by_locale("不是名册的列", "is no column of a roster")
        faults += [Fault(grid.lines[0].number, missing_zh, column, grid.name) for column in table.ignored]
    for column in missing:
        name = words.headings(record)[column][0]
        reason = by_locale(f"缺少列：{name}", f"a column is missing: {column}")
        faults.append(Fault(grid.lines[0].number, reason, column, grid.name))
    return record, None if missing else table


def _organs_by_name(
    lines: Iterable[tuple[str, Mapping[str, str], Filled]], known: Mapping[str, str]
) -> dict[str, set[str]]:
    """Codes of organs by name: those that are known, and those that the file names."""
    by_name: dict[str, set[str]] = {}
    told = [
        (plain(line.cells["code"]), line.cells.get("name", "")) for record, _, line in lines
        if (words.chosen(words.RECORDS, plain(line.cells.get("record", ""))) or record) == "organ"
    ]  # fmt: skip
    for code, name in [*told, *((code, name) for code, name in known.items() if code not in dict(told))]:
        by_name.setdefault(named(name), set()).add(code)
    return by_name


def _placed(line: Filled, wrong: CellFault, heads: Mapping[str, str]) -> Fault:
    return Fault(line.line, str(wrong), heads.get(wrong.column, wrong.column), line.line.sheet)


def _row(line: Filled, record: str, organs: Mapping[str, set[str]]) -> tuple[RosterRow | None, list[CellFault]]:
    """The row of a line; None with everything that is wrong with it."""
    wrong: list[CellFault] = []

    def cell(column: str, read: Callable[[str], T], empty: T) -> T:
        try:
            return read(line.cells.get(column, ""))
        except CellFault as fault:
            wrong.append(fault)
            return empty

    record = cell("record", lambda text: _record(text, record), "")
    if not record:
        return None, wrong
    code = cell("code", lambda text: _code(text, record), "")
    name = cell("name", lambda text: _name(text, record), "")
    kind = cell("kind", lambda text: _kind(text, record), "")
    organ = cell("organ", lambda text: _organ(text, record, organs), "")
    start = cell("from", lambda text: _day(text, "from", needed=record in WITH_DATES), None)
    end = cell("until", lambda text: _day("" if plain(text) in words.NO_END else text, "until"), None)
    formerly = cell(FORMERLY, lambda text: _formerly(text, record), "")
    if start is not None and end is not None and end < start:
        wrong.append(CellFault("until", "结束日期早于开始日期", "until is before from"))
    if wrong:
        return None, wrong
    row = RosterRow(
        line=line.line, record=record, code=code, name=name, kind=kind, organ=organ, valid_from=start, valid_until=end,
        formerly=formerly,
    )  # fmt: skip
    return row, []


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
        pattern = CODES[record].pattern
        zh = f"{words.RECORDS[record][0]}的编号须符合 {pattern}"
        raise CellFault("code", zh, f"code of a {record} must match {pattern}")
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
        zh = "单位须为 12 位数字代码，或文件与系统中已有单位的名称"
        raise CellFault("organ", zh, "organ must be a code of 12 digits, or the name of an organ in the file or known")
    return next(iter(codes))


def _day(text: str, column: str, *, needed: bool = False) -> date | None:
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
        seen[key] = cast(SheetLine, row.line)
        return None
    where = f"{seen[key].sheet} {seen[key]}".strip()
    zh = f"与第 {where} 行是同一{words.RECORDS[row.record][0]}"
    return CellFault("code", zh, f"says the same {row.record} as line {where}")


async def bring_in(
    rows: Sequence[RosterRow], *, confirmed: bool = False, end_missing: bool = False
) -> dict[str, int]:  # fmt: skip
    """Bring the tables in line with the rows. Returns the number of changes, by kind of record.

    `confirmed`: a person has seen who is renamed, and which badges go to somebody else. `end_missing`: end the service
    and the roles that the rows no longer name, yesterday.
    Raises RosterError with every line that names an unknown organ or person, or a badge that another looks like;
    Unconfirmed.
    """
    async with tx():
        await execute(LOCK)
        depths = await _check_references(rows)
        histories, holders = await _histories(rows)
        missing = await _missing(rows, histories, holders)
        doubtful = [change for change in histories.changes if change.kind in TO_CONFIRM]
        if doubtful and not confirmed:
            raise Unconfirmed(doubtful)
        if end_missing:
            for term in missing.people:
                histories.end(term, _today() - A_DAY)
        changed = dict.fromkeys(CODES, 0)
        for row in sorted((row for row in rows if row.record == "organ"), key=lambda row: depths[row.code]):
            changed["organ"] += rows_touched(await execute(*_put_organ(row, depths)))
        changed["person"] = await write_histories(histories)
        for row in sorted(rows, key=lambda row: list(CODES).index(row.record)):
            if row.record in PUT:
                changed[row.record] += rows_touched(await execute(*PUT[row.record](row, holders)))
        await end_roles(histories)
        if end_missing:
            changed["role"] += rows_touched(await execute(END_GRANTS, [role.id for role in missing.roles]))
        await execute(UPDATE_DEPTHS, list(depths), list(depths.values()))
        return changed


class RoleHeld(msgspec.Struct, frozen=True, kw_only=True):
    """A role that somebody has today."""

    id: UUID
    person: UUID
    badge: str
    name: str
    role: str
    organ: str


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves, and which roles are held, in the organs of a file that no longer names them."""

    people: list[Term]
    roles: list[RoleHeld]


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a file would change in the histories of people, before anything is written.

    `missing`: whom it no longer names. `alike`: badges known before that look alike.
    """

    changes: list[Change]
    missing: Missing
    alike: list[list[str]]

    @property
    def to_confirm(self) -> list[Change]:
        return [change for change in self.changes if change.kind in TO_CONFIRM]


async def preview(rows: Sequence[RosterRow]) -> Preview:
    """What the rows would change. Writes nothing. Raises RosterError as `bring_in` does."""
    await _check_references(rows)
    histories, holders = await _histories(rows)
    missing = await _missing(rows, histories, holders)
    return Preview(changes=list(histories.changes), missing=missing, alike=await known_look_alikes())


async def known_look_alikes() -> list[list[str]]:
    """The badges, in groups, that look alike and are known from before: no file brings in another such."""
    return groups_alike(await Stint.select(Stint.badge).output(as_list=True))


class Unconfirmed(SentenceError):
    """Nothing was imported: a person must see and confirm these changes first."""

    exit_code = 2

    def __init__(self, changes: Sequence[Change]) -> None:
        badges = ", ".join(change.after.badge for change in changes)
        super().__init__(
            f"改名或警号改发他人须先核对并加 --confirm；未导入任何内容：{badges}",
            f"a new name, or a badge given to somebody else, needs --confirm; nothing was imported: {badges}",
        )
        self.changes = list(changes)


async def known_terms() -> list[Term]:
    """All stints of all people."""
    return [Term(**row) for row in await fetch(TERMS)]


async def _histories(rows: Sequence[RosterRow]) -> tuple[Histories, dict[str, UUID]]:
    """What the rows make of the histories, and whom each badge means in this file. Raises RosterError."""
    histories = Histories(await known_terms())
    holders = {badge: _holder_today(histories.of_badge(badge)) for badge in _badges_named(rows, histories)}
    told = [_told(row) for row in rows if row.record == "person"]
    bad = [_alike(each) for each in look_alikes(told, {term.badge for term in histories.known.values()})]
    for one in sorted(told, key=lambda one: one.since):
        try:
            holders[one.badge] = histories.take(one)
        except BadgeHeldError as error:
            who, since = error.holder.name, error.holder.since
            zh, en = f"警号 {one.badge} 自 {since} 起属于 {who}", f"badge {one.badge} is {who}'s from {since} on"
            bad.append((one.line, by_locale(zh, en)))
        except UnknownBeforeError:
            zh = f"此前没有名为 {one.name} 且警号为 {one.formerly} 的人"
            bad.append((one.line, by_locale(zh, f"nobody named {one.name} had the badge {one.formerly} before")))
    if bad:
        raise RosterError(sorted(bad))
    return histories, holders


def _told(row: RosterRow) -> Told:
    return Told(
        line=row.line, badge=row.code, name=row.name, kind=row.kind, organ=row.organ,
        since=row.valid_from or date.min, until=row.valid_until, formerly=row.formerly,
    )  # fmt: skip


def _alike(badge: LookAlike) -> tuple[int, str]:
    """The line and the reason for a badge that another looks like."""
    zh, en = f"警号 {badge.badge} 与 {badge.other} 易混", f"badge {badge.badge} looks like {badge.other}"
    if badge.other_line is None:
        return badge.line, by_locale(f"{zh}（系统中已有）", f"{en}, which is known")
    return badge.line, by_locale(f"{zh}（第 {badge.other_line} 行）", f"{en} of line {badge.other_line}")


async def _missing(rows: Sequence[RosterRow], histories: Histories, holders: dict[str, UUID]) -> Missing:
    """Who serves today and is not named, among the organs and kinds that the file names; and the roles, likewise.

    A file without persons says nothing of persons, and one without roles nothing of roles.
    """
    people = [row for row in rows if row.record == "person"]
    organs, kinds = {row.organ for row in people}, {row.kind for row in people}
    named = {holders[row.code] for row in people}
    roles = [row for row in rows if row.record == "role"]
    told = {(holders[row.code], row.kind, row.organ) for row in roles}
    held = [RoleHeld(**row) for row in await fetch(ROLES_HELD, sorted({row.organ for row in roles}))]
    return Missing(
        people=[
            term for term in histories.serving(_today())
            if term.organ in organs and term.kind in kinds and term.person not in named
        ],
        roles=[role for role in held if (role.person, role.role, role.organ) not in told],
    )  # fmt: skip


def _badges_named(rows: Sequence[RosterRow], histories: Histories) -> set[str]:
    """The badges that rows of roles and qualifications name and somebody has."""
    named = {row.code for row in rows if row.record in ("role", "qualification")}
    return named & {term.badge for term in histories.known.values()}


def _holder_today(terms: Sequence[Term]) -> UUID:
    """Who has the badge today, or nearest to today."""
    today = _today()
    return min(terms, key=lambda term: Service(term.organ, term.kind, term.since, term.until).days_from(today)).person


def _today() -> date:
    return day_of(datetime.now(CHINA))


async def write_histories(histories: Histories, source: str = "import") -> int:
    """Write the stints that changed. `source`: how they came. Returns the number of changes."""
    await execute("SET CONSTRAINTS stint_person_during_excl, stint_badge_during_excl DEFERRED")
    for term in histories.updated():
        await execute(UPDATE_TERM, term.id, term.name, term.kind, term.organ, term.since, term.until)
    for term in histories.inserted():
        await execute("INSERT INTO person (id) VALUES ($1) ON CONFLICT DO NOTHING", term.person)
        await execute(
            INSERT_TERM, term.id, term.person, term.badge, term.name, term.kind, term.organ, term.since, term.until,
            source,
        )  # fmt: skip
    await execute("SET CONSTRAINTS stint_person_during_excl, stint_badge_during_excl IMMEDIATE")
    return len(histories.changes)


async def end_roles(histories: Histories) -> None:
    """No role outlasts the service of its holder: it would come back to life with them."""
    left = histories.left()
    await execute(END_ROLES, list(left), list(left.values()))


# Until the transaction ends, nobody else changes histories.
LOCK = "SELECT pg_advisory_xact_lock(hashtext('fujing roster'))"
TERMS = """
SELECT id, person, badge, name, kind, organ, lower(during) AS since, upper(during) - 1 AS until FROM stint
"""
UPDATE_TERM = """
UPDATE stint SET name = $2, kind = $3, organ = $4, during = daterange($5, $6, '[]') WHERE id = $1
"""
INSERT_TERM = """
INSERT INTO stint (id, person, badge, name, kind, organ, during, source)
VALUES ($1, $2, $3, $4, $5, $6, daterange($7, $8, '[]'), $9)
"""
ROLES_HELD = f"""
SELECT g.id, g.person, p.badge, p.name, g.role, g.organ FROM role_grant g JOIN person_now p ON p.id = g.person
WHERE g.organ = ANY ($1) AND g.valid_from <= {TODAY} AND coalesce(g.valid_until >= {TODAY}, true)
ORDER BY p.badge, g.role, g.organ
"""  # noqa: S608 - constants
END_GRANTS = f"""
UPDATE role_grant SET valid_until = greatest(valid_from, {TODAY} - 1)
WHERE id = ANY ($1) AND coalesce(valid_until >= {TODAY}, true)
"""  # noqa: S608
END_ROLES = """
UPDATE role_grant g SET valid_until = greatest(g.valid_from, x.last)
FROM unnest($1::uuid[], $2::date[]) AS x (person, last)
WHERE g.person = x.person AND coalesce(g.valid_until > greatest(g.valid_from, x.last), true)
"""


# Organs that moved because one above them moved.
UPDATE_DEPTHS = """
UPDATE organ SET depth = d.depth FROM unnest($1::text[], $2::int[]) AS d(code, depth)
WHERE organ.code = d.code AND organ.depth <> d.depth
"""


async def _check_references(rows: Sequence[RosterRow]) -> dict[str, int]:
    """The depth of every organ, known or new. Raises RosterError with every line that names an unknown one."""
    parents = {row["code"]: row["parent"] for row in await Organ.select(Organ.code, Organ.parent)}
    parents |= {row.code: row.organ or None for row in rows if row.record == "organ"}
    badges = set(await Stint.select(Stint.badge).output(as_list=True))
    badges |= {row.code for row in rows if row.record == "person"}
    depths, bad = _depths(parents), []
    for row in rows:
        if row.record == "organ" and depths.get(row.code, 0) > DEEPEST:
            zh, en = f"机构 {row.code} 超过 {DEEPEST} 级", f"organ {row.code} stands more than {DEEPEST} levels down"
            bad.append((row.line, by_locale(zh, en)))
        if row.organ and row.organ not in parents:
            zh = f"机构 {row.organ} 既不在文件中，也不在系统中"
            bad.append((row.line, by_locale(zh, f"organ {row.organ} is neither in the file nor known")))
        elif row.record == "organ" and row.code not in depths:
            zh = f"机构 {row.code} 的上级关系成环"
            bad.append((row.line, by_locale(zh, f"organ {row.code} stands under itself or under one that does")))
        if row.record in ("role", "qualification") and row.code not in badges:
            zh = f"人员 {row.code} 既不在文件中，也不在系统中"
            bad.append((row.line, by_locale(zh, f"person {row.code} is neither in the file nor known")))
    if bad:
        raise RosterError(bad)
    return depths


def _depths(parents: dict[str, str | None]) -> dict[str, int]:
    """The level of each organ. An organ in a circle, or under one, has no level."""
    depths: dict[str, int] = {}
    level = [code for code, parent in parents.items() if parent is None]
    depth = 0
    while level:
        depths |= dict.fromkeys(level, depth)
        here, depth = set(level), depth + 1
        level = [code for code, parent in parents.items() if parent in here]
    return depths


Upsert = Callable[[RosterRow, dict[str, UUID]], tuple[Any, ...]]


def _put_organ(row: RosterRow, depths: dict[str, int]) -> tuple[Any, ...]:
    sql = """
    INSERT INTO organ (code, name, parent, depth) VALUES ($1, $2, $3, $4)
    ON CONFLICT (code) DO UPDATE SET name = excluded.name, parent = excluded.parent, depth = excluded.depth
    WHERE (organ.name, organ.parent, organ.depth) IS DISTINCT FROM (excluded.name, excluded.parent, excluded.depth)"""
    return sql, row.code, row.name, row.organ or None, depths[row.code]


def _put_role(row: RosterRow, holders: dict[str, UUID]) -> tuple[Any, ...]:
    return PUT_ROLE, holders[row.code], row.kind, row.organ, row.valid_from, row.valid_until


def _put_qualification(row: RosterRow, holders: dict[str, UUID]) -> tuple[Any, ...]:
    sql = """
    INSERT INTO qualification (person, code, valid_from, valid_until) VALUES ($1, $2, $3, $4)
    ON CONFLICT (person, code, valid_from) DO UPDATE SET valid_until = excluded.valid_until
    WHERE qualification.valid_until IS DISTINCT FROM excluded.valid_until"""
    return sql, holders[row.code], row.kind, row.valid_from, row.valid_until


def _put_device(row: RosterRow, _: dict[str, UUID]) -> tuple[Any, ...]:
    sql = """
    INSERT INTO device (serial, name, kind, organ) VALUES ($1, $2, $3, $4)
    ON CONFLICT (serial) DO UPDATE SET name = excluded.name, kind = excluded.kind, organ = excluded.organ
    WHERE (device.name, device.kind, device.organ) IS DISTINCT FROM (excluded.name, excluded.kind, excluded.organ)"""
    return sql, row.code, row.name, row.kind, row.organ


# Grants a role, no longer than its holder serves.
PUT_ROLE = """
INSERT INTO role_grant (person, role, organ, valid_from, valid_until)
SELECT $1::uuid, $2, $3, $4::date, CASE WHEN last IS NULL THEN $5::date ELSE greatest($4, least($5, last)) END
FROM (SELECT nullif(max(coalesce(upper(during) - 1, 'infinity')), 'infinity') AS last
    FROM stint WHERE person = $1) x
ON CONFLICT (person, role, organ, valid_from) DO UPDATE SET valid_until = excluded.valid_until
WHERE role_grant.valid_until IS DISTINCT FROM excluded.valid_until
"""
PUT: dict[str, Upsert] = {
    "role": _put_role,
    "qualification": _put_qualification,
    "device": _put_device,
}


# Who has a badge: who has it today, else had it last, else will have it first.
HOLDER = f"""
SELECT person AS id, organ FROM stint WHERE badge = $1
ORDER BY during @> {TODAY} DESC, lower(during) <= {TODAY} DESC, abs(lower(during) - {TODAY}) LIMIT 1
"""  # noqa: S608 - constants
# Who serves, or will, and has no password.
NO_CREDENTIAL = f"""
SELECT p.id, p.badge, p.name, p.kind, o.name AS organ_name FROM person_now p JOIN organ o ON o.code = p.organ
WHERE coalesce(p.serves_until >= {TODAY}, true) AND NOT EXISTS (SELECT FROM credential c WHERE c.person = p.id)
    AND p.id = (SELECT h.id FROM ({HOLDER.replace("$1", "p.badge")}) h)
"""  # noqa: S608


async def organ_names() -> dict[str, str]:
    """Names of organs by code."""
    return {row["code"]: row["name"] for row in await Organ.select(Organ.code, Organ.name).order_by(Organ.code)}


async def organ_parents() -> dict[str, str | None]:
    """Codes of the organs above, by code; None: of the highest."""
    return {row["code"]: row["parent"] for row in await Organ.select(Organ.code, Organ.parent)}


async def without_password() -> list[str]:
    """Badges of persons who serve, or will, and have no password yet."""
    return [row["badge"] for row in await fetch(f"{NO_CREDENTIAL} ORDER BY p.badge")]


async def first_passwords_for() -> Sequence[Record]:
    """Id, badge, name, kind and name of the organ of whoever serves, or will, and has no password yet."""
    return await fetch(f"{NO_CREDENTIAL} ORDER BY p.organ, p.badge")


async def person_id_of(badge: str) -> Any:
    """The id of who has this badge today, else had it last, else will have it first; None: nobody."""
    row = await person_row(badge)
    return row and row["id"]


async def person_row(badge: str) -> Any:
    """Id and organ of who has this badge today, else had it last, else will have it first; None: nobody."""
    return await first(HOLDER, badge)
