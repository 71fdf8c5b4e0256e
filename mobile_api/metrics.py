"""/metrics, in the format that Prometheus reads: what this server counted, and what waits in the house.

Counts are by verb, path template and kind, never by a person or an id. Several API processes add theirs up through
files in the data directory; what waits is asked of the database, at most every few seconds.
"""

import asyncio
import os
from collections.abc import Iterator
from time import monotonic
from typing import Any

from litestar import Response, get
from prometheus_client import REGISTRY, CollectorRegistry, Counter, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from backend.core.database import pool
from backend.oversight import gauges
from backend.oversight.gauges import Gauges
from mobile_api.auth import PUBLIC

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where several processes keep their counts; chosen before this is imported
FRESH = 5.0  # seconds that an answer of the database serves
PATIENCE = 3.0
ENTRIES = Counter("fujing_entries", "Entries by what became of them", ("verb", "result"))
WORDS = {
    "sealing_lag": ("fujing_sealing_lag_seconds", "How long the oldest received file has waited to be sealed"),
    "to_seal": ("fujing_to_seal", "Files that were received and are not sealed yet"),
    "parts_age": (
        "fujing_missing_parts_age_seconds",
        "How long nothing came of the most silent unfinished upload",
    ),
    "unfinished": ("fujing_unfinished_uploads", "Uploads whose parts are not all there"),
    "checkpoint_age": (
        "fujing_checkpoint_age_seconds",
        "How long the oldest line has stood under no checkpoint",
    ),
    "held": ("fujing_held_entries", "Entries that wait for what they refer to, or for a person"),
    "jobs": ("fujing_jobs", "Jobs in the queue"),
    "jobs_given_up": ("fujing_jobs_given_up", "Jobs that failed for good and wait for a person"),
    "oldest_job": ("fujing_oldest_job_seconds", "How long the oldest job has waited"),
    "database_bytes": ("fujing_database_bytes", "Size of the database"),
}


class Measured:
    """A collector of what the database told last."""

    def __init__(self) -> None:
        self._gauges: Gauges | None = None
        self._at, self._lock = 0.0, asyncio.Lock()

    async def look(self) -> None:
        """Ask again where the last answer is old. A database that is away leaves no figures, and is told by `up`."""
        async with self._lock:
            if monotonic() - self._at < FRESH:
                return
            self._gauges = None
            try:
                self._gauges = await asyncio.wait_for(gauges.measure(), PATIENCE)
            except Exception:  # whatever it is, the database did not answer; the other figures are there
                return
            self._at = monotonic()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("fujing_database_up", "Whether the database answered", float(self._gauges is not None))
        size, idle = pool().get_size(), pool().get_idle_size()
        pools = GaugeMetricFamily("fujing_pool_connections", "Database connections of this process", labels=["state"])
        for state, count in (("busy", size - idle), ("idle", idle), ("free", pool().get_max_size() - size)):
            pools.add_metric([state], count)
        yield pools
        if self._gauges is None:
            return
        for name, (metric, words) in WORDS.items():
            yield GaugeMetricFamily(metric, words, self._gauges.waiting[name])
        found = GaugeMetricFamily("fujing_findings", "Findings that stand", labels=["kind"])
        for kind, count in self._gauges.findings.items():
            found.add_metric([kind], count)
        yield found


MEASURED = Measured()


@get("/metrics", opt=PUBLIC, include_in_schema=False)
async def metrics() -> Response[bytes]:
    """Counts since the start, and what waits now."""
    await MEASURED.look()
    both = CollectorRegistry()
    both.register(MEASURED)
    if os.environ.get(SHARED):
        multiprocess.MultiProcessCollector(both)
    else:
        both.register(REGISTRY)
    text: Any = generate_latest(both)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


ROUTES = [metrics]
