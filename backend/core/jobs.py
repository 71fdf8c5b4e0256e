"""Background jobs: enqueued in the transaction that needs them, run by the worker, kept when they fail.

Guarantees: a committed job runs at least once, so a job must be safe to run twice.
"""

from uuid import UUID

from backend.core.database import DB

SEAL = "seal"
COMPARE = "compare"
HOLD = "hold"
VIEW = "view"
# The rows that pgqueuer's own `enqueue` writes, compared with it by a test: to import it takes a process a fifth of
# a second of CPU, and all but the worker need nothing else of it.
ENQUEUE = """
WITH queued AS (
    INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, headers, status)
    VALUES (0, $1, $2, now(), 'null', 'queued') RETURNING id, entrypoint, priority
)
INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority) SELECT id, 'queued', entrypoint, priority FROM queued
"""


async def enqueue(entrypoint: str, subject: UUID) -> None:
    """Enqueue a job about `subject`. Raises RuntimeError outside `database.tx`."""
    transaction = DB.current_transaction.get()
    if transaction is None:
        raise RuntimeError("a job is enqueued only inside a transaction")
    await transaction.connection.execute(ENQUEUE, entrypoint, subject.bytes)


def subject_of(payload: bytes | None) -> UUID:
    """The subject of a job, from its payload."""
    return UUID(bytes=payload or b"")
