"""Reviews as they are read, and what is kept about oneself.

Guarantees: who was watched reads who watched, when, how much and what for; of a complaint only once it is concluded,
for until then nobody is told of it, and never its number.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.core.database import fetch, first
from backend.core.paging import ListQuery, PageCursor, as_row, invalid_parameter, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, ME, IndexPath, viewer, visible_to
from backend.core.wire import BIGINT, Moment
from backend.law.catalogue import Language, law
from backend.reviews.schemas import Found, Purpose, RestrictionCategory
from backend.reviews.watching import What

ReviewStatus = Literal["open", "to_decide", "closed", "all"]
STATUSES: dict[ReviewStatus, str] = {
    "open": "v.closed_at IS NULL AND v.over_at > now()",
    "to_decide": "v.needs_approval AND v.allowed IS NULL AND v.closed_at IS NULL AND $1 NOT IN (v.reviewer, v.wearer)",
    "closed": "v.closed_at IS NOT NULL",
    "all": "true",
}
REVIEWS = """
SELECT v.*, p.badge AS reviewer_badge, p.name AS reviewer_name, ARRAY(
    SELECT category FROM restriction x WHERE x.recording = v.recording AND x.lifted_at IS NULL ORDER BY 1
) AS restricted FROM review v JOIN person p ON p.id = v.reviewer
"""
VISIBLE = (
    visible_to(own=[], organ="v.organ")
    .only("v.wearer <> $1 AND (v.purpose <> 'complaint' OR NOT may_not_handle(v.about, $1))")
    .also("v.reviewer = $1", IndexPath("v.reviewer", ME))
)
NOTES = "SELECT id, at_ms, words, by_person, at FROM review_note WHERE review = $1 ORDER BY at_ms, at, id"
VIEWINGS = """
SELECT id, what, first_byte, last_byte, served, began_at, ended_at FROM viewing WHERE review = $1 ORDER BY began_at, id
"""
RESTRICTIONS = """
SELECT x.id, x.category, x.words, x.marked_by, x.marked_at, x.lifted_at FROM restriction x
WHERE x.recording = $1 ORDER BY x.marked_at, x.id
"""
KEPT = """
SELECT count(*) AS recordings, count(*) FILTER (WHERE u.disposed_at IS NOT NULL) AS disposed,
    count(*) FILTER (WHERE u.legal_hold) AS held, min(r.started_at) AS first_at, max(r.started_at) AS last_at,
    max(u.locked_until) AS kept_until
FROM recording r JOIN upload u ON u.id = r.id WHERE r.wearer = $1 AND u.state <> 'same_as'
"""
# Of a complaint one hears when it is concluded.
WATCHED = """
SELECT w.id, w.what, v.recording, v.purpose, v.organ, w.began_at, w.first_byte, w.last_byte, w.served,
    u.bytes AS of_bytes, p.badge AS reviewer_badge, p.name AS reviewer_name
FROM viewing w JOIN review v ON v.id = w.review JOIN person p ON p.id = v.reviewer JOIN upload u ON u.id = v.recording
WHERE v.wearer = $1 AND v.reviewer <> $1
    AND (v.purpose <> 'complaint' OR EXISTS (SELECT FROM complaint c WHERE c.id = v.about AND c.outcome IS NOT NULL))
    AND ($2::timestamptz IS NULL OR (w.began_at, w.id) < ($2, $3))
ORDER BY w.began_at DESC, w.id DESC LIMIT $4
"""
EXPORTED = """
SELECT j.at, j.entry, p.badge AS reviewer_badge, p.name AS reviewer_name FROM journal j JOIN person p ON p.id = j.actor
WHERE j.subjects @> ARRAY[$1::uuid] AND j.verb = 'packages/export' AND j.outcome = 'done' AND j.actor <> $1
    AND NOT EXISTS (SELECT FROM complaint c WHERE c.outcome IS NULL AND (c.id = ANY (j.subjects) OR EXISTS (
        SELECT FROM review v WHERE v.id = ANY (j.subjects) AND v.about = c.id)))
ORDER BY j.seq DESC LIMIT 200
"""
HISTORY_OF = """
SELECT r.id FROM recording r WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $2)
    AND r.organ IN (SELECT organs_under($1::text[])) AND r.wearer <> $3 AND NOT hidden_from($3, r.wearer, r.during)
