"""The servers from wheels: they start anywhere, answer only us, and end with us."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest
import urllib3
from minio import Minio

from storage.embedded import EmbeddedError, S3Address
from storage.embedded.accounts import AsRoot, account_for
from storage.embedded.postgres import postgres_binaries
from storage.embedded.processes import ServerProcess, psutil_process
from storage.private_files import write_private
from tests.api.storage_support import (
    AS_ROOT,
    NEEDS_OPEN_CLONE,
    NEEDS_ROOT,
    Station,
    a_postgres,
    an_s3,
    anyio_backend,
    as_daemon,
    ask,
    open_place,
    running,
    station,
)
from tests.houses import gone

__all__ = ["anyio_backend", "open_place", "station"]
SECRET = b"footage of a patrol " * 400


def servers_under(directory: Path) -> list[psutil.Process]:
    """Processes whose command line names the directory."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(directory) in word for word in process.info["cmdline"] or [])
    ]


def modes_open_to_others(directory: Path) -> list[Path]:
    """Paths that others than the owner could read."""
    return [path for path in [directory, *directory.iterdir()] if path.lstat().st_mode & 0o077]


def a_client(s3: S3Address) -> Minio:
    return Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False, region=s3.region)


def footage(client: Minio, number: int) -> str | None:
    return client.put_object("evidence", f"patrol-{number}", io.BytesIO(SECRET), len(SECRET)).version_id


def is_there(path: str) -> bool:
    return os.path.lexists(path)


