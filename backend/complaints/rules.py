"""What the law requires of a complaint. Pure.

信访工作条例: concluded within 60 days; extended once, by 30 days at most.
"""

from datetime import datetime, timedelta


def allows_extension(until: datetime, end_by: datetime, at_most: timedelta) -> bool:
    """Whether `until` is later than the end of the term, by `at_most` or less."""
    return end_by < until <= end_by + at_most
