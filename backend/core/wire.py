"""What the wire is made of: moments, words, places, and the struct that every entry extends.

Source: RFC 3339, DESIGN section 4. Nothing here knows the database; a client may import it.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]  # RFC 3339 with its offset; a naive time is refused
WHOLE = r"$(?!\n)"  # the end: `$` alone would let a closing line feed pass
PRINTABLE = r"^(?=[\s\S]*\S)[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]*" + WHOLE  # and not only spaces
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=2000, pattern=PRINTABLE)]
Name = Annotated[
    str, msgspec.Meta(min_length=1, max_length=120, pattern=r"^(?=.*\S)[^\x00-\x1f\x7f\ud800-\udfff]+" + WHOLE)
]
BIGINT = 2**63 - 1
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
Count = Annotated[int, msgspec.Meta(ge=0, le=BIGINT)]


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where: degrees, the receiver's own accuracy in metres, and the datum; datums are never converted or compared."""

    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, msgspec.Meta(ge=0, le=100_000)]
    datum: Literal["WGS84", "GCJ02"]


def as_json(struct: msgspec.Struct | None) -> str | None:
    """A struct as a jsonb column takes it."""
    return None if struct is None else msgspec.json.encode(struct).decode()


class Despite(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why it was done although the rules refused it, and the officer who ordered it and answers for it."""

    why: Words
    ordered_by: UUID | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What every entry carries. `id` is made by the client and is the id of the thing that the entry creates."""

    id: Annotated[UUID, msgspec.Meta(description="made by the client; the same id again is the same entry")]
    occurred_at: Annotated[Moment, msgspec.Meta(description="by the device's clock, when it happened")]
    device_seq: Annotated[Count, msgspec.Meta(description="rises by one with each entry of this device")]
    boot_id: Annotated[UUID, msgspec.Meta(description="changes when the device restarts")] | None = None
    uptime_ms: Annotated[Count, msgspec.Meta(description="milliseconds since that start")] | None = None
    despite: (
        Annotated[Despite, msgspec.Meta(description="sent again after a refusal: recorded with its findings")] | None
    ) = None


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding or unmet rule: its stable code, the article, and the sentence in the reader's language."""

    code: str
    message: str
    article: str | None = None


class Receipt(msgspec.Struct, kw_only=True):
    """What every entry is answered with; each verb adds what it made."""

    id: UUID
    status: Literal["recorded", "replayed"]
    received_at: Moment
    findings: list[Note]
