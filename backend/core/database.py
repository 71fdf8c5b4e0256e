"""The database: one PostgreSQL, one pool of connections, one wrapper for transactions.

Guarantees: every connection returns to the pool, also after a failed COMMIT; a `tx` inside a `tx` is a savepoint;
constructing the engine connects to nothing.

A statement goes through the Piccolo table classes (`await Device.update({...}).where(...)`) when it reads or writes
ONE table and is not on a hot path. The table class then checks the column names, and the statement reads like the rest
of the code. It stays SQL, through `fetch`, `first`, `value` and `execute`, when it

- joins several tables, has a common table expression, a subquery or a function of ours (`organs_under`);
- works with intervals (`tstzrange`, multiranges, the EXCLUDE constraints): Piccolo has no range columns;
- locks rows or keys (FOR UPDATE OF, FOR SHARE, advisory locks), or computes with the database's own clock (`now()`);
- inserts or updates in one step under a condition (ON CONFLICT DO UPDATE ... WHERE);
- is on a hot path (check-in, sync, journal, verdict, lists, timeline, feed, sealing): building a query with Piccolo
  takes 90 to 150 microseconds, a ready SQL text none.

Both kinds run on the current transaction, or on a connection of the pool where there is none.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg import Record as Record
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

PATIENCE = 10.0  # seconds to wait for a free connection; after that the caller gets TimeoutError
SESSION = {
    "timezone": "UTC",
    "application_name": "fujing",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",  # our statements are short: compiling one takes longer than running it
}


class Database(PostgresEngine):
    """Piccolo's engine, which connects to nothing when constructed and waits for a connection no longer than we do."""

    async def check_version(self) -> None:
        """Do nothing: migrations check the server's version once."""

    async def prep_database(self) -> None:
        """Do nothing: migrations create the extensions."""

    async def _run_in_pool(self, query: str, args: Sequence[Any] | None = None) -> Any:
        """Run a query of the table classes outside a transaction. Raises TimeoutError after PATIENCE."""
        async with _Acquired() as connection:
            return await connection.fetch(query, *(args or ()))


DB = Database(config={})
AFTER_COMMIT: list[Callable[[], None]] = []  # called after each outermost commit, unless it was read-only


async def _reset(connection: asyncpg.Connection) -> None:
    """Roll back what a cut-off caller left open. Nothing else: our connections carry no session state.

    So releasing a connection usually costs no round trip.
    """
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


async def connect(url: str, size: int) -> None:
    """Open the pool. Raises what asyncpg raises when the server cannot be reached."""
    DB.config = {"dsn": url}
    await DB.start_connection_pool(min_size=1, max_size=size, server_settings=SESSION, reset=_reset, timeout=10)


async def disconnect() -> None:
    """Close the pool, if it is open."""
    if DB.pool is not None:
        await DB.close_connection_pool()


@asynccontextmanager
async def opened(url: str, size: int = 4) -> AsyncIterator[None]:
    """Open the pool for the duration of a command."""
    await connect(url, size)
    try:
        yield
    finally:
        await disconnect()


class tx:
    """A transaction, or a savepoint inside one. `options`: `isolation=`, `readonly=`."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._acquired: _Acquired | None = None
        self._token: Any = None

    async def __aenter__(self) -> PostgresTransaction:
        transaction = DB.current_transaction.get()
        if transaction is None:
            self._acquired = _Acquired()
            transaction = PostgresTransaction(DB)
            transaction.connection = await self._acquired.__aenter__()
        self._inner = transaction.connection.transaction(**self._options)
        try:
            await self._inner.start()
        except BaseException:
            await self._release()
            raise
        if self._acquired is not None:
            self._token = DB.current_transaction.set(transaction)
        return transaction

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if self._token is not None:
                DB.current_transaction.reset(self._token)
            await (self._inner.commit() if kind is None else self._inner.rollback())
        finally:
            await self._release()
        if kind is None and self._token is not None and not self._options.get("readonly"):
            for callback in AFTER_COMMIT:
                callback()

    async def _release(self) -> None:
        if self._acquired is not None:
            await self._acquired.__aexit__()


class _Acquired:
    """A connection from the pool. Raises TimeoutError after PATIENCE.

    It returns to the pool that it came from, also when the pool was replaced meanwhile.
    """

    __slots__ = ("_connection", "_pool")

    async def __aenter__(self) -> asyncpg.Connection:
        self._pool = pool()
        async with asyncio.timeout(PATIENCE):
            self._connection = await self._pool.acquire()
        return self._connection

    async def __aexit__(self, *_: Any) -> None:
        await self._pool.release(self._connection)


def pool() -> asyncpg.Pool:
    """The open pool. Raises RuntimeError before `connect`."""
    if DB.pool is None:
        raise RuntimeError("database.connect was not called")
    return DB.pool


async def fetch(sql: str, *values: Any) -> Sequence[Record]:
    """All rows."""
    if (transaction := DB.current_transaction.get()) is not None:
        return list(await transaction.connection.fetch(sql, *values))
    async with _Acquired() as connection:
        return list(await connection.fetch(sql, *values))


async def first(sql: str, *values: Any) -> Record | None:
    """The first row, or None."""
    if (transaction := DB.current_transaction.get()) is not None:
        return await transaction.connection.fetchrow(sql, *values)
    async with _Acquired() as connection:
        return await connection.fetchrow(sql, *values)


async def value(sql: str, *values: Any) -> Any:
    """The first column of the first row, or None."""
    row = await first(sql, *values)
    return None if row is None else row[0]


async def cursor_of(sql: str) -> Any:
    """A cursor in the transaction under way: `await cursor.fetch(n)` gives the next rows. Raises RuntimeError."""
    transaction = DB.current_transaction.get()
    if transaction is None:
        raise RuntimeError("a cursor lives inside a transaction")
    return await transaction.connection.cursor(sql)


async def is_reachable() -> bool:
    """Return True when the database answers; otherwise raise what the driver raises."""
    return bool(await value("SELECT 1"))


async def execute(sql: str, *values: Any) -> str:
    """Run a statement. Returns its command tag, such as 'UPDATE 1'."""
    if (transaction := DB.current_transaction.get()) is not None:
        return str(await transaction.connection.execute(sql, *values))
    async with _Acquired() as connection:
        return str(await connection.execute(sql, *values))


def rows_touched(status: str) -> int:
    """The number of rows in a command tag: 'UPDATE 1' gives 1."""
    return int(status.rsplit(" ", 1)[-1])


os.environ.setdefault("PICCOLO_CONF", "migrations.piccolo_conf")
