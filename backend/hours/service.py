"""Compute the hours of a month from shifts in force; record time off for them; check the monthly limit.

Guarantees: hours are not stored, so a late correction of a shift is in the next answer. No more time off is granted
than was worked on rest days of its month, as far as known at that time. A month whose days off the State Council has
not announced yet counts by weekends and statutory days, and is marked so. Source: R.25; 劳动法 36, 41, 44.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from backend.core import findings
from backend.core.database import Record, fetch, tx, value
from backend.core.days import day_of
from backend.core.findings import Finding
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, reaches
from backend.hours import limits, rules
from backend.hours.rules import A_DAY, NONE, DayWorked, DutySpan, Norms
from backend.hours.schemas import TakeTimeOff, WithdrawTimeOff
from backend.hours.tables import TimeOff
from backend.law.calendar import Year, is_announced, kind_of
from backend.law.catalogue import law
from backend.shifts.rules import counted_until

MONTHS = UUID("6f1f6c0e-5b5c-5e0a-9d2f-0f4a4e5d8c11")  # namespace of a person's month: uuid5 of "person/2026-03"
SHIFTS = """
SELECT id, person, started_at, ended_at, ended_by, duty_type, in_force FROM shift
WHERE person = ANY ($1) AND during && tstzrange($2, $3)
    AND ($4::text[] IS NULL OR organ IN (SELECT organs_under($4))) ORDER BY person, started_at
"""
TAKEN = """
SELECT person, sum(minutes)::integer AS minutes FROM time_off
WHERE person = ANY ($1) AND month = $2 AND withdrawn_at IS NULL
    AND ($3::text[] IS NULL OR organ IN (SELECT organs_under($3))) GROUP BY person
"""
WORKED_IN = """
SELECT DISTINCT ON (person) person, organ FROM shift WHERE during && tstzrange($1, $2)
ORDER BY person, started_at DESC, id
"""
ORGAN_THAT_DAY = "SELECT organ_at($1, ($2::date + time '12:00') AT TIME ZONE 'Asia/Shanghai')"


class MonthWorked(NamedTuple):
    """What one person worked in a month.

    `contested`: number of contested shifts, which do not count until a person resolves them. `capped`: number of shifts
    that nobody checked out of, and that count no longer than the ceiling. `taken`: time off taken.
    """

    days: list[DayWorked]
    unfinished: bool
    contested: int
    capped: int
    taken: timedelta

    def total(self, name: str) -> timedelta:
        """The sum of one field of DayWorked."""
        return sum((getattr(day, name) for day in self.days), NONE)

    @property
    def overtime(self) -> timedelta:
        """Overtime that counts towards the month's limit."""
        return rules.overtime(self.days, self.taken)

    @property
    def owed(self) -> timedelta:
        """Time off still owed; negative if a later correction removed hours."""
        return self.total("rest_day") - self.taken


async def months(
    persons: Sequence[UUID], month: date, now: datetime, organs: Sequence[str] | None = None
) -> dict[UUID, MonthWorked]:
    """What each person worked in the month that begins on this day.

    `organs`: only what they worked there and below; None: wherever they served.
    """
    last, years = last_of(month), dict(law().calendar)
    since, until = rules.start_of_day(rules.asked_from(month)), rules.start_of_day(last + A_DAY)
    rows = await fetch(SHIFTS, list(persons), since, max(since, min(until, now)), organs)
    taken = {row["person"]: row["minutes"] for row in await fetch(TAKEN, list(persons), month, organs)}
    shifts: dict[UUID, list[Record]] = {}
    for row in rows:
        shifts.setdefault(row["person"], []).append(row)
    return {
        person: _month(shifts.get(person, []), (month, last), years, now, taken.get(person, 0)) for person in persons
    }


def announced(month: date) -> bool:
    """Whether the State Council has announced the days off of this month, as far as is known here."""
    return is_announced(month.year, law().calendar)


async def take_time_off(occasion: Occasion, entry: TakeTimeOff) -> Outcome:
    """Grant time off. Raises Refusal `unknown_person`, `own_matter`, `time_off_that_day`, `time_off_not_owed`."""
    organ = await _commanded(occasion.actor, entry.person, entry.on_day)
    month = first_of(entry.month)
    if await TimeOff.exists().where(
        TimeOff.person == entry.person,
        TimeOff.month == month,
        TimeOff.on_day == entry.on_day,
        TimeOff.withdrawn_at.is_null(),
    ):
        raise Refusal("time_off_that_day")
    owed = (await months([entry.person], month, occasion.timing.as_of))[entry.person].owed
    if timedelta(minutes=entry.minutes) > owed:
        raise Refusal("time_off_not_owed", extra={"owed_min": minutes(max(NONE, owed))})
    await TimeOff.insert(
        TimeOff(
            id=entry.id, person=entry.person, organ=organ, month=month, on_day=entry.on_day, minutes=entry.minutes,
            words=entry.words, by_person=occasion.actor.person, at=occasion.at,
        )
    )  # fmt: skip
    return await _outcome(occasion, entry.id)


