"""What one may know of oneself, and of others by badge number.

Guarantees: an officer in service may be looked up by everybody who is signed in, since phones name the leading officer
by badge (R.10); anybody else only by themselves and by a docking station of an organ above them. Whoever may not be
looked up is answered as if there were nobody.
"""

from typing import Any
from uuid import UUID

from backend.core.database import Record, fetch, first
from backend.core.officers import TODAY
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.people.roster import BADGE

DOCK = "dock"
IN_SERVICE = f"p.serves_from <= {TODAY} AND coalesce(p.serves_until >= {TODAY}, true)"
PERSON = f"""
SELECT p.id, p.badge, p.name, p.kind, p.organ FROM person p WHERE p.badge = $2 AND (
    p.id = $1 OR ({IN_SERVICE} AND (p.kind = 'officer' OR p.organ IN (SELECT organs_under($3::text[]))))
)
"""  # noqa: S608 - constants
WEARER = f"""
SELECT p.id, p.organ FROM person p WHERE p.id = $2 AND p.kind IN ('officer', 'duty_auxiliary', 'civilian_auxiliary')
    AND {IN_SERVICE} AND p.organ IN (SELECT organs_under(ARRAY[$1::text]))
"""  # noqa: S608 - constants


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


async def person(actor: Actor, badge: str) -> dict[str, Any]:
    """The person with this badge, as far as the actor may know them. Raises Refusal `unknown_person`."""
    found = await first(PERSON, actor.person, badge, docked_under(actor)) if BADGE.fullmatch(badge) else None
    if found is None:
        raise Refusal("unknown_person")
    return dict(found)


async def wearer_under(organ: str, person: UUID) -> Record | None:
    """Id and organ of an auxiliary or officer in service in this organ or below it; nothing where they are not."""
    return await first(WEARER, organ, person)


def docked_under(actor: Actor) -> list[str]:
    """The organ whose people a docking station serves, it and all below; nobody else has any."""
    return [actor.organ] if actor.kind == DOCK else []
