"""Taking entries in, one or a thousand at a time, and recording what waited for them. See docs/adr/0017.

Guarantees: one function takes every entry, by its own route or by sync; each has a transaction of its own, and nothing
that befalls one keeps the others waiting; they are taken in the order in which they happened, so that the order in
which they lie in the call cannot matter. What waits is tried when what it waits for is recorded, by whomever, and by
the worker's sweep where a process died in between.
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
from backend.core.verb import Actor, Recorded, Verb
from backend.core.wire import Entry
from backend.core.write_path import Arrival, Held, lock_persons, record
from backend.held import device_sequence
from backend.held import service as holding
from backend.held.service import Wait
from backend.law.catalogue import law
from backend.registry import BY_NAME

ATTEMPTS = 4
PAUSE = 0.05  # seconds, longer each time
AGAIN = (
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
Status = Literal["recorded", "replayed", "refused", "waiting", "again"]


class Item(msgspec.Struct, frozen=True):
    """One entry of a call, as far as it could be read."""

    entry: Entry | None
    verb: Verb | None = None
    refusal: Refusal | None = None
    id: UUID | None = None
    device_seq: int | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one entry. `again`: nothing did, through no fault of its own; `failure` says what happened."""

    id: UUID | None
    status: Status
    recorded: Recorded | None = None
    refusal: Refusal | None = None
    wait: Wait | None = None
    failure: BaseException | None = None


async def take(verb: Verb, actor: Actor, entry: Entry, sent_at: datetime, received_at: datetime) -> Recorded:
    """Record one entry by its own route, and what waited for it. Raises Refusal."""
    recorded = await record(verb, actor, entry, sent_at, received_at)
    await wake(recorded.wakes)
    return recorded


async def take_all(actor: Actor, items: Sequence[Item], sent_at: datetime, received_at: datetime) -> list[Result]:
    """Take each in the order in which they happened; the results are in the order of the items."""
    results: dict[int, Result] = {}
    clock = asyncio.get_running_loop().time
    ends = clock() + law().span("sync_time").total_seconds()
    for index in sorted(range(len(items)), key=lambda index: _moment(items[index])):
        item = items[index]
        if clock() >= ends:
            results[index] = Result(id=item.id, status="again", refusal=Refusal("not_reached"))
        else:
            results[index] = await _settled(actor, item, sent_at, received_at)
    return [results[index] for index in range(len(items))]


def _moment(item: Item) -> tuple[datetime, int, str]:
    """When it happened by the device's clock, then by its number; what could not be read comes first."""
    if item.entry is None:
        return datetime.min.replace(tzinfo=UTC), 0, ""
    return item.entry.occurred_at, item.entry.device_seq, str(item.entry.id)


async def _settled(actor: Actor, item: Item, sent_at: datetime, received_at: datetime) -> Result:
    if item.entry is None or item.verb is None:
        if item.id is not None and item.device_seq is not None:
            await device_sequence.keep_unread_number(actor, item.id, item.device_seq, received_at)
        return Result(id=item.id, status="refused", refusal=item.refusal)
    arrival = Arrival(item.verb, actor, item.entry, sent_at, received_at, True)
    bind_contextvars(entry=str(item.entry.id))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await _take_or_hold(arrival)
        except Refusal as refusal:
            return Result(id=item.id, status="refused", refusal=refusal)
        except AGAIN as error:
            if attempt == ATTEMPTS:
                return Result(id=item.id, status="again", failure=error)
            await asyncio.sleep(PAUSE * attempt)
        except Exception as error:
            log.error("entry not taken", verb=item.verb.name, error=type(error).__name__, exc_info=error)
            return Result(id=item.id, status="again", failure=error)
    raise AssertionError("unreachable")


async def _take_or_hold(arrival: Arrival) -> Result:
    entry = arrival.entry
    try:
        recorded = await record(arrival.verb, arrival.actor, entry, arrival.sent_at, arrival.received_at, may_hold=True)
    except Held as why:
        try:
            wait = await holding.hold(arrival, why)
        except Refusal as refusal:
            if refusal.code == "too_many_waiting":
                return Result(id=entry.id, status="again", refusal=refusal)
            raise
        if wait.new and wait.reason == "unknown_reference":
            recorded_now = await wake([entry.id])
            if entry.id in recorded_now:
                return Result(id=entry.id, status="recorded", recorded=recorded_now[entry.id])
        return Result(id=entry.id, status="waiting", wait=wait)
    await wake(recorded.wakes)
    return Result(id=entry.id, status="replayed" if recorded.replayed else "recorded", recorded=recorded)


async def wake(ids: Sequence[UUID]) -> dict[UUID, Recorded]:
    """Record those of these held entries that can be by now, and what waits for them. Never raises: the sweep is there.

    What it recorded.
    """
    told: dict[UUID, Recorded] = {}
    queue = deque([ids] if ids else [])
    tries: dict[UUID, int] = {}
    while queue:
        try:
            rows = await holding.entries_to_retry(list(queue.popleft()))
        except Exception as error:
            log.warning("held entries not looked at", error=type(error).__name__)
            continue
        for row in rows:
            tries[row["id"]] = tries.get(row["id"], 0) + 1
            if tries[row["id"]] > ATTEMPTS:
                continue
            try:
                recorded, once_more = await _release(row)
            except Exception as error:
                log.warning("held entry not recorded", verb=row["verb"], error=type(error).__name__)
                continue
            if recorded is not None:
                told[row["id"]] = recorded
                queue.extend([recorded.wakes] if recorded.wakes else [])
            elif once_more:
                queue.append([row["id"]])
    return told


async def _release(row: Any) -> tuple[Recorded | None, bool]:
    """Try to record one held entry by its own actor; and whether it must be tried once more."""
    verb = BY_NAME[row["verb"]]
    entry = msgspec.convert(holding.original_content(row), verb.entry)
    actor = Actor(
        person=row["actor"], badge=row["badge"], kind=row["kind"], organ=row["organ"], session=row["session"],
        device=row["device"],
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
        await _unfit(row, refusal, now)
        return None, False


async def _unfit(row: Any, refusal: Refusal, now: datetime) -> None:
    """What it refers to came, and it cannot be recorded all the same: its phone is told when it asks again."""
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
    """Record what a process that died left waiting; hand to people what waited too long."""
    rows = await fetch(TO_SWEEP, now)
    recorded = await wake([row["id"] for row in rows])
    return {"released": len(recorded), "in_vain": await holding.flag_overdue_waits(now)}
