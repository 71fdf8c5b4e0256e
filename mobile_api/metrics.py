"""/metrics in Prometheus' format: counts of this server, and gauges that are read from the database.

Counts are by verb, path template and kind, never by a person or an id. Several API processes add up their counts
through files in the data directory. The database is read at most every few seconds. It answers on the address for
operators alone (mobile_api/operations_server.py).
"""

import asyncio
import os
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
from litestar import Request, Response, get
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from backend.core.database import pool
from backend.core.database_errors import is_damage
from backend.oversight import gauges
from backend.oversight.alarms import DOUBTING
from backend.oversight.gauges import Gauges
from backend.proof.known_store import NOTHING_TOLD, Standing, how_it_stands
from mobile_api.auth import PUBLIC
from mobile_api.request_middleware import REQUESTS
from storage.evidence_store import EvidenceStore

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # folder of the counts of several processes; set before this module is imported
FRESH = 5.0  # seconds for which an answer of the database is used again
DATABASE_SECONDS = STORE_SECONDS = 3.0  # timeouts
TOLD_EVERY = 5.0  # seconds between two looks of a process at its pool and its requests
SUMMED = {
    "fujing_database_damage_total", "fujing_recent_requests", "fujing_feed_lag_seconds", "fujing_pool_connections",
}  # fmt: skip
RECENT_SECONDS = 300.0  # of the share of requests that fail
ENTRIES = Counter("fujing_entries", "Entries by what became of them", ("verb", "result"))
POOL = Gauge(
    "fujing_pool_connections", "Database connections of all processes of this API", ("state",),
    multiprocess_mode="livesum",
)  # fmt: skip
RECENT = Gauge("fujing_recent_requests", "Requests of the last five minutes", ("result",), multiprocess_mode="livesum")
GAUGES = {
    "sealing_lag": ("fujing_sealing_lag_seconds", "How long the oldest received file has waited to be sealed"),
    "to_seal": ("fujing_to_seal", "Files that were received and are not sealed yet"),
    "parts_age": (
        "fujing_missing_parts_age_seconds",
        "How long the unfinished upload that waits longest has received nothing",
    ),
    "unfinished": ("fujing_unfinished_uploads", "Uploads whose parts are not all there"),
    "checkpoint_age": (
        "fujing_checkpoint_age_seconds",
        "Age of the oldest journal line under no checkpoint",
    ),
    "held": ("fujing_held_entries", "Entries that wait for what they refer to, or for a person"),
    "due_soon": ("fujing_footage_due_soon", "Recordings not held whose term ends within the first notice (terms.toml)"),
    "due_at_last": ("fujing_footage_due_at_last", "Recordings not held whose term ends within the last notice"),
    "jobs": ("fujing_jobs", "Jobs in the queue"),
    "jobs_given_up": ("fujing_jobs_given_up", "Jobs that failed for good and wait for a person"),
    "oldest_job": ("fujing_oldest_job_seconds", "How long the oldest job has waited"),
    "database_bytes": ("fujing_database_bytes", "Size of the database"),
    "clock_apart": ("fujing_clock_apart_seconds", "How far the clock of this server is from the database's"),
}


class DatabaseGauges:
    """A Prometheus collector of the gauges that the database answered last."""

    def __init__(self) -> None:
        self._gauges: Gauges | None = None
        self.damaged = 0.0
        self._at, self._lock = 0.0, asyncio.Lock()

    async def refresh(self) -> Gauges | None:
        """Read the gauges again where the last answer is old. A database that is away leaves none but `up`."""
        async with self._lock:
            if monotonic() - self._at < FRESH:
                return self._gauges
            self._gauges = None
            try:
                self.damaged = await asyncio.wait_for(gauges.damaged_pages(), DATABASE_SECONDS)
                self._gauges = await asyncio.wait_for(gauges.measure(), DATABASE_SECONDS)
            except Exception as error:  # whatever the error: the counts are served without the gauges
                self.damaged = max(self.damaged, float(is_damage(error)))
                return None
            self._at = monotonic()
            return self._gauges

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("fujing_database_up", "Whether the database answered", float(self._gauges is not None))
        yield GaugeMetricFamily(
            "fujing_database_damaged", "How often a damaged page was met since a reset of the database's statistics",
            self.damaged + _sums().get(("fujing_database_damage_total", ""), 0.0),
        )  # fmt: skip
        if self._gauges is None:
            return
        for name, (metric, words) in GAUGES.items():
            yield GaugeMetricFamily(metric, words, self._gauges.waiting[name])
        found = GaugeMetricFamily("fujing_findings", "Findings that stand", labels=["kind"])
        for kind, count in self._gauges.findings.items():
            found.add_metric([kind], count)
        yield found


DATABASE_GAUGES = DatabaseGauges()


STORE = {
    "reads": ("fujing_store_up", "Whether the evidence store could be read"),
    "writes": ("fujing_store_writable", "Whether it took what the worker wrote within the last minutes"),
    "ours": ("fujing_store_ours", "Whether it is the one of this house"),
    "kept": ("fujing_lock_proved", "Whether the last proof found that it keeps locks and holds, and is not too old"),
}


