"""The worker: runs queued jobs and scheduled jobs.

Guarantees: a job that fails, for example because the store or the database is away, is tried again with growing pauses.
After the last attempt it is kept for a person to look at. On SIGTERM a running job may finish; a job that did not
finish is run again by the next worker.
"""

import asyncio
import signal
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import structlog
from pgqueuer import PgQueuer, RetryRequested
from pgqueuer.executors import EntrypointExecutor
from pgqueuer.models import Context, Job, Schedule

from backend import erasing, feed, sync
from backend.assistance import service as assistance
from backend.complaints import matters_service as matters
from backend.complaints import service as complaints
from backend.core import clocks, findings, jobs
from backend.core.database import SESSION, for_driver, opened
from backend.core.database_errors import connecting
from backend.core.keys import Keys
from backend.evidence import probing_anew, sealing, view_copies
from backend.evidence.retention import category_holds, disposal, falling_due, legal_holds, reconcile
from backend.held import device_sequence
from backend.hours import service as hours
from backend.injuries import service as injuries
from backend.items import leaving, uniforms
from backend.oversight import overdue_findings
from backend.people import attempts, sessions
from backend.proof import checkpoints, known_store
from backend.recusals import service as recusals
from backend.reviews import spot_checks
from backend.rosters import service as rosters
from storage.evidence_store import EvidenceStore, LockNotKept

SEALING_LANES = 2
MOST_ATTEMPTS = 300
LONGEST_RETRY = 300.0  # seconds between two attempts at most
HEARTBEAT = timedelta(seconds=10)
OVERDUE = (*recusals.OVERDUE, *injuries.OVERDUE, *complaints.OVERDUE, *matters.OVERDUE, *spot_checks.OVERDUE)
log = structlog.get_logger()


class Retrying(EntrypointExecutor):
    """Tries a job again with growing pauses for about a day, then leaves it to a person."""

    async def execute(self, job: Job, context: Context) -> None:
        try:
            await super().execute(job, context)
        except Exception as error:
            if job.attempts >= MOST_ATTEMPTS:
                raise
            pause = min(2.0 ** min(job.attempts, 10), LONGEST_RETRY)
            log.warning("job will be tried again", job=job.entrypoint, attempt=job.attempts, error=type(error).__name__)
            raise RetryRequested(delay=timedelta(seconds=pause), reason=type(error).__name__) from error


def build(
    connection: asyncpg.Connection, store: EvidenceStore, keys: Keys, disk: Path | None = None
) -> PgQueuer:  # fmt: skip
    """The queue with all jobs. `disk`: where an embedded store has its files."""
    queue = PgQueuer.from_asyncpg_connection(connection)
    _queued(queue, store, keys)
    _every_minute(queue, store, keys)
    _every_few_minutes(queue, store, keys)
    _look_after_the_store(queue, store, disk)
    _judge_every_night(queue, store)
    _clear_every_night(queue, store)
    return queue


def _queued(queue: PgQueuer, store: EvidenceStore, keys: Keys) -> None:
    """Jobs that transactions put into the queue."""

    @queue.entrypoint(jobs.SEAL, concurrency_limit=SEALING_LANES, on_failure="hold", executor_factory=Retrying)
    async def seal(job: Job) -> None:
        await sealing.seal(store, keys, jobs.subject_of(job.payload))

    @queue.entrypoint(jobs.COMPARE, concurrency_limit=1, on_failure="hold", executor_factory=Retrying)
    async def compare(job: Job) -> None:
        await sealing.compare(store, jobs.subject_of(job.payload))

    @queue.entrypoint(jobs.HOLD, concurrency_limit=1, on_failure="hold", executor_factory=Retrying)
    async def hold(job: Job) -> None:
        await legal_holds.update_for(store, jobs.subject_of(job.payload))

    @queue.entrypoint(jobs.VIEW, concurrency_limit=1, on_failure="hold", executor_factory=Retrying)
    async def view(job: Job) -> None:
        await view_copies.make(store, jobs.subject_of(job.payload))


def _every_minute(queue: PgQueuer, store: EvidenceStore, keys: Keys) -> None:
    @queue.schedule("unanswered", "* * * * *")
    async def unanswered(_: Schedule) -> None:
        log.info("unanswered", calls=await assistance.escalate_unanswered(datetime.now(UTC)))

    @queue.schedule("release", "* * * * *")
    async def release(_: Schedule) -> None:
        now = datetime.now(UTC)
        log.info("released", **await sync.sweep(now), numbers=await device_sequence.check_numbers(now))

    @queue.schedule("checkpoint", "* * * * *")
    async def checkpoint(_: Schedule) -> None:
        with told_if_clocks_differ():
            log.info("checkpoint", rows=await checkpoints.make(store, keys.evidence, datetime.now(UTC)))


def _every_few_minutes(queue: PgQueuer, store: EvidenceStore, keys: Keys) -> None:
    @queue.schedule("sweep", "*/5 * * * *")
    async def sweep(_: Schedule) -> None:
        log.info("holds", changed=await legal_holds.update_new(store, datetime.now(UTC)))
        with told_if_clocks_differ():
            log.info("swept", **await sealing.sweep(store, datetime.now(UTC)))

    @queue.schedule("find", "*/5 * * * *")
    async def find(_: Schedule) -> None:
        now = datetime.now(UTC)
        log.info("found", persons=await overdue_findings.refresh_due(now), roster=await rosters.refresh_recent(now))
        await uniforms.judge_recent(now)

    @queue.schedule("overdue", "*/5 * * * *")
    async def overdue(_: Schedule) -> None:
        log.info("overdue", found=await findings.find_overdue(datetime.now(UTC), OVERDUE))

    @queue.schedule("probe_anew", "*/5 * * * *")
    async def probe_anew(_: Schedule) -> None:
        log.info("probed anew", **(await probing_anew.run(store, keys))._asdict())

    @queue.schedule("forget_proofs", "*/5 * * * *")
    async def forget_proofs(_: Schedule) -> None:
        await sessions.forget_proofs()


