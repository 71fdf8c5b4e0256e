"""Hours worked by day, and what of them is beyond the norm. Pure.

Source: R.25; 劳动法 36, 41, 44: beyond eight hours a day or forty a week on working days, work on rest days (time off
instead), work on statutory holidays; watch and standby are counted by themselves (DOMAIN §5).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

DayKind = Literal["work", "rest", "holiday"]
CHINA = ZoneInfo("Asia/Shanghai")  # China has one legal time
NONE = timedelta()
A_DAY = timedelta(days=1)
WATCHES = frozenset({"watch", "standby"})


class Span(NamedTuple):
    """A shift in force: aware times; one that is not ended has its end as it counts."""

    started_at: datetime
    ended_at: datetime
    duty_type: str


class Norms(NamedTuple):
    """How much is worked in a day and a week, ordinarily."""

    day: timedelta
    week: timedelta


class Day(NamedTuple):
    """One day. Of `worked`: beyond the day's norm, then beyond the week's, or all of it on a rest day or holiday."""

    day: date
    kind: DayKind
    worked: timedelta = NONE
    watch: timedelta = NONE
    standby: timedelta = NONE
    beyond_day: timedelta = NONE
    beyond_week: timedelta = NONE
    rest_day: timedelta = NONE
    holiday: timedelta = NONE


def days(spans: Iterable[Span], kind_of: Callable[[date], DayKind], norms: Norms, first: date, last: date) -> list[Day]:
    """Every day from `first` to `last`. The spans must cover the whole weeks of both (`week_of`)."""
    split = _split(spans)
    told: list[Day] = []
    monday, until = week_of(first)[0], week_of(last)[1]
    while monday <= until:
        told += _week(monday, split, kind_of, norms, first, last)
        monday += 7 * A_DAY
    return told


def week_of(day: date) -> tuple[date, date]:
    """Monday and Sunday of its week."""
    monday = day - day.weekday() * A_DAY
    return monday, monday + 6 * A_DAY


def begins(day: date) -> datetime:
    """Midnight in China."""
    return datetime.combine(day, time(), CHINA)


def overtime(told: Sequence[Day], taken: timedelta) -> timedelta:
    """What counts towards the month's limit: rest days only as far as no time off was taken for them."""
    beyond = sum((day.beyond_day + day.beyond_week + day.holiday for day in told), NONE)
    return beyond + max(NONE, sum((day.rest_day for day in told), NONE) - taken)


def _split(spans: Iterable[Span]) -> dict[tuple[date, str], timedelta]:
    """How long each kind of duty was done on each day."""
    told: dict[tuple[date, str], timedelta] = {}
    for span in spans:
        start, end = span.started_at.astimezone(CHINA), span.ended_at.astimezone(CHINA)
        while start < end:
            midnight = begins(start.date() + A_DAY)
            part = min(end, midnight)
            key = (start.date(), span.duty_type if span.duty_type in WATCHES else "worked")
            told[key] = told.get(key, NONE) + (part - start)
            start = part
    return told


def _week(
    monday: date, split: dict[tuple[date, str], timedelta], kind_of: Callable[[date], DayKind], norms: Norms,
    first: date, last: date,
) -> Iterable[Day]:  # fmt: skip
    """The days of one week within the range; the days outside it count towards the week's norm."""
    ordinary = NONE
    for day in (monday + number * A_DAY for number in range(7)):
        worked = split.get((day, "worked"), NONE)
        outside = not first <= day <= last
        if outside and not worked:
            continue
        kind = kind_of(day)
        beyond_day = max(NONE, worked - norms.day) if kind == "work" else NONE
        within = worked - beyond_day if kind == "work" else NONE
        beyond_week = min(within, max(NONE, ordinary + within - norms.week))
        ordinary += within
        if not outside:
            yield Day(
                day, kind, worked, split.get((day, "watch"), NONE), split.get((day, "standby"), NONE), beyond_day,
                beyond_week, worked if kind == "rest" else NONE, worked if kind == "holiday" else NONE,
            )  # fmt: skip
