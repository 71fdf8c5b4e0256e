"""How often a child that ended is started again: less eagerly each time, not for ever, and anew after a quiet time."""

from mobile_api.cli.restarts import LIMIT, Deaths, RestartLimit

THREE = RestartLimit(times=3, within_seconds=100, first_delay_seconds=2, longest_delay_seconds=5, source="a test")


def test_each_restart_waits_longer_and_the_last_is_the_end() -> None:
    """2 s, 4 s, no more than 5 s; the fourth death within the time is one too many."""
    deaths = Deaths(THREE)
    assert [2, 4, 5, None] == [deaths.pause_after(at) for at in (10, 20, 30, 40)]


def test_a_death_long_ago_is_forgotten() -> None:
    """One crash a night is no reason to stop, however many nights."""
    deaths = Deaths(THREE)
    assert [2] * 10 == [deaths.pause_after(at) for at in range(0, 1000, 100)]
    assert 4 == deaths.pause_after(950)


def test_the_limit_is_data_with_its_source() -> None:
    """Pauses and all, a child that never stands is given up within the time that the limit looks back."""
    assert LIMIT.source.startswith("product decision")
    deaths = Deaths(LIMIT)
    pauses = [deaths.pause_after(0) or 0 for _ in range(LIMIT.times)]
    assert pauses == sorted(pauses)
    assert sum(pauses) < LIMIT.within_seconds
    assert None is deaths.pause_after(0)
