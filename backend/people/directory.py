"""What a person may know about themselves, and about others by badge number.

Guarantees: everybody signed in may look up an officer in service, because phones name the leading officer by badge
(R.10). Anybody else can be looked up by themselves; by whoever oversees or administers an organ in whose subtree they
serve or served; and by a docking station of their organ or one above it, also for a while after they left or moved: it
brings in what was filmed before. Whoever may not be looked up gets the same answer as an unknown badge.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from backend.core.database import Record, first
from backend.core.officers import IS_AUXILIARY, TODAY
from backend.core.paging import moment_parameter
from backend.core.refusals import Refusal
from backend.core.roles import ADMINISTERING, OVERSEEING
from backend.core.verb import Actor
from backend.core.visibility import viewer
from backend.law.catalogue import law
from backend.people.roster_files import BADGE
from backend.people.tables import Qualification

DOCK = "dock"
IN_SERVICE = f"p.serves_from <= {TODAY} AND coalesce(p.serves_until >= {TODAY}, true)"
# Whoever has this badge today, as far as $1 may look them up; for a docking station of the organs $3, whoever had it at
# the time $4, else has it today, else left no longer than $5 days ago; for roles on the organs $6, whoever has or had
# it there.
FIND_PERSON = f"""
SELECT s.person AS id, s.badge, s.name, s.kind, s.organ FROM stint s WHERE s.badge = $2 AND (
    (s.person = $1 OR s.kind = 'officer') AND s.during @> {TODAY}
    OR s.organ IN (SELECT organs_under($6::text[]))
    OR s.organ IN (SELECT organs_under($3::text[])) AND (
        s.during @> ($4::timestamptz AT TIME ZONE 'Asia/Shanghai')::date
        OR lower(s.during) <= {TODAY} AND coalesce(upper(s.during) > {TODAY} - $5::integer, true))
) ORDER BY s.during @> ($4::timestamptz AT TIME ZONE 'Asia/Shanghai')::date DESC, lower(s.during) DESC LIMIT 1
"""  # noqa: S608 - constants
FIND_WEARER = f"""
SELECT s.person AS id, organ_at(s.person, $3) AS organ FROM stint s
WHERE s.person = $2 AND (s.kind = 'officer' OR s.kind {IS_AUXILIARY})
    AND (s.during @> ($3::timestamptz AT TIME ZONE 'Asia/Shanghai')::date OR s.during @> {TODAY})
    AND s.organ IN (SELECT organs_under(ARRAY[$1::text]))
LIMIT 1
"""  # noqa: S608 - constants


async def me(actor: Actor) -> dict[str, Any]:
    """The answer of `GET /v1/me`: person, organ, roles, qualifications and the device of this session."""
    person = await first(
        "SELECT p.name, o.name AS organ_name FROM person_now p JOIN organ o ON o.code = p.organ WHERE p.id = $1",
        actor.person,
    )
    qualifications = (
        await Qualification.select(Qualification.code, Qualification.valid_from, Qualification.valid_until)
        .where(Qualification.person == actor.person)
        .order_by(Qualification.code, Qualification.valid_from)
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
        "qualifications": qualifications,
        "device": actor.device,
    }


async def person(actor: Actor, badge: str, at: datetime | None = None) -> dict[str, Any]:
    """The person with this badge, if the actor may look them up. Raises Refusal `unknown_person`, `invalid`.

    `at`: for a docking station, whose badge it was then.
    """
    moment = datetime.now(UTC) if at is None or actor.kind != DOCK else moment_parameter("at", at)
    term = law().days("bring_home").at_most
    _, reach = viewer(actor, OVERSEEING | ADMINISTERING)
    row = None
    if BADGE.fullmatch(badge):
        row = await first(FIND_PERSON, actor.person, badge, docked_under(actor), moment, term, reach)
    if row is None:
        raise Refusal("unknown_person")
    return dict(row)


async def wearer_under(organ: str, person: UUID, filmed_at: datetime) -> Record | None:
    """Id of this auxiliary or officer, and their organ when it was filmed; None unless they serve in this organ or
    below it, or served there when it was filmed."""
    return await first(FIND_WEARER, organ, person, filmed_at)


def docked_under(actor: Actor) -> list[str]:
    """The organ whose people a docking station serves, with all organs below; empty for anybody else."""
    return [actor.organ] if actor.kind == DOCK else []
