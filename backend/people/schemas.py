"""People, roles and devices as administrators enter and change them, on the wire."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import DeviceSerial, KindOfPerson
from backend.core.wire import WHOLE, Entry, Name, Receipt

BADGE = r"^[A-Za-z0-9-]+" + WHOLE
RoleKind = Literal["commander", "treasurer", "inspector", "administrator"]
DeviceKind = Literal["handheld", "desk", "dock"]
BadgeGiven = Annotated[
    str, msgspec.Meta(min_length=1, max_length=20, pattern=BADGE, description="badge number: letters, digits, dashes")
]
OrganGiven = Annotated[str, msgspec.Meta(pattern="^[0-9]{12}" + WHOLE, description="code of the organ, twelve digits")]
NameGiven = Annotated[Name, msgspec.Meta(description="the person's name")]
SubjectId = Annotated[UUID, msgspec.Meta(description="id of the person whom it is about")]
ServesFrom = Annotated[date, msgspec.Meta(description="first day of the service, by the calendar of China")]
ServesUntil = Annotated[date | None, msgspec.Meta(description="last day of the service; null: it goes on")]
RoleGiven = Annotated[RoleKind, msgspec.Meta(description="the role")]
Confirm = Annotated[
    bool,
    msgspec.Meta(
        description="true: a person has seen who is renamed, or who had this badge before; else it is refused "
        "`confirmation_needed`"
    ),
]


class EnterPerson(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Enter a person who begins to serve, or who returns under the same badge and name (入职、返聘).

    The id of the entry is the id of a person who was not known. A badge that somebody else had goes to this person from
    that day on (警号改发): with `confirm`.
    """

    badge: BadgeGiven
    name: NameGiven
    kind: KindOfPerson
    organ: OrganGiven
    serves_from: ServesFrom
    serves_until: ServesUntil = None
    formerly: Annotated[
        BadgeGiven | None,
        msgspec.Meta(description="the badge under which the same person served before; null: the same one, or none"),
    ] = None
    confirm: Confirm = False


class MovePerson(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Move a person to another organ, or make them another kind, from a day on (调动、转岗).

    What they did before stays with the organ in which they served then.
    """

    person: SubjectId
    organ: OrganGiven
    serves_from: ServesFrom
    kind: KindOfPerson | None = None


class RenamePerson(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Give a person another name (改名). It is the same person: with `confirm`."""

    person: SubjectId
    name: NameGiven
    confirm: Confirm = False


class EndPerson(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Say on which day a person's service ends (离职), or on another day than before. Their roles end with it."""

    person: SubjectId
    last_day: Annotated[date, msgspec.Meta(description="last day of the service, by the calendar of China")]


class GrantRole(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Give a person a role on an organ and all below it (授予角色), no longer than they serve."""

    person: SubjectId
    role: RoleGiven
    organ: OrganGiven
    valid_from: Annotated[date, msgspec.Meta(description="first day of the role")]
    valid_until: Annotated[date | None, msgspec.Meta(description="last day of the role; null: it goes on")] = None


class EndRole(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """End a role of a person (收回角色). One that begins later than `last_day` ends on its first day."""

    person: SubjectId
    role: RoleGiven
    organ: OrganGiven
    last_day: Annotated[date, msgspec.Meta(description="last day of the role")]


class ServiceChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A person's service as it stands after the change."""

    id: Annotated[UUID, msgspec.Meta(description="id of the person")]
    change: Annotated[
        Literal["new", "returned", "moved", "continued", "corrected", "ended", "extended", "renamed", "reissued"],
        msgspec.Meta(description="what the change is to the histories of people"),
    ]
    kind: KindOfPerson
    organ: OrganGiven
    serves_from: ServesFrom
    serves_until: ServesUntil


class RoleStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A role as it stands after the change."""

    person: SubjectId
    role: RoleGiven
    organ: OrganGiven
    valid_from: Annotated[date, msgspec.Meta(description="first day of the role")]
    valid_until: Annotated[date | None, msgspec.Meta(description="last day of the role; null: it goes on")]


class PersonReceipt(Receipt, kw_only=True):
    """The answer to entering, moving, renaming and ending a person."""

    person: Annotated[ServiceChanged, msgspec.Meta(description="the person's service as it stands now")]


class RoleReceipt(Receipt, kw_only=True):
    """The answer to granting and ending a role."""

    role: Annotated[RoleStanding, msgspec.Meta(description="the role as it stands now")]


class EnterDevice(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Enter a device (设备入册), or change the name, kind and organ of one that is known.

    The id of the entry is the id of a device that was not known. It is let in once it is enrolled with a code.
    """

    serial: DeviceSerial
    name: Annotated[Name, msgspec.Meta(description="name of the device, such as 手持终端 3 号")]
    kind: Annotated[DeviceKind, msgspec.Meta(description="handheld 手持终端, desk 办公电脑, dock 采集工作站")]
    organ: OrganGiven


class DeviceStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A device as it stands after the change."""

    id: Annotated[UUID, msgspec.Meta(description="id of the device")]
    kind: Annotated[DeviceKind, msgspec.Meta(description="handheld 手持终端, desk 办公电脑, dock 采集工作站")]
    organ: OrganGiven
    is_new: Annotated[bool, msgspec.Meta(description="false: the device was known before")]


class DeviceReceipt(Receipt, kw_only=True):
    """The answer to entering a device."""

    device: Annotated[DeviceStanding, msgspec.Meta(description="the device as it stands now")]
