"""Runs the house: embedded services where none is named, migrations, the API and the worker, and their end.

Guarantees: one process serves a data directory at a time; SIGTERM or Ctrl-C ends everything and leaves no process;
after `kill -9` the next start ends what was left over and recovers. What cannot work is one sentence (ServingError).
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec
import structlog
import urllib3
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import Server

from backend.core import database, journal
from backend.core.keys import Keys, secret
from backend.core.settings import Settings, SettingsError, variable
from migrations.apply import migrate, role_of
from mobile_api.stores import store_of
from storage.embedded.processes import ServedDirectory, ServerProcess, free_port, is_free
from storage.evidence_store import LockNotKept
from storage.private_files import make_private

log = structlog.get_logger()
HEADERS_MS = 10_000  # for a request's head: a phone sends it in one piece
READY_SECONDS = 30.0
POLL = 0.2
PREFERRED_PORT = 8080


class ServingError(Exception):
    """It cannot run; the text says what to do."""


@contextmanager
def services(
    settings: Settings, *, shared: bool = True, watched: list[ServerProcess] | None = None
) -> Iterator[Settings]:
    """The settings with every service named, embedded ones running and added to `watched`. Main thread only.

    Where another process of ours serves this data directory and `shared`, its services are used.
    """
    if settings.database_url is not None and settings.s3_endpoint is not None:
        yield settings
        return
    running = _running(settings.data_dir) if shared else None
    if running is not None:
        yield _merged(settings, running)
        return
    with _embedded(settings, [] if watched is None else watched) as found:
        yield _merged(settings, found)


@contextmanager
def _embedded(settings: Settings, watched: list[ServerProcess]) -> Iterator[dict[str, str]]:
    from storage.embedded import EmbeddedPostgres, EmbeddedS3

    home, secrets = make_private(settings.data_dir), settings.secrets_dir
    postgres = EmbeddedPostgres(home / "postgres", secret(secrets / "postgres-owner"), secret(secrets / "postgres-app"))
    store = EmbeddedS3(home / "s3", secret(secrets / "s3-access")[:20], secret(secrets / "s3-secret"))
    found: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if settings.s3_endpoint is None:
            stack.callback(store.stop)
            store.launch()
            watched.append(store.process)
        if settings.database_url is None:
            stack.callback(postgres.stop)
            address = postgres.start()
            watched.append(postgres.process)
            found |= {"database_url": address.app_url, "migrate_url": address.owner_url}
        if settings.s3_endpoint is None:
            s3 = store.wait_ready()
            found |= {"s3_endpoint": s3.endpoint, "s3_access_key": s3.access_key, "s3_secret_key": s3.secret_key}
        stack.enter_context(_noted(home, found))
        yield found


@contextmanager
def _noted(home: Path, found: dict[str, str]) -> Iterator[None]:
    """Tell other commands where the services are, while they run."""
    path = home / "services.json"
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(found, file)
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _running(home: Path) -> dict[str, str] | None:
    """The services that a living process of ours runs in this data directory."""
    try:
        noted = json.loads((home / "services.json").read_text())
    except (OSError, ValueError):
        return None
    served = any(_is_locked(home / name / "lock") for name in ("postgres", "s3"))
    return dict(noted) if served else None


def _is_locked(path: Path) -> bool:
    """Whether a living process holds the lock of an embedded server."""
    if not path.exists():
        return False
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _merged(settings: Settings, found: dict[str, str]) -> Settings:
    secure = False if "s3_endpoint" in found else settings.s3_secure
    return msgspec.structs.replace(settings, **found, s3_secure=secure)


def environment(settings: Settings) -> dict[str, str]:
    """This process's environment with the settings in it, for a child."""
    told = {key: text for key, text in os.environ.items() if not key.startswith("FUJING_")}
    for name in settings.__struct_fields__:
        chosen = getattr(settings, name)
        if chosen is not None and name != "migrate_url":
            told[variable(name)] = str(chosen).lower() if isinstance(chosen, bool) else str(chosen)
    return told


async def prepare(settings: Settings) -> None:
    """Migrations, the bucket, and the proof that the store keeps its locks. Raises ServingError."""
    if settings.migrate_url is not None:
        await migrate(settings.migrate_url, role_of(str(settings.database_url)))
    await _check_role(settings)
    Keys(settings.secrets_dir)
    store = store_of(settings)
    try:
        await store.prepare()
        await store.prove_lock()
    except LockNotKept as error:
        raise ServingError(str(error)) from error
    finally:
        store.close()


