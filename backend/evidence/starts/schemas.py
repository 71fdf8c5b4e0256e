"""Wire structs of starts: the entry that corrects one, its receipt, a time code, and what is known of a start."""

from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.wire import Entry, Moment, Receipt, Words
from backend.evidence.starts.rules import Candidate

RecordingId = Annotated[UUID, msgspec.Meta(description="id of the recording")]
Doubtful = Annotated[bool, msgspec.Meta(description="true: the finding `time_doubtful` stands until somebody decides")]
Why = Annotated[
    str,
    msgspec.Meta(
        description="by which rule: told; agreed, only_source, majority; local_as_utc, utc_as_local, at_the_stop: a "
        "mistake of the recorder that was recognised; file_time_alone, sources_disagree, clock_ahead, long_ago, "
        "mistake_assumed, no_time, clock_doubtful: in doubt; timecode, timecode_doubtful; corrected, "
        "correction_unsupported, correction_against_timecode"
    ),
]
Source = Annotated[
    str,
    msgspec.Meta(
        description="clock: the camera's clock, told by who saw it run; metadata: inside the file; file_name; "
        "file_time: its date in the file system; timecode: a time code that it shows; corrected: by a person"
    ),
]


class CorrectTime(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Correct when footage began: by its wearer, a docking station, or an inspector. What was told before stays."""

    recording: RecordingId
    started_at: Annotated[
        Moment, msgspec.Meta(description="start of the footage, by this device's clock, the camera's error taken out")
    ]
    why: Annotated[Words, msgspec.Meta(description="why it was another time than told, and how that is known")]


class CorrectedStart(msgspec.Struct, frozen=True, kw_only=True):
    """A correction as it was stored."""

    recording: RecordingId
    started_at: Annotated[Moment, msgspec.Meta(description="the start that counts now")]
    before: Annotated[Moment, msgspec.Meta(description="the start that counted before")]
    told: Annotated[Moment, msgspec.Meta(description="the start that the correction tells")]
    counts: Annotated[
        bool, msgspec.Meta(description="false: a time code proves another start, which only an inspector may move")
    ]
    doubtful: Doubtful
    why: Why


class CorrectedStartReceipt(Receipt, kw_only=True):
    """The answer to a correction."""

    start: Annotated[CorrectedStart, msgspec.Meta(description="the correction as it was stored")]


class StartTold(msgspec.Struct, frozen=True, kw_only=True):
    """One telling of when footage began."""

    value: Annotated[Moment, msgspec.Meta(description="the start, by the server's clock")]
    source: Source
    doubtful: Doubtful
    why: Why
    at: Annotated[Moment, msgspec.Meta(description="when it was recorded")]
    counts: Annotated[bool, msgspec.Meta(description="true: it is the one that counts")]


class TimecodeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A time code that the footage shows."""

    shown_at: Annotated[Moment, msgspec.Meta(description="the time that the code tells")]
    position_ms: Annotated[int, msgspec.Meta(description="where it is first seen, from the first frame")]
    frame: Annotated[int, msgspec.Meta(description="number of that frame, from 0, by the mean rate of the film")]
    signer: Annotated[str, msgspec.Meta(description="server: its evidence key; device: the handheld, offline")]
    age_s: Annotated[int, msgspec.Meta(description="how old the device's last server time was, in seconds")]
    wearer: Annotated[UUID, msgspec.Meta(description="id of the person whom the code names")]
    shift: Annotated[UUID | None, msgspec.Meta(description="id of their shift; null: none")]
    offset_ms: Annotated[
        int | None, msgspec.Meta(description="the camera's clock minus the code's; null: the camera tells no time")
    ]
    standing: Annotated[
        str,
        msgspec.Meta(
            description="proves; or why not: timecode_forged, timecode_revoked (device), timecode_of_another (wearer), "
            "timecode_stale, timecode_ahead, timecode_replayed, timecode_contested (against the camera's clock)"
        ),
    ]


class CorrectionTold(msgspec.Struct, frozen=True, kw_only=True):
    """Who corrected the start, and why."""

    id: Annotated[UUID, msgspec.Meta(description="id of the correction")]
    by_person: Annotated[UUID, msgspec.Meta(description="id of the person or docking station")]
    badge: Annotated[str, msgspec.Meta(description="their badge number")]
    at: Annotated[Moment, msgspec.Meta(description="when it was corrected, in corrected time")]
    value: Annotated[Moment, msgspec.Meta(description="the start that it tells")]
    words: Annotated[str, msgspec.Meta(description="why")]


class RecordingStart(msgspec.Struct, frozen=True, kw_only=True):
    """When footage began, and how that is known."""

    value: Annotated[Moment, msgspec.Meta(description="the start that counts, by the server's clock")]
    source: Source
    doubtful: Doubtful
    why: Why
    candidates: Annotated[list[Candidate], msgspec.Meta(description="what each source of the file says, when weighed")]
    tellings: Annotated[list[StartTold], msgspec.Meta(description="every telling, the first one first")]
    timecodes: Annotated[list[TimecodeShown], msgspec.Meta(description="the time codes that it shows")]
    corrections: Annotated[list[CorrectionTold], msgspec.Meta(description="what people corrected, the first one first")]


class TimecodeToShow(msgspec.Struct, frozen=True, kw_only=True):
    """A time code (对时码) for a handheld to show and a recorder to film."""

    text: Annotated[
        str, msgspec.Meta(description="content of the QR, ASCII: draw it in the alphanumeric mode, with error level M")
    ]
    svg: Annotated[str, msgspec.Meta(description="the same QR as an SVG picture")]
    at: Annotated[Moment, msgspec.Meta(description="the server's time that it tells")]
    wearer: Annotated[UUID, msgspec.Meta(description="id of the person whom it names: who asked")]
    shift: Annotated[UUID | None, msgspec.Meta(description="id of their shift that is open; null: none")]
    renew_after_ms: Annotated[
        int, msgspec.Meta(description="ask for the next one after so long, as each tells the moment it was made")
    ]
