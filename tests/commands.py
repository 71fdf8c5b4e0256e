"""Every command of `fujing`: whether it only reads, or which journal lines it writes; and one process that runs them.

`python -m tests.commands FOLDER` runs RUNS one after the other over the house of FUJING_DATA_DIR, and prints as JSON
what each changed. tests/stories/test_commands.py compares that with this table, and the table
with the commands that there are.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import click
from click.testing import CliRunner

from backend.core import settings
from backend.core.settings import Settings
from mobile_api.cli import serving
from mobile_api.cli.main import fujing

T = TypeVar("T")
STATION, OLD = "330102010000", datetime.now(UTC) - timedelta(days=20 * 365)
SHIFT, FILM = UUID(int=0x5417), UUID(int=0xF117)
RECEIVED = b"footage past its term"


class Run(NamedTuple):
    """One run of a command. `lines`: the verbs of the journal lines that it writes; none: it only reads."""

    words: str
    lines: frozenset[str] = frozenset()
    given: str = ""

    @property
    def command(self) -> str:
        """The command, without what it is given."""
        words = self.words.split()
        return " ".join(words[:2]) if words[0] in GROUPS else words[0]


GROUPS = ("report", "law")
# Processes of the house itself, which write their own lines; and a house of its own.
SERVES = frozenset({"serve", "api", "worker", "demo"})
# What changes the machine, and no house.
OF_THE_MACHINE = frozenset({"install"})
# Clients: they speak to the API as any phone, which writes the lines; on the server they change nothing.
CLIENTS = frozenset({"enrol-station", "ingest", "timecode", "outbox"})
# What needs a place of its own; the test that shows its line.
ELSEWHERE = {
    "restore": "test_it_comes_back_in_another_place",
    "heal": "test_a_damaged_file_is_named_and_put_back",
    "migrate": "test_an_upgrade_says_who_ran_it",
}


def writes(words: str, *lines: str, given: str = "") -> Run:
    return Run(words, frozenset(lines), given)


RUNS = (
    Run("health"), Run("settings"), Run("openapi"), Run("sizing"), Run("fingerprint"), Run("law check"),
    Run("doctor"), Run("verify"), Run("verify-package {folder}"), Run("probe {folder}/roster.csv"),
    Run(f"timeline {SHIFT}"), Run("calendar 2031"), Run("dispose"), Run("erase"),
    Run("report expiring"), Run("report hours --month 2026-03"), Run("report advances"),
    Run("report spot-checks --month 2026-03"),
    Run("import-roster {folder}/roster.csv --dry-run"), Run("import-roster --template {folder}/new.xlsx"),
    Run("import-plan --template {folder}/plan.xlsx"),
    writes("import-roster {folder}/roster.csv --passwords {folder}/passwords.csv", "people/import", "people/password"),
    writes("import-plan {folder}/plan.csv", "rosters/import"),
    writes("import-items {folder}/items.csv", "items/import"),
    writes("set-password FJ1001", "people/password", given="a password of the street\n"),
    writes("reset-totp P2001", "people/totp-reset"),
    writes("enrol HH-0001 --for P2001", "devices/code"),
    writes("revoke HH-0001", "devices/revoke"),
    writes("reinstate HH-0001", "devices/reinstate"),
    writes("rotate-keys evidence", "keys/rotate", "keys/rotated"),
    writes("calendar 2031 --from {folder}/notice.toml", "calendar/take-in", "calendar/taken-in"),
    writes("erase --for-real", "erasure/erase"),
    writes("dispose --for-real", "evidence/dispose", "evidence/remove"),
    writes("mark-store", "house/mark-store"),
    writes("backup {folder}/backup", "house/backup", "house/backed-up"),
)  # fmt: skip
FILES = {
    "roster.csv": f"record,code,name,kind,organ,from,until\nperson,FJ2002,朱新,duty_auxiliary,{STATION},2026-03-01,\n"
    f"role,P2001,,inspector,{STATION},2026-03-01,\n",
    "plan.csv": "badge,post,officer,duty_type,starts_at,ends_at\n"
    "FJ1001,南门,P2001,post,2031-03-01T08:00:00+08:00,2031-03-01T16:00:00+08:00\n",
    "items.csv": "badge,kind,serial,issued,returned\nFJ1001,recorder,DSJ-0042,2026-03-01,\n",
    "notice.toml": '["2031"]\nrest = []\nwork = []\nsource = "test"\n',
}


def commands_of(group: click.Group, before: str = "") -> Iterator[str]:
    """The names of all commands of a group, in it and below."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{before}{name} ")
        else:
            yield before + name


