"""Who had a recorder, by its serial number and a time: tells a dock the wearer, and shows contradictions.

Guarantees: a thing that nobody has taken out tells nothing, and refuses nothing. A film whose declared wearer did not
have the camera has the finding `worn_by_another`, until the list of things handed out says otherwise.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from backend.core.database import fetch, value
from backend.law.catalogue import law

HOLDER = """
SELECT person FROM issued_item WHERE serial_key = upper($1) AND kind = ANY ($2) AND during @> $3::timestamptz
ORDER BY issued_at DESC, id LIMIT 1
"""
HOLDERS = """
SELECT DISTINCT person FROM issued_item WHERE serial_key = upper($1) AND kind = ANY ($2)
    AND (during && tstzrange($3, $4) OR upper_inf(during))
"""
JUDGE = "SELECT judge_wearers(ARRAY[upper($1)], tstzrange($2, $3, '[]'), $4, $5) AS film"
AROUND = timedelta(days=1)  # as far as a dock's clock may be off when the persons to lock are looked up


async def holder(serial: str, at: datetime) -> UUID | None:
    """Who had the camera with this serial number at that time; None: nobody, as far as is known."""
    found: UUID | None = await value(HOLDER, serial, law().wearer_kinds(), at)
    return found


async def holders_around(serial: str, at: datetime) -> list[UUID]:
    """Everybody who had it within a day of that time, or has it now."""
    rows = await fetch(HOLDERS, serial, law().wearer_kinds(), at - AROUND, at + AROUND)
    return [row["person"] for row in rows]


async def judge(serial: str, since: datetime, until: datetime | None, at: datetime) -> Sequence[UUID]:
    """Compare the films of this camera that began in this time with who had it, as of `at`.

    Returns those with a finding.
    """
    rows = await fetch(JUDGE, serial, since, until, law().wearer_kinds(), at)
    return [row["film"] for row in rows]
