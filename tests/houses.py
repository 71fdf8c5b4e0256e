"""A whole Fujing as its operator runs it: the command `fujing` in its own processes, with a data directory."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from argon2 import PasswordHasher

from mobile_api.cli import operations_addresses
from mobile_api.client.api import Client
from mobile_api.client.device_key import DeviceKey
from tests import forked

STATION = "330102010000"
ROSTER = f"""record,code,name,kind,organ,from,until
organ,330102000000,上城区分局,,,,
organ,{STATION},城关派出所,,330102000000,,
person,FJ1001,林小川,duty_auxiliary,{STATION},2024-03-01,
person,FJ1002,陈文静,duty_auxiliary,{STATION},2024-03-01,
person,P2001,赵立,officer,{STATION},2015-07-01,
person,P2002,钱进,officer,{STATION},2016-07-01,
person,DOCK-01,采集工作站,dock,{STATION},2026-01-01,
device,HH-0001,手持终端,handheld,{STATION},,
device,HH-0002,手持终端,handheld,{STATION},,
device,HH-0003,手持终端,handheld,{STATION},,
device,CJ-0001,采集工作站,dock,{STATION},,
"""
BANNERS = {"-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"}
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # argon2id, a tenth of a second less a sign-in
CHANGED = """
import json, sys
from backend.core.database import execute
from mobile_api.cli.house import existing_house, in_database

QUICK = "UPDATE credential c SET password_hash = n.hash FROM unnest($1::text[], $2::text[]) AS n (badge, hash) " \\
    "JOIN person_now p USING (badge) WHERE c.person = p.id AND c.must_change"

async def change():
    await execute(QUICK, *json.loads(sys.argv[1]))
    await execute("UPDATE credential SET must_change = false")

