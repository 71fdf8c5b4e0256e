"""What asks for a person, by figures alone."""

import pytest

from backend.oversight.alarms import RULES, AlarmRule, ringing

WELL = {
    "database_up": 1, "failing_share": 0, "sealing_lag": 0, "parts_age": 0, "checkpoint_age": 0, "jobs_given_up": 0,
    "feed_lag": 0, "pool_free": 16, "journal_doubted": 0, "disk_free_share": 0.5, "clock_apart": 0, "clocks_doubted": 0,
    "store_up": 1, "database_damaged": 0, "store_writable": 1, "store_ours": 1, "lock_proved": 1,
}  # fmt: skip


def test_a_house_that_is_well_asks_for_nobody() -> None:
    """Every figure that a rule is about, as it is on a quiet day."""
    assert [] == ringing(WELL)
    assert set(WELL) == {rule.figure for rule in RULES.values()}


@pytest.mark.parametrize("name", RULES)
def test_each_alarm_rings_beyond_its_threshold_and_not_at_it(name: str) -> None:
    """With the figure and the threshold beside each other; the others are silent."""
    rule = RULES[name]
    limit, beyond = (rule.above, 1) if rule.above is not None else (rule.below, -1)
    assert limit is not None
    assert [] == ringing(WELL | {rule.figure: limit})
    (alarm,) = ringing(WELL | {rule.figure: limit + beyond * 0.001})
    assert (name, rule.above, rule.below, rule.zh) == (alarm.name, alarm.above, alarm.below, alarm.zh)


def test_a_rule_has_one_threshold() -> None:
    """Neither none, nor two that may contradict each other."""
    for thresholds in ({}, {"above": 1.0, "below": 2.0}):
        with pytest.raises(ValueError, match="one threshold"):
            AlarmRule(figure="jobs_given_up", source="x", zh="x", en="x", **thresholds)
