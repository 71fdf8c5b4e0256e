"""Declaring, completing and asking about uploads on the wire."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.entries import BIGINT, WHOLE, Entry, Moment, Name, Receipt

State = Literal["declared", "receiving", "received", "sealed", "mismatch", "abandoned"]
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
    wearer: Annotated[UUID, msgspec.Meta(description="oneself, if left out")] | None = None
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
