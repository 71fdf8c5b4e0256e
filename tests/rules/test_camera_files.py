"""The start time that a recorder's file gives, and the periods that a report covers. No I/O."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.wire import EARLIEST
from mobile_api.client.camera_files import CHINA, MediaFile, Start, safe_name, start_of
from mobile_api.client.ingest import LONGEST_REPORT, periods

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODIFIED = datetime(2026, 3, 1, 4, tzinfo=UTC)
TEN_MINUTES = 600_000
NAMED = "DSJ0042_FJ1001_20260301080000_0001.mp4"  # eight in the morning in China is midnight UTC
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


def start(
    created: str | None = None, name: str = "clip.mp4", modified: float | None = None, offset: timedelta = timedelta()
) -> Start | None:
    """The start of a file of ten minutes."""
    at = MODIFIED.timestamp() if modified is None else modified
    return start_of(MediaFile(TEN_MINUTES, created), name, at, offset=offset, latest=NOW)


BY_FILE_TIME = Start(MODIFIED - timedelta(minutes=10), "file_time")
BY_NAME = Start(MIDNIGHT, "file_name")


def test_the_files_own_metadata_come_first() -> None:
    """Metadata go before the file's name and the file system's time."""
    expected = Start(datetime(2026, 3, 1, 1, tzinfo=UTC), "metadata")
    assert expected == start("2026-03-01T01:00:00.000000Z", NAMED)


@pytest.mark.parametrize("created", ["2026-03-01T01:00:00Z", "2026-03-01T09:00:00+08:00", "2026-03-01 01:00:00"])
def test_metadata_are_in_utc_unless_they_say_otherwise(created: str) -> None:
    """The container format says UTC."""
    assert Start(datetime(2026, 3, 1, 1, tzinfo=UTC), "metadata") == start(created)


@pytest.mark.parametrize(
    "created",
    ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2026-03-01T11:59:00Z",
     "2036-02-07T06:28:15Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "yesterday", "", "2026-13-01"],
)  # fmt: skip
def test_absurd_metadata_are_passed_over(created: str) -> None:
    """A clock that was never set, one that runs ahead, or no time at all: then the file's name counts."""
    assert BY_NAME == start(created, NAMED)


def test_a_time_in_a_file_name_is_chinas() -> None:
    """GA/T 947 names the file by the recorder's local clock."""
    assert BY_NAME == start(None, NAMED)
    assert datetime(2026, 3, 1, 8, tzinfo=CHINA) == start(None, NAMED).at


@pytest.mark.parametrize(
    "name",
    ["clip.mp4", "20260301.mp4", "202603010800001.mp4", "A20261301080000.mp4", "A20260230080000.mp4",
     "A20260301250000.mp4", "A19700101000000.mp4", "A20360301080000.mp4", "A20260301195500.mp4", "A00000000000000.mp4"],
)  # fmt: skip
def test_a_name_without_a_time_that_can_be_right_leaves_the_file_systems(name: str) -> None:
    """Too few or too many digits, no such day or hour, before 2000, or an end that is still to come."""
    assert BY_FILE_TIME == start(None, name)


def test_the_first_time_in_a_name_that_can_be_right_counts() -> None:
    """A serial number may have fourteen digits too."""
    assert BY_NAME == start(None, "99999999999999_FJ1001_20260301080000.mp4")


@pytest.mark.parametrize("modified", [0.0, NOW.timestamp() + 1, 1e18, -1e18, float("nan"), float("inf")])
def test_a_file_of_which_no_time_can_be_right_has_no_start(modified: float) -> None:
    """There is no start then; none is guessed."""
    assert start(None, "clip.mp4", modified) is None


def test_a_camera_whose_offset_is_known_may_be_years_off() -> None:
    """The recorder's clock begins anew in 1980; corrected, its times are today's."""
    began = datetime(1980, 1, 1, 8, tzinfo=UTC)
    offset = began - datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert Start(began, "metadata") == start(began.isoformat(), offset=offset)
    assert Start(began, "file_name") == start(None, "DSJ_19800101160000.mp4", offset=offset)


@given(st.none() | st.text(max_size=30) | st.datetimes().map(str), st.text(max_size=40), st.floats(), st.timedeltas())
def test_a_start_is_never_absurd(created: str | None, name: str, modified: float, offset: timedelta) -> None:
    """For any metadata, name and time: the corrected start lies between 2000 and now, or there is none."""
    result = start(created, name, modified, offset)
    assert result is None or EARLIEST <= result.at - offset <= NOW - timedelta(minutes=10)


@given(st.text(max_size=400))
def test_a_name_that_is_told_hides_nothing(name: str) -> None:
    """No slash, no control character, no change of writing direction, at most 255 characters."""
    shown = safe_name(name)
    assert len(shown) == min(len(name), 255)
    assert not set(shown) & {"/", "\\", "\x00", "\n", "\x1b", "\u202e", "\u2066"}


# -- the days of a report


def at(day: int, hour: float = 12) -> datetime:
    """A moment of March, in China time."""
    return datetime(2026, 3, 1, tzinfo=CHINA) + timedelta(days=day - 1, hours=hour)


def test_footage_of_one_day_asks_for_that_day() -> None:
    """The day in China, whatever zone the times are written in."""
    assert [(at(1, 0), at(2, 0))] == periods([(at(1, 0).astimezone(UTC), at(1, 7)), (at(1, 8), at(1, 23.9))])


def test_footage_over_midnight_asks_for_both_days_at_once() -> None:
    """A night's duty is one period."""
    assert [(at(1, 0), at(3, 0))] == periods([(at(1, 23), at(2, 1))])


def test_days_without_footage_are_not_asked_for() -> None:
    """A forgotten file of last week does not make the report cover the week between."""
    assert [(at(1, 0), at(2, 0)), (at(9, 0), at(10, 0))] == periods([(at(9), at(9)), (at(1), at(1))])
    assert [] == periods([])


SPANS = st.lists(st.tuples(st.integers(1, 120), st.floats(0, 23), st.floats(0, 40)), max_size=40)


@given(SPANS)
def test_every_moment_of_footage_lies_in_a_period_that_may_be_asked(recordings: list[tuple[int, float, float]]) -> None:
    """Periods are in order, apart, and none is longer than a report may be."""
    spans = [(at(day, hour), at(day, hour + length)) for day, hour, length in recordings]
    covered = periods(spans)
    assert all(end - begin <= LONGEST_REPORT for begin, end in covered)
    assert all(before[1] <= after[0] for before, after in pairwise(covered))
    for moment in (moment for span in spans for moment in span):
        assert any(begin <= moment < end for begin, end in covered)
