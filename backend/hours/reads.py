"""Read the hours of a month: one's own, or by person of the organs that one oversees."""

import base64
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec

from backend.core.database import fetch, first, value
from backend.core.described import Badge, NextPage, OrganCode, PersonId, PersonName
from backend.core.officers import IS_AUXILIARY
from backend.core.paging import invalid_parameter
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer
from backend.hours.rules import A_DAY, DayKind, DayWorked
from backend.hours.service import MonthWorked, announced, first_of, last_of, minutes, months
from backend.law.catalogue import Language, law
from backend.people.tables import Organ

# Who served or worked in these organs (below $1) in the month from $2 to before $3, and the organ they served in last.
SERVED = f"""
SELECT DISTINCT ON (person) person, organ FROM (
    SELECT s.person, s.organ, lower(s.during) AS since FROM stint s
    WHERE s.kind {IS_AUXILIARY} AND s.organ IN (SELECT organs_under($1::text[]))
        AND s.during && daterange($2::date, $3::date)
    UNION ALL
    SELECT h.person, h.organ, '-infinity' FROM shift h WHERE h.organ IN (SELECT organs_under($1::text[]))
        AND h.during && tstzrange($2::date::timestamp AT TIME ZONE 'Asia/Shanghai',
            $3::date::timestamp AT TIME ZONE 'Asia/Shanghai')
) x ORDER BY person, since DESC, organ
"""  # noqa: S608 - constants
OF_ORGANS = f"""
SELECT p.id, p.badge, p.name, w.organ FROM ({SERVED}) w JOIN person_now p ON p.id = w.person
WHERE ($4::text IS NULL OR (p.badge, p.id) > ($4, $5::uuid)) ORDER BY p.badge, p.id LIMIT $6
"""  # noqa: S608 - constants
ONE = f"""
SELECT p.id, p.badge, p.name, w.organ FROM ({SERVED}) w JOIN person_now p ON p.id = w.person WHERE p.id = $4
"""  # noqa: S608
ONESELF = "SELECT id, badge, name, organ FROM person_now WHERE id = $1"
UNDER = "SELECT count(*) > 0 FROM organ WHERE code = $1 AND code IN (SELECT organs_under($2::text[]))"
SUMS = ("worked", "watch", "standby", "beyond_day", "beyond_week", "rest_day", "holiday")


Worked = Annotated[int, msgspec.Meta(description="on patrol, post, window or event, in minutes")]
Watch = Annotated[int, msgspec.Meta(description="on watch 值班, in minutes")]
Standby = Annotated[int, msgspec.Meta(description="on standby 备勤, in minutes")]
BeyondDay = Annotated[
    int, msgspec.Meta(description="of `worked_min`: beyond the daily norm, on working days, in minutes")
]
BeyondWeek = Annotated[
    int, msgspec.Meta(description="of `worked_min`: beyond the weekly norm but not the daily one, in minutes")
]
RestDay = Annotated[int, msgspec.Meta(description="of `worked_min`: on rest days, in minutes")]
Holiday = Annotated[int, msgspec.Meta(description="of `worked_min`: on statutory holidays, in minutes")]


class DayHours(msgspec.Struct, frozen=True, kw_only=True):
    """The hours of one day, in minutes."""

    day: Annotated[date, msgspec.Meta(description="day by the calendar of China")]
    kind: Annotated[DayKind, msgspec.Meta(description="work 工作日, rest 休息日, holiday 法定节假日")]
    worked_min: Worked
    watch_min: Watch
    standby_min: Standby
    beyond_day_min: BeyondDay
    beyond_week_min: BeyondWeek
    rest_day_min: RestDay
    holiday_min: Holiday


class PersonHours(msgspec.Struct, frozen=True, kw_only=True):
    """The hours of one person in a month, in minutes."""

    person: PersonId
    badge: Badge
    name: PersonName
    organ: OrganCode
    worked_min: Worked
    watch_min: Watch
    standby_min: Standby
    beyond_day_min: BeyondDay
    beyond_week_min: BeyondWeek
    rest_day_min: RestDay
    holiday_min: Holiday
    overtime_min: Annotated[int, msgspec.Meta(description="overtime that counts towards the month's limit, in minutes")]
    limit_min: Annotated[int, msgspec.Meta(description="limit of overtime in a month, in minutes")]
    taken_min: Annotated[int, msgspec.Meta(description="time off taken for this month's rest days, in minutes")]
    owed_min: Annotated[
        int,
        msgspec.Meta(description="time off still owed for this month, in minutes; below 0 after a correction"),
    ]
    unfinished: Annotated[bool, msgspec.Meta(description="a shift of the month is not ended yet")]
    contested_shifts: Annotated[
        int, msgspec.Meta(description="number of contested shifts of the month; they do not count until resolved")
    ]
    capped_shifts: Annotated[
        int,
        msgspec.Meta(
            description="number of shifts of the month that nobody checked out of: the next check-in ended them, or "
            "nothing has yet, and each counts no longer than `unfinished_shift_ceiling`"
        ),
    ]
    days: Annotated[list[DayHours], msgspec.Meta(description="day by day; empty: a page of persons was asked for")]


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """A page of persons with their hours of a month."""

    month: Annotated[str, msgspec.Meta(description="year and month, such as 2026-03")]
    announced: Annotated[
        bool,
        msgspec.Meta(
            description="false: the State Council has not announced this year's days off yet: weekends and statutory "
            "days count, and the hours may change"
        ),
    ]
    note: Annotated[str | None, msgspec.Meta(description="the same as a sentence; null: it is announced")]
    items: Annotated[list[PersonHours], msgspec.Meta(description="persons, in order of badge number")]
    next: NextPage


