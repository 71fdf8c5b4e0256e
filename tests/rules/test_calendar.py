"""What kind of day a date is: statutory days by the rule for any year, other days off once they are announced."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import chinese_calendar
import pytest
from tyme4py.lunar import LunarDay
from tyme4py.solar import SolarDay, SolarTerm

from backend.law import notices
from backend.law.calendar import (
    Year,
    by_rule,
    edition_of,
    is_announced,
    kind_of,
    lunar_day,
    qingming,
    rests_that_nothing_balances,
    statutory,
)
from backend.law.catalogue import law, load
from backend.law.reading import LawError

CENTURY = range(2000, 2100)
IN_LIBRARY = range(2004, 2027)
A_DAY = timedelta(days=1)

# The statutory days as the State Council's notices named them (全国年节及纪念日放假办法 2).
TOLD = {
    2024: "01-01 02-10 02-11 02-12 04-04 05-01 06-10 09-17 10-01 10-02 10-03",
    2025: "01-01 01-28 01-29 01-30 01-31 04-04 05-01 05-02 05-31 10-01 10-02 10-03 10-06",
    2026: "01-01 02-16 02-17 02-18 02-19 04-05 05-01 05-02 06-19 09-25 10-01 10-02 10-03",
    2027: "01-01 02-05 02-06 02-07 02-08 04-05 05-01 05-02 06-09 09-15 10-01 10-02 10-03",
}
NOTICE = """
["2027"]
rest = [2027-02-09, 2027-02-10, 2027-02-11, 2027-02-12, 2027-05-03, 2027-05-04, 2027-05-05, 2027-10-04, 2027-10-05,
    2027-10-06, 2027-10-07]
work = [2027-01-31, 2027-02-14, 2027-05-08, 2027-09-26, 2027-10-09]
source = "made up for this test"
"""


@pytest.fixture(autouse=True)
def no_notices() -> Iterator[None]:
    """Read no notices after each test."""
    yield
    notices.keep_in(None)


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + number * A_DAY for number in range((date(year + 1, 1, 1) - first).days)]


# -- the rule


@pytest.mark.parametrize("year", TOLD)
def test_the_rule_gives_the_days_that_were_told(year: int) -> None:
    """Eleven days until 2024, thirteen since."""
    assert TOLD[year].split() == [f"{day:%m-%d}" for day in sorted(by_rule(year))]


@pytest.mark.parametrize("year", IN_LIBRARY)
def test_the_statutory_days_are_days_off_of_the_library_too(year: int) -> None:
    """Every edition of the rule since 1999, held against the notices of those years; of late it names the festivals."""
    assert [] == [day for day in by_rule(year) if not chinese_calendar.is_holiday(day)]
    named = {day for day in days_of(year) if chinese_calendar.get_holiday_detail(day)[1] is not None}
    assert by_rule(year) <= named or year < 2024


def test_lunar_days_are_those_of_a_second_library_for_a_century() -> None:
    """2000 to 2099: the first three days, Duanwu and Mid-Autumn, none of them in a leap month."""
    for year in CENTURY:
        for month, day in ((1, 1), (1, 2), (1, 3), (5, 5), (8, 15)):
            other = LunarDay.from_ymd(year, month, day).get_solar_day()
            assert lunar_day(year, month, day) == as_date(other)


def as_date(day: SolarDay) -> date:
    return date(day.get_year(), day.get_month(), day.get_day())


def test_new_years_eve_is_the_day_before_the_first_day() -> None:
    """The twelfth month has 29 days in some years and 30 in others."""
    lengths = set()
    for year in CENTURY:
        eve = lunar_day(year, 1, 0)
        other = SolarDay.from_ymd(eve.year, eve.month, eve.day).get_lunar_day()
        assert (year - 1, 12) == (other.get_year(), other.get_month())
        lengths.add(other.get_day())
    assert {29, 30} == lengths


def test_qingming_is_that_of_two_other_libraries_for_a_century() -> None:
    """One reads a table, two have formulas; in 2042 it is at twenty to midnight on 4 April."""
    for year in CENTURY:
        second = as_date(SolarTerm.from_name(year, "清明").get_solar_day())
        (third,) = [
            day for day, name in chinese_calendar.get_solar_terms(date(year, 4, 1), date(year, 4, 10)) if "明" in name
        ]
        assert (qingming(year), qingming(year)) == (second, third)
    assert date(2042, 4, 4) == qingming(2042)


@pytest.mark.parametrize("year", [1900, 2099])
def test_the_rule_goes_on_for_two_centuries(year: int) -> None:
    """As far as the libraries reckon."""
    assert len(by_rule(year)) in (10, 12, 13)
    assert {year} == {day.year for day in by_rule(year)}


@pytest.mark.parametrize("year", [1, 1899, 2100, 9999])
def test_of_a_year_further_off_the_days_of_the_moon_are_left_out(year: int) -> None:
    """Hours of it are told all the same."""
    edition = edition_of(year)
    assert by_rule(year) == {date(year, *day) for day in edition.gregorian}


def test_two_festivals_may_fall_on_one_day() -> None:
    """Mid-Autumn of 2020 was 1 October: ten days, and a rest day more."""
    assert (10, 11) == (len(by_rule(2020)), edition_of(2020).days())


# -- other days off


def test_a_year_that_nobody_announced_counts_by_weekends_and_statutory_days() -> None:
    """Weekends rest, statutory days are holidays, everything else is worked; and it says that it is not announced."""
    assert (False, True) == (is_announced(2031, {}), is_announced(2026, {}))
    for day in days_of(2031):
        expected = "holiday" if day in by_rule(2031) else "rest" if day.weekday() > 4 else "work"
        assert expected == kind_of(day, {})


def test_a_year_may_be_told_by_the_file_alone() -> None:
    """Its statutory days take the place of the rule's, as where a province has some of its own."""
    told = {"2031": Year(statutory=[date(2031, 5, 1)], rest=[date(2031, 5, 2)], work=[date(2031, 5, 4)], source="test")}
    assert ["holiday", "rest", "rest", "work", "work"] == [kind_of(date(2031, 5, day), told) for day in (1, 2, 3, 4, 5)]
    assert "work" == kind_of(date(2031, 10, 1), told)
    assert is_announced(2031, told)
    only_rests = {"2031": Year(rest=[], work=[date(2031, 5, 4)], source="test")}
    assert by_rule(2031) == statutory(2031, only_rests)


