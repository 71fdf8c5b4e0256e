"""When an entry happened by the server's clock: live or late, and what a device's wrong clock changes."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.moments import Told, latest_moments
from backend.core.verb import timing
from backend.core.wire import EARLIEST
from backend.law.catalogue import law

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("before", "late"),
    [(timedelta(), False), (60 * SECOND, False), (60 * SECOND + timedelta(microseconds=1), True), (HOUR, True)],
)
def test_an_entry_is_late_after_a_minute(before: timedelta, late: bool) -> None:
    """An entry that arrives later than the live window after the act is late."""
    assert late == timing(NOON - before, NOON, NOON, law()).late


@pytest.mark.parametrize("off", [HOUR, -HOUR, 3 * SECOND, timedelta(days=-400)])
def test_a_wrong_clock_is_corrected(off: timedelta) -> None:
    """`sent_at` shows the error of the device's clock, and the act's time is corrected by it."""
    result = timing(NOON - 10 * SECOND + off, NOON + off, NOON, law())
    assert (NOON - 10 * SECOND, -off, False) == (result.occurred_at, result.skew, result.late)


def test_a_difference_under_two_seconds_is_the_networks() -> None:
    """A slow network is no wrong clock."""
    result = timing(NOON - 1.9 * SECOND, NOON - 1.9 * SECOND, NOON, law())
    assert (NOON - 1.9 * SECOND, timedelta()) == (result.occurred_at, result.skew)


def test_two_seconds_are_the_clocks() -> None:
    """From two seconds on the difference counts."""
    assert 2 * SECOND == timing(NOON - 2 * SECOND, NOON - 2 * SECOND, NOON, law()).skew


def test_an_act_after_its_sending_happened_when_it_was_received() -> None:
    """A clock that was put right between act and sending refuses nothing: the receipt tells the time."""
    result = timing(NOON + HOUR, NOON, NOON, law())
    assert (NOON, "receipt", True, -HOUR) == (result.occurred_at, result.source, result.late, result.correction)


def test_the_uptime_tells_the_time_where_the_clock_was_moved() -> None:
    """The device's start is known, so its uptime proves the moment, whatever the clock said."""
    at = NOON - 10 * SECOND
    for off in (HOUR, -HOUR, 61 * SECOND, timedelta(days=-40_000)):
        result = timing(at + off, NOON, NOON, law(), by_uptime=at)
        assert (at, "uptime", False, -off) == (result.occurred_at, result.source, result.late, result.correction)


def test_the_clock_stands_where_the_uptime_agrees_with_it() -> None:
    """Drift within a boot is less than a minute."""
    result = timing(NOON - HOUR, NOON, NOON, law(), by_uptime=NOON - HOUR + 59 * SECOND)
    assert (NOON - HOUR, "clock") == (result.occurred_at, result.source)


def test_nothing_happened_after_it_was_received() -> None:
    """Rounding by a second or two never puts an act into the server's future."""
    assert NOON == timing(NOON + 1.5 * SECOND, NOON + 1.5 * SECOND, NOON, law()).occurred_at


LATEST, FIRST = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


@pytest.mark.parametrize(
    ("occurred", "sent"),
    [
        (FIRST, NOON),
        (NOON, LATEST),
        (datetime.min.replace(tzinfo=EAST), NOON),
        (EARLIEST - SECOND, NOON),
    ],
)
def test_times_beyond_reason_are_the_receipts(occurred: datetime, sent: datetime) -> None:
    """A device whose clock says the year 1 or 9999 is heard all the same."""
    result = timing(occurred, sent, NOON, law())
    assert (NOON, "receipt") == (result.occurred_at, result.source)


@pytest.mark.parametrize("clock", [FIRST, datetime.min.replace(tzinfo=EAST)])
def test_a_clock_two_thousand_years_off_is_corrected_all_the_same(clock: datetime) -> None:
    """The clock of a device whose battery was out begins anew; `sent_at` corrects it."""
    assert NOON == timing(clock, clock, NOON, law()).occurred_at


MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, EAST, WEST]))


@given(MOMENTS, MOMENTS)
def test_whatever_the_clocks_say_there_is_a_time(occurred: datetime, sent: datetime) -> None:
    """A corrected time lies between the year 2000 and now, in UTC; nothing is refused."""
    result = timing(occurred, sent, NOON, law())
    assert EARLIEST <= result.occurred_at <= NOON
    assert timedelta() == result.occurred_at.utcoffset()
    assert result.late == (result.source == "receipt" or NOON - result.occurred_at > timedelta(seconds=60))


@given(st.timedeltas(timedelta(0), timedelta(days=30)), st.timedeltas(timedelta(days=-999), timedelta(days=999)))
def test_a_wrong_clock_changes_neither_time_nor_lateness(before: timedelta, off: timedelta) -> None:
    """Two phones at one act, one of them years off, give the same time."""
    right = timing(NOON - before, NOON, NOON, law())
    wrong = timing(NOON - before + off, NOON + off, NOON, law())
    assert abs(right.occurred_at - wrong.occurred_at) < 2 * SECOND
    assert abs(off) < 2 * SECOND or right.late == wrong.late


@pytest.mark.parametrize("clock", [LATEST, datetime.max.replace(tzinfo=WEST)])
def test_the_latest_time_of_all_is_corrected_too(clock: datetime) -> None:
    """The clock that it was sent by says the same year."""
    assert NOON == timing(clock, clock, NOON, law()).occurred_at


# Several entries of one call


SKEWS = st.timedeltas(timedelta(days=-2), timedelta(days=2))
GAPS = st.lists(st.timedeltas(timedelta(seconds=1), timedelta(hours=3)), min_size=1, max_size=8)


