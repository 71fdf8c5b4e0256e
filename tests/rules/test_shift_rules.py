"""What the regulation requires of a check-in (R.7, R.32) and of a naming (R.10)."""

from datetime import UTC, datetime, timedelta

import pytest

from backend.shifts.rules import counted_until, unmet_at_check_in
from backend.supervision.rules import answered_late, unmet_at_naming


@pytest.mark.parametrize(
    ("dress", "id_card_carried", "ordered", "unmet"),
    [
        ("uniform", True, True, []),
        ("uniform", False, True, []),
        ("plain", True, True, []),
        ("plain", False, True, ["plain_without_id_card"]),
        ("uniform", True, False, ["not_ordered"]),
        ("plain", False, False, ["plain_without_id_card", "not_ordered"]),
    ],
)
def test_a_check_in_needs_an_order_and_in_plain_clothes_the_id_card(
    dress: str, id_card_carried: bool, ordered: bool, unmet: list[str]
) -> None:
    """R.32: in plain clothes the work ID is carried; R.7: somebody ordered the duty. All unmet rules are returned."""
    assert unmet == unmet_at_check_in(dress=dress, id_card_carried=id_card_carried, ordered=ordered)


def test_only_an_auxiliary_on_duty_can_be_led() -> None:
    """R.10: an officer leads an auxiliary on shift."""
    assert ["not_on_shift"] == unmet_at_naming(on_shift=False)
    assert [] == unmet_at_naming(on_shift=True)


@pytest.mark.parametrize(("minutes", "late"), [(0, False), (30, False), (30.01, True), (600, True)])
def test_an_answer_after_half_an_hour_is_late(minutes: float, late: bool) -> None:
    """The answer still counts: R.10 asks who led, not when it was typed."""
    named = datetime(2026, 3, 1, tzinfo=UTC)
    assert late == answered_late(named, named + timedelta(minutes=minutes), timedelta(minutes=30))


@pytest.mark.parametrize(
    ("ended_by", "hours", "counted"),
    [
        ("check_out", 80, None),
        ("next", 80, 24),
        ("next", 24, None),
        (None, 25, 24),
        (None, 3, None),
    ],
)
def test_a_shift_that_nobody_checked_out_of_counts_to_the_ceiling(
    ended_by: str | None, hours: float, counted: int | None
) -> None:
    """The next check-in says nothing about how long anybody worked; a check-out does."""
    start, ceiling = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=24)
    end = start + timedelta(hours=hours)
    until = counted_until(start, end if ended_by else None, ended_by, end, ceiling)
    assert until == (None if counted is None else start + timedelta(hours=counted))
