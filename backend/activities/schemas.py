"""Activities on the wire: started, finished, amended; and the answers for their gaps."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import ActivityId, BeganAt, CaseNumberGiven, DevicePlace, EndedAt, IncidentNumberGiven
from backend.core.wire import LEFT_OUT_IF_WRONG, WHOLE, Entry, Moment, Name, Note, Receipt, Words
from backend.law.works import Light, PlaceKind

CaseKind = Annotated[
    Literal["administrative", "criminal", "none"],
    msgspec.Meta(description="administrative 行政, criminal 刑事, none 不涉案"),
]
GapKind = Annotated[
    Literal["leading", "recording"], msgspec.Meta(description="leading 无带班 not led, recording 无录像 not recorded")
]
WorkCode = Annotated[
    str,
    msgspec.Meta(
        max_length=40,
        pattern=r"^[0-9A-Za-z]+(\.[0-9A-Za-z_]+)+" + WHOLE,
        description="code of the work in the catalogue, such as 10.3",
    ),
]
Officers = Annotated[int, msgspec.Meta(ge=0, le=1000)]
Auxiliaries = Annotated[int, msgspec.Meta(ge=1, le=1000)]  # the one who tells is one
PLACE_KINDS = "expressway 高速公路或者城市快速路, main_road 主干道, highway 公路, other 其他"
LIGHTS = "day 白天, night 夜间, fog 雾天等恶劣天气"
AuxiliariesPresent = Annotated[
    Auxiliaries | None,
    msgspec.Meta(
        description="number of auxiliaries present, oneself included; null: not stated", extra=LEFT_OUT_IF_WRONG
    ),
]
PlaceKindTold = Annotated[
    PlaceKind | None,
    msgspec.Meta(description=f"kind of place: {PLACE_KINDS}; null: not stated", extra=LEFT_OUT_IF_WRONG),
]
LightTold = Annotated[
    Light | None, msgspec.Meta(description=f"light at the place: {LIGHTS}; null: not stated", extra=LEFT_OUT_IF_WRONG)
]
CaseAsked = Annotated[
    bool,
    msgspec.Meta(
        description="the kind of case was asked: `none` says that there is no case and none is expected. Before a case "
        "is opened, say what it looks like; false: `none` says nothing"
    ),
]


RestrainedCode = Annotated[str, msgspec.Meta(max_length=40, pattern="^[a-z_]+" + WHOLE)]


class PublicNotice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """执法公示 (R.32): the ID was shown, who was told what, and that they may ask for recusal."""

    id_shown: Annotated[bool, msgspec.Meta(description="the work ID was shown")]
    told: Annotated[Words, msgspec.Meta(description="who was told what")]
    recusal_right_told: Annotated[bool, msgspec.Meta(description="the people were told that they may ask for recusal")]


class Restraint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person was restrained: by which means, who ordered it, who watched, from when to when (程序规定 58, R.11)."""

    id: Annotated[UUID, msgspec.Meta(description="id of the restraint; sent again with its end, it is the same one")]
    means: Annotated[
        str,
        msgspec.Meta(
            max_length=40,
            pattern="^[a-z_]+" + WHOLE,
            description="means of restraint; the catalogue lists those allowed",
        ),
    ]
    ordered_by: Annotated[UUID, msgspec.Meta(description="id of the officer who ordered the restraint")]
    started_at: Annotated[Moment, msgspec.Meta(description="when the restraint began, by the device's clock")]
    watcher: Annotated[
        UUID | None, msgspec.Meta(description="id of the person who watched the one restrained; null: nobody is named")
    ] = None
    ended_at: Annotated[
        Moment | None, msgspec.Meta(description="when the person was released, by the device's clock; null: not yet")
    ] = None
    restrained: Annotated[
        RestrainedCode | None,
        msgspec.Meta(description="who was restrained, one of `restrained` in the catalogue; null: not stated"),
    ] = None
    self_protection: Annotated[bool, msgspec.Meta(description="used only to protect oneself")] = False


Restraints = Annotated[list[Restraint], msgspec.Meta(max_length=20, description="restraints during the work")]


