"""Record planned shifts, by entry or from a file (plan_files.py): one transaction each. SQL judges them later
(judge_planned).

Guarantees: nobody is planned for two shifts at once, whoever plans. A plan is recorded whole or not at all. It blocks
no check-in. The same file can be imported again. Source: R.29.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from backend.core import bulk_lines, findings
from backend.core.bulk_lines import BulkChange
from backend.core.columns import Fault, SheetLine
from backend.core.database import Record, execute, fetch, tx
from backend.core.days import day_of, since
from backend.core.officers import IS_AUXILIARY, TODAY, officers_among
from backend.core.refusals import Refusal, Unknown
from backend.core.stints import Stint
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, reaches, viewer
from backend.core.wire import as_json
from backend.law.catalogue import law
from backend.people.tables import Organ
from backend.rosters.plan_files import PlanFile, PlanLine, require_valid
from backend.rosters.schemas import Planned, PlanShifts, WithdrawPlanned
from backend.rosters.tables import PlannedShift

# The organ in which each of these persons serves when the shift planned for them begins.
COMMANDED = f"""
SELECT x.planned, organ_at(x.person, x.at) AS organ FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
    AS x (planned, person, at)
WHERE organ_at(x.person, x.at) IN (SELECT organs_under($4::text[])) AND EXISTS (
    SELECT FROM stint s WHERE s.person = x.person AND s.kind {IS_AUXILIARY})
"""  # noqa: S608 - constants
# Who has, had or will have each of these badges. The organ is that of the stint.
PEOPLE = """
SELECT person AS id, badge, kind, organ, lower(during) AS since, upper(during) - 1 AS until FROM stint
WHERE badge = ANY ($1) ORDER BY badge, lower(during)
"""
AUXILIARIES = f"""
SELECT p.badge, p.name FROM person_now p WHERE p.kind {IS_AUXILIARY}
    AND p.serves_from <= {TODAY} AND coalesce(p.serves_until >= {TODAY}, true)
    AND ($1::text IS NULL OR p.organ IN (SELECT organs_under(ARRAY[$1::text]))) ORDER BY p.organ, p.badge
