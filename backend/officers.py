"""Who is an officer in service today: asked wherever an entry names one."""

from collections.abc import Sequence
from uuid import UUID

from backend.database import Record, fetch
from backend.refusals import Refusal

TODAY = "(now() AT TIME ZONE 'Asia/Shanghai')::date"  # China has one legal time
OFFICERS = f"""
SELECT id, organ FROM person WHERE id = ANY ($1) AND kind = 'officer'
    AND serves_from <= {TODAY} AND coalesce(serves_until >= {TODAY}, true)
"""  # noqa: S608 - constants


async def officers_among(persons: Sequence[UUID]) -> dict[UUID, Record]:
    """The officers with these ids. Raises Refusal `not_an_officer` unless every one is an officer in service."""
    found = {row["id"]: row for row in await fetch(OFFICERS, list(persons))}
    if len(found) < len(set(persons)):
        raise Refusal("not_an_officer")
    return found
