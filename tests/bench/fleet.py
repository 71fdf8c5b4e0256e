"""`fleet_p50`, `fleet_p99`, `fleet_errors`, `fleet_rss_growth`: a day of a thousand handhelds, played in two minutes.

Each has a person, a key and a session of its own; duty.py plays the day from another process and says what each call
took, from the moment it was due. Meanwhile the memory of the API's workers and of the worker is looked at every second;
it grows while they meet their first thousand devices and their first jobs, so the last quarter of the day is compared
with the second (what the worker does every five minutes may still add some 7 %, the first time). There is no figure
where anything that was answered is lost or doubled: every entry is looked for in the journal.
"""

import asyncio
import base64
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import population
import psutil
from children import child
from figures import BenchError, Figure, say

from backend.core import database
from backend.core.keys import Keys
from backend.core.settings import Settings
from mobile_api.cli.demo_film import film
from mobile_api.cli.serving import House

NAMES = ("fleet_p50", "fleet_p99", "fleet_errors", "fleet_rss_growth")
HERE = Path(__file__).parent
LED, STATION = 10, 50  # auxiliaries of one leading officer, and of one station
UPLOADING = 5  # one in so many brings a film
FILM_SECONDS = 2
POINTS = 60  # of a series
SEED = 26
STORE = "store"  # calls that no process of ours answers
RECORDED = "SELECT entry_id FROM journal WHERE outcome = 'recorded' AND actor = ANY ($1::uuid[])"
LEFT = """
SELECT (SELECT count(*) FROM shift WHERE person = ANY ($1::uuid[]) AND ended_at IS NULL) AS open_shifts,
    (SELECT count(*) FROM upload WHERE owner = ANY ($1::uuid[]) AND state <> 'sealed') AS unsealed
"""


@dataclass
class Memory:
    """Resident MiB of each process, second by second, and how busy the machine was."""

    at: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    mib: dict[str, list[float]] = field(default_factory=dict)

    def look(self, processes: dict[str, psutil.Process]) -> None:
        self.at.append(time.monotonic())
        self.busy.append(psutil.cpu_percent())
        for name, process in processes.items():
            self.mib.setdefault(name, []).append(process.memory_info().rss / 2**20)


def fleet(house: House, home: Path, phones: int, seconds: float) -> Iterator[Figure]:
    """Raises BenchError where an entry is lost or doubled, a film is not sealed or a shift stays open."""
    begun = time.perf_counter()
    people = asyncio.run(_arrived(house.settings, phones))
    say(f"{len(people)} people enrolled and signed in, in {time.perf_counter() - begun:.0f} s")
    seen, memory = _played(_order(house, home, people, phones, seconds), _workers(), seconds)
    asyncio.run(_compare(house.settings, people, seen))
    yield from _figures(seen, memory, phones, seconds)


