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
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg
import structlog
from asyncpg import Record as Record
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

from backend.core.database_errors import DatabaseUnusable, connecting

log = structlog.get_logger()
WAITS = 20.0  # seconds to wait at the start of a service for a database that is away
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


CACHE_SIZE = "statement_cache_size"


def for_driver(url: str) -> dict[str, Any]:
    """The URL as the driver takes it: `?statement_cache_size=0`, for a pooler that changes sessions, is an argument.

    Left in the URL, the driver would send it to the server as a setting. Raises ValueError.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    kept = urlencode([(name, text) for name, text in query if name != CACHE_SIZE])
    given = {name: int(text) for name, text in query if name == CACHE_SIZE}
    return {"dsn": parts._replace(query=kept).geturl() if given else url} | given


async def connect(url: str, size: int) -> None:
    """Open the pool. Raises DatabaseUnusable."""
    with connecting(url):
        options = for_driver(url)
        DB.config = {"dsn": options.pop("dsn")}
        await DB.start_connection_pool(
            min_size=1, max_size=size, server_settings=SESSION, reset=_reset, timeout=10, **options
        )


async def when_there(connect_once: Callable[[], Awaitable[None]]) -> None:
    """Connect, trying again for WAITS seconds: one fault may have stopped the database and us.

    Raises DatabaseUnusable after that, and at once where waiting does not help.
    """
    ends = monotonic() + WAITS
    while True:
        try:
            return await connect_once()
        except DatabaseUnusable as error:
            if error.lasting or monotonic() > ends:
                raise
            log.warning("the database is away", error=type(error.__cause__).__name__, words=error.en)
            await asyncio.sleep(1)


async def must_answer(url: str) -> None:
    """Wait for the database, with one connection that is closed again. Raises DatabaseUnusable."""

    async def once() -> None:
        with connecting(url):
            connection = await asyncpg.connect(**for_driver(url), timeout=10, server_settings=SESSION)
        await connection.close(timeout=5)

    await when_there(once)


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
