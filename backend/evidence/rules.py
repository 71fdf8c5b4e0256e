"""Rules of parts, retention periods and durations. Pure; sizes in bytes, part numbers from 1.

Retention: 公通字〔2016〕14号 asks for at least six months; the period is data (terms.toml).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from backend.core.days import until
from backend.core.wire import EARLIEST
from backend.law.catalogue import Law

MIB = 1024 * 1024
FILMS = ("video/", "audio/")
A_MOMENT = timedelta(milliseconds=1)  # how long something lasts that is of one moment: a range of nothing holds nothing


class FilmTimes(NamedTuple):
    """Start and end of footage by the server's clock. `correction`: server's clock minus the camera's.

    `camera_started`: the start by the camera's clock. `doubtful`: the camera's clock cannot be right.
    """

    started: datetime
    ended: datetime | None
    correction: timedelta
    camera_started: datetime
    doubtful: bool = False


def is_category(law: Law, category: str | None) -> bool:
    """Whether the law keeps footage of this category until people let it go; None, which is none, is in order too."""
    return category is None or category in law.provisions.retention


def times_of_film(
    started_at: datetime, ended_at: datetime | None, correction: timedelta, declared_at: datetime, latest: datetime
) -> FilmTimes:
    """Correct a camera's times. Footage before 2000 or after `latest` was filmed before it was declared: it ends then.

    An end before the start, by the camera's clock, is none: the clock was set while it filmed.
    """
    contradictory = ended_at is not None and ended_at < started_at
    length = timedelta() if ended_at is None or contradictory else ended_at - started_at
    started, camera_started = moved(started_at, correction), moved(started_at, timedelta())
    if started is not None and EARLIEST <= started <= latest - length:
        ended = None if ended_at is None or contradictory else started + length
        return FilmTimes(started, ended, correction, camera_started or started, contradictory)
    started = max(EARLIEST, declared_at - min(length, declared_at - EARLIEST))
    ended = None if ended_at is None or contradictory else declared_at
    return FilmTimes(started, ended, started - started_at, camera_started or started, True)


def lasting(film: FilmTimes, media_type: str) -> FilmTimes:
    """The same with an end: a photo, or any other file that is no film, is of the moment at which it began.

    A film that ends when it begins lasts a moment too, so that what covers its time covers it.
    """
    if not media_type.startswith(FILMS):
        return film._replace(ended=film.started + A_MOMENT)
    return film if film.ended is None else film._replace(ended=max(film.ended, film.started + A_MOMENT))


def moved(moment: datetime, by: timedelta) -> datetime | None:
    """The moment so much later, in UTC; None where that is no time."""
    try:
        return (moment + by).astimezone(UTC)
    except OverflowError:
        return None


def part_size(size: int | None, proposed: int | None, law: Law) -> int:
    """Size of a part: as the device proposed, where that is within the bounds; at least as many whole MiB as are
    needed to make no more parts than the store takes."""
    needed = -(-(size or 0) // law.count("parts_ceiling"))
    allowed = proposed is not None and law.count("part_least") <= proposed <= law.count("part_most")
    wished = proposed if proposed is not None and allowed else law.count("part_floor")
    return wished if needed <= wished else -(-needed // MIB) * MIB


def expected_parts(size: int, part: int) -> dict[int, int]:
    """The size of each part of a file, by part number."""
    count = -(-size // part)
    return {number: min(part, size - (number - 1) * part) for number in range(1, count + 1)}


def missing_parts(have: Mapping[int, int], size: int, part: int) -> list[int]:
    """The numbers of the parts that are missing or have the wrong size."""
    return [number for number, expected in expected_parts(size, part).items() if have.get(number) != expected]


def slot(number: int, size: int | None, part: int) -> int:
    """What a part may be at most; 0 beyond the end. A file of unknown size (None) has no end."""
    return part if size is None else max(0, min(part, size - (number - 1) * part))


def exceeds(listed: Iterable[tuple[int, int]], size: int | None, part: int, share: int, slack: int) -> bool:
    """Whether the store holds more of an upload than it should.

    `listed`: (number, bytes) of each part; one sent twice is there twice. A part larger than its slot always is too
    much; parts that fit, sent again and again, are beyond `share` percent of their slots and `slack` bytes.
    """
    found = list(listed)
    if any(held > slot(number, size, part) for number, held in found):
        return True
    slots = sum(slot(number, size, part) for number in {number for number, _ in found})
    return sum(held for _, held in found) > slots * share / 100 + slack


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers as runs (first, last): 1, 2, 3, 7 is (1, 3), (7, 7)."""
    result: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if result and number == result[-1][1] + 1:
            result[-1] = (result[-1][0], number)
        else:
            result.append((number, number))
    return result


def term_begins(declared_at: datetime, told_end: datetime | None, received_at: datetime) -> datetime:
    """When the term of a file begins: when the server first heard of it, or at its told end where that is later.

    Not later than the server had all bytes: no clock that somebody told makes a term shorter or longer than that.
    """
    return min(max(declared_at, told_end or declared_at), received_at)


def locked_until(begins: datetime, sealed_at: datetime, law: Law) -> datetime:
    """When the lock ends: with the term that begins then, but not before the floor that begins with the sealing."""
    return max(until(law, "footage_retention", begins), until(law, "sealed_retention_floor", sealed_at))


def durations_disagree(claimed: timedelta, probed: timedelta, tolerance: timedelta, share: int) -> bool:
    """Whether the probed and the claimed duration differ by more than the tolerance and `share` percent."""
    return abs(claimed - probed) > max(tolerance, claimed * share / 100)
