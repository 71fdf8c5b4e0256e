"""When the entries of one call happened, compared with each other. Pure, but for the boots that the database knows.

Guarantees: a time that the device's clock or its uptime tells stands. Entries whose clock cannot be right keep the
device's order: they lie between the entries before and after them, and as far from each other as they were told.
Source: DESIGN §4 and 11.4; docs/adr/0041.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from backend.core.database import fetch
from backend.core.verb import Timing
from backend.core.wire import EARLIEST, Entry
from backend.law.catalogue import Law

KNOWN_BOOTS = "SELECT boot_id, booted_at FROM device_boot WHERE device = $1 AND boot_id = ANY ($2)"
STEP = timedelta(milliseconds=1)  # between two entries of which only the order is known


class Told(msgspec.Struct, frozen=True):
    """An entry of a call: its number on the device, its time by the device's clock, and what follows from it alone."""

    seq: int
    device_time: datetime
    timed: Timing


async def known_boots(device: UUID | None, entries: Iterable[Entry]) -> Mapping[UUID, datetime]:
    """When this device started, for the boots that these entries name and a sync call told."""
    named = {entry.boot_id for entry in entries if entry.boot_id is not None and entry.uptime_ms is not None}
    if device is None or not named:
        return {}
    return {row["boot_id"]: row["booted_at"] for row in await fetch(KNOWN_BOOTS, device, sorted(named))}


def by_uptime(entry: Entry, boots: Mapping[UUID, datetime]) -> datetime | None:
    """When an entry happened by the device's uptime; None where the boot or the uptime is not known."""
    booted = None if entry.boot_id is None else boots.get(entry.boot_id)
    if booted is None or entry.uptime_ms is None:
        return None
    try:
        return booted + timedelta(milliseconds=entry.uptime_ms)
    except OverflowError:
        return None


def latest_moments(told: Sequence[Told], received_at: datetime, law: Law) -> list[datetime]:
    """When each of these entries happened at the latest: at receipt, or before the next entry of the device."""
    order = sorted(range(len(told)), key=lambda index: told[index].seq)
    floors = _floors([told[index].timed for index in order])
    latest = [received_at] * len(told)
    later: list[datetime] = []  # moments of the entries behind this one, sorted
    behind: tuple[Told, datetime] | None = None
    for index, floor in zip(reversed(order), reversed(floors), strict=True):
        this = told[index]
        place = bisect_left(later, floor)
        bound = later[place] if place < len(later) else received_at
        if this.timed.source != "receipt":
            latest[index], at, behind = bound, this.timed.occurred_at, None
        else:
            at = latest[index] = max(_before(this, behind, bound, law), floor)
            behind = this, at
        insort(later, at)
    return latest


def _floors(timings: Sequence[Timing]) -> list[datetime]:
    """For each entry the moment of the latest entry before it whose time is known."""
    floors, floor = [], EARLIEST
    for timed in timings:
        floors.append(floor)
        floor = floor if timed.source == "receipt" else max(floor, timed.occurred_at)
    return floors


def _before(this: Told, behind: tuple[Told, datetime] | None, bound: datetime, law: Law) -> datetime:
    """The moment of an entry whose clock is wrong: as long before the next of the same wrong clock as it was told."""
    if behind is None:
        return bound
    following, at = behind
    apart = following.device_time - this.device_time
    return at - (apart if timedelta() < apart <= law.span("clock_gap_believed") else STEP)
