"""The schema: tables as the code believes them to be, migrations that any number of processes may start, and grants."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from litestar import Litestar
from piccolo.columns import ForeignKey
from piccolo.table import Table

from backend.core.database import fetch
from backend.core.findings import SECRET_NOUNS
from backend.core.settings import Settings
from migrations.apply import MigrationError, migrate, role_of
from migrations.piccolo_app import APP_CONFIG
from tests.databases import an_empty_database, migrating

TABLES = APP_CONFIG.table_classes
VERSIONS = list(Path(APP_CONFIG.migrations_folder_path).glob("fujing_*.py"))
VERSIONS_SQL = sorted(Path(APP_CONFIG.migrations_folder_path).glob("fujing_*.sql"))
BODY = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'refresh_findings'"
COLUMNS = """
SELECT column_name, data_type, is_nullable = 'YES' AS nullable, is_generated = 'ALWAYS' AS generated
FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1
"""
REFERENCES = """
SELECT a.attname AS column, f.relname AS target, c.confdeltype = 'r' AS restrict
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class f ON f.oid = c.confrelid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
WHERE c.contype = 'f' AND t.relname = $1
"""
TYPES = {
    "uuid": "UUID", "text": "TEXT", "boolean": "BOOLEAN", "date": "DATE", "integer": "INTEGER", "bigint": "BIGINT",
    "smallint": "SMALLINT", "timestamp with time zone": "TIMESTAMPTZ", "jsonb": "JSONB", "ARRAY": "TEXT[]",
    "bytea": "BYTEA",
}  # fmt: skip
AS_ONE = {"SERIAL": "INTEGER", "BIGSERIAL": "BIGINT"}


def name_of(table: type[Table]) -> str:
    return str(table._meta.tablename)


@pytest.mark.parametrize("table", TABLES, ids=name_of)
async def test_the_code_and_the_database_agree_on_columns(app: Litestar, table: type[Table]) -> None:
    """Name, type and nullability; what the database generates, and sets of intervals, the code leaves to it."""
    rows = {row["column_name"]: row for row in await fetch(COLUMNS, name_of(table))}
    ours = {column._meta.db_column_name: column for column in table._meta.columns}
    missing = set(rows) - set(ours) - {name for name, row in rows.items() if left_to_sql(row)}
    assert (set(), set()) == (set(ours) - set(rows), missing - {"id"})
    for name, column in ours.items():
        if column._meta.primary_key and AS_ONE.get(column.column_type):
            continue
        expected = TYPES[rows[name]["data_type"]]
        assert (name, expected, rows[name]["nullable"]) == (name, type_of(column), column._meta.null)


def left_to_sql(row: Any) -> bool:
    return bool(row["generated"]) or row["data_type"] in ("daterange", "tstzmultirange", "int8multirange")


def type_of(column: Any) -> str:
    kind = column.column_type
    return "TEXT[]" if kind.endswith("[]") else AS_ONE.get(kind, kind).replace("VARCHAR", "TEXT")


@pytest.mark.parametrize("table", TABLES, ids=name_of)
async def test_nothing_takes_another_row_along(app: Litestar, table: type[Table]) -> None:
    """Every reference restricts: nobody deletes a person and with them a night's record."""
    rows = {row["column"]: row for row in await fetch(REFERENCES, name_of(table))}
    ours = {
        column._meta.db_column_name: name_of(column._foreign_key_meta.resolved_references)
        for column in table._meta.columns
        if isinstance(column, ForeignKey)
    }
    assert ours == {name: row["target"] for name, row in rows.items()}
    assert all(row["restrict"] for row in rows.values())


async def test_every_table_has_a_reader_in_the_code(app: Litestar) -> None:
    """A table that no class describes is the journal's, the store's, the queue's or the migrations'."""
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    others = {row["table_name"] for row in await fetch(sql)} - {name_of(table) for table in TABLES}
    of_sql = {"journal", "journal_epoch", "checkpoint", "entry", "fact_baseline", "finding", "migration"}
    assert of_sql | {"store_check", "store_marker"} == {name for name in others if not name.startswith("pgqueuer")}


