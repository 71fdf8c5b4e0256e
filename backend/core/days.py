"""Days by the calendar of China, which has one legal time: the one place that says where a day begins and ends. Pure.

In SQL the same is `day_in_china(moment)`, or `(moment AT TIME ZONE 'Asia/Shanghai')::date`. The database's sessions and
the servers run in UTC, so a cast to date, or `.date()`, is another day from midnight to eight in the morning.

And the one place that reckons with terms in days and years (terms.toml): `until`, `since`, `last_day`, `first_day`.
They begin the day after and end with the last moment of a day, so that whoever shows that moment shows the day; a year
ends on the same day of the next year, or on the last of its month. `counts = "procedure"`: a last day that is a rest
day or a holiday moves to the next working day. Source: 行政案件程序规定 35; 刑事诉讼法 105; 民法典 200 to 203.
In SQL, `end_of_term(moment, years, days)` is `until` for terms that count plainly. Hours stay hours: `Law.span`.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from backend.law.catalogue import Law

CHINA = ZoneInfo("Asia/Shanghai")
A_DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)  # the database tells no shorter one apart


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


def last_moment(day: date) -> datetime:
    """The last moment of a day in China, in UTC."""
    return end_of_day(day) - A_MOMENT


def until(law: Law, term: str, begins: datetime) -> datetime:
    """The last moment of a term that begins at this moment. Raises LawError where there is no such term."""
    if (span := law.by_clock(term)) is not None:
        return begins + span
    return last_moment(last_day(law, term, day_of(begins)))


def since(law: Law, term: str, at: datetime) -> datetime:
    """The first moment whose term, counted plainly, is not over at `at`. Raises LawError as `until`."""
    if (span := law.by_clock(term)) is not None:
        return at - span
    return start_of_day(first_day(law, term, day_of(at))).astimezone(UTC)


def last_day(law: Law, term: str, begins: date) -> date:
    """The last day of a term that begins on this day, which does not count. Raises LawError as `until`."""
    length = law.days(term)
    day = _years_after(begins, length.years) + length.days * A_DAY
    while length.carries_over and law.rests(day):
        day += A_DAY
    return day


def first_day(law: Law, term: str, ends: date) -> date:
    """The first day whose term, counted plainly, still runs on the day `ends`. Raises LawError as `until`."""
    length = law.days(term)
    day = ends - length.days * A_DAY
    earlier = _years_after(day, -length.years)
    return earlier if _years_after(earlier, length.years) == day else earlier + A_DAY


def _years_after(day: date, years: int) -> date:
    """The same day so many years later; 28 February where that year has no 29th."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
