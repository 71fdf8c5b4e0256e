"""The journal of a database whose files are damaged: every row that can be read, and which rows cannot.

A page of the table that the server cannot read takes all its rows with it, and their numbers are read nowhere. They lie
among those of the pages beside it; what a checkpoint signed says exactly which they were. A long row may also be lost
alone. Guarantees: nothing is written; no row that can be read is left out.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg

from backend.core.database import Record, cursor_of, execute, fetch, tx, value
from backend.core.database_errors import is_unreadable

AT_ONCE = 4096  # pages asked for at a time, 32 MiB
NEAR = 64  # pages on either side among whose rows those of a damaged page lie: several sessions fill pages side by side
BATCH = 5_000  # rows
PAGES = "SELECT pg_relation_size('journal') / current_setting('block_size')::int"
LAST = "SELECT last_value FROM pg_sequences WHERE format('%I.%I', schemaname, sequencename) = $1"
SEQUENCE = "SELECT pg_get_serial_sequence('journal', 'seq')"
SCANS = ("enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")  # all but by page


class Lost(NamedTuple):
    """Rows that cannot be read: `many` of them, all from the first to the last of these numbers."""

    first: int
    last: int
    many: int


class DamagedJournal:
    """What can be read, page by page. `total`: rows of readable pages."""

    def __init__(self) -> None:
        self.total = 0
        self._readable: list[tuple[int, int]] = []  # pages from the first to before the second
        self._damaged: list[tuple[int, int]] = []
        self._spans: list[tuple[int, int]] = []  # numbers among which the rows of damaged pages lie
        self._alone: set[int] = set()  # numbers of rows that are lost by themselves
        self._lost: set[int] = set()

    @classmethod
    async def survey(cls) -> "DamagedJournal":
        """Ask for every page, inside the caller's transaction."""
        found = cls()
        async with _by_page():
            pages = int(await value(PAGES))
            for first in range(0, pages, AT_ONCE):
                await found._look(first, min(pages, first + AT_ONCE))
            found._readable, found._damaged = _joined(found._readable), _joined(found._damaged)
            last = int(await value(LAST, await value(SEQUENCE)) or 0)
            found._spans = [await found._span(*run, last) for run in found._damaged]
        return found

    async def _look(self, first: int, end: int) -> None:
        try:
            async with tx():
                self.total += await value(f"SELECT count(*) {_pages(first, end)}")
            self._readable.append((first, end))
        except asyncpg.PostgresError as error:
            if not is_unreadable(error):
                raise
            if end - first == 1:
                self._damaged.append((first, end))
                return
            middle = (first + end) // 2
            await self._look(first, middle)
            await self._look(middle, end)

    async def _span(self, first: int, end: int, last: int) -> tuple[int, int]:
        """The lowest and the highest number that a row of these pages can have."""
        lowest = [one async for one, _ in self._numbers(first - NEAR, first)]
        highest = [other async for _, other in self._numbers(end, end + NEAR)]
        return min(lowest, default=1), max(highest, default=last)

    async def _numbers(self, first: int, end: int) -> AsyncIterator[tuple[int, int]]:
        """The lowest and the highest number in each readable run of these pages."""
        for begin, before in self._readable:
            if max(begin, first) < min(before, end):
                row = await fetch(f"SELECT min(seq), max(seq) {_pages(max(begin, first), min(before, end))}")
                if row[0][0] is not None:
                    yield row[0][0], row[0][1]

    @property
    def is_index(self) -> bool:
        """Whether every row could be read: what is damaged is an index, which can be made anew."""
        return not self._damaged and not self._alone

    async def batches(self, select: str) -> AsyncIterator[Sequence[Record]]:
        """All rows that can be read, in the order of the journal; `select`: the columns."""
        runs = " UNION ALL ".join(f"SELECT epoch, xid, seq, ctid {_pages(*run)}" for run in self._readable)
        if not runs:
            return
        async with _by_page():
            cursor = await cursor_of(f"SELECT * FROM ({runs}) j ORDER BY epoch, xid, seq")  # noqa: S608
            while keys := await cursor.fetch(BATCH):
                if rows := await self._rows(
                    keys, f"{select} FROM journal WHERE ctid = ANY ($1) ORDER BY epoch, xid, seq"
                ):
                    yield rows

    async def _rows(self, keys: Sequence[Record], select: str) -> Sequence[Record]:
        try:
            async with tx():
                return await fetch(select, [key["ctid"] for key in keys])
        except asyncpg.PostgresError as error:
            if not is_unreadable(error):
                raise
        if len(keys) == 1:
            self._alone.add(keys[0]["seq"])
            return []
        middle = len(keys) // 2
        return [*await self._rows(keys[:middle], select), *await self._rows(keys[middle:], select)]

    def explain(self, missing: Iterable[int]) -> set[int]:
        """Which of these missing rows cannot be read; they count as lost from here on."""
        lost = {seq for seq in missing if seq in self._alone or any(low <= seq <= high for low, high in self._spans)}
        self._lost |= lost
        return lost

    def lost(self, covered: int, unproved: Collection[int]) -> list[Lost]:
        """The rows that cannot be read.

        `covered`: the highest number under a checkpoint. `unproved`: numbers of readable rows that none covers.
        """
        for low, high in self._spans:  # of rows that nobody signed, only the gaps in their numbers tell
            self._lost |= set(range(max(low, covered + 1), high + 1)) - set(unproved)
        return [Lost(run[0], run[-1], len(run)) for run in _runs(sorted(self._lost | self._alone))]


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """The numbers, those that are near each other together."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number - runs[-1][-1] <= NEAR:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs


def _joined(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, end in runs:
        if joined and joined[-1][1] == first:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((first, end))
    return joined


def _pages(first: int, end: int) -> str:
    return f"FROM journal WHERE ctid >= '({first},0)'::tid AND ctid < '({end},0)'::tid"


@asynccontextmanager
async def _by_page() -> AsyncIterator[None]:
    """Have the server read by page alone while the block runs: any other way may touch a damaged one."""
    for name in SCANS:
        await execute(f"SET LOCAL {name} = off")
    await execute("SET LOCAL statement_timeout = '15min'")
    yield
    for name in SCANS:
        await execute(f"SET LOCAL {name} = on")
