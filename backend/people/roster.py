"""Brings the tables of people in line with the rows of a roster, which roster_files.py reads.

Guarantees: everything is imported or nothing. Every fault is told at once, with its sheet, line and column: a wrong
form, an unknown organ or badge, a badge that looks like another, a badge that somebody else has. Importing the same
file again changes nothing. What would change is shown before anything is written.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from backend.core import bulk_lines
from backend.core.columns import Fault
from backend.core.database import Record, execute, fetch, first, tx
from backend.core.days import CHINA, day_of
from backend.core.officers import TODAY
from backend.core.stints import Stint as Service
from backend.people import kinds, roster_lines, standing_records
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
from backend.people.roster_files import CODES, RosterFile, RosterRow
from backend.people.roster_lines import Imported
from backend.people.standing_records import RecordChange
from backend.people.tables import Organ, Stint
from storage.language import SentenceError

DEEPEST = 12  # levels of organs; the table has the same limit


async def bring_in(
    rows: Sequence[RosterRow], *, confirmed: bool = False, end_missing: bool = False, file: str | None = None
) -> dict[str, int]:  # fmt: skip
    """Bring the tables in line with the rows, with lines in the journal. Returns the number of changes, by record.

    `confirmed`: a person has seen who is renamed, and which badges go to somebody else. `end_missing`: end the service
    and the roles that the rows no longer name, yesterday. `file`: SHA-256 of the file that the rows come from.
    Raises FaultyFile with everything that is wrong with the rows by what is known; Unconfirmed.
    """
    async with tx():
        await execute(LOCK)
        found = await _look(RosterFile(good=list(rows)))
        doubtful = [change for change in found.histories.changes if change.kind in TO_CONFIRM]
        if doubtful and not confirmed:
            raise Unconfirmed(doubtful)
        written = await _write(found, end_missing)
        facts = {} if file is None else {"file_sha256": file}
        told = [change.told() for change in written.told]
        await bulk_lines.append(roster_lines.VERB, told, datetime.now(UTC), facts)
        return written.changed


class _Found(NamedTuple):
    """What the rows make of what is known. `depths`: of organs; `holders`: whom each badge means in this file."""

    rows: list[RosterRow]
    depths: dict[str, int]
    histories: Histories
    holders: dict[str, UUID]
    missing: "Missing"


async def _look(file: RosterFile) -> _Found:
    """Compare a file with what is known. Raises FaultyFile with every fault."""
    histories = Histories(await known_terms())
    depths, faults = _check_references(file, await organ_parents(), {term.badge for term in histories.known.values()})
    holders, more = _take(file, histories)
    rows = file.rows([*faults, *more])
    return _Found(rows, depths, histories, holders, await _missing(rows, histories, holders))


class _Written(NamedTuple):
    """What was written: the number of changes by kind of record, and each one for the journal."""

    changed: dict[str, int]
    told: list[Imported]


async def _write(found: _Found, end_missing: bool) -> _Written:
    """Write what was found."""
    if end_missing:
        for term in found.missing.people:
            found.histories.end(term, _today() - A_DAY)
    await kinds.keep()
    told: list[Imported] = []
    for row in sorted((row for row in found.rows if row.record == "organ"), key=lambda row: found.depths[row.code]):
        if await first(*_put_organ(row, found.depths)):
            told.append(Imported(organ=row.code, record="organ", change="put", code=row.code))
    await write_histories(found.histories)
    told += roster_lines.of_people(found.histories.changes)
    told += _ended(await end_roles_left_behind(found.histories))
    organs = found.histories.organs()
    for row in sorted(found.rows, key=lambda row: list(CODES).index(row.record)):
        if row.record in PUT and (put := await first(*PUT[row.record](row, found.holders))):
            told.append(_put(row, put["id"], organs))
    told += _ended(await end_roles(found.histories))
    if end_missing:
        told += _ended(await fetch(END_GRANTS, [role.id for role in found.missing.roles]))
    await execute(UPDATE_DEPTHS, list(found.depths), list(found.depths.values()))
    return _Written(_counts(found.histories, told), told)


def _put(row: RosterRow, id: UUID, organs: dict[UUID, str]) -> Imported:
    """A role, qualification or device that was written. A qualification belongs to the organ of its holder."""
    put = Imported(organ=row.organ, record=row.record, change="put", id=id)
    if row.record == "qualification":
        put = msgspec.structs.replace(put, code=row.kind, organ=organs[id])
    if row.record == "role":
        put = msgspec.structs.replace(put, code=row.kind, since=row.valid_from, until=row.valid_until)
    return put


def _ended(roles: Sequence[Record]) -> list[Imported]:
    """Roles that were ended."""
    return [
        Imported(
            organ=row["organ"], record="role", change="ended", id=row["person"], code=row["role"],
            until=row["valid_until"],
        )
        for row in roles
    ]  # fmt: skip


def _counts(histories: Histories, told: Sequence[Imported]) -> dict[str, int]:
    """The number of changes, by kind of record."""
    counts = {record: sum(change.record == record for change in told) for record in CODES}
    return counts | {"person": len(histories.changes)}


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
    """What a file would change, before anything is written: in the histories of people, and in all other records.

    `missing`: whom it no longer names. `alike`: badges known before that look alike. `organs`: names by code.
    """

    changes: list[Change]
    records: list[RecordChange]
    missing: Missing
    alike: list[list[str]]
    organs: dict[str, str]

    @property
    def to_confirm(self) -> list[Change]:
        return [change for change in self.changes if change.kind in TO_CONFIRM]


class _TakenBack(Exception):
    """Rolls back what was written to see what it changes."""


async def preview(file: RosterFile, *, end_missing: bool = False) -> Preview:
    """What the file would change: it is written, compared with what was there, and taken back.

    Raises FaultyFile with every fault of the file.
    """
    previews: list[Preview] = []
    with suppress(_TakenBack):
        async with tx():
            await execute(LOCK)
            found, before = await _look(file), await standing_records.read()
            await _write(found, end_missing)
            after = await standing_records.read()
            previews.append(
                Preview(
                    changes=list(found.histories.changes), records=standing_records.compare(before, after),
                    missing=found.missing, alike=await known_look_alikes(), organs=await organ_names(),
                )
            )  # fmt: skip
            raise _TakenBack
    return previews[0]


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


def _take(file: RosterFile, histories: Histories) -> tuple[dict[str, UUID], list[Fault]]:
    """Bring the histories in line with the persons of a file. Whom each badge means in this file, and what is wrong."""
    holders = {badge: _holder_today(histories.of_badge(badge)) for badge in _badges_named(file.good, histories)}
    told = [_told(row) for row in file.good if row.record == "person"]
    torn = [_told(row) for row in file.torn if row.record == "person" and row.code]
    known = {term.badge for term in histories.known.values()}
    faults = [_alike(each) for each in look_alikes([*told, *torn], known)]
    for one in sorted(told, key=lambda one: one.since):
        try:
            holders[one.badge] = histories.take(one)
        except BadgeHeldError as error:
            who, since = error.holder.name, error.holder.since
            zh, en = f"警号 {one.badge} 自 {since} 起属于 {who}", f"badge {one.badge} is {who}'s from {since} on"
            faults.append(one.line.fault("code", zh, en))
        except UnknownBeforeError:
            if file.is_whole and one.formerly not in _named(file.torn, "person"):
                zh = f"此前没有名为 {one.name} 且警号为 {one.formerly} 的人"
                en = f"nobody named {one.name} had the badge {one.formerly} before"
                faults.append(one.line.fault("formerly", zh, en))
    return holders, faults


def _told(row: RosterRow) -> Told:
    return Told(
        line=row.line, badge=row.code, name=row.name, kind=row.kind, organ=row.organ,
        since=row.valid_from or date.min, until=row.valid_until, formerly=row.formerly,
    )  # fmt: skip


def _alike(badge: LookAlike) -> Fault:
    """What is wrong with a badge that another looks like."""
    zh, en = f"警号 {badge.badge} 与 {badge.other} 易混", f"badge {badge.badge} looks like {badge.other}"
    if badge.other_line is None:
        return badge.line.fault("code", f"{zh}（系统中已有）", f"{en}, which is known")
    where = badge.other_line.where
    return badge.line.fault("code", f"{zh}（第 {where} 行）", f"{en} of line {where}")


async def _missing(rows: Sequence[RosterRow], histories: Histories, holders: dict[str, UUID]) -> Missing:
    """Who serves today and is not named, among the organs and kinds that the file names; and the roles, likewise.

    A file without persons says nothing of persons, and one without roles nothing of roles.
    """
    people = [row for row in rows if row.record == "person"]
    organs, kinds_named = {row.organ for row in people}, {row.kind for row in people}
    named = {holders[row.code] for row in people}
    roles = [row for row in rows if row.record == "role"]
    told = {(holders[row.code], row.kind, row.organ) for row in roles}
    held = [RoleHeld(**row) for row in await fetch(ROLES_HELD, sorted({row.organ for row in roles}))]
    return Missing(
        people=[
            term for term in histories.serving(_today())
            if term.organ in organs and term.kind in kinds_named and term.person not in named
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


async def end_roles_left_behind(histories: Histories) -> Sequence[Record]:
    """End the roles of those who moved that they held for the organ they left. Returns these roles.

    Those are the roles on that organ, above or below it that do not reach the organ where they serve now. A role that
    is granted again afterwards goes on.
    """
    moves = histories.moves()
    return await fetch(
        END_ROLES_LEFT_BEHIND, [after.person for _, after in moves], [before.organ for before, _ in moves],
        [after.organ for _, after in moves], [after.since for _, after in moves],
    )  # fmt: skip


async def end_roles(histories: Histories) -> Sequence[Record]:
    """End roles with the service of their holder: they would come back to life with them. Returns these roles."""
    left = histories.left()
    return await fetch(END_ROLES, list(left), list(left.values()))


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
WHERE id = ANY ($1) AND coalesce(valid_until >= {TODAY}, true) RETURNING person, role, organ, valid_until
"""  # noqa: S608
END_ROLES = """
UPDATE role_grant g SET valid_until = greatest(g.valid_from, x.last)
FROM unnest($1::uuid[], $2::date[]) AS x (person, last)
WHERE g.person = x.person AND coalesce(g.valid_until > greatest(g.valid_from, x.last), true)
RETURNING g.person, g.role, g.organ, g.valid_until
"""
END_ROLES_LEFT_BEHIND = """
UPDATE role_grant g SET valid_until = greatest(g.valid_from, x.since - 1)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::date[]) AS x (person, before, after, since)
WHERE g.person = x.person AND g.valid_from < x.since AND coalesce(g.valid_until >= x.since, true)
    AND x.after NOT IN (SELECT organs_under(ARRAY[g.organ])) AND (
        x.before IN (SELECT organs_under(ARRAY[g.organ])) OR g.organ IN (SELECT organs_under(ARRAY[x.before])))
RETURNING g.person, g.role, g.organ, g.valid_until
"""

