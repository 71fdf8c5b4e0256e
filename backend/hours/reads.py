"""Hours of a month, read: one's own, or by person of the organs that one oversees."""

import base64
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from backend.core.database import fetch, first
from backend.core.paging import invalid_parameter
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer, visible_to
from backend.hours.rules import DayKind
from backend.hours.service import Month, first_of, minutes, months
from backend.law.catalogue import law

PERSON = visible_to(own=["p.id"], organ="p.organ").condition
ONE = f"SELECT p.id, p.badge, p.name, p.organ FROM person p WHERE p.id = $3 AND {PERSON}"  # noqa: S608 - constants
AUXILIARIES = "p.kind IN ('duty_auxiliary', 'civilian_auxiliary')"
OF_ORGANS = f"""
SELECT p.id, p.badge, p.name, p.organ FROM person p
WHERE {AUXILIARIES} AND p.organ IN (SELECT organs_under($1::text[])) AND ($2::text IS NULL OR p.badge > $2)
ORDER BY p.badge LIMIT $3
"""  # noqa: S608
UNDER = "SELECT count(*) > 0 FROM organ WHERE code = $1 AND code IN (SELECT organs_under($2::text[]))"
SUMS = ("worked", "watch", "standby", "beyond_day", "beyond_week", "rest_day", "holiday")


class DayHours(msgspec.Struct, frozen=True, kw_only=True):
    """One day, in minutes. What is beyond the norm is part of `worked_min`."""

    day: date
    kind: DayKind
    worked_min: int
    watch_min: int
    standby_min: int
    beyond_day_min: int
    beyond_week_min: int
    rest_day_min: int
    holiday_min: int


class PersonHours(msgspec.Struct, frozen=True, kw_only=True):
    """One person's month, in minutes. `owed_min`: time off for rest days, less what was taken."""

    person: UUID
    badge: str
    name: str
    organ: str
    worked_min: int
    watch_min: int
    standby_min: int
    beyond_day_min: int
    beyond_week_min: int
    rest_day_min: int
    holiday_min: int
    overtime_min: int
    limit_min: int
    taken_min: int
    owed_min: int
    unfinished: bool
    contested_shifts: int
    days: list[DayHours]


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """A page of persons, by badge; their days only where one person was asked for."""

    month: str
    items: list[PersonHours]
    next: str | None


async def of_person(actor: Actor, month: str, person: UUID) -> Hours:
    """Raises Refusal `unknown_person`, `calendar_unknown`."""
    row = await first(ONE, *viewer(actor), person)
    if row is None:
        raise Refusal("unknown_person")
    return Hours(month=month, items=await _hours([row], month, days=True), next=None)


async def of_organ(actor: Actor, month: str, organ: str | None, cursor: str | None, limit: int) -> Hours:
    """Auxiliaries of an organ and all below it, or of all that one oversees. Raises Refusal `unknown_organ`,
    `calendar_unknown`, `invalid`."""
    organs = viewer(actor)[1]
    if organ is not None:
        if not await _is_under(organ, organs):
            raise Refusal("unknown_organ")
        organs = [organ]
    rows = await fetch(OF_ORGANS, organs, _badge(cursor), limit + 1)
    more = base64.urlsafe_b64encode(rows[limit - 1]["badge"].encode()).decode() if len(rows) > limit else None
    return Hours(month=month, items=await _hours(rows[:limit], month), next=more)


async def report(month: str, organ: str | None) -> list[PersonHours]:
    """For whoever runs the server. Raises Refusal `unknown_organ`, `calendar_unknown`."""
    tops = [row["code"] for row in await fetch("SELECT code FROM organ WHERE parent IS NULL")]
    if organ is not None and not await _is_under(organ, tops):
        raise Refusal("unknown_organ")
    rows = await fetch(OF_ORGANS, tops if organ is None else [organ], None, None)
    return await _hours(rows, month)


async def _is_under(organ: str, organs: list[str]) -> bool:
    row = await first(UNDER, organ, organs)
    return row is not None and bool(row[0])


async def _hours(rows: Any, month: str, *, days: bool = False) -> list[PersonHours]:
    told = await months([row["id"] for row in rows], first_of(month), datetime.now(UTC))
    return [_person(row, told[row["id"]], days=days) for row in rows]


def _person(row: Any, told: Month, *, days: bool) -> PersonHours:
    return PersonHours(
        person=row["id"], badge=row["badge"], name=row["name"], organ=row["organ"],
        **{f"{name}_min": minutes(told.total(name)) for name in SUMS},
        overtime_min=minutes(told.overtime), limit_min=minutes(law().span("overtime_month")),
        taken_min=minutes(told.taken), owed_min=minutes(told.owed), unfinished=told.unfinished,
        contested_shifts=told.contested, days=[_day(day) for day in told.days if days],
    )  # fmt: skip


def _day(day: Any) -> DayHours:
    spans: dict[str, timedelta] = {f"{name}_min": getattr(day, name) for name in SUMS}
    return DayHours(day=day.day, kind=day.kind, **{name: minutes(span) for name, span in spans.items()})


def _badge(cursor: str | None) -> str | None:
    try:
        return None if cursor is None else base64.urlsafe_b64decode(cursor).decode()
    except ValueError:
        raise invalid_parameter("cursor", "not one of ours") from None
