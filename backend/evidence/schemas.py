"""Declaring, completing and asking about uploads on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.wire import BIGINT, WHOLE, Entry, Moment, Name, Place, Receipt, Words

State = Literal["declared", "receiving", "received", "sealed", "mismatch", "abandoned"]
TimeSource = Literal["clock", "metadata", "file_name", "file_time"]
FileName = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=255,
        pattern=r"^(?!\.{1,2}$)[^/\\\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+" + WHOLE,
        description="a name, not a path; kept, never trusted",
    ),
]
Sha256 = Annotated[
    str, msgspec.Meta(pattern="^[0-9a-f]{64}" + WHOLE, description="SHA-256 of the file, lower-case hex")
]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=BIGINT, description="size of the file")]
Serial = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,40}" + WHOLE)]
FootageType = Annotated[str, msgspec.Meta(max_length=80, pattern=r"^(video|audio)/[a-z0-9][a-z0-9.+-]*" + WHOLE)]
PaperType = Annotated[
    str,
    msgspec.Meta(max_length=80, pattern=r"^((image|audio|video|text)/[a-z0-9][a-z0-9.+-]*|application/pdf)" + WHOLE),
]
DAY_MS = 86_400_000
Offset = Annotated[int, msgspec.Meta(ge=0, le=366 * DAY_MS, description="milliseconds from the start of the footage")]


class DeclareRecording(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """There is footage of the wearer. Its id is the upload's id. Size, digest and end may follow at complete."""

    camera_serial: Serial
    file_name: FileName
    media_type: FootageType
    started_at: Annotated[Moment, msgspec.Meta(description="by the camera's clock")]
    ended_at: Annotated[Moment, msgspec.Meta(description="by the camera's clock")] | None = None
    camera_offset_ms: Annotated[
        int, msgspec.Meta(ge=-36500 * DAY_MS, le=36500 * DAY_MS, description="camera's clock minus this device's")
    ] = 0
    wearer: (
        Annotated[UUID, msgspec.Meta(description="oneself, if left out; a docking station names the wearer")] | None
    ) = None
    time_source: Annotated[
        TimeSource, msgspec.Meta(description="where started_at was read: the camera's clock, or the file itself")
    ] = "clock"
    key_mark: Annotated[bool, msgspec.Meta(description="重点标记")] = False
    bytes: Bytes | None = None
    sha256: Sha256 | None = None


class DeclareDocument(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """There is a paper or photo. Its id is the upload's id."""

    title: Name
    file_name: FileName
    media_type: PaperType
    bytes: Bytes | None = None
    sha256: Sha256 | None = None


class KeyContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one stretch of footage shows. Milliseconds from the start of the footage."""

    from_ms: Offset
    to_ms: Offset
    words: Annotated[Words, msgspec.Meta(description="what is seen and heard there")]


class DescribeRecording(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The key content of footage with its time spans. A later description stands, earlier ones stay readable."""

    recording: Annotated[UUID, msgspec.Meta(description="the footage, by its id")]
    content: Annotated[
        tuple[KeyContent, ...], msgspec.Meta(min_length=1, max_length=200, description="stretch by stretch")
    ]


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A description as it was kept. `recording`: the id under which the bytes are kept."""

    recording: Annotated[UUID, msgspec.Meta(description="the id under which the bytes are kept")]
    stretches: Annotated[int, msgspec.Meta(description="how many stretches it describes")]


class DescriptionReceipt(Receipt, kw_only=True):
    """The answer to a description."""

    described: Described


class UploadStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An upload as it stands. `same_as`: these bytes are already kept under that id, whose state this is."""

    id: UUID
    state: State
    part_size: Annotated[int, msgspec.Meta(description="bytes of every part but the last")]
    same_as: UUID | None


class UploadReceipt(Receipt, kw_only=True):
    """The answer to a declaration."""

    upload: UploadStanding


class Complete(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every part has been sent. What the declaration left out comes now; what it said must agree."""

    sent_at: Moment
    bytes: Bytes | None = None
    sha256: Sha256 | None = None
    ended_at: Annotated[Moment, msgspec.Meta(description="of a recording, by the camera's clock")] | None = None


class PartToSend(msgspec.Struct, frozen=True, kw_only=True):
    """One part the store does not have: PUT exactly these bytes of the file to `url`, with Content-MD5."""

    number: int
    offset: int
    bytes: Annotated[int, msgspec.Meta(description="fewer in the last part of a file whose size is not known yet")]
    url: str
    url_expires_at: Moment


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the store has, and signed URLs for the first parts that it has not."""

    id: UUID
    state: State
    part_size: int
    parts: Annotated[int, msgspec.Meta(description="how many parts the file makes")] | None
    have: Annotated[list[tuple[int, int]], msgspec.Meta(description="runs of part numbers, both ends included")]
    missing: list[PartToSend]


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """`receipt`: a JWS over id, sha256, bytes and time; keep the file until you hold it and have verified it."""

    id: UUID
    state: State
    receipt: str | None
    advice: Annotated[str, msgspec.Meta(description="what to do now, in the reader's language")]


Radius = Annotated[int, msgspec.Meta(ge=1, le=20_000, description="metres around the place")]


HoldCategory = Annotated[
    Literal["case_evidence", "obstruction", "major_incident", "other_major"],
    msgspec.Meta(
        description="公通字〔2016〕14号: case_evidence 案件证据, obstruction 阻碍执行职务, "
        "major_incident 重大或群体性事件, other_major 其他重大疑难复杂警情"
    ),
]


class PlaceHold(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What this covers must stay: one of `person`, `place`, `recording`. Its id is the hold's id.

    A person: their footage in this time, and that of whoever they named as leading; a place: footage of the organ and
    those below it that may show it. What is declared later is covered when it comes.
    """

    number: Annotated[Name, msgspec.Meta(description="of the case or task that asks for it")]
    reason: Words
    person: UUID | None = None
    place: Place | None = None
    radius_m: Radius | None = None
    recording: UUID | None = None
    started_at: Annotated[Moment, msgspec.Meta(description="with `person` and `place`: from when")] | None = None
    ended_at: Annotated[Moment, msgspec.Meta(description="and until when; none: without an end")] | None = None
    permanent: Annotated[bool, msgspec.Meta(description="for ever: it is released only as a mistake")] = False
    category: (
        Annotated[HoldCategory, msgspec.Meta(description="why it is kept for ever; with it, it is permanent")] | None
    ) = None


class ReleaseHold(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """It is needed no more. Other holds on the same footage stay."""

    hold: UUID
    why: Words
    mistaken: Annotated[bool, msgspec.Meta(description="it should never have been permanent")] = False


class HoldStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A hold as it stands."""

    id: UUID
    organ: str
    placed_at: Moment
    permanent: bool
    released_at: Moment | None


class HoldReceipt(Receipt, kw_only=True):
    """The answer to placing or releasing a hold."""

    hold: HoldStanding
