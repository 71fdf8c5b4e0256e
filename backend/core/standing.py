"""Which of a person's overlapping intervals is in force: one pure rule over the facts, so that the order in which they
arrive cannot matter. See docs/adr/0012.

Facts are sorted by (corrected start, id). An interval that nobody ended is closed by the next one. One that was ended
keeps its end, and what begins inside it is contested: kept, flagged, counting for nothing until a person resolves it.
Where `next_ends_all`, the next one closes even an interval with an end of its own: naming another leading officer
says that the first no longer leads. What a person set aside is kept and never counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

NEXT = "next"


@dataclass(frozen=True)
class Claim:
    """An interval as its own facts tell it: from `start` to `end` (None: not ended), and what ended it."""

    id: UUID
    start: datetime
    end: datetime | None = None
    ended_by: str | None = None
    set_aside: bool = False


@dataclass(frozen=True)
class Standing:
    """What follows for one claim. `ended_by` is NEXT where its end is the start of the one after it."""

    id: UUID
    start: datetime
    end: datetime | None
    ended_by: str | None
    in_force: bool
    set_aside: bool = False


def settle(claims: Iterable[Claim], *, next_ends_all: bool = False) -> list[Standing]:
    """The standing of every claim, in order of (start, id). Intervals in force never overlap."""
    settled: list[Standing] = []
    current: Claim | None = None
    for claim in sorted(claims, key=lambda claim: (claim.start, claim.id)):
        if claim.set_aside or (current is not None and _contests(claim, current, next_ends_all)):
            settled.append(_stand(claim, in_force=False))
            continue
        if current is not None:
            settled.append(_stand(_closed(current, claim.start), in_force=True))
        current = claim
    if current is not None:
        settled.append(_stand(current, in_force=True))
    return sorted(settled, key=lambda standing: (standing.start, standing.id))


def _contests(claim: Claim, current: Claim, next_ends_all: bool) -> bool:
    if claim.start == current.start and current.end != current.start:
        return True
    return not next_ends_all and current.end is not None and claim.start < current.end


def _closed(claim: Claim, by: datetime) -> Claim:
    if claim.end is not None and claim.end <= by:
        return claim
    return replace(claim, end=by, ended_by=NEXT)


def _stand(claim: Claim, *, in_force: bool) -> Standing:
    return Standing(claim.id, claim.start, claim.end, claim.ended_by, in_force, claim.set_aside)
