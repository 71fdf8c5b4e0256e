"""Recusal on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import ActivityId, CaseNumberGiven, ContactMethod, SeenVersion, Version
from backend.core.wire import WHOLE, Entry, Moment, Name, Receipt, Words

RecusalCaseKind = Annotated[
    Literal["administrative", "criminal"], msgspec.Meta(description="administrative 行政, criminal 刑事")
]
CODE = r"^[a-z][a-z_]*" + WHOLE
Ground = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=40,
        pattern=CODE,
        description="code of a ground of the law in force (`recusals` of the catalogue): party_or_relative "
        "本人是当事人或其近亲属, interest 本人或近亲属有利害关系, witness_or_expert 担任过证人、鉴定人等, "
        "other_relation 其他可能影响公正的关系, improper_contact 与当事人不当接触; another law may have others",
    ),
]
RecusalState = Annotated[
    Literal["pending", "granted", "refused"],
    msgspec.Meta(description="pending 未决定, granted 决定回避, refused 驳回"),
]
RecusalId = Annotated[UUID, msgspec.Meta(description="id of the recusal: that of the entry which asked for it")]
RecusedPerson = Annotated[UUID, msgspec.Meta(description="id of the auxiliary who is to be recused")]
StandingAside = Annotated[
    bool, msgspec.Meta(description="whether the auxiliary must stand aside while the decision is pending")
]
DecidedIn = Annotated[str, msgspec.Meta(description="code of the organ whose commander decides on the recusal")]
DueAt = Annotated[
    Moment | None,
    msgspec.Meta(
        description="by when the recusal should be decided: the last moment of that day in China; null: it is decided"
    ),
]
ReconsiderUntil = Annotated[
    Moment | None,
    msgspec.Meta(
        description="until when reconsideration may be asked for: the last moment of that day in China; null: not "
        "refused, nobody was told, or there is none"
    ),
]
CaseGiven = Annotated[CaseNumberGiven | None, msgspec.Meta(description="number of the case; null: it is from no case")]
CaseKindGiven = Annotated[
    RecusalCaseKind | None, msgspec.Meta(description="kind of the case, with its number; null: it is from no case")
]
FromShift = Annotated[UUID | None, msgspec.Meta(description="id of the auxiliary's shift; null: it is from no shift")]
FromActivity = Annotated[
    UUID | None, msgspec.Meta(description="id of an act of the auxiliary; null: it is from no act")
]
FromMediation = Annotated[
    Name | None, msgspec.Meta(description="number or name of the mediation 调解; null: it is from no mediation")
]
FromIncident = Annotated[
    Name | None,
    msgspec.Meta(
        description="number of the incident 接处警编号, alone or beside a case, a shift, an act or a mediation; null: "
        "none"
    ),
]
Grounds = Annotated[Words, msgspec.Meta(description="the facts behind the ground, in words")]
RecusalPapers = Annotated[
    list[UUID],
    msgspec.Meta(
        max_length=50,
        description="ids of one's own documents, declared before: proofs of the ground; never seen by the auxiliary "
        "where somebody else asks",
    ),
]


class DeclareRecusal(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary declares that they may not be impartial: in a case with its kind, a shift, an act, a mediation or an
    incident. The recusal's id is this entry's id."""

    ground: Ground
    words: Grounds
    case_ref: CaseGiven = None
    case_kind: CaseKindGiven = None
    shift: FromShift = None
    activity: FromActivity = None
    mediation: FromMediation = None
    incident_ref: FromIncident = None
    papers: RecusalPapers = msgspec.field(default_factory=list)


class ApplyForRecusal(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A party or their legal representative asks for an auxiliary's recusal; an officer writes it down. From what, as
    when an auxiliary declares their own."""

    person: RecusedPerson
    applicant: Annotated[Name, msgspec.Meta(description="name of the applicant")]
    capacity: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=40,
            pattern=CODE,
            description="code of a capacity in which the law in force lets people apply (`recusals` of the catalogue): "
            "party 当事人, legal_representative 法定代理人; another law may have others, such as an agent",
        ),
    ]
    ground: Ground
    words: Grounds
    case_ref: CaseGiven = None
    case_kind: CaseKindGiven = None
    shift: FromShift = None
    activity: FromActivity = None
    mediation: FromMediation = None
    incident_ref: FromIncident = None
    oral: Annotated[bool, msgspec.Meta(description="the application was made orally and written down")] = False
    papers: RecusalPapers = msgspec.field(default_factory=list)


class OnRecusal(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fields that every step about a recusal has."""

    recusal: RecusalId
    version: SeenVersion


class StandAside(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The commander orders the person to stand aside until the decision, or lets them go on."""

    why: Annotated[Words, msgspec.Meta(description="why the person stands aside or goes on")]
    aside: Annotated[bool, msgspec.Meta(description="true: stand aside until the decision; false: go on")] = True


class DecideRecusal(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The organ's commander decides, with reasons."""

    outcome: Annotated[Literal["granted", "refused"], msgspec.Meta(description="granted 决定回避, refused 驳回")]
    why: Annotated[Words, msgspec.Meta(description="the reasons for the decision")]


class ExtendRecusal(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The head of the deciding organ approves that a complex case takes longer. Criminal cases only, once."""

    why: Annotated[Words, msgspec.Meta(description="why the case is complex")]


class PassOnRecusal(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A commander with a conflict of interest passes the decision to the organ above."""

    why: Annotated[Words, msgspec.Meta(description="why the decision is passed on")]


class ReconsiderRecusal(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The applicant does not accept the refusal: the organ decides once more. Criminal cases only (刑事程序规定 37)."""

    words: Annotated[Words, msgspec.Meta(description="why the applicant does not accept the refusal")]
    papers: RecusalPapers = msgspec.field(default_factory=list)


class TellApplicant(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The applicant was told of the decision."""

    how: ContactMethod
    words: Annotated[Words, msgspec.Meta(description="what the applicant was told")]


class ActJudged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether one earlier act on the case stands, and why."""

    activity: ActivityId
    stands: Annotated[bool, msgspec.Meta(description="whether the act stands")]
    why: Annotated[Words, msgspec.Meta(description="why the act stands or does not")]


class JudgeActs(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """After a recusal is granted, the commander decides which earlier acts on the case stand."""

    acts: Annotated[
        list[ActJudged], msgspec.Meta(min_length=1, max_length=200, description="the acts, each with the decision")
    ]


class RecusalStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A recusal as it stands."""

    id: RecusalId
    person: RecusedPerson
    state: RecusalState
    standing_aside: StandingAside
    decided_in: DecidedIn
    due_at: DueAt
    version: Version
    reconsider_until: ReconsiderUntil = None


class RecusalReceipt(Receipt, kw_only=True):
    """The answer to each verb of a recusal."""

    recusal: Annotated[RecusalStanding, msgspec.Meta(description="the recusal as it stands now")]