# The lines themselves, what follows from facts and is found again, and what was found of the store.
NO_FACTS = frozenset({"journal", "finding", "store_check"})
Look = dict[str, str]


async def digests(connection: asyncpg.Connection) -> Look:
    """A digest of each table."""
    tables = await connection.fetch("SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'")
    sql = "SELECT md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) FROM {} t"
    return {row["t"]: await connection.fetchval(sql.format(row["t"])) for row in tables}


def files(folders: tuple[Path, ...]) -> Look:
    """A digest of each file."""
    paths = [(folder, path) for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {f"{folder.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for folder, path in paths}


async def transactions(connection: asyncpg.Connection, tables: list[str], since: int) -> list[int]:
    """The transactions from this one on that wrote the rows of these tables as they are now."""
    found: set[int] = set()
    for table in tables:
        sql = f"SELECT DISTINCT xmin::text::bigint AS x FROM {table} WHERE xmin::text::bigint >= $1"  # noqa: S608
        found |= {row["x"] for row in await connection.fetch(sql, since)}
    return sorted(found)


def told(full: Settings, run: Run, folder: Path) -> dict[str, Any]:
    """Run one command. What it changed, and the journal lines that it wrote."""

    async def before(connection: asyncpg.Connection) -> tuple[Look, int, int]:
        line = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM journal")
        since = await connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        return await digests(connection), line, since

    async def after(connection: asyncpg.Connection) -> tuple[Look, list[Any]]:
        sql = "SELECT verb, xid::text::bigint AS xid, entry FROM journal WHERE seq > $1 ORDER BY seq"
        return await digests(connection), await connection.fetch(sql, line)

    folders = (full.secrets_dir, full.law_home)
    kept, (rows_before, line, since) = files(folders), ask(full, before)
    words = run.words.format(folder=folder).split()
    done = CliRunner().invoke(fujing, words, input=run.given, env={"LC_ALL": "C.UTF-8"})
    rows_after, lines = ask(full, after)
    tables = [name for name in rows_before if rows_before[name] != rows_after[name] and name not in NO_FACTS]
    changed = sorted(name for name, _ in set(kept.items()) ^ set(files(folders).items()))
    return {
        "words": run.words, "code": done.exit_code, "said": done.output, "tables": tables, "files": changed,
        "transactions": ask(full, lambda connection: transactions(connection, tables, since)),
        "lines": [{"verb": row["verb"], "xid": row["xid"], "entry": json.loads(row["entry"])} for row in lines],
    }  # fmt: skip


def ask(full: Settings, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Work with the database as its owner."""

    async def main() -> T:
        connection = await asyncpg.connect(full.migrate_url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(main())


async def past_its_term(connection: asyncpg.Connection) -> None:
    """A shift and a film of twenty years ago: words and places of the one are erased, the other is disposed of."""
    lin = await connection.fetchval("SELECT id FROM person_now WHERE badge = 'FJ1001'")
    await connection.execute(
        "INSERT INTO shift (id, person, organ, duty_type, started_at, ended_at, ended_by, in_force, dress, "
        "id_card_carried, equipment, vehicle) VALUES ($1, $2, $3, 'patrol', $4, $4, 'check_out', true, 'uniform', "
        "true, '{}', 'a car')",
        SHIFT, lin, STATION, OLD,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO upload (id, kind, owner, organ, declared_by, file_name, media_type, state, bytes, sha256, "
        "part_size, object_key, version, declared_at, touched_at, received_at, sealed_at, locked_until, receipt) "
        "VALUES ($1, 'recording', $2, $3, $2, 'a.mp4', 'video/mp4', 'sealed', $4, $5, 8388608, 'a', 'v', $6, $6, $6, "
        "$6, $6, 'a receipt')",
        FILM, lin, STATION, len(RECEIVED), hashlib.sha256(RECEIVED).hexdigest(), OLD,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO recording (id, wearer, organ, camera_serial, camera_offset_ms, correction_ms, camera_started_at, "
        "started_at, ended_at, key_mark) VALUES ($1, $2, $3, 'DSJ-0001', 0, 0, $4, $4, $4, false)",
        FILM, lin, STATION, OLD,
    )  # fmt: skip


def main(folder: Path) -> None:
    """Run all of them. The servers of this data directory run."""
    with serving.services(settings.load()) as full:
        _run_all(full, folder)


def _run_all(full: Settings, folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).write_text(content)
    CliRunner().invoke(fujing, ["fingerprint"])  # it makes the keys of a house that nobody served yet
    ask(full, past_its_term)
    print(json.dumps([told(full, run, folder) for run in RUNS]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
