"""How many parts a phone sends at once (more while it gets faster, fewer after an error), and how long it waits."""

import urllib3
from hypothesis import given
from hypothesis import strategies as st

from mobile_api.client.api import Lanes, requested_pause

rounds = st.lists(st.tuples(st.integers(0, 10**9), st.floats(0.001, 600), st.booleans()), max_size=60)


def answer(**headers: str) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(headers={name.replace("_", "-"): text for name, text in headers.items()})


def test_more_lanes_while_each_makes_it_faster() -> None:
    lanes = Lanes(most=5)
    for _ in range(10):
        lanes.adjust(lanes.now * 1000, 1.0, broke=False)
    assert 5 == lanes.now


def test_no_more_lanes_than_help() -> None:
    """The network is full with three lanes, so more do not help."""
    lanes = Lanes()
    for _ in range(20):
        lanes.adjust(min(lanes.now, 3) * 1000, 1.0, broke=False)
    assert lanes.now <= 4


def test_half_as_many_when_something_breaks() -> None:
    lanes = Lanes()
    for _ in range(10):
        lanes.adjust(lanes.now * 1000, 1.0, broke=False)
    assert 6 == lanes.now
    lanes.adjust(1000, 1.0, broke=True)
    assert 3 == lanes.now


@given(rounds)
def test_there_is_always_a_lane_and_never_too_many(heard: list[tuple[int, float, bool]]) -> None:
    lanes = Lanes(most=6)
    for sent, seconds, broke in heard:
        lanes.adjust(sent, seconds, broke=broke)
        assert 1 <= lanes.now <= 6


def test_a_pause_is_read_in_both_forms() -> None:
    """Seconds, or a date by the server's clock: the phone's own may be wrong."""
    assert 120.0 == requested_pause(answer(Retry_After="120"))
    date, later = "Sun, 01 Mar 2026 00:00:00 GMT", "Sun, 01 Mar 2026 00:01:30 GMT"
    assert 90.0 == requested_pause(answer(Retry_After=later, Date=date))
    assert 0.0 == requested_pause(answer(Retry_After=date, Date=later))
    assert [None] * 4 == [
        requested_pause(each) for each in (None, answer(), answer(Retry_After="soon"), answer(Retry_After=later))
    ]
