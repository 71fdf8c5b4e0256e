"""Looking persons up: who is an officer, and what one may know of oneself."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from backend.database import Record, fetch, first
from backend.entries import Actor
from backend.people.sessions import TODAY
from backend.refusals import Refusal

OFFICERS = f"""
SELECT id, organ FROM person WHERE id = ANY ($1) AND kind = 'officer'
    AND serves_from <= {TODAY} AND coalesce(serves_until >= {TODAY}, true)
"""  # noqa: S608


async def officers_among(persons: Sequence[UUID]) -> dict[UUID, Record]:
    """The officers with these ids. Raises Refusal `not_an_officer` unless every one is an officer in service."""
    found = {row["id"]: row for row in await fetch(OFFICERS, list(persons))}
    if len(found) < len(set(persons)):
        raise Refusal("not_an_officer")
    return found


async def me(actor: Actor) -> dict[str, Any]:
    """What `GET /v1/me` tells: the person, organ, roles, qualifications and the device of this session."""
    person = await first(
        "SELECT p.name, o.name AS organ_name FROM person p JOIN organ o ON o.code = p.organ WHERE p.id = $1",
        actor.person,
    )
    qualifications = await fetch(
        "SELECT code, valid_from, valid_until FROM qualification WHERE person = $1 ORDER BY code, valid_from",
        actor.person,
    )
    if person is None:
        raise Refusal("session_ended")
    return {
        "id": actor.person,
        "badge": actor.badge,
        "name": person["name"],
        "kind": actor.kind,
        "organ": {"code": actor.organ, "name": person["organ_name"]},
        "roles": [{"role": role.role, "organ": role.organ} for role in actor.roles],
        "qualifications": [dict(row) for row in qualifications],
        "device": actor.device,
    }
