"""The worker: runs the jobs that transactions asked for, and what only time brings.

Guarantees: a job whose store or database is away is tried again with growing pauses; one that fails for good is kept
for a person to look at; SIGTERM lets the job under way finish within its grace, and an unfinished one is run again by
the next worker.
"""

import asyncio
import signal
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog
from pgqueuer import DatabaseRetryEntrypointExecutor, PgQueuer
from pgqueuer.executors import EntrypointExecutorParameters
from pgqueuer.models import Job, Schedule

from backend import jobs
from backend.database import SESSION, execute, opened
from backend.evidence import sealing
from backend.keys import Keys
from backend.law.catalogue import law
from storage.evidence_store import EvidenceStore

SEALING_LANES = 2
HEARTBEAT = timedelta(seconds=10)
log = structlog.get_logger()


def _patient(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
    """Tries again for about a day before it gives a job up to a person."""
    return DatabaseRetryEntrypointExecutor(
        parameters, max_attempts=300, initial_delay=timedelta(seconds=1), max_delay=timedelta(minutes=5)
    )


def build(connection: asyncpg.Connection, store: EvidenceStore, keys: Keys) -> PgQueuer:
    """The queue with every job of the house."""
    queue = PgQueuer.from_asyncpg_connection(connection)

    @queue.entrypoint(jobs.SEAL, concurrency_limit=SEALING_LANES, on_failure="hold", executor_factory=_patient)
    async def seal(job: Job) -> None:
        await sealing.seal(store, keys, jobs.subject_of(job.payload))

    @queue.schedule("sweep", "*/5 * * * *")
    async def sweep(_: Schedule) -> None:
        log.info("swept", **await sealing.sweep(store, datetime.now(UTC)))

    @queue.schedule("forget_attempts", "17 3 * * *")
    async def forget_attempts(_: Schedule) -> None:
        await execute("DELETE FROM sign_in_attempt WHERE at < now() - $1::interval", 2 * law().span("sign_in_window"))

    return queue


async def work(url: str, store: EvidenceStore, keys: Keys, stop: asyncio.Event) -> None:
    """Run until `stop`. A lost connection ends it with an error; whoever started it starts it again."""
    async with opened(url, size=6):
        connection = await asyncpg.connect(url, server_settings=SESSION | {"application_name": "fujing-worker"})
        try:
            queue = build(connection, store, keys)
            running = asyncio.create_task(queue.run(dequeue_timeout=timedelta(seconds=5), heartbeat_timeout=HEARTBEAT))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
            queue.shutdown.set()
            await running
            stopping.cancel()
        finally:
            await connection.close(timeout=2)


def stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
