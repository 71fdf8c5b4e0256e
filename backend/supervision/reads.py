"""Read namings of leading officers, newest first."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import BeganAt, EndedAt, InForce, LedAuxiliaryId, OrganCode
from backend.core.paging import ListQuery, Page, as_row, next_page, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import visible_to
from backend.supervision.schemas import Answer, LeadsFrom, SupervisionId

SUPERVISION = visible_to(own=["v.auxiliary", "v.officer"], organ="v.organ")
Status = Literal["open", "unanswered", "confirmed", "declined", "contested", "all"]
STATUSES = {
    "open": "v.ended_at IS NULL AND v.in_force",
    "unanswered": "v.answer IS NULL AND v.in_force",
    "confirmed": "v.answer = 'confirmed'",
    "declined": "v.answer = 'declined'",
    "contested": "NOT v.in_force",
    "all": "true",
}
SUPERVISIONS = """
SELECT v.*, a.name AS auxiliary_name, o.name AS officer_name FROM supervision v
JOIN person_now a ON a.id = v.auxiliary JOIN person_now o ON o.id = v.officer
"""


class SupervisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A naming in a list."""

    id: SupervisionId
    auxiliary: LedAuxiliaryId
    auxiliary_name: Annotated[str, msgspec.Meta(description="name of the auxiliary who is led")]
    officer: Annotated[UUID, msgspec.Meta(description="id of the officer named")]
    officer_name: Annotated[str, msgspec.Meta(description="name of the officer named")]
    organ: OrganCode
    started_at: BeganAt
    ended_at: EndedAt
    in_force: InForce
    answer: Answer
    leads_from: LeadsFrom


async def supervisions(actor: Actor, status: Status, cursor: str | None, limit: int) -> Page[SupervisionRow]:
    """A page of the namings that the actor may see."""
    listed = ListQuery(SUPERVISIONS, "supervision v", SUPERVISION, STATUSES[status])
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Page(items=[as_row(SupervisionRow, row) for row in rows[:limit]], next=next_page(rows, limit))
