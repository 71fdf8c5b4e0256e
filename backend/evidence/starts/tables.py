"""Tables of starts, corrections and time codes. Their constraints: migrations/versions/fujing_0044_starts.sql."""

from typing import Any

from piccolo.columns import JSONB, UUID, BigInt, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.evidence.tables import RECORDING
from backend.people.tables import Person


class FilmStart(Table, db=DB):
    """One telling of when a film began. The newest chosen one counts; none is ever altered."""

    upload: ForeignKey[Any] = ForeignKey(RECORDING, null=False, on_delete=OnDelete.restrict, default=None)
    value = Timestamptz(null=False, default=None)
    source = Text(null=False, default=None)
    doubtful = Boolean(null=False, default=None)
    chosen = Boolean(null=False, default=None)
    why = Text(null=False, default=None)
    candidates = JSONB(null=False, default=None)
    at = Timestamptz(null=False, default=None)


class TimeCorrection(Table, db=DB):
    """Who corrected a start, and why. Its words are erasable."""

    id = UUID(primary_key=True, default=None)
    recording: ForeignKey[Any] = ForeignKey(RECORDING, null=False, on_delete=OnDelete.restrict, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    value = Timestamptz(null=False, default=None)
    words = Text(null=False, default=None)


class FilmTimecode(Table, db=DB):
    """A time code that a film shows, at which frame, and whether it proves the start."""

    upload: ForeignKey[Any] = ForeignKey(RECORDING, null=False, on_delete=OnDelete.restrict, default=None)
    camera_serial = Text(null=False, default=None)
    position_ms = BigInt(null=False, default=None)
    frame = BigInt(null=False, default=None)
    shown_at = Timestamptz(null=False, default=None)
    signer = Text(null=False, default=None)
    age_s = BigInt(null=False, default=None)
    wearer = UUID(null=False, default=None)
    shift = UUID(null=True, default=None)
    offset_ms = BigInt(null=True, default=None)
    standing = Text(null=False, default=None)
    digest = Text(null=False, default=None)
    at = Timestamptz(null=False, default=None)