@pytest.mark.parametrize("year", [2008, 2009, 2010, 2014, 2019, 2021, 2022, 2023, 2024, 2025, 2026])
def test_rest_days_balance_what_is_worked_instead(year: int) -> None:
    """By the notices of these years; a day too many or too few is seen."""
    off = [day for day in days_of(year) if chinese_calendar.is_holiday(day)]
    rest = [day for day in off if day.weekday() < 5 and day not in by_rule(year)]
    work = [day for day in days_of(year) if day.weekday() > 4 and day not in off]
    assert [0, 1, -1] == [
        rests_that_nothing_balances(year, Year(rest=days, work=worked, source="test"))
        for days, worked in ((rest, work), (rest, work[1:]), (rest[1:], work))
    ]


# -- the notice is taken in


def test_a_notice_that_is_taken_in_is_read_by_every_process(tmp_path: Path) -> None:
    """A process that runs reads it at its next question; the notice of another year leaves it there."""
    notices.keep_in(tmp_path / "law")
    worked = date(2027, 10, 9)
    assert ("rest", False) == (kind_of(worked, law().calendar), is_announced(2027, law().calendar))
    told = notices.take_in(tmp_path / "law", 2027, written(tmp_path / "notice.toml", NOTICE))
    assert ("work", True) == (kind_of(worked, law().calendar), is_announced(2027, law().calendar))
    assert 0 == rests_that_nothing_balances(2027, told)
    another = '["2028"]\nrest = [2028-01-31]\nwork = [2028-02-05]\nsource = "also \\"made up\\""\n'
    notices.take_in(tmp_path / "law", 2028, written(tmp_path / "another.toml", another))
    assert ["2027", "2028"] == sorted(name for name in law().calendar if name > "2026")
    notices.keep_in(tmp_path / "law")  # as at the next start
    assert ("work", "holiday") == tuple(kind_of(day, law().calendar) for day in (worked, date(2027, 2, 5)))


def test_what_a_law_tells_of_a_year_goes_before_a_notice(tmp_path: Path) -> None:
    """Field by field: a province's own holiday stays, the notice adds the rest."""
    written(tmp_path / "calendar.toml", '["2027"]\nstatutory = [2027-03-03]\nsource = "its own"\n')
    notices.take_in(tmp_path / "law", 2027, written(tmp_path / "notice", NOTICE))
    notices.keep_in(tmp_path / "law")
    years = load(tmp_path, over=load()).calendar
    assert ["holiday", "work", "work"] == [
        kind_of(day, years) for day in (date(2027, 3, 3), date(2027, 10, 1), date(2027, 10, 9))
    ]


WRONG = {
    "another year": (NOTICE.replace("2027", "2028"), "takes one table"),
    "two years": (NOTICE + '\n["2028"]\nrest = []\nwork = []\nsource = "x"\n', "takes one table"),
    "no rest days": ('["2027"]\nstatutory = [2027-01-01]\nsource = "x"\n', "with rest and work"),
    "nothing": ('["2027"]\nsource = "x"\n', "tells nothing"),
    "no source": (NOTICE.replace("source", "# source"), "source is missing"),
    "a day of another year": (NOTICE.replace("2027-10-09", "2026-10-10"), "2026-10-10, a day of another year"),
    "a working day that is worked": (NOTICE.replace("2027-10-09", "2027-10-08"), "no day of a weekend"),
    "a holiday that is worked": (NOTICE.replace("2027-10-09", "2027-10-02"), "a statutory holiday"),
    "worked and rested": (NOTICE.replace("rest = [", "rest = [2027-10-09, "), "in rest too"),
    "a day as text": (NOTICE.replace("2027-10-09", '"10-09"'), "work is not usable"),
    "no TOML": ("2027 放假安排", "is no TOML"),
}


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG)
def test_a_wrong_notice_is_refused_and_nothing_is_written(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(LawError, match=why):
        notices.take_in(tmp_path / "law", 2027, written(tmp_path / "notice.toml", text))
    assert not (tmp_path / "law").exists()


def test_a_notice_that_is_spoilt_by_hand_leaves_what_was_read(tmp_path: Path) -> None:
    """The running server goes on with what it read; the next start refuses the file."""
    file = tmp_path / notices.FILE
    written(file, NOTICE)
    notices.keep_in(tmp_path)
    written(file, NOTICE.replace("work =", "wrok ="))
    os.utime(file, ns=(1, 1))
    assert "work" == kind_of(date(2027, 10, 9), law().calendar)
    with pytest.raises(LawError, match="wrok"):
        notices.keep_in(tmp_path)
    file.unlink()
    notices.keep_in(tmp_path)
    assert "rest" == kind_of(date(2027, 10, 9), law().calendar)