async def _arrived(settings: Settings, phones: int) -> list[population.Person]:
    """The auxiliaries first, then the officers who lead them, station by station."""
    posts = [population.Post(f"F-{n:04}", "duty_auxiliary", _station(n)) for n in range(phones)]
    posts += [population.Post(f"FL-{n:03}", "officer", _station(n * LED)) for n in range(-(-phones // LED))]
    async with database.opened(str(settings.database_url), size=population.AT_ONCE):
        return await population.arrive(settings, posts)


def _station(number: int) -> str:
    return f"9901007{number // STATION:05}"


def _order(
    house: House, home: Path, people: Sequence[population.Person], phones: int, seconds: float
) -> dict[str, Any]:
    """What duty.py is told. The film is a real one, so that the worker probes it and keeps a still."""
    path = home / "DSJ0042_0001.mp4"
    film(path, seconds=FILM_SECONDS, width=160, height=96, rate=5, crf=45)
    told = [{"id": str(each.id), "token": each.token, "key": each.key.pem().decode()} for each in people]
    return {
        "url": house.url, "seconds": seconds, "seed": SEED, "auxiliaries": told[:phones], "officers": told[phones:],
        "uploads": -(-phones // UPLOADING), "film_seconds": FILM_SECONDS,
        "film": base64.b64encode(path.read_bytes()).decode(),
        "keys": Keys(house.settings.secrets_dir).evidence.public(),
    }  # fmt: skip


def _workers() -> dict[str, psutil.Process]:
    """The API's workers, which granian started, and the worker."""
    serving = [each for each in child("api").children() if "resource_tracker" not in " ".join(each.cmdline())]
    return {**{f"api {number}": each for number, each in enumerate(serving, 1)}, "worker": child("worker")}


def _played(order: dict[str, Any], processes: dict[str, psutil.Process], seconds: float) -> tuple[Any, Memory]:
    """What the phones saw, and what the processes took meanwhile."""
    memory, every = Memory(), min(1.0, seconds / 20)
    psutil.cpu_percent()
    load = subprocess.Popen(
        [sys.executable, str(HERE / "duty.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        asked = json.dumps(order)
        while True:
            try:
                told, _ = load.communicate(None if asked is None else asked + "\n", timeout=every)
                break
            except subprocess.TimeoutExpired:
                asked = None
                memory.look(processes)
    finally:
        load.kill()
        load.wait()
    if load.returncode != 0:
        raise BenchError("the day could not be played")
    return json.loads(told), memory


async def _compare(settings: Settings, people: Sequence[population.Person], seen: Any) -> None:
    """Every entry that was answered stands in the journal once, and what they began has come to its end."""
    connection = await asyncpg.connect(str(settings.database_url))
    ids = [each.id for each in people]
    kept = Counter(row["entry_id"] for row in await connection.fetch(RECORDED, ids))
    left = dict(await connection.fetchrow(LEFT, ids))
    await connection.close()
    lost = [entry for entry in seen["recorded"] if kept[UUID(entry)] == 0]
    doubled = [entry for entry, times in kept.items() if times > 1]
    say(f"{len(seen['recorded'])} entries answered, {kept.total()} in the journal; {left}")
    if lost or doubled:
        raise BenchError(f"{len(lost)} entries are lost, {len(doubled)} doubled")
    if any(left.values()) and not seen["errors"]:
        raise BenchError(f"something was left as it should not be: {left}")


def _figures(seen: Any, memory: Memory, phones: int, seconds: float) -> Iterator[Figure]:
    calls = _timed(seen)
    took, quarters = [ms for _, ms in calls], _parts(calls, 4, seconds)
    growth, warming = ({name: _grown(memory, name, seen["began"], seconds, n) for name in memory.mib} for n in (1, 0))
    errors = sum(seen["errors"].values())
    details = {"phones": phones, "seconds": seconds, **_rates(seen, memory, seconds), **_series(seen, memory, seconds)}
    told = {"from_the_second_quarter": growth, "from_the_first": warming}
    for what, words in seen["words"].items():
        say(f"error {what}, {seen['errors'][what]} times: {words}")
    say(
        f"{details['calls_a_second']:.0f} calls/s, {details['calls_a_second_at_most']:.0f} at most, machine "
        f"{details['busy_percent']:.0f} % busy, the load {details['load_late_ms']['99']:.0f} ms late (p99); "
        f"memory {', '.join(f'{name} x{ratio:.3f}' for name, ratio in growth.items())}"
    )
    yield Figure("fleet_p50", _percentile(took, 50), "ms", "", [_percentile(part, 50) for part in quarters], details)
    yield Figure("fleet_p99", _percentile(took, 99), "ms", "", [_percentile(part, 99) for part in quarters])
    yield Figure("fleet_errors", errors, "count", "<= 0", [errors], {"errors": seen["errors"], "words": seen["words"]})
    yield Figure("fleet_rss_growth", max(growth.values()), "ratio", "<= 1.1", list(growth.values()), told)


def _timed(seen: Any) -> list[tuple[float, float]]:
    """When each call to us was due in the day, and the milliseconds until its answer."""
    return [(due - seen["began"], 1000 * took) for what, due, took in seen["calls"] if what != STORE]


def _parts(calls: Sequence[tuple[float, float]], count: int, seconds: float) -> list[list[float]]:
    """Milliseconds of the calls due in each part of the day; what was due later belongs to the last."""
    parts: list[list[float]] = [[] for _ in range(count)]
    for due, ms in calls:
        parts[min(count - 1, int(due * count / seconds))].append(ms)
    return parts


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _grown(memory: Memory, name: str, began: float, seconds: float, quarter: int) -> float:
    """The median of the last quarter of the day ÷ that of this one."""

    def median(number: int) -> float:
        held = [
            mib
            for at, mib in zip(memory.at, memory.mib[name], strict=True)
            if int(4 * (at - began) / seconds) == number and at > began
        ]
        return statistics.median(held or memory.mib[name])

    return median(3) / median(quarter)


def _rates(seen: Any, memory: Memory, seconds: float) -> dict[str, Any]:
    """How much was asked, of what, and how busy that kept the machine and the load."""
    kinds: dict[str, list[float]] = {}
    for what, _, took in seen["calls"]:
        kinds.setdefault(what, []).append(1000 * took)
    during = [busy for at, busy in zip(memory.at, memory.busy, strict=True) if 0 < at - seen["began"] < seconds]
    return {
        "calls_a_second": len(seen["calls"]) / seconds,
        "calls_a_second_at_most": max(map(len, _parts(_timed(seen), POINTS, seconds))) * POINTS / seconds,
        "busy_percent": statistics.fmean(during or [0]),
        "load_late_ms": {str(percent): 1000 * _percentile(seen["late"], percent) for percent in (50, 99, 100)},
        "sealed_seconds": {str(percent): _percentile(seen["sealed"], percent) for percent in (50, 99)},
        "seconds_in_all": seen["ended"] - seen["began"],
        "kinds": {
            what: {"calls": len(took), "p50": _percentile(took, 50), "p99": _percentile(took, 99)}
            for what, took in sorted(kinds.items())
        },
        **seen["counts"],
    }


def _series(seen: Any, memory: Memory, seconds: float) -> dict[str, Any]:
    """Latency and memory over the day."""
    thin = slice(None, None, max(1, len(memory.at) // POINTS))
    return {
        "latency": [
            {
                "at": (number + 0.5) * seconds / POINTS, "calls": len(part), "p50": _percentile(part, 50),
                "p99": _percentile(part, 99),
            }
            for number, part in enumerate(_parts(_timed(seen), POINTS, seconds))
        ],
        "memory": {
            "at": [at - seen["began"] for at in memory.at[thin]],
            "mib": {name: mib[thin] for name, mib in memory.mib.items()},
        },
    }  # fmt: skip
