"""Complaints and matters on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import CaseNumberGiven, ContactMethod, OrganCode, Radius, SeenVersion, ShiftId, Version
from backend.core.wire import WHOLE, Entry, Moment, Name, Place, Receipt, Words

Channel = Annotated[
    Literal["desk", "phone", "hotline_12389", "letter", "online"],
    msgspec.Meta(description="desk 来访, phone 来电, hotline_12389 举报电话, letter 来信, online 网上"),
]
ComplaintOutcome = Annotated[
    Literal["founded", "partly", "unfounded", "withdrawn"],
    msgspec.Meta(description="founded 属实, partly 部分属实, unfounded 不属实, withdrawn 撤回"),
]
MatterKind = Annotated[
    Literal["suggestion", "appeal", "harassment"],
    msgspec.Meta(description="suggestion 意见建议, appeal 申诉控告, harassment 受到侵扰"),
]
ComplaintId = Annotated[UUID, msgspec.Meta(description="id of the complaint: that of the entry which received it")]
KindCode = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=40,
        pattern=r"^[a-z][a-z_]*" + WHOLE,
        description="code of a kind of the law in force (`complaints` of the catalogue): petition 申诉求决, accusation "
        "检举控告, suggestion 建议意见, other_procedure 依其他法定程序办理; another law may have others",
    ),
]
KindOfComplaint = Annotated[
    str | None, msgspec.Meta(description="code of its kind, such as petition; null: nobody said what it is")
]
NoticeBy = Annotated[
    Moment,
    msgspec.Meta(
        description="by when the complainant must be told what becomes of it: the last moment of that day in China"
    ),
]
EndBy = Annotated[
    Moment | None,
    msgspec.Meta(
        description="by when the complaint must be concluded: the last moment of that day in China; null: it is not "
        "accepted, or its kind has no such term"
    ),
]
AcceptedAt = Annotated[Moment | None, msgspec.Meta(description="when the complaint was accepted 受理; null: not yet")]
ExtendedFrom = Annotated[
    Moment | None, msgspec.Meta(description="the end of the term before it was extended; null: it was not extended")
]
ExtensionToldAt = Annotated[
    Moment | None, msgspec.Meta(description="when the complainant was told of the extension and why; null: not yet")
]
NoticedAt = Annotated[
    Moment | None, msgspec.Meta(description="when the complainant was told that it is taken up; null: not yet")
]
ConcludedAt = Annotated[Moment | None, msgspec.Meta(description="when the complaint was concluded; null: not yet")]
FedBackAt = Annotated[
    Moment | None, msgspec.Meta(description="when the complainant was told the result; null: not yet")
]
CaseState = Annotated[
    Literal["reported", "accepted", "not_accepted", "punished", "transferred", "ended"],
    msgspec.Meta(
        description="reported 已报案, accepted 已受案或立案, not_accepted 不予受案或立案, punished 已处罚, "
        "transferred 已移送, ended 终止"
    ),
]
CaseTold = Annotated[
    Moment | None, msgspec.Meta(description="since when the police case is so far, as it was told; null: there is none")
]
MatterId = Annotated[UUID, msgspec.Meta(description="id of the matter: that of the entry which raised it")]
RaisedAt = Annotated[Moment, msgspec.Meta(description="when the matter was raised, in corrected time")]
AnswerBy = Annotated[Moment, msgspec.Meta(description="by when the matter must be answered")]
AnsweredAt = Annotated[Moment | None, msgspec.Meta(description="when the matter was answered; null: not yet")]


ComplaintPapers = Annotated[
    list[UUID],
    msgspec.Meta(
        max_length=50,
        description="ids of one's own documents, declared before: a letter, what came with it; only who may handle the "
        "complaint sees them",
    ),
]
MatterPapers = Annotated[
    list[UUID],
    msgspec.Meta(
        max_length=50,
        description="ids of one's own documents, declared before: proofs, or the answer in writing; never seen by whom "
        "the matter is against",
    ),
]


class ReceiveComplaint(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Receive a complaint about an auxiliary, a shift, or what happened at a place: exactly one of the three.

    An officer or clerk writes it down. The footage around it is held at once. The complaint's id is this entry's id.
    """

    channel: Channel
    words: Annotated[Words, msgspec.Meta(description="what the complaint is about, in words")]
    complainant: Annotated[Name | None, msgspec.Meta(description="name of the complainant; null: anonymous")] = None
    contact: Annotated[Name | None, msgspec.Meta(description="how to reach the complainant; null: not given")] = None
    person: Annotated[
        UUID | None,
        msgspec.Meta(description="id of the auxiliary complained of, with a time; null: a shift or a place is given"),
    ] = None
    shift: Annotated[
        ShiftId | None,
        msgspec.Meta(description="id of the shift complained of, without a time; null: a person or a place is given"),
    ] = None
    place: Annotated[
        Place | None,
        msgspec.Meta(description="where it happened, with radius and time; null: a person or a shift is given"),
    ] = None
    radius_m: Annotated[Radius | None, msgspec.Meta(description="metres around the place; null: no place")] = None
    started_at: Annotated[
        Moment | None, msgspec.Meta(description="when it began, as the complainant says; null: the shift has the time")
    ] = None
    ended_at: Annotated[
        Moment | None, msgspec.Meta(description="when it was over, as the complainant says; null: it was short")
    ] = None
    case_ref: Annotated[
        CaseNumberGiven | None, msgspec.Meta(description="number of the case that the complaint is about; null: none")
    ] = None
    papers: ComplaintPapers = msgspec.field(default_factory=list)
    kind: Annotated[
        KindCode | None, msgspec.Meta(description="what it seems to be; acceptance decides; null: not said")
    ] = None


