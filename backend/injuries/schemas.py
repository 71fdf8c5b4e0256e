"""Injuries and advances on the wire. Money is integer fen."""

import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import ActivityId, SeenVersion, Version
from backend.core.wire import LEFT_OUT_IF_WRONG, Entry, Moment, Name, Place, Receipt, Words

Severity = Annotated[
    Literal["minor", "serious", "critical", "fatal"],
    msgspec.Meta(description="minor 轻伤, serious 重伤, critical 危重, fatal 死亡"),
]
CostKind = Annotated[
    Literal["medical", "transport", "nursing", "other"],
    msgspec.Meta(description="medical 医疗, transport 交通, nursing 护理, other 其他"),
]
Fen = Annotated[int, msgspec.Meta(ge=1, le=10**12, description="amount in fen 分; 100 fen are one yuan")]
Papers = Annotated[
    list[UUID], msgspec.Meta(max_length=50, description="ids of one's own documents, declared before or after")
]
PaperDate = Annotated[datetime.date, msgspec.Meta(description="date on the paper")]
InjuryId = Annotated[UUID, msgspec.Meta(description="id of the injury; its advance has the same id")]
ItemId = Annotated[UUID, msgspec.Meta(description="id of the cost item")]
AccidentPlace = Annotated[
    Place | None, msgspec.Meta(description="where the accident happened; null: not known", extra=LEFT_OUT_IF_WRONG)
]
HandledIn = Annotated[
    str, msgspec.Meta(description="code of the organ whose commander approves and whose treasurer pays")
]
ApplyBy = Annotated[Moment, msgspec.Meta(description="by when the organ must apply for recognition")]
DecideBy = Annotated[
    Moment | None, msgspec.Meta(description="by when recognition should be decided; null: no decision is pending")
]
Fatal = Annotated[bool, msgspec.Meta(description="a death was reported")]
Recognition = Annotated[
    Literal[
        "reported", "applied", "papers_missing", "accepted", "not_accepted", "suspended", "recognised", "treated_as",
        "not_recognised", "in_review",
    ],
    msgspec.Meta(
        description="reported 已报告, applied 已申请, papers_missing 材料待补, accepted 已受理, not_accepted 不予受理, "
        "suspended 中止, recognised 认定工伤, treated_as 视同工伤, not_recognised 不予认定, in_review 复议诉讼中"
    ),
]  # fmt: skip
RecognitionStep = Annotated[
    Literal[
        "extend", "apply", "papers_missing", "accept", "not_accept", "suspend", "resume", "recognise", "treat_as",
        "not_recognise", "review",
    ],
    msgspec.Meta(
        description="extend 延长申请期限, apply 提出申请, papers_missing 补正材料, accept 受理, not_accept 不予受理, "
        "suspend 中止, resume 恢复, recognise 认定工伤, treat_as 视同工伤, not_recognise 不予认定, review 复议或诉讼"
    ),
]  # fmt: skip
ItemState = Annotated[
    Literal["open", "requested", "refused", "approved", "paid", "settling", "settled"],
    msgspec.Meta(
        description="open 未申请, requested 已申请, refused 不予垫付, approved 已批准, paid 已支付, settling 结算中, "
        "settled 已结算"
    ),
]
Payer = Annotated[
    Literal["fund", "employer", "accident_insurer", "third_party", "recovered"],
    msgspec.Meta(
        description="fund 工伤保险基金, employer 单位承担, accident_insurer 意外险, third_party 第三人, recovered 追回"
    ),
]
ThenWhat = Annotated[
    Literal["employer", "recover", "third_party", "accident_insurer", "await_review"],
    msgspec.Meta(
        description="employer 单位承担, recover 追回, third_party 第三人, accident_insurer 意外险, "
        "await_review 等待复议诉讼"
    ),
]
SurvivorCode = Annotated[
    Literal["martyr_rating", "martyr_benefits", "work_death_benefits", "destitute_support", "orphan_support"],
    msgspec.Meta(
        description="martyr_rating 烈士评定, martyr_benefits 烈士遗属待遇, work_death_benefits 因工死亡待遇, "
        "destitute_support 特困供养, orphan_support 孤儿保障"
    ),
]


FirstFen = Annotated[
    int | None,
    msgspec.Meta(description="amount that the first of two persons approved, in fen; null: nobody yet"),
]


