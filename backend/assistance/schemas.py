"""Help on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.wire import Entry, Moment, Place, Receipt, Words

Kind = Annotated[
    Literal["violence", "injury", "pursuit", "crowd", "medical", "other"],
    msgspec.Meta(
        description="violence 暴力袭击, injury 人员受伤, pursuit 追截, crowd 人群聚集, medical 急病, other 其他"
    ),
]


class CallForHelp(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Somebody in the street needs help now. Its id is the call's id. The outbox sends it before anything else."""

    kind: Kind
    words: Words | None = None
    place: Place | None = None


class OnCall(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What every step about a call carries."""

    call: UUID


class AcknowledgeCall(OnCall, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An officer takes the call: they go, or send somebody."""


class ArriveAtCall(OnCall, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Somebody is there: who helps, or who called, says so."""


class CloseCall(OnCall, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """It is over, and how it ended."""

    words: Words


class CallStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it stands: who acknowledged, and when each step was; null where it was not yet."""

    id: UUID
    person: UUID
    kind: str
    called_at: Moment
    asked_in: str
    acknowledged_by: UUID | None
    acknowledged_at: Moment | None
    arrived_at: Moment | None
    closed_at: Moment | None


class CallReceipt(Receipt, kw_only=True):
    """The answer to each verb of a call."""

    call: CallStanding
