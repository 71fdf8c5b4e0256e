"""Imports a roster from CSV: reads the file, and brings the tables in line with it.

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

Guarantees: everything is imported or nothing. Every bad line is reported with its number and a reason. Importing the
same file again changes nothing.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from backend.core.database import execute, fetch, first, rows_touched, tx
from backend.core.officers import TODAY
from backend.core.stints import CHINA, day_of
from backend.core.stints import Stint as Service
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
QUALIFICATION = re.compile(r"[a-z][a-z0-9_]{0,39}")
KINDS_OF_RECORD = {
    "person": {"officer", "duty_auxiliary", "civilian_auxiliary", "staff", "dock"},
    "role": {"commander", "treasurer", "inspector", "administrator"},
    "device": {"handheld", "desk", "dock"},
}
CODES = {"organ": ORGAN_CODE, "person": BADGE, "role": BADGE, "qualification": BADGE, "device": DEVICE_SERIAL}
DEEPEST = 12  # levels of organs; the table has the same limit
WITH_DATES = {"person", "role", "qualification"}
WITH_NAME = {"organ", "person", "device"}
WITH_ORGAN = {"person", "role", "device"}


class RosterError(SentenceError):
    """The roster was not imported. `lines`: (line number, reason) of every bad line."""

    def __init__(self, lines: Sequence[tuple[int, str]]) -> None:
        super().__init__(f"{len(lines)} 行有误；未导入任何内容", f"{len(lines)} bad lines; nothing was imported")
        self.lines = list(lines)


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


def read(text: str) -> list[RosterRow]:
    """Read the rows of a roster. Raises RosterError with every bad line."""
    seen: dict[tuple[str, ...], int] = {}

    def read_row(line: int, cells: dict[str, str]) -> RosterRow:
        row = _row(line, cells)
        _check_unique(row, seen)
        return row

    header = text.removeprefix("\ufeff").partition("\n")[0].strip().split(",")
    return csv_rows(text, [*ROSTER_COLUMNS, *([FORMERLY] if FORMERLY in header else [])], read_row)


def csv_rows(text: str, columns: list[str], row_of: Callable[[int, dict[str, str]], T]) -> list[T]:
    """Read each line of a CSV file by `row_of`, which raises ValueError with a reason for a bad line.

    Raises RosterError with every bad line.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    rows: list[T] = []
    bad: list[tuple[int, str]] = []
    try:
        if reader.fieldnames != columns:
            header = ",".join(columns)
            raise RosterError([(1, by_locale(f"第一行必须是 {header}", f"the first line must be {header}"))])
        for cells in reader:
            try:
                rows.append(row_of(reader.line_num, _stripped(cells, columns)))
            except ValueError as error:
                bad.append((reader.line_num, str(error)))
    except csv.Error as error:
        bad.append((reader.line_num + 1, by_locale(f"不是 CSV：{error}", f"not CSV: {error}")))
    if bad:
        raise RosterError(bad)
    return rows


def _stripped(cells: dict[Any, Any], columns: list[str]) -> dict[str, str]:
    if None in cells or None in cells.values():
        raise ValueError(by_locale(f"须有 {len(columns)} 列", f"needs {len(columns)} columns"))
    return {column: cells[column].strip() for column in columns}


def _row(line: int, cells: dict[str, str]) -> RosterRow:
    record = cells["record"]
    if record not in CODES:
        raise ValueError(_one_of("record", CODES))
    if not CODES[record].fullmatch(cells["code"]):
        pattern = CODES[record].pattern
        raise ValueError(by_locale(f"{record} 的 code 须符合 {pattern}", f"code of a {record} must match {pattern}"))
    if record in WITH_NAME and not (0 < len(cells["name"]) <= 120 and cells["name"].isprintable()):
        raise ValueError(
            by_locale("name 缺失、过长或含控制字符", "name is missing, too long or has control characters")
        )
    _check_kind(record, cells["kind"])
    if (record in WITH_ORGAN or cells["organ"]) and not ORGAN_CODE.fullmatch(cells["organ"]):
        raise ValueError(by_locale("organ 须为 12 位数字代码", "organ must be a code of 12 digits"))
    if cells.get(FORMERLY) and (record != "person" or not BADGE.fullmatch(cells[FORMERLY])):
        raise ValueError(
            by_locale("formerly 须为人员此前的警号", "formerly must be the badge that a person had before")
        )
    return _dated(line, record, cells)


def _check_kind(record: str, kind: str) -> None:
    if record in KINDS_OF_RECORD and kind not in KINDS_OF_RECORD[record]:
        what = by_locale(f"{record} 的 kind", f"kind of a {record}")
        raise ValueError(_one_of(what, sorted(KINDS_OF_RECORD[record])))
    if record == "qualification" and not QUALIFICATION.fullmatch(kind):
        raise ValueError(
            by_locale(
                "qualification 的 kind 须为 first_aid 这样的代码",
                "kind of a qualification must be a code like first_aid",
            )
        )


