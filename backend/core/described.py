"""Field types with one meaning everywhere, each with its description for the contract.

A field whose meaning is the same in several features takes its type from here, so that it is described once. A field
that only shares a name with another is described on its own struct.
"""

from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.wire import Moment

Badge = Annotated[str, msgspec.Meta(description="badge number")]
NextPage = Annotated[str | None, msgspec.Meta(description="cursor of the next page; null on the last one")]
OrganCode = Annotated[str, msgspec.Meta(description="code of the organ, twelve digits")]
OrganName = Annotated[str, msgspec.Meta(description="name of the organ")]
PersonName = Annotated[str, msgspec.Meta(description="the person's name")]
Radius = Annotated[int, msgspec.Meta(ge=1, le=20_000, description="radius around the place, in metres")]
SentAt = Annotated[Moment, msgspec.Meta(description="the device's clock when this attempt was sent")]
PersonId = Annotated[UUID, msgspec.Meta(description="id of the person")]
RecordingId = Annotated[UUID, msgspec.Meta(description="id of the recording")]
UploadId = Annotated[UUID, msgspec.Meta(description="id of the upload")]
Version = Annotated[int, msgspec.Meta(description="rises with each change; a decision names the version it saw")]
WearerId = Annotated[UUID, msgspec.Meta(description="id of the person who wore the camera")]
BeganAt = Annotated[Moment, msgspec.Meta(description="start, in corrected time")]
EndedAt = Annotated[Moment | None, msgspec.Meta(description="end, in corrected time; null: not ended")]
InForce = Annotated[bool, msgspec.Meta(description="false: contested, counts for nothing until a person rules on it")]
