"""Hours of a month (R.25): a duty is judged as one, shown on the days it lasted, nothing counted twice or lost."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.hours.rules import (
    CHINA,
    NONE,
    DayWorked,
    DutySpan,
    Norms,
    days,
    has_rest,
    overtime,
    start_of_day,
    too_long,
)
from backend.law.calendar import DayKind, kind_of
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


def test_a_duty_across_midnight_is_shown_on_both_days() -> None:
    """Monday 20:00 to Tuesday 06:00: ten hours of one duty; the last two, on Tuesday, are beyond eight."""
    result = month((at(2, 20), at(2, 30), "patrol"))
    assert [(2, 4.0, 0.0), (3, 6.0, 2.0)] == [
        (day.day.day, day.worked / HOUR, day.beyond_day / HOUR) for day in result if day.worked
    ]


# A duty, as (day of March 2026, hour, length), and what of it is beyond the norm. 2 March is a Monday, 7 a Saturday.
JUDGED_AS_ONE = {
    "two days of twelve": ([(3, 8, 12), (4, 8, 12)], {"worked": 24, "beyond_day": 8}),
    "two nights of twelve": ([(3, 20, 12), (4, 20, 12)], {"worked": 24, "beyond_day": 8}),
    "a night of eight": ([(3, 22, 8)], {"worked": 8}),
    "a night, and a duty on the evening it ends": ([(3, 22, 8), (4, 20, 4)], {"worked": 12}),
    "an afternoon and the night that begins on it": ([(3, 12, 4), (3, 22, 8)], {"worked": 12, "beyond_day": 4}),
    "round the clock": ([(3, 8, 24)], {"worked": 24, "beyond_day": 16}),
    "from Friday night into Saturday": ([(6, 20, 12)], {"worked": 12, "rest_day": 8}),
    "from Friday noon into Saturday": ([(6, 12, 14)], {"worked": 14, "beyond_day": 4, "rest_day": 2}),
    "from Sunday night into Monday": ([(8, 20, 12)], {"worked": 12, "rest_day": 4}),
    "five nights of eight, the first from Sunday": (
        [(8, 22, 8), *((day, 22, 8) for day in (9, 10, 11, 12))], {"worked": 40, "rest_day": 2},
    ),
    "six nights from Monday": ([(day, 22, 8) for day in range(2, 8)], {"worked": 48, "rest_day": 14}),
}  # fmt: skip


@pytest.mark.parametrize(("duties", "beyond"), JUDGED_AS_ONE.values(), ids=JUDGED_AS_ONE)
def test_a_duty_is_judged_as_one(duties: list[tuple[int, int, int]], beyond: dict[str, float]) -> None:
    """It belongs to the day and the week in which it begins, whichever days it lasts (劳动法 36, 44)."""
    assert total(**beyond) == worked(*((at(day, hour), at(day, hour + length)) for day, hour, length in duties))


def test_a_duty_from_the_week_before_counts_there() -> None:
    """Worked Sundays and a night into Monday, the first of the month: what is beyond is of the week where it began."""
    nights = [(at(14, 22, 9) + timedelta(days=n), at(14, 30, 9) + timedelta(days=n)) for n in range(7) if n != 5]
    spans = [DutySpan(*span, "post") for span in nights]  # the last one: from Sunday 20 September, worked, to Monday
    days_of = days(spans, kind, NORMS, date(2026, 9, 21), date(2026, 9, 21))
    assert [(6 * HOUR, 2 * HOUR)] == [(day.worked, day.beyond_week) for day in days_of]


def test_nothing_after_a_months_last_day_is_asked() -> None:
    """A night over New Year: of January nothing need be known to tell December, and the hours are whole."""

    def known(day: date) -> DayKind:
        assert day.year == 2026, "the calendar of the next year"
        return kind(day)

    night = [DutySpan(at(31, 20, 12), at(31, 32, 12), "patrol")]
    december = days(night, known, NORMS, date(2026, 12, 1), date(2026, 12, 31))
    january = days(night, kind, NORMS, date(2027, 1, 1), date(2027, 1, 31))
    assert 4 * HOUR == december[-1].worked
    assert (8 * HOUR, 8 * HOUR) == (january[0].worked, january[0].holiday)


LONG_DAYS = {
    "eleven hours": ([(3, 8, 11)], []),
    "more than eleven": ([(3, 8, 11.5)], [3]),
    "a night of twelve": ([(3, 20, 12)], [3]),
    "two of a day": ([(3, 6, 6), (3, 14, 6)], [3]),
    "two that touch, on two days": ([(3, 16, 8), (4, 0, 8)], []),
    "a rest day": ([(7, 8, 12)], [7]),
}


@pytest.mark.parametrize(("duties", "long"), LONG_DAYS.values(), ids=LONG_DAYS)
def test_three_hours_of_overtime_a_day_are_the_most(duties: list[tuple[int, float, float]], long: list[int]) -> None:
    """劳动法 41; a duty counts on the day where it begins; watch and standby are no overtime."""
    for kind_of_duty, expected in (("patrol", long), ("watch", []), ("standby", [])):
        spans = [DutySpan(at(day, hour), at(day, hour + length), kind_of_duty) for day, hour, length in duties]
        assert expected == [day.day for day in too_long(spans, NORMS.day, 3 * HOUR)]


# The duties of the week of Monday 2 March 2026, as (day, hour, length), and whether a day of rest begins in it.
RESTS = {
    "nobody asked anything": ([], True),
    "six days of the week": ([(day, 8, 12) for day in range(2, 8)], True),
    "all seven": ([(day, 8, 12) for day in range(2, 9)], True),
    "all seven and the next Monday": ([(day, 8, 12) for day in range(2, 10)], False),
    "seven nights and the next": ([(day, 20, 12) for day in range(2, 10)], False),
    "six nights, and Monday night": ([(day, 20, 12) for day in (2, 3, 4, 5, 6, 7, 9)], True),
    "a short duty each day": ([(day, 12, 0.5) for day in range(2, 10)], False),
    "free from Wednesday noon to Thursday noon": ([(2, 0, 60), (5, 12, 110)], True),
    "free an hour less": ([(2, 0, 60), (5, 11, 111)], False),
    "a duty that began the week before": ([(1, 20, 24), *((day, 8, 12) for day in range(3, 10))], False),
}


@pytest.mark.parametrize(("duties", "rests"), RESTS.values(), ids=RESTS)
@pytest.mark.parametrize("duty_type", ["patrol", "watch"])
def test_a_day_of_each_week_is_rest(duties: list[tuple[int, float, float]], rests: bool, duty_type: str) -> None:
    """劳动法 38: a whole day on end without any duty begins in the week; nothing is assumed of the days to come."""
    spans = [DutySpan(at(day, hour), at(day, hour + length), duty_type) for day, hour, length in duties]
    assert rests == has_rest(spans, date(2026, 3, 2), timedelta(days=1))


@given(some.lists(some.tuples(some.integers(1, 200), some.integers(1, 60)), min_size=1, max_size=12))
def test_a_week_has_rest_where_a_free_day_is_found_by_hand(drawn: list[tuple[int, int]]) -> None:
    """Held against every hour of the week at which 24 free hours may begin."""
    monday, spans, begin = date(2026, 3, 2), [], start_of_day(date(2026, 3, 1))
    for pause, length in drawn:
        spans.append(DutySpan(begin + pause * HOUR / 4, begin + (pause + length) * HOUR / 4, "post"))
        begin = spans[-1].ended_at
    starts = [start_of_day(monday) + number * HOUR / 4 for number in range(7 * 24 * 4)]
    free = [all(span.ended_at <= t or span.started_at >= t + 24 * HOUR for span in spans) for t in starts]
    assert any(free) == has_rest(spans, monday, 24 * HOUR)


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


def cut(span: DutySpan) -> datetime:
    """A moment in the middle of a duty, on the day on which it begins."""
    midnight = start_of_day(span.started_at.astimezone(CHINA).date() + timedelta(days=1))
    return span.started_at + (min(span.ended_at, midnight) - span.started_at) / 2


@given(SPANS, some.randoms())
def test_nothing_is_lost_counted_twice_or_moved_by_order(spans: list[DutySpan], random: object) -> None:
    """However the duties are cut on the day they begin and shuffled: the same days; what is beyond is never more than
    what was worked."""
    first, last = date(2026, 3, 1), date(2026, 3, 31)
    result = days(spans, kind, NORMS, first, last)
    halves = [
        DutySpan(*ends, span.duty_type)
        for span in spans
        for middle in [cut(span)]
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
    if not any(one.ended_at > other.started_at for one, other in pairwise(sorted(spans))):
        for week in {day.day - timedelta(days=day.day.weekday()) for day in result}:
            ordinary = sum((d.worked - d.beyond_day - d.beyond_week for d in result
                if d.kind == "work" and week <= d.day < week + timedelta(days=7)), NONE)  # fmt: skip
            assert ordinary <= NORMS.week + NORMS.day  # what a duty of the Sunday before brought along


@given(some.datetimes(datetime(2025, 1, 1), datetime(2026, 11, 30)), some.integers(1, 2000))
def test_the_offset_of_a_time_does_not_matter(start: datetime, minutes: int) -> None:
    """A shift given in UTC is the same shift given in China time."""
    began = start.replace(tzinfo=UTC)
    span = DutySpan(began, began + minutes * HOUR / 60, "patrol")
    same = DutySpan(span.started_at.astimezone(CHINA), span.ended_at.astimezone(CHINA), "patrol")
    day = began.astimezone(CHINA).date()
    assert days([span], kind, NORMS, day, day) == days([same], kind, NORMS, day, day)