"""
HISTORY = """
SELECT j.seq, j.at, j.verb, j.outcome, j.entry, p.badge AS actor_badge, d.serial, (
    SELECT c.number FROM checkpoint c WHERE (c.epoch, c.xid, c.seq) >= (j.epoch, j.xid, j.seq)
    ORDER BY c.epoch, c.xid, c.seq LIMIT 1) AS checkpoint
FROM journal j LEFT JOIN person p ON p.id = j.actor LEFT JOIN device d ON d.id = j.device
WHERE j.subjects @> ARRAY[$1::uuid] AND ($3::timestamptz IS NULL OR (j.at, j.seq) < ($3, $4))
    AND NOT EXISTS (SELECT FROM complaint c WHERE may_not_handle(c.id, $2) AND (c.id = ANY (j.subjects) OR EXISTS (
        SELECT FROM review v WHERE v.id = ANY (j.subjects) AND v.about = c.id)))
ORDER BY j.at DESC, j.seq DESC LIMIT $5
"""
REPLIES = """
SELECT f.id, f.kind, f.started_at, f.ended_at, f.found_at, f.explained, coalesce((
    SELECT jsonb_agg(jsonb_build_object('id', y.id, 'at', y.at, 'words', y.words) ORDER BY y.at)
    FROM finding_reply y WHERE y.finding = f.id AND y.by_person = $1), '[]') AS replies
FROM finding f WHERE f.person = $1 AND f.withdrawn_at IS NULL ORDER BY f.found_at DESC, f.id DESC LIMIT 200
"""


class ReviewRow(msgspec.Struct, frozen=True, kw_only=True):
    """A review in a list. `restricted`: why its footage is restricted now."""

    id: UUID
    recording: UUID
    wearer: UUID
    organ: str
    reviewer: UUID
    reviewer_badge: str
    reviewer_name: str
    purpose: Purpose
    number: str
    tasked: bool
    restricted: list[RestrictionCategory]
    opened_at: Moment
    over_at: Moment
    needs_approval: bool
    decided_by: UUID | None
    decided_at: Moment | None
    allowed: bool | None
    decided_why: str | None
    closed_at: Moment | None
    found: list[Found] | None
    words: str | None


class ReviewNoteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A note at a moment of the footage."""

    id: UUID
    at_ms: int
    words: str
    by_person: UUID
    at: Moment


