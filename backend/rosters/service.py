"""Record planned shifts, by entry or from a CSV file: one transaction each. SQL judges them later (judge_planned).

Guarantees: nobody is planned for two shifts at once, whoever plans. A plan is recorded whole or not at all. It blocks
no check-in. The same CSV file can be imported again. Source: R.29.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, get_args
from uuid import UUID, uuid5

import asyncpg
import msgspec

from backend.core import findings
from backend.core.database import Record, execute, fetch, tx
from backend.core.described import DutyType
from backend.core.officers import officers_among
from backend.core.refusals import Refusal, Unknown
from backend.core.stints import Stint, day_of
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, reaches, viewer
from backend.core.wire import Place, as_json
from backend.law.catalogue import law
from backend.people.roster import RosterError, csv_rows
from backend.rosters.schemas import Planned, PlanShifts, WithdrawPlanned
from backend.rosters.tables import PlannedShift
from storage.language import by_locale, language

# The organ in which each of these persons serves when the shift planned for them begins.
COMMANDED = """
SELECT x.planned, organ_at(x.person, x.at) AS organ FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
    AS x (planned, person, at)
WHERE organ_at(x.person, x.at) IN (SELECT organs_under($4::text[])) AND EXISTS (
    SELECT FROM stint s WHERE s.person = x.person AND s.kind IN ('duty_auxiliary', 'civilian_auxiliary'))
