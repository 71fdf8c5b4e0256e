"""Runs the house: embedded services where none is named, migrations, the API and the worker; and ends them.

Guarantees: one process serves a data directory at a time. A child that ends by itself is started again, not without
limit (restarts.toml). SIGTERM or Ctrl-C ends everything and leaves no process.
After `kill -9` the next start ends what was left over and recovers. What cannot work is one sentence (ServingError).
"""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import msgspec
import structlog
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server import Server

from backend.core import database, journal
from backend.core.database_errors import DatabaseUnusable, first_line, is_damage
from backend.core.keys import Keys, secret
from backend.core.settings import Settings, SettingsError, host_and_port, variable
from backend.proof import known_store
from migrations.apply import migrate, role_of
from mobile_api.cli import lan
from mobile_api.cli.house import by_operator
from mobile_api.cli.lan import Kept, Reach, ShownCertificate
from mobile_api.cli.operations_addresses import health, is_locked, published
from mobile_api.cli.restarts import Restarted
from mobile_api.cli.terminal import say
from mobile_api.stores import store_of
from storage.embedded import EmbeddedPostgres, EmbeddedS3, PostgresAddress, S3Address
from storage.embedded.front import Front
from storage.embedded.processes import ServedDirectory, ServerProcess, free_port, is_free
from storage.evidence_store import LockNotKept, StoreSwapped, StoreUnavailable
from storage.house_ca import PERIODS, CertificateError
from storage.language import SentenceError
from storage.private_files import make_private, write_private

log = structlog.get_logger()
OVERLAP = 10.0  # seconds that a worker goes on when the next one starts, with a new certificate
HEADERS_MS = 10_000  # for the head of a request: a phone sends it in one piece
READY_SECONDS = 30.0
POLL = 0.2
PREFERRED_PORT = 8080
PROGRAMS = ("api", "worker", "store")  # children of `serve` beside the embedded services; "store": its port for phones
CHOICES = 20  # of a port, where others take what was found free
SERVICES = "services.json"  # in the data directory: the addresses of the embedded services
ANY_PORT = "127.0.0.1:0"
OF_SERVE = {"migrate_url", "lan", "store_listen"}  # settings that no child gets
LOOK_NOW = signal.SIGUSR1  # has `serve` look at its certificate at once


class ServingError(SentenceError):
    """The house cannot run; the text says what to do."""


@contextmanager
def services(settings: Settings, *, shared: bool = True) -> Iterator[Settings]:
    """Give the settings with every service named; embedded services run.

    With `shared`, the services of another `fujing` over this data directory are used. Main thread only.
    """
    if settings.database_url is not None and settings.s3_endpoint is not None:
        yield settings
        return
    running = running_services(settings.data_dir) if shared else None
    if running is not None:
        yield _merged(settings, running)
        return
    with EmbeddedServices(settings).running() as embedded:
        yield _merged(settings, embedded.addresses)


