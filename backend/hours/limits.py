"""Find what the organ may not ask of anybody: too long a day, and a week without rest. Findings against the organ.

Guarantees: a duty counts as a whole on the day on which it began, its end told by a check-out; one that nobody checked
out of proves no long day. A finding whose cause is corrected away is withdrawn. Source: 劳动法 38, 41.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from uuid import UUID, uuid5

from backend.core import findings
from backend.core.database import Record, fetch
from backend.core.days import day_of
from backend.core.findings import Finding
from backend.hours import rules
from backend.hours.rules import A_DAY, DutySpan, start_of_day
from backend.law.catalogue import law

DAYS = UUID("0c9a4a52-3f0e-5a7d-8e1b-7d2f5b6f3a90")  # namespace of a person's day or week: uuid5 of "person/2026-03-02"
DUTIES = """
SELECT person, organ, started_at, ended_at, duty_type, coalesce(ended_by = 'check_out', false) AS checked_out
FROM shift WHERE in_force AND during && tstzrange($1, $2) ORDER BY person, started_at
"""
STANDING = """
SELECT kind, subject FROM finding WHERE kind IN ('overtime_day', 'no_weekly_rest') AND withdrawn_at IS NULL
    AND started_at >= $1 AND started_at < $2
"""


async def refresh(month: date, last: date, now: datetime) -> int:
    """Add or withdraw the findings of the days of a month and of the weeks that begin in it. Returns how many stand."""
    rows = await fetch(DUTIES, start_of_day(month), start_of_day(last + 8 * A_DAY))
    found: dict[tuple[str, UUID], Finding] = {}
    for _, duties in groupby(rows, key=lambda row: row["person"]):
        of_person = list(duties)
        for each in (*_long_days(of_person, month, last), *_weeks_without_rest(of_person, month, last, now)):
            found[each.kind, each.subject] = each
    period = start_of_day(month), start_of_day(last + A_DAY)
    standing = {(row["kind"], row["subject"]) for row in await fetch(STANDING, *period)}
    for key in found.keys() - standing:
        await findings.flag(found[key])
    for key in standing - found.keys():
        await findings.withdraw(*key)
    return len(found)


def _long_days(duties: Sequence[Record], month: date, last: date) -> Iterator[Finding]:
    """Days of the month on which one worked longer than `overtime_day` beyond the norm."""
    unknown = {day_of(row["started_at"]) for row in duties if not row["checked_out"]}
    spans = [_span(row) for row in duties if row["checked_out"]]
    for day in rules.too_long(spans, law().span("working_day"), law().span("overtime_day")):
        if month <= day <= last and day not in unknown:
            of_day = [row for row in duties if day_of(row["started_at"]) == day]
            yield Finding(
                kind="overtime_day", subject=uuid5(DAYS, f"{of_day[0]['person']}/{day}"), organ=of_day[-1]["organ"],
                person=of_day[0]["person"], against_organ=True, started_at=start_of_day(day),
                ended_at=start_of_day(day + A_DAY),
            )  # fmt: skip


def _weeks_without_rest(duties: Sequence[Record], month: date, last: date, now: datetime) -> Iterator[Finding]:
    """Weeks that begin in the month, are over, and had no `weekly_rest`."""
    spans = [_span(row) for row in duties]
    for monday in _mondays(month, last):
        until = start_of_day(monday + 7 * A_DAY)
        if until <= now and not rules.has_rest(spans, monday, law().span("weekly_rest")):
            organ = [row["organ"] for row in duties if row["started_at"] < until][-1]
            yield Finding(
                kind="no_weekly_rest", subject=uuid5(DAYS, f"{duties[0]['person']}/{monday}/week"), organ=organ,
                person=duties[0]["person"], against_organ=True, started_at=start_of_day(monday), ended_at=until,
            )  # fmt: skip


def _mondays(month: date, last: date) -> Iterable[date]:
    """The Mondays of a month."""
    days = (month + number * A_DAY for number in range((last - month).days + 1))
    return [day for day in days if day.weekday() == 0]


def _span(row: Record) -> DutySpan:
    """The duty; where nobody checked out, the moment of its beginning, which is all that is known."""
    end = row["ended_at"] if row["checked_out"] else row["started_at"]
    return DutySpan(row["started_at"], end, row["duty_type"])