class Cost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cost that is requested together with the report."""

    kind: CostKind
    fen: Fen
    words: Annotated[Words, msgspec.Meta(description="what the cost is for")]


class ReportInjury(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Report that somebody was hurt on duty: oneself or a colleague.

    The injury's id is this entry's id, unless the accident was reported before.
    """

    injured_at: Annotated[Moment, msgspec.Meta(description="when the accident happened, by the device's clock")]
    how: Annotated[Words, msgspec.Meta(description="how the accident happened")]
    doing: Annotated[Words, msgspec.Meta(description="what work the injured person was doing")]
    body_part: Annotated[Name, msgspec.Meta(description="injured part of the body")]
    severity: Severity
    person: Annotated[UUID | None, msgspec.Meta(description="id of the injured person; null: oneself")] = None
    place: AccidentPlace = None
    activity: Annotated[
        ActivityId | None,
        msgspec.Meta(description="id of the activity that the injured person was doing; null: not recorded"),
    ] = None
    hospital: Annotated[Name | None, msgspec.Meta(description="hospital; null: not known", extra=LEFT_OUT_IF_WRONG)] = (
        None
    )
    witnesses: Annotated[
        list[UUID],
        msgspec.Meta(max_length=50, description="ids of colleagues who saw the accident; their footage is held too"),
    ] = msgspec.field(default_factory=list)
    outsiders: Annotated[
        Words | None,
        msgspec.Meta(
            description="other people who saw the accident, and how to reach them; null: none", extra=LEFT_OUT_IF_WRONG
        ),
    ] = None
    papers: Papers = msgspec.field(default_factory=list)
    costs: Annotated[
        list[Cost], msgspec.Meta(max_length=20, description="costs requested together with the report")
    ] = msgspec.field(default_factory=list)
    separate: Annotated[
        bool,
        msgspec.Meta(description="true: another accident, although one at about the same time was already reported"),
    ] = False


class AttachPapers(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Attach papers to an injury later."""

    injury: InjuryId
    papers: Annotated[
        list[UUID],
        msgspec.Meta(min_length=1, max_length=50, description="ids of one's own documents, declared before or after"),
    ]


class OnInjury(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fields that every step towards recognition has."""

    injury: InjuryId
    version: SeenVersion


class StepRecognition(OnInjury, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A step on the way to recognition as a work injury (工伤认定)."""

    step: RecognitionStep
    on_day: PaperDate
    words: Annotated[Words, msgspec.Meta(description="what was decided or requested; each missing paper")]
    until_day: Annotated[
        datetime.date | None,
        msgspec.Meta(description="last day of the extended term to apply; null: the step is no extension"),
    ] = None
    papers: Papers = msgspec.field(default_factory=list)


class CareForSurvivors(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Record that something owed to survivors was done."""

    injury: InjuryId
    item: SurvivorCode
    words: Annotated[Words, msgspec.Meta(description="what was done for the survivors")]


class RequestAdvance(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Request that the organ advances a cost of the injury.

    The item's id is this entry's id, unless an open item of the same kind is filled.
    """

    injury: InjuryId
    kind: CostKind
    fen: Fen
    words: Annotated[Words, msgspec.Meta(description="what the cost is for")]
    papers: Papers = msgspec.field(default_factory=list)


class OnItem(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fields that every decision about a cost has."""

    item: ItemId
    version: SeenVersion


class ApproveAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The commander approves a cost, or a part of it."""

    fen: Fen
    why: Annotated[Words, msgspec.Meta(description="why this amount is approved")]


class RefuseAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The commander refuses a cost, with reasons."""

    why: Annotated[Words, msgspec.Meta(description="why the cost is refused")]


class PayAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The treasurer paid and has the receipt. The payment's id is this entry's id."""

    fen: Fen
    receipt: Annotated[
        UUID, msgspec.Meta(description="id of the document that is the receipt; one receipt serves one payment")
    ]
    words: Annotated[Words, msgspec.Meta(description="a note on the payment")]


class SettleAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Record who bears a paid cost, or that it was recovered. The settlement's id is this entry's id."""

    payer: Payer
    fen: Fen
    words: Annotated[Words, msgspec.Meta(description="a note on the settlement")]


class DisposeAdvance(OnItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The injury was not recognised: the commander decides what happens to this cost."""

    then_what: ThenWhat
    why: Annotated[Words, msgspec.Meta(description="why the cost is treated so")]


class InjuryStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An injury as it stands. It has no medical details."""

    id: InjuryId
    person: Annotated[UUID, msgspec.Meta(description="id of the injured person")]
    handled_in: HandledIn
    recognition: Recognition
    apply_by: ApplyBy
    decide_by: DecideBy
    fatal: Fatal
    version: Version


class InjuryReceipt(Receipt, kw_only=True):
    """The answer to each verb of an injury."""

    injury: Annotated[InjuryStanding, msgspec.Meta(description="the injury as it stands now")]


class ItemStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A cost as it stands. Amounts are in fen."""

    id: ItemId
    injury: InjuryId
    kind: CostKind
    state: ItemState
    requested_fen: Annotated[int | None, msgspec.Meta(description="requested amount, in fen; null: not requested")]
    approved_fen: Annotated[
        int | None, msgspec.Meta(description="approved amount, in fen; 0: refused; null: not decided")
    ]
    paid_fen: Annotated[int, msgspec.Meta(description="paid amount, in fen")]
    settled_fen: Annotated[int, msgspec.Meta(description="amount that somebody bore or that was recovered, in fen")]
    version: Version
    first_fen: FirstFen = None


class AdvanceReceipt(Receipt, kw_only=True):
    """The answer to each verb of an advance."""

    item: Annotated[ItemStanding, msgspec.Meta(description="the cost as it stands now")]