class EmbeddedServices:
    """PostgreSQL and S3 of a house: each that the settings do not name."""

    def __init__(self, settings: Settings) -> None:
        self._home, secrets = make_private(settings.data_dir), settings.secrets_dir
        self.addresses: dict[str, str] = {}
        self.postgres: EmbeddedPostgres | None = None
        self.store: EmbeddedS3 | None = None
        if settings.database_url is None:
            passwords = secret(secrets / "postgres-owner"), secret(secrets / "postgres-app")
            self.postgres = EmbeddedPostgres(self._home / "postgres", *passwords)
        if settings.s3_endpoint is None:
            keys = secret(secrets / "s3-access")[:20], secret(secrets / "s3-secret")
            self.store = EmbeddedS3(self._home / "s3", *keys, origin=settings.public_url if settings.lan else None)

    @property
    def started(self) -> list["EmbeddedPostgres | EmbeddedS3"]:
        return [each for each in (self.store, self.postgres) if each is not None]

    @contextmanager
    def running(self) -> Iterator["EmbeddedServices"]:
        """Run them for the length of a block; their addresses are in a file for other commands."""
        if not self.started:
            yield self
            return
        with contextlib.ExitStack() as stack:
            for each in self.started:
                stack.callback(each.stop)
            if self.store is not None:
                self.store.launch()
            if self.postgres is not None:
                self.addresses |= _named(self.postgres.start())
            if self.store is not None:
                self.addresses |= _named(self.store.wait_ready())
            stack.callback((self._home / SERVICES).unlink, missing_ok=True)
            self._publish()
            yield self

    def restart(self, ended: "EmbeddedPostgres | EmbeddedS3") -> bool:
        """Start one again that ended; it recovers by itself. Whether its address changed. Raises EmbeddedError."""
        before = dict(self.addresses)
        ended.stop()
        self.addresses |= _named(ended.start())
        self._publish()
        return self.addresses != before

    def _publish(self) -> None:
        write_private(self._home / SERVICES, json.dumps(self.addresses).encode(), replace=True)


def _named(address: PostgresAddress | S3Address) -> dict[str, str]:
    """The settings that name this service."""
    if isinstance(address, PostgresAddress):
        return {"database_url": address.app_url, "migrate_url": address.owner_url}
    return {
        "s3_endpoint": address.endpoint, "s3_access_key": address.access_key, "s3_secret_key": address.secret_key,
    }  # fmt: skip


def running_services(home: Path) -> dict[str, str] | None:
    """The addresses of the services that another `fujing` runs in this data directory; None where none does."""
    try:
        addresses = json.loads((home / SERVICES).read_text())
    except (OSError, ValueError):
        return None
    is_served = any(is_locked(home / name / "lock") for name in ("postgres", "s3"))
    return dict(addresses) if is_served else None


def _merged(settings: Settings, addresses: dict[str, str]) -> Settings:
    """The settings with these addresses; the embedded store speaks no TLS."""
    secure = False if "s3_endpoint" in addresses else settings.s3_secure
    return msgspec.structs.replace(settings, **addresses, s3_secure=secure)


def environment(settings: Settings) -> dict[str, str]:
    """The environment for a child process: this one's, with these settings, but for what `serve` alone uses."""
    variables = {key: text for key, text in os.environ.items() if not key.startswith("FUJING_")}
    for name in settings.__struct_fields__:
        setting = getattr(settings, name)
        if setting is not None and name not in OF_SERVE:
            variables[variable(name)] = str(setting).lower() if isinstance(setting, bool) else str(setting)
    return variables


async def prepare(settings: Settings) -> None:
    """Migrate, make the bucket, and prove that the store keeps its locks.

    A house that has run before runs without its store: then the reason is printed. Raises ServingError,
    StoreUnavailable at a first start.
    """
    await prepare_database(settings)
    if (away := await prepare_store(settings, "serve")) is not None:
        say(away.zh, away.en)


async def prepare_database(settings: Settings) -> None:
    """Migrate, and look at the application's role. Raises ServingError."""
    if settings.migrate_url is not None:
        await migrate(settings.migrate_url, role_of(str(settings.database_url)))
    await _check_role(settings)
    Keys(settings.secrets_dir)


async def prepare_store(settings: Settings, by: str) -> StoreUnavailable | None:
    """Make the bucket at a first start, prove that it keeps its locks, and that it is the one of this house.

    `by`: the name of the process or command. Returns why the store of a house cannot be used for now. Raises
    ServingError, StoreUnavailable at a first start.
    """
    store = store_of(settings)
    try:
        async with database.opened(str(settings.database_url), size=2):
            await known_store.at_start(store, by)
    except LockNotKept as error:
        raise ServingError(error.zh, error.en) from error
    except StoreUnavailable as error:
        if store.known is None and not isinstance(error, StoreSwapped):
            raise
        return error
    finally:
        store.close()
    return None


