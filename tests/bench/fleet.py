"""A day of a thousand handhelds, played in two minutes: `fleet_p50`, `fleet_p99`, `fleet_errors`, `fleet_rss_growth`.
And a day on which the store hangs in the middle: `frozen_unanswered`, `frozen_entries`.

Each handheld has its own person, key and session. duty.py plays the day from another process and reports how long each
call took from the moment it was due. Meanwhile the memory of the API's workers and of the worker is read every second.
It grows while they serve their first thousand devices and jobs, so the last quarter of the day is compared with the
second (the worker's five-minute job may still add some 7 % the first time). Every answered entry is looked up in the
journal: there is no figure where one is lost or doubled.

The store that hangs is the embedded one, stopped by a signal. Phones go on with their uploads afterwards, as real ones.
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
from children import child, child_of_store
from figures import BenchError, Figure, say

from backend.core import database
from backend.core.keys import Keys
from backend.core.settings import Settings
from mobile_api.cli.demo_film import film
from mobile_api.cli.serving import House

NAMES = ("fleet_p50", "fleet_p99", "fleet_errors", "fleet_rss_growth")
FROZEN = ("frozen_unanswered", "frozen_entries")
FROZEN_PHONES = 0.6  # of the fleet
WORKING = (0.25, 0.85)  # of the day, as in duty.py
MIDDLE = (0.375, 0.625)  # of the day; of two minutes 30 s
HERE = Path(__file__).parent
LED, STATION = 10, 50  # auxiliaries for each leading officer, and for each station
UPLOADING = 5  # one auxiliary in five uploads a film
FILM_SECONDS = 2
POINTS = 60  # in each series of the picture
SEED = 26
ENTRIES = {"shifts/check-in", "shifts/check-out", "supervisions/name", "supervisions/confirm", "activities/start",
           "activities/finish", "recordings/declare"}  # fmt: skip
STORE = "store"  # calls that the object store answers, not our API
RECORDED = "SELECT entry_id FROM journal WHERE outcome = 'recorded' AND actor = ANY ($1::uuid[])"
LEFT = """
SELECT (SELECT count(*) FROM shift WHERE person = ANY ($1::uuid[]) AND ended_at IS NULL) AS open_shifts,
    (SELECT count(*) FROM upload WHERE owner = ANY ($1::uuid[]) AND state <> 'sealed') AS unsealed