def _look_after_the_store(queue: PgQueuer, store: EvidenceStore, disk: Path | None) -> None:
    """One worker of the house does so for all processes (backend/proof/known_store.py)."""

    @queue.schedule("try_writing", "* * * * *")
    async def try_writing(_: Schedule) -> None:
        log.info("written", store=await known_store.try_writing(store, disk))

    @queue.schedule("prove_lock", "*/5 * * * *")
    async def prove_lock(_: Schedule) -> None:
        with suppress(LockNotKept):  # recorded: an alarm rings until a proof is good again
            await known_store.prove_again(store, "worker")


def at_night(hour: int, minute: int) -> str:
    """The schedule of a job for this time in China, every day: the queue reads schedules in UTC."""
    return f"{minute} {(hour - 8) % 24} * * *"


def _judge_every_night(queue: PgQueuer, store: EvidenceStore) -> None:
    @queue.schedule("draw", at_night(0, 7))
    async def draw(_: Schedule) -> None:
        log.info("drawn", spot_checks=await spot_checks.draw(datetime.now(UTC)))

    @queue.schedule("agree", at_night(1, 11))
    async def agree(_: Schedule) -> None:
        now = datetime.now(UTC)
        log.info(
            "kept", holds=len(await category_holds.judge_all(now)), changed=await legal_holds.update_store(store)
        )  # fmt: skip
        log.info("agreed", **await reconcile.reconcile(store, now))
        log.info("read after all", uploads=await sealing.try_unreadable_again(store))

    @queue.schedule("overtime", at_night(2, 47))
    async def overtime(_: Schedule) -> None:
        log.info("overtime", persons=await hours.refresh_overtime(datetime.now(UTC)))

    @queue.schedule("leaving", at_night(2, 51))
    async def left(_: Schedule) -> None:
        log.info("left", unreturned=await leaving.refresh(datetime.now(UTC)))


def _clear_every_night(queue: PgQueuer, store: EvidenceStore) -> None:
    @queue.schedule("forget_attempts", at_night(3, 17))
    async def forget_attempts(_: Schedule) -> None:
        await attempts.forget_attempts()

    @queue.schedule("trim", at_night(3, 21))
    async def trim(_: Schedule) -> None:
        log.info("trimmed", view_copies=await view_copies.trim(store, datetime.now(UTC)))

    @queue.schedule("dispose", at_night(3, 31))
    async def dispose(_: Schedule) -> None:
        with told_if_clocks_differ():
            log.info("disposed", **(await disposal.dispose(store, datetime.now(UTC)))._asdict())

    @queue.schedule("fall_due", at_night(3, 41))
    async def fall_due(_: Schedule) -> None:
        log.info("falling due", organs=await falling_due.tell(datetime.now(UTC)))

    @queue.schedule("erase", at_night(3, 51))
    async def erase(_: Schedule) -> None:
        with told_if_clocks_differ():
            log.info("erased", rows=sum((await erasing.erase(datetime.now(UTC))).values()))


def told_if_clocks_differ() -> AbstractContextManager[None]:
    """The alarm was given where it was found (core/clocks.py); the job is run again at its next time."""
    return suppress(clocks.ClocksDiffer)


async def hold_what_facts_of_before_keep() -> None:
    """Hold, at the start of the worker, what facts keep that an older program recorded, or an older term did not keep.

    Where this fails, the job of the night does it, and disposal before it disposes of anything.
    """
    try:
        log.info("kept at the start", holds=len(await category_holds.judge_before(datetime.now(UTC))))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        log.warning("facts of before were not judged", error=type(error).__name__)


async def work(
    url: str, store: EvidenceStore, keys: Keys, stop: asyncio.Event, *, listening: str | None = None,
    disk: Path | None = None,
) -> None:  # fmt: skip
    """Run until `stop` is set. A lost connection ends it with an error; the supervising process must start it again.

    `listening`: the database's URL for a session that is kept, where `url` leads through a pooler. `disk`: where an
    embedded store has its files.
    """
    kept = listening or url
    async with opened(url, size=6), feed.notifying(kept):
        with connecting(kept):
            connection = await asyncpg.connect(
                **for_driver(kept), timeout=10, server_settings=SESSION | {"application_name": "fujing-worker"}
            )
        try:
            queue = build(connection, store, keys, disk)
            judging = asyncio.gather(
                hold_what_facts_of_before_keep(), known_store.prove_at_start(store, "worker"), return_exceptions=True
            )
            running = asyncio.create_task(queue.run(dequeue_timeout=timedelta(seconds=5), heartbeat_timeout=HEARTBEAT))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
            queue.shutdown.set()
            await running
            judging.cancel()
            stopping.cancel()
            await asyncio.gather(judging, return_exceptions=True)
        finally:
            await connection.close(timeout=2)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