def _one_of(what: str, choices: Iterable[str]) -> str:
    names = ", ".join(choices)
    return by_locale(f"{what} 须为以下之一：{names}", f"{what} must be one of {names}")


def _dated(line: int, record: str, cells: dict[str, str]) -> RosterRow:
    start, end = (_date(cells[column], column) for column in ("from", "until"))
    if record in WITH_DATES and start is None:
        raise ValueError(by_locale("缺少 from（YYYY-MM-DD）", "from is missing (YYYY-MM-DD)"))
    if start is not None and end is not None and end < start:
        raise ValueError(by_locale("until 早于 from", "until is before from"))
    return RosterRow(
        line=line, record=record, code=cells["code"], name=cells["name"], kind=cells["kind"], organ=cells["organ"],
        valid_from=start, valid_until=end, formerly=cells.get(FORMERLY, ""),
    )  # fmt: skip


def _date(text: str, column: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            by_locale(f"{column} 须为 2026-03-01 这样的日期", f"{column} must be a date like 2026-03-01")
        ) from None


def _check_unique(row: RosterRow, seen: dict[tuple[str, ...], int]) -> None:
    key: tuple[str, ...] = (row.record, row.code)
    if row.record in ("role", "qualification"):
        key += (row.kind, row.organ, str(row.valid_from))
    if row.record == "person":  # one line for each stint
        key += (str(row.valid_from),)
    if key in seen:
        raise ValueError(
            by_locale(f"与第 {seen[key]} 行是同一 {row.record}", f"says the same {row.record} as line {seen[key]}")
        )
    seen[key] = row.line


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
        await execute("SELECT pg_advisory_xact_lock(hashtext('fujing roster'))")
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
        changed["person"] = await _write_histories(histories)
        for row in sorted(rows, key=lambda row: list(CODES).index(row.record)):
            if row.record in PUT:
                changed[row.record] += rows_touched(await execute(*PUT[row.record](row, holders)))
        await _end_roles(histories)
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


async def _write_histories(histories: Histories) -> int:
    """Write the stints that changed. Returns the number of changes."""
    await execute("SET CONSTRAINTS stint_person_during_excl, stint_badge_during_excl DEFERRED")
    for term in histories.updated():
        await execute(UPDATE_TERM, term.id, term.name, term.kind, term.organ, term.since, term.until)
    for term in histories.inserted():
        await execute("INSERT INTO person (id) VALUES ($1) ON CONFLICT DO NOTHING", term.person)
        await execute(
            INSERT_TERM, term.id, term.person, term.badge, term.name, term.kind, term.organ, term.since, term.until
        )
    await execute("SET CONSTRAINTS stint_person_during_excl, stint_badge_during_excl IMMEDIATE")
    return len(histories.changes)


async def _end_roles(histories: Histories) -> None:
    """No role outlasts the service of its holder: it would come back to life with them."""
    left = histories.left()
    await execute(END_ROLES, list(left), list(left.values()))


TERMS = """
SELECT id, person, badge, name, kind, organ, lower(during) AS since, upper(during) - 1 AS until FROM stint
"""
UPDATE_TERM = """
UPDATE stint SET name = $2, kind = $3, organ = $4, during = daterange($5, $6, '[]') WHERE id = $1
"""
INSERT_TERM = """
INSERT INTO stint (id, person, badge, name, kind, organ, during, source)
VALUES ($1, $2, $3, $4, $5, $6, daterange($7, $8, '[]'), 'import')
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
    """Grant a role, no longer than its holder serves."""
    sql = """
    INSERT INTO role_grant (person, role, organ, valid_from, valid_until)
    SELECT $1::uuid, $2, $3, $4::date, CASE WHEN last IS NULL THEN $5::date ELSE greatest($4, least($5, last)) END
    FROM (SELECT nullif(max(coalesce(upper(during) - 1, 'infinity')), 'infinity') AS last
        FROM stint WHERE person = $1) x
    ON CONFLICT (person, role, organ, valid_from) DO UPDATE SET valid_until = excluded.valid_until
    WHERE role_grant.valid_until IS DISTINCT FROM excluded.valid_until"""
    return sql, holders[row.code], row.kind, row.organ, row.valid_from, row.valid_until


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
WITHOUT_PASSWORD = f"""
SELECT p.badge FROM person_now p WHERE coalesce(p.serves_until >= {TODAY}, true)
    AND NOT EXISTS (SELECT FROM credential c WHERE c.person = p.id)
    AND p.id = (SELECT h.id FROM ({HOLDER.replace("$1", "p.badge")}) h)
ORDER BY p.badge
"""  # noqa: S608


async def without_password() -> list[str]:
    """Badges of persons who serve, or will, and have no password yet."""
    return [row["badge"] for row in await fetch(WITHOUT_PASSWORD)]


async def person_id_of(badge: str) -> Any:
    """The id of who has this badge today, else had it last, else will have it first; None: nobody."""
    row = await person_row(badge)
    return row and row["id"]


async def person_row(badge: str) -> Any:
    """Id and organ of who has this badge today, else had it last, else will have it first; None: nobody."""
    return await first(HOLDER, badge)
