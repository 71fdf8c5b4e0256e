"""The programs of PostgreSQL that Fujing runs: pg_dump and pg_restore; which of those installed can speak to a server.

Guarantees: a server that is spoken to by TLS is never spoken to in the clear; a program that is too old for a server,
or has no TLS where that is needed, is not run: a sentence says which one to install. No password is in a command line.
"""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

from storage.embedded.postgres import postgres_binaries
from storage.embedded.processes import EmbeddedError
from storage.language import SentenceError

PLACES = ("/usr/lib/postgresql", "/usr/pgsql-*", "/opt/homebrew/opt", "/usr/local/opt")
ENCRYPTED = ("require", "verify-ca", "verify-full")
SETS_TRANSACTION_TIMEOUT = 17  # from this version on a dump, restored, sets what an older server does not know
VERSION = re.compile(r"\) (\d+)")
PATIENCE = 10  # seconds for a program that only says what it is


class ProgramError(SentenceError):
    """A program of PostgreSQL is missing, or failed. The text says what to do."""

    exit_code = 2


class ProgramFailed(ProgramError):
    """A program ran and failed. `said`: its own words."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"{name} 失败：{said}", f"{name} failed: {said}")
        self.said = said


class Server(NamedTuple):
    """A PostgreSQL server: its major version, and whether our connection to it is by TLS."""

    version: int
    tls: bool


class Program(NamedTuple):
    """An installed program: its major version, and whether it can speak TLS."""

    path: Path
    version: int
    tls: bool

    def suits(self, server: "Server") -> bool:
        """Whether it can dump and restore on this server: not too old, not too new, with TLS where that is spoken."""
        is_too_new = self.version >= SETS_TRANSACTION_TIMEOUT > server.version
        return self.version >= server.version and not is_too_new and (self.tls or not server.tls)

    def reads(self, dump: Path) -> bool:
        """Whether this pg_restore knows the format of a dump."""
        done = subprocess.run([self.path, "--list", dump], capture_output=True, env=_plain(), timeout=600)  # noqa: S603
        return done.returncode == 0


async def server_of(connection: asyncpg.Connection) -> Server:
    """The server at the other end of a connection."""
    tls = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    return Server(connection.get_server_version().major, bool(tls))


def choose(name: str, server: Server, dump: Path | None = None) -> Program:
    """The oldest installed program that suits this server, and reads this dump. Raises ProgramError.

    Where there is one, that is the server's own version. What 17 and newer write, no older server restores.
    """
    there = list(installed(name))
    able = [each for each in there if each.suits(server)]
    if not able:
        raise ProgramError(*_what_to_install(name, server, there))
    reading = [each for each in able if dump is None or each.reads(dump)]
    if not reading:
        raise ProgramError(
            f"{dump} 由更新版本的 pg_dump 写成，PostgreSQL {server.version} 的程序无法读取："
            "请恢复到更新版本的 PostgreSQL。",
            f"{dump} was written by a newer pg_dump than the programs for PostgreSQL {server.version} can read: "
            "restore it into a newer PostgreSQL.",
        )
    return min(reading, key=lambda each: each.version)


def _what_to_install(name: str, server: Server, there: list[Program]) -> tuple[str, str]:
    found = "; ".join(f"{each.path}: {each.version}{'' if each.tls else ', no TLS'}" for each in there)
    by_tls = ("，且支持 TLS", " with TLS") if server.tls else ("", "")
    newer, last = (" 或更高版本", " or newer"), SETS_TRANSACTION_TIMEOUT - 1
    if server.version <= last:
        newer = ("", "") if server.version == last else (f" 至 {last}", f" to {last}")
    clear = ("；不会改用明文", "; it is not done in the clear instead") if server.tls else ("", "")
    package = f"postgresql-client-{server.version}"
    return (
        f"需要 {name} {server.version}{newer[0]}{by_tls[0]}，才能备份和恢复该数据库{clear[0]}。"
        f"请安装 PostgreSQL {server.version} 的客户端程序（Debian：{package}）。已安装：{found or '无'}。",
        f"{name} {server.version}{newer[1]}{by_tls[1]} is needed for this database{clear[1]}. "
        f"Install the client programs of PostgreSQL {server.version} (Debian: {package}). "
        f"Installed: {found or 'none'}.",
    )


def installed(name: str) -> Iterator[Program]:
    """Every installed program of this name: the embedded server's first, then the system's."""
    seen = set()
    for path in _paths(name):
        real = path.resolve()
        if real not in seen and os.access(path, os.X_OK):
            seen.add(real)
            version = VERSION.search(_said(path, "--version"))
            if version is not None:
                yield Program(path, int(version[1]), _speaks_tls(path))


def _paths(name: str) -> Iterator[Path]:
    with contextlib.suppress(EmbeddedError):
        yield postgres_binaries() / name
    for place in PLACES:
        root, _, pattern = place.rpartition("/")
        for home in sorted(Path(root).glob(pattern)):
            yield from sorted([*home.glob(f"bin/{name}"), *home.glob(f"*/bin/{name}")])
    found = shutil.which(name)
    if found is not None and not Path(found).resolve().name.startswith("pg_wrapper"):  # Debian's, which chooses itself
        yield Path(found)


def _speaks_tls(path: Path) -> bool:
    """Whether the library beside it was built with TLS: it says so before it connects anywhere."""
    beside = path.with_name("pg_dump")
    return "SSL support is not compiled in" not in _said(beside, "--dbname=host=/nonexistent sslmode=require")


def _said(path: Path, *words: str) -> str:
    try:
        done = subprocess.run([path, *words], capture_output=True, env=_plain(), timeout=PATIENCE)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


def _plain() -> dict[str, str]:
    """The environment, without what libpq would read from it; texts in English."""
    return {name: text for name, text in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


async def run(program: Program, server: Server, url: str, *words: str) -> None:
    """Run a program on the database of this URL. Raises ProgramFailed with what it said; it ends with the caller."""
    address, variables = address_of(encrypted(url) if server.tls else url)
    process = await asyncio.create_subprocess_exec(
        program.path, f"--dbname={address}", *words, stderr=asyncio.subprocess.PIPE, umask=0o077,
        env=os.environ | {"LC_ALL": "C"} | dict(variables),
    )  # fmt: skip
    try:
        _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ProgramFailed(program.path.name, errors.decode(errors="replace").strip()[:500])


def encrypted(url: str) -> str:
    """The URL, which never falls back to the clear."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if query.get("sslmode") not in ENCRYPTED:
        query["sslmode"] = "require"
    return urlunsplit(parts._replace(query=urlencode(query)))


def address_of(url: str) -> tuple[str, Mapping[str, str]]:
    """The URL without its password, and the password as an environment variable, which other users do not see."""
    parts = urlsplit(url)
    address = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@", 1)))
    return address, {"PGPASSWORD": unquote(parts.password or "")}


def newest(name: str) -> Path:
    """The newest installed program of this name, the embedded server's among them. Raises ProgramError."""
    there = list(installed(name))
    if not there:
        raise ProgramError(
            f"未安装 {name}：它随 PostgreSQL 客户端程序提供。",
            f"{name} is not installed: it comes with PostgreSQL's client programs.",
        )
    return max(there, key=lambda each: each.version).path