async def _check_role(settings: Settings) -> None:
    """The application's role must find the schema, and must not be able to alter the journal."""
    async with database.opened(str(settings.database_url), size=1):
        if not await journal.schema_exists():
            raise ServingError(
                "The database has no schema yet: set FUJING_MIGRATE_URL, or run `fujing migrate` as owner."
            )
        if await journal.is_of_another_cluster():
            raise ServingError(
                "The database was restored into another cluster: set FUJING_MIGRATE_URL, or run `fujing migrate` as "
                "owner, so that what it holds is told again."
            )
        if await journal.could_be_altered():
            raise ServingError(
                "FUJING_DATABASE_URL signs in as a role that could alter the journal: use a role that owns no table."
            )


def chosen_address(settings: Settings) -> tuple[str, int]:
    """Where to listen. Unset: 127.0.0.1:8080, or any free port where that is taken. Raises SettingsError."""
    if settings.listen is None:
        return "127.0.0.1", PREFERRED_PORT if is_free(PREFERRED_PORT) else free_port()
    host, _, port = settings.listen.rpartition(":")
    host = host.strip("[]")
    if int(port) == 0:
        return host, free_port()
    if host in ("127.0.0.1", "localhost", "0.0.0.0") and not is_free(int(port)):  # noqa: S104
        raise SettingsError(f"FUJING_LISTEN names port {port}, which is taken: choose another, or 0 for any.")
    return host, int(port)


class House:
    """Everything running: the full settings, the API's address, and every child, servers included."""

    def __init__(self, settings: Settings, url: str, children: list[ServerProcess]) -> None:
        self.settings, self.url, self._children = settings, url, children

    def wait(self) -> None:
        """Return never, unless a child ends by itself. Raises ServingError with its last words."""
        while True:
            for child in self._children:
                if child.exited():
                    raise ServingError(f"{child.name} ended by itself.{child.last_words()}")
            time.sleep(POLL)


@contextmanager
def _claimed(home: Path) -> Iterator[None]:
    """The data directory, served by nobody else. Raises EmbeddedError where somebody does."""
    claim = ServedDirectory(make_private(home))
    claim.claim()
    try:
        yield
    finally:
        claim.release()


@contextmanager
def _reserved(settings: Settings) -> Iterator[str]:
    """The address to listen on, kept for us: our server shares it (SO_REUSEPORT), others find it taken."""
    host, port = chosen_address(settings)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind((host, port))
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def house(settings: Settings) -> Iterator[House]:
    """Services, migrations, API and worker, for as long as the block lasts. Main thread only."""
    watched: list[ServerProcess] = []
    embedding = services(settings, shared=False, watched=watched)
    with _claimed(settings.data_dir), _reserved(settings) as address, embedding as named:
        asyncio.run(prepare(named))
        full = msgspec.structs.replace(named, listen=address)
        logs = make_private(full.data_dir / "logs")
        told = environment(full)
        children = [ServerProcess(name, logs, signal.SIGTERM) for name in ("api", "worker")]
        try:
            for child in children:
                child.end_left_over(2)
                child.start([sys.executable, "-m", "mobile_api.cli", child.name], told)
            children[0].wait_until(lambda: _answers(address), READY_SECONDS)
            yield House(full, f"http://{address}", [*watched, *children])
        finally:
            for child in children:
                child.signal_end()
            for child in children:
                child.stop(3)


def _answers(address: str) -> bool:
    try:
        answer = urllib3.request("GET", f"http://{address}/health/ready", timeout=2, retries=False)
        return answer.status == 200
    except urllib3.exceptions.HTTPError:
        return False


class Ended(Exception):
    """A signal asked for the end."""


@contextmanager
def until_signalled() -> Iterator[None]:
    """SIGTERM and Ctrl-C become `Ended`, once; what cleans up is not interrupted again."""

    def end(number: int, _: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise Ended(signal.Signals(number).name)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_api(settings: Settings) -> None:
    """The API in this process and its workers, until SIGTERM."""
    host, port = _address(settings)
    if settings.workers > 1:
        counts = make_private(settings.data_dir / "metrics")
        for left in counts.glob("*.db"):
            left.unlink()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counts)  # before a worker imports what counts
    Server(
        "mobile_api.app:create",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        factory=True,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_MS),
        websockets=False,
        workers_kill_timeout=3,
        log_access=False,
        respawn_failed_workers=True,
    ).serve()


def _address(settings: Settings) -> tuple[str, int]:
    host, _, port = (settings.listen or f"127.0.0.1:{PREFERRED_PORT}").rpartition(":")
    return host.strip("[]"), int(port)


def run_worker(settings: Settings) -> None:
    """The worker in this process, until SIGTERM. Starts again by itself where a connection was lost."""
    from backend.worker import stop_on_signals, work

    async def main() -> None:
        stop = stop_on_signals()
        store, keys = store_of(settings), Keys(settings.secrets_dir)
        while not stop.is_set():
            try:
                await work(str(settings.database_url), store, keys, stop)
            except Exception as error:  # the database went away: wait and begin again
                log.error("worker begins again", exc_info=error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 1)
        store.close()

    asyncio.run(main())
