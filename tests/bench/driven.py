"""Drive the whole house of any build with this build's client and load, over HTTP and by `fujing` commands.

`checkin_rate`: check-ins a second, each round in a house at rest: eight people who check in hundreds of times a minute
leave more closed shifts behind than any station does, and when PostgreSQL clears them away is chance. `checkin_cpu`:
milliseconds of the API's CPU for each check-in; other work on the machine disturbs it less. `verdict_ms`: of "may I do
this now?", on a shift, one question after the other, the median; `verdict_cpu`: milliseconds of the API's CPU for each.
`sync_rate`: entries a second in calls of 500.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from children import cpu_seconds
from figures import BenchError
from syncing import AT_ONCE, act_entries, in_one_call
from tidying import bring_to_rest

from mobile_api.client.api import Client
from mobile_api.client.device_key import DeviceKey

HERE = Path(__file__).parent
CHECKIN, VERDICT, SYNC = ("checkin_rate", "checkin_cpu"), ("verdict_ms", "verdict_cpu"), ("sync_rate",)
NAMES = (*CHECKIN, *VERDICT, *SYNC)
CONNECTIONS = 8  # people who check in again and again
STATION, OFFICER = "990100510000", "B-LEADS"
READY_SECONDS = 60.0
SOCKETS = "unix_socket_directories="
LEFT_OUT = ("FUJING_", "MAKE", "MFLAGS")  # variables that a build does not inherit


@dataclass
class Build:
    """A checked-out commit with its environment, and its house, which runs in `home`."""

    root: Path
    home: Path
    url: str = ""
    process: subprocess.Popen[bytes] | None = None
    phones: list[Client] = field(default_factory=list)
    officer: str = ""
    hours: int = 0  # how many duties sync has sent so far; each lasts one hour

    @property
    def python(self) -> str:
        return str(self.root / ".venv" / "bin" / "python")

    def environment(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(LEFT_OUT)}
        return inherited | {"FUJING_DATA_DIR": str(self.home / "data"), "FUJING_LISTEN": "127.0.0.1:0"}

    def run(self, *words: str) -> str:
        """Run `fujing WORDS` of this build to its end and return its output. Raises BenchError."""
        done = subprocess.run(
            [self.python, "-m", "mobile_api.cli", *words], cwd=self.root, env=self.environment(), capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise BenchError(f"fujing {' '.join(words)} of {self.root}: {done.stderr[-400:]}")
        return done.stdout

    def child(self, word: str) -> psutil.Process:
        """The process of the house whose command line has this word."""
        assert self.process is not None
        return next(each for each in psutil.Process(self.process.pid).children() if word in each.cmdline())

    def api(self) -> psutil.Process:
        return self.child("api")

    def bring_to_rest(self) -> None:
        words = self.child(str(self.home / "data" / "postgres" / "cluster")).cmdline()
        sockets = next(word.partition("=")[2].strip('"') for word in words if word.startswith(SOCKETS))
        asyncio.run(bring_to_rest(self.home / "data", sockets))


@contextmanager
def serving(build: Build) -> Iterator[Build]:
    """Serve the build's house with its test people, each signed in on their own handheld."""
    build.home.mkdir(parents=True)
    passwords, log_file = _people(build), build.home / "serve.log"
    with log_file.open("wb") as log:
        build.process = subprocess.Popen(
            [build.python, "-m", "mobile_api.cli", "serve"], cwd=build.root, env=build.environment(), stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        build.url = _ready(build, log_file)
        build.phones = [_phone(build, f"B-{number:04}", passwords) for number in range(CONNECTIONS + 1)]
        build.officer = build.phones[0].get(f"/v1/people/{OFFICER}")["id"]
        yield build
    finally:
        build.process.terminate()
        build.process.wait(30)


def _people(build: Build) -> dict[str, str]:
    """Import the people before the house serves. Their first passwords by badge number."""
    badges = [f"B-{number:04}" for number in range(CONNECTIONS + 1)]
    people = [(OFFICER, "officer"), *((badge, "duty_auxiliary") for badge in badges)]
    lines = ["record,code,name,kind,organ,from,until", f"organ,{STATION},城关派出所,,,,"]
    lines += [f"person,{code},林小川,{kind},{STATION},2020-01-01," for code, kind in people]
    lines += [f"device,HH-{badge},手持终端,handheld,{STATION},," for badge in badges]
    roster, passwords = build.home / "roster.csv", build.home / "passwords.csv"
    roster.write_text("\n".join(lines) + "\n", encoding="utf-8")
    build.run("import-roster", str(roster), "--passwords", str(passwords))
    return dict(line.split(",", 1) for line in passwords.read_text().splitlines()[1:])


def _ready(build: Build, log_file: Path) -> str:
    """Wait until the house prints its address, and return it. Raises BenchError."""
    assert build.process is not None
    until = time.monotonic() + READY_SECONDS
    while "/docs" not in (text := log_file.read_text()):
        if build.process.poll() is not None or time.monotonic() > until:
            raise BenchError(f"the house of {build.root} was not ready: {text[-400:]}")
        time.sleep(0.05)
    return next(word for word in text.split() if word.startswith("http")).removesuffix("/docs")


def _phone(build: Build, badge: str, passwords: dict[str, str]) -> Client:
    client = Client(build.url, key=DeviceKey())
    client.enrol(build.run("enrol", f"HH-{badge}").split()[0])
    client.sign_in(badge, passwords[badge])
    client.change_password(passwords[badge], f"of {badge}, chosen")  # a first one serves for nothing else
    return client


def measure(name: str, build: Build, seconds: float) -> dict[str, float]:
    """Measure one round: the figure and those of the same run. Raises BenchError."""
    if name in CHECKIN:
        return _checkins(build, seconds)
    return _verdicts(build, seconds) if name in VERDICT else {"sync_rate": _sync(build)}


def _checkins(build: Build, seconds: float) -> dict[str, float]:
    crowd, place = build.phones[:CONNECTIONS], urlsplit(build.url)
    build.bring_to_rest()
    for phone in crowd:
        phone.get("/v1/me")  # a fresh token and nonce outlast the round
    people = [{"token": phone._access, "key": phone.key.pem().decode()} for phone in crowd]
    order = {"people": people, "officer": build.officer, "seconds": seconds, "nonce": crowd[0]._nonce}
    order |= {"host": place.hostname, "port": place.port}
    api = build.api()
    spent = cpu_seconds(api)
    done = subprocess.run(
        [sys.executable, str(HERE / "load.py")], input=json.dumps(order) + "\n", stdout=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    spent = cpu_seconds(api) - spent
    if done.returncode != 0:
        raise BenchError("the load could not be sent")
    tally = json.loads(done.stdout)
    if tally["created"] != tally["answers"]:
        raise BenchError(f"not every check-in was recorded; the first answer: {tally['refused']}")
    return {"checkin_rate": tally["counted"] / tally["seconds"], "checkin_cpu": 1000 * spent / tally["answers"]}


def _verdicts(build: Build, seconds: float) -> dict[str, float]:
    lin, api, taken = build.phones[0], build.api(), list[float]()
    lin.entry(
        "shifts/check-in", occurred_at=datetime.now(UTC), duty_type="patrol", dress="uniform", id_card_carried=True,
        ordered_by=build.officer,
    )  # fmt: skip
    for _ in range(20):
        lin.get("/v1/duty/verdict", work="9.6")
    spent, until = cpu_seconds(api), time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.perf_counter()
        answer = lin.get("/v1/duty/verdict", work="9.6", recording="true")
        taken.append(1000 * (time.perf_counter() - begun))
        if answer["outcome"] not in ("allowed", "conditional", "forbidden"):
            raise BenchError(f"no verdict: {answer}")
    spent = cpu_seconds(api) - spent
    return {"verdict_ms": statistics.median(taken), "verdict_cpu": 1000 * spent / len(taken)}


def _sync(build: Build) -> float:
    """Entries a second by sync, in a new duty each time, an hour after the one before."""
    lin = build.phones[-1]
    build.hours += 1
    begun = datetime.now(UTC) - timedelta(hours=100 - build.hours)
    shift = lin.entry(
        "shifts/check-in", occurred_at=begun, duty_type="patrol", dress="uniform", id_card_carried=True,
        roster_post="南门",
    )["id"]  # fmt: skip
    rate = in_one_call(lin, act_entries(lin, begun + timedelta(minutes=5), AT_ONCE))
    lin.entry("shifts/check-out", occurred_at=begun + timedelta(minutes=55), shift=shift)
    return rate
