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
TIMES = "SELECT wearer, started_at, upper(during) AS ended_at FROM recording WHERE id = $1"


async def lock_concerned(owner: UUID, uploads: Sequence[UUID]) -> None:
    """Lock, for this transaction, the owner and the auxiliaries who named them as leading while the camera ran."""
    led = await fetch(f"{LED} WHERE r.id = ANY ($1)", list(uploads))
    await lock_persons([owner, *(row["auxiliary"] for row in led)])


async def refresh_findings(upload: UUID, at: datetime) -> None:
    """Refresh the findings of the time that this footage or its film covers, or claimed while its end was not known.

    Does nothing for a paper.
    """
    row = await first(TIMES, upload)
    if row is not None:
        reach = row["started_at"] + law().span("open_recording_ceiling")
        until = max(row["ended_at"] or reach, reach)
        await findings.refresh(Touched([row["wearer"]], row["started_at"], until), at)
