"""Compute the hours worked on each day, and how much of them is beyond the norm. Pure.

Source: R.25; 劳动法 36, 41, 44: overtime is work beyond eight hours a day or forty a week on working days, work on rest
days (with time off instead), and work on statutory holidays. Watch and standby are counted separately (DOMAIN §5).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from backend.core.days import CHINA as CHINA
from backend.core.days import start_of_day as start_of_day

DayKind = Literal["work", "rest", "holiday"]
NONE = timedelta()
A_DAY = timedelta(days=1)
WATCHES = frozenset({"watch", "standby"})


class DutySpan(NamedTuple):
    """A shift in force, as far as it counts. Times have an offset."""

    started_at: datetime
    ended_at: datetime
    duty_type: str


class Norms(NamedTuple):
    """The normal working time of a day and of a week."""

    day: timedelta
    week: timedelta


class DayWorked(NamedTuple):
    """The hours of one day.

    The last four are parts of `worked`: beyond the daily norm, beyond the weekly norm, on a rest day, on a holiday.
    """

    day: date
    kind: DayKind
    worked: timedelta = NONE
    watch: timedelta = NONE
    standby: timedelta = NONE
    beyond_day: timedelta = NONE
    beyond_week: timedelta = NONE
    rest_day: timedelta = NONE
    holiday: timedelta = NONE


def days(
    spans: Iterable[DutySpan], kind_of: Callable[[date], DayKind], norms: Norms, first: date, last: date
) -> list[DayWorked]:
    """The hours of every day from `first` to `last`. The spans must cover the whole weeks of both (`week_of`)."""
    by_day = _by_day(spans)
    worked: list[DayWorked] = []
    monday, until = week_of(first)[0], week_of(last)[1]
    while monday <= until:
        worked += _week(monday, by_day, kind_of, norms, first, last)
        monday += 7 * A_DAY
    return worked


def week_of(day: date) -> tuple[date, date]:
    """Monday and Sunday of the week of a day."""
    monday = day - day.weekday() * A_DAY
    return monday, monday + 6 * A_DAY


def overtime(days: Sequence[DayWorked], taken: timedelta) -> timedelta:
    """Overtime that counts towards the month's limit: work on rest days less the time off taken for it."""
    beyond = sum((day.beyond_day + day.beyond_week + day.holiday for day in days), NONE)
    return beyond + max(NONE, sum((day.rest_day for day in days), NONE) - taken)


def _by_day(spans: Iterable[DutySpan]) -> dict[tuple[date, str], timedelta]:
    """How long each kind of duty was done on each day: `worked`, `watch` or `standby`."""
    totals: dict[tuple[date, str], timedelta] = {}
    for span in spans:
        start, end = span.started_at.astimezone(CHINA), span.ended_at.astimezone(CHINA)
        while start < end:
            midnight = start_of_day(start.date() + A_DAY)
            part = min(end, midnight)
            key = (start.date(), span.duty_type if span.duty_type in WATCHES else "worked")
            totals[key] = totals.get(key, NONE) + (part - start)
            start = part
    return totals


def _week(
    monday: date, by_day: dict[tuple[date, str], timedelta], kind_of: Callable[[date], DayKind], norms: Norms,
    first: date, last: date,
) -> Iterable[DayWorked]:  # fmt: skip
    """The days of one week that lie in the range. Days outside it still count towards the weekly norm."""
    ordinary = NONE
    for day in (monday + number * A_DAY for number in range(7)):
        worked = by_day.get((day, "worked"), NONE)
        outside = not first <= day <= last
        if outside and not worked:
            continue
        kind = kind_of(day)
        beyond_day = max(NONE, worked - norms.day) if kind == "work" else NONE
        within = worked - beyond_day if kind == "work" else NONE
        beyond_week = min(within, max(NONE, ordinary + within - norms.week))
        ordinary += within
        if not outside:
            yield DayWorked(
                day, kind, worked, by_day.get((day, "watch"), NONE), by_day.get((day, "standby"), NONE), beyond_day,
                beyond_week, worked if kind == "rest" else NONE, worked if kind == "holiday" else NONE,
            )  # fmt: skip