def socket_directory(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


@pytest.mark.anyio
async def test_a_path_with_spaces_and_chinese_serves_both(station: Station) -> None:
    """The directories of a station's computer have such names."""
    assert await ask(station.postgres.owner_url, "SELECT 1") == 1
    assert a_client(station.s3).list_buckets() is not None


@pytest.mark.anyio
async def test_the_owner_owns_the_database_and_the_application_may_only_connect(station: Station) -> None:
    """The migrations grant what the application may do; before them it may do nothing."""
    owned = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'fujing'"
    assert await ask(station.postgres.app_url, owned) == "fujing_owner"
    assert await ask(station.postgres.owner_url, "SELECT 1 FROM pg_extension WHERE extname = 'btree_gist'")
    for refused in ("CREATE TABLE t (a int)", "CREATE TEMP TABLE t (a int)", "CREATE SCHEMA s", "CREATE DATABASE d"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(station.postgres.app_url, refused)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(station.postgres.app_url.replace("/fujing?", "/postgres?"), "SELECT 1")


@pytest.mark.anyio
@pytest.mark.parametrize("role", ["fujing_owner", "fujing_app", "postgres"])
async def test_a_wrong_password_is_refused(station: Station, role: str) -> None:
    """Local users need a password too, and so does the superuser."""
    url = f"postgresql://{role}:wrong@/fujing?{urlsplit(station.postgres.owner_url).query}"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(url, "SELECT 1")


@NEEDS_ROOT
def test_another_local_user_reaches_neither_socket_nor_files(open_place: Path) -> None:
    """Even with the right password: the directory is closed."""
    directory = open_place / "postgres"
    with running(a_postgres(directory)) as address:
        assert "PermissionError" in as_daemon(lambda: asyncio.run(ask(address.owner_url, "SELECT 1")))
        assert "PermissionError" in as_daemon(lambda: os.listdir(directory))


def test_files_are_open_to_their_owner_only(station: Station) -> None:
    """They contain footage and passwords."""
    for server in ("postgres", "s3"):
        assert [] == modes_open_to_others(station.directory / server)


def test_the_s3_server_listens_on_loopback_only_and_keeps_objects_to_the_key(station: Station) -> None:
    """Otherwise its inner servers would give every object to any local user."""
    client = a_client(station.s3)
    client.make_bucket("evidence", object_lock=True)
    footage(client, 1)
    (weed,) = servers_under(station.directory / "s3")
    listening = [each.laddr for each in weed.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    assert len(listening) == 10
    assert {"127.0.0.1"} == {address.ip for address in listening}
    for _, port in listening:
        for path in ("evidence/patrol-1", "buckets/evidence/patrol-1", "buckets/evidence/patrol-1.versions/"):
            assert SECRET[:20] not in unsigned(port, path)
        assert not talks_without_certificate(port)


def unsigned(port: int, path: str) -> bytes:
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        return urllib3.request("GET", f"http://127.0.0.1:{port}/{path}", retries=False, timeout=2).data
    return b""


def talks_without_certificate(port: int) -> bool:
    """Whether an HTTP/2 server speaks to us there: it opens with a SETTINGS frame."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    anybody.set_alpn_protocols(["h2"])
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), 2) as plain,
        anybody.wrap_socket(plain) as secured,
    ):
        secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        return len(secured.recv(9)) == 9
    return False


@pytest.mark.anyio
async def test_a_deep_path_works_beside_another_server(station: Station, tmp_path: Path) -> None:
    """A Unix socket's path is 107 bytes at most; two stations may share a computer."""
    deep = tmp_path.joinpath(*(["辅警" * 12] * 4), "postgres")
    assert len(os.fsencode(deep)) > 200
    server = a_postgres(deep)
    with running(server) as address:
        assert await ask(address.owner_url, "SELECT 2") == 2
        assert await ask(station.postgres.owner_url, "SELECT 1") == 1
        sockets = socket_directory(address.owner_url)
        assert not sockets.is_relative_to(deep)
        assert os.stat(sockets).st_mode & 0o777 == 0o700
        name = str(sockets)
    assert not is_there(name)
    assert [] == servers_under(deep)


@NEEDS_OPEN_CLONE
def test_an_ordinary_user_runs_it_too(open_place: Path) -> None:
    """Root is not needed for anything."""
    directory = open_place / "postgres"

    def use_it() -> object:
        with running(a_postgres(directory)) as address:
            return asyncio.run(ask(address.app_url, "SELECT 'answered'"))

    open_place.chmod(0o777)
    assert (as_daemon(use_it) if AS_ROOT else use_it()) == "answered"
    assert [] == servers_under(directory)


@NEEDS_ROOT
@NEEDS_OPEN_CLONE
@pytest.mark.anyio
async def test_root_runs_it_as_an_account_then_in_a_namespace_over_the_same_files(open_place: Path) -> None:
    """A container may refuse namespaces one day and allow them the next."""
    directory = open_place / "postgres"
    with running(a_postgres(directory, "user")) as address:
        await ask(address.owner_url, "CREATE TABLE patrol (id int)", "INSERT INTO patrol VALUES (7) RETURNING id")
        assert all(each.uids().real != 0 for each in servers_under(directory))
        assert directory.stat().st_mode & 0o777 == 0o700
    with running(a_postgres(directory, "namespace")) as address:
        assert await ask(address.owner_url, "SELECT id FROM patrol") == 7
        assert directory.stat().st_uid == (directory / "cluster").stat().st_uid == 0
    with running(a_postgres(directory, "user")) as address:
        assert await ask(address.owner_url, "SELECT id FROM patrol") == 7


@NEEDS_ROOT
def test_a_directory_the_account_cannot_enter_is_named(tmp_path: Path) -> None:
    """/root is closed to other users: the error says which directories to use instead."""
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedError, match="FUJING_DATA_DIR"):
        a_postgres(tmp_path / "postgres", "user").start()


@pytest.mark.anyio
async def test_an_interrupted_initdb_is_run_again(tmp_path: Path) -> None:
    """Somebody pressed Ctrl+C during the first start."""
    half = tmp_path / "postgres" / "cluster.unfinished"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with running(a_postgres(tmp_path / "postgres")) as address:
        assert await ask(address.app_url, "SELECT 1") == 1
    assert not half.exists()


def test_one_directory_serves_one_parent(station: Station) -> None:
    """A second one is refused, and does not disturb the first."""
    for second in (a_postgres(station.directory / "postgres"), an_s3(station.directory / "s3")):
        with pytest.raises(EmbeddedError, match="in use by another fujing"):
            second.start()
        second.stop()
    assert 2 == len([each for each in servers_under(station.directory) if each.ppid() == os.getpid()])


PARENT = """
import asyncio, io, sys, time
from pathlib import Path
from tests.api.storage_support import a_postgres, an_s3, ask
from tests.api.test_embedded import a_client, footage
directory = Path(sys.argv[1])
s3, postgres = an_s3(directory / "s3"), a_postgres(directory / "postgres")
s3.launch()
address = postgres.start()
asyncio.run(ask(address.owner_url, "CREATE TABLE patrol AS SELECT 7 AS id", "SELECT 1"))
client = a_client(s3.wait_ready())
client.make_bucket("evidence", object_lock=True)
footage(client, 7)
print("kept", flush=True)
time.sleep(600)
"""


def orphans_of_a_killed_parent(directory: Path) -> list[psutil.Process]:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "kept\n"
        orphans = [each for each in servers_under(directory) if each.pid != parent.pid]
        parent.send_signal(signal.SIGKILL)
    return orphans


@pytest.mark.anyio
async def test_after_kill_9_the_next_start_finds_everything(tmp_path: Path) -> None:
    """Servers end with their parent, and committed data is there."""
    orphans = orphans_of_a_killed_parent(tmp_path)
    assert len(orphans) >= 2
    s3, postgres = an_s3(tmp_path / "s3"), a_postgres(tmp_path / "postgres")
    s3.launch()
    with running(postgres) as address:
        assert await ask(address.owner_url, "SELECT id FROM patrol") == 7
    try:
        assert SECRET == a_client(s3.wait_ready()).get_object("evidence", "patrol-7").read()
        assert [] == gone(orphans)
    finally:
        s3.stop()


def test_ports_taken_meanwhile_are_replaced_and_the_objects_stay(tmp_path: Path) -> None:
    """The ports are kept for convenience; the data does not depend on them."""
    left_by_others = set(Path("/tmp").glob("seaweedfs-*.sock"))  # noqa: S108 - the server puts them there
    server = an_s3(tmp_path)
    client = a_client(first := server.start())
    client.make_bucket("evidence", object_lock=True)
    footage(client, 1)
    server.stop()
    assert [] == servers_under(tmp_path)
    assert [] == [
        path
        for port in json.loads((tmp_path / "ports.json").read_text()).values()
        for path in Path("/tmp").glob(  # noqa: S108 - the server puts them there
            f"seaweedfs-*-{port}.sock"
        )
        if path not in left_by_others
    ]
    with socket.create_server(("127.0.0.1", int(first.endpoint.rpartition(":")[2]))):
        second = server.start()
        try:
            assert second.endpoint != first.endpoint
            assert SECRET == a_client(second).get_object("evidence", "patrol-1").read()
        finally:
            server.stop()


ACCOUNTS = ["namespace", pytest.param("user", marks=NEEDS_OPEN_CLONE)] if AS_ROOT else [None]


@pytest.mark.parametrize("as_root", ACCOUNTS)
def test_a_child_ends_with_its_parent(open_place: Path, as_root: AsRoot | None) -> None:
    """The kernel ends it, whatever account it changed to: no other process is left that could."""
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        with contextlib.suppress(BaseException):
            account = account_for(postgres_binaries() / "postgres", open_place, as_root)
            sleeper = ServerProcess("sleeper", open_place, signal.SIGTERM)
            sleeper.start(["/bin/sleep", "60"], {}, account.become)
            os.write(writer, (open_place / "sleeper.pid").read_bytes())
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(writer)
    with os.fdopen(reader) as pid_file:
        pid = json.loads(pid_file.read())["pid"]
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 5
    while psutil_process(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert psutil_process(pid) is None


def test_our_left_over_process_is_ended_and_another_with_its_pid_is_not(tmp_path: Path) -> None:
    """Pids are reused: the start time tells processes apart."""
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        born = psutil.Process(sleeper.pid).create_time()
        server = ServerProcess("postgres", tmp_path, signal.SIGTERM)
        for created, ends in ((born - 100, False), (born, True)):
            write_private(tmp_path / "postgres.pid", f'{{"pid": {sleeper.pid}, "created": {created}}}'.encode())
            server.end_left_over(grace=5)
            time.sleep(0.05)
            assert (sleeper.poll() is not None) == ends


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The error quotes the last log lines."""
    server = a_postgres(tmp_path)
    server.start()
    server.stop()
    (tmp_path / "cluster" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedError, match="no_such_setting"):
        server.start()
    assert [] == servers_under(tmp_path)
