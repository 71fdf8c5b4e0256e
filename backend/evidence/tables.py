"""Tables of uploads, recordings, papers, descriptions and holds.

Their constraints are in migrations/versions: fujing_0005_evidence.sql, fujing_0009_descriptions.sql,
fujing_0019_holds.sql, fujing_0033_store.sql and fujing_0045_kept.sql.
"""

from typing import Any

from piccolo.columns import (
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    ForeignKey,
    Integer,
    OnDelete,
    SmallInt,
    Text,
    Timestamptz,
)  # fmt: skip
from piccolo.columns.reference import LazyTableReference
from piccolo.table import Table

from backend.core.database import DB
from backend.people.tables import Device, Organ, Person

# What the footage `r` may show, pauses and sound too: to its declared end or that of its film. Never empty, never open.
SHOWN = "tstzrange(r.started_at, coalesce(greatest(r.ended_at, r.film_ends_at), r.started_at), '[]')"


class Upload(Table, db=DB):
    """A file that is uploaded and sealed. `sha256` is hex; `version` is the version in the store that was sealed."""

    id = UUID(primary_key=True, default=None)
    kind = Text(null=False, default=None)
    owner = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    declared_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    device = ForeignKey(Device, null=True, on_delete=OnDelete.restrict, default=None)
    file_name = Text(null=False, default=None)
    media_type = Text(null=False, default=None)
    state = Text(null=False, default=None)
    bytes = BigInt(null=True, default=None)
    digest_declared = Boolean(null=False, default=None)
    sha256 = Text(null=True, default=None)
    part_size = BigInt(null=False, default=None)
    object_key = Text(null=False, default=None)
    store_upload = Text(null=True, default=None)
    version = Text(null=True, default=None)
    same_as: ForeignKey[Any] = ForeignKey("self", null=True, on_delete=OnDelete.restrict, default=None)
    declared_at = Timestamptz(null=False, default=None)
    touched_at = Timestamptz(null=False, default=None)
    received_at = Timestamptz(null=True, default=None)
    sealed_at = Timestamptz(null=True, default=None)
    locked_until = Timestamptz(null=True, default=None)
    receipt = Text(null=True, default=None)
    legal_hold = Boolean(null=False, default=None)
    disposed_at = Timestamptz(null=True, default=None)
    removed_at = Timestamptz(null=True, default=None)
    told_bytes = BigInt(null=True, default=None)
    stored_bytes = BigInt(null=True, default=None)
    weighed_at = Timestamptz(null=True, default=None)
    due_told = Integer(null=True, default=None)
    versions_before = Array(Text(), null=True, default=None)
    resent_at = Timestamptz(null=True, default=None)


class RefusedVersion(Table, db=DB):
    """A version in the store that was read twice and is not what was declared; the sweep removes it after its term.
    `unreadable`: it could not be read; it stays until another one is sealed."""

    upload = ForeignKey(Upload, null=False, on_delete=OnDelete.restrict, default=None)
    version = Text(null=False, default=None)
    bytes = BigInt(null=False, default=None)
    found_at = Timestamptz(null=False, default=None)
    unreadable = Boolean(null=False, default=False)
    object_key = Text(null=True, default=None)
    removed_at = Timestamptz(null=True, default=None)


class Recording(Table, db=DB):
    """Footage (现场执法视音频资料). `started_at` is `camera_started_at`, corrected to the server's clock.

    What it proves, and `film_ends_at` and `probe_version`, follow from Film: the SQL function place_film sets them.
    """

    id = ForeignKey(Upload, primary_key=True, null=False, on_delete=OnDelete.restrict, default=None)
    wearer = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    camera_serial = Text(null=False, default=None)
    camera_offset_ms = BigInt(null=False, default=None)
    correction_ms = BigInt(null=False, default=None)
    camera_started_at = Timestamptz(null=False, default=None)
    started_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=True, default=None)
    key_mark = Boolean(null=False, default=None)
    probed_ms = BigInt(null=True, default=None)
    codec = Text(null=True, default=None)
    time_source = Text(null=False, default="clock")
    poster_version = Text(null=True, default=None)
    film_ends_at = Timestamptz(null=True, default=None)
    probe_version = Integer(null=True, default=None)
    file_modified_at = Timestamptz(null=True, default=None)
    incident_ref = Text(null=True, default=None)


