"""Complaints and matters on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import CaseNumberGiven, ContactMethod, OrganCode, Radius, SeenVersion, ShiftId, Version
from backend.core.wire import Entry, Moment, Name, Place, Receipt, Words

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
NoticeBy = Annotated[Moment, msgspec.Meta(description="by when the complainant must be told that it is taken up")]
EndBy = Annotated[Moment, msgspec.Meta(description="by when the complaint must be concluded")]
NoticedAt = Annotated[
    Moment | None, msgspec.Meta(description="when the complainant was told that it is taken up; null: not yet")
]
ConcludedAt = Annotated[Moment | None, msgspec.Meta(description="when the complaint was concluded; null: not yet")]
FedBackAt = Annotated[
    Moment | None, msgspec.Meta(description="when the complainant was told the result; null: not yet")
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


class OnComplaint(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fields that every step about a complaint has."""

    complaint: ComplaintId
    version: SeenVersion
    words: Annotated[Words, msgspec.Meta(description="the reasons for this step, or what was said")]
    papers: ComplaintPapers = msgspec.field(default_factory=list)


class NotifyComplainant(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The complainant was told that the complaint is taken up."""

    how: ContactMethod


class IdentifyPerson(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The person complained of is identified. Their footage is held too."""

    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary complained of")]


class StepAsideFromComplaint(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An inspector who may not be impartial stops handling the complaint."""


class ExtendComplaint(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The complaint takes longer. It can be extended once."""

    until: Annotated[Moment, msgspec.Meta(description="new end of the term; at most `complaint_extension` later")]


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


class MatterReceipt(Receipt, kw_only=True):
    """The answer to each verb of a matter."""

    matter: Annotated[MatterStanding, msgspec.Meta(description="the matter as it stands now")]
