"""Record that somebody was seen in uniform or with insignia while off duty (R.32 para 2). One transaction.

Guarantees: what was seen is kept as it was told; the finding beside it stands while no shift in force covers that
moment, and a check-in that comes later withdraws it. Whom it concerns hears of it and may answer the finding.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from backend.core import findings
from backend.core.database import execute, fetch, tx, value
from backend.core.days import since
from backend.core.findings import Finding
from backend.core.journal import utc
from backend.core.refusals import Refusal, Unknown
from backend.core.roles import OVERSEEING
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import reaches
from backend.items.schemas import ReportUniform
from backend.items.tables import UniformSighting
from backend.law.catalogue import law

AUXILIARY = """
SELECT organ FROM stint WHERE person = $1 AND kind NOT IN ('officer', 'staff', 'dock') AND during @> day_in_china($2)
"""
ON_DUTY = "SELECT EXISTS (SELECT FROM shift WHERE person = $1 AND in_force AND during @> $2::timestamptz)"
JUDGE = """
SELECT u.id, u.person, u.organ, u.seen_at FROM uniform_sighting u WHERE u.at > $1
    AND NOT EXISTS (SELECT FROM shift s WHERE s.person = u.person AND s.in_force AND s.during @> u.seen_at)
    AND NOT EXISTS (SELECT FROM finding f
        WHERE f.kind = 'uniform_off_duty' AND f.subject = u.id AND f.withdrawn_at IS NULL)
"""
WITHDRAW = """
UPDATE finding f SET withdrawn_at = $1 FROM uniform_sighting u
WHERE f.kind = 'uniform_off_duty' AND f.withdrawn_at IS NULL AND u.id = f.subject
    AND EXISTS (SELECT FROM shift s WHERE s.person = u.person AND s.in_force AND s.during @> u.seen_at)
"""


async def report(occasion: Occasion, entry: ReportUniform) -> Outcome:
    """Record a sighting. Raises Refusal `unknown_person`, `own_matter`, `on_duty_then`."""
    at = occasion.corrected(entry.seen_at)
    organ = await value(AUXILIARY, entry.person, at)
    if organ is None or not await reaches(occasion.actor, organ, OVERSEEING):
        raise Unknown("unknown_person", entry.person)
    if entry.person == occasion.actor.person:
        raise Refusal("own_matter")
    if await value(ON_DUTY, entry.person, at):
        raise Refusal("on_duty_then")
    await UniformSighting.insert(
        UniformSighting(
            id=entry.id, person=entry.person, organ=organ, seen_at=at, words=entry.words,
            by_person=occasion.actor.person, at=occasion.timing.as_of,
        )
    )  # fmt: skip
    await _flag(entry.id, organ, entry.person, at)
    return Outcome(
        subject={"sighting": {"id": str(entry.id), "person": str(entry.person), "seen_at": utc(at)}},
        subjects=[entry.id, entry.person], organ=organ, findings=["uniform_off_duty"],
    )  # fmt: skip


async def concerned(actor: Actor, entry: ReportUniform) -> Iterable[UUID]:
    """The actor, and who was seen: their check-in and the sighting wait for each other."""
    return (actor.person, entry.person)


async def judge_recent(now: datetime) -> None:
    """Hold the sightings of late against the shifts that are known by now."""
    async with tx():
        await execute(WITHDRAW, now)
        for row in await fetch(JUDGE, since(law(), "looked_at_again_for", now)):
            await _flag(row["id"], row["organ"], row["person"], row["seen_at"])


async def _flag(sighting: UUID, organ: str, person: UUID, at: datetime) -> None:
    await findings.flag(
        Finding(kind="uniform_off_duty", subject=sighting, organ=organ, person=person, started_at=at, ended_at=at)
    )
