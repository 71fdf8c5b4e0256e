"""Measure the backlog for operators: uploads, jobs and checkpoints that wait, and findings that stand.

The queries use indexes. Ages are in seconds, 0 where nothing waits. What alarms: backend/oversight/alarms.toml.
"""

from datetime import UTC, datetime
from time import time
from typing import NamedTuple

from backend.core import journal
from backend.core.database import fetch, first, value
from backend.core.days import A_MOMENT, until
from backend.law.catalogue import law

WAITING = f"""
SELECT
    (SELECT extract(epoch FROM now() - min(received_at)) FROM upload WHERE state = 'received') AS sealing_lag,
    (SELECT count(*) FROM upload WHERE state = 'received') AS to_seal,
    (SELECT extract(epoch FROM now() - min(touched_at)) FROM upload
        WHERE state IN ('declared', 'receiving', 'mismatch')) AS parts_age,
    (SELECT count(*) FROM upload WHERE state IN ('declared', 'receiving', 'mismatch')) AS unfinished,
    (SELECT extract(epoch FROM now() - j.at) FROM journal j WHERE (j.epoch, j.xid, j.seq) > (
        SELECT epoch, xid, seq FROM checkpoint
        UNION ALL SELECT 0, '0'::xid8, 0 ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 1
    ) AND {journal.SAFE.format(j="j")} ORDER BY j.epoch, j.xid, j.seq LIMIT 1) AS checkpoint_age,
    (SELECT count(*) FROM held_entry WHERE state = 'waiting') AS held,
    due.soon AS due_soon, due.at_last AS due_at_last,
    (SELECT count(*) FROM pgqueuer) AS jobs,
    (SELECT count(*) FROM pgqueuer WHERE status = 'failed') AS jobs_given_up,
    (SELECT extract(epoch FROM now() - min(created)) FROM pgqueuer WHERE status = 'queued') AS oldest_job,
    pg_database_size(current_database()) AS database_bytes,
    extract(epoch FROM clock_timestamp()) AS clock
FROM (
    SELECT count(*) AS soon, count(*) FILTER (WHERE locked_until <= $2) AS at_last FROM upload
    WHERE kind = 'recording' AND state = 'sealed' AND disposed_at IS NULL AND NOT legal_hold
        AND locked_until <= $1
) due
"""  # noqa: S608
# Since the server's statistics were last reset. NULL: the cluster has no checksums.
DAMAGED_PAGES = "SELECT coalesce(checksum_failures, 0) FROM pg_stat_database WHERE datname = current_database()"
STANDING_FINDINGS = "SELECT kind, count(*) FROM finding WHERE withdrawn_at IS NULL GROUP BY kind ORDER BY kind"


class Gauges(NamedTuple):
    """Sizes and ages of what waits, by name; and the number of findings that stand, by kind."""

    waiting: dict[str, float]
    findings: dict[str, int]


async def measure() -> Gauges:
    """The gauges as of now."""
    now = datetime.now(UTC)
    soon, at_last = until(law(), "disposal_notice", now), until(law(), "disposal_last_notice", now)
    row = await first(WAITING, soon + A_MOMENT, at_last + A_MOMENT)
    if row is None:
        raise RuntimeError("a SELECT of one row has a row")
    waiting = {name: float(size or 0) for name, size in row.items()}
    waiting["clock_apart"] = abs(time() - waiting.pop("clock"))
    return Gauges(waiting, {row["kind"]: row["count"] for row in await fetch(STANDING_FINDINGS)})


async def damaged_pages() -> float:
    """How many pages of this database were read with a wrong checksum, by whomever: a backup, `verify`, the worker."""
    return float(await value(DAMAGED_PAGES))
