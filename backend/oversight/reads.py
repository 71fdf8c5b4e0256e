"""What people may read: shifts with their timeline, namings, recordings. Lists are paged by a cursor.

Guarantees: what one may not see is not there (404); a page is bounded; the order is newest first and stable.
"""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec

from backend.database import Record, fetch, first
from backend.entries import Actor, Moment
from backend.law.catalogue import law
from backend.refusals import Refusal
from backend.visibility import viewer, visible_to

T = TypeVar("T", bound=msgspec.Struct)
SHIFT = visible_to(own=["s.person"], organ="s.organ", led="l.auxiliary = s.person AND l.during && s.during")
SUPERVISION = visible_to(own=["v.auxiliary", "v.officer"], organ="v.organ", led="false")
RECORDING = visible_to(own=["r.wearer"], organ="r.organ", led="l.auxiliary = r.wearer AND l.during && r.during")


class Page(msgspec.Struct, frozen=True):
    """How far a reader has come: the last row's time and id."""

    at: datetime
    id: UUID

    def cursor(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def after(cls, cursor: str | None) -> "Page | None":
        if cursor is None:
            return None
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=cls)
        except (ValueError, msgspec.MsgspecError):
            raise Refusal("invalid", extra={"errors": [{"pointer": "?cursor", "message": "not one of ours"}]}) from None


class ShiftRow(msgspec.Struct, frozen=True, kw_only=True):
    """A shift in a list."""

    id: UUID
    person: UUID
    badge: str
    name: str
    organ: str
    duty_type: str
    started_at: Moment
    ended_at: Moment | None
    ended_by: Literal["check_out", "next"] | None
    in_force: bool


class SupervisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A naming in a list."""

    id: UUID
    auxiliary: UUID
    auxiliary_name: str
    officer: UUID
    officer_name: str
    organ: str
    started_at: Moment
    ended_at: Moment | None
    in_force: bool
    answer: Literal["confirmed", "declined"] | None
    leads_from: Moment | None


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


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time; not ended where `ended_at` is null."""

    started_at: Moment
    ended_at: Moment | None


class Leading(Span, frozen=True, kw_only=True):
    """An officer led, or was named and has not answered."""

    supervision: UUID
    officer: UUID
    officer_name: str
    confirmed: bool


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a fact."""

    id: UUID
    kind: str
    subject: UUID
    started_at: Moment | None
    ended_at: Moment | None


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A shift and everything that lies in it."""

    shift: ShiftRow
    leading: list[Leading]
    recordings: list[RecordingRow]
    findings: list[FindingRow]


class Shifts(msgspec.Struct, frozen=True, kw_only=True):
    items: list[ShiftRow]
    next: str | None


class Supervisions(msgspec.Struct, frozen=True, kw_only=True):
    items: list[SupervisionRow]
    next: str | None


class Recordings(msgspec.Struct, frozen=True, kw_only=True):
    items: list[RecordingRow]
    next: str | None


