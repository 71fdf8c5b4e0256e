"""What the law requires of a recusal. Pure.

R.33; reconsideration: 刑事程序规定 37 (criminal cases only).
"""

from datetime import datetime, timedelta


def due(asked_at: datetime, criminal: bool, target: timedelta, criminal_target: timedelta) -> datetime:
    """By when the recusal should be decided."""
    return asked_at + (criminal_target if criminal else target)


def too_late(at: datetime, told_at: datetime | None, term: timedelta) -> list[str]:
    """The code of the rule that a late application for reconsideration breaks.

    The term runs from the moment the applicant was told; None: not told yet, so it is not late.
    """
    return ["reconsideration_too_late"] if told_at is not None and at > told_at + term else []
