"""Record entries, one or many in a call, and the held entries that waited for them. See docs/adr/0017.

Guarantees: every entry goes through the same function, whether it comes by its own route or by sync. Each has its own
transaction, so a failure of one does not stop the others. The entries of a call are recorded in the order in which they
happened, so their order in the call does not matter. A held entry is tried again as soon as the entry that it refers to
is recorded, whoever sent that. If a process dies in between, the sweep of the worker does it.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec
import structlog
from structlog.contextvars import bind_contextvars

from backend.core import doubtful
from backend.core.database import execute, fetch, tx
from backend.core.moments import Told, by_uptime, known_boots, latest_moments
from backend.core.refusals import Refusal
from backend.core.stints import stints_of
from backend.core.verb import Actor, Recorded, Verb
from backend.core.wire import Entry
from backend.core.write_path import Arrival, Held, lock_persons, record, timing_of
from backend.held import device_sequence
from backend.held import service as holding
from backend.held.service import Wait
from backend.law.catalogue import law
from backend.registry import BY_NAME

ATTEMPTS = 4
PAUSE = 0.05  # seconds before the second attempt; longer before each further one
RETRYABLE = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    ConnectionError,
    holding.RecordedMeanwhile,
)
log = structlog.get_logger()
SyncStatus = Literal["recorded", "replayed", "refused", "waiting", "again"]


class SyncItem(msgspec.Struct, frozen=True):
    """One entry of a call. `left_out`: see Arrival.

    `refusal`: why it could not be decoded; then `id` and `device_seq` are what could be read of it.
    """

    entry: Entry | None
    verb: Verb | None = None
    refusal: Refusal | None = None
    id: UUID | None = None
    device_seq: int | None = None
    left_out: Mapping[str, Any] = {}


class SyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one entry.

    `again`: it was not recorded for a reason that time alone may change, and must be sent again. `failure`: the error,
    where it was one.
    """

    id: UUID | None
    status: SyncStatus
    recorded: Recorded | None = None
    refusal: Refusal | None = None
    wait: Wait | None = None
    failure: BaseException | None = None


async def take(arrival: Arrival) -> Recorded:
    """Record one entry from its own route, and the held entries that waited for it. Raises Refusal."""
    boots = await known_boots(arrival.actor.device, [arrival.entry])
    recorded = await record(msgspec.structs.replace(arrival, by_uptime=by_uptime(arrival.entry, boots)))
    await record_held(recorded.wakes)
    return recorded


async def take_all(
    actor: Actor, items: Sequence[SyncItem], sent_at: datetime, received_at: datetime
) -> list[SyncResult]:
    """Record entries in the order in which they happened. The results are in the order of the items.

    Entries that are not reached within the term `sync_time` get the status `again`.
    """
    results: dict[int, SyncResult] = {}
    clock = asyncio.get_running_loop().time
    deadline = clock() + law().span("sync_time").total_seconds()
    arrivals = await _arrivals(actor, items, sent_at, received_at)
    for index in sorted(range(len(items)), key=lambda index: _order(arrivals.get(index))):
        item = items[index]
        if clock() >= deadline:
            results[index] = SyncResult(id=item.id, status="again", refusal=Refusal("not_reached"))
        elif index in arrivals:
            results[index] = await _record_arrival(arrivals[index])
        else:
            results[index] = await _refuse_unread(actor, item, received_at)
    return [results[index] for index in range(len(items))]


async def _arrivals(
    actor: Actor, items: Sequence[SyncItem], sent_at: datetime, received_at: datetime
) -> dict[int, Arrival]:
    """The items that could be read, by their place in the call, each with what is known of when it happened."""
    arrivals = {
        index: Arrival(item.verb, actor, item.entry, sent_at, received_at, may_hold=True, left_out=item.left_out)
        for index, item in enumerate(items)
        if item.entry is not None and item.verb is not None
    }
    boots = await _boots(actor, arrivals)
    arrivals = {
        index: msgspec.structs.replace(arrival, by_uptime=by_uptime(arrival.entry, boots))
        for index, arrival in arrivals.items()
    }
    told = [
        Told(arrival.entry.device_seq, arrival.entry.occurred_at, timing_of(arrival)) for arrival in arrivals.values()
    ]
    latest = latest_moments(told, received_at, law())
    return {
        index: msgspec.structs.replace(arrival, latest=moment)
        for (index, arrival), moment in zip(arrivals.items(), latest, strict=True)
    }


async def _boots(actor: Actor, arrivals: Mapping[int, Arrival]) -> Mapping[UUID, datetime]:
    """The boots that are known; none while the database is away, as each entry then says so itself."""
    try:
        return await known_boots(actor.device, [arrival.entry for arrival in arrivals.values()])
    except RETRYABLE:
        return {}


def _order(arrival: Arrival | None) -> tuple[datetime, int, str]:
    """Sort key: when it happened, then the device's sequence number. Entries that could not be read come first."""
    if arrival is None:
        return datetime.min.replace(tzinfo=UTC), 0, ""
    entry = arrival.entry
    return timing_of(arrival).occurred_at, entry.device_seq, str(entry.id)


async def _refuse_unread(actor: Actor, item: SyncItem, received_at: datetime) -> SyncResult:
    """The result of an item that could not be read; its number is kept, so that it is not missing."""
    if item.id is not None and item.device_seq is not None:
        await device_sequence.keep_unread_number(actor, item.id, item.device_seq, received_at)
    return SyncResult(id=item.id, status="refused", refusal=item.refusal)


