"""Hours of a month from the check-ins in force, time off for them, and the monthly limit.

Guarantees: nothing is kept that follows from shifts, so a correction that comes in late is in the next answer; no more
time off is taken than was worked on rest days of its month, as far as is known then; a month that touches a year which
no calendar knows is refused, never guessed. Source: R.25; 劳动法 36, 41, 44.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import structlog

from backend.core import findings
from backend.core.database import Record, execute, fetch, first, tx, value
from backend.core.findings import Finding
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, reaches
from backend.hours import rules
from backend.hours.rules import A_DAY, NONE, Day, Norms, Span
from backend.hours.schemas import TakeTimeOff, WithdrawTimeOff
from backend.law.calendar import CalendarUnknown, kind_of
from backend.law.catalogue import law

MONTHS = UUID("6f1f6c0e-5b5c-5e0a-9d2f-0f4a4e5d8c11")  # names a person's month: uuid5 of "person/2026-03"
SHIFTS = """
SELECT person, started_at, ended_at, duty_type, in_force FROM shift
WHERE person = ANY ($1) AND during && tstzrange($2, $3) ORDER BY person, started_at
"""
TAKEN = """
SELECT person, sum(minutes)::integer AS minutes FROM time_off
WHERE person = ANY ($1) AND month = $2 AND withdrawn_at IS NULL GROUP BY person
"""
INSERT = """
INSERT INTO time_off (id, person, organ, month, on_day, minutes, words, by_person, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
SAME_DAY = "SELECT count(*) FROM time_off WHERE person = $1 AND month = $2 AND on_day = $3 AND withdrawn_at IS NULL"
WITHDRAW = "UPDATE time_off SET withdrawn_by = $2, withdrawn_at = $3, withdrawn_why = $4 WHERE id = $1"
WORKED_IN = """
SELECT DISTINCT h.person, p.organ FROM shift h JOIN person p ON p.id = h.person WHERE h.during && tstzrange($1, $2)
"""
log = structlog.get_logger()


class Month(NamedTuple):
    """What one person worked in a month. `contested`: shifts that count for nothing until a person resolves them."""

    days: list[Day]
    unfinished: bool
    contested: int
    taken: timedelta

    def total(self, name: str) -> timedelta:
        return sum((getattr(day, name) for day in self.days), NONE)

    @property
    def overtime(self) -> timedelta:
        return rules.overtime(self.days, self.taken)

    @property
    def owed(self) -> timedelta:
        """Time off not taken yet; less than nothing where a correction took hours away afterwards."""
        return self.total("rest_day") - self.taken


async def months(persons: Sequence[UUID], month: date, now: datetime) -> dict[UUID, Month]:
    """What each worked in the month that begins on this day. Raises Refusal `calendar_unknown`."""
    last = last_of(month)
    since, until = rules.begins(rules.week_of(month)[0]), rules.begins(rules.week_of(last)[1] + A_DAY)
    rows = await fetch(SHIFTS, list(persons), since, max(since, min(until, now)))
    taken = {row["person"]: row["minutes"] for row in await fetch(TAKEN, list(persons), month)}
    shifts: dict[UUID, list[Record]] = {}
    for row in rows:
        shifts.setdefault(row["person"], []).append(row)
    return {person: _month(shifts.get(person, []), month, last, now, taken.get(person, 0)) for person in persons}


async def take(occasion: Occasion, entry: TakeTimeOff) -> Outcome:
    """Raises Refusal `unknown_person`, `own_matter`, `calendar_unknown`, `time_off_that_day`, `time_off_not_owed`."""
    organ = await _commanded(occasion.actor, entry.person)
    month = first_of(entry.month)
    if await value(SAME_DAY, entry.person, month, entry.on_day):
        raise Refusal("time_off_that_day")
    told = (await months([entry.person], month, occasion.timing.as_of))[entry.person]
    if timedelta(minutes=entry.minutes) > told.owed:
        raise Refusal("time_off_not_owed", extra={"owed_min": minutes(max(NONE, told.owed))})
    await execute(
        INSERT, entry.id, entry.person, organ, month, entry.on_day, entry.minutes, entry.words, occasion.actor.person,
        occasion.at,
    )  # fmt: skip
    return await _outcome(occasion, entry.id)


async def withdraw(occasion: Occasion, entry: WithdrawTimeOff) -> Outcome:
    """Raises Refusal `unknown_time_off`, `own_matter`, `time_off_withdrawn`."""
    row = await first("SELECT * FROM time_off WHERE id = $1", entry.time_off)
    if row is None or not await reaches(occasion.actor, row["organ"], COMMANDING):
        raise Unknown("unknown_time_off", entry.time_off)
    if row["person"] == occasion.actor.person:
        raise Refusal("own_matter")
    if row["withdrawn_at"] is not None:
        raise Refusal("time_off_withdrawn")
    await execute(WITHDRAW, row["id"], occasion.actor.person, occasion.at, entry.why)
    return await _outcome(occasion, row["id"])


async def whose(actor: Actor, entry: TakeTimeOff | WithdrawTimeOff) -> Iterable[UUID]:
    """Whom it concerns: the actor, and who takes it."""
    if isinstance(entry, TakeTimeOff):
        return (actor.person, entry.person)
    person = await value("SELECT person FROM time_off WHERE id = $1", entry.time_off)
    return (actor.person,) if person is None else (actor.person, person)


async def look(now: datetime) -> int:
    """Who is over the limit, this month and the one before: findings against the organ. How many stand."""
    today = now.astimezone(rules.CHINA).date()
    this = today.replace(day=1)
    stand = 0
    for month in (this, (this - A_DAY).replace(day=1)):
        try:
            async with tx():
                stand += await _judge(month, now)
        except Refusal:
            log.error("no calendar for this month", month=month.isoformat())
    return stand


def minutes(span: timedelta) -> int:
    """Whole minutes; what is not a whole one is not told."""
    return span // timedelta(minutes=1)


def first_of(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def last_of(month: date) -> date:
    return (month + 31 * A_DAY).replace(day=1) - A_DAY


async def _commanded(actor: Actor, person: UUID) -> str:
    organ = await value("SELECT organ FROM person WHERE id = $1", person)
    if organ is None or not await reaches(actor, organ, COMMANDING):
        raise Unknown("unknown_person", person)
    if person == actor.person:
        raise Refusal("own_matter")
    return str(organ)


def _month(rows: Sequence[Record], month: date, last: date, now: datetime, taken: int) -> Month:
    kept = law()
    norms = Norms(kept.span("working_day"), kept.span("working_week"))
    longest = kept.span("unfinished_shift_ceiling")
    spans = [
        Span(row["started_at"], row["ended_at"] or min(now, row["started_at"] + longest), row["duty_type"])
        for row in rows if row["in_force"]
    ]  # fmt: skip
    since, until = rules.begins(month), rules.begins(last + A_DAY)
    inside = [row for row in rows if row["started_at"] < until and (row["ended_at"] or now) > since]
    try:
        told = rules.days(spans, lambda day: kind_of(day, kept.calendar), norms, month, last)
    except CalendarUnknown as unknown:
        raise Refusal("calendar_unknown", extra={"year": unknown.year}) from None
    return Month(
        told,
        any(row["ended_at"] is None and row["in_force"] for row in inside),
        sum(not row["in_force"] for row in inside),
        timedelta(minutes=taken),
    )


async def _judge(month: date, now: datetime) -> int:
    """Stand or withdraw the finding of everybody who worked in this month."""
    limit = law().span("overtime_month")
    since, until = rules.begins(month), rules.begins(last_of(month) + A_DAY)
    organs = {row["person"]: row["organ"] for row in await fetch(WORKED_IN, since, until)}
    over = 0
    for person, told in (await months(list(organs), month, now)).items():
        name = uuid5(MONTHS, f"{person}/{month:%Y-%m}")
        if told.overtime <= limit:
            await findings.withdraw("overtime_limit", name)
            continue
        over += 1
        await findings.flag(
            Finding(
                kind="overtime_limit", subject=name, organ=organs[person], person=person, against_organ=True,
                started_at=since, ended_at=until,
            )
        )  # fmt: skip
    return over


async def _outcome(occasion: Occasion, asked: UUID) -> Outcome:
    row: Any = await first("SELECT * FROM time_off WHERE id = $1", asked)
    told = (await months([row["person"]], row["month"], occasion.timing.as_of))[row["person"]]
    standing = {
        "id": str(asked),
        "person": str(row["person"]),
        "month": f"{row['month']:%Y-%m}",
        "on_day": row["on_day"].isoformat(),
        "minutes": row["minutes"],
        "withdrawn": row["withdrawn_at"] is not None,
        "owed_min": minutes(told.owed),
    }
    return Outcome(subject={"time_off": standing}, subjects=[asked, row["person"]], organ=row["organ"])
