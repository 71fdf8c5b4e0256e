"""Time off on the wire."""

import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.wire import WHOLE, Entry, Receipt, Words

Month = Annotated[
    str, msgspec.Meta(pattern="^2[0-9]{3}-(0[1-9]|1[0-2])" + WHOLE, description="year and month, such as 2026-03")
]


class TakeTimeOff(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Time off instead of pay for work on rest days (补休)."""

    person: Annotated[UUID, msgspec.Meta(description="who takes it")]
    month: Annotated[Month, msgspec.Meta(description="the month in which it was worked")]
    on_day: Annotated[datetime.date, msgspec.Meta(description="the day on which it is taken")]
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440, description="how long")]
    words: Words


class WithdrawTimeOff(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """It was not taken after all."""

    time_off: Annotated[UUID, msgspec.Meta(description="which")]
    why: Words


class TimeOffStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Time off as it stands, and what is owed for its month after it, in minutes."""

    id: UUID
    person: UUID
    month: str
    on_day: datetime.date
    minutes: int
    withdrawn: bool
    owed_min: int


class TimeOffReceipt(Receipt, kw_only=True):
    """The answer to taking or withdrawing time off."""

    time_off: TimeOffStanding
