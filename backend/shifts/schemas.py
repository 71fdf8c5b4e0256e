"""Check-in and check-out on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import BeganAt, DevicePlace, DutyType, EndedAt, InForce, ShiftId
from backend.core.wire import LEFT_OUT_IF_WRONG, Entry, Name, Receipt, Words

Equipment = Annotated[
    list[Name], msgspec.Meta(max_length=40, description="equipment carried (R.11)", extra=LEFT_OUT_IF_WRONG)
]


class CheckIn(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary begins a shift (签到). The shift's id is this entry's id."""

    duty_type: DutyType
    dress: Annotated[
        Literal["uniform", "plain"],
        msgspec.Meta(description="uniform 着装, plain 便衣: only where the work needs it (R.32)"),
    ]
    id_card_carried: Annotated[bool, msgspec.Meta(description="the auxiliary carries the work ID (R.32)")]
    dress_reason: Annotated[
        Words | None,
        msgspec.Meta(description="why plain clothes are needed; null: in uniform", extra=LEFT_OUT_IF_WRONG),
    ] = None
    equipment: Equipment = msgspec.field(default_factory=list)
    vehicle: Annotated[Name | None, msgspec.Meta(description="vehicle used; null: none", extra=LEFT_OUT_IF_WRONG)] = (
        None
    )
    ordered_by: Annotated[
        UUID | None, msgspec.Meta(description="id of the officer who ordered this duty; null: nobody is named")
    ] = None
    roster_post: Annotated[
        Name | None,
        msgspec.Meta(
            description="post of the roster that this duty fills; null: none is named", extra=LEFT_OUT_IF_WRONG
        ),
    ] = None
    place: DevicePlace = None


class CheckOut(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary ends a shift (签退)."""

    shift: ShiftId
    place: DevicePlace = None


class ShiftStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A shift as it stands."""

    id: Annotated[UUID, msgspec.Meta(description="id of the shift: that of its check-in")]
    started_at: BeganAt
    ended_at: EndedAt
    in_force: InForce


class ShiftReceipt(Receipt, kw_only=True):
    """The answer to a check-in or check-out."""

    shift: Annotated[ShiftStanding, msgspec.Meta(description="the shift as it stands now")]
