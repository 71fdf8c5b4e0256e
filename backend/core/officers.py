"""Checks of a named person: an officer in service at a given time, or an auxiliary, and where they served then."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from backend.core.database import Record, fetch, value
from backend.core.refusals import Refusal

TODAY = "(now() AT TIME ZONE 'Asia/Shanghai')::date"  # China has one legal time
OFFICERS_IN_SERVICE = """
SELECT person AS id, organ FROM stint WHERE person = ANY ($1) AND kind = 'officer'
    AND during @> ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date
"""


async def officers_among(persons: Sequence[UUID], at: datetime) -> dict[UUID, Record]:
    """The rows (id, organ) of these officers, by id.

    Raises Refusal `not_an_officer` unless every one was an officer in service at that time.
    """
    officers = {row["id"]: row for row in await fetch(OFFICERS_IN_SERVICE, list(persons), at)}
    if len(officers) < len(set(persons)):
        raise Refusal("not_an_officer")
    return officers


IS_AUXILIARY = "IN (SELECT code FROM kind_of_person WHERE auxiliary)"  # of a column `kind`
AUXILIARY = f"""
SELECT organ_at($1, $2) WHERE EXISTS (
    SELECT FROM stint WHERE person = $1 AND kind {IS_AUXILIARY})
"""  # noqa: S608 - constants
ORGAN_AT = "SELECT organ_at($1, $2)"


async def organ_of_auxiliary(person: UUID, at: datetime) -> str:
    """The organ of somebody who serves or served as an auxiliary: that of this moment, or next to it.

    Raises Refusal `not_an_auxiliary`.
    """
    organ = await value(AUXILIARY, person, at)
    if organ is None:
        raise Refusal("not_an_auxiliary")
    return str(organ)


async def organ_of(person: UUID | None, at: datetime) -> str | None:
    """The organ in which a person served at this moment, or next to it. None: no such person."""
    organ = await value(ORGAN_AT, person, at)
    return None if organ is None else str(organ)