"""


@dataclass
class Memory:
    """Resident MiB of each process, second by second, and CPU use of the machine in percent."""

    at: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    mib: dict[str, list[float]] = field(default_factory=dict)

    def look(self, processes: dict[str, psutil.Process]) -> None:
        self.at.append(time.monotonic())
        self.busy.append(psutil.cpu_percent())
        for name, process in processes.items():
            self.mib.setdefault(name, []).append(process.memory_info().rss / 2**20)


def fleet(house: House, home: Path, phones: int, seconds: float) -> Iterator[Figure]:
    """Play the day. Raises BenchError where an entry is lost or doubled, a film is not sealed or a shift stays open."""
    people = _come("F", house, phones)
    measured, memory = _played(_order(house, home, people, phones, seconds), _workers(), seconds)
    asyncio.run(_compare(house.settings, people, measured))
    yield from _figures(measured, memory, phones, seconds)


def frozen(house: House, home: Path, phones: int, seconds: float) -> Iterator[Figure]:
    """Play a day on which the store hangs from the first moment of MIDDLE to the second. Raises BenchError as fleet."""
    phones = max(2, round(phones * FROZEN_PHONES))
    people = _come("Z", house, phones)
    freeze = {"pid": child_of_store().pid, "from": MIDDLE[0] * seconds, "until": MIDDLE[1] * seconds}
    order = _order(house, home, people, phones, seconds) | {"freeze": freeze}
    measured, _ = _played(order, {}, seconds)
    asyncio.run(_compare(house.settings, people, measured))
    yield from _frozen_figures(measured, seconds)


def _frozen_figures(measured: Any, seconds: float) -> Iterator[Figure]:
    """Calls to our API that had no answer; and of entries, the 99th percentile while the store hung ÷ that of the other
    working time, when as many are sent."""
    entries = [(due - measured["began"], 1000 * took) for what, due, took in measured["calls"] if what in ENTRIES]
    during = [ms for due, ms in entries if MIDDLE[0] * seconds <= due < MIDDLE[1] * seconds]
    working = [ms for due, ms in entries if WORKING[0] * seconds <= due < WORKING[1] * seconds]
    usual = Counter(working) - Counter(during)
    hung, rest = _percentile(during, 99), _percentile(list(usual.elements()), 99)
    say(f"entries, p99: {hung:.0f} ms while the store hung, {rest:.0f} ms before and after; {measured['errors']}")
    unanswered = {what: many for what, many in measured["errors"].items() if _is_unanswered(what)}
    many = sum(unanswered.values())
    details = {"unanswered": unanswered, "all": measured["errors"]}
    yield Figure("frozen_unanswered", many, "count", "<= 0", [many], details)
    ratio = hung / rest if rest else 0.0
    yield Figure("frozen_entries", ratio, "ratio", "<= 2", [ratio], {"hung_ms": hung, "rest_ms": rest})


def _is_unanswered(what: str) -> bool:
    """Whether this kind of error is a call to our API without an answer; the others end with their status."""
    kind, _, ending = what.rpartition(" ")
    return kind != STORE and not ending.isdigit() and ending not in ("unsealed", "verified")


def _come(prefix: str, house: House, phones: int) -> list[population.Person]:
    begun = time.perf_counter()
    people = asyncio.run(_arrived(prefix, house.settings, phones))
    say(f"{len(people)} people enrolled and signed in, in {time.perf_counter() - begun:.0f} s")
    return people


async def _arrived(prefix: str, settings: Settings, phones: int) -> list[population.Person]:
    """Enrol and sign in everybody: the auxiliaries first, then their leading officers, station by station."""
    posts = [population.Post(f"{prefix}-{n:04}", "duty_auxiliary", _station(n)) for n in range(phones)]
    posts += [population.Post(f"{prefix}L-{n:03}", "officer", _station(n * LED)) for n in range(-(-phones // LED))]
    async with database.opened(str(settings.database_url), size=population.AT_ONCE):
        return await population.arrive(settings, posts)


def _station(number: int) -> str:
    return f"9901007{number // STATION:05}"


def _order(
    house: House, home: Path, people: Sequence[population.Person], phones: int, seconds: float
) -> dict[str, Any]:
    """The order for duty.py. The film is a real one, so that the worker probes it and stores a still."""
    path = home / "DSJ0042_0001.mp4"
    film(path, seconds=FILM_SECONDS, width=160, height=96, rate=5, crf=45)
    signed_in = [{"id": str(each.id), "token": each.token, "key": each.key.pem().decode()} for each in people]
    return {
        "url": house.url, "seconds": seconds, "seed": SEED, "auxiliaries": signed_in[:phones],
        "officers": signed_in[phones:], "uploads": -(-phones // UPLOADING), "film_seconds": FILM_SECONDS,
        "film": base64.b64encode(path.read_bytes()).decode(),
        "keys": Keys(house.settings.secrets_dir).evidence.public(),
    }  # fmt: skip


def _workers() -> dict[str, psutil.Process]:
    """The processes whose memory is read: the API's workers, started by granian, and the worker."""
    serving = [each for each in child("api").children() if "resource_tracker" not in " ".join(each.cmdline())]
    return {**{f"api {number}": each for number, each in enumerate(serving, 1)}, "worker": child("worker")}


