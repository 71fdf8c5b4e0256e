"""What happens when shifts are planned: one transaction each. What came of them is judged in SQL (judge_roster).

Guarantees: nobody is planned for two shifts at once, whoever plans; a plan is taken whole or not at all; it blocks no
check-in. Planned by command, or imported from a CSV file that may come again. Source: R.29.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import msgspec

from backend.core import findings
from backend.core.database import Record, execute, fetch, first, tx
from backend.core.officers import officers_among
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, reaches, viewer
from backend.core.wire import Place, as_json
from backend.law.catalogue import law
from backend.people.roster import RosterError, csv_rows
from backend.rosters.schemas import Planned, PlanShifts, WithdrawPlanned

INSERT = """
INSERT INTO planned_shift (id, person, organ, post, officer, duty_type, starts_at, ends_at, place, radius_m, planned_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
COMMANDED = """
SELECT id, organ FROM person WHERE id = ANY ($1) AND kind IN ('duty_auxiliary', 'civilian_auxiliary')
AND organ IN (SELECT organs_under($2::text[]))
"""
WITHDRAW = "UPDATE planned_shift SET withdrawn_by = $2, withdrawn_at = $3, withdrawn_why = $4 WHERE id = $1"
PEOPLE = "SELECT id, badge, kind, organ FROM person WHERE badge = ANY ($1)"
SAME = """
SELECT count(*) FROM planned_shift
WHERE person = $1 AND starts_at = $2 AND ends_at = $3 AND post = $4 AND withdrawn_at IS NULL
"""
COLUMNS = ["badge", "post", "officer", "duty_type", "starts_at", "ends_at", "lat", "lon", "datum", "radius_m"]
PLANS = UUID("b2b5d0f4-8f0c-5a5b-9d0a-6d7b7a1c5f23")  # names an imported planned shift: uuid5 of badge, post and times


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file that reads well by itself; `planned` has badges still to be found."""

    line: int
    badge: str
    officer: str
    planned: Planned


async def plan(occasion: Occasion, entry: PlanShifts) -> Outcome:
    """Raises Refusal `unknown_person`, `not_an_officer`, `end_before_start`, `post_without_radius`, `id_reused`,
    `planned_already`."""
    actor = occasion.actor
    persons = {each.person for each in entry.shifts}
    found = await fetch(COMMANDED, list(persons), viewer(actor, COMMANDING)[1])
    organs = {row["id"]: row["organ"] for row in found}
    for person in persons - organs.keys():
        raise Unknown("unknown_person", person)
    officers = {each.officer for each in entry.shifts if each.officer is not None}
    await officers_among(list(officers), occasion.at)
    for each in entry.shifts:
        _in_order(each)
        await _insert(each, organs[each.person], actor.person)
    ids = [each.id for each in entry.shifts]
    return Outcome(
        subject={"planned": [str(each) for each in ids]},
        subjects=[entry.id, *sorted(persons | officers)],
        organ=actor.organ,
    )


async def withdraw(occasion: Occasion, entry: WithdrawPlanned) -> Outcome:
    """Raises Refusal `unknown_planned`, `planned_withdrawn`, `planned_began`."""
    row: Any = await first("SELECT * FROM planned_shift WHERE id = $1", entry.planned)
    if row is None or not await reaches(occasion.actor, row["organ"], COMMANDING):
        raise Unknown("unknown_planned", entry.planned)
    if row["withdrawn_at"] is not None:
        raise Refusal("planned_withdrawn")
    if row["starts_at"] <= occasion.at:
        raise Refusal("planned_began")
    await execute(WITHDRAW, row["id"], occasion.actor.person, occasion.at, entry.why)
    subjects = [row["id"], row["person"], *([row["officer"]] if row["officer"] else [])]
    return Outcome(subject={"planned": [str(row["id"])]}, subjects=subjects, organ=row["organ"])


async def the_planned(actor: Actor, entry: PlanShifts | WithdrawPlanned) -> Iterable[UUID]:
    """Whom a plan concerns: the actor, and whoever is planned."""
    if isinstance(entry, PlanShifts):
        return {actor.person, *(each.person for each in entry.shifts)}
    row = await first("SELECT person FROM planned_shift WHERE id = $1", entry.planned)
    return [actor.person] if row is None else [actor.person, row["person"]]


async def look(now: datetime) -> int:
    """Judge what was planned lately, whatever came in meanwhile. How many findings stand."""
    async with tx():
        return sum(map(len, (await findings.judge_roster(now - law().span("looked_at_again_for"), now)).values()))


def read(text: str) -> list[Line]:
    """The lines of a plan. Raises RosterError with every line that does not read well."""
    return csv_rows(text, COLUMNS, _line)


async def bring_in(lines: Sequence[Line]) -> int:
    """Plan what is not planned yet. How many. Raises RosterError with every line that cannot be."""
    people = {
        row["badge"]: row for row in await fetch(PEOPLE, [badge for x in lines for badge in (x.badge, x.officer)])
    }
    bad = [(line.line, reason) for line in lines if (reason := _unfit(line, people)) is not None]
    if bad:
        raise RosterError(bad)
    made = 0
    async with tx():
        await execute("SELECT pg_advisory_xact_lock(hashtext('fujing plan'))")
        for line in lines:
            made += await _bring(line, people, bad)
        if bad:
            raise RosterError(bad)
    return made


async def _bring(line: Line, people: dict[str, Record], bad: list[tuple[int, str]]) -> int:
    person = people[line.badge]
    officer = people[line.officer]["id"] if line.officer else None
    told = msgspec.structs.replace(line.planned, person=person["id"], officer=officer)
    if await first(f"{SAME} HAVING count(*) > 0", told.person, told.starts_at, told.ends_at, told.post):
        return 0
    try:
        await _insert(told, person["organ"], None)
    except Refusal:
        bad.append((line.line, f"person {line.badge} is planned for another shift at that time"))
        return 0
    return 1


async def _insert(told: Planned, organ: str, by: UUID | None) -> None:
    """Raises Refusal `planned_already`, `id_reused`."""
    try:
        async with tx():
            await execute(
                INSERT, told.id, told.person, organ, told.post, told.officer, told.duty_type, told.starts_at,
                told.ends_at, as_json(told.place), told.radius_m, by,
            )  # fmt: skip
    except asyncpg.ExclusionViolationError:
        raise Refusal("planned_already", extra={"person": str(told.person)}) from None
    except asyncpg.UniqueViolationError:
        raise Refusal("id_reused") from None


def _in_order(told: Planned) -> None:
    if not 2000 <= told.starts_at.year <= told.ends_at.year < 9000:
        raise Refusal("time_out_of_range")
    if told.ends_at <= told.starts_at:
        raise Refusal("end_before_start")
    if (told.place is None) != (told.radius_m is None):
        raise Refusal("post_without_radius")


def _line(line: int, told: dict[str, str]) -> Line:
    """Raises ValueError with the reason."""
    times = {name: _moment(told[name], name) for name in ("starts_at", "ends_at")}
    placed = [told[name] for name in ("lat", "lon", "datum", "radius_m")]
    if any(placed) and not all(placed):
        raise ValueError("lat, lon, datum and radius_m go together, or stay empty")
    fields: dict[str, Any] = {"post": told["post"], "duty_type": told["duty_type"], **times}
    try:
        if all(placed):
            fields["place"] = msgspec.convert(
                {"lat": float(placed[0]), "lon": float(placed[1]), "accuracy_m": 0.0, "datum": placed[2]}, Place
            )
            fields["radius_m"] = int(placed[3])
        name = uuid5(PLANS, "/".join((told["badge"], told["post"], told["starts_at"], told["ends_at"])))
        planned = msgspec.convert({"id": name, "person": name, **fields}, Planned)
        _in_order(planned)
    except Refusal as refusal:
        raise ValueError(law().messages[refusal.code].en) from None
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    return Line(line=line, badge=told["badge"], officer=told["officer"], planned=planned)


def _moment(text: str, column: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
    except ValueError:
        raise ValueError(f"{column} must be a time like 2026-03-01T08:00:00+08:00") from None
    return moment


def _unfit(line: Line, people: dict[str, Record]) -> str | None:
    """Why nobody can be planned so."""
    if line.badge not in people or not people[line.badge]["kind"].endswith("auxiliary"):
        return f"person {line.badge} is no auxiliary on the roster"
    if line.officer and (line.officer not in people or people[line.officer]["kind"] != "officer"):
        return f"person {line.officer} is no officer on the roster"
    return None
