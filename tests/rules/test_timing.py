"""When an entry happened by the server's clock: live or late, and what a device's wrong clock changes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.refusals import Refusal
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


def test_nothing_happened_after_it_was_sent() -> None:
    """An act later than its own sending, by the same clock, is refused."""
    with pytest.raises(Refusal, match="time_ahead"):
        timing(NOON + 3 * SECOND, NOON, NOON, law())


def test_nothing_happened_after_it_was_received() -> None:
    """Rounding by a second or two never puts an act into the server's future."""
    assert NOON == timing(NOON + 1.5 * SECOND, NOON + 1.5 * SECOND, NOON, law()).occurred_at


LATEST, FIRST = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


@pytest.mark.parametrize(
    ("occurred", "sent"),
    [
        (LATEST, LATEST),
        (FIRST, NOON),
        (NOON, LATEST),
        (datetime.min.replace(tzinfo=EAST), NOON),
        (datetime.max.replace(tzinfo=WEST), datetime.max.replace(tzinfo=WEST)),
        (EARLIEST - SECOND, NOON),
    ],
)
def test_times_beyond_reason_are_refused_in_words(occurred: datetime, sent: datetime) -> None:
    """A device whose clock says the year 1 or 9999 is refused with a sentence, without an internal error."""
    with pytest.raises(Refusal, match="time_out_of_range"):
        timing(occurred, sent, NOON, law())


@pytest.mark.parametrize("clock", [FIRST, datetime.min.replace(tzinfo=EAST)])
def test_a_clock_two_thousand_years_off_is_corrected_all_the_same(clock: datetime) -> None:
    """The clock of a device whose battery was out begins anew; `sent_at` corrects it."""
    assert NOON == timing(clock, clock, NOON, law()).occurred_at


MOMENTS = st.datetimes(timezones=st.sampled_from([UTC, EAST, WEST]))


@given(MOMENTS, MOMENTS)
def test_whatever_the_clocks_say_there_is_a_time_or_a_refusal(occurred: datetime, sent: datetime) -> None:
    """A corrected time lies between the year 2000 and now, in UTC."""
    code = None
    try:
        result = timing(occurred, sent, NOON, law())
    except Refusal as refusal:
        code = refusal.code
    if code is not None:
        assert code in ("time_ahead", "time_out_of_range")
        return
    assert EARLIEST <= result.occurred_at <= NOON
    assert timedelta() == result.occurred_at.utcoffset()
    assert result.late == (NOON - result.occurred_at > timedelta(seconds=60))


@given(st.timedeltas(timedelta(0), timedelta(days=30)), st.timedeltas(timedelta(days=-999), timedelta(days=999)))
def test_a_wrong_clock_changes_neither_time_nor_lateness(before: timedelta, off: timedelta) -> None:
    """Two phones at one act, one of them years off, give the same time."""
    right = timing(NOON - before, NOON, NOON, law())
    wrong = timing(NOON - before + off, NOON + off, NOON, law())
    assert abs(right.occurred_at - wrong.occurred_at) < 2 * SECOND
    assert abs(off) < 2 * SECOND or right.late == wrong.late
