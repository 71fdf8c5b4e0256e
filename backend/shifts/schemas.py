"""Check-in and check-out on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.wire import Entry, Moment, Name, Place, Receipt, Words

DutyType = Literal["patrol", "post", "window", "watch", "standby", "event"]
Equipment = Annotated[list[Name], msgspec.Meta(max_length=40)]


class CheckIn(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary begins a shift (签到). The shift's id is this entry's id."""

    duty_type: DutyType
    dress: Annotated[Literal["uniform", "plain"], msgspec.Meta(description="R.32: plain only where needed")]
    id_card_carried: Annotated[bool, msgspec.Meta(description="the work ID, R.32")]
    dress_reason: Annotated[Words, msgspec.Meta(description="why plain clothes are needed")] | None = None
    equipment: Equipment = msgspec.field(default_factory=list)
    vehicle: Name | None = None
    ordered_by: Annotated[UUID, msgspec.Meta(description="the officer who ordered this duty")] | None = None
    roster_post: Annotated[Name, msgspec.Meta(description="or the post of the roster")] | None = None
    place: Place | None = None


class CheckOut(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary ends a shift (签退)."""

    shift: UUID
    place: Place | None = None


class ShiftStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A shift as it stands. Not `in_force`: it overlaps an earlier one and counts for nothing until resolved."""

    id: UUID
    started_at: Moment
    ended_at: Moment | None
    in_force: bool


class ShiftReceipt(Receipt, kw_only=True):
    """The answer to a check-in or check-out."""

    shift: ShiftStanding