class Document(Table, db=DB):
    """A paper or photo."""

    id = ForeignKey(Upload, primary_key=True, null=False, on_delete=OnDelete.restrict, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    title = Text(null=False, default=None)


RECORDING = LazyTableReference("Recording", module_path=__name__)  # by name, because its key is a foreign key itself


class Film(Table, db=DB):
    """What a probe found in one track of a film; the rows of the highest version count. Its stretches are SQL's own."""

    upload: ForeignKey[Any] = ForeignKey(RECORDING, null=False, on_delete=OnDelete.restrict, default=None)
    track = SmallInt(null=False, default=None)
    kind = Text(null=False, default=None)
    codec = Text(null=True, default=None)
    jumps = Integer(null=False, default=None)
    probe_version = Integer(null=False, default=None)
    probed_at = Timestamptz(null=False, default=None)


class ViewCopy(Table, db=DB):
    """What a file is for whoever watches it, and its view copy, if there is one (fujing_0047_watchable.sql)."""

    recording: ForeignKey[Any] = ForeignKey(
        RECORDING, primary_key=True, null=False, on_delete=OnDelete.restrict, default=None
    )
    look = JSONB(null=False, default=None)
    looked_at = Timestamptz(null=False, default=None)
    state = Text(null=True, default=None)
    percent = SmallInt(null=False, default=0)
    asked_at = Timestamptz(null=True, default=None)
    made_at = Timestamptz(null=True, default=None)
    used_at = Timestamptz(null=True, default=None)
    version = Text(null=True, default=None)
    bytes = BigInt(null=True, default=None)
    init_bytes = BigInt(null=True, default=None)
    codecs = Text(null=True, default=None)
    fragments = JSONB(null=True, default=None)


class RecordingDescription(Table, db=DB):
    """Who described the key content of footage, and when. Never altered: a correction is another description."""

    id = UUID(primary_key=True, default=None)
    recording: ForeignKey[Any] = ForeignKey(RECORDING, null=False, on_delete=OnDelete.restrict, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    category = Text(null=True, default=None)


class RecordingKeyContent(Table, db=DB):
    """One stretch of a description. Times in milliseconds from the start of the footage; `position` from 1."""

    description = ForeignKey(RecordingDescription, null=False, on_delete=OnDelete.restrict, default=None)
    position = Integer(null=False, default=None)
    from_ms = BigInt(null=False, default=None)
    to_ms = BigInt(null=False, default=None)
    words = Text(null=False, default=None)


class Hold(Table, db=DB):
    """What must be kept beyond its term, and why. One of `person` and `place`, with a time, or `upload`."""

    id = UUID(primary_key=True, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    origin = Text(null=False, default=None)
    about = UUID(null=True, default=None)
    person = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    place = JSONB(null=True, default=None)
    radius_m = Integer(null=True, default=None)
    datums_m = Integer(null=True, default=None)
    upload = ForeignKey(Upload, null=True, on_delete=OnDelete.restrict, default=None)
    started_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)
    permanent = Boolean(null=False, default=None)
    number = Text(null=True, default=None)
    reason = Text(null=False, default=None)
    placed_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    placed_at = Timestamptz(null=False, default=None)
    released_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    released_at = Timestamptz(null=True, default=None)
    released_why = Text(null=True, default=None)
    category = Text(null=True, default=None)
    ground = Text(null=True, default=None)
    asked_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    asked_at = Timestamptz(null=True, default=None)
    asked_why = Text(null=True, default=None)


class MovedGround(Table, db=DB):
    """A fact that may ask to keep footage, or more of it, since the holds were last compared with it."""

    about = UUID(primary_key=True, default=None)
