"""Days are days: a term in days begins the day after, ends with the end of a day in China, and moves past a holiday
where its law says so. Hours stay hours."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.core.days import CHINA, day_of, first_day, last_day, last_moment, since, until
from backend.law.catalogue import Law, Term, law

SAID = {"source": "a test", "version": "1"}


def a_law(**term: object) -> Law:
    """The law in force with one more term, `x`."""
    current = law()
    return msgspec.structs.replace(current, terms=current.terms | {"x": Term(**SAID, **term)})  # type: ignore[arg-type]


PROCEDURE = [
    # the example of the issue: told on Tuesday, the fifth day is a Sunday
    (5, "2026-12-01T09:01:00+08:00", "2026-12-07"),
    (5, "2026-12-01T00:00:00+08:00", "2026-12-07"),
    (5, "2026-12-01T23:59:59+08:00", "2026-12-07"),
    (5, "2026-11-30T16:00:00+00:00", "2026-12-07"),  # midnight of 1 December in China, said in UTC
    (5, "2026-11-30T15:59:59+00:00", "2026-12-07"),  # Monday the 30th: the fifth day is Saturday the 5th
    (2, "2026-12-01T09:00:00+08:00", "2026-12-03"),
    (0, "2026-12-04T09:00:00+08:00", "2026-12-04"),
    # National Day: rest from Thursday 1 to Wednesday 7 October
    (5, "2026-09-26T10:00:00+08:00", "2026-10-08"),
    (2, "2026-09-29T10:00:00+08:00", "2026-10-08"),
    (2, "2026-10-06T10:00:00+08:00", "2026-10-08"),
    # Saturday 10 October is worked for it: the term ends on it; the Sunday after is not
    (2, "2026-10-08T10:00:00+08:00", "2026-10-10"),
    (3, "2026-10-08T10:00:00+08:00", "2026-10-12"),
    # Sunday 20 September is worked for it too
    (5, "2026-09-15T10:00:00+08:00", "2026-09-20"),
    # ends of months, and the leap day
    (2, "2026-04-28T10:00:00+08:00", "2026-04-30"),
    (3, "2026-04-28T10:00:00+08:00", "2026-05-06"),  # Labour Day: rest from Friday 1 to Tuesday 5 May
    (60, "2026-03-02T10:00:00+08:00", "2026-05-06"),
    (2, "2024-02-27T10:00:00+08:00", "2024-02-29"),
    (30, "2026-01-30T10:00:00+08:00", "2026-03-02"),  # 1 March is a Sunday
]


@pytest.mark.parametrize(("days", "begins", "ends"), PROCEDURE)
def test_a_term_of_procedure_moves_past_rest_days_and_holidays(days: int, begins: str, ends: str) -> None:
    """程序规定 35: the first day does not count; the first working day after a holiday is the last."""
    end = until(a_law(days=days, counts="procedure"), "x", datetime.fromisoformat(begins))
    assert last_moment(date.fromisoformat(ends)) == end


PLAIN = [
    (5, "2026-12-01T09:01:00+08:00", "2026-12-06"),
    (30, "2026-09-07T10:00:00+08:00", "2026-10-07"),
    (184, "2026-02-28T23:00:00+08:00", "2026-08-31"),
]


@pytest.mark.parametrize(("days", "begins", "ends"), PLAIN)
def test_a_plain_term_waits_for_no_monday(days: int, begins: str, ends: str) -> None:
    """A lock ends on a Sunday as on any day."""
    end = until(a_law(days=days, counts="plain"), "x", datetime.fromisoformat(begins))
    assert last_moment(date.fromisoformat(ends)) == end


YEARS = [
    (1, "2026-03-05", "2027-03-05"),
    (1, "2024-02-29", "2025-02-28"),
    (1, "2023-02-28", "2024-02-28"),
    (4, "2024-02-29", "2028-02-29"),
    (3, "2025-12-31", "2028-12-31"),
]


@pytest.mark.parametrize(("years", "begins", "ends"), YEARS)
def test_a_year_is_a_year(years: int, begins: str, ends: str) -> None:
    """民法典 202: it ends on the same day of its last year, or on the last day of that month; not after 365 days."""
    assert date.fromisoformat(ends) == last_day(a_law(years=years, counts="plain"), "x", date.fromisoformat(begins))


def test_a_year_of_procedure_moves_past_a_holiday_too() -> None:
    """An accident on 1 October: a year later is National Day."""
    assert date(2026, 10, 8) == last_day(a_law(years=1, counts="procedure"), "x", date(2025, 10, 1))


def test_the_moment_that_is_told_shows_the_last_day() -> None:
    """Whoever cuts it to the minute still shows 7 December, by the clock of China."""
    end = until(law(), "reconsideration_asked", datetime.fromisoformat("2026-12-01T09:01:00+08:00"))
    assert "2026-12-07 23:59" == f"{end.astimezone(CHINA):%Y-%m-%d %H:%M}"
    assert end + timedelta(microseconds=1) == datetime(2026, 12, 7, 16, tzinfo=UTC)


def test_hours_stay_hours() -> None:
    """They end so many hours later, on a holiday as well."""
    at = datetime.fromisoformat("2026-09-30T20:00:00+08:00")
    assert at + timedelta(hours=24) == until(a_law(hours=24), "x", at)
    assert at - timedelta(hours=24) == since(a_law(hours=24), "x", at)
    with pytest.raises(Exception, match="days, not a period by the clock"):
        a_law(days=1, counts="plain").span("x")


def test_a_criminal_recusal_is_decided_in_two_days_and_in_five_where_it_was_extended() -> None:
    """刑事程序规定 36: two days; five where it is complex and approved, from the application too."""
    criminal = law().recusals.terms_of("criminal")
    at = datetime.fromisoformat("2026-12-01T09:00:00+08:00")
    assert last_moment(date(2026, 12, 3)) == until(law(), criminal.decided, at)
    assert last_moment(date(2026, 12, 7)) == until(law(), criminal.extended or "", at)
    assert None is law().recusals.terms_of("administrative").extended


DAYS = st.dates(date(1990, 1, 1), date(2100, 1, 1))
LENGTHS = st.one_of(st.integers(0, 4000).map(lambda n: {"days": n}), st.integers(0, 12).map(lambda n: {"years": n}))


@given(DAYS, LENGTHS)
@example(date(2024, 2, 29), {"years": 1})
@example(date(2025, 2, 28), {"years": 1})
def test_looking_back_is_looking_forward_turned_round(ends: date, length: dict[str, int]) -> None:
    """The first day whose term still runs on a day: its term reaches that day, and that of the day before does not."""
    theirs = a_law(**length, counts="plain")
    first = first_day(theirs, "x", ends)
    assert last_day(theirs, "x", first) >= ends
    assert last_day(theirs, "x", first - timedelta(days=1)) < ends


@given(st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)), st.integers(0, 400))
def test_no_term_of_procedure_ends_on_a_day_of_rest_or_early(begins: datetime, days: int) -> None:
    """Whatever the calendar knows of that year; it is never shorter than counted plainly."""
    theirs = a_law(days=days, counts="procedure")
    end = until(theirs, "x", begins)
    assert not theirs.rests(day_of(end))
    assert end >= until(a_law(days=days, counts="plain"), "x", begins) >= begins


def test_every_deadline_of_a_procedure_counts_so_and_no_lock_does() -> None:
    """What people must do by the law waits for a working day; what a machine keeps or deletes does not."""
    procedure = {name for name, term in law().terms.items() if term.counts == "procedure"}
    assert procedure == {
        "recusal_decision", "recusal_decision_criminal", "recusal_decision_complex", "reconsideration_asked",
        "reconsideration", "recognition_application", "recognition_window", "recognition_decision", "complaint_notice",
        "complaint_end", "complaint_extension", "accusation_end", "suggestion_end", "matter_answer", "spot_check_due",
        "hearing_answer", "finding_answer", "order_dispute",
    }  # fmt: skip


HOUSE = Path(__file__).parents[2]
BY_DAYS = re.compile(
    r"timedelta\(days=|\bA_DAY\b|interval '\d+ (?:day|week|month|year)|make_interval|days =>", re.IGNORECASE
)
# Where days are reckoned with otherwise, and why that is no term.
NO_TERM = {
    "backend/core/days.py": "the place itself",
    "backend/law/catalogue.py": "how many days hold a term by the clock",
    "backend/law/calendar.py": "days of the lunar month",
    "backend/sync.py": "how long a device hears of what is gone",
    "backend/rosters/plan_files.py": "the days of a month grid, a shift over midnight",
    "backend/hours": "weeks and months of the calendar",
    "backend/people/histories.py": "the day before another begins",
    "backend/people/roster.py": "yesterday",
    "backend/proof/known_store.py": "seconds of a claim",
    "backend/items/wearers.py": "how far a clock may be off",
    "backend/evidence/service.py": "how far a clock may be off",
    "backend/evidence/starts/rules.py": "a default for tests",
    "backend/evidence/probing_anew.py": "which films come first",
    "backend/evidence/retention/terms.py": "a lock of the last day stands",
    "backend/evidence/retention/falling_due.py": "so many days as the reader asks for",
    "backend/oversight/expiring.py": "last days of trainings, for many rows at once",
}


def test_nothing_else_adds_days_to_a_moment() -> None:
    """Where it is not for a reason that stands above, it takes backend/core/days.py."""
    sources = [*sorted((HOUSE / "backend").rglob("*.py")), *sorted((HOUSE / "migrations/current").glob("*.sql"))]
    found = {str(path.relative_to(HOUSE)) for path in sources if BY_DAYS.search(path.read_text(encoding="utf-8"))}
    assert set() == {name for name in found if not any(name.startswith(known) for known in NO_TERM)}