class ViewingRow(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that were asked for, first to last, and how many went out; null: it was not told, so perhaps all."""

    id: UUID
    what: What
    first_byte: int
    last_byte: int
    served: int | None
    began_at: Moment
    ended_at: Moment | None


class RestrictionRow(msgspec.Struct, frozen=True, kw_only=True):
    """Why footage is, or was, restricted."""

    id: UUID
    category: RestrictionCategory
    words: str | None
    marked_by: UUID
    marked_at: Moment
    lifted_at: Moment | None


class ReviewDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A review with everything seen, said and served under it."""

    review: ReviewRow
    notes: list[ReviewNoteRow]
    viewings: list[ViewingRow]
    restrictions: list[RestrictionRow]


class Reviews(msgspec.Struct, frozen=True, kw_only=True):
    """A page of reviews."""

    items: list[ReviewRow]
    next: str | None


class KeptOfMe(msgspec.Struct, frozen=True, kw_only=True):
    """One's own footage in numbers. `kept_until`: when the last of it may go, unless something holds it."""

    recordings: int
    disposed: int
    held: int
    first_at: Moment | None
    last_at: Moment | None
    kept_until: Moment | None


class WatchedMe(msgspec.Struct, frozen=True, kw_only=True):
    """Who watched one's own footage, and what for."""

    id: UUID
    recording: UUID
    what: What
    purpose: Purpose
    organ: str
    reviewer_badge: str
    reviewer_name: str
    began_at: Moment
    first_byte: int
    last_byte: int
    served: int | None
    of_bytes: int


class Said(msgspec.Struct, frozen=True):
    """A reply of one's own."""

    id: UUID
    at: datetime
    words: str


class MyFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about oneself, and what one said to it."""

    id: UUID
    kind: str
    message: str
    started_at: Moment | None
    ended_at: Moment | None
    found_at: Moment
    explained: bool
    replies: list[Said]


class ExportedMe(msgspec.Struct, frozen=True, kw_only=True):
    """Who took a package with one's own footage in it, and of what."""

    at: Moment
    kind: Literal["recording", "case", "complaint", "injury", "matter"]
    reviewer_badge: str
    reviewer_name: str


class MyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept about oneself: footage, who watched it or took it along, findings. `next`: of the viewings."""

    kept: KeptOfMe
    viewings: list[WatchedMe]
    exports: list[ExportedMe]
    findings: list[MyFinding]
    next: str | None


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the journal about footage. `checkpoint`: under which it is proved; null: not proved yet."""

    seq: int
    at: Moment
    verb: str
    outcome: str
    actor_badge: str | None
    serial: str | None
    facts: dict[str, Any]
    checkpoint: int | None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what was done with one recording."""

    items: list[HistoryLine]
    next: str | None


async def reviews(actor: Actor, status: ReviewStatus, cursor: str | None, limit: int) -> Reviews:
    """One's own, and those of footage of the organs that one oversees, unless one wears the camera; newest first."""
    listed = ListQuery(REVIEWS, "review v", VISIBLE, STATUSES[status], by="opened_at")
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Reviews(items=[as_row(ReviewRow, row) for row in rows[:limit]], next=next_page(rows, limit, "opened_at"))


async def review(actor: Actor, asked: UUID) -> ReviewDetail:
    """Raises Refusal `unknown_review`."""
    row = await first(f"{REVIEWS} WHERE v.id = $3 AND {VISIBLE.condition}", *viewer(actor), asked)
    if row is None:
        raise Refusal("unknown_review")
    return ReviewDetail(
        review=as_row(ReviewRow, row),
        notes=[as_row(ReviewNoteRow, each) for each in await fetch(NOTES, asked)],
        viewings=[as_row(ViewingRow, each) for each in await fetch(VIEWINGS, asked)],
        restrictions=[as_row(RestrictionRow, each) for each in await fetch(RESTRICTIONS, row["recording"])],
    )


async def my_record(actor: Actor, language: Language, cursor: str | None, limit: int) -> MyRecord:
    """What is kept about who asks. Raises Refusal `invalid`."""
    page = PageCursor.after(cursor)
    kept: Any = await first(KEPT, actor.person)
    rows = await fetch(WATCHED, actor.person, page and page.at, page and page.id, limit + 1)
    return MyRecord(
        kept=as_row(KeptOfMe, kept),
        viewings=[as_row(WatchedMe, row) for row in rows[:limit]],
        exports=[_export(row) for row in await fetch(EXPORTED, actor.person)],
        findings=[_mine(row, language) for row in await fetch(REPLIES, actor.person)],
        next=next_page(rows, limit, "began_at"),
    )


def _export(row: Any) -> ExportedMe:
    told = {name: row[name] for name in ("at", "reviewer_badge", "reviewer_name")}
    return ExportedMe(**told, kind=msgspec.json.decode(row["entry"])["facts"]["kind"])


def _mine(row: Any, language: Language) -> MyFinding:
    told = {name: row[name] for name in ("id", "kind", "started_at", "ended_at", "found_at", "explained")}
    replies = msgspec.json.decode(row["replies"], type=list[Said])
    return MyFinding(**told, message=law().messages[row["kind"]].sentence(language), replies=replies)


async def history(actor: Actor, recording: UUID, cursor: str | None, limit: int) -> History:
    """Everything that was done with one recording, newest first. Raises Refusal `unknown_recording`, `invalid`.

    For inspectors of its organ, never for who wore the camera; of a complaint that they may not handle, nothing.
    """
    page = PageCursor.after(cursor)
    if page is not None and page.id.int > BIGINT:
        raise invalid_parameter("cursor", "not one of ours")
    row = await first(HISTORY_OF, viewer(actor, INSPECTING)[1], recording, actor.person)
    if row is None:
        raise Refusal("unknown_recording")
    rows = await fetch(HISTORY, row["id"], actor.person, page and page.at, page and page.id.int, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return History(
        items=[_line(each) for each in rows[:limit]],
        next=last and PageCursor(last["at"], UUID(int=last["seq"])).cursor(),
    )


def _line(row: Any) -> HistoryLine:
    facts = msgspec.json.decode(row["entry"]).get("facts", {})
    told = {name: row[name] for name in HistoryLine.__struct_fields__ if name != "facts"}
    return HistoryLine(**told, facts=facts)
