"""Planned shifts on the wire."""

from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.described import Radius
from backend.core.wire import Entry, Moment, Name, Place, Receipt, Words
from backend.shifts.schemas import DutyType


class Planned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One planned shift, with an id of its own."""

    id: Annotated[UUID, msgspec.Meta(description="made by the client")]
    person: Annotated[UUID, msgspec.Meta(description="the auxiliary")]
    post: Annotated[Name, msgspec.Meta(description="the post, as check-in names it in `roster_post`")]
    duty_type: DutyType
    starts_at: Moment
    ends_at: Moment
    officer: Annotated[UUID, msgspec.Meta(description="who is to lead")] | None = None
    place: Annotated[Place, msgspec.Meta(description="where the post is")] | None = None
    radius_m: Radius | None = None


class PlanShifts(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Planned shifts, all of them or none."""

    shifts: Annotated[list[Planned], msgspec.Meta(min_length=1, max_length=500)]


class WithdrawPlanned(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A planned shift that has not begun will not be."""

    planned: Annotated[UUID, msgspec.Meta(description="which planned shift")]
    why: Words


class PlanReceipt(Receipt, kw_only=True):
    """The answer to planning and withdrawing."""

    planned: Annotated[list[UUID], msgspec.Meta(description="the planned shifts it was about")]