async def test_the_application_may_read_and_add_and_nothing_else_in_the_journal(app: Litestar) -> None:
    """And it deletes nowhere but in the queues, among sign-in attempts and among proofs seen."""
    sql = """SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = 'fujing_app'"""
    granted: dict[str, set[str]] = {}
    for row in await fetch(sql):
        granted.setdefault(row["table_name"], set()).add(row["privilege_type"])
    assert {"SELECT"} == granted["journal"] == granted["journal_epoch"] == granted["migration"]
    assert {"SELECT"} == granted["fact_baseline"] == granted["fact_row"]
    assert {"SELECT", "INSERT"} == granted["store_marker"]
    added = """SELECT column_name FROM information_schema.role_column_grants
        WHERE grantee = 'fujing_app' AND table_name = 'journal' AND privilege_type = 'INSERT'"""
    columns = {"at", "actor", "device", "verb", "outcome", "entry_id", "subjects", "organ", "entry"}
    assert columns == {row["column_name"] for row in await fetch(added)}, "not where the line stands"
    deleting = {table for table, rights in granted.items() if rights & {"DELETE", "TRUNCATE"}}
    assert {"moved_ground", "proof_seen", "sign_in_attempt"} == {
        table for table in deleting if not table.startswith("pgqueuer")
    }
    assert not any("TRIGGER" in rights for rights in granted.values())


async def test_the_application_owns_nothing(app: Litestar) -> None:
    """An owner could drop a trigger."""
    sql = "SELECT relname FROM pg_class WHERE relowner = 'fujing_app'::regrole"
    assert [] == list(await fetch(sql))


async def test_the_database_itself_keeps_people_apart(app: Litestar, owner: asyncpg.Connection) -> None:
    """The guard behind the rule: two shifts in force at one moment are impossible, whoever writes them."""
    people = await owner.fetchrow("INSERT INTO person DEFAULT VALUES RETURNING id")
    put = """INSERT INTO shift (id, person, organ, duty_type, started_at, in_force, dress, id_card_carried, equipment)
        VALUES (gen_random_uuid(), $1, '330102010000', 'patrol', $2::timestamptz, true, 'uniform', true, '{}')"""
    transaction = owner.transaction()
    await transaction.start()
    begun = datetime.fromisoformat("2026-03-01T08:00:00+08:00")
    await owner.execute(put, people["id"], begun)
    with pytest.raises(asyncpg.ExclusionViolationError):
        await owner.execute(put, people["id"], begun)
    await transaction.rollback()


# Migrations


@pytest.fixture
async def empty(house: Settings, app: Litestar) -> AsyncIterator[str]:
    """The owner's URL of a database with nothing in it."""
    async with an_empty_database(house) as url:
        yield url


async def test_four_processes_migrate_at_once(empty: str) -> None:
    """All of them succeed, each step ran once, and once more changes nothing."""
    started = [migrating(empty) for _ in range(4)]
    errors = [process.communicate(timeout=60)[1] for process in started]
    assert [0] * 4 == [process.returncode for process in started], errors
    connection = await asyncpg.connect(empty)
    steps = await connection.fetch("SELECT name FROM migration ORDER BY name")
    assert len({row["name"] for row in steps}) == len(steps) == len(VERSIONS)
    assert 1 == await connection.fetchval("SELECT count(*) FROM journal_epoch")
    again = migrating(empty)
    assert (0, "") == (again.wait(60), again.stderr.read())
    assert steps == await connection.fetch("SELECT name FROM migration ORDER BY name")
    assert 1 == await connection.fetchval("SELECT count(*) FROM journal_epoch")
    await connection.close()


async def test_a_migration_that_fails_leaves_nothing(empty: str) -> None:
    """All of it or nothing: a role that does not exist cannot be granted to, and no table is made."""
    failed = migrating(empty, "nobody_of_this_name")
    assert failed.wait(60) != 0
    connection = await asyncpg.connect(empty)
    assert 0 == await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    failed.stderr.close()


