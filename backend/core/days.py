"""Days by the calendar of China, which has one legal time: the one place that says where a day begins and ends. Pure.

In SQL the same is `day_in_china(moment)`, or `(moment AT TIME ZONE 'Asia/Shanghai')::date`. The database's sessions and
the servers run in UTC, so a cast to date, or `.date()`, is another day from midnight to eight in the morning.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
A_DAY = timedelta(days=1)


def in_china(at: datetime) -> datetime:
    """The moment by the clocks of China; at the edges of the calendar, as it is."""
    try:
        return at.astimezone(CHINA)
    except OverflowError:
        return at


def day_of(at: datetime) -> date:
    """The day of a moment by the calendar of China; at the edges of the calendar, by the moment's own offset."""
    return in_china(at).date()


def start_of_day(day: date) -> datetime:
    """The midnight in China with which a day begins."""
    return datetime.combine(day, time(), CHINA)


def end_of_day(day: date) -> datetime:
    """The moment at which a day ends in China, in UTC."""
    return start_of_day(day + A_DAY).astimezone(UTC)
