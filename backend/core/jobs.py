"""Background jobs: enqueued in the transaction that needs them, run by the worker, kept when they fail.

Guarantees: a committed job runs at least once, so a job must be safe to run twice.
"""

from uuid import UUID

from backend.core.database import DB

SEAL = "seal"
COMPARE = "compare"
HOLD = "hold"
VIEW = "view"


async def enqueue(entrypoint: str, subject: UUID) -> None:
    """Enqueue a job about `subject`. Raises RuntimeError outside `database.tx`."""
    transaction = DB.current_transaction.get()
    if transaction is None:
        raise RuntimeError("a job is enqueued only inside a transaction")
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver  # slow to import, and most commands enqueue nothing
    from pgqueuer.queries import Queries

    await Queries(AsyncpgDriver(transaction.connection)).enqueue(entrypoint, subject.bytes)


def subject_of(payload: bytes | None) -> UUID:
    """The subject of a job, from its payload."""
    return UUID(bytes=payload or b"")