class ActivityEntry(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fields that start, finish and amend have in common."""

    place: DevicePlace = None
    notes: Annotated[
        Words | None,
        msgspec.Meta(description="notes on the work, in words; they can be erased", extra=LEFT_OUT_IF_WRONG),
    ] = None
    officers_present: Annotated[
        Officers | None,
        msgspec.Meta(
            description="number of officers present, the leading one included; null: not stated",
            extra=LEFT_OUT_IF_WRONG,
        ),
    ] = None
    auxiliaries_present: AuxiliariesPresent = None
    place_kind: PlaceKindTold = None
    light: LightTold = None
    public_notice: Annotated[
        PublicNotice | None,
        msgspec.Meta(description="执法公示 (R.32); null: not stated here", extra=LEFT_OUT_IF_WRONG),
    ] = None
    restraints: Restraints = msgspec.field(default_factory=list)
    incident_ref: IncidentNumberGiven = None


class StartActivity(ActivityEntry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary begins a work. The activity's id is this entry's id."""

    work: WorkCode
    case_kind: CaseKind = "none"
    case_ref: Annotated[CaseNumberGiven | None, msgspec.Meta(description="number of the case; null: it has none")] = (
        None
    )
    case_asked: CaseAsked = False
    emergency: Annotated[bool, msgspec.Meta(description="an emergency as R.11 means it")] = False
    recording: Annotated[bool, msgspec.Meta(description="a recorder is running")] = False


class FinishActivity(ActivityEntry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An auxiliary ends a work."""

    activity: ActivityId


class AmendActivity(ActivityEntry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Correct an activity. The amendment is a new row; it never removes a gap or a finding."""

    activity: ActivityId
    why: Annotated[Words, msgspec.Meta(description="why the activity is corrected")]
    work: Annotated[WorkCode | None, msgspec.Meta(description="code of the work that was done; null: as before")] = None
    case_kind: Annotated[CaseKind | None, msgspec.Meta(description="kind of case; null: as before")] = None
    case_ref: Annotated[CaseNumberGiven | None, msgspec.Meta(description="number of the case; null: as before")] = None
    case_asked: CaseAsked = False
    emergency: Annotated[
        bool | None, msgspec.Meta(description="whether it was an emergency as R.11 means it; null: as before")
    ] = None
    started_at: Annotated[
        Moment | None, msgspec.Meta(description="corrected start, by the device's clock, not ahead; null: as before")
    ] = None
    ended_at: Annotated[
        Moment | None, msgspec.Meta(description="corrected end, by the device's clock, not ahead; null: as before")
    ] = None


class ExplainGap(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Explain why a work was not led or not recorded throughout.

    公通字〔2016〕14号: only objective causes may interrupt a recording.
    """

    activity: ActivityId
    cause: Annotated[
        Literal["fault", "damage", "weather", "battery", "storage", "other"],
        msgspec.Meta(description="fault 故障, damage 损坏, weather 天气, battery 电量, storage 存储, other 其他"),
    ]
    words: Annotated[Words, msgspec.Meta(description="the explanation, in words")]
    gap: GapKind = "recording"
    spoken: Annotated[bool, msgspec.Meta(description="the reason was spoken into the recording on resuming")] = False
    reported_to: Annotated[
        UUID | None, msgspec.Meta(description="id of the unit head who was told at once; null: nobody was")
    ] = None
    started_at: Annotated[
        Moment | None,
        msgspec.Meta(description="start of the time explained, by the device's clock; null: start of the activity"),
    ] = None
    ended_at: Annotated[
        Moment | None,
        msgspec.Meta(description="end of the time explained, by the device's clock; null: end of the activity"),
    ] = None


class CoverGap(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Name another source that recorded a gap. It is a claim, not a proof: the gap stays, with the claim beside it."""

    activity: ActivityId
    covered_by: Annotated[
        Literal["fixed_camera", "platform", "colleague"],
        msgspec.Meta(description="fixed_camera 固定探头, platform 其他平台, colleague 同事的记录仪"),
    ]
    source: Annotated[Name, msgspec.Meta(description="which camera, platform or recorder")]
    colleague: Annotated[
        UUID | None, msgspec.Meta(description="id of the colleague whose recorder it was; null: another source")
    ] = None
    started_at: Annotated[
        Moment | None,
        msgspec.Meta(description="start of the time covered, by the device's clock; null: start of the activity"),
    ] = None
    ended_at: Annotated[
        Moment | None,
        msgspec.Meta(description="end of the time covered, by the device's clock; null: end of the activity"),
    ] = None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of an activity in which nobody led, or for which there is no footage, not even declared footage."""

    kind: GapKind
    started_at: Annotated[Moment, msgspec.Meta(description="start of the gap")]
    ended_at: Annotated[Moment, msgspec.Meta(description="end of the gap")]
    explained: Annotated[bool, msgspec.Meta(description="somebody answered for it; the gap stands all the same")]


class ActivityStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An activity as it stands after its start, its finish and all amendments."""

    id: Annotated[UUID, msgspec.Meta(description="id of the activity: that of the entry which started it")]
    work: Annotated[str, msgspec.Meta(description="code of the work")]
    case_kind: CaseKind
    started_at: BeganAt
    ended_at: EndedAt


class ActivityReceipt(Receipt, kw_only=True):
    """The answer to starting, finishing or amending an activity."""

    activity: Annotated[ActivityStanding, msgspec.Meta(description="the activity as it stands now")]
    warnings: Annotated[list[Note], msgspec.Meta(description="warnings of the verdict; they refuse nothing")]


class GapAccountStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An answer for a gap, as it was recorded."""

    activity: ActivityId
    gap: GapKind
    started_at: Annotated[Moment, msgspec.Meta(description="start of the time answered for")]
    ended_at: Annotated[Moment, msgspec.Meta(description="end of the time answered for")]


class GapReceipt(Receipt, kw_only=True):
    """The answer to explaining or covering a gap."""

    account: Annotated[GapAccountStanding, msgspec.Meta(description="the answer for the gap, as it was recorded")]
