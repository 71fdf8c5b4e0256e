"""Start and stop real servers for the tests of storage, on loopback and private sockets only."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from storage.embedded import EmbeddedPostgres, EmbeddedS3, PostgresAddress, S3Address
from storage.embedded.accounts import AsRoot
from storage.evidence_store import EvidenceStore, StoreSettings
from tests.endpoint import NamedStore, bucket, named_store

AS_ROOT = os.geteuid() == 0
NEEDS_ROOT = pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else: run it as root too")


# Another user runs the programs of this clone: in /root, or in a folder of mktemp, it cannot reach them.
CLOSED = AS_ROOT and not all(folder.stat().st_mode & 0o001 for folder in Path(__file__).resolve().parents)
NEEDS_OPEN_CLONE = pytest.mark.skipif(
    CLOSED, reason="the clone lies in a folder that other users cannot enter: nothing was started as another user"
)


@dataclass(frozen=True)
class Station:
    """The two servers of a station, in a directory whose name has a space and Chinese characters."""

    directory: Path
    postgres: PostgresAddress
    s3: S3Address


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    directory = tmp_path_factory.mktemp("servers") / "城关 派出所"
    s3, postgres = an_s3(directory / "s3"), a_postgres(directory / "postgres")
    s3.launch()
    try:
        yield Station(directory, postgres.start(), s3.wait_ready())
    finally:
        postgres.stop()
        s3.stop()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Address]:
    """The store that the run was given, or an embedded one."""
    if (named := named_store()) is not None:
        yield named
        return
    server = an_s3(tmp_path_factory.mktemp("s3"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user may enter, unlike pytest's own."""
    place = Path(tempfile.mkdtemp(prefix="open place "))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def a_postgres(directory: Path, as_root: AsRoot | None = None) -> EmbeddedPostgres:
    return EmbeddedPostgres(directory, "owner's \\ pass%wörd", "application:@/ password", as_root)


def an_s3(directory: Path) -> EmbeddedS3:
    return EmbeddedS3(directory, "station", "a key of the station")


def a_store(s3: S3Address, name: str = "evidence", public_url: str | None = None) -> EvidenceStore:
    """A client of a bucket of this run."""
    secure, keys = isinstance(s3, NamedStore) and s3.secure, (s3.access_key, s3.secret_key)
    return EvidenceStore(StoreSettings(s3.endpoint, *keys, bucket(name), s3.region, secure, public_url))


def a_key() -> str:
    return f"recordings/林 {secrets.token_hex(8)}.webm"


@contextmanager
def running(server: EmbeddedPostgres) -> Iterator[PostgresAddress]:
    try:
        yield server.start()
    finally:
        server.stop()


async def ask(url: str, *statements: str) -> object:
    """Run the statements; the first value of the last one."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


def as_daemon(work: Callable[[], object]) -> str:
    """Run `work` in a process of the local user `daemon`; its result, or its traceback."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        output = ""
        try:
            entry = pwd.getpwnam("daemon")
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            output = str(work())
        except BaseException:
            output = traceback.format_exc()
        finally:
            os.write(writer, output.encode()[-8000:])
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        output = answer.read()
    os.waitpid(child, 0)
    return output
