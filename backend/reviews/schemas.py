"""Reviews, restrictions and replies to findings on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import OrganCode, RecordingId
from backend.core.wire import Entry, Moment, Name, Receipt, Words

ReviewPurpose = Annotated[
    Literal["complaint", "case", "spot_check", "injury", "matter"],
    msgspec.Meta(
        description="why the footage is viewed: complaint 投诉, case 案件, spot_check 抽查, injury 工伤, "
        "matter 申诉或侵扰; `number` is the id of it, or for `case` the case number"
    ),
]
PurposeShown = Annotated[
    Literal["complaint", "case", "spot_check", "injury", "matter", "finding", "hearing"],
    msgspec.Meta(
        description="why the footage is viewed: complaint 投诉, case 案件, spot_check 抽查, injury 工伤, "
        "matter 申诉或侵扰; one's own film: finding 待说明事项, hearing 陈述申辩"
    ),
]
Observation = Annotated[
    Literal["nothing_found", "late_start", "early_stop", "interrupted", "late_handover", "praise", "other"],
    msgspec.Meta(
        description="nothing_found 未发现问题, late_start 开始过晚, early_stop 过早停止, interrupted 中断, "
        "late_handover 逾期移交, praise 值得表扬, other 其他"
    ),
]
RestrictionCategory = Annotated[
    Literal["minor", "sexual_offence", "medical", "home", "mistake"],
    msgspec.Meta(
        description="minor 涉未成年人, sexual_offence 涉性侵害, medical 涉医疗隐私, home 住宅内, mistake 误录"
    ),
]
ReviewRef = Annotated[UUID, msgspec.Meta(description="id of the review")]
RestrictionRef = Annotated[UUID, msgspec.Meta(description="id of the restriction")]
Tasked = Annotated[bool, msgspec.Meta(description="`number` names a task of ours, and the footage belongs to it")]
OpenedAt = Annotated[Moment, msgspec.Meta(description="when the review was opened")]
OverAt = Annotated[Moment, msgspec.Meta(description="the footage can be watched until then")]
NeedsApproval = Annotated[bool, msgspec.Meta(description="a commander must approve before the footage can be watched")]
Approved = Annotated[
    bool | None, msgspec.Meta(description="the commander's answer; null: not answered, or none is needed")
]
ClosedAt = Annotated[Moment | None, msgspec.Meta(description="when the review was closed; null: it is open")]
Observations = Annotated[
    list[Observation] | None, msgspec.Meta(description="what the reviewer found; null: not finished yet")
]
MarkedAt = Annotated[Moment, msgspec.Meta(description="when the footage was marked as restricted")]
LiftedAt = Annotated[Moment | None, msgspec.Meta(description="when the restriction was lifted; null: it is in force")]


class OpenReview(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ask to view one recording, and say why. The id of this entry is the id of the review.

    The commander of the organ that collected the footage must approve first when the reviewer has no right of their
    own to it, when it is the reviewer's own footage, and when it is restricted.
    """

    recording: RecordingId
    purpose: ReviewPurpose
    number: Annotated[Name, msgspec.Meta(description="of the complaint, case, spot check, injury or matter")]


class OnReview(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What every later entry about a review has."""

    review: ReviewRef


class ApproveReview(OnReview, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The commander approves the review."""

    why: Annotated[Words, msgspec.Meta(description="why the commander approves")]


class RefuseReview(OnReview, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The commander refuses the review."""

    why: Annotated[Words, msgspec.Meta(description="why the commander refuses")]


class NoteInReview(OnReview, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The reviewer notes what the footage shows at one moment."""

    at_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53, description="milliseconds from the start of the footage")]
    words: Annotated[Words, msgspec.Meta(description="what the footage shows at this moment")]


class Stretch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of the film, in milliseconds from its start."""

    from_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53, description="start, in milliseconds from that of the footage")]
    to_ms: Annotated[int, msgspec.Meta(ge=1, le=2**53, description="end; later than the start")]


class WatchedInReview(OnReview, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The page tells which stretches of the film ran before the reviewer's eyes since it told last.

    Whichever bytes carried them: those of the footage, or of a view copy.
    """

    stretches: Annotated[
        list[Stretch], msgspec.Meta(min_length=1, max_length=200, description="each once, in any order")
    ]


class CloseReview(OnReview, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The reviewer closes the review with its result. If it was for a spot check, that is done too."""

    found: Annotated[
        list[Observation],
        msgspec.Meta(
            min_length=1, max_length=7, description="`nothing_found` stands alone; `praise` needs the field of its name"
        ),
    ]
    words: Annotated[Words, msgspec.Meta(description="the result in words")]
    praise: Annotated[
        Words | None,
        msgspec.Meta(description="with `praise`: what the wearer did well (R.6); they read it. null: no praise"),
    ] = None


class RestrictFootage(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Mark footage that not every reviewer may see. From now on each viewing needs the commander's approval.

    The id of this entry is the id of the restriction.
    """

    recording: RecordingId
    category: RestrictionCategory
    words: Annotated[Words | None, msgspec.Meta(description="what the footage shows, in words")] = None


class LiftRestriction(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """End a restriction that was a mistake or is no longer needed."""

    restriction: RestrictionRef
    why: Annotated[Words, msgspec.Meta(description="why the restriction is lifted")]


class ReplyToFinding(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The person whom a finding is about explains. The finding stays."""

    finding: Annotated[UUID, msgspec.Meta(description="id of the finding that is replied to")]
    words: Annotated[Words, msgspec.Meta(description="the reply")]


class ReviewStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A review after the entry."""

    id: ReviewRef
    recording: RecordingId
    organ: OrganCode
    purpose: PurposeShown
    tasked: Tasked
    opened_at: OpenedAt
    over_at: OverAt
    needs_approval: NeedsApproval
    allowed: Approved
    closed_at: ClosedAt
    found: Observations


class ReviewReceipt(Receipt, kw_only=True):
    """The answer to every entry about a review."""

    review: Annotated[ReviewStanding, msgspec.Meta(description="the review after this entry")]


class RestrictionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A restriction after the entry."""

    id: RestrictionRef
    recording: RecordingId
    category: RestrictionCategory
    marked_at: MarkedAt
    lifted_at: LiftedAt


class RestrictionReceipt(Receipt, kw_only=True):
    """The answer when footage is restricted, and when a restriction is lifted."""

    restriction: Annotated[RestrictionStanding, msgspec.Meta(description="the restriction after this entry")]


class ReplyStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A reply as recorded."""

    id: Annotated[UUID, msgspec.Meta(description="id of the reply")]
    finding: Annotated[UUID, msgspec.Meta(description="id of the finding that is replied to")]
    at: Annotated[Moment, msgspec.Meta(description="when the reply was recorded")]


class ReplyReceipt(Receipt, kw_only=True):
    """The answer to a reply."""

    reply: Annotated[ReplyStanding, msgspec.Meta(description="the reply as recorded")]
