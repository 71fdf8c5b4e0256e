"""Verifying the facts: whoever changes one beside the journal is found, and which row it was is named.

A house with a history by every verb is copied for each attack. `as_owner`: somebody who owns the tables.
`as_application`: somebody who has the role and the store key of the application, and writes lines of their own.
"""
# ruff: noqa: S608 - the statements are ours

import io
import itertools
import random
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from litestar import Litestar
from rich.console import Console

from backend.core import database, journal
from backend.core.database import DB
from backend.core.keys import KeyRing, fingerprint
from backend.core.settings import Settings
from backend.evidence.retention import disposal, integrity_audit
from backend.people import roster
from backend.proof import checkpoints, known_store, verifying
from backend.proof.fact_rows import TABLES
from backend.proof.trust import KeySet
from backend.proof.verifying import Flaw, JournalReport
from backend.registry import MAY_CHANGE_BY_LINE
from migrations import guards
from migrations.apply import migrate, role_of
from mobile_api.cli import verify as on_terminal
from mobile_api.stores import store_of
from storage.evidence_store import EvidenceStore
from tests import every_verb
from tests.api.test_disposal import old, past_its_term, short_terms
from tests.api.test_holds import content
from tests.api.test_proof import as_superuser, renamed
from tests.builders import ORGANS, a_led_patrol, ago, organ_row, recorded
from tests.databases import taken_for_ours
from tests.devices import sealed

NUMBERS = itertools.count()
A_SHIFT = "SELECT id FROM shift WHERE ended_at IS NOT NULL ORDER BY id LIMIT 1"
Connection = asyncpg.Connection


@asynccontextmanager
async def instead(url: str) -> AsyncIterator[None]:
    """Use another database instead of that of the test run, while the block runs."""
    pool, config, DB.pool = DB.pool, DB.config, None
    try:
        async with database.opened(url, size=6):
            yield
    finally:
        DB.pool, DB.config = pool, config


@dataclass(frozen=True)
class Place:
    """A house with a history. `film`: sealed footage; `gone`: footage that was disposed of after its term."""

    settings: Settings
    store: EvidenceStore
    journal_store: EvidenceStore
    ring: KeyRing
    film: UUID
    gone: UUID

    async def look(self, *, deep: bool = True) -> tuple[JournalReport, list[Flaw]]:
        """What `fujing verify --trust` finds, all of it."""
        known = KeySet(keys=self.ring.public(), endorsements=self.ring.endorsements())
        trust = [fingerprint(self.ring.public()[-1])]
        async with instead(str(self.settings.database_url)):
            report = await verifying.verify(
                self.journal_store, known, trust, MAY_CHANGE_BY_LINE, lambda done, total: None
            )
            flaws = await integrity_audit.audit(self.store, known, trust, deep=deep, progress=lambda done, total: None)
            flaws += [Flaw(code="guard_missing", what=name) for name in await guards.missing()]
        return report, [*report.flaws, *flaws]

    async def found(self, *, deep: bool = True) -> list[tuple[str, str]]:
        """Code and subject of each flaw; and what is printed says that something was altered."""
        report, flaws = await self.look(deep=deep)
        printed = io.StringIO()
        on_terminal.report(Console(file=printed, width=200), report, flaws)
        assert ("nothing was altered" in printed.getvalue()) == (not flaws)
        return sorted({(flaw.code, flaw.what) for flaw in flaws})

    async def as_owner(self, *statements: str) -> None:
        owner = await asyncpg.connect(self.settings.migrate_url)
        try:
            for statement in statements:
                await owner.execute(statement)
        finally:
            await owner.close()

    async def as_application(self, statement: str, *lines: journal.Line) -> None:
        """Change facts and write these lines in one transaction. Raises what the database refuses."""
        application = await asyncpg.connect(self.settings.database_url)
        try:
            async with application.transaction():
                await application.execute(statement)
                for line in lines:
                    await application.execute(journal.APPEND, *journal.columns(line))
        finally:
            await application.close()

    async def value(self, query: str) -> Any:
        owner = await asyncpg.connect(self.settings.migrate_url)
        try:
            return await owner.fetchval(query)
        finally:
            await owner.close()


def a_line(verb: str, *subjects: UUID, outcome: str = "done", **facts: Any) -> journal.Line:
    """A line as a forger would write it."""
    return journal.Line(at=datetime.now(UTC), verb=verb, outcome=outcome, subjects=subjects, facts=facts)