def _played(order: dict[str, Any], processes: dict[str, psutil.Process], seconds: float) -> tuple[Any, Memory]:
    """Play the day: the measurements of the phones, and the memory of our processes."""
    memory, every = Memory(), min(1.0, seconds / 20)
    psutil.cpu_percent()
    load = subprocess.Popen(
        [sys.executable, str(HERE / "duty.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        given = json.dumps(order)
        while True:
            try:
                output, _ = load.communicate(None if given is None else given + "\n", timeout=every)
                break
            except subprocess.TimeoutExpired:
                given = None
                memory.look(processes)
    finally:
        load.kill()
        load.wait()
    if load.returncode != 0:
        raise BenchError("the day could not be played")
    return json.loads(output), memory


async def _compare(settings: Settings, people: Sequence[population.Person], measured: Any) -> None:
    """Check that the journal has every answered entry once, and that all shifts and uploads have ended."""
    connection = await asyncpg.connect(str(settings.database_url))
    ids = [each.id for each in people]
    journalled = Counter(row["entry_id"] for row in await connection.fetch(RECORDED, ids))
    left = dict(await connection.fetchrow(LEFT, ids))
    await connection.close()
    lost = [entry for entry in measured["recorded"] if journalled[UUID(entry)] == 0]
    doubled = [entry for entry, times in journalled.items() if times > 1]
    say(f"{len(measured['recorded'])} entries answered, {journalled.total()} in the journal; {left}")
    if lost or doubled:
        raise BenchError(f"{len(lost)} entries are lost, {len(doubled)} doubled")
    if any(left.values()) and not measured["errors"]:
        raise BenchError(f"something was left as it should not be: {left}")


def _figures(measured: Any, memory: Memory, phones: int, seconds: float) -> Iterator[Figure]:
    calls = _timed(measured)
    took, quarters = [ms for _, ms in calls], _parts(calls, 4, seconds)
    growth, warming = (
        {name: _grown(memory, name, measured["began"], seconds, n) for name in memory.mib} for n in (1, 0)
    )
    errors = sum(measured["errors"].values())
    details = {
        "phones": phones,
        "seconds": seconds,
        **_rates(measured, memory, seconds),
        **_series(measured, memory, seconds),
    }
    growths = {"from_the_second_quarter": growth, "from_the_first": warming}
    for what, words in measured["words"].items():
        say(f"error {what}, {measured['errors'][what]} times: {words}")
    say(
        f"{details['calls_a_second']:.0f} calls/s, {details['calls_a_second_at_most']:.0f} at most, machine "
        f"{details['busy_percent']:.0f} % busy, the load {details['load_late_ms']['99']:.0f} ms late (p99); "
        f"memory {', '.join(f'{name} x{ratio:.3f}' for name, ratio in growth.items())}"
    )
    yield Figure("fleet_p50", _percentile(took, 50), "ms", "", [_percentile(part, 50) for part in quarters], details)
    yield Figure("fleet_p99", _percentile(took, 99), "ms", "", [_percentile(part, 99) for part in quarters])
    yield Figure(
        "fleet_errors", errors, "count", "<= 0", [errors], {"errors": measured["errors"], "words": measured["words"]}
    )
    yield Figure("fleet_rss_growth", max(growth.values()), "ratio", "<= 1.1", list(growth.values()), growths)


def _timed(measured: Any) -> list[tuple[float, float]]:
    """For each call to our API: when it was due, in seconds of the day, and milliseconds until its answer."""
    return [(due - measured["began"], 1000 * took) for what, due, took in measured["calls"] if what != STORE]


def _parts(calls: Sequence[tuple[float, float]], count: int, seconds: float) -> list[list[float]]:
    """Milliseconds of the calls due in each part of the day; calls due later count to the last part."""
    parts: list[list[float]] = [[] for _ in range(count)]
    for due, ms in calls:
        parts[min(count - 1, int(due * count / seconds))].append(ms)
    return parts


def _percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _grown(memory: Memory, name: str, began: float, seconds: float, quarter: int) -> float:
    """Median memory in the last quarter of the day ÷ in quarter number `quarter`."""

    def median(number: int) -> float:
        values = [
            mib
            for at, mib in zip(memory.at, memory.mib[name], strict=True)
            if int(4 * (at - began) / seconds) == number and at > began
        ]
        return statistics.median(values or memory.mib[name])

    return median(3) / median(quarter)


def _rates(measured: Any, memory: Memory, seconds: float) -> dict[str, Any]:
    """Calls by kind, and how busy they kept the machine and the load."""
    kinds: dict[str, list[float]] = {}
    for what, _, took in measured["calls"]:
        kinds.setdefault(what, []).append(1000 * took)
    during = [busy for at, busy in zip(memory.at, memory.busy, strict=True) if 0 < at - measured["began"] < seconds]
    return {
        "calls_a_second": len(measured["calls"]) / seconds,
        "calls_a_second_at_most": max(map(len, _parts(_timed(measured), POINTS, seconds))) * POINTS / seconds,
        "busy_percent": statistics.fmean(during or [0]),
        "load_late_ms": {str(percent): 1000 * _percentile(measured["late"], percent) for percent in (50, 99, 100)},
        "sealed_seconds": {str(percent): _percentile(measured["sealed"], percent) for percent in (50, 99)},
        "seconds_in_all": measured["ended"] - measured["began"],
        "kinds": {
            what: {"calls": len(took), "p50": _percentile(took, 50), "p99": _percentile(took, 99)}
            for what, took in sorted(kinds.items())
        },
        **measured["counts"],
    }


def _series(measured: Any, memory: Memory, seconds: float) -> dict[str, Any]:
    """Latency and memory over the day."""
    thin = slice(None, None, max(1, len(memory.at) // POINTS))
    return {
        "latency": [
            {
                "at": (number + 0.5) * seconds / POINTS, "calls": len(part), "p50": _percentile(part, 50),
                "p99": _percentile(part, 99),
            }
            for number, part in enumerate(_parts(_timed(measured), POINTS, seconds))
        ],
        "memory": {
            "at": [at - measured["began"] for at in memory.at[thin]],
            "mib": {name: mib[thin] for name, mib in memory.mib.items()},
        },
    }  # fmt: skip