async def of_person(actor: Actor, month: str, person: UUID, language: Language) -> Hours:
    """The hours of one person, day by day. Raises Refusal `unknown_person`."""
    organs = None if person == actor.person else viewer(actor)[1]
    row = await (first(ONESELF, person) if organs is None else first(ONE, organs, *_days(month), person))
    if row is None:
        raise Refusal("unknown_person")
    return _page(month, await _hours([row], month, organs, days=True), None, language)


async def of_organ(
    actor: Actor, month: str, organ: str | None, cursor: str | None, limit: int, language: Language
) -> Hours:
    """A page of those who served in an organ or below it in that month; None: in all organs that one oversees.

    Each with the hours of the shifts that they did there.

    Raises Refusal `unknown_organ`, `invalid`.
    """
    organs = viewer(actor)[1]
    if organ is not None:
        if not await _is_under(organ, organs):
            raise Refusal("unknown_organ")
        organs = [organ]
    rows = await fetch(OF_ORGANS, organs, *_days(month), *_after(cursor), limit + 1)
    more = _cursor(rows[limit - 1]) if len(rows) > limit else None
    return _page(month, await _hours(rows[:limit], month, organs), more, language)


def note(month: str, language: Language) -> str | None:
    """What must be said of the hours of a month whose days off are not announced yet; None: nothing."""
    known = announced(first_of(month))
    return None if known else law().messages["calendar_not_announced"].sentence(language)


def _page(month: str, items: list[PersonHours], more: str | None, language: Language) -> Hours:
    return Hours(month=month, announced=announced(first_of(month)), note=note(month, language), items=items, next=more)


async def report(month: str, organ: str | None) -> list[PersonHours]:
    """The hours of everybody who served in an organ or below it in that month; None: in all organs. For the operator.

    Raises Refusal `unknown_organ`.
    """
    tops = await Organ.select(Organ.code).where(Organ.parent.is_null()).output(as_list=True)
    if organ is not None and not await _is_under(organ, tops):
        raise Refusal("unknown_organ")
    organs = tops if organ is None else [organ]
    return await _hours(await fetch(OF_ORGANS, organs, *_days(month), None, None, None), month, organs)


async def _is_under(organ: str, organs: list[str]) -> bool:
    return bool(await value(UNDER, organ, organs))


async def _hours(rows: Any, month: str, organs: list[str] | None, *, days: bool = False) -> list[PersonHours]:
    worked = await months([row["id"] for row in rows], first_of(month), datetime.now(UTC), organs)
    return [_person(row, worked[row["id"]], days=days) for row in rows]


def _person(row: Any, worked: MonthWorked, *, days: bool) -> PersonHours:
    return PersonHours(
        person=row["id"], badge=row["badge"], name=row["name"], organ=row["organ"],
        **{f"{name}_min": minutes(worked.total(name)) for name in SUMS},
        overtime_min=minutes(worked.overtime), limit_min=minutes(law().span("overtime_month")),
        taken_min=minutes(worked.taken), owed_min=minutes(worked.owed), unfinished=worked.unfinished,
        contested_shifts=worked.contested, capped_shifts=worked.capped, days=[_day(day) for day in worked.days if days],
    )  # fmt: skip


def _day(day: DayWorked) -> DayHours:
    spans: dict[str, timedelta] = {f"{name}_min": getattr(day, name) for name in SUMS}
    return DayHours(day=day.day, kind=day.kind, **{name: minutes(span) for name, span in spans.items()})


def _days(month: str) -> tuple[date, date]:
    """The first day of a month, and the first of the next."""
    first_day = first_of(month)
    return first_day, last_of(first_day) + A_DAY


def _cursor(row: Any) -> str:
    return base64.urlsafe_b64encode(f"{row['badge']} {row['id']}".encode()).decode()


def _after(cursor: str | None) -> tuple[str | None, UUID | None]:
    """Badge and id of the last person of the page before. Raises Refusal `invalid`."""
    if cursor is None:
        return None, None
    try:
        badge, person = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return badge, UUID(person)
    except ValueError:
        raise invalid_parameter("cursor", "not one of ours") from None
