"""Who is an officer in service, at the moment an entry tells of: asked wherever one names an officer."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from backend.database import Record, fetch
from backend.refusals import Refusal

TODAY = "(now() AT TIME ZONE 'Asia/Shanghai')::date"  # China has one legal time
OFFICERS = """
SELECT id, organ FROM person, (SELECT ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date AS is) AS day
WHERE id = ANY ($1) AND kind = 'officer' AND serves_from <= day.is AND coalesce(serves_until >= day.is, true)
"""


async def officers_among(persons: Sequence[UUID], at: datetime) -> dict[UUID, Record]:
    """The officers with these ids. Raises Refusal `not_an_officer` unless every one was an officer in service then."""
    found = {row["id"]: row for row in await fetch(OFFICERS, list(persons), at)}
    if len(found) < len(set(persons)):
        raise Refusal("not_an_officer")
    return found