@pytest.fixture(scope="module")
async def played(house: Settings, app: Litestar, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A database in which every verb was sent, a film was sealed, and another one disposed of. Nobody is connected."""
    server = await as_superuser(house)
    await server.execute("CREATE DATABASE facts OWNER fujing_owner")
    inside = await as_superuser(house, "facts")
    await inside.execute("CREATE EXTENSION btree_gist")
    await inside.close()
    settings = renamed(house, "facts")
    pool, config, DB.pool = DB.pool, DB.config, None
    try:
        await migrate(str(settings.migrate_url), role_of(str(settings.database_url)))
    finally:
        DB.pool, DB.config = pool, config
    journal_store = store_of(settings)
    await journal_store.prepare()
    taken_for_ours(app.state.store)
    async with instead(str(settings.database_url)):
        await known_store.must_be_ours(journal_store)
        film, gone = await a_history(app, tmp_path_factory.mktemp("law"))
        await checkpoints.make(journal_store, app.state.key_rings.evidence, datetime.now(UTC), at_once=True)
    yield Place(settings, app.state.store, journal_store, app.state.key_rings.evidence, film, gone)
    known_store.forget(app.state.store)
    journal_store.close()
    await server.execute("DROP DATABASE facts (FORCE)")
    await server.close()


async def a_history(app: Litestar, folder: Path) -> tuple[UUID, UUID]:
    """Every verb once; somebody restrained; a sealed film, and one that was disposed of after its short term."""
    await roster.bring_in([organ_row(*organ) for organ in ORGANS])
    lin, zhao, *_ = await a_led_patrol(app)
    with short_terms(folder):
        gone = await old(app, lin)
    bound = {"id": uuid4(), "means": "restraint_belt", "ordered_by": zhao.id, "started_at": ago(minutes=11)}
    recorded(await lin.starts("10.5", at=ago(minutes=10), restraints=[bound]))
    film = await sealed(app, lin, content())
    for answer in (await every_verb.answers(app)).values():
        assert answer.status_code == 201, answer.text
    await past_its_term(gone)
    assert await disposal._set_disposed(UUID(gone), datetime.now(UTC))
    return UUID(film), UUID(gone)


@pytest.fixture
async def place(house: Settings, played: Place) -> AsyncIterator[Place]:
    """A copy of its own for each attack."""
    name = f"facts_{next(NUMBERS)}"
    server = await as_superuser(house)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE facts OWNER fujing_owner")
    settings = renamed(played.settings, name)
    yield Place(settings, played.store, played.journal_store, played.ring, played.film, played.gone)
    await server.execute(f"DROP DATABASE {name} (FORCE)")
    await server.close()


async def test_what_nobody_touched_is_what_the_journal_says(place: Place) -> None:
    """Facts of every table, changed by every verb."""
    report, flaws = await place.look()
    assert [] == flaws
    assert await place.value("SELECT count(*) FROM fact_row") == report.facts
    assert report.facts > 50
    assert report.baseline is None


async def test_of_two_transactions_on_one_fact_the_second_counts(place: Place) -> None:
    """The one that waited for the other began first here: its number is lower, and its line stands before the other."""
    later = f"UPDATE shift SET ended_at = ended_at + interval '1 hour' WHERE id = ({A_SHIFT})"
    line = a_line("shifts/check-out", await place.value(A_SHIFT), outcome="recorded")
    application = await asyncpg.connect(place.settings.database_url)
    async with application.transaction():
        begun = await application.fetchval("SELECT pg_current_xact_id()::text::bigint")
        await place.as_application(later, line)
        await application.execute(later)
        await application.execute(journal.APPEND, *journal.columns(line))
    await application.close()
    last = await place.value("SELECT xid::text::bigint FROM journal ORDER BY seq DESC LIMIT 1")
    before = await place.value("SELECT xid::text::bigint FROM journal ORDER BY seq DESC OFFSET 1 LIMIT 1")
    assert begun == last < before
    assert [] == await place.found()


OWNERS: dict[str, tuple[Sequence[str], str]] = {
    "a shift moved by hours": (
        [f"UPDATE shift SET started_at = started_at - interval '3 hours' WHERE id = ({A_SHIFT})"], A_SHIFT,
    ),
    "the triggers off meanwhile": (
        ["ALTER TABLE supervision DISABLE TRIGGER USER",
         "UPDATE supervision SET answer = 'declined', leads_from = NULL WHERE id = (SELECT id FROM supervision "
         "WHERE leads_from IS NOT NULL ORDER BY id LIMIT 1)",
         "ALTER TABLE supervision ENABLE TRIGGER USER"],
        "SELECT id FROM supervision WHERE answer = 'declined' AND answered_at IS NOT NULL AND NOT EXISTS (SELECT FROM "
        "supervision_answer a WHERE a.supervision = supervision.id AND a.answer = 'declined')",
    ),
    "a hold released": (
        ["UPDATE hold SET released_at = now(), released_by = placed_by, released_why = 'x', asked_by = NULL, "
         "asked_at = NULL, asked_why = NULL WHERE id = (SELECT id FROM hold WHERE released_at IS NULL AND "
         "origin = 'injury' ORDER BY id LIMIT 1)"],
        "SELECT id FROM hold WHERE released_why = 'x'",
    ),
    "footage made longer": (
        ["UPDATE recording SET ended_at = ended_at + interval '1 hour' WHERE id = (SELECT min(id::text)::uuid FROM "
         "recording)"],
        "SELECT min(id::text)::uuid FROM recording",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", OWNERS)
async def test_a_row_that_the_owner_changed_is_named(place: Place, way: str) -> None:
    """Nothing refuses it; no line tells of it, and what the last line told is not what is there."""
    statements, which = OWNERS[way]
    await place.as_owner(*statements)
    row = await place.value(which)
    assert row is not None
    assert [("fact_altered", row)] == [(code, UUID(what.partition("/")[2])) for code, what in await place.found()]


async def test_a_row_that_the_owner_removed_or_inserted_is_named(place: Place) -> None:
    gone = await place.value("SELECT id FROM gap_account LIMIT 1")
    more = uuid4()
    await place.as_owner(
        f"DELETE FROM gap_account WHERE id = '{gone}'",
        f"INSERT INTO check_out SELECT '{more}', shift, at, place FROM check_out LIMIT 1",
    )
    assert [("fact_removed", f"gap_account/{gone}"), ("fact_without_line", f"check_out/{more}")] == await place.found()


async def test_a_guard_that_the_owner_took_away_is_named(place: Place) -> None:
    """Triggers that do not fire, a digest that is always the same, and a key that is no key."""
    await place.as_owner(
        "ALTER TABLE shift DISABLE TRIGGER fact_changed",
        "DROP TRIGGER hold_stands ON hold",
        "CREATE OR REPLACE FUNCTION fact_digest(t film) RETURNS text LANGUAGE sql STABLE AS $$ SELECT '1:0' $$",
        "ALTER TABLE recusal_act DROP CONSTRAINT recusal_act_pkey",
    )
    missing = {what for code, what in await place.found() if code == "guard_missing"}
    assert {"shift.fact_changed", "hold.hold_stands", "fact_digest(t film)", "recusal_act_pkey"} == missing


async def test_a_digest_of_a_role_with_another_search_path_is_ours(place: Place) -> None:
    """The owner may set the path of the application's role, and put functions of the same name there."""
    role = role_of(str(place.settings.database_url))
    await place.as_owner(
        f"UPDATE shift SET roster_post = 'x' WHERE id = ({A_SHIFT})",
        "CREATE SCHEMA elsewhere",
        f"GRANT USAGE ON SCHEMA elsewhere TO {role}",
        "CREATE FUNCTION elsewhere.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT '\\x00'::bytea $$",
    )
    server = await asyncpg.connect(place.settings.database_url)
    await server.execute(f"ALTER ROLE {role} SET search_path = elsewhere, pg_catalog, public")
    await server.close()
    try:
        row = await place.value(A_SHIFT)
        assert [("fact_altered", f"shift/{row}")] == await place.found()
    finally:
        server = await asyncpg.connect(place.settings.database_url)
        await server.execute(f"ALTER ROLE {role} RESET search_path")
        await server.close()


async def test_a_film_sealed_twice_and_a_restore_that_never_was(place: Place) -> None:
    """By the owner, who drops the index and the guard first."""
    first = f"SELECT min(seq) FROM journal WHERE verb = 'evidence/seal' AND subjects[1] = '{place.film}'"
    copied = (
        "INSERT INTO journal (at, verb, outcome, subjects, organ, entry) SELECT at, {}, outcome, subjects, organ, {} "
        f"FROM journal WHERE seq = ({first})"
    )
    restored = "convert_to(replace(convert_from(entry, 'UTF8'), 'evidence/seal', 'evidence/restore'), 'UTF8')"
    await place.as_owner(
        "DROP INDEX journal_sealed_once", "ALTER TABLE journal DISABLE TRIGGER owner_writes",
        copied.format("verb", "entry"), copied.format("'evidence/restore'", restored),
        "ALTER TABLE journal ENABLE TRIGGER owner_writes",
    )  # fmt: skip
    codes = {code for code, _ in await place.found()}
    assert {"sealed_twice", "restore_not_admitted"} <= codes


async def test_other_bytes_under_a_restore_that_the_owner_made_up(place: Place) -> None:
    """In an epoch that the owner calls restored, with a line that names the file: the sealed version is there still."""
    key = await place.value(f"SELECT object_key FROM upload WHERE id = '{place.film}'")
    over = await place.store.put(key, content(), "video/mp4")
    sealed = await place.value(f"SELECT sha256 || ' ' || bytes FROM upload WHERE id = '{place.film}'")
    facts = {"sha256": sealed.split()[0], "bytes": int(sealed.split()[1]), "version": over.version}
    line = a_line("evidence/restore", place.film, **facts)
    owner = await asyncpg.connect(place.settings.migrate_url)
    async with owner.transaction():
        await owner.execute("UPDATE journal_epoch SET restored = true")
        await owner.execute("UPDATE upload SET version = $2 WHERE id = $1", place.film, over.version)
        await owner.execute(journal.APPEND, *journal.columns(line))
    await owner.close()
    try:
        assert [("object_differs", str(place.film))] == await place.found(deep=False)
    finally:
        await place.store.remove(key, over.version)


async def test_a_baseline_with_a_row_more_than_was_signed(place: Place) -> None:
    """A fact that the owner made up, with a row of the baseline that knows it."""
    more = uuid4()
    await place.as_owner(
        f"INSERT INTO check_out SELECT '{more}', shift, at, place FROM check_out LIMIT 1",
        f"INSERT INTO fact_baseline SELECT key, digest FROM fact_row WHERE key = 'check_out/{more}'",
    )
    assert [("baseline_differs", "")] == await place.found()


# With the application's own role: facts changed under lines that tell of them, and are lies.
async def test_a_shift_moved_under_a_line_of_another_kind(place: Place) -> None:
    """Views, refusals and what the server does by itself never touch a shift."""
    shift = await place.value(A_SHIFT)
    move = f"UPDATE shift SET ended_at = ended_at + interval '2 hours' WHERE id = '{shift}'"
    await place.as_application(move, a_line("recordings/view", shift))
    await place.as_application(move, a_line("shifts/check-out", shift, outcome="denied"))
    await place.as_application(move, a_line("shifts/check-out", shift))
    assert [("fact_by_wrong_verb", f"shift/{shift}")] == await place.found()
    report, _ = await place.look()
    assert 3 == len(report.flaws)


async def test_footage_that_vanished_under_a_line_of_another_kind(place: Place) -> None:
    """What was disposed of is removed once more in the table only, under a line that extends its term."""
    gone = f"UPDATE upload SET removed_at = disposed_at WHERE id = '{place.gone}'"
    await place.as_application(gone, a_line("evidence/extend", place.gone))
    assert [("disposal_differs", str(place.gone)), ("object_kept", str(place.gone))] == await place.found()


async def test_footage_disposed_of_by_the_owner_within_its_term(place: Place) -> None:
    """With lines that tell of it, as the server writes them; the term stands in the line of its sealing."""
    now = datetime.now(UTC)
    moment = f"'{now.isoformat()}'"
    await place.as_owner(
        "ALTER TABLE upload DROP CONSTRAINT upload_check5",  # disposed_at >= locked_until
        f"UPDATE upload SET disposed_at = {moment}, removed_at = {moment} WHERE id = '{place.film}'",
    )
    codes = {code for code, what in await place.found() if place.film == UUID(what.rpartition("/")[2])}
    assert {"fact_altered", "disposal_differs", "object_kept"} == codes
    lines = (a_line("evidence/dispose", place.film), a_line("evidence/remove", place.film, removed_at=journal.utc(now)))
    await place.as_application("SELECT", *lines)
    assert ("disposed_in_term", str(place.film)) in await place.found()


async def test_a_term_that_is_longer_than_any_line_says(place: Place) -> None:
    """Whoever lengthens it must say so; a shorter one is refused."""
    longer = f"UPDATE upload SET locked_until = locked_until + interval '9 years' WHERE id = '{place.film}'"
    await place.as_application(longer, a_line("evidence/extend", place.film))
    assert [("term_differs", str(place.film))] == await place.found()


async def test_a_line_that_tells_of_what_it_did_not_change(place: Place) -> None:
    """Nothing refuses the line; the row is not what it says."""
    shift = await place.value(A_SHIFT)
    forged = f"""SELECT set_config('fujing.rows', ',"shift/{shift}":"1:{"0" * 64}"', true)"""
    await place.as_application(forged, a_line("shifts/check-out", shift, outcome="recorded"))
    assert [("fact_altered", f"shift/{shift}")] == await place.found()


async def test_a_lie_under_its_own_name_is_in_the_journal_for_ever(place: Place) -> None:
    """What stays: a line as the server would write it. It names the row, and who is said to have sent it sees it."""
    shift = await place.value(A_SHIFT)
    move = f"UPDATE shift SET ended_at = ended_at + interval '2 hours' WHERE id = '{shift}'"
    await place.as_application(move, a_line("shifts/check-out", shift, outcome="recorded"))
    assert [] == await place.found()
    told = await place.value(
        f"SELECT entry FROM journal WHERE subjects = ARRAY['{shift}']::uuid[] ORDER BY seq DESC LIMIT 1"
    )
    assert f'"rows":{{"shift/{shift}":"1:' in told.decode()


SPELLING: dict[str, Callable[[Any], str]] = {
    "uuid": lambda column: "gen_random_uuid()",
    "text": lambda column: f"coalesce({column}, '') || 'x'",
    "text[]": lambda column: f"coalesce({column}, '{{}}') || 'x'::text",
    "boolean": lambda column: f"NOT coalesce({column}, false)",
    "timestamp with time zone": lambda column: f"coalesce({column}, now()) + interval '1 microsecond'",
    "tstzmultirange": lambda column: f"{column} + tstzmultirange(tstzrange('1990-01-01', '1990-01-02'))",
    "int8multirange": lambda column: f"{column} + int8multirange(int8range(7000000, 7000009))",
    "jsonb": lambda column: "'[1]'",
} | dict.fromkeys(("smallint", "integer", "bigint"), lambda column: f"coalesce({column}, 0) + 1")
COLUMNS = """
SELECT c.relname AS name, a.attname AS column, format_type(a.atttypid, NULL) AS type, pg_get_triggerdef(t.oid) AS told
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE t.tgname = 'fact_changed' AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY 1, 2
"""


async def test_whatever_column_of_whatever_row_is_changed_that_row_is_named(house: Settings, place: Place) -> None:
    """By somebody who removes every constraint first: one change, and exactly one row is named. A property."""
    chance = random.Random()  # noqa: S311 - no secret
    server = await as_superuser(house, str(place.settings.database_url).rpartition("/")[2].partition("?")[0])
    proving = [
        (row["name"], row["column"], row["type"]) for row in await server.fetch(COLUMNS)
        if row["column"] != "id" and re.search(rf"old\.{row['column']}\b", row["told"])
    ]  # fmt: skip
    assert set(TABLES) == {name for name, _, _ in proving}
    await without_constraints(server)
    rows = {name: await server.fetch(f"SELECT id::text FROM {name} ORDER BY id") for name in TABLES}
    rows["upload"] = [
        row for row in rows["upload"] if row["id"] in {str(place.film), str(place.gone)}
    ]  # all bytes came
    assert ["film_timecode"] == [name for name in TABLES if not rows[name]]
    proving = [each for each in proving if rows[each[0]]]
    for name, column, kind in chance.sample(proving, 20):
        row = chance.choice(rows[name])["id"]
        spelled = SPELLING[kind](column)
        before = await server.fetchval(f"SELECT {column} FROM {name} WHERE id::text = $1", row)
        await server.execute(f"UPDATE {name} SET {column} = {spelled} WHERE id::text = $1", row)
        found = [each for each in await place.found() if each[0].startswith("fact_")]
        assert [("fact_altered", f"{name}/{row}")] == found, column
        await server.execute(f"UPDATE {name} SET {column} = $2 WHERE id::text = $1", row, before)
    assert [] == [each for each in await place.found() if each[0].startswith("fact_")]
    await server.close()


async def without_constraints(server: Connection) -> None:
    """Let anything be written: no check, no exclusion, no foreign key, no trigger."""
    checks = await server.fetch(
        "SELECT conrelid::regclass::text AS name, conname FROM pg_constraint "
        "WHERE contype IN ('c', 'x', 'f', 'u') AND connamespace = 'public'::regnamespace"
    )
    for check in checks:
        await server.execute(f'ALTER TABLE {check["name"]} DROP CONSTRAINT IF EXISTS "{check["conname"]}" CASCADE')
    for index in await server.fetch(
        "SELECT indexrelid::regclass::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
        "WHERE i.indisunique AND NOT i.indisprimary AND c.relname = ANY ($1)", list(TABLES),
    ):  # fmt: skip
        await server.execute(f"DROP INDEX IF EXISTS {index['name']} CASCADE")
    await server.execute("SET session_replication_role = replica")
