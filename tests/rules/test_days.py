"""A day is a day in China everywhere: at 04:14 in the morning it is not yesterday, as it still is in UTC."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from backend.core.days import day_of, end_of_day, in_china, start_of_day
from backend.proof.archive import stamp
from backend.proof.bag import bag_info
from backend.worker import at_night

EARLY = datetime(2026, 11, 29, 20, 14, tzinfo=UTC)  # 04:14 on the 30th in China
HOUSE = Path(__file__).parents[2]
SOURCES = [path for top in ("backend", "mobile_api", "storage") for path in sorted((HOUSE / top).rglob("*.py"))]
SQL = [*sorted((HOUSE / "migrations/current").glob("*.sql")), HOUSE / "migrations/versions/fujing_0045_kept.sql"]
# What makes a day of a moment by its own offset, or by that of the machine or of the database's session.
MOMENT = r"(?:\w+\.)?(?:at|now|moment|\w+_at)|(?:lower|upper)\([\w.]+\)"
TRUNCATED = r"date_trunc\('(?:day|week|month|year)', (?!\$1::timestamptz AT TIME ZONE)"
SUSPECTS = re.compile(
    rf"\b(?:{MOMENT})::date\b|\bcurrent_date\b|\b(?:date|datetime)\.today\(|now\(UTC\)\.date\(|{TRUNCATED}|\.astimezone\(\)",
    re.IGNORECASE,
)


def test_early_in_the_morning_it_is_today() -> None:
    """A moment in UTC, and the same one by the clock of China."""
    for moment in (EARLY, EARLY.astimezone(timezone(timedelta(hours=8)))):
        assert date(2026, 11, 30) == day_of(moment)


def test_a_day_begins_and_ends_at_midnight_in_china() -> None:
    """Every moment of it is of that day, and no other."""
    day = date(2026, 11, 30)
    assert (day, day) == (day_of(start_of_day(day)), day_of(end_of_day(day) - timedelta(microseconds=1)))
    assert end_of_day(day) == start_of_day(date(2026, 12, 1))
    assert date(2026, 11, 29) == day_of(start_of_day(day) - timedelta(microseconds=1))


def test_a_package_says_the_day_in_china() -> None:
    """At 04:14 on the 30th it said the 29th."""
    assert b"Bagging-Date: 2026-11-30\n" in bag_info("x", "2026-11-29T20:14:00.000000Z", {})
    assert b"Bagging-Date: 2026-11-29\n" in bag_info("x", "2026-11-29T20:14:00.000000Z", {}, utc_day=True)
    assert stamp(datetime(2026, 11, 30, 4, 14, tzinfo=UTC)) == stamp(in_china(EARLY))


def test_what_runs_at_night_runs_at_night_in_china() -> None:
    """The queue reads a schedule in UTC: 03:31 was noon."""
    assert "31 19 * * *" == at_night(3, 31)
    assert "7 16 * * *" == at_night(0, 7)
    assert "0 0 * * *" == at_night(8, 0)


def test_no_day_is_reckoned_in_utc() -> None:
    """A day comes from backend/core/days.py, or in SQL from `day_in_china` or AT TIME ZONE."""
    lines = ((path, line) for path in [*SOURCES, *SQL] for line in path.read_text().splitlines())
    assert [] == [(path.name, line) for path, line in lines if SUSPECTS.search(line)]
