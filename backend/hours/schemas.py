"""Time off in lieu on the wire."""

import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.wire import WHOLE, Entry, Receipt, Words

Month = Annotated[
    str, msgspec.Meta(pattern="^2[0-9]{3}-(0[1-9]|1[0-2])" + WHOLE, description="year and month, such as 2026-03")
]


TimeOffId = Annotated[UUID, msgspec.Meta(description="id of the time off: that of the entry which granted it")]


class TakeTimeOff(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Grant time off instead of pay for work on rest days (补休)."""

    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary who takes the time off")]
    month: Annotated[Month, msgspec.Meta(description="month in which the rest days were worked, such as 2026-03")]
    on_day: Annotated[datetime.date, msgspec.Meta(description="day on which the time off is taken")]
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440, description="length of the time off, in minutes")]
    words: Annotated[Words, msgspec.Meta(description="why the time off is granted")]


class WithdrawTimeOff(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Withdraw time off that was not taken after all."""

    time_off: TimeOffId
    why: Annotated[Words, msgspec.Meta(description="why the time off is withdrawn")]


class TimeOffStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Time off as it stands, and what is still owed for its month."""

    id: TimeOffId
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary who takes the time off")]
    month: Annotated[str, msgspec.Meta(description="month in which the rest days were worked, such as 2026-03")]
    on_day: Annotated[datetime.date, msgspec.Meta(description="day on which the time off is taken")]
    minutes: Annotated[int, msgspec.Meta(description="length of the time off, in minutes")]
    withdrawn: Annotated[bool, msgspec.Meta(description="whether the time off was withdrawn")]
    owed_min: Annotated[
        int,
        msgspec.Meta(description="time off still owed for the month, in minutes; below 0 after a correction"),
    ]


class TimeOffReceipt(Receipt, kw_only=True):
    """The answer to granting or withdrawing time off."""

    time_off: Annotated[TimeOffStanding, msgspec.Meta(description="the time off as it stands now")]