async def mark_store(settings: Settings) -> str:
    """Make another known object in the bucket, as the owner of the database. Returns its key. Raises ServingError,
    StoreUnavailable."""
    if settings.migrate_url is None:
        raise ServingError(
            "未设置 FUJING_MIGRATE_URL：只有数据库的所有者能认定存储桶。",
            "FUJING_MIGRATE_URL is not set: only the owner of the database marks a bucket.",
        )
    store = store_of(settings)
    try:
        await database.disconnect()
        async with database.opened(settings.migrate_url, size=2):
            return (await known_store.mark_anew(store, "mark-store")).key
    except LockNotKept as error:
        raise ServingError(error.zh, error.en) from error
    finally:
        store.close()
        await database.connect(str(settings.database_url), 2)


async def _check_role(settings: Settings) -> None:
    """Check that the application's role finds the schema and cannot alter the journal. Raises ServingError."""
    async with database.opened(str(settings.database_url), size=1):
        if not await journal.schema_exists():
            raise ServingError(
                "数据库还没有结构：请设置 FUJING_MIGRATE_URL，或以所有者身份运行 `fujing migrate`。",
                "The database has no schema yet: set FUJING_MIGRATE_URL, or run `fujing migrate` as owner.",
            )
        if await journal.is_of_another_cluster():
            raise ServingError(
                "数据库已恢复到另一个集群：请设置 FUJING_MIGRATE_URL，或以所有者身份运行 `fujing migrate`，"
                "以便重新告知设备其内容。",
                "The database was restored into another cluster: set FUJING_MIGRATE_URL, or run `fujing migrate` as "
                "owner, so that devices are told of its contents again.",
            )
        if await journal.could_be_altered():
            raise ServingError(
                "FUJING_DATABASE_URL 所用的角色可以改动日志：请使用不拥有任何表的角色。",
                "FUJING_DATABASE_URL signs in as a role that could alter the journal: use a role that owns no table.",
            )


def chosen_address(settings: Settings) -> tuple[str, int]:
    """The host and port to listen on. Unset: 127.0.0.1:8080, or any free port where that is taken.

    Open to a network: the port of before (`lan.chosen`). Raises SettingsError, PortTaken.
    """
    if settings.lan is not None:
        return lan.chosen(settings, "listen")
    if settings.listen is None:
        return "127.0.0.1", PREFERRED_PORT if is_free(PREFERRED_PORT) else free_port()
    return _free_address("listen", settings.listen)


def chosen_operations_address(settings: Settings) -> tuple[str, int]:
    """The host and port to answer operators on. Unset: any free port of 127.0.0.1. Raises SettingsError."""
    return _free_address("operations_listen", settings.operations_listen or ANY_PORT)


def _free_address(setting: str, address: str) -> tuple[str, int]:
    host, port = host_and_port(address)
    if port == 0:
        return host, free_port()
    if not is_free(port, host):
        name = variable(setting)
        raise SettingsError(
            f"{name} 指定的端口 {port} 已被占用：请另选一个，或填 0 任选。",
            f"{name} names port {port}, which is taken: choose another, or 0 for any.",
        )
    return host, port