def told_by(clocks: list[timedelta], acts: list[datetime], booted: datetime | None) -> list[datetime]:
    """When these acts happened, of which each was told by a clock so far off, and sent with a right clock."""
    told = [
        Told(number, at + off, timing(at + off, NOON, NOON, law(), by_uptime=booted and at))
        for number, (at, off) in enumerate(zip(acts, clocks, strict=True))
    ]
    latest = latest_moments(told, NOON, law())
    again = [
        timing(each.device_time, NOON, NOON, law(), by_uptime=booted and at, latest=moment)
        for each, at, moment in zip(told, acts, latest, strict=True)
    ]
    return [each.occurred_at for each in again]


def acts_of(gaps: list[timedelta]) -> list[datetime]:
    """Acts so far apart, the last of them a second before noon."""
    ends = list(accumulate(reversed(gaps)))
    return [NOON - SECOND - end for end in reversed(ends)]


@given(SKEWS, GAPS)
def test_one_wrong_clock_keeps_the_order(off: timedelta, gaps: list[timedelta]) -> None:
    """Without any uptime: a clock that was wrong the whole time and was put right before sending."""
    times = told_by([off] * len(gaps), acts_of(gaps), None)
    assert sorted(times) == times
    assert times[-1] <= NOON


@given(st.data(), GAPS)
def test_any_clocks_keep_the_order_by_the_uptime(data: st.DataObject, gaps: list[timedelta]) -> None:
    """A clock that was set anew before every act, up to two days off: the uptime tells the acts, to a minute."""
    acts = acts_of(gaps)
    clocks = [data.draw(SKEWS) for _ in acts]
    times = told_by(clocks, acts, NOON - timedelta(days=9))
    assert all(abs(at - time) <= timedelta(minutes=1) for at, time in zip(acts, times, strict=True))


@given(GAPS)
def test_acts_by_a_clock_that_ran_ahead_keep_their_distance(gaps: list[timedelta]) -> None:
    """The last of them is put at its receipt, the others as long before it as they were told."""
    times = told_by([timedelta(days=30)] * len(gaps), acts_of(gaps), None)
    assert NOON == times[-1]
    assert gaps[:-1] == [after - before for before, after in pairwise(times)]


def test_an_act_by_a_wrong_clock_lies_before_the_next_one() -> None:
    """Checked in by a clock an hour ahead, checked out by the right one."""
    times = told_by([HOUR * 9, timedelta()], [NOON - 3 * HOUR, NOON - HOUR], None)
    assert [NOON - HOUR, NOON - HOUR] == times


BY_THE_RIGHT_CLOCK = timedelta()


@pytest.mark.parametrize(
    ("clocks", "acts", "found"),
    [
        ([BY_THE_RIGHT_CLOCK, 24 * HOUR, 30 * HOUR], [-3 * HOUR, -2 * HOUR, -HOUR], [-3 * HOUR, -3 * HOUR, 0 * HOUR]),
        ([24 * HOUR, 72 * HOUR], [-2 * HOUR, -HOUR], [timedelta(milliseconds=-1), 0 * HOUR]),
        ([72 * HOUR, 24 * HOUR], [-2 * HOUR, -HOUR], [timedelta(milliseconds=-1), 0 * HOUR]),
        ([20 * HOUR, BY_THE_RIGHT_CLOCK, 20 * HOUR], [-2.5 * HOUR, -2 * HOUR, -HOUR], [-2 * HOUR, -2 * HOUR, 0 * HOUR]),
        ([BY_THE_RIGHT_CLOCK, 20 * HOUR, -4 * HOUR], [-3 * HOUR, -2 * HOUR, -HOUR], [-3 * HOUR, 0 * HOUR, -5 * HOUR]),
    ],
    ids=["not before the act before it", "more than a day apart", "set back in between", "each by itself",
         "an act after it that was told as earlier bounds nothing"],
)  # fmt: skip
def test_acts_by_wrong_clocks_lie_between_those_whose_time_is_known(
    clocks: list[timedelta], acts: list[timedelta], found: list[timedelta]
) -> None:
    """In the device's order; how far from each other, only a clock that was not set in between can tell."""
    assert [NOON + at for at in found] == told_by(clocks, [NOON + at for at in acts], None)


def test_an_uptime_tells_no_time_beyond_reason() -> None:
    """Neither one before 2000, nor one after the receipt."""
    result = timing(NOON - HOUR, NOON, NOON, law(), by_uptime=EARLIEST - SECOND)
    assert (NOON - HOUR, "clock") == (result.occurred_at, result.source)
    assert NOON == timing(NOON - HOUR, NOON, NOON, law(), by_uptime=NOON + HOUR).occurred_at


@pytest.mark.parametrize(("latest", "found"), [(NOON + HOUR, NOON), (EARLIEST - SECOND, EARLIEST)])
def test_an_act_by_a_wrong_clock_happened_between_2000_and_its_receipt(latest: datetime, found: datetime) -> None:
    assert found == timing(NOON + HOUR, NOON, NOON, law(), latest=latest).occurred_at


def test_an_act_by_a_wrong_clock_lies_after_every_act_before_it() -> None:
    """Also where the one right before it was told afterwards, of an earlier time."""
    days, acts = timedelta(days=30), [NOON - 2 * HOUR, NOON - 3 * HOUR, NOON - 6 * HOUR, NOON - HOUR]
    times = told_by([timedelta(), timedelta(), days, days], acts, None)
    assert [NOON - 2 * HOUR, NOON - 3 * HOUR, NOON - 2 * HOUR, NOON] == times
