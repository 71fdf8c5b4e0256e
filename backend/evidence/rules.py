"""Parts, periods and durations. Pure; sizes in bytes, part numbers from 1.

Retention: 公通字〔2016〕14号 asks for at least six months; the period is data (terms.toml).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

MIB = 1024 * 1024


def part_size(size: int | None, floor: int, ceiling: int) -> int:
    """Bytes a part: the floor, or as many whole MiB as keep the file within `ceiling` parts."""
    needed = -(-(size or 0) // ceiling)
    return max(floor, -(-needed // MIB) * MIB)


def expected_parts(size: int, part: int) -> dict[int, int]:
    """The bytes of each part of a file."""
    count = -(-size // part)
    return {number: min(part, size - (number - 1) * part) for number in range(1, count + 1)}


def missing_parts(have: Mapping[int, int], size: int, part: int) -> list[int]:
    """The numbers of parts that are not there, or are there with the wrong size."""
    return [number for number, expected in expected_parts(size, part).items() if have.get(number) != expected]


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """1, 2, 3, 7 as (1, 3), (7, 7)."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def locked_until(ended_at: datetime, sealed_at: datetime, term: timedelta, floor: timedelta) -> datetime:
    """Until when nobody can delete it: the term from its end, and never less than the floor from its sealing."""
    return max(ended_at + term, sealed_at + floor)


def durations_disagree(claimed: timedelta, probed: timedelta, tolerance: timedelta, share: int) -> bool:
    """Whether what the file holds and what was claimed differ by more than the tolerance or `share` percent."""
    return abs(claimed - probed) > max(tolerance, claimed * share / 100)
