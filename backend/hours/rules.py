"""Compute the hours worked on each day, and how much of them is beyond the norm. Pure.

A duty is judged as one: it belongs to the day, and the week, on which it begins, also where it ends on the next. Its
hours are shown on the days, and paid by the kind of the days, on which they were worked.
Source: R.25; 劳动法 36, 38, 41, 44: overtime is work beyond eight hours a day or forty a week on working days, work on
rest days (with time off instead), and work on statutory holidays; it is at most three hours a day; a day of each week
is rest. Watch and standby are counted separately (DOMAIN §5).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    """The hours of every day from `first` to `last`. The spans must reach back to `asked_from(first)`.

    Nothing after `last` is looked at: it changes nothing before.
    """
    totals = {first + number * A_DAY: dict[str, timedelta]() for number in range((last - first).days + 1)}
    worked: dict[tuple[date, date], timedelta] = {}
    for span in spans:
        for begun, day, length in _pieces(span):
            _add(totals, day, span.duty_type if span.duty_type in WATCHES else "worked", length)
            if span.duty_type not in WATCHES and day <= last:
                worked[begun, day] = worked.get((begun, day), NONE) + length
    for day, name, length in _beyond(worked, kind_of, norms):
        _add(totals, day, name, length)
    return [DayWorked(day, kind_of(day), **parts) for day, parts in totals.items()]


def asked_from(first: date) -> date:
    """The day from which duties are needed for the hours from `first` on: a duty that ends on `first` may have begun in
    the week before, and counts towards that week."""
    return week_of(week_of(first)[0] - A_DAY)[0]


def week_of(day: date) -> tuple[date, date]:
    """Monday and Sunday of the week of a day."""
    monday = day - day.weekday() * A_DAY
    return monday, monday + 6 * A_DAY


def overtime(days: Sequence[DayWorked], taken: timedelta) -> timedelta:
    """Overtime that counts towards the month's limit: work on rest days less the time off taken for it."""
    beyond = sum((day.beyond_day + day.beyond_week + day.holiday for day in days), NONE)
    return beyond + max(NONE, sum((day.rest_day for day in days), NONE) - taken)


def too_long(spans: Iterable[DutySpan], norm: timedelta, most: timedelta) -> list[date]:
    """The days whose duties, each as a whole, are longer than the daily norm by more than `most` (劳动法 41).

    Watch and standby do not count.
    """
    lengths: dict[date, timedelta] = {}
    for span in spans:
        if span.duty_type not in WATCHES:
            day = span.started_at.astimezone(CHINA).date()
            lengths[day] = lengths.get(day, NONE) + (span.ended_at - span.started_at)
    return sorted(day for day, length in lengths.items() if length > norm + most)


def has_rest(spans: Iterable[DutySpan], monday: date, rest: timedelta) -> bool:
    """Whether `rest` on end without any duty begins in the week from this Monday (劳动法 38).

    The spans must reach from the week's beginning to `rest` after its end.
    """
    since, until = start_of_day(monday), start_of_day(monday + 7 * A_DAY)
    busy = sorted((span.started_at, span.ended_at) for span in spans if span.ended_at >= since)
    free_from = since
    for started_at, ended_at in busy:
        if free_from >= until or started_at - free_from >= rest:
            break
        free_from = max(free_from, ended_at)
    return free_from < until


def _pieces(span: DutySpan) -> Iterator[tuple[date, date, timedelta]]:
    """The day on which a duty began, and how long it lasted on each day."""
    start, end = span.started_at.astimezone(CHINA), span.ended_at.astimezone(CHINA)
    begun, since = start.date(), start
    while since < end:
        until = min(end, start_of_day(since.date() + A_DAY))
        yield begun, since.date(), until - since
        since = until


def _beyond(
    worked: Mapping[tuple[date, date], timedelta], kind_of: Callable[[date], DayKind], norms: Norms
) -> Iterator[tuple[date, str, timedelta]]:
    """What is paid beyond the norm, by the day on which it was worked.

    `worked`: by the day on which a duty began, and the day. The norm of the day and of the week in which it began is
    used up in order: the last hours are beyond it.
    """
    by_day, by_week = dict[date, timedelta](), dict[date, timedelta]()
    for (begun, day), length in sorted(worked.items()):
        kind, monday = kind_of(day), week_of(begun)[0]
        if kind != "work":
            yield day, "rest_day" if kind == "rest" else "holiday", length
            continue
        done, ordinary = by_day.get(begun, NONE), by_week.get(monday, NONE)
        beyond_day = min(length, max(NONE, done + length - norms.day))
        within = length - beyond_day
        beyond_week = min(within, max(NONE, ordinary + within - norms.week))
        by_day[begun], by_week[monday] = done + length, ordinary + within
        yield day, "beyond_day", beyond_day
        yield day, "beyond_week", beyond_week


def _add(totals: dict[date, dict[str, timedelta]], day: date, name: str, length: timedelta) -> None:
    """Add to a day's total; days that are not asked for are left out."""
    if day in totals:
        totals[day][name] = totals[day].get(name, NONE) + length
