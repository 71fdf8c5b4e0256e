"""Where a person served, from one day to another.

Guarantees: a day is a day in China, which has one legal time. A moment in no stint belongs to the stint nearest to it,
so every fact has an organ.
"""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from backend.core.days import day_of

# The stints of {person}, for `stints_of`; null: none.
STINTS = """(
    SELECT json_agg(json_build_array(t.organ, t.kind, lower(t.during), upper(t.during) - 1, t.badge)) FROM stint t
    WHERE t.person = {person}
)"""


class Stint(msgspec.Struct, frozen=True, array_like=True):
    """Service in one organ, as one kind of person, under one badge number. `until`: the last day; None: open."""

    organ: str
    kind: str
    since: date
    until: date | None = None
    badge: str = ""

    def holds(self, day: date) -> bool:
        """Whether the person served on this day."""
        return self.since <= day and (self.until is None or day <= self.until)

    def days_from(self, day: date) -> int:
        """How many days lie between this day and the service; 0: the day is in it."""
        if day < self.since:
            return (self.since - day).days
        return 0 if self.until is None or day <= self.until else (day - self.until).days


def stints_of(column: str) -> tuple[Stint, ...]:
    """The stints in a column STINTS of a row."""
    return _DECODER.decode(column)


_DECODER = msgspec.json.Decoder(tuple[Stint, ...])


def stint_at(stints: Sequence[Stint], at: datetime) -> Stint:
    """The stint of this moment, else the one nearest to it. There must be one. The SQL function organ_at agrees."""
    day = day_of(at)
    return min(stints, key=lambda stint: (stint.days_from(day), stint.since))


def stint_now(stints: Sequence[Stint], today: date) -> Stint:
    """The stint of today, else the newest past one, else the first to come. There must be one. The view person_now
    agrees."""
    if len(stints) == 1:
        return stints[0]
    begun = [stint for stint in stints if stint.since <= today]
    return max(begun, key=_since) if begun else min(stints, key=_since)


def _since(stint: Stint) -> date:
    return stint.since


def served_at(stints: Sequence[Stint], at: datetime) -> bool:
    """Whether the person served at this moment."""
    day = day_of(at)
    return any(stint.holds(day) for stint in stints)