class StoreGauge:
    """A Prometheus collector of how the evidence store stood last. What nobody can tell is NaN, and rings nothing."""

    def __init__(self) -> None:
        self.standing = NOTHING_TOLD
        self._at, self._lock = 0.0, asyncio.Lock()

    async def refresh(self, store: EvidenceStore) -> Standing:
        """Look again where the last look is old."""
        async with self._lock:
            if monotonic() - self._at >= FRESH:
                try:
                    self.standing = await asyncio.wait_for(how_it_stands(store), STORE_SECONDS)
                except Exception:  # whatever the error: the store does not answer
                    self.standing = NOTHING_TOLD
                self._at = monotonic()
            return self.standing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, (metric, words) in STORE.items():
            told = getattr(self.standing, name)
            yield GaugeMetricFamily(metric, words, float("nan") if told is None else float(told))


STORE_GAUGE = StoreGauge()


class DiskGauges:
    """A Prometheus collector of the disks under a data directory."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def collect(self) -> Iterator[GaugeMetricFamily]:
        free = GaugeMetricFamily("fujing_disk_free_bytes", "Free bytes of the disk that holds this", labels=["of"])
        size = GaugeMetricFamily("fujing_disk_bytes", "Size of the disk that holds this", labels=["of"])
        for name, disk in disks(self._home).items():
            free.add_metric([name], disk.free)
            size.add_metric([name], disk.total)
        yield from (free, size)


def disks(home: Path) -> dict[str, Any]:
    """Usage of the disk of the data directory (`data`) and of the embedded store (`store`), where there is one."""
    places = {"data": home, "store": home / "s3" / "objects"}
    return {name: shutil.disk_usage(place) for name, place in places.items() if place.exists()}


class RecentRequests:
    """The requests of this process within the last five minutes."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, float, float]] = deque()

    def look(self, at: float) -> tuple[float, float]:
        """How many there were up to now (monotonic seconds), and how many of them failed."""
        samples = [each for family in REQUESTS.collect() for each in family.samples if each.name.endswith("_total")]
        failed = sum(each.value for each in samples if each.labels["status"].startswith("5"))
        self._counts.append((at, sum(each.value for each in samples), failed))
        while self._counts[0][0] < at - RECENT_SECONDS:
            self._counts.popleft()
        return self._counts[-1][1] - self._counts[0][1], self._counts[-1][2] - self._counts[0][2]


RECENT_REQUESTS = RecentRequests()


async def tell_the_others() -> None:
    """Tell the other processes of this one's pool and requests every few seconds, until cancelled."""
    while True:
        look_at_this_process()
        await asyncio.sleep(TOLD_EVERY)


def look_at_this_process() -> None:
    every, failed = RECENT_REQUESTS.look(monotonic())
    RECENT.labels("any").set(every)
    RECENT.labels("failed").set(failed)
    size, idle = pool().get_size(), pool().get_idle_size()
    for state, count in (("busy", size - idle), ("idle", idle), ("free", pool().get_max_size() - size)):
        POOL.labels(state).set(count)


def of_all_processes() -> CollectorRegistry:
    """The counts of all processes of this API, added up. Gauges of a process that ended are forgotten."""
    look_at_this_process()
    folder = os.environ.get(SHARED)
    if not folder:
        return REGISTRY
    for kept in Path(folder).glob("gauge_live*.db"):
        pid = int(kept.stem.rpartition("_")[2])
        if not psutil.pid_exists(pid):
            multiprocess.mark_process_dead(pid)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return registry


def _sums() -> dict[tuple[str, str], float]:
    """The figures that all processes of this API add up, by name and label."""
    return {
        (each.name, each.labels.get("state") or each.labels.get("result", "")): each.value
        for family in of_all_processes().collect() for each in family.samples if each.name in SUMMED
    }  # fmt: skip


def figures(told: Gauges, home: Path, store: Standing) -> dict[str, float]:
    """Every figure that an alarm may be about (backend/oversight/alarms.py), of all processes."""
    data = disks(home)["data"]
    sums = _sums()
    recent, failed = (sums.get(("fujing_recent_requests", result), 0.0) for result in ("any", "failed"))
    return told.waiting | {
        "database_up": 1.0,
        "database_damaged": DATABASE_GAUGES.damaged + sums.get(("fujing_database_damage_total", ""), 0.0),
        "store_up": float(store.reads),
        "store_writable": float(store.writes is not False),
        "store_ours": float(store.ours is not False),
        "lock_proved": float(store.kept is not False),
        "failing_share": failed / recent if recent else 0.0,
        "feed_lag": sums.get(("fujing_feed_lag_seconds", ""), 0.0),
        "pool_free": sum(sums.get(("fujing_pool_connections", state), 0.0) for state in ("idle", "free")),
        "journal_doubted": float(sum(told.findings.get(kind, 0) for kind in DOUBTING)),
        "clocks_doubted": float(told.findings.get("clocks_differ", 0)),
        "disk_free_share": data.free / data.total,
    }


@get("/metrics", opt=PUBLIC, include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The counts since the start, and the gauges of now."""
    await asyncio.gather(DATABASE_GAUGES.refresh(), STORE_GAUGE.refresh(request.app.state.store))
    registry = CollectorRegistry()
    registry.register(DATABASE_GAUGES)
    registry.register(STORE_GAUGE)
    registry.register(DiskGauges(request.app.state.settings.data_dir))
    registry.register(of_all_processes())
    text: Any = generate_latest(registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


ROUTES = [metrics]