@pytest.mark.parametrize("role", ["fujing_owner", ""])
async def test_owner_and_application_are_two_roles(house: Settings, role: str) -> None:
    """One role for both could alter the journal."""
    with pytest.raises(MigrationError, match="role"):
        await migrate(str(house.migrate_url), role)


async def test_the_role_of_a_url_is_read_whatever_its_letters(house: Settings) -> None:
    """Names may hold what a URL must escape."""
    assert ("fujing_app", "fujing_owner") == (role_of(str(house.database_url)), role_of(str(house.migrate_url)))
    assert "辅警@station" == role_of("postgresql://%E8%BE%85%E8%AD%A6%40station:x@db/fujing")


def test_a_function_that_migrations_replaced_stands_once_in_its_current_form() -> None:
    """Whoever changes it edits current/; a migration never replaces it again."""
    made: dict[str, int] = {}
    for script in VERSIONS_SQL:
        found = re.findall(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)(\(t \w+\))?", script.read_text(encoding="utf-8"))
        for name, of in {(name, of if name == "fact_digest" else "") for name, of in found}:  # one for each table
            made[name + of] = made.get(name + of, 0) + 1
    current = {path.stem for path in (Path(APP_CONFIG.migrations_folder_path).parent / "current").glob("*.sql")}
    assert {name for name, times in made.items() if times > 1} == current
    replaced = {
        "refresh_findings": 4, "filmed": 2, "full_process": 2, "kept_about": 2, "place_box": 2, "settle_activity": 2,
        "hidden_from": 2, "excuses": 2, "review_kept_from": 2, "tells_of_secret": 2,
        "hold_kept_from": 2,
    }  # fmt: skip
    assert replaced == {name: made[name] for name in current}


def test_a_finding_is_asked_about_by_the_verbs_that_the_function_knows() -> None:
    """The list asks for the verb before it calls the function, which asks for it too."""
    function = (Path(APP_CONFIG.migrations_folder_path).parent / "current" / "tells_of_secret.sql").read_text()
    assert f"IN {SECRET_NOUNS}" in function


BOXES = """
SELECT count(*), count(*) FILTER (WHERE place_box(p)::text IS NOT DISTINCT FROM pg_temp.box_of_0048(p)::text)
FROM (SELECT setseed(0.5)) s, LATERAL (
    SELECT jsonb_strip_nulls(jsonb_build_object('lat', random() * 180 - 90, 'lon', random() * 360 - 180,
        'accuracy_m', CASE WHEN n % 7 > 0 THEN 10 ^ (random() * 5) END, 'radius_m', CASE WHEN n % 2 = 0 THEN n END,
        'datums', CASE WHEN n % 3 = 0 THEN 800 END)) AS p FROM generate_series(1, 2000) n
) x
"""


async def test_a_box_is_to_the_last_digit_what_the_indexes_of_0048_hold(house: Settings, app: Litestar) -> None:
    """Its function was written anew for speed: a row that was indexed before is found as before."""
    (script,) = (path for path in VERSIONS_SQL if "0048" in path.name)
    text = script.read_text(encoding="utf-8")
    made = text[text.index("CREATE FUNCTION place_box") : text.index("CREATE INDEX activity_telling_place")]
    owner = await asyncpg.connect(str(house.migrate_url))
    await owner.execute(made.replace("FUNCTION place_box", "FUNCTION pg_temp.box_of_0048"))
    assert (2000, 2000) == tuple(await owner.fetchrow(BOXES))
    await owner.close()


async def test_migrating_puts_the_current_form_in_place(house: Settings, app: Litestar) -> None:
    """Whatever form a migration left behind, and again at every start."""
    async with an_empty_database(house) as url:
        await asyncio.to_thread(lambda: migrating(url).communicate(timeout=60))
        owner = await asyncpg.connect(url)
        current = await owner.fetchval(BODY)
        await owner.execute("DROP FUNCTION refresh_findings")
        await asyncio.to_thread(lambda: migrating(url).communicate(timeout=60))
        assert current == await owner.fetchval(BODY)
        await owner.close()
