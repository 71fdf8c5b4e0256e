"""Complaints and matters on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import Radius
from backend.core.wire import Entry, Moment, Name, Place, Receipt, Words

Channel = Annotated[
    Literal["desk", "phone", "hotline_12389", "letter", "online"],
    msgspec.Meta(description="desk 来访, phone 来电, hotline_12389 12389 举报, letter 来信, online 网上"),
]
ComplaintOutcome = Annotated[
    Literal["founded", "partly", "unfounded", "withdrawn"],
    msgspec.Meta(description="founded 属实, partly 部分属实, unfounded 不属实, withdrawn 撤回"),
]
How = Annotated[
    Literal["in_person", "telephone", "letter", "message"],
    msgspec.Meta(description="in_person 当面, telephone 电话, letter 书面, message 短信"),
]
MatterKind = Annotated[
    Literal["suggestion", "appeal", "harassment"],
    msgspec.Meta(description="suggestion 意见建议, appeal 申诉控告, harassment 受到侵扰"),
]


class ReceiveComplaint(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Somebody complains of an auxiliary, a shift, or what happened at a place: one of the three. Taken down by an
    officer or clerk; the footage around it is held at once. Its id is the complaint's id."""

    channel: Channel
    words: Annotated[Words, msgspec.Meta(description="what they complain of")]
    complainant: Annotated[Name, msgspec.Meta(description="their name; none: anonymous")] | None = None
    contact: Annotated[Name, msgspec.Meta(description="how to reach them")] | None = None
    person: Annotated[UUID, msgspec.Meta(description="the auxiliary; with a time")] | None = None
    shift: Annotated[UUID, msgspec.Meta(description="or one of their shifts, which has its time")] | None = None
    place: Annotated[Place, msgspec.Meta(description="or where it happened; with a radius and a time")] | None = None
    radius_m: Radius | None = None
    started_at: Annotated[Moment, msgspec.Meta(description="when it began, as they say")] | None = None
    ended_at: Annotated[Moment, msgspec.Meta(description="when it was over; none: it was short")] | None = None
    case_ref: Annotated[Name, msgspec.Meta(description="number of the case that it is about")] | None = None


class OnComplaint(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What each step about a complaint carries."""

    complaint: UUID
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1, description="as it was seen; another is 409 stale")]
    words: Words


class NotifyComplainant(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The complainant was told that it is taken up."""

    how: How


class IdentifyPerson(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """It turned out whom it is about; their footage is held too."""

    person: UUID


class StepAsideFromComplaint(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An inspector may not be impartial and says so: they handle it no more."""


class ExtendComplaint(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """It takes longer, once, and why."""

    until: Annotated[Moment, msgspec.Meta(description="no later than terms.toml allows")]


class ConcludeComplaint(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was found, and why."""

    outcome: ComplaintOutcome


class FeedBack(OnComplaint, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The complainant was told the result (人民警察法 46)."""

    how: How


class RaiseMatter(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A suggestion, an appeal, or that oneself or a close relative is harassed (R.13, 27). Its id is the matter's."""

    kind: MatterKind
    words: Words
    against: Annotated[UUID, msgspec.Meta(description="whose act one appeals against; they never answer it")] | None = (
        None
    )
    of_relative: Annotated[bool, msgspec.Meta(description="of `harassment`: a close relative is harassed")] = False
    recordings: Annotated[list[UUID], msgspec.Meta(max_length=50, description="one's own footage that shows it")] = (
        msgspec.field(default_factory=list)
    )


class LinkFootage(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Footage that shows it, found later; it is held."""

    matter: UUID
    recordings: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=50)]


class AnswerMatter(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Somebody who may decide, and is not the one appealed against, answers."""

    matter: UUID
    words: Words


class ComplaintStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint as it stands; not who complained."""

    id: UUID
    organ: str
    notice_by: Moment
    end_by: Moment
    noticed_at: Moment | None
    outcome: ComplaintOutcome | None
    concluded_at: Moment | None
    fed_back_at: Moment | None
    version: int


class ComplaintReceipt(Receipt, kw_only=True):
    """The answer to each verb of a complaint."""

    complaint: ComplaintStanding


class MatterStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A matter as it stands."""

    id: UUID
    kind: MatterKind
    raised_at: Moment
    answer_by: Moment
    answered_at: Moment | None


class MatterReceipt(Receipt, kw_only=True):
    """The answer to each verb of a matter."""

    matter: MatterStanding
