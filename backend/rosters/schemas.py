"""Planned shifts on the wire."""

from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.described import DutyType, PlannedShiftId, Radius
from backend.core.wire import Entry, Moment, Name, Place, Receipt, Words

StartsAt = Annotated[Moment, msgspec.Meta(description="planned start of the shift")]
EndsAt = Annotated[Moment, msgspec.Meta(description="planned end of the shift")]


class Planned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One planned shift, with an id of its own."""

    id: Annotated[UUID, msgspec.Meta(description="id of the planned shift, made by the client")]
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary planned for duty")]
    post: Annotated[Name, msgspec.Meta(description="the post, as check-in names it in `roster_post`")]
    duty_type: DutyType
    starts_at: StartsAt
    ends_at: EndsAt
    officer: Annotated[UUID | None, msgspec.Meta(description="id of the officer who is to lead; null: not planned")] = (
        None
    )
    place: Annotated[Place | None, msgspec.Meta(description="where the post is; null: not given")] = None
    radius_m: Annotated[
        Radius | None, msgspec.Meta(description="metres around the post within which to check in; null: no place")
    ] = None


class PlanShifts(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Plan shifts: all of them, or none if one is refused."""

    shifts: Annotated[list[Planned], msgspec.Meta(min_length=1, max_length=500, description="the shifts to plan")]


class WithdrawPlanned(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Withdraw a planned shift that has not begun."""

    planned: PlannedShiftId
    why: Annotated[Words, msgspec.Meta(description="why the planned shift is withdrawn")]


class PlanReceipt(Receipt, kw_only=True):
    """The answer to planning and withdrawing."""

    planned: Annotated[list[UUID], msgspec.Meta(description="ids of the shifts that were planned or withdrawn")]
