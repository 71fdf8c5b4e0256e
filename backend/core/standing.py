"""Decides which of a person's overlapping intervals is in force. Pure: the order of arrival cannot matter.

Intervals are sorted by (corrected start, id).
- An interval that nobody ended is closed by the next one.
- An interval that was ended keeps its end. One that begins inside it is contested: it is kept and flagged, and counts
  for nothing until a person decides.
- With `next_ends_all`, the next interval closes even one with an end of its own: who names another leading officer
  says that the first one no longer leads.
- An interval that a person set aside is kept and never counts.

See docs/adr/0012.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

NEXT = "next"


@dataclass(frozen=True)
class Claim:
    """An interval by its own facts alone. `end`: None while nobody ended it. `ended_by`: what ended it."""

    id: UUID
    start: datetime
    end: datetime | None = None
    ended_by: str | None = None
    set_aside: bool = False


@dataclass(frozen=True)
class Standing:
    """The result for one claim. `ended_by`: NEXT where the next interval closed it."""

    id: UUID
    start: datetime
    end: datetime | None
    ended_by: str | None
    in_force: bool
    set_aside: bool = False


def settle(claims: Iterable[Claim], *, next_ends_all: bool = False) -> list[Standing]:
    """The standing of every claim, sorted by (start, id). Intervals in force never overlap."""
    settled: list[Standing] = []
    current: Claim | None = None
    for claim in sorted(claims, key=lambda claim: (claim.start, claim.id)):
        if claim.set_aside or (current is not None and _is_contested(claim, current, next_ends_all)):
            settled.append(_stand(claim, in_force=False))
            continue
        if current is not None:
            settled.append(_stand(_closed(current, claim.start), in_force=True))
        current = claim
    if current is not None:
        settled.append(_stand(current, in_force=True))
    return sorted(settled, key=lambda standing: (standing.start, standing.id))


def _is_contested(claim: Claim, current: Claim, next_ends_all: bool) -> bool:
    """Whether `claim` begins inside `current`."""
    if claim.start == current.start and current.end != current.start:
        return True
    return not next_ends_all and current.end is not None and claim.start < current.end


def _closed(claim: Claim, by: datetime) -> Claim:
    if claim.end is not None and claim.end <= by:
        return claim
    return replace(claim, end=by, ended_by=NEXT)


def _stand(claim: Claim, *, in_force: bool) -> Standing:
    return Standing(claim.id, claim.start, claim.end, claim.ended_by, in_force, claim.set_aside)