class OnComplaint(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fields that every step about a complaint has."""

    complaint: ComplaintId
    version: SeenVersion
    words: Annotated[Words, msgspec.Meta(description="the reasons for this step, or what was said")]
    papers: ComplaintPapers = msgspec.field(default_factory=list)


class NotifyComplainant(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The complainant was told that the complaint is taken up, in writing. Before it was accepted, this accepts it."""

    how: ContactMethod


class AcceptComplaint(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The complaint is accepted (受理) as one of a kind: the term of that kind runs from now on."""

    kind: KindCode


class IdentifyPerson(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The person complained of is identified. Their footage is held too."""

    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary complained of")]


class StepAsideFromComplaint(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An inspector who may not be impartial stops handling the complaint."""


class ExtendComplaint(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ask the head that the complaint may take longer. Nothing changes before the head approves; once at most."""

    until: Annotated[
        Moment,
        msgspec.Meta(
            description="new end of the term: it ends with this day in China; at most the extension of its kind later"
        ),
    ]


class AnswerExtension(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The head approves the extension that was asked for, or does not. Not by the person who asked."""

    approves: Annotated[bool, msgspec.Meta(description="true 批准, false 不批准")]


class TellExtension(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The complainant was told that it takes longer and why, in writing."""

    how: ContactMethod


class ConcludeComplaint(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Conclude the complaint: what was found, and why. Founded, wholly or in part, needs `complaints/hear` before."""

    outcome: ComplaintOutcome
    unheard_why: Annotated[
        Words | None,
        msgspec.Meta(
            description="why somebody complained of was not heard before; null: everybody was, or it is not founded"
        ),
    ] = None
    appeal_to: Annotated[
        OrganCode | None,
        msgspec.Meta(description="organ to which the person complained of may appeal; null: the one above who decides"),
    ] = None


class FeedBack(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The complainant was told the result (人民警察法 46)."""

    how: ContactMethod


class RaiseMatter(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Raise a suggestion, an appeal, or that oneself or a close relative is harassed (R.13, 27).

    The matter's id is this entry's id.
    """

    kind: MatterKind
    words: Annotated[Words, msgspec.Meta(description="the suggestion, the appeal or what happened, in words")]
    against: Annotated[
        UUID | None,
        msgspec.Meta(description="id of the person whose act one appeals against, who never answers it; null: none"),
    ] = None
    of_relative: Annotated[
        bool, msgspec.Meta(description="a close relative is harassed, not oneself; with `harassment` only")
    ] = False
    recordings: Annotated[
        list[UUID], msgspec.Meta(max_length=50, description="ids of one's own recordings that show it; they are held")
    ] = msgspec.field(default_factory=list)
    papers: MatterPapers = msgspec.field(default_factory=list)


class LinkFootage(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Link footage that was found later to a matter. The footage is held."""

    matter: MatterId
    recordings: Annotated[
        list[UUID],
        msgspec.Meta(
            min_length=1, max_length=50, description="ids of one's own recordings that show it; they are held"
        ),
    ]


class AnswerMatter(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Answer a matter. The person appealed against may not answer."""

    matter: MatterId
    words: Annotated[Words, msgspec.Meta(description="the answer, in words")]
    papers: MatterPapers = msgspec.field(default_factory=list)


class TellCase(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Record the police case that a harassment matter became, or how far it is now (R.27, 39)."""

    matter: MatterId
    case_ref: Annotated[Name, msgspec.Meta(description="number of the police case, as on its papers")]
    state: CaseState
    words: Annotated[Words, msgspec.Meta(description="what was decided, or why it is told")]


class ComplaintStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint as it stands. It does not say who complained."""

    id: ComplaintId
    organ: OrganCode
    notice_by: NoticeBy
    end_by: EndBy
    noticed_at: NoticedAt
    outcome: Annotated[ComplaintOutcome | None, msgspec.Meta(description="how it ended; null: not concluded")]
    concluded_at: ConcludedAt
    fed_back_at: FedBackAt
    version: Version
    kind: KindOfComplaint = None
    accepted_at: AcceptedAt = None
    extended_from: ExtendedFrom = None
    extension_told_at: ExtensionToldAt = None


class ComplaintReceipt(Receipt, kw_only=True):
    """The answer to each verb of a complaint."""

    complaint: Annotated[ComplaintStanding, msgspec.Meta(description="the complaint as it stands now")]


class MatterStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A matter as it stands."""

    id: MatterId
    kind: MatterKind
    raised_at: RaisedAt
    answer_by: AnswerBy
    answered_at: AnsweredAt
    case_state: Annotated[
        CaseState | None, msgspec.Meta(description="how far its police case is; null: there is none")
    ] = None
    case_told_at: CaseTold = None


class MatterReceipt(Receipt, kw_only=True):
    """The answer to each verb of a matter."""

    matter: Annotated[MatterStanding, msgspec.Meta(description="the matter as it stands now")]
