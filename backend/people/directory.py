"""What one may know of oneself."""

from typing import Any

from backend.database import fetch, first
from backend.entries import Actor
from backend.refusals import Refusal


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