SHIFTS = "SELECT s.*, p.badge, p.name FROM shift s JOIN person p ON p.id = s.person"
SUPERVISIONS = """
SELECT v.*, a.name AS auxiliary_name, o.name AS officer_name FROM supervision v
JOIN person a ON a.id = v.auxiliary JOIN person o ON o.id = v.officer
"""
RECORDINGS = """
SELECT r.*, p.badge, u.file_name, u.media_type, u.state, u.bytes, u.sha256, u.sealed_at, u.locked_until
FROM recording r JOIN upload u ON u.id = r.id JOIN person p ON p.id = r.wearer
"""
PAGED = " AND ($3::timestamptz IS NULL OR ({t}.started_at, {t}.id) < ($3, $4)) "
ORDERED = " ORDER BY {t}.started_at DESC, {t}.id DESC LIMIT $5"
STATUSES = {
    "open": "v.ended_at IS NULL AND v.in_force",
    "unanswered": "v.answer IS NULL AND v.in_force",
    "confirmed": "v.answer = 'confirmed'",
    "declined": "v.answer = 'declined'",
    "contested": "NOT v.in_force",
    "all": "true",
}
Status = Literal["open", "unanswered", "confirmed", "declined", "contested", "all"]
LED = """
SELECT l.supervision, l.officer, o.name AS officer_name, l.confirmed, lower(x) AS started_at, upper(x) AS ended_at
FROM shift s JOIN led l ON l.auxiliary = s.person AND l.during && s.during
JOIN person o ON o.id = l.officer CROSS JOIN LATERAL unnest(l.during * tstzmultirange(s.during)) AS x
WHERE s.id = $1 ORDER BY 5
"""
FILMED = (
    RECORDINGS
    + """
JOIN shift s ON s.person = r.wearer AND s.during && r.during WHERE s.id = $1 AND u.state <> 'same_as'
ORDER BY r.started_at, r.id
"""
)
FOUND = """
SELECT f.* FROM finding f JOIN shift s ON s.id = $1
WHERE f.withdrawn_at IS NULL AND f.person = s.person
    AND (f.subject = s.id OR tstzrange(f.started_at, f.ended_at, '[]') && s.during)
ORDER BY f.started_at, f.kind
"""


async def shifts(actor: Actor, cursor: str | None, limit: int) -> Shifts:
    rows = await _page(SHIFTS, SHIFT, "s", actor, cursor, limit)
    return Shifts(items=[_as(ShiftRow, row) for row in rows[:limit]], next=_next(rows, limit))


async def supervisions(actor: Actor, status: Status, cursor: str | None, limit: int) -> Supervisions:
    rows = await _page(SUPERVISIONS, f"{SUPERVISION} AND {STATUSES[status]}", "v", actor, cursor, limit)
    return Supervisions(items=[_as(SupervisionRow, row) for row in rows[:limit]], next=_next(rows, limit))


async def recordings(actor: Actor, cursor: str | None, limit: int) -> Recordings:
    rows = await _page(RECORDINGS, f"{RECORDING} AND u.state <> 'same_as'", "r", actor, cursor, limit)
    return Recordings(items=[_as(RecordingRow, row) for row in rows[:limit]], next=_next(rows, limit))


async def recording(actor: Actor, asked: UUID) -> RecordingRow:
    """Raises Refusal `unknown_recording`. An id whose bytes are kept under another id shows that one."""
    row = await first(
        f"{RECORDINGS} WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $3) AND {RECORDING}",  # noqa: S608
        *viewer(actor), asked,
    )  # fmt: skip
    if row is None:
        raise Refusal("unknown_recording")
    return _as(RecordingRow, row)


async def timeline(actor: Actor, shift: UUID) -> Timeline:
    """One shift with who led, what was recorded and what is wrong. Raises Refusal `unknown_shift`."""
    row = await first(f"{SHIFTS} WHERE s.id = $3 AND {SHIFT}", *viewer(actor), shift)
    if row is None:
        raise Refusal("unknown_shift")
    return Timeline(
        shift=_as(ShiftRow, row),
        leading=[_as(Leading, led) for led in await fetch(LED, shift)],
        recordings=[_as(RecordingRow, filmed) for filmed in await fetch(FILMED, shift)],
        findings=[_as(FindingRow, found) for found in await fetch(FOUND, shift)],
    )


async def _page(
    select: str, condition: str, table: str, actor: Actor, cursor: str | None, limit: int
) -> Sequence[Record]:
    """One row more than asked for, which tells whether there is a next page."""
    page = Page.after(cursor)
    sql = select + " WHERE " + condition + PAGED.format(t=table) + ORDERED.format(t=table)
    return await fetch(sql, *viewer(actor), page and page.at, page and page.id, limit + 1)


def _next(rows: Sequence[Record], limit: int) -> str | None:
    return Page(rows[limit - 1]["started_at"], rows[limit - 1]["id"]).cursor() if len(rows) > limit else None


def _as(kind: type[T], row: Any) -> T:
    return kind(**{field: row[field] for field in kind.__struct_fields__})


def page_limit(asked: int | None) -> int:
    return law().count("page_size") if asked is None else asked
