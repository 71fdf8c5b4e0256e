"""Activities and the answers for their gaps on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.wire import WHOLE, Entry, Moment, Name, Note, Place, Receipt, Words

CaseKind = Literal["administrative", "criminal", "none"]
WorkCode = Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[0-9A-Za-z]+(\.[0-9A-Za-z_]+)+" + WHOLE)]
Officers = Annotated[int, msgspec.Meta(ge=0, le=50, description="present, with the one who leads")]


class PublicNotice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """执法公示 (R.32): the ID was shown, who was told what, and that they may ask for recusal."""

    id_shown: bool
    told: Words
    recusal_right_told: bool


class Restraint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """By which means somebody was restrained, who ordered it, who watched, from when to when (程序规定 58, R.11)."""

    id: Annotated[UUID, msgspec.Meta(description="the same when it is told again, with its end")]
    means: Annotated[str, msgspec.Meta(max_length=40, pattern="^[a-z_]+" + WHOLE, description="as the work allows")]
    ordered_by: Annotated[UUID, msgspec.Meta(description="the officer who ordered it")]
    started_at: Moment
    watcher: Annotated[UUID, msgspec.Meta(description="who watched the person restrained")] | None = None
    ended_at: Annotated[Moment, msgspec.Meta(description="released; left out while it lasts")] | None = None


Restraints = Annotated[list[Restraint], msgspec.Meta(max_length=20)]


class ActivityEntry(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What start, finish and amendment may tell."""

    place: Place | None = None
    notes: Words | None = None
    officers_present: Officers | None = None
    public_notice: PublicNotice | None = None
    restraints: Restraints = msgspec.field(default_factory=list)


class StartActivity(ActivityEntry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary begins a work. The activity's id is this entry's id."""

    work: WorkCode
    case_kind: Annotated[CaseKind, msgspec.Meta(description="administrative 行政, criminal 刑事, none")] = "none"
    case_ref: Annotated[Name, msgspec.Meta(description="number of the case, where it has one")] | None = None
    emergency: Annotated[bool, msgspec.Meta(description="an emergency as R.11 means it")] = False
    recording: Annotated[bool, msgspec.Meta(description="a recorder is running")] = False


class FinishActivity(ActivityEntry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary ends a work."""

    activity: UUID


class AmendActivity(ActivityEntry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was told of an activity is corrected: a new row beside it, which never removes a gap or a finding."""

    activity: UUID
    why: Words
    work: WorkCode | None = None
    case_kind: CaseKind | None = None
    case_ref: Name | None = None
    emergency: bool | None = None
    started_at: Annotated[Moment, msgspec.Meta(description="by the device's clock; not ahead")] | None = None
    ended_at: Annotated[Moment, msgspec.Meta(description="by the device's clock; not ahead")] | None = None


class ExplainGap(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why an act was not wholly recorded, or led (公通字〔2016〕14号: only objective causes interrupt a recording)."""

    activity: UUID
    cause: Annotated[
        Literal["fault", "damage", "weather", "battery", "storage", "other"],
        msgspec.Meta(description="fault 故障, damage 损坏, weather 天气, battery 电量, storage 存储, other 其他"),
    ]
    words: Words
    gap: Annotated[Literal["recording", "leading"], msgspec.Meta(description="which gap is explained")] = "recording"
    spoken: Annotated[bool, msgspec.Meta(description="the reason was spoken into the recording on resuming")] = False
    reported_to: Annotated[UUID, msgspec.Meta(description="the unit head who was told at once")] | None = None
    started_at: Annotated[Moment, msgspec.Meta(description="the whole activity, if left out")] | None = None
    ended_at: Annotated[Moment, msgspec.Meta(description="the whole activity, if left out")] | None = None


class CoverGap(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What else recorded the time: claimed, never proved; the gap stands beside it."""

    activity: UUID
    covered_by: Annotated[
        Literal["fixed_camera", "platform", "colleague"],
        msgspec.Meta(description="fixed_camera 固定探头, platform 其他平台, colleague 同事的记录仪"),
    ]
    source: Annotated[Name, msgspec.Meta(description="which camera, platform or recorder")]
    colleague: UUID | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of an activity in which nobody led, or which no footage even claims."""

    kind: Literal["leading", "recording"]
    started_at: Moment
    ended_at: Moment
    explained: Annotated[bool, msgspec.Meta(description="somebody answered for it; it stands all the same")]


class ActivityStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An activity as it stands, with the latest of everything told."""

    id: UUID
    work: str
    case_kind: CaseKind
    started_at: Moment
    ended_at: Moment | None


class ActivityReceipt(Receipt, kw_only=True):
    """The answer to each telling of an activity."""

    activity: ActivityStanding
    warnings: list[Note]


class GapAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An answer for a gap."""

    activity: UUID
    gap: Literal["recording", "leading"]
    started_at: Moment
    ended_at: Moment


class GapReceipt(Receipt, kw_only=True):
    """The answer to an explanation or a cover."""

    account: GapAccount