"""
# Who has, had or will have each of these badges. The organ is that of the stint.
PEOPLE = """
SELECT person AS id, badge, kind, organ, lower(during) AS since, upper(during) - 1 AS until FROM stint
WHERE badge = ANY ($1) ORDER BY badge, lower(during)
"""
COLUMNS = ["badge", "post", "officer", "duty_type", "starts_at", "ends_at", "lat", "lon", "datum", "radius_m"]
DUTIES = ", ".join(get_args(get_args(DutyType)[0]))
TAKES = {  # what a column takes, in Chinese and in English
    "post": ("1 至 120 个字", "1 to 120 characters"),
    "duty_type": (f"以下之一：{DUTIES}", f"one of {DUTIES}"),
    "lat": ("-90 至 90 度", "degrees from -90 to 90"),
    "lon": ("-180 至 180 度", "degrees from -180 to 180"),
    "datum": ("WGS84 或 GCJ02", "WGS84 or GCJ02"),
    "radius_m": ("1 至 20000 的整数，单位米", "a whole number of metres from 1 to 20000"),
}
PLANS = UUID("b2b5d0f4-8f0c-5a5b-9d0a-6d7b7a1c5f23")  # namespace of imported shifts: uuid5 of badge, post, times


class PlanLine(msgspec.Struct, frozen=True, kw_only=True):
    """One valid line of the file. `planned` does not have the person and the officer yet: they are found by badge."""

    line: int
    badge: str
    officer: str
    planned: Planned


async def plan(occasion: Occasion, entry: PlanShifts) -> Outcome:
    """Plan shifts. Raises Refusal `unknown_person`, `not_an_officer`, `end_before_start`, `post_without_radius`,
    `time_out_of_range`, `id_reused`, `planned_already`."""
    actor = occasion.actor
    for planned in entry.shifts:
        _require_valid(planned)
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
        return sum(map(len, (await findings.judge_roster(now - law().span("looked_at_again_for"), now)).values()))


def read_plan(text: str) -> list[PlanLine]:
    """The lines of a CSV plan. Raises RosterError with every line that is not valid."""
    return csv_rows(text, COLUMNS, _line)


async def import_plan(lines: Sequence[PlanLine]) -> int:
    """Insert the lines that are not planned yet. Returns how many.

    Raises RosterError with every line that cannot be planned; then none is inserted.
    """
    badges = [badge for line in lines for badge in (line.badge, line.officer)]
    people = _by_badge(await fetch(PEOPLE, badges))
    bad = [(line.line, reason) for line in lines if (reason := _unfit(line, people)) is not None]
    if bad:
        raise RosterError(bad)
    inserted = 0
    async with tx():
        await execute("SELECT pg_advisory_xact_lock(hashtext('fujing plan'))")
        for line in lines:
            inserted += await _import_line(line, people, bad)
        if bad:
            raise RosterError(bad)
    return inserted


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


async def _import_line(line: PlanLine, people: People, bad: list[tuple[int, str]]) -> int:
    """Insert one line unless it is planned already; a conflict is added to `bad`. Returns how many were inserted."""
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
        return 0
    try:
        await _insert(planned, person.stint.organ, None)
    except Refusal:
        zh = f"人员 {line.badge} 在该时间已排另一班"
        bad.append((line.line, by_locale(zh, f"person {line.badge} is planned for another shift at that time")))
        return 0
    return 1


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


def require_span(starts_at: datetime, ends_at: datetime) -> None:
    """Raises Refusal `time_out_of_range`, `end_before_start`."""
    if not (2000 <= starts_at.year < 9000 and 2000 <= ends_at.year < 9000):
        raise Refusal("time_out_of_range")
    if ends_at <= starts_at:
        raise Refusal("end_before_start")


def _require_valid(planned: Planned) -> None:
    """Raises Refusal `time_out_of_range`, `end_before_start`, `post_without_radius`."""
    require_span(planned.starts_at, planned.ends_at)
    if (planned.place is None) != (planned.radius_m is None):
        raise Refusal("post_without_radius")


def _line(line: int, cells: dict[str, str]) -> PlanLine:
    """One line of the file, from its cells by column. Raises ValueError with the reason if it is not valid."""
    times = {name: _moment(cells[name], name) for name in ("starts_at", "ends_at")}
    placed = [cells[name] for name in ("lat", "lon", "datum", "radius_m")]
    if any(placed) and not all(placed):
        raise ValueError(
            by_locale(
                "lat、lon、datum 与 radius_m 须同时填写或都不填",
                "lat, lon, datum and radius_m go together, or stay empty",
            )
        )
    fields: dict[str, Any] = {"post": cells["post"], "duty_type": cells["duty_type"], **times}
    try:
        if all(placed):
            fields["place"] = msgspec.convert(
                {"lat": float(placed[0]), "lon": float(placed[1]), "accuracy_m": 0.0, "datum": placed[2]}, Place
            )
            fields["radius_m"] = int(placed[3])
        name = uuid5(PLANS, "/".join((cells["badge"], cells["post"], cells["starts_at"], cells["ends_at"])))
        planned = msgspec.convert({"id": name, "person": name, **fields}, Planned)
        _require_valid(planned)
    except Refusal as refusal:
        raise ValueError(law().messages[refusal.code].sentence(language())) from None
    except ValueError as error:
        raise ValueError(_reason(str(error))) from None
    return PlanLine(line=line, badge=cells["badge"], officer=cells["officer"], planned=planned)


def _reason(error: str) -> str:
    """Which column does not hold what it takes; `error` is msgspec's, or that of a number that is none."""
    path = re.search(r"\$\.(?:place\.)?(\w+)", error)
    if path is None:
        return by_locale("lat、lon 与 radius_m 须为数字", "lat, lon and radius_m must be numbers")
    zh, en = TAKES[path[1]]
    return by_locale(f"{path[1]} 须为{zh}", f"{path[1]} must be {en}")


def _moment(text: str, column: str) -> datetime:
    """A time with its offset. Raises ValueError with the reason."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
    except ValueError:
        example = "2026-03-01T08:00:00+08:00"
        raise ValueError(
            by_locale(f"{column} 须为 {example} 这样的时间", f"{column} must be a time like {example}")
        ) from None
    return moment


def _unfit(line: PlanLine, people: People) -> str | None:
    """Why a line cannot be planned; None: it can."""
    person, officer = _holder(people, line.badge, line.planned), _holder(people, line.officer, line.planned)
    if person is None or not person.stint.kind.endswith("auxiliary"):
        return by_locale(f"人员 {line.badge} 不是名册中的辅警", f"person {line.badge} is no auxiliary on the roster")
    if line.officer and (officer is None or officer.stint.kind != "officer"):
        return by_locale(f"人员 {line.officer} 不是名册中的民警", f"person {line.officer} is no officer on the roster")
    return None