"""  # noqa: S608 - constants


async def plan(occasion: Occasion, entry: PlanShifts) -> Outcome:
    """Plan shifts. Raises Refusal `unknown_person`, `not_an_officer`, `end_before_start`, `post_without_radius`,
    `time_out_of_range`, `id_reused`, `planned_already`."""
    actor = occasion.actor
    for planned in entry.shifts:
        require_valid(planned)
    persons = {planned.person for planned in entry.shifts}
    organs = await _organs_commanded(actor, entry.shifts)
    for planned in entry.shifts:
        if planned.id not in organs:
            raise Unknown("unknown_person", planned.person)
    officers = {planned.officer for planned in entry.shifts if planned.officer is not None}
    await officers_among(list(officers), occasion.at)
    for planned in entry.shifts:
        await _insert(planned, organs[planned.id], actor.person)
    return Outcome(
        subject={"planned": [str(planned.id) for planned in entry.shifts]},
        subjects=[entry.id, *sorted(persons | officers)],
        organ=occasion.organ,
    )


async def _organs_commanded(actor: Actor, shifts: Sequence[Planned]) -> dict[UUID, str]:
    """The organ of each planned shift, by its id; without those of people whom the actor does not command then."""
    columns = ([one.id for one in shifts], [one.person for one in shifts], [one.starts_at for one in shifts])
    rows = await fetch(COMMANDED, *columns, viewer(actor, COMMANDING)[1])
    return {row["planned"]: row["organ"] for row in rows}


async def withdraw(occasion: Occasion, entry: WithdrawPlanned) -> Outcome:
    """Withdraw a planned shift. Raises Refusal `unknown_planned`, `planned_withdrawn`, `planned_began`."""
    row = await PlannedShift.select().where(PlannedShift.id == entry.planned).first()
    if row is None or not await reaches(occasion.actor, row["organ"], COMMANDING):
        raise Unknown("unknown_planned", entry.planned)
    if row["withdrawn_at"] is not None:
        raise Refusal("planned_withdrawn")
    if row["starts_at"] <= occasion.at:
        raise Refusal("planned_began")
    await PlannedShift.update(
        {
            PlannedShift.withdrawn_by: occasion.actor.person,
            PlannedShift.withdrawn_at: occasion.at,
            PlannedShift.withdrawn_why: entry.why,
        }
    ).where(PlannedShift.id == row["id"])
    subjects = [row["id"], row["person"], *([row["officer"]] if row["officer"] else [])]
    return Outcome(subject={"planned": [str(row["id"])]}, subjects=subjects, organ=row["organ"])


async def concerned(actor: Actor, entry: PlanShifts | WithdrawPlanned) -> Iterable[UUID]:
    """The persons whom a plan concerns: the actor and everybody who is planned for a shift."""
    if isinstance(entry, PlanShifts):
        return {actor.person, *(planned.person for planned in entry.shifts)}
    row = await PlannedShift.select(PlannedShift.person).where(PlannedShift.id == entry.planned).first()
    return [actor.person] if row is None else [actor.person, row["person"]]


async def refresh_recent(now: datetime) -> int:
    """Refresh the findings about recently planned shifts. Returns how many stand."""
    async with tx():
        return sum(map(len, (await findings.judge_roster(since(law(), "looked_at_again_for", now), now)).values()))


async def auxiliaries(organ: str | None) -> list[tuple[str, str]]:
    """Badge and name of the auxiliaries in service, in an organ and all below it; None: in all organs.

    Raises Refusal `unknown_organ`.
    """
    if organ is not None and not await Organ.exists().where(Organ.code == organ):
        raise Refusal("unknown_organ")
    return [(row["badge"], row["name"]) for row in await fetch(AUXILIARIES, organ)]


async def import_plan(file: PlanFile, now: datetime) -> int:
    """Insert the lines that are not planned yet, with lines in the journal. Returns how many.

    Raises FaultyFile with every fault of the file, and of every line that cannot be planned; then none is inserted.
    """
    badges = [badge for line in file.good for badge in (line.badge, line.officer)]
    people = _by_badge(await fetch(PEOPLE, [*badges, *(badge for _, badge in file.torn)]))
    faults = [_no_auxiliary(line, badge) for line, badge in file.torn if badge and badge not in people]
    inserted: list[BulkChange] = []
    async with tx():
        await execute("SELECT pg_advisory_xact_lock(hashtext('fujing plan'))")
        for line in file.good:
            unfit = list(_unfit(line, people))
            faults += unfit
            inserted += [] if unfit else await _import_line(line, people, faults)
        file.rows(faults)
        await bulk_lines.append("rosters/import", inserted, now)
    return len(inserted)


class Holder(msgspec.Struct, frozen=True):
    """Somebody who has a badge number for a time."""

    person: UUID
    stint: Stint


People = dict[str, list[Holder]]


def _by_badge(rows: Sequence[Record]) -> People:
    people: People = {}
    for row in rows:
        stint = Stint(row["organ"], row["kind"], row["since"], row["until"])
        people.setdefault(row["badge"], []).append(Holder(row["id"], stint))
    return people


def _holder(people: People, badge: str, planned: Planned) -> Holder | None:
    """Who has this badge on the day of the shift, or nearest to it; None: nobody ever."""
    day = day_of(planned.starts_at)
    return min(people.get(badge, ()), key=lambda one: (one.stint.days_from(day), one.stint.since), default=None)


async def _import_line(line: PlanLine, people: People, faults: list[Fault]) -> list[BulkChange]:
    """Insert one line unless it is planned already; a conflict is a fault. Returns what was inserted."""
    person, officer = _holder(people, line.badge, line.planned), _holder(people, line.officer, line.planned)
    assert person is not None  # noqa: S101 - for the type checker: _unfit saw to it
    planned = msgspec.structs.replace(line.planned, person=person.person, officer=officer and officer.person)
    if await PlannedShift.exists().where(
        PlannedShift.person == planned.person,
        PlannedShift.starts_at == planned.starts_at,
        PlannedShift.ends_at == planned.ends_at,
        PlannedShift.post == planned.post,
        PlannedShift.withdrawn_at.is_null(),
    ):
        return []
    try:
        await _insert(planned, person.stint.organ, None)
    except Refusal:
        zh, en = f"人员 {line.badge} 在该时间已排另一班", f"person {line.badge} has another shift at that time"
        faults.append(line.line.fault("starts_at", zh, en))
        return []
    return [BulkChange(person.stint.organ, [planned.id, person.person])]


async def _insert(planned: Planned, organ: str, by: UUID | None) -> None:
    """Insert one planned shift. Raises Refusal `planned_already`, `id_reused`."""
    try:
        async with tx():
            await PlannedShift.insert(
                PlannedShift(
                    id=planned.id, person=planned.person, organ=organ, post=planned.post, officer=planned.officer,
                    duty_type=planned.duty_type, starts_at=planned.starts_at, ends_at=planned.ends_at,
                    place=as_json(planned.place), radius_m=planned.radius_m, planned_by=by,
                )
            )  # fmt: skip
    except asyncpg.ExclusionViolationError:
        raise Refusal("planned_already", extra={"person": str(planned.person)}) from None
    except asyncpg.UniqueViolationError:
        raise Refusal("id_reused") from None


def _no_auxiliary(line: SheetLine, badge: str) -> Fault:
    return line.fault("badge", f"人员 {badge} 不是名册中的辅警", f"person {badge} is no auxiliary on the roster")


def _unfit(line: PlanLine, people: People) -> Iterator[Fault]:
    """Why a line cannot be planned."""
    person, officer = _holder(people, line.badge, line.planned), _holder(people, line.officer, line.planned)
    if person is None or not person.stint.kind.endswith("auxiliary"):
        yield _no_auxiliary(line.line, line.badge)
    if line.officer and (officer is None or officer.stint.kind != "officer"):
        zh, en = f"人员 {line.officer} 不是名册中的民警", f"person {line.officer} is no officer on the roster"
        yield line.line.fault("officer", zh, en)