# Organs that moved because one above them moved.
UPDATE_DEPTHS = """
UPDATE organ SET depth = d.depth FROM unnest($1::text[], $2::int[]) AS d(code, depth)
WHERE organ.code = d.code AND organ.depth <> d.depth
"""


def _check_references(
    file: RosterFile, known: dict[str, str | None], badges: set[str]
) -> tuple[dict[str, int], list[Fault]]:
    """The depth of every organ, known or new, and what is wrong with what the lines refer to.

    `known`: organs with their parents; `badges`: those of people. Of a file with lines left out, nothing is unknown.
    """
    lines = [*file.good, *file.torn]
    parents = known | {row.code: row.organ or None for row in lines if row.record == "organ" and row.code}
    organs, badges = parents.keys() | _named(file.torn, "organ"), badges | _named(lines, "person")
    missing = {row.organ for row in lines if row.organ} - organs
    depths = _depths(dict.fromkeys(missing) | parents)
    faults = []
    for row in lines:
        if file.is_whole and row.organ in missing:
            faults.append(_unknown(row, "organ", f"单位 {row.organ}", f"organ {row.organ}"))
        if file.is_whole and row.record in ("role", "qualification") and row.code and row.code not in badges:
            faults.append(_unknown(row, "code", f"人员 {row.code}", f"person {row.code}"))
        if row.record == "organ" and row.code:
            faults += _misplaced(row, depths)
    return depths, faults


