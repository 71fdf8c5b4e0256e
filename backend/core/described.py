"""Field types with one meaning everywhere, each with its description for the contract.

A field whose meaning is the same in several features takes its type from here, so that it is described once. A field
that only shares a name with another is described on its own struct.
"""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.wire import LEFT_OUT_IF_WRONG, WHOLE, Moment, Name, Place

ActivityId = Annotated[UUID, msgspec.Meta(description="id of the activity")]
Badge = Annotated[str, msgspec.Meta(description="badge number")]
BeganAt = Annotated[Moment, msgspec.Meta(description="start, in corrected time")]
CaseNumberGiven = Annotated[Name, msgspec.Meta(description="number of the case")]
ContactMethod = Annotated[
    Literal["in_person", "telephone", "letter", "message"],
    msgspec.Meta(description="in_person 当面, telephone 电话, letter 书面, message 短信"),
]
DevicePlace = Annotated[
    Place | None, msgspec.Meta(description="where the device was; null: not known", extra=LEFT_OUT_IF_WRONG)
]
SERIAL = r"^[A-Za-z0-9._-]+" + WHOLE
DeviceSerial = Annotated[
    str, msgspec.Meta(min_length=1, max_length=40, pattern=SERIAL, description="the device's serial number")
]
DutyLeaderId = Annotated[UUID, msgspec.Meta(description="id of the officer who leads the duty 带班领导")]
DutyOfficerIds = Annotated[list[UUID], msgspec.Meta(description="ids of the officers on duty 值班民警")]
DutyRowId = Annotated[UUID, msgspec.Meta(description="id of the row of the daily roster: that of `rosters/duty`")]
DutyType = Annotated[
    Literal["patrol", "post", "window", "watch", "standby", "event"],
    msgspec.Meta(description="patrol 巡逻, post 值守, window 窗口, watch 值班, standby 备勤, event 活动安保"),
]
EndedAt = Annotated[Moment | None, msgspec.Meta(description="end, in corrected time; null: not ended")]
IncidentNumber = Annotated[
    str | None, msgspec.Meta(description="number of the incident 接处警编号; null: none is given")
]
IncidentNumberGiven = Annotated[
    Name | None,
    msgspec.Meta(
        description="number of the incident 接处警编号, which there is long before a case; null: none",
        extra=LEFT_OUT_IF_WRONG,
    ),
]
InForce = Annotated[bool, msgspec.Meta(description="false: contested, counts for nothing until a person rules on it")]
KIND = r"^[a-z][a-z0-9_]*" + WHOLE  # a code of the law: of a kind of person, of a category of footage
KindOfPerson = Annotated[
    str,
    msgspec.Meta(
        max_length=40,
        pattern=KIND,
        description="kind of person: officer, staff, dock, or a kind of auxiliary of the law, such as duty_auxiliary",
    ),
]
LeadingOfficerId = Annotated[UUID, msgspec.Meta(description="id of the officer who leads")]
LedAuxiliaryId = Annotated[UUID, msgspec.Meta(description="id of the auxiliary who is led")]
NextPage = Annotated[str | None, msgspec.Meta(description="cursor of the next page; null on the last one")]
OrganCode = Annotated[str, msgspec.Meta(description="code of the organ, twelve digits")]
OrganName = Annotated[str, msgspec.Meta(description="name of the organ")]
PasswordChangeNeeded = Annotated[
    bool,
    msgspec.Meta(
        description="the password is a first one that somebody else knows: until it is changed (`POST "
        "/v1/me/password`) every other call is 403 `password_change_needed`"
    ),
]
PersonId = Annotated[UUID, msgspec.Meta(description="id of the person")]
PersonName = Annotated[str, msgspec.Meta(description="the person's name")]
NameBeside = Annotated[
    str | None,
    msgspec.Meta(
        description="name of the person whose id stands in the field of the same name without `_name`; null where that "
        "is null"
    ),
]
PlannedShiftId = Annotated[UUID, msgspec.Meta(description="id of the planned shift")]
Radius = Annotated[int, msgspec.Meta(ge=1, le=20_000, description="radius around the place, in metres")]
RecordingId = Annotated[UUID, msgspec.Meta(description="id of the recording")]
RoleName = Annotated[str, msgspec.Meta(description="commander, treasurer, inspector or administrator")]
SeenVersion = Annotated[
    int, msgspec.Meta(ge=1, le=2**31 - 1, description="the `version` that was seen; another one is 409 `stale`")
]
SentAt = Annotated[Moment, msgspec.Meta(description="the device's clock when this attempt was sent")]
ShiftId = Annotated[UUID, msgspec.Meta(description="id of the shift")]
UploadId = Annotated[UUID, msgspec.Meta(description="id of the upload")]
Version = Annotated[int, msgspec.Meta(description="rises with each change; a decision names the version it saw")]
WearerId = Annotated[UUID, msgspec.Meta(description="id of the person who wore the camera")]
