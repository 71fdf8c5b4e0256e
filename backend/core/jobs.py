"""Jobs: enqueued in the transaction that makes them needed, run by the worker, kept when they fail.

Guarantees: a job that was committed is run at least once; what it does must be safe to do twice.
"""

from uuid import UUID

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.queries import Queries

from backend.core.database import DB

SEAL = "seal"
HOLD = "hold"


async def enqueue(entrypoint: str, subject: UUID) -> None:
    """Ask for a job about `subject`. Must be called inside `database.tx`."""
    transaction = DB.current_transaction.get()
    if transaction is None:
        raise RuntimeError("a job is enqueued only inside a transaction")
    await Queries(AsyncpgDriver(transaction.connection)).enqueue(entrypoint, subject.bytes)


def subject_of(payload: bytes | None) -> UUID:
    return UUID(bytes=payload or b"")
