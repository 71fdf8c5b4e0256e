"""What the law asks of a recusal. Pure. R.33; reconsideration: 刑事程序规定 37, administrative cases know none."""

from datetime import datetime, timedelta


def due(asked_at: datetime, criminal: bool, target: timedelta, criminal_target: timedelta) -> datetime:
    """Until when it should be decided."""
    return asked_at + (criminal_target if criminal else target)


def too_late(at: datetime, told_at: datetime | None, term: timedelta) -> list[str]:
    """Whether reconsideration is asked for after its term; it runs from when the applicant was told."""
    return ["reconsideration_too_late"] if told_at is not None and at > told_at + term else []
