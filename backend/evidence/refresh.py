"""What footage changes about acts: whoever wore the camera, and whom they led, may have fewer gaps, or more."""

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
SPAN = "SELECT wearer, started_at, ended_at FROM recording WHERE id = $1"


async def lock_concerned(owner: UUID, uploads: Sequence[UUID]) -> None:
    """Hold the owner of these bytes, and who named them as leading while the camera ran, until the transaction ends."""
    led = await fetch(f"{LED} WHERE r.id = ANY ($1)", list(uploads))
    await lock_persons([owner, *(row["auxiliary"] for row in led)])


async def look_again(upload: UUID, at: datetime) -> None:
    """Find anew what is wrong in the time that this footage covers or, without an end, claimed; a paper has none."""
    row = await first(SPAN, upload)
    if row is not None:
        reach = row["started_at"] + law().span("open_recording_ceiling")
        until = max(row["ended_at"] or reach, reach)
        await findings.refresh(Touched([row["wearer"]], row["started_at"], until), at)
