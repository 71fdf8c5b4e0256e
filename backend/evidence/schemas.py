"""Wire structs of uploads, descriptions and holds: entries, calls and their answers."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.described import KIND, IncidentNumberGiven, OrganCode, Radius, SentAt
from backend.core.wire import BIGINT, LEFT_OUT_IF_WRONG, WHOLE, Entry, Moment, Name, Place, Receipt, Words

State = Literal["declared", "receiving", "received", "sealed", "mismatch", "abandoned"]
UploadState = Annotated[
    State,
    msgspec.Meta(
        description="declared: no part was asked for yet; receiving: parts arrive; received: complete, being sealed; "
        "sealed: locked and signed for; mismatch: other bytes arrived than declared, send the file again; "
        "abandoned: nobody went on with it or its device gave it up, it may be taken up again"
    ),
]
TimeSource = Literal["clock", "metadata", "file_name", "file_time"]
NOT_IN_A_NAME = r"/\\\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
FILE_NAME = rf"^(\.?[^.{NOT_IN_A_NAME}][^{NOT_IN_A_NAME}]*|\.\.[^{NOT_IN_A_NAME}]+)" + WHOLE  # neither . nor ..
FileName = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=255,
        pattern=FILE_NAME,
        description="name of the file, without a path; stored, never trusted",
    ),
]
Sha256 = Annotated[
    str, msgspec.Meta(pattern="^[0-9a-f]{64}" + WHOLE, description="SHA-256 of the file, lower-case hex")
]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=BIGINT, description="size of the file in bytes")]
DeclaredBytes = Annotated[
    Bytes | None, msgspec.Meta(description="size of the file in bytes; null: follows when the upload is completed")
]
Serial = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,40}" + WHOLE)]
KINDS_OF_FILE = r"(image|audio|video|text)/[a-z0-9][a-z0-9.+-]*|application/pdf"
FootageType = Annotated[
    str, msgspec.Meta(max_length=80, pattern=rf"^({KINDS_OF_FILE}|application/octet-stream)" + WHOLE)
]
PaperType = Annotated[
    str,
    msgspec.Meta(max_length=80, pattern=rf"^({KINDS_OF_FILE})" + WHOLE),
]
DeclaredSha256 = Annotated[
    Sha256 | None,
    msgspec.Meta(description="SHA-256 of the file, lower-case hex; null: follows when the upload is completed"),
]
ProposedPartSize = Annotated[
    Annotated[int, msgspec.Meta(ge=1, le=BIGINT)] | None,
    msgspec.Meta(
        description="size of every part but the last that this device would like, in bytes: from `part_least` to "
        "`part_most` in the terms; any other is not taken; the answer's `part_size` is the one that counts; null: no "
        "wish",
        extra=LEFT_OUT_IF_WRONG,
    ),
]
DAY_MS = 86_400_000
Offset = Annotated[int, msgspec.Meta(ge=0, le=366 * DAY_MS)]


class DeclareRecording(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Declare footage: a film, a photo, or any other file of a camera. Its id is the upload's id.

    Size, digest and end may follow when the upload is completed.
    """

    camera_serial: Annotated[Serial, msgspec.Meta(description="serial number of the camera")]
    file_name: FileName
    media_type: Annotated[
        FootageType,
        msgspec.Meta(
            description="media type of the file, such as video/mp4. A photo (image/jpeg), a text or another file "
            "(application/octet-stream) of a camera is footage too: it belongs to its wearer and moment, and is kept "
            "and watched by the same rules, but lasts a moment only and proves no time"
        ),
    ]
    started_at: Annotated[Moment, msgspec.Meta(description="start of the footage, by the camera's clock")]
    ended_at: Annotated[
        Moment | None,
        msgspec.Meta(
            description="end of the footage, by the camera's clock; null: follows when the upload is completed"
        ),
    ] = None
    camera_offset_ms: Annotated[
        int,
        msgspec.Meta(
            ge=-36500 * DAY_MS,
            le=36500 * DAY_MS,
            description="camera's clock minus this device's, in milliseconds",
            extra=LEFT_OUT_IF_WRONG,
        ),
    ] = 0
    wearer: Annotated[
        UUID | None,
        msgspec.Meta(
            description="id of the person who wore the camera; null: oneself; of a docking station: whoever had the "
            "camera by `items/issue`, or else 422 `wearer_missing`"
        ),
    ] = None
    time_source: Annotated[
        TimeSource,
        msgspec.Meta(
            description="where started_at was read: clock: the camera's clock; metadata: inside the file; file_name: "
            "its name; file_time: its date in the file system. Stored, not trusted"
        ),
    ] = "clock"
    key_mark: Annotated[bool, msgspec.Meta(description="the wearer marked it as important (重点标记)")] = False
    file_modified_at: Annotated[
        Moment | None,
        msgspec.Meta(
            description="the file's own time in the file system, by the camera's clock; null: not known, as of a copy",
            extra=LEFT_OUT_IF_WRONG,
        ),
    ] = None
    bytes: DeclaredBytes = None
    sha256: DeclaredSha256 = None
    part_size: ProposedPartSize = None
    incident_ref: IncidentNumberGiven = None