class House:
    """A running house: its full settings, the address of its API, and every child process."""

    def __init__(self, settings: Settings, embedded: EmbeddedServices, programs: "Programs") -> None:
        self.settings, self.programs, self._embedded = settings, programs, embedded
        self.shown = programs.shown
        self.reach = None if self.shown is None else self.shown.reach
        scheme = "http" if settings.tls_cert is None else "https"
        self.url = f"{scheme}://{settings.listen}" if self.reach is None else self.reach.api_url
        self.operations_url = f"http://{settings.operations_listen}"
        self._children = [
            *(Restarted(each.process, partial(self._restart_service, each)) for each in embedded.started),
            *(Restarted(each, partial(programs.restart, each)) for each in programs.children),
        ]

    def check(self) -> None:
        """Raise ServingError with the last lines of its log where a child has ended by itself."""
        for child in (each.process for each in self._children):
            if child.exited():
                last = child.last_words()
                raise ServingError(f"{child.name} 自行退出。{last}", f"{child.name} ended by itself.{last}")

    def wait(self) -> None:
        """Start every child again that ends by itself, and keep the certificate current. Raises EndedTooOften."""
        due = time.monotonic() + PERIODS.renewal.look_seconds
        with _asked_to_look() as asked:
            while True:
                for child in self._children:
                    child.tend()
                if asked.is_set() or time.monotonic() >= due:
                    asked.clear()
                    due = time.monotonic() + PERIODS.renewal.look_seconds
                    self._look_at_certificate()
                time.sleep(POLL)

    def _look_at_certificate(self) -> None:
        """See that the certificate is current; the ports show another one without a restart."""
        try:
            if self.shown is not None and self.shown.look():
                self.programs.show_certificate()
                say("证书已更新，接口和存储已启用新证书", "the certificate was renewed, and both ports show it")
        except (CertificateError, OSError) as error:  # they go on with the one before
            say(f"证书未更新：{error}", f"the certificate was not renewed: {error}")

    def _restart_service(self, ended: EmbeddedPostgres | EmbeddedS3) -> None:
        """The programs find it again by themselves, unless it is at another address now."""
        if self._embedded.restart(ended):
            self.settings = _merged(self.settings, self._embedded.addresses)
            self.programs.move_to(self.settings)


class Programs:
    """The API and the worker of a house, and the store's port for phones where there is one, as child processes.

    `shown`: the certificate that its ports show to phones, and how they reach it; None: they are not meant to.
    """

    def __init__(self, settings: Settings, logs: Path, shown: ShownCertificate | None = None) -> None:
        self._settings, self.shown = settings, shown
        self._store_listen = None if shown is None else shown.reach.store_listen
        names = PROGRAMS if self._store_listen is not None else PROGRAMS[:2]
        self.children = [_program(name, logs) for name in names]

    def start(self) -> None:
        """Start all, and return when the API answers; its store may be away. Raises EmbeddedError."""
        address = str(self._settings.operations_listen)
        for child in self.children:
            self._run(child)
        self.children[0].wait_until(lambda: health(address).get("database") == "ok", READY_SECONDS)
        for front in self.children[2:]:
            front.wait_until(lambda: _accepts(str(self._store_listen)), READY_SECONDS)

    def show_certificate(self) -> None:
        """Have the API and the store's port load the certificate anew; the API's connections end, as in a restart."""
        for child in self.children:
            if child.name != "worker":
                child.send(signal.SIGHUP)

    def restart(self, child: ServerProcess) -> None:
        """Start one again that ended, after whatever it left. Raises EmbeddedError."""
        child.stop(0)
        self._run(child)

    def move_to(self, settings: Settings) -> None:
        """Run all under other settings."""
        self._settings = settings
        self.stop()
        for child in self.children:
            self._run(child)

    def stop(self) -> None:
        """End all, side by side."""
        for child in self.children:
            child.signal_end()
        for child in self.children:
            child.stop(3)

    def _run(self, child: ServerProcess) -> None:
        if child.name == "store" and self.shown is not None:
            front = msgspec.json.encode(_front(self.shown.reach, self._settings)).decode()
            child.start([sys.executable, "-m", "storage.embedded.front", front], environment(Settings()))
        else:
            child.start([sys.executable, "-m", "mobile_api.cli", child.name], environment(self._settings))


def _program(name: str, logs: Path) -> ServerProcess:
    return ServerProcess(name, logs, signal.SIGTERM)


def _front(reach: Reach, settings: Settings) -> Front:
    """What the store's port for phones does."""
    return Front(
        listen=host_and_port(str(reach.store_listen)), store=host_and_port(str(settings.s3_endpoint)),
        certificate=str(reach.certificate), key=str(reach.key), ca=None if reach.ca is None else str(reach.ca),
    )  # fmt: skip


