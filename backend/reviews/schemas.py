"""Reviews, restrictions and replies on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.wire import Entry, Moment, Name, Receipt, Words

Purpose = Annotated[
    Literal["complaint", "case", "spot_check", "injury", "matter"],
    msgspec.Meta(
        description="complaint 投诉, case 案件, spot_check 抽查, injury 工伤, matter 申诉或侵扰; the number is of it: "
        "an id, or for `case` the case's number"
    ),
]
Found = Annotated[
    Literal["nothing_found", "late_start", "early_stop", "interrupted", "late_handover", "other"],
    msgspec.Meta(
        description="nothing_found 未发现问题, late_start 开始过晚, early_stop 过早停止, interrupted 中断, "
        "late_handover 逾期移交, other 其他"
    ),
]
RestrictionCategory = Annotated[
    Literal["minor", "sexual_offence", "medical", "home", "mistake"],
    msgspec.Meta(
        description="minor 涉未成年人, sexual_offence 涉性侵害, medical 涉医疗隐私, home 住宅内, mistake 误录"
    ),
]


class OpenReview(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Somebody wants to watch one recording, and says what for. Its id is the review's id.

    Beyond one's rights, of one's own footage, and of what is restricted, the commander of the organ that collected it
    answers first.
    """

    recording: UUID
    purpose: Purpose
    number: Annotated[Name, msgspec.Meta(description="of the complaint, case, spot check, injury or matter")]


class OnReview(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What each step about a review carries."""

    review: UUID


class ApproveReview(OnReview, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The commander lets them watch it."""

    why: Words


class RefuseReview(OnReview, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The commander does not."""

    why: Words


class NoteInReview(OnReview, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is seen at a moment of the footage."""

    at_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53, description="milliseconds from the start of the footage")]
    words: Words


class CloseReview(OnReview, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was found. A spot check is done with it."""

    found: Annotated[list[Found], msgspec.Meta(min_length=1, max_length=6, description="`nothing_found` stands alone")]
    words: Words


class RestrictFootage(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """It shows what is not for every reviewer: from now on the commander's yes is needed each time."""

    recording: UUID
    category: RestrictionCategory
    words: Words | None = None


class LiftRestriction(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """It was marked by mistake, or need not be any more."""

    restriction: UUID
    why: Words


class ReplyToFinding(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the person it is about says to it. The finding stands."""

    finding: UUID
    words: Words


class ReviewStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A review as it stands. `allowed` null: nobody has answered, or nobody needs to."""

    id: UUID
    recording: UUID
    organ: str
    purpose: Purpose
    tasked: bool
    opened_at: Moment
    over_at: Moment
    needs_approval: bool
    allowed: bool | None
    closed_at: Moment | None
    found: list[Found] | None


class ReviewReceipt(Receipt, kw_only=True):
    """The answer to each verb of a review."""

    review: ReviewStanding


class RestrictionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A restriction as it stands."""

    id: UUID
    recording: UUID
    category: RestrictionCategory
    marked_at: Moment
    lifted_at: Moment | None


class RestrictionReceipt(Receipt, kw_only=True):
    """The answer to marking and lifting."""

    restriction: RestrictionStanding


class ReplyStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A reply."""

    id: UUID
    finding: UUID
    at: Moment


class ReplyReceipt(Receipt, kw_only=True):
    """The answer to a reply."""

    reply: ReplyStanding
