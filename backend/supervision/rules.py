"""What the regulation requires of naming and leading. Pure.

R.7: an auxiliary on duty works under command or lead. R.10: a named officer leads.
"""

from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Protocol

EARTH_M = 6_371_000


class Position(Protocol):
    """A position in degrees, the receiver's accuracy in metres, and the datum."""

    @property
    def lat(self) -> float: ...
    @property
    def lon(self) -> float: ...
    @property
    def accuracy_m(self) -> float: ...
    @property
    def datum(self) -> str: ...


def unmet_at_naming(*, on_shift: bool) -> list[str]:
    """The codes of the rules that a naming leaves unmet: only an auxiliary on duty can be led."""
    return [] if on_shift else ["not_on_shift"]


def answered_late(named_at: datetime, answered_at: datetime, target: timedelta) -> bool:
    """Whether the answer came later than the target. It counts all the same."""
    return answered_at - named_at > target


def led_from_afar(named: Position | None, answered: Position | None, ceiling_m: int) -> bool:
    """Whether the two were further apart than the ceiling, even if both receivers were wrong by their accuracy.

    False where a position is unknown or the datums differ: those are never compared.
    """
    if named is None or answered is None or named.datum != answered.datum:
        return False
    return distance_m(named, answered) - named.accuracy_m - answered.accuracy_m > ceiling_m


def distance_m(a: Position, b: Position) -> float:
    """Metres along the great circle (haversine)."""
    lat_a, lat_b = radians(a.lat), radians(b.lat)
    half = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(radians(b.lon - a.lon) / 2) ** 2
    return 2 * EARTH_M * asin(min(1.0, sqrt(half)))