def _accepts(address: str) -> bool:
    """Whether a server listens there."""
    host, port = host_and_port(address)
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


@contextmanager
def _asked_to_look() -> Iterator[threading.Event]:
    """Set by the signal LOOK_NOW."""
    asked = threading.Event()
    before = signal.signal(LOOK_NOW, lambda _number, _frame: asked.set())
    try:
        yield asked
    finally:
        signal.signal(LOOK_NOW, before)


@contextmanager
def _claimed(home: Path) -> Iterator[None]:
    """Claim the data directory, and end what a killed `serve` left of its programs, whose ports are wanted again.

    Raises EmbeddedError where another process serves it.
    """
    claim = ServedDirectory(make_private(home))
    claim.claim()
    try:
        for name in PROGRAMS:
            _program(name, make_private(home / "logs")).end_left_over(2)
        yield
    finally:
        claim.release()


def _not_listening(host: str, port: int, error: OSError) -> SettingsError:
    """What to say where this address cannot be listened on: it is another machine's, no name, or a guarded port."""
    return SettingsError(
        f"无法在 {host} 的端口 {port} 上监听（{error.strerror}）：FUJING_LISTEN 等设置须填本机的地址；"
        "1024 以下的端口需要相应权限。",
        f"{host} cannot be listened on at port {port} ({error.strerror}): FUJING_LISTEN and its kin take an address of "
        "this machine, and ports below 1024 need a right to them.",
    )


@contextmanager
def _reserved(choose: Callable[[Settings], tuple[str, int]], settings: Settings) -> Iterator[str]:
    """Reserve an address to listen on: our server shares it (SO_REUSEPORT), others find it taken.

    Chooses again where somebody took the port since it was found free; `choose` raises SettingsError for a fixed one.
    """
    for tries_left in reversed(range(CHOICES)):
        host, port = choose(settings)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as reserved:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                reserved.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and tries_left:
                    continue
                raise _not_listening(host, port, error) from error
            yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            return


@contextmanager
def _reserved_for_store(settings: Settings) -> Iterator[str | None]:
    """The address of the embedded store's port for phones; None where there is none."""
    if settings.lan is None or settings.s3_endpoint is not None:
        yield None
        return
    with _reserved(partial(lan.chosen, setting="store_listen"), settings) as address:
        yield address


def _opened(settings: Settings, listen: str, store_listen: str | None) -> tuple[Settings, ShownCertificate | None]:
    """The settings of a house at these addresses, and the certificate that it shows to phones, if it is open to them.

    The data directory remembers how they reach it. Raises CertificateError.
    """
    at = msgspec.structs.replace(settings, listen=listen)
    if settings.lan is None:
        lan.keep_closed(settings)
        return at, None
    found = lan.reach_at(at, settings.lan, listen, store_listen)
    shown = ShownCertificate(at, found)
    lan.keep(settings, Kept(name=settings.lan, listen=listen, store_listen=store_listen))
    for_phones = {"public_url": found.api_url, "tls_cert": found.certificate, "tls_key": found.key}
    store = {} if found.store_url is None else {"s3_public_url": found.store_url}
    return msgspec.structs.replace(at, **for_phones, **store), shown


@contextmanager
def house(settings: Settings) -> Iterator[House]:
    """Run services, migrations, API and worker for the length of a block. Main thread only."""
    settings = msgspec.structs.replace(settings, lan=lan.name_of(settings))
    with (
        _claimed(settings.data_dir),
        _reserved(chosen_address, settings) as address,
        _reserved_for_store(settings) as store_address,
        _reserved(chosen_operations_address, settings) as for_operators,
    ):
        at, shown = _opened(settings, address, store_address)
        with _house_at(msgspec.structs.replace(at, operations_listen=for_operators), shown) as running:
            yield running