class DeclareDocument(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Declare a paper or photo. Its id is the upload's id."""

    title: Annotated[Name, msgspec.Meta(description="what the paper or photo is")]
    file_name: FileName
    media_type: Annotated[PaperType, msgspec.Meta(description="media type of the file, such as application/pdf")]
    bytes: DeclaredBytes = None
    sha256: DeclaredSha256 = None
    part_size: ProposedPartSize = None


class KeyContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one stretch of footage shows."""

    from_ms: Annotated[
        Offset, msgspec.Meta(description="start of the stretch, in milliseconds from the start of the footage")
    ]
    to_ms: Annotated[
        Offset, msgspec.Meta(description="end of the stretch, in milliseconds from the start of the footage")
    ]
    words: Annotated[Words, msgspec.Meta(description="what is seen and heard there")]


CategoryCode = Annotated[str, msgspec.Meta(max_length=40, pattern=KIND)]
FootageCategory = Annotated[
    CategoryCode | None,
    msgspec.Meta(
        description="category of footage kept for ever, one of `retention` in duty/works, such as case_evidence; "
        "it is held until two people let it go; null: none of them"
    ),
]


class DescribeRecording(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Describe the key content of footage with its time spans. The latest one stands; earlier ones stay readable."""

    recording: Annotated[UUID, msgspec.Meta(description="id of the recording that is described")]
    content: Annotated[
        tuple[KeyContent, ...], msgspec.Meta(min_length=1, max_length=200, description="the stretches described")
    ]
    category: FootageCategory = None


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A description as it was stored."""

    recording: Annotated[UUID, msgspec.Meta(description="id under which the bytes of the recording are kept")]
    stretches: Annotated[int, msgspec.Meta(description="number of stretches it describes")]


class DescriptionReceipt(Receipt, kw_only=True):
    """The answer to a description."""

    described: Annotated[Described, msgspec.Meta(description="the description as it was stored")]


PartSize = Annotated[int, msgspec.Meta(description="size of every part but the last, in bytes")]
UploadId = Annotated[UUID, msgspec.Meta(description="id of the upload, as asked for")]


class UploadStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An upload as it stands. Where `same_as` is set, state and part size are those of that upload."""

    id: Annotated[UUID, msgspec.Meta(description="id of the declared upload")]
    state: UploadState
    part_size: PartSize
    same_as: Annotated[
        UUID | None,
        msgspec.Meta(description="id of the upload under which the same bytes are kept already; null: they are new"),
    ]
    wearer: Annotated[
        UUID | None,
        msgspec.Meta(
            description="id of the person who had the camera then, whose footage it is; only for a docking station "
            "that named no wearer"
        ),
    ] = None
    started_at: Annotated[
        Moment | None,
        msgspec.Meta(
            description="the start of the footage that is kept already, by the server's clock, where it was declared "
            "with another camera_offset_ms than now: that changes nothing, `recordings/correct-time` does; null: same"
        ),
    ] = None


class UploadReceipt(Receipt, kw_only=True):
    """The answer to a declaration."""

    upload: Annotated[UploadStanding, msgspec.Meta(description="the upload as it stands")]


CompletedBytes = Annotated[Bytes | None, msgspec.Meta(description="size of the file in bytes; null: as declared")]
CompletedSha256 = Annotated[
    Sha256 | None, msgspec.Meta(description="SHA-256 of the file, lower-case hex; null: as declared")
]


class SentPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part that the device sent, as the store answered its last PUT."""

    number: Annotated[int, msgspec.Meta(ge=1, le=10_000, description="number of the part, from 1")]
    etag: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[!-~]{1,100}" + WHOLE,
            description="ETag of the answer to the last PUT of this part; quotes may stay",
        ),
    ]


SentParts = Annotated[tuple[SentPart, ...], msgspec.Meta(max_length=10_000)]


class Complete(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every part was sent. Says what the declaration left out; what it repeats must agree with the declaration."""

    sent_at: SentAt
    bytes: CompletedBytes = None
    sha256: CompletedSha256 = None
    ended_at: Annotated[
        Moment | None,
        msgspec.Meta(description="end of the footage, by the camera's clock; null: as declared, or not known"),
    ] = None
    parts: Annotated[
        SentParts | None,
        msgspec.Meta(
            description="parts that this device sent itself, so that of one sent twice its last is taken; null: as the "
            "store lists them"
        ),
    ] = None


class Abort(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device gives this upload up."""

    sent_at: SentAt


class PartToSend(msgspec.Struct, frozen=True, kw_only=True):
    """One part that the store does not have: PUT exactly these bytes of the file to `url`, with Content-MD5."""

    number: Annotated[int, msgspec.Meta(description="number of the part, from 1")]
    offset: Annotated[int, msgspec.Meta(description="where the part begins in the file, in bytes")]
    bytes: Annotated[
        int,
        msgspec.Meta(
            description="size of the part in bytes, which the URL takes exactly; while the file's size is not known, "
            "only full parts: ask with `bytes` for the last"
        ),
    ]
    url: Annotated[str, msgspec.Meta(description="PUT the bytes to this URL, with Content-MD5")]
    url_expires_at: Annotated[
        Moment, msgspec.Meta(description="the URL is valid until then; after that, ask for the parts again")
    ]


class StoredPart(msgspec.Struct, frozen=True, kw_only=True):
    """One part that the store has."""

    number: Annotated[int, msgspec.Meta(description="number of the part, from 1")]
    bytes: Annotated[int, msgspec.Meta(description="size of the part in bytes, as the store has it")]
    etag: Annotated[
        str, msgspec.Meta(description="ETag of the part, as the store answered its last PUT, without quotes")
    ]


class UploadParts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that the store has, and signed URLs for the first parts that it does not have."""

    id: UploadId
    state: UploadState
    part_size: PartSize
    parts: Annotated[
        int | None, msgspec.Meta(description="number of parts of the file; null: its size is not known yet")
    ]
    have: Annotated[
        list[tuple[int, int]],
        msgspec.Meta(description="parts that the store has, as runs [first, last] of part numbers, both included"),
    ]
    missing: Annotated[
        list[PartToSend],
        msgspec.Meta(description="the first parts that the store does not have; ask again for more once they are sent"),
    ]
    stored: Annotated[
        list[StoredPart],
        msgspec.Meta(
            description="the parts that the store has, from `from` on, at most 1,000, with size and ETag; also one of "
            "the wrong size, which is missing. Empty once the file was received"
        ),
    ] = []
    part: Annotated[
        PartToSend | None,
        msgspec.Meta(
            description="the part asked for by `part`, whether the store has it or not: what is sent again takes its "
            "place; null: none was asked for, or no part is missing any more"
        ),
    ] = None


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """State of an upload and its receipt. Keep the file until you have the receipt and have verified it."""

    id: UploadId
    state: UploadState
    receipt: Annotated[
        str | None, msgspec.Meta(description="a JWS over id, sha256, bytes and time of sealing; null: not sealed yet")
    ]
    advice: Annotated[str, msgspec.Meta(description="what to do now, in the reader's language")]


CategoryOrNone = Annotated[
    CategoryCode | None,
    msgspec.Meta(
        description="category of footage kept for ever, one of `retention` in duty/works, such as case_evidence; "
        "a hold with a category is permanent; null: none of them"
    ),
]
Permanent = Annotated[bool, msgspec.Meta(description="without an end: it is released only as a mistake")]


class PlaceHold(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Place a hold on exactly one of `person`, `place`, `recording`. Its id is the hold's id.

    A hold on a person covers their footage in this time, and that of the officers they named as leading. A hold on a
    place covers footage of the organ, and those below it, that may show the place. Footage declared later is covered
    too.
    """

    number: Annotated[Name, msgspec.Meta(description="number of the case or task that needs the hold")]
    reason: Annotated[Words, msgspec.Meta(description="why the footage must be kept")]
    person: Annotated[UUID | None, msgspec.Meta(description="id of the person whose footage is held")] = None
    place: Annotated[Place | None, msgspec.Meta(description="footage that may show this place is held")] = None
    radius_m: Annotated[
        Radius | None, msgspec.Meta(description="radius around `place`, in metres; given with `place` only")
    ] = None
    recording: Annotated[UUID | None, msgspec.Meta(description="id of the recording that is held")] = None
    started_at: Annotated[
        Moment | None, msgspec.Meta(description="start of the time covered; given with `person` and `place` only")
    ] = None
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end of the time covered; null: without an end")] = None
    permanent: Permanent = False
    category: CategoryOrNone = None


class ReleaseHold(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Release a hold that is needed no more. Other holds on the same footage stay.

    Of a hold of origin `category` this only asks: another person answers with `holds/answer-release`.
    """

    hold: Annotated[UUID, msgspec.Meta(description="id of the hold")]
    why: Annotated[Words, msgspec.Meta(description="why it is needed no more")]
    mistaken: Annotated[bool, msgspec.Meta(description="the hold should never have been permanent")] = False


class AnswerRelease(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Answer somebody else who asked to release a hold that follows from a category: agree, or keep it."""

    hold: Annotated[UUID, msgspec.Meta(description="id of the hold")]
    agrees: Annotated[bool, msgspec.Meta(description="true: it is released; false: it stays, and may be asked again")]
    why: Annotated[Words, msgspec.Meta(description="why it may go, or must stay")]


class HoldStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A hold as it stands."""

    id: Annotated[UUID, msgspec.Meta(description="id of the hold")]
    organ: OrganCode
    placed_at: Annotated[Moment, msgspec.Meta(description="when the hold was placed")]
    permanent: Permanent
    released_at: Annotated[Moment | None, msgspec.Meta(description="when the hold was released; null: it stands")]
    release_asked_at: Annotated[
        Moment | None,
        msgspec.Meta(description="when somebody asked to release it; another person answers; null: nobody asks"),
    ] = None


class HoldReceipt(Receipt, kw_only=True):
    """The answer to placing a hold, asking for its release, or releasing it."""

    hold: Annotated[HoldStanding, msgspec.Meta(description="the hold as it stands")]
