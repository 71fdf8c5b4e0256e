"""Refresh the findings that footage changes: acts of the wearer and of those they led gain or lose gaps."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from backend.core import findings
from backend.core.database import fetch, first
from backend.core.findings import Touched
from backend.core.write_path import lock_persons
from backend.law.catalogue import law

LED = """
SELECT DISTINCT s.auxiliary FROM recording r JOIN supervision s ON s.officer = r.wearer AND s.during && r.during
"""
LED_THEN = "SELECT DISTINCT auxiliary FROM supervision WHERE officer = $1 AND during && tstzrange($2, $3, '[]')"
Span = tuple[datetime, datetime]  # from, to
TIMES = "SELECT wearer, started_at, upper(during) AS ended_at FROM recording WHERE id = $1"


async def lock_concerned(owner: UUID, uploads: Sequence[UUID], *spans: Span) -> None:
    """Lock, for this transaction, the owner and the auxiliaries who named them as leading while the camera ran.

    `spans`: other times in which it may turn out to have run.
    """
    led = set(await fetch(f"{LED} WHERE r.id = ANY ($1)", list(uploads)))
    for span in spans:
        led |= set(await fetch(LED_THEN, owner, *span))
    await lock_persons([owner, *(row["auxiliary"] for row in led)])


async def led_then(officer: UUID, span: Span) -> list[UUID]:
    """The auxiliaries who named this person as leading in this time."""
    return [row["auxiliary"] for row in await fetch(LED_THEN, officer, *span)]


async def refresh_span(wearer: UUID, span: Span, at: datetime) -> None:
    """Refresh the findings of a time that footage of this person covered until now, or covers from now on."""
    await findings.refresh(Touched([wearer], *span), at)


async def refresh_findings(upload: UUID, at: datetime) -> None:
    """Refresh the findings of the time that this footage or its film covers, or claimed while its end was not known.

    Does nothing for a paper.
    """
    row = await first(TIMES, upload)
    if row is not None:
        reach = row["started_at"] + law().span("open_recording_ceiling")
        until = max(row["ended_at"] or reach, reach)
        await findings.refresh(Touched([row["wearer"]], row["started_at"], until), at)
