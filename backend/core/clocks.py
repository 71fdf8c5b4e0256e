"""The clocks of the servers: what destroys or locks by a term compares this process's with the database's first.

A lock cannot be shortened: one for 1,200 days too long fills the store for as long. Guarantees: where they differ by
more than `clocks_apart` (terms.toml), nothing is destroyed, sealed or signed; the log says so, and a
finding against the topmost organ stands until they agree again (metric: fujing_findings{kind="clocks_differ"}).
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from backend.core import findings
from backend.core.database import value
from backend.core.findings import Finding
from backend.core.refusals import Refusal
from backend.law.catalogue import law

SUBJECT = UUID("0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0033")  # of the finding: the servers, which have no row
TOPMOST = "SELECT code FROM organ ORDER BY parent IS NOT NULL, code LIMIT 1"
log = structlog.get_logger()


class ClocksDiffer(Refusal):
    """Refusal `clocks_differ`: nothing was destroyed or locked."""

    def __init__(self) -> None:
        super().__init__("clocks_differ")


def own_now() -> datetime:
    """This process's clock."""
    return datetime.now(UTC)


async def must_agree() -> datetime:
    """The database's clock, with which this process's agrees. Raises ClocksDiffer, after the alarm."""
    before = own_now()
    told: datetime = await value("SELECT clock_timestamp()")
    if before - law().span("clocks_apart") <= told <= own_now() + law().span("clocks_apart"):
        await findings.withdraw("clocks_differ", SUBJECT)
        return told
    await _alarm(own_now() - told, told)
    raise ClocksDiffer


async def _alarm(ahead: timedelta, told: datetime) -> None:
    log.error("the clocks differ: nothing is destroyed or locked", ahead_seconds=round(ahead.total_seconds()))
    organ = await value(TOPMOST)
    if organ is not None:
        await findings.flag(
            Finding(kind="clocks_differ", subject=SUBJECT, organ=organ, against_organ=True, started_at=told)
        )
