"""Checks of a named person: an officer in service at a given time, or an auxiliary."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from backend.core.database import Record, fetch, value
from backend.core.refusals import Refusal

TODAY = "(now() AT TIME ZONE 'Asia/Shanghai')::date"  # China has one legal time
OFFICERS_IN_SERVICE = """
SELECT id, organ FROM person, (SELECT ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date AS is) AS day
WHERE id = ANY ($1) AND kind = 'officer' AND serves_from <= day.is AND coalesce(serves_until >= day.is, true)
"""


async def officers_among(persons: Sequence[UUID], at: datetime) -> dict[UUID, Record]:
    """The rows (id, organ) of these officers, by id.

    Raises Refusal `not_an_officer` unless every one was an officer in service at that time.
    """
    officers = {row["id"]: row for row in await fetch(OFFICERS_IN_SERVICE, list(persons), at)}
    if len(officers) < len(set(persons)):
        raise Refusal("not_an_officer")
    return officers


AUXILIARY = "SELECT organ FROM person WHERE id = $1 AND kind IN ('duty_auxiliary', 'civilian_auxiliary')"


async def organ_of_auxiliary(person: UUID) -> str:
    """The organ of an auxiliary. Raises Refusal `not_an_auxiliary`."""
    organ = await value(AUXILIARY, person)
    if organ is None:
        raise Refusal("not_an_auxiliary")
    return str(organ)
