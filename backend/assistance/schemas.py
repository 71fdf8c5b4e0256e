"""Calls for help on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import DevicePlace, IncidentNumberGiven
from backend.core.wire import LEFT_OUT_IF_WRONG, Entry, Moment, Receipt, Words

CallKind = Annotated[
    Literal["violence", "injury", "pursuit", "crowd", "medical", "other"],
    msgspec.Meta(
        description="violence 暴力袭击, injury 人员受伤, pursuit 追截, crowd 人群聚集, medical 急病, other 其他"
    ),
]
CallId = Annotated[UUID, msgspec.Meta(description="id of the call for help")]
CallerId = Annotated[UUID, msgspec.Meta(description="id of the person who called for help")]
CalledAt = Annotated[Moment, msgspec.Meta(description="when the person called, in corrected time")]
AskedIn = Annotated[str, msgspec.Meta(description="code of the organ whose officers were called last")]
AcknowledgedBy = Annotated[
    UUID | None, msgspec.Meta(description="id of the officer who took the call; null: nobody yet")
]
AcknowledgedAt = Annotated[Moment | None, msgspec.Meta(description="when an officer took the call; null: nobody yet")]
ArrivedAt = Annotated[Moment | None, msgspec.Meta(description="when help arrived; null: not yet")]
ClosedAt = Annotated[Moment | None, msgspec.Meta(description="when the call was closed; null: not yet")]

CalledFirst = Annotated[
    list[UUID],
    msgspec.Meta(
        description="ids of those who command the duty by the daily roster (带班领导, 值班民警): ring them before the "
        "others; empty: the roster names nobody"
    ),
]


class CallForHelp(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Somebody in the street needs help now. The call's id is this entry's id. The outbox sends it first."""

    kind: CallKind
    words: Annotated[
        Words | None,
        msgspec.Meta(description="what is happening; null: no time to say", extra=LEFT_OUT_IF_WRONG),
    ] = None
    place: DevicePlace = None
    incident_ref: IncidentNumberGiven = None


class OnCall(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fields that every step about a call has."""

    call: CallId


class AcknowledgeCall(OnCall, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An officer takes the call: they go there, or send somebody."""


class ArriveAtCall(OnCall, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Help has arrived. The helper or the caller records it."""


class CloseCall(OnCall, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The call is over."""

    words: Annotated[Words, msgspec.Meta(description="how the call ended")]


class CallStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it stands."""

    id: CallId
    person: CallerId
    kind: CallKind
    called_at: CalledAt
    asked_in: AskedIn
    acknowledged_by: AcknowledgedBy
    acknowledged_at: AcknowledgedAt
    arrived_at: ArrivedAt
    closed_at: ClosedAt
    called_first: CalledFirst = msgspec.field(default_factory=list)


class CallReceipt(Receipt, kw_only=True):
    """The answer to each verb of a call."""

    call: Annotated[CallStanding, msgspec.Meta(description="the call as it stands now")]
