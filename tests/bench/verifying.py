"""`verify_rows`: journal rows that `fujing verify` checks in a second, copies in the store included.

Each row tells of a shift of its own, which is there: the facts are compared too. No house has more facts a row.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from figures import BenchError, Figure, median_figure, say
from population import STATION, bring_in

from backend.core import database, journal
from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.proof import checkpoints
from backend.proof.trust import KeySet
from backend.proof.verifying import verify
from backend.registry import MAY_CHANGE_BY_LINE
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


# As the house keeps them, without its triggers: they belong to writing.
SHIFT = """
INSERT INTO shift (id, person, organ, duty_type, started_at, in_force, dress, id_card_carried, equipment)
VALUES ($1, $2, $3, 'patrol', $4, false, 'uniform', true, '{recorder,radio}')
"""
APPEND = """
INSERT INTO journal (at, actor, device, verb, outcome, entry_id, subjects, organ, entry)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::bytea
    || convert_to(format(',"rows":{"shift/%s":"%s"}', s.id, fact_digest(s)), 'UTF8') || $10::bytea
FROM shift s WHERE s.id = $6
"""


def _line(number: int, who: UUID, at: datetime) -> journal.Line:
    shift = uuid4()
    facts = {
        "occurred_at": journal.utc(at), "device_time": journal.utc(at), "device_seq": number, "skew_ms": 12,
        "late": False, "findings": [], "content": "ab" * 32,
        "subject": {"shift": {"id": str(shift), "started_at": journal.utc(at), "ended_at": None, "in_force": True}},
    }  # fmt: skip
    return journal.Line(
        at=at, verb="shifts/check-in", outcome="recorded", organ=STATION, actor=who, device=uuid4(), id=shift,
        subjects=[shift, who], facts=facts,
    )  # fmt: skip


async def _rates(settings: Settings, rounds: int, rows: int) -> list[float]:
    rings, store, now = Keys(settings.secrets_dir).evidence, store_of(settings), datetime.now(UTC)
    known, rates = KeySet(keys=rings.public(), endorsements=rings.endorsements()), []
    async with database.opened(str(settings.database_url)):
        who = await bring_in(0)
        owner = await asyncpg.connect(settings.migrate_url)
        for begin in range(0, rows, BATCH):
            await _write(
                owner,
                [
                    _line(number, who, now + timedelta(milliseconds=number))
                    for number in range(begin, min(begin + BATCH, rows))
                ],
            )
        await owner.execute("ANALYZE shift; ANALYZE journal")
        await owner.close()
        await checkpoints.make(store, rings, now, at_once=True)
        for number in range(rounds):
            begun = time.perf_counter()
            report = await verify(store, known, [], MAY_CHANGE_BY_LINE, lambda done, total: None)
            rates.append((report.proved + report.unproved) / (time.perf_counter() - begun))
            if report.flaws or report.proved < rows or report.facts < rows:
                raise BenchError(f"it does not verify: {report.flaws[:1]}, {report.proved} rows, {report.facts} facts")
            say(f"verify round {number + 1} of {rounds}: {rates[-1]:,.0f} rows/s")
    store.close()
    return rates


async def _write(owner: asyncpg.Connection, lines: Sequence[journal.Line]) -> None:
    """Write shifts, and the lines that tell of them."""
    async with owner.transaction():
        await owner.execute("ALTER TABLE shift DISABLE TRIGGER USER")
        await owner.executemany(SHIFT, [(line.id, line.actor, line.organ, line.at) for line in lines])
        await owner.execute("ALTER TABLE shift ENABLE TRIGGER USER")
        await owner.executemany(APPEND, [journal.columns(line) for line in lines])
