"""Which of a person's intervals is in force: a property of the facts, never of their order of arrival (ADR 12)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from backend.core.standing import NEXT, Claim, Standing, settle

DAWN = datetime(2026, 3, 1, tzinfo=UTC)


def at(hour: float) -> datetime:
    return DAWN + timedelta(hours=hour)


def a_claim(number: int, start: float, end: float | None = None) -> Claim:
    return Claim(UUID(int=number), at(start), None if end is None else at(end), None if end is None else "check_out")


@st.composite
def claims(draw: st.DrawFn) -> list[Claim]:
    """A night's facts: few hours, so that starts and ends often coincide."""
    pairs = st.tuples(st.integers(0, 12), st.none() | st.integers(0, 6))
    spans = draw(st.lists(pairs, max_size=9))
    numbers = draw(st.permutations(range(len(spans))))
    return [
        a_claim(number, start, None if length is None else start + length)
        for number, (start, length) in zip(numbers, spans, strict=True)
    ]


def in_order(*facts: Claim, next_ends_all: bool = False) -> list[Standing]:
    return sorted(settle(facts, next_ends_all=next_ends_all), key=lambda standing: (standing.start, standing.id))


def overlapping(first: Standing, second: Standing) -> bool:
    starts, ends = max(first.start, second.start), [end for end in (first.end, second.end) if end is not None]
    empty = first.start == first.end or second.start == second.end
    return not empty and all(starts < end for end in ends)


@given(claims(), st.booleans())
def test_intervals_in_force_never_overlap(facts: list[Claim], next_ends_all: bool) -> None:
    """Nobody is on two shifts, or led by two officers, at one moment."""
    in_force = [standing for standing in settle(facts, next_ends_all=next_ends_all) if standing.in_force]
    for number, first in enumerate(in_force):
        for second in in_force[number + 1 :]:
            assert not overlapping(first, second)


@given(claims(), st.booleans(), st.randoms())
def test_the_order_of_arrival_changes_nothing(facts: list[Claim], next_ends_all: bool, chance: object) -> None:
    """The result does not depend on which phone had a network first."""
    shuffled = list(facts)
    chance.shuffle(shuffled)
    assert settle(facts, next_ends_all=next_ends_all) == settle(shuffled, next_ends_all=next_ends_all)


@given(claims(), st.booleans())
def test_settling_what_is_settled_changes_nothing(facts: list[Claim], next_ends_all: bool) -> None:
    """The intervals in force, taken as facts, stand as they are."""
    settled = [standing for standing in settle(facts, next_ends_all=next_ends_all) if standing.in_force]
    again = settle([Claim(s.id, s.start, s.end, s.ended_by) for s in settled], next_ends_all=next_ends_all)
    assert settled == [standing for standing in again if standing.in_force]


@given(claims(), st.booleans())
def test_every_fact_has_exactly_one_standing(facts: list[Claim], next_ends_all: bool) -> None:
    """Contested intervals stay in the result."""
    standings = settle(facts, next_ends_all=next_ends_all)
    assert sorted(claim.id for claim in facts) == sorted(standing.id for standing in standings)


@given(claims(), st.booleans())
def test_an_interval_ends_where_its_own_fact_says_or_earlier(facts: list[Claim], next_ends_all: bool) -> None:
    """Settling may shorten an interval, and never makes one longer."""
    by_id = {claim.id: claim for claim in facts}
    for standing in settle(facts, next_ends_all=next_ends_all):
        own = by_id[standing.id].end
        assert own is None or (standing.end is not None and standing.end <= own)
        assert standing.end is None or standing.start <= standing.end


@given(claims(), st.booleans())
def test_standings_come_in_order_of_start(facts: list[Claim], next_ends_all: bool) -> None:
    """As `settle` promises: by (start, id)."""
    keys = [(standing.start, standing.id) for standing in settle(facts, next_ends_all=next_ends_all)]
    assert sorted(keys) == keys


@given(claims())
def test_where_the_next_ends_all_only_the_same_moment_contests(facts: list[Claim]) -> None:
    """Naming another officer says that the first no longer leads."""
    standings = settle(facts, next_ends_all=True)
    starts = {standing.start for standing in standings if standing.in_force}
    assert all(standing.start in starts for standing in standings if not standing.in_force)


def test_nothing_settles_to_nothing() -> None:
    """A person without facts has no intervals."""
    assert [] == settle([])


def test_an_open_interval_is_closed_by_the_next() -> None:
    """A forgotten check-out is closed by the next check-in."""
    first, second = in_order(a_claim(1, 8), a_claim(2, 20))
    assert (at(20), NEXT, True) == (first.end, first.ended_by, first.in_force)
    assert (None, True) == (second.end, second.in_force)


def test_what_begins_inside_an_ended_interval_is_contested() -> None:
    """The earlier of two that overlap is in force; the other counts for nothing."""
    first, second = in_order(a_claim(1, 8, 18), a_claim(2, 12, 20))
    assert (True, at(18), "check_out") == (first.in_force, first.end, first.ended_by)
    assert (False, at(20)) == (second.in_force, second.end)


def test_what_begins_at_the_end_of_another_is_not_contested() -> None:
    """Ends are exclusive: a relief on the minute is no overlap."""
    first, second = in_order(a_claim(1, 8, 12), a_claim(2, 12))
    assert (at(12), "check_out", True) == (first.end, first.ended_by, first.in_force)
    assert second.in_force


def test_of_two_at_the_same_moment_the_smaller_id_is_in_force() -> None:
    """A tie has the same result in every order of arrival."""
    first, second = in_order(a_claim(2, 8), a_claim(1, 8))
    assert (UUID(int=1), True) == (first.id, first.in_force)
    assert (UUID(int=2), False) == (second.id, second.in_force)


def test_an_interval_of_no_length_contests_nothing() -> None:
    """Checked in and out at the same moment: what begins then is in force."""
    first, second = in_order(a_claim(1, 8, 8), a_claim(2, 8))
    assert (True, True) == (first.in_force, second.in_force)


def test_the_next_naming_closes_even_one_that_has_an_end() -> None:
    """Naming another leading officer ends the current leading."""
    first, second = in_order(a_claim(1, 8, 18), a_claim(2, 12), next_ends_all=True)
    assert (at(12), NEXT, True) == (first.end, first.ended_by, first.in_force)
    assert second.in_force


@given(claims(), st.booleans(), st.sets(st.integers(0, 8)))
def test_what_was_set_aside_counts_for_nothing(facts: list[Claim], next_ends_all: bool, aside: set[int]) -> None:
    """The others are settled as if it had never been recorded; it stays in the result, not in force."""
    ruled = [replace(claim, set_aside=claim.id.int in aside) for claim in facts]
    settled = settle(ruled, next_ends_all=next_ends_all)
    others = [claim for claim in facts if claim.id.int not in aside]
    assert settle(others, next_ends_all=next_ends_all) == [each for each in settled if not each.set_aside]
    assert len(facts) == len(settled)
    assert not any(each.in_force for each in settled if each.set_aside)
