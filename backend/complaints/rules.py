"""What the law requires of a complaint. Pure.

信访工作条例: concluded within 60 days; extended once, by 30 days at most.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID


def allows_extension(until: datetime, end_by: datetime, at_most: timedelta) -> bool:
    """Whether `until` is later than the end of the term, by `at_most` or less."""
    return end_by < until <= end_by + at_most


class Heard(NamedTuple):
    """A person complained of who was told the substance: until when they may answer, and whether they did."""

    person: UUID
    answer_by: datetime
    answered: bool


AGAINST = ("founded", "partly")  # outcomes that say something against the person complained of


def conclusion_lacks(
    outcome: str, persons: Iterable[UUID], heard: Iterable[Heard], unheard_why: str | None, at: datetime
) -> str | None:
    """What a conclusion lacks: `not_heard` or `hearing_open`; None: nothing. Heard before judged (R.13(5), 34).

    Founded, wholly or in part, needs that everybody complained of was told and answered, or their term is over; or a
    reason why not.
    """
    if outcome not in AGAINST or unheard_why is not None:
        return None
    by_person = {each.person: each for each in heard}
    if not all(person in by_person for person in persons):
        return "not_heard"
    if any(not each.answered and at <= each.answer_by for each in by_person.values()):
        return "hearing_open"
    return None


def names(words: str, secret: str | None) -> bool:
    """Whether these words hold a name or number that must stay secret; spaces and marks between its letters change
    nothing."""
    bare = _bare(secret or "")
    return len(bare) > 1 and bare in _bare(words)


def _bare(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