async def withdraw_time_off(occasion: Occasion, entry: WithdrawTimeOff) -> Outcome:
    """Withdraw time off. Raises Refusal `unknown_time_off`, `own_matter`, `time_off_withdrawn`."""
    row = await TimeOff.select().where(TimeOff.id == entry.time_off).first()
    if row is None or not await reaches(occasion.actor, row["organ"], COMMANDING):
        raise Unknown("unknown_time_off", entry.time_off)
    if row["person"] == occasion.actor.person:
        raise Refusal("own_matter")
    if row["withdrawn_at"] is not None:
        raise Refusal("time_off_withdrawn")
    await TimeOff.update(
        {
            TimeOff.withdrawn_by: occasion.actor.person,
            TimeOff.withdrawn_at: occasion.at,
            TimeOff.withdrawn_why: entry.why,
        }
    ).where(TimeOff.id == row["id"])
    return await _outcome(occasion, row["id"])


async def concerned(actor: Actor, entry: TakeTimeOff | WithdrawTimeOff) -> Iterable[UUID]:
    """The persons whom an entry about time off concerns: the actor and the person who takes it."""
    if isinstance(entry, TakeTimeOff):
        return (actor.person, entry.person)
    person = await value("SELECT person FROM time_off WHERE id = $1", entry.time_off)
    return (actor.person,) if person is None else (actor.person, person)


async def refresh_overtime(now: datetime) -> int:
    """Add or withdraw findings about hours, for this month and the one before: overtime beyond the month's limit, too
    long a day, a week without rest.

    They are against the organ. Returns how many stand.
    """
    today = day_of(now)
    this = today.replace(day=1)
    standing = 0
    for month in (this, (this - A_DAY).replace(day=1)):
        async with tx():
            standing += await _refresh_month(month, now) + await limits.refresh(month, last_of(month), now)
    return standing


def minutes(span: timedelta) -> int:
    """Whole minutes, rounded down."""
    return span // timedelta(minutes=1)


def first_of(month: str) -> date:
    """The first day of a month such as 2026-03."""
    return date.fromisoformat(f"{month}-01")


def last_of(month: date) -> date:
    """The last day of the month that begins on this day."""
    return (month + 31 * A_DAY).replace(day=1) - A_DAY


async def _commanded(actor: Actor, person: UUID, day: date) -> str:
    """The organ in which a person whom the actor commands serves on this day.

    Raises Refusal `unknown_person`, `own_matter`.
    """
    organ = await value(ORGAN_THAT_DAY, person, day)
    if organ is None or not await reaches(actor, organ, COMMANDING):
        raise Unknown("unknown_person", person)
    if person == actor.person:
        raise Refusal("own_matter")
    return str(organ)


def _month(
    rows: Sequence[Record], month: tuple[date, date], years: Mapping[str, Year], now: datetime, taken: int
) -> MonthWorked:
    """One person's month. `rows`: their shifts in its weeks; `month`: its first and last day; `years`: what is told of
    years; `taken`: minutes of time off taken."""
    current = law()
    norms = Norms(current.span("working_day"), current.span("working_week"))
    counted = {row["id"]: _counted_until(row, now) for row in rows if row["in_force"]}
    spans = [
        DutySpan(row["started_at"], counted[row["id"]] or row["ended_at"] or now, row["duty_type"])
        for row in rows if row["in_force"]
    ]  # fmt: skip
    since, until = rules.start_of_day(month[0]), rules.start_of_day(month[1] + A_DAY)
    inside = [row for row in rows if row["started_at"] < until and (row["ended_at"] or now) > since]
    return MonthWorked(
        rules.days(spans, lambda day: kind_of(day, years), norms, *month),
        any(row["ended_at"] is None and row["in_force"] for row in inside),
        sum(not row["in_force"] for row in inside),
        sum(counted.get(row["id"]) is not None for row in inside),
        timedelta(minutes=taken),
    )


def _counted_until(row: Record, now: datetime) -> datetime | None:
    """Until when this shift counts where nobody checked out in time; None: all of it counts."""
    return counted_until(
        row["started_at"], row["ended_at"], row["ended_by"], now, law().span("unfinished_shift_ceiling")
    )


async def _refresh_month(month: date, now: datetime) -> int:
    """Add or withdraw the finding of everybody who worked in this month. Returns how many stand."""
    limit = law().span("overtime_month")
    since, until = rules.start_of_day(month), rules.start_of_day(last_of(month) + A_DAY)
    organs = {row["person"]: row["organ"] for row in await fetch(WORKED_IN, since, until)}
    over = 0
    for person, worked in (await months(list(organs), month, now)).items():
        subject = uuid5(MONTHS, f"{person}/{month:%Y-%m}")
        if worked.overtime <= limit:
            await findings.withdraw("overtime_limit", subject)
            continue
        over += 1
        await findings.flag(
            Finding(
                kind="overtime_limit", subject=subject, organ=organs[person], person=person, against_organ=True,
                started_at=since, ended_at=until,
            )
        )  # fmt: skip
    return over


async def _outcome(occasion: Occasion, time_off: UUID) -> Outcome:
    row: Any = await TimeOff.select().where(TimeOff.id == time_off).first()
    worked = (await months([row["person"]], row["month"], occasion.timing.as_of))[row["person"]]
    standing = {
        "id": str(time_off),
        "person": str(row["person"]),
        "month": f"{row['month']:%Y-%m}",
        "on_day": row["on_day"].isoformat(),
        "minutes": row["minutes"],
        "withdrawn": row["withdrawn_at"] is not None,
        "owed_min": minutes(worked.owed),
    }
    return Outcome(subject={"time_off": standing}, subjects=[time_off, row["person"]], organ=row["organ"])
