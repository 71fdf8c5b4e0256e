"""Read the facts and their baseline from the database, as of the same moment as the journal."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from backend.core.database import cursor_of, pool, value
from backend.proof.facts import FactPages, LastDigests

TABLES = (
    "shift", "check_out", "supervision", "supervision_answer", "supervision_end", "activity", "activity_telling",
    "restraint", "gap_account", "upload", "recording", "film", "film_start", "film_timecode", "time_correction",
    "recording_description", "hold", "restriction", "recusal", "recusal_step", "recusal_act", "ruling",
    "store_marker",
)  # fmt: skip
# Nobody else's functions, whatever path a role was given.
OUR_PATH = "SET LOCAL search_path = public, pg_temp"
# All facts in one statement, which then waits for the journal; and the house is at work meanwhile.
TAKE_TIME = """SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL max_parallel_workers_per_gather = 0"""
# Each row as it stands in JSON, copied as text: that costs the reader least.
FACTS = " UNION ALL ".join(
    f"""SELECT '"{table}/' || t.id || '":"' || fact_digest(t) || '"' FROM {table} t"""  # noqa: S608
    for table in TABLES
)
BASELINE_PART = 10_000  # rows under one digest, see migration 0059
BASELINE = "SELECT key, digest FROM fact_baseline ORDER BY key"


@asynccontextmanager
async def reading() -> AsyncIterator["asyncio.Task[FactPages]"]:
    """Read all facts as of the moment of the transaction under way, on another connection, while the block runs."""
    snapshot = await value("SELECT pg_export_snapshot()")
    async with pool().acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'; {OUR_PATH}; {TAKE_TIME}")
        pages = FactPages()
        task = asyncio.create_task(_fill(pages, connection))
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, asyncpg.PostgresError):  # whoever waited for it had it raised
                await task
            pages.close()


async def _fill(pages: FactPages, connection: asyncpg.Connection) -> FactPages:
    await connection.copy_from_query(FACTS, output=pages.add)
    return pages


async def take_baseline(told: LastDigests) -> tuple[int, str]:
    """Let each row begin with its digest in the baseline. Returns the number of rows, and their root as in 0059."""
    rows, root = 0, hashlib.sha256()
    cursor = await cursor_of(BASELINE)
    while batch := await cursor.fetch(BASELINE_PART):
        told.note({row["key"]: row["digest"] for row in batch})
        part = "".join([f"{row['key']} {row['digest']}\n" for row in batch])
        root.update(hashlib.sha256(part.encode()).digest())
        rows += len(batch)
    return rows, root.hexdigest()