in_database(existing_house(), change)
"""
LIN, CHEN, ZHAO, QIAN, DOCK = "FJ1001", "FJ1002", "P2001", "P2002", "DOCK-01"


@dataclass
class Place:
    """A data directory, and a temporary directory of its own, so that a test sees files left behind."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    keys: dict[str, DeviceKey] = field(default_factory=dict)  # of the enrolled devices, by serial
    numbers: dict[str, Iterator[int]] = field(default_factory=dict)  # device_seq counter of each device
    flags: tuple[str, ...] = ()  # of `fujing serve`
    starts_anew: bool = False  # each command starts Python, as an operator's does; else it is forked
    secrets: set[str] = field(default_factory=set)  # passwords and free text, which no log may hold

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._temporary = tempfile.TemporaryDirectory(prefix="place-")  # short: sockets may go there

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def temporary(self) -> Path:
        return Path(self._temporary.name)

    def environment(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("FUJING_", "XDG_"))}
        own = {"FUJING_DATA_DIR": str(self.data), "FUJING_LISTEN": "127.0.0.1:0", "TMPDIR": str(self.temporary)}
        own |= {"FUJING_DOCK_KEY": str(self.home / "dock-key.pem")}
        return inherited | own | {"PYTHONUNBUFFERED": "1"} | self.settings

    def run(self, *words: str, given: str = "", seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `fujing WORDS` to its end."""
        environment = self.environment()
        if forked.can_fork(environment) and not self.starts_anew:
            return forked.run(words, environment, given, seconds)
        return subprocess.run(
            [sys.executable, "-m", "mobile_api.cli", *words],
            env=environment, input=given, capture_output=True, text=True, timeout=seconds,
        )  # fmt: skip

    def verify(self) -> None:
        """Check that `fujing verify` succeeds with this house's own fingerprint."""
        fingerprint = succeeded(self.run("fingerprint")).split()[0]
        succeeded(self.run("verify", "--trust", fingerprint))

    def bring_in_people(self, roster: str = ROSTER) -> dict[str, str]:
        """Import the people of a roster. Their first passwords by badge number."""
        file, passwords_file = self.home / "roster.csv", self.home / f"passwords-{time.monotonic_ns()}.csv"
        file.write_text(roster)
        succeeded(self.run("import-roster", str(file), "--passwords", str(passwords_file)))
        passwords_by_badge = dict(line.split(",", 1) for line in passwords_file.read_text().splitlines()[1:])
        self.secrets |= set(passwords_by_badge.values())
        self.forget_that_they_are_first(passwords_by_badge)
        return passwords_by_badge

    def forget_that_they_are_first(self, passwords_by_badge: Mapping[str, str]) -> None:
        """As if everybody had changed their first password, to the same; one that is quick to check."""
        hashes = {badge: QUICK.hash(password) for badge, password in passwords_by_badge.items()}
        words = [json.dumps([list(hashes), list(hashes.values())])]
        succeeded(forked.run(words, self.environment(), code=CHANGED))

    def code_for(self, serial: str) -> str:
        """A one-time code that enrols this device."""
        return succeeded(self.run("enrol", serial)).split()[0]

    def processes(self) -> list[psutil.Process]:
        """Living processes whose command line names the data directory."""
        return [
            each
            for each in psutil.process_iter(["cmdline", "status"])
            if each.info["status"] != psutil.STATUS_ZOMBIE
            and any(str(self.data) in word for word in each.info["cmdline"] or [])
        ]

    def sockets(self) -> list[Path]:
        """Sockets of this place's embedded S3 server in /tmp, found by its ports."""
        with contextlib.suppress(FileNotFoundError):
            ports = json.loads((self.data / "s3" / "ports.json").read_text()).values()
            return [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]  # noqa: S108
        return []

    def betrayed(self) -> list[str]:
        """Log files that contain a token, a key, a password or somebody's free text."""
        secret_files = [path for path in (self.data / "secrets").rglob("*") if path.is_file()]
        lines = {
            line for path in secret_files for line in path.read_text(errors="replace").splitlines() if len(line) > 16
        }
        logs = [path for path in [*self.data.rglob("*.log*"), *self.home.glob("*.log")] if path.is_file()]
        leaks = []
        for path in logs:
            text = path.read_text(errors="replace")
            leaks += [f"{path.name}: {each[:8]}…" for each in {"eyJ", *lines, *self.secrets} - BANNERS if each in text]
        return leaks

    def left_in_temporary(self) -> list[str]:
        return sorted(path.name for path in self.temporary.iterdir())


class Serving:
    """A running `fujing serve`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._log_file = place.home / "serve.log"
        self.begun, self.ready_after = time.monotonic(), 0.0
        environment = place.environment()
        with self._log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mobile_api.cli", "serve", *place.flags],
                env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait_ready(self, seconds: float = 30) -> float:
        """Wait until it prints its address. The seconds that it took."""
        while "/docs" not in self.said():
            if self.process.poll() is not None or time.monotonic() > self.begun + seconds:
                self.kill()
                raise AssertionError(f"not ready: {self.said()}")
            time.sleep(0.02)
        return time.monotonic() - self.begun

    @property
    def url(self) -> str:
        return next(word for word in self.said().split() if word.startswith("http")).removesuffix("/docs")

    @property
    def operations_url(self) -> str:
        """Where it answers operators, as it keeps it in the data directory."""
        (address,) = operations_addresses.addresses(self.place.data)
        return f"http://{address}"

    def handheld(self, serial: str = "HH-0001", **more: Any) -> Client:
        """A client on this device, which is enrolled on first use."""
        keys = self.place.keys
        if serial not in keys:
            keys[serial] = DeviceKey()
            Client(self.url, key=keys[serial]).enrol(self.place.code_for(serial))
        numbers = self.place.numbers.setdefault(serial, itertools.count(1))
        return Client(self.url, key=keys[serial], numbers=numbers, **more)

    def enrol_station(self) -> None:
        """Give the docking station its key, once."""
        if "CJ-0001" not in self.place.keys:
            code = self.place.code_for("CJ-0001")
            assert "CJ-0001" in succeeded(self.place.run("enrol-station", code, "--url", self.url))
            self.place.keys["CJ-0001"] = DeviceKey.kept_in(self.place.home / "dock-key.pem")

    def said(self) -> str:
        return self._log_file.read_text()

    def family(self) -> list[psutil.Process]:
        """The process and every descendant."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def child(self, name: str) -> psutil.Process:
        """Its child of this name: api, worker, postgres or weed. Raises psutil.NoSuchProcess where it has none."""
        for each in psutil.Process(self.process.pid).children():
            words = each.cmdline()
            if words and (words[-1] == name or Path(words[0]).name == name):
                return each
        raise psutil.NoSuchProcess(self.process.pid, name)

    def api(self) -> list[psutil.Process]:
        """The API's processes: the parent and its descendants."""
        parent = self.child("api")
        return [parent, *parent.children(recursive=True)]

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20) -> float:
        """End it by a signal; SIGINT goes to the whole process group, as from a terminal. The seconds that it took."""
        begun = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(seconds)
        return time.monotonic() - begun

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(place: Place) -> Iterator[Serving]:
    """Serve a house for the length of a block; at its end no log may hold a secret."""
    house = Serving(place)
    try:
        house.wait_ready()
        yield house
    finally:
        if house.process.poll() is None:
            house.end()
        assert [] == place.betrayed()


def gone(processes: list[psutil.Process], seconds: float = 5) -> list[psutil.Process]:
    """The processes that are still alive after `seconds`. None should be."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [each for each in alive if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout
