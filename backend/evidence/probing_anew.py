"""Probe films anew that were sealed before the probe found what it finds today.

Guarantees: a run ends within its term, and at once when footage waits to be sealed or the machine is busy; what it has
not come to is found by the next run. Two runs at once keep what one of them found. Nothing in the store changes; a film
that the store does not give stays as it is. The start of a film that nobody weighed yet is weighed, and proved by the
time codes that it shows, as at a sealing. A line in the journal tells the wearer, and those whom a changed finding
is about.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from asyncpg import Range

from backend.core import journal
from backend.core.database import Record, fetch, first, tx, value
from backend.core.keys import Keys
from backend.evidence import films, probing, view_copies
from backend.evidence.probing import Probe
from backend.evidence.refresh import lock_concerned, refresh_findings
from backend.evidence.sealing import told_by
from backend.evidence.starts import service as starts
from backend.evidence.starts.service import ToldMeanwhile
from backend.law.catalogue import law
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoredObject, StoreUnavailable
from storage.probe import VERSION

# One that cannot be read waits until it is.
GIVEN = """NOT EXISTS (SELECT FROM finding f
    WHERE f.kind = 'evidence_unreadable' AND f.subject = u.id AND f.withdrawn_at IS NULL)"""
OUTDATED = f"""
SELECT u.id, u.owner, u.organ, u.object_key, u.version, u.sha256, u.bytes, r.started_at, r.ended_at, r.probe_version
FROM recording r JOIN upload u ON u.id = r.id
WHERE r.probe_version < $1 AND u.state = 'sealed' AND u.disposed_at IS NULL AND u.id <> ALL ($2)
    AND {GIVEN}
ORDER BY r.probe_version, r.started_at DESC LIMIT 1
"""  # noqa: S608 - a constant; the newest first: what it proves is still asked for
# What an older program sealed, that still ran for a while after the migration.
NEVER_PROBED = f"""
SELECT u.id, u.owner, u.organ, u.object_key, u.version, u.sha256, u.bytes, r.started_at, r.ended_at, r.probe_version
FROM recording r JOIN upload u ON u.id = r.id
WHERE r.probe_version IS NULL AND r.started_at > $1 AND u.state = 'sealed' AND u.disposed_at IS NULL
    AND u.id <> ALL ($2) AND {GIVEN}
ORDER BY r.started_at DESC LIMIT 1
"""  # noqa: S608
LATELY = timedelta(days=90)
STILL_OUTDATED = """
SELECT u.id, u.owner, u.organ, u.media_type, r.started_at, r.ended_at FROM recording r JOIN upload u ON u.id = r.id
WHERE r.id = $1 AND coalesce(r.probe_version, 0) < $2 FOR UPDATE OF r
"""
SEALING = "SELECT count(*) FROM pgqueuer WHERE entrypoint IN ('seal', 'compare') AND status IN ('queued', 'picked')"
STANDING = """
SELECT f.kind, f.subject, f.person, f.spans FROM finding f
WHERE f.withdrawn_at IS NULL AND (f.subject = $1 OR f.subject IN (
    SELECT a.id FROM recording r JOIN activity a ON a.reach && ($2::tstzmultirange + r.during::tstzmultirange)
        AND (a.person = r.wearer OR EXISTS (SELECT FROM led l WHERE l.auxiliary = a.person AND l.officer = r.wearer
            AND l.named && ($2::tstzmultirange + r.during::tstzmultirange)))
    WHERE r.id = $1))
"""  # $2: the times that it leaves and takes
WEIGHED_SINCE = 1  # the first probe that gives what a start is weighed by; before, the declaration alone told it
MOST_FAILURES = 3
log = structlog.get_logger()


class ProbedAnew(NamedTuple):
    """What a run did: how many films it probed, of how many findings changed, and how many the store did not give."""

    films: int
    changed: int
    failed: int


async def run(store: EvidenceStore, keys: Keys) -> ProbedAnew:
    """Probe outdated films until none is left, the term is over, the store fails, or there is other work."""
    until = monotonic() + law().span("probing_anew_run").total_seconds()
    seen: list[UUID] = []
    changed = failed = 0
    while monotonic() < until and failed < MOST_FAILURES and not await is_busy():
        row = await first(OUTDATED, VERSION, seen) or await first(NEVER_PROBED, datetime.now(UTC) - LATELY, seen)
        if row is None:
            break
        seen.append(row["id"])
        try:
            probe = await probing.probe(store, StoredObject(row["object_key"], row["version"], row["bytes"]))
        except StoreUnavailable as error:
            log.warning("a film was not probed anew", upload=str(row["id"]), error=str(error))
            failed += not await _is_unreadable(store, row)
            continue
        with suppress(ToldMeanwhile):  # then the next run comes to it
            changed += await keep_anew(keys, row, probe)
    return ProbedAnew(len(seen) - failed, changed, failed)


async def _is_unreadable(store: EvidenceStore, row: Record) -> bool:
    """Whether this film alone is not given: then it is left out until it is read again."""
    try:
        await view_copies.must_be_given(store, row)
    except (ObjectUnreadable, ObjectUnknown):
        return True
    except StoreUnavailable:
        return False
    return False


async def is_busy() -> bool:
    """Whether footage waits to be sealed, or the processors have enough to do (probing_anew_load)."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return load * 100 > law().count("probing_anew_load") or await value(SEALING) > 0


async def keep_anew(keys: Keys, row: Record, probe: Probe) -> bool:
    """Keep what was found, refresh the findings of its time, and tell of it. Whether findings changed.

    `row`: of the film its id, owner and probe_version. Raises ToldMeanwhile.
    """
    upload, settling = row["id"], None
    if (row["probe_version"] or 0) < WEIGHED_SINCE:
        settling = await starts.weigh(keys, upload, told_by(probe))
    spans = [] if settling is None else [settling.before, settling.after]
    times, now = [Range(*span) for span in spans], datetime.now(UTC)
    async with tx():
        await lock_concerned(row["owner"], [upload], *spans)
        film = await first(STILL_OUTDATED, upload, VERSION)
        if film is None:
            return False
        before = _comparable(await fetch(STANDING, upload, times))
        filmed = await films.keep(film, probe, now)
        started = None if settling is None else await starts.settle(settling, now)
        await refresh_findings(upload, now)
        changed = before ^ _comparable(await fetch(STANDING, upload, times))
        await _tell(film, now, filmed, changed)
        if started is not None:
            await journal.append(started)
    return bool(changed)


def _comparable(rows: Iterable[Record]) -> set[tuple[Any, ...]]:
    return {(row["kind"], row["subject"], row["person"], str(row["spans"])) for row in rows}


async def _tell(row: Record, now: datetime, filmed: dict[str, Any], changed: set[tuple[Any, ...]]) -> None:
    """Write a line about the film; its subjects are also the facts and persons whose findings changed."""
    touched = [each for _, subject, person, _ in sorted(changed, key=str) for each in (subject, person) if each]
    facts = filmed | {"findings": sorted({kind for kind, *_ in changed})}
    await journal.append(
        journal.Line(
            at=now, verb="evidence/probe", outcome="done", organ=row["organ"],
            subjects=list(dict.fromkeys([row["id"], row["owner"], *touched])), facts=facts,
        )
    )  # fmt: skip
