"""Recusal on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.wire import Entry, Moment, Name, Receipt, Words

CaseKind = Annotated[
    Literal["administrative", "criminal"], msgspec.Meta(description="administrative 行政, criminal 刑事")
]
Ground = Annotated[
    Literal["party_or_relative", "interest", "other_relation", "improper_contact"],
    msgspec.Meta(
        description="party_or_relative 本人是当事人或其近亲属, interest 本人或近亲属有利害关系, "
        "other_relation 其他可能影响公正的关系, improper_contact 与当事人不当接触"
    ),
]
CaseRef = Annotated[Name, msgspec.Meta(description="number of the case")]
Version = Annotated[
    int, msgspec.Meta(ge=1, le=2**31 - 1, description="`version` of the recusal as it was seen; another is 409 stale")
]
State = Literal["pending", "granted", "refused"]


class DeclareRecusal(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary may not be impartial in a case and says so themselves. Its id is the recusal's id."""

    case_ref: CaseRef
    case_kind: CaseKind
    ground: Ground
    words: Words


class ApplyForRecusal(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A party or their legal representative asks that an auxiliary step aside; an officer takes it down."""

    person: Annotated[UUID, msgspec.Meta(description="the auxiliary who is to step aside")]
    case_ref: CaseRef
    case_kind: CaseKind
    applicant: Annotated[Name, msgspec.Meta(description="who asks")]
    capacity: Annotated[
        Literal["party", "legal_representative"],
        msgspec.Meta(description="party 当事人, legal_representative 法定代理人"),
    ]
    ground: Ground
    words: Words
    oral: Annotated[bool, msgspec.Meta(description="they said it, and it was written down")] = False


class OnRecusal(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What every step about a recusal carries."""

    recusal: UUID
    version: Version


class StandAside(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Until it is decided, the commander lets the person stand aside, or go on."""

    why: Words
    aside: Annotated[bool, msgspec.Meta(description="false: go on until it is decided")] = True


class DecideRecusal(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The organ's commander decides, with reasons."""

    outcome: Literal["granted", "refused"]
    why: Words


class PassOnRecusal(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A commander who is in conflict themselves leaves the decision to the organ above."""

    why: Words


class ReconsiderRecusal(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who asked does not accept the refusal: it is decided once more, in criminal cases only (刑事程序规定 37)."""

    words: Words


class TellApplicant(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The applicant was told of the decision, and how."""

    how: Annotated[
        Literal["in_person", "telephone", "letter", "message"],
        msgspec.Meta(description="in_person 当面, telephone 电话, letter 书面, message 短信"),
    ]
    words: Annotated[Words, msgspec.Meta(description="what they were told")]


class ActJudged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether one earlier act stands, and why."""

    activity: UUID
    stands: bool
    why: Words


class JudgeActs(OnRecusal, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """After granting, the commander says of earlier acts on the case whether they stand."""

    acts: Annotated[list[ActJudged], msgspec.Meta(min_length=1, max_length=200)]


class RecusalStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A recusal as it stands. `decided_in`: the organ whose commander decides; `due_at`: until when it should be."""

    id: UUID
    person: UUID
    state: State
    standing_aside: bool
    decided_in: str
    due_at: Moment | None
    version: int


class RecusalReceipt(Receipt, kw_only=True):
    """The answer to each verb of a recusal."""

    recusal: RecusalStanding
