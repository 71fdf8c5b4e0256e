"""One PostgreSQL, one pool, one wrapper for transactions.

Guarantees: a connection always returns to the pool, a failed COMMIT included; an inner `tx` is a savepoint; nothing
is sent when the engine is constructed. SQL that reasons about intervals goes through `fetch`, `first`, `value` and
`execute`; what concerns one table goes through Piccolo's builder. Both run on the transaction in force.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg import Record as Record
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

PATIENCE = 10.0  # seconds to wait for a connection before the caller is told to come again
SESSION = {
    "timezone": "UTC",
    "application_name": "fujing",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",  # statements are many and short: compiling one costs more than running it
}


class Database(PostgresEngine):
    """Piccolo's engine, without the connections that it makes while it is constructed."""

    async def check_version(self) -> None:
        """Nothing: migrations check the server's version once."""

    async def prep_database(self) -> None:
        """Nothing: migrations make what is needed."""


DB = Database(config={})
AFTER_COMMIT: list[Callable[[], None]] = []  # called after each outermost commit of a transaction that may have written


async def _keep(connection: asyncpg.Connection) -> None:
    """Connections keep no session state between uses, so releasing one costs no round trip but after a cut."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


async def connect(url: str, size: int) -> None:
    """Open the pool. Raises what asyncpg raises where the server cannot be reached."""
    DB.config = {"dsn": url}
    await DB.start_connection_pool(min_size=1, max_size=size, server_settings=SESSION, reset=_keep, timeout=10)


async def disconnect() -> None:
    if DB.pool is not None:
        await DB.close_connection_pool()


@asynccontextmanager
async def opened(url: str, size: int = 4) -> AsyncIterator[None]:
    """The pool for the length of a command."""
    await connect(url, size)
    try:
        yield
    finally:
        await disconnect()


class tx:
    """A transaction, or a savepoint inside one. `options`: isolation=, readonly=."""

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
            for told in AFTER_COMMIT:
                told()

    async def _release(self) -> None:
        if self._acquired is not None:
            await self._acquired.__aexit__()


class _Acquired:
    """A connection of the pool, waited for with patience and no longer. Raises TimeoutError. It goes back to the pool
    that it came from, even where another took its place."""

    __slots__ = ("_connection", "_pool")

    async def __aenter__(self) -> asyncpg.Connection:
        self._pool = pool()
        async with asyncio.timeout(PATIENCE):
            self._connection = await self._pool.acquire()
        return self._connection

    async def __aexit__(self, *_: Any) -> None:
        await self._pool.release(self._connection)


def pool() -> asyncpg.Pool:
    if DB.pool is None:
        raise RuntimeError("database.connect was not called")
    return DB.pool


async def fetch(sql: str, *values: Any) -> Sequence[Record]:
    if (transaction := DB.current_transaction.get()) is not None:
        return list(await transaction.connection.fetch(sql, *values))
    async with _Acquired() as connection:
        return list(await connection.fetch(sql, *values))


async def first(sql: str, *values: Any) -> Record | None:
    if (transaction := DB.current_transaction.get()) is not None:
        return await transaction.connection.fetchrow(sql, *values)
    async with _Acquired() as connection:
        return await connection.fetchrow(sql, *values)


async def value(sql: str, *values: Any) -> Any:
    row = await first(sql, *values)
    return None if row is None else row[0]


async def is_reachable() -> bool:
    """Whether the database answers; raises what the driver raises where it does not."""
    return bool(await value("SELECT 1"))


async def execute(sql: str, *values: Any) -> str:
    if (transaction := DB.current_transaction.get()) is not None:
        return str(await transaction.connection.execute(sql, *values))
    async with _Acquired() as connection:
        return str(await connection.execute(sql, *values))


def rows_touched(status: str) -> int:
    """The number in a command's tag: 'UPDATE 1' is 1."""
    return int(status.rsplit(" ", 1)[-1])


os.environ.setdefault("PICCOLO_CONF", "migrations.piccolo_conf")
