"""Read planned shifts, each with the shift that fulfilled it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from backend.core.database import fetch
from backend.core.described import Badge, DutyType, OrganCode, PersonName, PlannedShiftId, ShiftId
from backend.core.paging import Page, PageCursor, moment_parameter, next_page
from backend.core.verb import Actor
from backend.core.visibility import commanded_while, viewer, visible_to
from backend.core.wire import Moment, Place
from backend.law.catalogue import law
from backend.rosters.schemas import EndsAt, StartsAt

VISIBLE = visible_to(own=["p.person", "p.officer"], organ="p.organ").also(
    *commanded_while(organ="p.organ", span="p.during", began="p.starts_at")
)
PLANNED = f"""
WITH page AS MATERIALIZED (
    SELECT p.*, w.badge, w.name FROM planned_shift p JOIN person_now w ON w.id = p.person
    WHERE {VISIBLE.condition} AND p.withdrawn_at IS NULL
        AND p.during && tstzrange($3, $4) AND ($5::timestamptz IS NULL OR (p.starts_at, p.id) > ($5, $6::uuid))
    ORDER BY p.starts_at, p.id LIMIT $7
)
SELECT p.*, a.shift, a.came_at AS checked_in_at,
    (SELECT n.name FROM person_now n WHERE n.id = p.officer) AS officer_name
FROM page p
LEFT JOIN planned_answers(
    ARRAY(SELECT person FROM page), (SELECT range_merge(range_agg(during)) FROM page), $8, $9
) a ON a.planned = p.id
ORDER BY p.starts_at, p.id
"""  # noqa: S608 - constants


class PlannedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A planned shift."""

    id: PlannedShiftId
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary planned for duty")]
    badge: Badge
    name: PersonName
    organ: OrganCode
    post: Annotated[str, msgspec.Meta(description="the post, as check-in names it in `roster_post`")]
    officer: Annotated[UUID | None, msgspec.Meta(description="id of the officer who is to lead; null: not planned")]
    officer_name: Annotated[str | None, msgspec.Meta(description="name of that officer; null: not planned")]
    duty_type: DutyType
    starts_at: StartsAt
    ends_at: EndsAt
    place: Annotated[Place | None, msgspec.Meta(description="where the post is; null: not given")]
    radius_m: Annotated[
        int | None, msgspec.Meta(description="metres around the post within which to check in; null: no place")
    ]
    shift: Annotated[
        ShiftId | None,
        msgspec.Meta(
            description="id of the shift that answers it: of those in force that overlap it, the one that fits best by "
            "post, start and length; a shift answers one planned shift; null: nobody came"
        ),
    ]
    checked_in_at: Annotated[
        Moment | None, msgspec.Meta(description="when the auxiliary checked in for it; null: nobody came")
    ]


async def rosters(
    actor: Actor, since: datetime | None, until: datetime | None, cursor: str | None, limit: int
) -> Page[PlannedRow]:
    """A page of one's own planned shifts, those one is to lead, and those of the organs that one oversees."""
    page = PageCursor.after(cursor)
    span = (since and moment_parameter("from", since), until and moment_parameter("to", until))
    if None not in span and span[0] > span[1]:  # type: ignore[operator]
        return Page(items=[], next=None)
    terms = (law().span("check_in_grace"), law().span("unfinished_shift_ceiling"))
    rows = await fetch(PLANNED, *viewer(actor), *span, page and page.at, page and page.id, limit + 1, *terms)
    return Page(items=[_row(row) for row in rows[:limit]], next=next_page(rows, limit, "starts_at"))


def _row(row: Any) -> PlannedRow:
    columns = {field: row[field] for field in PlannedRow.__struct_fields__}
    columns["place"] = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return PlannedRow(**columns)
