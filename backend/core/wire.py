"""The parts of every wire struct: moments, texts, places, and the struct that every entry extends.

Source: RFC 3339, DESIGN section 4. Nothing here knows the database: a client may import it.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]  # RFC 3339 with offset; a time without offset is refused
# Patterns of texts. No lookahead, which many tools do not know: the contract publishes them in ECMA 262.
WHOLE = r"\Z"  # the end: `$` alone would let a closing line feed pass
SPACE = r" \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
CONTROL = r"\x00-\x1f\x7f\ud800-\udfff"  # and half characters
CONTROL_IN_TEXT = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff"  # a text may have tabs and line feeds
PRINTABLE = rf"^[\t\n\r{SPACE}]*[^\t\n\r{SPACE}{CONTROL}][^{CONTROL_IN_TEXT}]*" + WHOLE  # and not only spaces
ONE_LINE = rf"^[{SPACE}]*[^{SPACE}{CONTROL}][^{CONTROL}]*" + WHOLE
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=2000, pattern=PRINTABLE)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120, pattern=ONE_LINE)]
BIGINT = 2**63 - 1
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
Count = Annotated[int, msgspec.Meta(ge=0, le=BIGINT)]


# Marks an optional field that never refuses an entry: where it cannot be read, the entry is recorded without it, with
# a finding, and what was told is kept. See core/doubtful.py.
LEFT_OUT_IF_WRONG = {"left_out_if_wrong": True}


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A place in degrees, with its accuracy and datum. Coordinates are never converted to another datum."""

    lat: Annotated[float, msgspec.Meta(ge=-90, le=90, description="latitude in degrees")]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180, description="longitude in degrees")]
    accuracy_m: Annotated[
        float, msgspec.Meta(ge=0, le=100_000, description="accuracy as the receiver reports it, in metres")
    ]
    datum: Annotated[Literal["WGS84", "GCJ02"], msgspec.Meta(description="coordinate system: WGS84 or GCJ02")]
    mock: Annotated[
        bool | None,
        msgspec.Meta(description="true: the system says that an app made the place up; null: it does not say"),
    ] = None
    fix_age_ms: Annotated[
        Count | None, msgspec.Meta(description="how old the fix was at the act, in milliseconds; null: not known")
    ] = None


def as_json(struct: msgspec.Struct | None) -> str | None:
    """A struct as JSON text, for a jsonb column."""
    return None if struct is None else msgspec.json.encode(struct).decode()


class Despite(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why the act was done although the rules refused it."""

    why: Annotated[Words, msgspec.Meta(description="the reason, in words")]
    ordered_by: Annotated[
        UUID | None, msgspec.Meta(description="the officer who ordered it and answers for it; null: nobody")
    ] = None


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The fields of every entry. `id` is made by the client, and is the id of what the entry creates."""

    id: Annotated[UUID, msgspec.Meta(description="made by the client; the same id again is the same entry")]
    occurred_at: Annotated[Moment, msgspec.Meta(description="when it happened, by the device's clock")]
    device_seq: Annotated[Count, msgspec.Meta(description="rises by one with each entry of this device")]
    boot_id: Annotated[
        UUID | None,
        msgspec.Meta(description="changes when the device restarts; null: not known", extra=LEFT_OUT_IF_WRONG),
    ] = None
    uptime_ms: Annotated[
        Count | None,
        msgspec.Meta(
            description="milliseconds since the device started, at occurred_at; null: not known",
            extra=LEFT_OUT_IF_WRONG,
        ),
    ] = None
    despite: Annotated[
        Despite | None,
        msgspec.Meta(description="why it was done all the same; only for an entry refused by rules, sent again"),
    ] = None


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding or a rule that is not met."""

    code: Annotated[str, msgspec.Meta(description="stable code of the finding or rule")]
    message: Annotated[str, msgspec.Meta(description="the sentence of the code, in the reader's language")]
    article: Annotated[str | None, msgspec.Meta(description="article that the code rests on; null: none")] = None
    source: Annotated[
        str | None,
        msgspec.Meta(
            description="of a verdict: where this condition of the work comes from, in the catalogue's words (F read "
            "in the text, M not checked, I inferred); null: from its article alone"
        ),
    ] = None


class Receipt(msgspec.Struct, kw_only=True):
    """The answer to every entry; each verb adds what it created or changed."""

    id: Annotated[UUID, msgspec.Meta(description="id of the entry")]
    status: Annotated[
        Literal["recorded", "replayed"],
        msgspec.Meta(description="recorded: now; replayed: it was recorded before, and this is the first answer again"),
    ]
    received_at: Annotated[Moment, msgspec.Meta(description="when the server first received it, by its own clock")]
    findings: Annotated[list[Note], msgspec.Meta(description="what is wrong with the fact; it is kept all the same")]
