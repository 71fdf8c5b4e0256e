"""What the law requires of a complaint. Pure. Kinds, terms, who approves and what is in writing: complaints.toml.

信访工作条例 23: told in writing what becomes of it. 31(6), 34: concluded within sixty days of acceptance, matters of
that kind alone; extended once, by thirty days at most, with the head's approval. 30: accusations by their own rules.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from backend.core.days import day_of, until
from backend.law.catalogue import Law
from backend.law.matters import ComplaintKind, Told

IN_WRITING = ("letter", "message")


def kind_of(law: Law, code: str | None) -> ComplaintKind | None:
    """The kind with this code, or the one that a complaint is taken for of which nobody said what it is. None: a kind
    that this law does not know."""
    return law.complaints.kinds.get(code or law.complaints.taken_for)


def notice_by(law: Law, code: str | None, received_at: datetime) -> datetime:
    """By when the complainant must be told what becomes of it."""
    return until(law, law.complaints.notice_of(code), received_at)


def end_by(law: Law, code: str, accepted_at: datetime) -> datetime | None:
    """By when it must be concluded; None: its kind has no such term."""
    kind = law.complaints.kinds.get(code)
    return None if kind is None or kind.end is None else until(law, kind.end, accepted_at)


def allows_extension(law: Law, term: str, wanted: datetime, end: datetime) -> bool:
    """Whether a term that ends at `end` may be extended until this day: a later one, within the extension."""
    return day_of(end) < day_of(wanted) and wanted <= until(law, term, end)


def not_written(kind: ComplaintKind | None, told: Told, how: str, papers: Sequence[UUID]) -> list[str]:
    """The code of the rule that a telling breaks which must be in writing and was not. A paper handed over is."""
    owed = kind is not None and told in kind.written
    written = how in IN_WRITING or (how == "in_person" and bool(papers))
    return ["notice_not_written"] if owed and not written else []


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
