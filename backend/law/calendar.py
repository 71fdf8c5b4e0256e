"""Tells what kind of day a date is in China: working day, rest day or statutory holiday. Pure.

Statutory days follow from the national rule (holidays.toml) for every year: days of the Gregorian calendar, of the
lunar calendar, and Qingming. Which other days are rested, and which weekend days are worked instead, the State Council
announces each November for the next year: the `chinesecalendar` library knows that, or a notice that was taken in
(notices.py), or calendar.toml of a law directory. Until then a year counts by its weekends and statutory days, and
`is_announced` says so.
"""

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import chinese_calendar
import cnlunar
import msgspec

DayKind = Literal["work", "rest", "holiday"]
SATURDAY = 5
RECKONED = range(1901, 2100)  # years of which the libraries know the moon and the sun
A_DAY = timedelta(days=1)


class Year(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is told of one year. `statutory`: in place of the rule. `rest` and `work`: both are given, or neither is."""

    source: Annotated[str, msgspec.Meta(min_length=1)]
    statutory: Annotated[list[date], msgspec.Meta(min_length=1)] | None = None
    rest: list[date] | None = None
    work: list[date] | None = None


class Edition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rule on statutory days as it is from the year `since` on; holidays.toml explains each field."""

    since: int
    source: Annotated[str, msgspec.Meta(min_length=1)]
    gregorian: tuple[tuple[int, int], ...]
    lunar: tuple[tuple[int, int], ...]
    qingming: bool

    def days(self) -> int:
        """How many days the rule names."""
        return len(self.gregorian) + len(self.lunar) + self.qingming


class HolidayRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """holidays.toml: the editions of the national rule, the oldest first."""

    editions: dict[str, Edition]


RULE = msgspec.convert(
    tomllib.loads((Path(__file__).parent / "holidays.toml").read_text(encoding="utf-8")), HolidayRule
)
EDITIONS = sorted(RULE.editions.values(), key=lambda edition: edition.since)


def kind_of(day: date, years: Mapping[str, Year]) -> DayKind:
    """The kind of this day. `years`: what is told of single years."""
    if day in statutory(day.year, years):
        return "holiday"
    told = years.get(str(day.year))
    weekend = day.weekday() >= SATURDAY
    if told is not None and told.rest is not None and told.work is not None:
        rests = day in told.rest or (weekend and day not in told.work)
    else:
        rests = bool(chinese_calendar.is_holiday(day)) if _library_knows(day.year) else weekend
    return "rest" if rests else "work"


def is_announced(year: int, years: Mapping[str, Year]) -> bool:
    """Whether it is known which days of the year are rested and which weekend days are worked instead."""
    told = years.get(str(year))
    return (told is not None and told.rest is not None) or _library_knows(year)


def statutory(year: int, years: Mapping[str, Year]) -> frozenset[date]:
    """The statutory days of a year: as told, else by the rule."""
    told = years.get(str(year))
    return by_rule(year) if told is None or told.statutory is None else frozenset(told.statutory)


@cache
def by_rule(year: int) -> frozenset[date]:
    """The statutory days of a year by the rule of that time.

    Where two fall on one day, as Mid-Autumn of 2020 and 1 October, the day is one. Of a year for which nobody has
    reckoned the moon yet, only those of the Gregorian calendar.
    """
    edition = edition_of(year)
    if year not in RECKONED:
        return frozenset(date(year, *day) for day in edition.gregorian)
    days = {date(year, *day) for day in edition.gregorian} | {lunar_day(year, *day) for day in edition.lunar}
    return frozenset(days | ({qingming(year)} if edition.qingming else set()))


def edition_of(year: int) -> Edition:
    """The edition of the rule that is in force in a year. Of years before 2000 nothing is kept; they count as 2000."""
    return [edition for edition in EDITIONS if edition.since <= max(year, EDITIONS[0].since)][-1]


def lunar_day(year: int, month: int, day: int) -> date:
    """The date of a day of the lunar year that begins in `year`; day 0: the day before the first of the month."""
    begins = date(year, 1, 20) + 29 * (month - 1) * A_DAY  # no month begins earlier, or two months later
    while not _is_first_of(begins, month):
        begins += A_DAY
    return begins + (day - 1) * A_DAY


def _is_first_of(day: date, month: int) -> bool:
    """Whether a month of the lunar calendar begins on this day; of two with one number the first, which is no leap."""
    moon = _noon(day)
    return (moon.lunarMonth, moon.lunarDay, moon.isLunarLeapMonth) == (month, 1, False)


def qingming(year: int) -> date:
    """The date of Qingming: the day on which the sun reaches 15 degrees, by the clocks of China."""
    return date(year, *_noon(date(year, 4, 1)).thisYearSolarTermsDic["清明"])


def _noon(day: date) -> Any:
    return cnlunar.Lunar(datetime.combine(day, time(12)))


@cache
def _library_knows(year: int) -> bool:
    """Whether `chinesecalendar` has the notice of this year."""
    try:
        chinese_calendar.is_holiday(date(year, 1, 1))
    except NotImplementedError:
        return False
    return True


def rests_that_nothing_balances(year: int, told: Year) -> int:
    """How many rest days too many (below 0: too few) a notice gives, where each is worked at a weekend instead.

    A statutory day that falls on a weekend, or on another statutory day, gives a rest day too (办法 6). A number other
    than 0 is mostly a slip of the pen; the State Council has given days beyond the rule in single years.
    """
    holidays, rest, edition = statutory(year, {str(year): told}), {*(told.rest or ())}, edition_of(year)
    given = [day for day in rest if day.weekday() < SATURDAY and day not in holidays]
    owed = [day for day in holidays if day.weekday() >= SATURDAY]
    together = 0 if told.statutory else edition.days() - len(holidays)
    return len(given) - len(owed) - together - len({*(told.work or ())})