def _named(lines: Iterable[RosterRow], record: str) -> set[str]:
    """The codes of these lines of one kind of record, or of a kind that cannot be read."""
    return {row.code for row in lines if row.record in (record, "")}


def _unknown(row: RosterRow, column: str, zh: str, en: str) -> Fault:
    return row.line.fault(column, f"{zh} 既不在文件中，也不在系统中", f"{en} is neither in the file nor known")


def _misplaced(row: RosterRow, depths: dict[str, int]) -> Iterator[Fault]:
    """What is wrong with the place of an organ in the tree."""
    if row.code not in depths:
        zh, en = f"单位 {row.code} 的上级关系成环", f"organ {row.code} stands under itself or under one that does"
        yield row.line.fault("organ", zh, en)
    elif depths[row.code] > DEEPEST:
        zh, en = f"单位 {row.code} 超过 {DEEPEST} 级", f"organ {row.code} stands more than {DEEPEST} levels down"
        yield row.line.fault("organ", zh, en)


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
    WHERE (organ.name, organ.parent, organ.depth) IS DISTINCT FROM (excluded.name, excluded.parent, excluded.depth)
    RETURNING code"""
    return sql, row.code, row.name, row.organ or None, depths[row.code]


def _put_role(row: RosterRow, holders: dict[str, UUID]) -> tuple[Any, ...]:
    return PUT_ROLE, holders[row.code], row.kind, row.organ, row.valid_from, row.valid_until, "import"


def _put_qualification(row: RosterRow, holders: dict[str, UUID]) -> tuple[Any, ...]:
    sql = """
    INSERT INTO qualification (person, code, valid_from, valid_until) VALUES ($1, $2, $3, $4)
    ON CONFLICT (person, code, valid_from) DO UPDATE SET valid_until = excluded.valid_until
    WHERE qualification.valid_until IS DISTINCT FROM excluded.valid_until RETURNING person AS id"""
    return sql, holders[row.code], row.kind, row.valid_from, row.valid_until


def _put_device(row: RosterRow, _: dict[str, UUID]) -> tuple[Any, ...]:
    sql = """
    INSERT INTO device (serial, name, kind, organ) VALUES ($1, $2, $3, $4)
    ON CONFLICT (serial) DO UPDATE SET name = excluded.name, kind = excluded.kind, organ = excluded.organ
    WHERE (device.name, device.kind, device.organ) IS DISTINCT FROM (excluded.name, excluded.kind, excluded.organ)
    RETURNING id"""
    return sql, row.code, row.name, row.kind, row.organ


# Grants a role, no longer than its holder serves.
PUT_ROLE = """
INSERT INTO role_grant (person, role, organ, valid_from, valid_until, source)
SELECT $1::uuid, $2, $3, $4::date, CASE WHEN last IS NULL THEN $5::date ELSE greatest($4, least($5, last)) END, $6
FROM (SELECT nullif(max(coalesce(upper(during) - 1, 'infinity')), 'infinity') AS last
    FROM stint WHERE person = $1) x
ON CONFLICT (person, role, organ, valid_from) DO UPDATE SET valid_until = excluded.valid_until
WHERE role_grant.valid_until IS DISTINCT FROM excluded.valid_until RETURNING person AS id
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
SELECT p.id, p.badge, p.name, p.kind, p.organ, o.name AS organ_name FROM person_now p JOIN organ o ON o.code = p.organ
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
    """Id, badge, name, kind, organ and its name of whoever serves, or will, and has no password yet."""
    return await fetch(f"{NO_CREDENTIAL} ORDER BY p.organ, p.badge")


async def person_id_of(badge: str) -> Any:
    """The id of who has this badge today, else had it last, else will have it first; None: nobody."""
    row = await person_row(badge)
    return row and row["id"]


async def person_row(badge: str) -> Any:
    """Id and organ of who has this badge today, else had it last, else will have it first; None: nobody."""
    return await first(HOLDER, badge)