async def _record_arrival(arrival: Arrival) -> SyncResult:
    entry = arrival.entry
    bind_contextvars(entry=str(entry.id))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await _record_or_hold(arrival)
        except Refusal as refusal:
            return SyncResult(id=entry.id, status="again" if refusal.passes else "refused", refusal=refusal)
        except RETRYABLE as error:
            if attempt == ATTEMPTS:
                return SyncResult(id=entry.id, status="again", failure=error)
            await asyncio.sleep(PAUSE * attempt)
        except Exception as error:
            log.error("entry not recorded", verb=arrival.verb.name, error=type(error).__name__, exc_info=error)
            return SyncResult(id=entry.id, status="again", failure=error)
    raise AssertionError("unreachable")


async def _record_or_hold(arrival: Arrival) -> SyncResult:
    entry = arrival.entry
    try:
        recorded = await record(arrival)
    except Held as why:
        return await _hold(arrival, why)
    await record_held(recorded.wakes)
    return SyncResult(id=entry.id, status="replayed" if recorded.replayed else "recorded", recorded=recorded)


async def _hold(arrival: Arrival, why: Held) -> SyncResult:
    """Hold an entry that refers to one that has not come, or that a person must decide on."""
    entry = arrival.entry
    wait = await holding.hold(arrival, why)
    if wait.new and wait.reason == "unknown_reference":
        recorded = await record_held([entry.id])  # the other entry may have come in the meantime
        if entry.id in recorded:
            return SyncResult(id=entry.id, status="recorded", recorded=recorded[entry.id])
    return SyncResult(id=entry.id, status="waiting", wait=wait)


async def record_held(ids: Sequence[UUID]) -> dict[UUID, Recorded]:
    """Record those of these held entries that can be recorded now, and the entries that wait for them in turn.

    Returns what was recorded. Never raises: what fails here is tried again by the sweep.
    """
    recorded_entries: dict[UUID, Recorded] = {}
    queue = deque([ids] if ids else [])
    tries: dict[UUID, int] = {}
    while queue:
        try:
            rows = await holding.entries_to_retry(list(queue.popleft()))
        except Exception as error:
            log.warning("held entries not read", error=type(error).__name__)
            continue
        for row in rows:
            tries[row["id"]] = tries.get(row["id"], 0) + 1
            if tries[row["id"]] > ATTEMPTS:
                continue
            try:
                recorded, try_again = await _record_one_held(row)
            except Exception as error:
                log.warning("held entry not recorded", verb=row["verb"], error=type(error).__name__)
                continue
            if recorded is not None:
                recorded_entries[row["id"]] = recorded
                queue.extend([recorded.wakes] if recorded.wakes else [])
            elif try_again:
                queue.append([row["id"]])
    return recorded_entries


async def _record_one_held(row: Any) -> tuple[Recorded | None, bool]:
    """Try to record one held entry as its own actor. The second value: whether to try again at once."""
    verb = BY_NAME[row["verb"]]
    told, left_out = doubtful.read_without(holding.original_content(row), verb.entry)
    entry = msgspec.convert(told, verb.entry)
    actor = Actor(
        person=row["actor"], badge=row["badge"], kind=row["kind"], organ=row["serves_in"], session=row["session"],
        device=row["device"], stints=stints_of(row["stints"]),
    )  # fmt: skip
    arrival = Arrival(
        verb, actor, entry, row["sent_at"], datetime.now(UTC), may_hold=True, is_retry=True,
        by_uptime=by_uptime(entry, await known_boots(actor.device, [entry])), left_out=left_out,
        moment=row["occurred_at"],
    )  # fmt: skip
    try:
        return await record(arrival), False
    except Held as why:
        if why.unknown is None:
            return None, False
        wakes = await holding.waits_for(arrival, why)
        async with tx():
            await lock_persons([row["id"], *wakes])
            grown = await fetch(
                "UPDATE held_entry SET wakes = wakes || $2 WHERE id = $1 AND NOT wakes @> $2 RETURNING id",
                row["id"], wakes,
            )  # fmt: skip
        return None, bool(grown)
    except Refusal as refusal:
        await _mark_unfit(row, refusal)
        return None, False


async def _mark_unfit(row: Any, refusal: Refusal) -> None:
    """Mark a held entry that is refused although the entry it refers to has come. Its phone learns it when it sends
    the entry again."""
    async with tx():
        await lock_persons([row["id"]])
        await execute(
            "UPDATE held_entry SET state = 'unfit', code = $2 WHERE id = $1 AND state IN ('waiting', 'admitted')",
            row["id"], refusal.code,
        )  # fmt: skip
        await execute(WITHDRAW_WAIT, row["id"])


WITHDRAW_WAIT = """
UPDATE finding SET withdrawn_at = now() WHERE kind = 'waits_in_vain' AND subject = $1 AND withdrawn_at IS NULL
"""
TO_SWEEP = """
SELECT h.id FROM held_entry h WHERE h.state = 'admitted'
    OR h.state = 'waiting' AND h.reason = 'unknown_reference' AND h.until > $1::timestamptz - interval '1 day'
        AND EXISTS (SELECT FROM entry e WHERE e.id = ANY (h.waiting_for))
ORDER BY h.received_at LIMIT 1000
"""


async def sweep(now: datetime) -> dict[str, int]:
    """Record held entries that a process left when it died, and make findings of those that wait too long."""
    rows = await fetch(TO_SWEEP, now)
    recorded = await record_held([row["id"] for row in rows])
    return {"released": len(recorded), "in_vain": await holding.flag_overdue_waits(now)}
