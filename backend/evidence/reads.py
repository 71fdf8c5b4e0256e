"""Recordings as they are read: what is known of them, never their bytes.

Guarantees: what one may not see is not there (404); nobody sees footage of a case that they stepped aside from.
"""

from uuid import UUID

import msgspec

from backend.core.database import first
from backend.core.paging import Listed, as_row, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer, visible_while_led
from backend.core.wire import Moment

# Whoever was never asked to step aside, which is nearly everybody, is asked after once, not with every recording.
NOT_HIDDEN = (
    "(NOT EXISTS (SELECT FROM recusal x WHERE x.person = {viewer}) OR NOT hidden_from({viewer}, r.wearer, r.during))"
)
RECORDING = visible_while_led(
    auxiliary="r.wearer",
    organ="r.organ",
    began="r.started_at",
    span="tstzrange(r.started_at, coalesce(r.ended_at, r.started_at), '[]')",
).only(NOT_HIDDEN.format(viewer="$1"))
RECORDINGS = """
SELECT r.*, p.badge, u.file_name, u.media_type, u.state, u.bytes, u.sha256, u.sealed_at, u.locked_until,
    u.disposed_at
FROM recording r JOIN upload u ON u.id = r.id JOIN person p ON p.id = r.wearer
"""
ITSELF = "NOT EXISTS (SELECT FROM upload x WHERE x.id = r.id AND x.state = 'same_as')"


class RecordingRow(msgspec.Struct, frozen=True, kw_only=True):
    """Footage in a list. `probed_ms`: what the file itself holds, in milliseconds, once it is sealed."""

    id: UUID
    wearer: UUID
    badge: str
    organ: str
    camera_serial: str
    file_name: str
    media_type: str
    started_at: Moment
    ended_at: Moment | None
    key_mark: bool
    state: str
    bytes: int | None
    sha256: str | None
    probed_ms: int | None
    codec: str | None
    sealed_at: Moment | None
    locked_until: Moment | None
    disposed_at: Moment | None


class Recordings(msgspec.Struct, frozen=True, kw_only=True):
    items: list[RecordingRow]
    next: str | None


async def recordings(actor: Actor, cursor: str | None, limit: int) -> Recordings:
    rows = await rows_of_page(Listed(RECORDINGS, "recording r", RECORDING, ITSELF), actor, cursor, limit)
    return Recordings(items=[as_row(RecordingRow, row) for row in rows[:limit]], next=next_page(rows, limit))


async def recording(actor: Actor, asked: UUID) -> RecordingRow:
    """Raises Refusal `unknown_recording`. An id whose bytes are kept under another id shows that one."""
    row = await first(
        f"{RECORDINGS} WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $3) AND {RECORDING.condition}",  # noqa: S608
        *viewer(actor), asked,
    )  # fmt: skip
    if row is None:
        raise Refusal("unknown_recording")
    return as_row(RecordingRow, row)