@contextmanager
def _house_at(settings: Settings, shown: ShownCertificate | None) -> Iterator[House]:
    """The same at addresses that are reserved."""
    with EmbeddedServices(settings).running() as embedded:
        full = _merged(settings, embedded.addresses)
        with by_operator():
            asyncio.run(prepare(full))
        programs = Programs(full, make_private(full.data_dir / "logs"), shown)
        try:
            programs.start()
            yield House(full, embedded, programs)
        finally:
            programs.stop()


class Ended(SentenceError):
    """SIGTERM or Ctrl-C asked for the end."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("已中断", "interrupted")


@contextmanager
def until_signalled() -> Iterator[None]:
    """Turn the first SIGTERM or Ctrl-C into `Ended` and ignore the next: cleaning up is not interrupted."""

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise Ended

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    before[LOOK_NOW] = signal.signal(LOOK_NOW, lambda _number, _frame: None)  # not the end of a house that is starting
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_api(settings: Settings) -> None:
    """Run the API in this process and its workers until SIGTERM. Raises DatabaseUnusable."""
    for url in {str(settings.database_url), settings.listening_url}:
        asyncio.run(database.must_answer(url))  # a sentence here, not a stack of each worker
    with (
        _operations_address(settings) as address,
        published(settings.data_dir, address, {"listen": settings.listen, "public_url": settings.public_url}) as counts,
    ):
        os.environ[variable("operations_listen")] = address
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counts)  # before a worker imports prometheus_client
        say(f"运维接口：http://{address}/metrics", f"for operators: http://{address}/metrics")
        _serve_api(settings)


@contextmanager
def _operations_address(settings: Settings) -> Iterator[str]:
    """The address to answer operators on. A port that is free now is reserved; a fixed one is for the server to take:
    `fujing serve` reserved it already."""
    given = settings.operations_listen
    if given is not None and host_and_port(given)[1] != 0:
        yield given
        return
    with _reserved(chosen_operations_address, settings) as address:
        yield address


def _serve_api(settings: Settings) -> None:
    host, port = host_and_port(settings.listen or f"127.0.0.1:{PREFERRED_PORT}")
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
        respawn_interval=OVERLAP,
        ssl_cert=settings.tls_cert,
        ssl_key=settings.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,  # Android before 10 has no later one
        log_access=False,
        respawn_failed_workers=True,
    ).serve()


def run_worker(settings: Settings) -> None:
    """Run the worker in this process until SIGTERM; it starts again by itself after a lost connection.

    Raises DatabaseUnusable where the database cannot be used under these settings, or was not there in time.
    """
    from backend.worker import stop_on_signals, work

    url = str(settings.database_url)

    async def main() -> None:
        stop = stop_on_signals()
        if not await _is_there(url, stop):
            return
        store, keys = store_of(settings), Keys(settings.secrets_dir)
        disk = settings.data_dir / "s3" / "objects"
        while not stop.is_set():
            try:
                await work(url, store, keys, stop, listening=settings.listening_url, disk=disk)
            except Exception as error:
                _must_pass(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 1)
        store.close()

    asyncio.run(main())


async def _is_there(url: str, stop: asyncio.Event) -> bool:
    """Wait for the database; False where `stop` was set first. Raises DatabaseUnusable."""
    reaching, stopping = asyncio.create_task(database.must_answer(url)), asyncio.create_task(stop.wait())
    await asyncio.wait((reaching, stopping), return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        reaching.cancel()
        return False
    stopping.cancel()
    await reaching
    return True


def _must_pass(error: Exception) -> None:
    """Log why the worker begins again: the database is away. Raises the error where waiting does not help."""
    if isinstance(error, DatabaseUnusable):
        if error.lasting:
            raise error
        log.warning("the database is away", words=error.en)
    elif is_damage(error):
        log.error("the database is damaged", words=first_line(error))
    else:
        log.error("worker begins again", exc_info=error)
