"""Hours of a month (R.25): split at midnight, compared with daily and weekly norms, nothing counted twice or lost."""

from datetime import UTC, date, datetime, timedelta

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.hours.rules import CHINA, NONE, DayWorked, DutySpan, Norms, days, overtime
from backend.law.calendar import CalendarUnknown, DayKind, Year, kind_of
from backend.law.catalogue import law

NORMS = Norms(timedelta(hours=8), timedelta(hours=40))
HOUR = timedelta(hours=1)


def kind(day: date) -> DayKind:
    return kind_of(day, law().calendar)


def at(day: int, hour: float, month: int = 3) -> datetime:
    return datetime(2026, month, day, tzinfo=CHINA) + hour * HOUR


def month(*spans: tuple[datetime, datetime, str], of: int = 3) -> list[DayWorked]:
    last = (date(2026, of, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return days([DutySpan(*span) for span in spans], kind, NORMS, date(2026, of, 1), last)


def worked(*spans: tuple[datetime, datetime], of: int = 3) -> dict[str, float]:
    result = month(*((*span, "patrol") for span in spans), of=of)
    return {
        name: sum((getattr(day, name) for day in result), NONE) / HOUR
        for name in ("worked", "beyond_day", "beyond_week", "rest_day", "holiday")
    }


def total(**hours: float) -> dict[str, float]:
    return dict.fromkeys(("worked", "beyond_day", "beyond_week", "rest_day", "holiday"), 0.0) | hours


def test_a_working_day_beyond_eight_hours() -> None:
    assert total(worked=10, beyond_day=2) == worked((at(2, 8), at(2, 18)))


def test_two_duties_of_a_day_are_one_day() -> None:
    assert total(worked=9, beyond_day=1) == worked((at(2, 8), at(2, 13)), (at(2, 14), at(2, 18)))


def test_a_duty_across_midnight_is_split_between_the_days() -> None:
    """Monday 20:00 to Tuesday 06:00: neither day is beyond eight."""
    result = month((at(2, 20), at(2, 30), "patrol"))
    assert [(2, 4.0), (3, 6.0)] == [(day.day.day, day.worked / HOUR) for day in result if day.worked]


def test_beyond_forty_hours_a_week_without_what_is_beyond_the_day() -> None:
    """Five days of nine: one beyond each day; beyond the week only where a week has six working days."""
    assert total(worked=45, beyond_day=5) == worked(*((at(day, 8), at(day, 17)) for day in range(2, 7)))
    assert total(worked=48, rest_day=8) == worked(*((at(day, 8), at(day, 16)) for day in range(2, 8)))
    week = [(at(day, 8, 10), at(day, 16, 10)) for day in (5, 6, 7, 8, 9, 10)]  # 10 October 2026 is worked instead
    assert total(worked=48, rest_day=24) == worked(*week, of=10)
    week = [(at(day, 8, 5), at(day, 16, 5)) for day in (4, 5, 6, 7, 8, 9)]  # 9 May is worked, 4 and 5 are rest days
    assert total(worked=48, rest_day=16) == worked(*week, of=5)
    long = [(at(day, 8, 9), at(day, 16, 9)) for day in (14, 15, 16, 17, 18, 20)]  # 20 September is a worked Sunday
    assert total(worked=48, beyond_week=8) == worked(*long, of=9)


def test_a_week_across_the_months_edge_is_one_week() -> None:
    """Monday to Wednesday in June, Thursday and Friday in July: one weekly norm; each month shows its own days."""
    week = [(at(29, 8, 6) + timedelta(days=n), at(29, 18, 6) + timedelta(days=n)) for n in range(5)]
    assert total(worked=20, beyond_day=4) == worked(*week, of=6)
    assert total(worked=30, beyond_day=6) == worked(*week, of=7)
    six = [(at(14, 8, 9) + timedelta(days=n), at(14, 16, 9) + timedelta(days=n)) for n in range(7) if n != 5]
    whole = days([DutySpan(*span, "post") for span in six], kind, NORMS, date(2026, 9, 20), date(2026, 9, 20))
    assert [8 * HOUR] == [day.beyond_week for day in whole]


def test_a_holidays_edge() -> None:
    """From the evening before the Spring Festival into it; the days around it are rest days, 14 February is worked."""
    assert total(worked=10, holiday=6, rest_day=4) == worked((at(15, 20, 2), at(15, 30, 2)), of=2)
    assert total(worked=8) == worked((at(14, 8, 2), at(14, 16, 2)), of=2)
    assert total(worked=8, rest_day=8) == worked((at(23, 8, 2), at(23, 16, 2)), of=2)


def test_watch_and_standby_are_counted_separately() -> None:
    result = month((at(7, 8), at(7, 20), "watch"), (at(8, 8), at(8, 20), "standby"))
    assert (12 * HOUR, 12 * HOUR, NONE) == (result[6].watch, result[7].standby, overtime(result, NONE))


def test_time_off_taken_for_rest_days_is_no_overtime() -> None:
    result = month((at(7, 8), at(7, 16), "patrol"), (at(2, 8), at(2, 18), "patrol"))
    assert [10 * HOUR, 7 * HOUR, 2 * HOUR, 2 * HOUR] == [overtime(result, n * HOUR) for n in (0, 3, 8, 9)]


SPANS = some.lists(
    some.tuples(
        some.integers(-5 * 24 * 60, 40 * 24 * 60),
        some.integers(1, 30 * 60),
        some.sampled_from(["patrol", "watch", "post"]),
    ),
    max_size=30,
).map(
    lambda drawn: [
        DutySpan(at(1, 0) + minute * HOUR / 60, at(1, 0) + (minute + length) * HOUR / 60, duty)
        for minute, length, duty in drawn
    ]
)


@given(SPANS, some.randoms())
def test_nothing_is_lost_counted_twice_or_moved_by_order(spans: list[DutySpan], random: object) -> None:
    """However the duties are cut and shuffled: the same days; what is beyond is never more than what was worked."""
    first, last = date(2026, 3, 1), date(2026, 3, 31)
    result = days(spans, kind, NORMS, first, last)
    halves = [
        DutySpan(*ends, span.duty_type)
        for span in spans
        for middle in [span.started_at + (span.ended_at - span.started_at) / 2]
        for ends in ((span.started_at, middle), (middle, span.ended_at))
    ]
    random.shuffle(halves)  # type: ignore[attr-defined]
    assert result == days(halves, kind, NORMS, first, last)
    assert [first + timedelta(days=n) for n in range(31)] == [day.day for day in result]
    inside = (min(s.ended_at, at(1, 31 * 24)) - max(s.started_at, at(1, 0)) for s in spans)
    assert sum((max(NONE, span) for span in inside), NONE) == sum((d.worked + d.watch for d in result), NONE)
    for day in result:
        beyond = day.beyond_day + day.beyond_week + day.rest_day + day.holiday
        assert NONE <= beyond <= day.worked
        assert day.worked - beyond <= NORMS.day or day.kind != "work"


@given(some.datetimes(datetime(2025, 1, 1), datetime(2026, 11, 30)), some.integers(1, 2000))
def test_the_offset_of_a_time_does_not_matter(start: datetime, minutes: int) -> None:
    """A shift given in UTC is the same shift given in China time."""
    began = start.replace(tzinfo=UTC)
    span = DutySpan(began, began + minutes * HOUR / 60, "patrol")
    same = DutySpan(span.started_at.astimezone(CHINA), span.ended_at.astimezone(CHINA), "patrol")
    day = began.astimezone(CHINA).date()
    assert days([span], kind, NORMS, day, day) == days([same], kind, NORMS, day, day)


# -- the calendar


@pytest.mark.parametrize("name", sorted(law().calendar))
def test_the_statutory_days_are_rest_days_of_the_library_too(name: str) -> None:
    """Two independent sources agree: eleven days until 2024, thirteen since."""
    year = law().calendar[name]
    assert (11 if name <= "2024" else 13) == len(set(year.statutory))
    assert all(chinese_calendar.is_holiday(day) for day in year.statutory)
    for day in year.statutory:
        assert chinese_calendar.get_holiday_detail(day)[1] is not None


def test_a_year_without_a_calendar_is_refused() -> None:
    with pytest.raises(CalendarUnknown) as raised:
        kind(date(2031, 5, 1))
    assert 2031 == raised.value.year
    with pytest.raises(CalendarUnknown):
        kind_of(date(2031, 5, 4), {"2031": Year(statutory=[date(2031, 5, 1)], source="test")})


def test_a_year_may_be_given_by_the_file_alone() -> None:
    year = Year(statutory=[date(2031, 5, 1)], rest=[date(2031, 5, 2)], work=[date(2031, 5, 4)], source="test")
    kinds = [kind_of(date(2031, 5, day), {"2031": year}) for day in (1, 2, 3, 4, 5)]
    assert ["holiday", "rest", "rest", "work", "work"] == kinds
