"""Tells what kind of day a date is in China: working day, rest day or statutory holiday. Pure.

Statutory holidays are in calendar.toml. Rest days and shifted working days come from there where the year gives them,
else from the `chinesecalendar` library. A year that neither of them knows raises an error; nothing is guessed.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

import chinese_calendar
import msgspec

DayKind = Literal["work", "rest", "holiday"]
SATURDAY = 5


class Year(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One year of calendar.toml. `rest` and `work` are both given, or both come from the library."""

    statutory: Annotated[list[date], msgspec.Meta(min_length=1)]
    source: Annotated[str, msgspec.Meta(min_length=1)]
    rest: list[date] | None = None
    work: list[date] | None = None


class CalendarUnknown(Exception):
    """The working days of this year are not known."""

    def __init__(self, year: int) -> None:
        super().__init__(str(year))
        self.year = year


def kind_of(day: date, years: Mapping[str, Year]) -> DayKind:
    """The kind of this day. Raises CalendarUnknown."""
    year = years.get(str(day.year))
    if year is None:
        raise CalendarUnknown(day.year)
    if day in year.statutory:
        return "holiday"
    if year.rest is not None and year.work is not None:
        rests = day in year.rest or (day.weekday() >= SATURDAY and day not in year.work)
    else:
        rests = _rests_by_library(day)
    return "rest" if rests else "work"


def _rests_by_library(day: date) -> bool:
    try:
        return bool(chinese_calendar.is_holiday(day))
    except NotImplementedError:
        raise CalendarUnknown(day.year) from None
