"""`verify_rows`: journal rows that `fujing verify` checks in a second, copies in the store included."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from figures import BenchError, Figure, median_figure, say

from backend.core import database, journal
from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.proof import checkpoints
from backend.proof.trust import KeySet
from backend.proof.verifying import verify
from mobile_api.cli.serving import House
from mobile_api.stores import store_of

BATCH = 10_000


def verify_rows(house: House, rounds: int, rows: int) -> Iterator[Figure]:
    """Write rows, then verify them round by round. Raises BenchError where the journal does not verify."""
    say(f"writing {rows} rows as check-ins leave them")
    rates = asyncio.run(_rates(house.settings, rounds, rows))
    yield median_figure(
        "verify_rows", rates, "rows/s", ">= 100000", rounds=[{"rows_per_second": each} for each in rates]
    )


def _line(number: int, at: datetime) -> journal.Line:
    shift, who = uuid4(), uuid4()
    facts = {
        "occurred_at": journal.utc(at), "device_time": journal.utc(at), "device_seq": number, "skew_ms": 12,
        "late": False, "findings": [], "content": "ab" * 32,
        "subject": {"shift": {"id": str(shift), "started_at": journal.utc(at), "ended_at": None, "in_force": True}},
    }  # fmt: skip
    return journal.Line(
        at=at, verb="shifts/check-in", outcome="recorded", organ="990100510000", actor=who, device=uuid4(), id=shift,
        subjects=[shift, who], facts=facts,
    )  # fmt: skip


async def _rates(settings: Settings, rounds: int, rows: int) -> list[float]:
    rings, store, now = Keys(settings.secrets_dir).evidence, store_of(settings), datetime.now(UTC)
    known, rates = KeySet(keys=rings.public(), endorsements=rings.endorsements()), []
    async with database.opened(str(settings.database_url)):
        for begin in range(0, rows, BATCH):
            lines = [
                _line(number, now + timedelta(milliseconds=number)) for number in range(begin, min(begin + BATCH, rows))
            ]
            async with database.pool().acquire() as connection:
                await connection.executemany(journal.APPEND, [journal.columns(line) for line in lines])
        await checkpoints.make(store, rings, now, at_once=True)
        for number in range(rounds):
            begun = time.perf_counter()
            report = await verify(store, known, [], lambda done, total: None)
            rates.append((report.proved + report.unproved) / (time.perf_counter() - begun))
            if report.flaws or report.proved < rows:
                raise BenchError(f"the journal does not verify: {report.flaws[:1]}, {report.proved} rows proved")
            say(f"verify round {number + 1} of {rounds}: {rates[-1]:,.0f} rows/s")
    store.close()
    return rates
