"""Rules of parts, retention periods and durations of footage."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.days import last_moment
from backend.evidence.rules import (
    MIB,
    durations_disagree,
    exceeds,
    expected_parts,
    locked_until,
    missing_parts,
    part_size,
    runs,
    slot,
    term_begins,
)
from backend.law.catalogue import law

LEAST, MOST = law().count("part_least"), law().count("part_most")
SIZES = st.integers(1, law().count("file_ceiling"))
SMALL = st.integers(1, 2000)


@given(st.none() | SIZES, st.none() | st.integers(1, 2 * MOST))
def test_no_file_makes_more_parts_than_the_store_takes(size: int | None, proposed: int | None) -> None:
    """S3 takes 10,000 parts of at least 5 MiB; whatever a device proposes."""
    part = part_size(size, proposed, law())
    assert part >= 5 * MIB
    assert -(-(size or 0) // part) <= 10_000


@given(st.integers(LEAST, MOST))
def test_a_device_chooses_the_size_of_its_parts(proposed: int) -> None:
    """Within the bounds, also while the file's size is not known."""
    assert proposed == part_size(None, proposed, law()) == part_size(proposed * 10_000, proposed, law())


@pytest.mark.parametrize("proposed", [1, LEAST - 1, MOST + 1])
def test_a_size_out_of_bounds_is_not_taken(proposed: int) -> None:
    """Then it is the server's own."""
    assert 8 * MIB == part_size(None, proposed, law())


@given(st.integers(1, 10**9), st.integers(1, 10**7), st.data())
def test_parts_in_their_slots_never_exceed_and_larger_ones_always_do(size: int, part: int, data: st.DataObject) -> None:
    """Each part as large as its slot, sent up to twice, fits; one byte more in any of them does not."""
    count = min(-(-size // part), 50)
    numbers = data.draw(st.lists(st.integers(1, count), min_size=1, max_size=20, unique=True))
    listed = [(number, slot(number, size, part)) for number in numbers]
    assert not exceeds(listed * 2, size, part, 200, 0)
    assert exceeds(listed * 3, size, part, 200, 0)
    grown = data.draw(st.integers(0, len(listed) - 1))
    listed[grown] = (listed[grown][0], listed[grown][1] + 1)
    assert exceeds(listed, size, part, 200, 2**60)


def test_a_file_without_a_size_has_full_slots_without_an_end() -> None:
    """And one whose size is known has none beyond its end."""
    assert [8, 8, 8] == [slot(number, None, 8) for number in (1, 2, 9999)]
    assert [8, 2, 0, 0] == [slot(number, 10, 8) for number in (1, 2, 3, 4)]


def test_an_ordinary_file_goes_in_parts_of_eight_mebibytes() -> None:
    """Larger parts only where there would be too many."""
    assert 8 * MIB == part_size(2 * 1024 * MIB, None, law())
    assert 8 * MIB == part_size(80_000 * MIB, None, law())
    assert 9 * MIB == part_size(80_000 * MIB + 1, None, law()) == part_size(80_000 * MIB + 1, 5 * MIB, law())


@given(SMALL, st.integers(1, 300))
def test_parts_partition_the_file(size: int, part: int) -> None:
    """Every byte is in exactly one part, all parts but the last are full, and they count from 1."""
    parts = expected_parts(size, part)
    assert size == sum(parts.values())
    assert list(range(1, len(parts) + 1)) == list(parts)
    assert all(bytes_ == part for bytes_ in list(parts.values())[:-1])
    assert 0 < parts[len(parts)] <= part


@given(SMALL, st.integers(1, 300), st.data())
def test_a_part_is_missing_unless_it_is_there_with_its_full_size(size: int, part: int, data: st.DataObject) -> None:
    """A part of the wrong size counts as missing; a part beyond the last does not count."""
    parts = expected_parts(size, part)
    there = data.draw(st.sets(st.sampled_from(sorted(parts))))
    broken = data.draw(st.sets(st.sampled_from(sorted(parts))))
    have = {number: parts[number] + (number in broken) for number in there} | {len(parts) + 1: part}
    assert sorted(set(parts) - (there - broken)) == missing_parts(have, size, part)


@given(st.sets(st.integers(1, 60)))
def test_runs_contain_exactly_the_given_numbers(numbers: set[int]) -> None:
    """Runs are in order, and there is a gap between any two."""
    result = runs(numbers)
    assert sorted(numbers) == [number for first, last in result for number in range(first, last + 1)]
    assert all(earlier[1] + 1 < later[0] for earlier, later in pairwise(result))


def test_runs_of_an_example() -> None:
    """1, 2, 3 and 7 are one run of three and one of one."""
    assert [(1, 3), (7, 7)] == runs([3, 1, 2, 7])


SEALED = datetime(2026, 6, 1, tzinfo=UTC)
TOLD = st.none() | st.datetimes(min_value=datetime(1990, 1, 1), timezones=st.just(UTC))


@given(TOLD, st.timedeltas(timedelta(), timedelta(days=400)))
def test_no_told_clock_moves_a_term_beyond_what_the_server_knows(told: datetime | None, took: timedelta) -> None:
    """It begins between the first hearing and the last byte, whatever a camera says."""
    received = SEALED
    begins = term_begins(received - took, told, received)
    assert received - took <= begins <= received
    assert told is None or begins == min(max(told, received - took), received)


def test_a_reset_clock_shortens_nothing_and_one_of_the_future_lengthens_nothing() -> None:
    """2016 and 2099 both begin when the server heard of the film, or had it."""
    heard = SEALED - timedelta(days=2)
    assert heard == term_begins(heard, datetime(2016, 1, 1, tzinfo=UTC), SEALED)
    assert SEALED == term_begins(heard, datetime(2099, 1, 1, tzinfo=UTC), SEALED)
    assert heard + timedelta(days=1) == term_begins(heard, heard + timedelta(days=1), SEALED)


def test_footage_is_kept_six_months_from_its_end() -> None:
    """公通字〔2016〕14号: at least six months."""
    ended = SEALED - timedelta(hours=2)
    assert last_moment(date(2026, 12, 2)) == locked_until(ended, SEALED, law())


def test_footage_that_arrives_after_its_term_can_still_be_reviewed() -> None:
    """A file found in a drawer a year later is kept thirty days from its sealing."""
    assert last_moment(date(2026, 7, 1)) == locked_until(SEALED - timedelta(days=400), SEALED, law())


@given(st.timedeltas(timedelta(days=-3000), timedelta(days=1)))
def test_no_lock_is_shorter_than_either_period(before: timedelta) -> None:
    """Whatever the end of the file, both periods hold."""
    until = locked_until(SEALED + before, SEALED, law())
    assert until >= SEALED + timedelta(days=30)
    assert until >= SEALED + before + timedelta(days=184)


@pytest.mark.parametrize(
    ("claimed", "probed", "disagree"),
    [
        (60, 60, False),
        (60, 65, False),
        (60, 54.9, True),
        (60, 65.1, True),
        (3600, 3600 - 72, False),
        (3600, 3600 - 73, True),
        (0, 5, False),
        (600, 0, True),
    ],
)
def test_a_file_that_is_shorter_or_longer_than_claimed_disagrees(claimed: int, probed: float, disagree: bool) -> None:
    """Recorders are off by up to five seconds or two percent, whichever is more."""
    spans = timedelta(seconds=claimed), timedelta(seconds=probed)
    assert disagree == durations_disagree(*spans, law().span("duration_tolerance"), 2)
