"""Injuries and advances on the wire. Money is integer fen."""

import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.wire import Entry, Moment, Name, Place, Receipt, Words

Severity = Annotated[
    Literal["minor", "serious", "critical", "fatal"],
    msgspec.Meta(description="minor 轻伤, serious 重伤, critical 危重, fatal 死亡"),
]
Kind = Annotated[
    Literal["medical", "transport", "nursing", "other"],
    msgspec.Meta(description="medical 医疗, transport 交通, nursing 护理, other 其他"),
]
Fen = Annotated[int, msgspec.Meta(ge=1, le=10**12, description="in fen 分")]
Papers = Annotated[list[UUID], msgspec.Meta(max_length=50, description="declared as documents before or after")]
ItemVersion = Annotated[
    int, msgspec.Meta(ge=1, le=2**31 - 1, description="`version` of the item as it was seen; another is 409 stale")
]
Day = Annotated[datetime.date, msgspec.Meta(description="by the paper's own date")]
Recognition = Literal[
    "reported", "applied", "papers_missing", "accepted", "not_accepted", "suspended", "recognised", "treated_as",
    "not_recognised", "in_review",
]  # fmt: skip
RecognitionStep = Literal[
    "extend", "apply", "papers_missing", "accept", "not_accept", "suspend", "resume", "recognise", "treat_as",
    "not_recognise", "review",
]  # fmt: skip
ItemState = Literal["open", "requested", "refused", "approved", "paid", "settling", "settled"]
Payer = Annotated[
    Literal["fund", "employer", "accident_insurer", "third_party", "recovered"],
    msgspec.Meta(
        description="fund 工伤保险基金, employer 单位承担, accident_insurer 意外险, third_party 第三人, recovered 追回"
    ),
]
ThenWhat = Annotated[
    Literal["employer", "recover", "third_party", "accident_insurer", "await_review"],
    msgspec.Meta(description="who is to bear it, that it is recovered, or that review is awaited"),
]
SurvivorCode = Literal["martyr_rating", "martyr_benefits", "work_death_benefits", "destitute_support", "orphan_support"]


class Cost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cost that one asks for at once."""

    kind: Kind
    fen: Fen
    words: Words


class ReportInjury(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Somebody was hurt on duty: oneself, or a colleague. Its id is the injury's, unless it was reported before."""

    injured_at: Annotated[Moment, msgspec.Meta(description="by the device's clock, when it happened")]
    how: Annotated[Words, msgspec.Meta(description="how it happened")]
    doing: Annotated[Words, msgspec.Meta(description="doing what work")]
    body_part: Name
    severity: Severity
    person: Annotated[UUID, msgspec.Meta(description="who was hurt; none: oneself")] | None = None
    place: Place | None = None
    activity: Annotated[UUID, msgspec.Meta(description="the work they were doing, where it was told")] | None = None
    hospital: Name | None = None
    witnesses: Annotated[
        list[UUID], msgspec.Meta(max_length=50, description="colleagues who saw it; their footage is kept too")
    ] = msgspec.field(default_factory=list)
    outsiders: Annotated[Words, msgspec.Meta(description="others who saw it, and how to reach them")] | None = None
    papers: Papers = msgspec.field(default_factory=list)
    costs: Annotated[list[Cost], msgspec.Meta(max_length=20)] = msgspec.field(default_factory=list)
    separate: Annotated[
        bool, msgspec.Meta(description="another accident, although one of that time was reported already")
    ] = False


class AttachPapers(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Papers that came later."""

    injury: UUID
    papers: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=50)]


class OnInjury(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What each step towards recognition carries."""

    injury: UUID
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1, description="as it was seen; another is 409 stale")]


class StepRecognition(OnInjury, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A step on the way to recognition as a work injury (工伤认定)."""

    step: RecognitionStep
    on_day: Day
    words: Annotated[Words, msgspec.Meta(description="what was decided or asked for; every missing paper")]
    until_day: Annotated[datetime.date, msgspec.Meta(description="of `extend`: until when it was approved")] | None = (
        None
    )
    papers: Papers = msgspec.field(default_factory=list)


class CareForSurvivors(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that survivors are owed was done."""

    injury: UUID
    item: SurvivorCode
    words: Words


class RequestAdvance(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A cost of the injury that the organ is to advance. Its id is the item's, unless one of its kind stood open."""

    injury: UUID
    kind: Kind
    fen: Fen
    words: Words
    papers: Papers = msgspec.field(default_factory=list)


class OnItem(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What each decision about a cost carries."""

    item: UUID
    version: ItemVersion


class ApproveAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The commander approves a cost, or a part of it."""

    fen: Fen
    why: Words


class RefuseAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The commander refuses it, with reasons."""

    why: Words


class PayAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The treasurer paid, and has the receipt. Its id is the payment's."""

    fen: Fen
    receipt: Annotated[UUID, msgspec.Meta(description="the receipt, declared as a document; one receipt, one payment")]
    words: Words


class SettleAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who bears what was paid, or that it came back. Its id is the settlement's."""

    payer: Payer
    fen: Fen
    words: Words


class DisposeAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Not recognised: the commander says what happens to this cost."""

    then_what: ThenWhat
    why: Words


class InjuryStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An injury as it stands. Nothing medical."""

    id: UUID
    person: UUID
    handled_in: str
    recognition: Recognition
    apply_by: Moment
    decide_by: Moment | None
    fatal: bool
    version: int


class InjuryReceipt(Receipt, kw_only=True):
    """The answer to each verb of an injury."""

    injury: InjuryStanding


class ItemStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A cost as it stands, in fen."""

    id: UUID
    injury: UUID
    kind: Kind
    state: ItemState
    requested_fen: int | None
    approved_fen: int | None
    paid_fen: int
    settled_fen: int
    version: int


class AdvanceReceipt(Receipt, kw_only=True):
    """The answer to each verb of an advance."""

    item: ItemStanding
