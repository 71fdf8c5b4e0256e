"""A house in pieces, as a deployment runs it: PostgreSQL, a store, two API processes, two workers.

Each piece can be killed, frozen and started again, while handhelds go on through a proxy that picks an API.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil
import urllib3

from backend.core.keys import secret
from storage.embedded import EmbeddedPostgres, EmbeddedS3
from storage.embedded.processes import free_port
from storage.private_files import make_private
from tests.houses import Place
from tests.nonsense import Nonsense
from tests.prepared import Templates

KINDS = ("api", "worker")
LISTENING = ("FUJING_LISTEN", "FUJING_OPERATIONS_LISTEN")
READY_SECONDS = 40.0
STACK = 80  # lines of a log that tell one


@dataclass
class Piece:
    """`fujing api` or `fujing worker`, alone."""

    kind: str
    place: Place
    settings: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.place.home / f"{self.kind}-{self.settings.get('FUJING_LISTEN', 'worker').replace(':', '-')}.log"

    def start(self) -> None:
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mobile_api.cli", self.kind],
                env=self.place.environment() | self.settings, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill it with everything that it started; or ask it to end."""
        if self.process is not None:
            family = [psutil.Process(self.process.pid)] if psutil.pid_exists(self.process.pid) else []
            family = [each for one in family for each in (one, *one.children(recursive=True))]
            for each in family if number == signal.SIGKILL else family[:1]:
                _send(each, number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.end()  # with all that stands: nothing of a test is left
                raise
            psutil.wait_procs(family, 5)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


@dataclass
class Pieces:
    """All of it; the store is reached through a proxy that may lie. Every method is for the main thread."""

    place: Place
    seed: int = 7
    apis: list[Piece] = field(default_factory=list)
    workers: list[Piece] = field(default_factory=list)

    def __post_init__(self) -> None:
        data = make_private(self.place.data)
        secrets = data / "secrets"
        words = [secret(secrets / name) for name in ("postgres-owner", "postgres-app", "s3-access", "s3-secret")]
        self.postgres = EmbeddedPostgres(data / "postgres", *words[:2])
        self.store = EmbeddedS3(data / "s3", words[2][:20], words[3])
        self.liar: Nonsense | None = None

    def start(self) -> None:
        self.store.launch()
        address, s3 = self.postgres.start(), self.store.wait_ready()
        self.liar = Nonsense(s3.endpoint, self.seed)
        self.liar.start()
        self.place.settings |= {
            "FUJING_DATABASE_URL": address.app_url, "FUJING_MIGRATE_URL": address.owner_url,
            "FUJING_S3_ENDPOINT": self.liar.endpoint, "FUJING_S3_ACCESS_KEY": s3.access_key,
            "FUJING_S3_SECRET_KEY": s3.secret_key, "FUJING_S3_SECURE": "false",
        }  # fmt: skip
        self.superuser = address.owner_url, (self.place.data / "postgres" / "superuser.password").read_text()

    def serve(self) -> None:
        """Two of each, over a schema that is there."""
        for _ in range(2):
            addresses = (f"127.0.0.1:{free_port()}" for _ in range(2))
            self.apis.append(Piece("api", self.place, dict(zip(LISTENING, addresses, strict=True))))
            self.workers.append(Piece("worker", self.place, {}))
        for piece in (*self.apis, *self.workers):
            piece.start()
        self.wait(lambda: all(self.ready(port) == 200 for port in self.ports))

    @property
    def ports(self) -> list[int]:
        return [int(piece.settings["FUJING_LISTEN"].rpartition(":")[2]) for piece in self.apis]

    def for_operators(self, port: int) -> str:
        """Where the API of this public port answers operators."""
        return self.apis[self.ports.index(port)].settings["FUJING_OPERATIONS_LISTEN"]

    @property
    def database(self) -> str:
        return self.place.settings["FUJING_DATABASE_URL"]

    def ready(self, port: int) -> int:
        """The status of /health/ready, 0 where nobody answers."""
        return self.health(port)[0]

    def health(self, port: int) -> tuple[int, dict[str, str]]:
        try:
            answer = urllib3.request("GET", f"http://{self.for_operators(port)}/health/ready", timeout=8, retries=False)
            return answer.status, answer.json()
        except (urllib3.exceptions.HTTPError, ValueError):
            return 0, {}

    def wait(self, holds: Callable[[], bool], seconds: float = READY_SECONDS) -> float:
        """Until it holds; the seconds that it took."""
        begun = time.monotonic()
        while not holds():
            self.tend()
            assert time.monotonic() < begun + seconds, "it did not recover"
            time.sleep(0.1)
        return time.monotonic() - begun

    def tend(self) -> None:
        """What ended by itself begins again, as systemd has it: an API that waited too long for its database ends."""
        for piece in (*self.apis, *self.workers):
            if piece.process is not None and piece.process.poll() is not None:
                piece.start()

    def as_superuser(self, sql: str) -> None:
        """Run this while the server stands."""
        url, password = self.superuser

        async def run() -> None:
            connection = await asyncpg.connect(url, user="postgres", password=password)
            try:
                await connection.execute(sql)
            finally:
                await connection.close()

        asyncio.run(run())

    # -- what may happen to it

    def kill_an_api(self, chance: random.Random) -> None:
        piece = chance.choice(self.apis)
        piece.end()
        piece.start()

    def kill_a_worker(self, chance: random.Random) -> None:
        piece = chance.choice(self.workers)
        piece.end()
        piece.start()

    def kill_postgres(self, chance: random.Random, away: float = 0.0) -> None:
        self._kill(self.postgres.process)
        time.sleep(away)
        self.postgres.stop()
        assert self.database == self.postgres.start().app_url

    def kill_the_store(self, chance: random.Random, away: float = 0.0) -> None:
        assert self.liar is not None
        before = self.liar.to
        self._kill(self.store.process)
        time.sleep(away)
        self.store.stop()
        assert before == self.store.start().endpoint

    def cut_every_connection(self, chance: random.Random) -> None:
        self.as_superuser("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'fujing%'")

    def slow_store(self, chance: random.Random) -> None:
        """It stands still for a while: whoever waits for it waits."""
        self._freeze(self.store.process, chance.uniform(0.5, 3))

    def lying_store(self, chance: random.Random) -> None:
        """For a while a part of its answers is nonsense, to servers and phones alike."""
        assert self.liar is not None
        self.liar.rate = chance.uniform(0.05, 0.5)
        time.sleep(chance.uniform(1, 4))
        self.liar.rate = 0.0

    def slow_postgres(self, chance: random.Random) -> None:
        self._freeze(self.postgres.process, chance.uniform(0.3, 2))

    def slow_api(self, chance: random.Random) -> None:
        self._freeze(chance.choice(self.apis), chance.uniform(0.5, 3))

    def slow_worker(self, chance: random.Random) -> None:
        """Another may take its job meanwhile, and it goes on as if nothing had been."""
        self._freeze(chance.choice(self.workers), chance.uniform(0.5, 3))

    def _family(self, server: object) -> list[psutil.Process]:
        child = server.process if isinstance(server, Piece) else server._child  # type: ignore[attr-defined]
        if child is None or not psutil.pid_exists(child.pid):
            return []
        parent = psutil.Process(child.pid)
        return [parent, *parent.children(recursive=True)]

    def _kill(self, server: object) -> None:
        for each in self._family(server):
            _send(each, signal.SIGKILL)

    def _freeze(self, server: object, seconds: float) -> None:
        family = self._family(server)
        try:
            for each in family:
                _send(each, signal.SIGSTOP)
            time.sleep(seconds)
        finally:
            for each in family:
                _send(each, signal.SIGCONT)

    def end(self) -> None:
        with ExitStack() as last:
            for server in (self.postgres, self.store):
                last.callback(server.stop)
            if self.liar is not None:
                last.callback(self.liar.stop)
            for piece in (*self.apis, *self.workers):
                last.callback(piece.end, signal.SIGTERM)


@contextmanager
def in_pieces(
    templates: Templates, roster: str | None = None, seed: int = 7
) -> Iterator[tuple[Pieces, dict[str, str]]]:
    """Running, with the people of houses.ROSTER and of this one; their passwords by badge. Nothing is left, and no log
    betrays anybody.

    Its path is short, so that PostgreSQL's socket lies beside its files and is where it was after each start.
    """
    with tempfile.TemporaryDirectory(prefix="fj-") as home:
        place, passwords = templates.place(Path(home))
        pieces = Pieces(place, seed)
        try:
            pieces.start()
            passwords |= place.bring_in_people(roster) if roster is not None else {}
            pieces.serve()
            yield pieces, passwords
        finally:
            pieces.end()
        for wrong in (failed(place.home), place.processes(), place.betrayed()):
            assert not wrong, "\n".join(map(str, wrong[:5]))


def failed(place: Path) -> list[str]:
    """What nobody had foreseen, in whatever the pieces logged; a stack with the lines that follow it."""
    told = []
    for log in place.glob("*.log"):
        lines = log.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines):
            if '"event": "failed"' in line:
                told.append(line)
            elif "Traceback" in line or "panicked" in line:
                told.append("\n".join([f"{log.name}:", *lines[number : number + STACK]]))
    return told


def soaking() -> float:
    """Seconds of mishaps: FOR of `make soak`, or a short while."""
    return float(os.environ.get("FOR") or 12)
