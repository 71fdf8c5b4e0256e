"""/metrics in Prometheus' format: counts of this server, and gauges that are read from the database.

Counts are by verb, path template and kind, never by a person or an id. Several API processes add up their counts
through files in the data directory. The database is read at most every few seconds. It answers on the address for
operators alone (mobile_api/operations_server.py).
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
from litestar import Response, get
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from backend.core.database import pool
from backend.oversight import gauges
from backend.oversight.gauges import Gauges
from mobile_api.auth import PUBLIC

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # folder of the counts of several processes; set before this module is imported
FRESH = 5.0  # seconds for which an answer of the database is used again
DATABASE_SECONDS = 3.0  # timeout
TOLD_EVERY = 5.0  # seconds between two looks of a process at its pool
ENTRIES = Counter("fujing_entries", "Entries by what became of them", ("verb", "result"))
POOL = Gauge(
    "fujing_pool_connections", "Database connections of all processes of this API", ("state",),
    multiprocess_mode="livesum",
)  # fmt: skip
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
        self._at, self._lock = 0.0, asyncio.Lock()

    async def refresh(self) -> None:
        """Read the gauges again where the last answer is old. A database that is away leaves none but `up`."""
        async with self._lock:
            if monotonic() - self._at < FRESH:
                return
            self._gauges = None
            try:
                self._gauges = await asyncio.wait_for(gauges.measure(), DATABASE_SECONDS)
            except Exception:  # whatever the error: the counts are served without the gauges
                return
            self._at = monotonic()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("fujing_database_up", "Whether the database answered", float(self._gauges is not None))
        if self._gauges is None:
            return
        for name, (metric, words) in GAUGES.items():
            yield GaugeMetricFamily(metric, words, self._gauges.waiting[name])
        found = GaugeMetricFamily("fujing_findings", "Findings that stand", labels=["kind"])
        for kind, count in self._gauges.findings.items():
            found.add_metric([kind], count)
        yield found


DATABASE_GAUGES = DatabaseGauges()


async def tell_pool() -> None:
    """Tell the others of this process's pool every few seconds, until cancelled."""
    while True:
        look_at_pool()
        await asyncio.sleep(TOLD_EVERY)


def look_at_pool() -> None:
    size, idle = pool().get_size(), pool().get_idle_size()
    for state, count in (("busy", size - idle), ("idle", idle), ("free", pool().get_max_size() - size)):
        POOL.labels(state).set(count)


def of_all_processes() -> CollectorRegistry:
    """The counts of all processes of this API, added up. Gauges of a process that ended are forgotten."""
    look_at_pool()
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


@get("/metrics", opt=PUBLIC, include_in_schema=False)
async def metrics() -> Response[bytes]:
    """The counts since the start, and the gauges of now."""
    await DATABASE_GAUGES.refresh()
    registry = CollectorRegistry()
    registry.register(DATABASE_GAUGES)
    registry.register(of_all_processes())
    text: Any = generate_latest(registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


ROUTES = [metrics]
