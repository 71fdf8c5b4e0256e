"""What the law asks of a complaint. Pure. 信访工作条例: finished in 60 days, extended once by 30 at most."""

from datetime import datetime, timedelta


def extension(until: datetime, end_by: datetime, at_most: timedelta) -> bool:
    """Whether it is later than the end, and no later than may be."""
    return end_by < until <= end_by + at_most
