"""What the law requires of a recusal. Pure.

R.33; 刑事案件程序规定 36, 37 (criminal cases only). Which grounds, applicants and terms there are: recusals.toml.
"""

from collections.abc import Mapping
from datetime import datetime

from backend.core.days import until
from backend.law.catalogue import Law
from backend.law.matters import About, RecusalTerms


def abouts(named: Mapping[About, object | None]) -> list[About]:
    """What a recusal is from, of what it may name: one thing, and an incident beside it or alone. Empty: it names none,
    or two at once."""
    given = [about for about, value in named.items() if value is not None]
    things = [about for about in given if about != "incident"]
    return given if given and len(things) <= 1 else []


def due(law: Law, terms: RecusalTerms, asked_at: datetime) -> datetime:
    """By when the recusal should be decided."""
    return until(law, terms.decided, asked_at)


def extended(at: datetime, due_at: datetime) -> list[str]:
    """The code of the rule that an extension after the end of the term breaks."""
    return ["recusal_extended_late"] if at > due_at else []


def reconsider_until(law: Law, terms: RecusalTerms, state: str, told_at: datetime | None) -> datetime | None:
    """Until when reconsideration may be asked for. The term begins when the applicant was told of the refusal.

    None: not refused, not told yet, or a kind of case without reconsideration.
    """
    if state != "refused" or told_at is None or terms.asked is None:
        return None
    return until(law, terms.asked, told_at)


def too_late(at: datetime, last: datetime | None) -> list[str]:
    """The code of the rule that a late application for reconsideration breaks. `last`: None where no term runs."""
    return ["reconsideration_too_late"] if last is not None and at > last else []
