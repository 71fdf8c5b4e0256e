"""Record entries, one or many in a call, and the held entries that waited for them. See docs/adr/0017.

Guarantees: every entry goes through the same function, whether it comes by its own route or by sync. Each has its own
transaction, so a failure of one does not stop the others. The entries of a call are recorded in the order in which they
happened, so their order in the call does not matter. A held entry is tried again as soon as the entry that it refers to
is recorded, whoever sent that. If a process dies in between, the sweep of the worker does it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec
import structlog
from structlog.contextvars import bind_contextvars

from backend.core.database import execute, fetch, tx
from backend.core.refusals import Refusal
from backend.core.stints import stints_of
from backend.core.verb import Actor, Recorded, Verb
from backend.core.wire import Entry
from backend.core.write_path import Arrival, Held, lock_persons, record
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
    """One entry of a call.

    `refusal`: why it could not be decoded; then `id` and `device_seq` are what could be read of it.
    """

    entry: Entry | None
    verb: Verb | None = None
    refusal: Refusal | None = None
    id: UUID | None = None
    device_seq: int | None = None


class SyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one entry.

    `again`: it was not recorded for a reason outside the entry, and must be sent again. `failure`: the error then.
    """

    id: UUID | None
    status: SyncStatus
    recorded: Recorded | None = None
    refusal: Refusal | None = None
    wait: Wait | None = None
    failure: BaseException | None = None


async def take(verb: Verb, actor: Actor, entry: Entry, sent_at: datetime, received_at: datetime) -> Recorded:
    """Record one entry from its own route, and the held entries that waited for it. Raises Refusal."""
    recorded = await record(verb, actor, entry, sent_at, received_at)
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
    for index in sorted(range(len(items)), key=lambda index: _order(items[index])):
        item = items[index]
        if clock() >= deadline:
            results[index] = SyncResult(id=item.id, status="again", refusal=Refusal("not_reached"))
        else:
            results[index] = await _record_item(actor, item, sent_at, received_at)
    return [results[index] for index in range(len(items))]


def _order(item: SyncItem) -> tuple[datetime, int, str]:
    """Sort key: the time by the device's clock, then the device's sequence number. Undecodable entries come first."""
    if item.entry is None:
        return datetime.min.replace(tzinfo=UTC), 0, ""
    return item.entry.occurred_at, item.entry.device_seq, str(item.entry.id)


async def _record_item(actor: Actor, item: SyncItem, sent_at: datetime, received_at: datetime) -> SyncResult:
    if item.entry is None or item.verb is None:
        if item.id is not None and item.device_seq is not None:
            await device_sequence.keep_unread_number(actor, item.id, item.device_seq, received_at)
        return SyncResult(id=item.id, status="refused", refusal=item.refusal)
    arrival = Arrival(item.verb, actor, item.entry, sent_at, received_at, True)
    bind_contextvars(entry=str(item.entry.id))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await _record_or_hold(arrival)
        except Refusal as refusal:
            status: SyncStatus = "again" if refusal.code == "too_many_refusals" else "refused"
            return SyncResult(id=item.id, status=status, refusal=refusal)
        except RETRYABLE as error:
            if attempt == ATTEMPTS:
                return SyncResult(id=item.id, status="again", failure=error)
            await asyncio.sleep(PAUSE * attempt)
        except Exception as error:
            log.error("entry not recorded", verb=item.verb.name, error=type(error).__name__, exc_info=error)
            return SyncResult(id=item.id, status="again", failure=error)
    raise AssertionError("unreachable")


async def _record_or_hold(arrival: Arrival) -> SyncResult:
    entry = arrival.entry
    try:
        recorded = await record(arrival.verb, arrival.actor, entry, arrival.sent_at, arrival.received_at, may_hold=True)
    except Held as why:
        return await _hold(arrival, why)
    await record_held(recorded.wakes)
    return SyncResult(id=entry.id, status="replayed" if recorded.replayed else "recorded", recorded=recorded)


async def _hold(arrival: Arrival, why: Held) -> SyncResult:
    """Hold an entry that refers to one that has not come, or that a person must decide on."""
    entry = arrival.entry
    try:
        wait = await holding.hold(arrival, why)
    except Refusal as refusal:
        if refusal.code == "too_many_waiting":
            return SyncResult(id=entry.id, status="again", refusal=refusal)
        raise
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
    entry = msgspec.convert(holding.original_content(row), verb.entry)
    actor = Actor(
        person=row["actor"], badge=row["badge"], kind=row["kind"], organ=row["serves_in"], session=row["session"],
        device=row["device"], stints=stints_of(row["stints"]),
    )  # fmt: skip
    now = datetime.now(UTC)
    arrival = Arrival(verb, actor, entry, row["sent_at"], now, True)
    try:
        return await record(verb, actor, entry, row["sent_at"], now, may_hold=True, is_retry=True), False
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
