"""Planned shifts on the wire."""

from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.described import DutyLeaderId, DutyOfficerIds, DutyRowId, DutyType, PlannedShiftId, Radius
from backend.core.wire import WHOLE, Entry, Moment, Name, Place, Receipt, Words

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


DutyBegins = Annotated[Moment, msgspec.Meta(description="from when they command")]
DutyEnds = Annotated[Moment, msgspec.Meta(description="until when they command")]
DutyOrgan = Annotated[
    str, msgspec.Meta(pattern="^[0-9]{12}" + WHOLE, description="code of the organ whose duty it is, twelve digits")
]


class NameDuty(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Name who commands an organ's duty (值班表): the leader 带班领导 and the officers on duty 值班民警.

    Meanwhile they command the organ's auxiliaries: they see its shifts and planned shifts of that time, and its calls
    for help, which call them first. Its id is the id of the row.
    """

    organ: DutyOrgan
    starts_at: DutyBegins
    ends_at: DutyEnds
    leader: DutyLeaderId
    officers: Annotated[
        tuple[UUID, ...], msgspec.Meta(min_length=1, max_length=20, description="ids of the officers on duty 值班民警")
    ]


class EndDuty(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """End a row of the daily roster now; one that has not begun is withdrawn."""

    duty: DutyRowId
    why: Annotated[Words, msgspec.Meta(description="why it ends, such as: somebody else takes over")]


class DutyStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the daily roster as it stands."""

    id: DutyRowId
    organ: DutyOrgan
    starts_at: DutyBegins
    ends_at: Annotated[
        Moment, msgspec.Meta(description="until when they command; the same as `starts_at`: it was withdrawn")
    ]
    leader: DutyLeaderId
    officers: DutyOfficerIds


class DutyReceipt(Receipt, kw_only=True):
    """The answer to naming and ending a duty."""

    duty: Annotated[DutyStanding, msgspec.Meta(description="the row as it stands now")]
