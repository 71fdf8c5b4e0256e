"""Complaints and matters, read.

Guarantees: who complained, how to reach them and what they said are told to inspectors who may handle it and to who
took it down, and to nobody whom it is about or who led them then; whom it is about reads how it ended, once it did.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.complaints.matters import VISIBLE as MATTER
from backend.complaints.schemas import Channel, ComplaintOutcome, How, MatterKind
from backend.core.database import Record, fetch, first
from backend.core.paging import ListQuery, as_row, moment_parameter, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, IndexPath, viewer, visible_to
from backend.core.wire import Moment, Place

ComplaintStatus = Literal["open", "overdue", "untold", "all"]
COMPLAINT_STATUSES: dict[ComplaintStatus, str] = {
    "open": "c.outcome IS NULL",
    "overdue": "c.outcome IS NULL AND c.end_by < now()",
    "untold": "c.outcome IS NOT NULL AND c.fed_back_at IS NULL AND NOT c.anonymous",
    "all": "true",
}
MatterStatus = Literal["open", "overdue", "all"]
MATTER_STATUSES: dict[MatterStatus, str] = {
    "open": "m.answered_at IS NULL", "overdue": "m.answered_at IS NULL AND m.answer_by < now()", "all": "true",
}  # fmt: skip
COMPLAINTS = """
SELECT c.*, (c.taken_by = $1 OR c.organ IN (SELECT organs_under({inspects}::text[]))) AND NOT may_not_handle(c.id, $1)
    AS in_full, ARRAY(SELECT person FROM complaint_person p WHERE p.complaint = c.id ORDER BY 1) AS persons
FROM complaint c
"""
ABOUT_ME = "EXISTS (SELECT FROM complaint_person p WHERE p.complaint = c.id AND p.person = $1)"
VISIBLE = (
    visible_to(own=["c.taken_by"], organ="c.organ")
    .only(f"NOT {ABOUT_ME}")
    .also(
        f"c.outcome IS NOT NULL AND {ABOUT_ME}",
        IndexPath("c.id", "SELECT p.complaint AS value FROM complaint_person p WHERE p.person = $1"),
    )
)
STEPS = """
SELECT s.step, s.by_person, s.at, s.words, s.how, s.until_at FROM complaint_step s WHERE s.complaint = $1
ORDER BY s.version
"""
MATTERS = """
SELECT m.*, ARRAY(SELECT recording FROM matter_recording r WHERE r.matter = m.id ORDER BY 1) AS recordings FROM matter m
"""
COUNTS = """
SELECT c.organ, o.name AS organ_name, count(*) AS received, count(*) FILTER (WHERE c.outcome IS NULL) AS open,
    count(*) FILTER (WHERE c.outcome IS NULL AND c.end_by < now()) AS overdue,
    count(*) FILTER (WHERE c.outcome = 'founded') AS founded, count(*) FILTER (WHERE c.outcome = 'partly') AS partly,
    count(*) FILTER (WHERE c.outcome = 'unfounded') AS unfounded,
    count(*) FILTER (WHERE c.outcome = 'withdrawn') AS withdrawn
FROM complaint c JOIN organ o ON o.code = c.organ
WHERE c.organ IN (SELECT organs_under($1::text[])) AND c.received_at >= coalesce($2, '-infinity'::timestamptz)
    AND c.received_at < coalesce($3, 'infinity'::timestamptz)
GROUP BY c.organ, o.name ORDER BY c.organ
"""
HIDDEN = ("channel", "complainant", "contact", "words", "case_ref", "place", "taken_by")


class ComplaintRow(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint. Where not `in_full`, who complained and what they said is null."""

    id: UUID
    organ: str
    persons: list[UUID]
    shift: UUID | None
    started_at: Moment
    ended_at: Moment
    in_full: bool
    channel: Channel | None
    anonymous: bool
    complainant: str | None
    contact: str | None
    words: str | None
    case_ref: str | None
    place: Place | None
    radius_m: int | None
    taken_by: UUID | None
    received_at: Moment
    notice_by: Moment
    end_by: Moment
    noticed_at: Moment | None
    outcome: ComplaintOutcome | None
    concluded_at: Moment | None
    fed_back_at: Moment | None
    version: int


class ComplaintStepRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was done about it. Where not in full, only how it ended is told."""

    step: Literal["notify", "identify", "step_aside", "extend", "conclude", "feed_back"]
    by_person: UUID
    at: Moment
    words: str
    how: How | None
    until_at: Moment | None


class ComplaintDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One complaint with its steps."""

    complaint: ComplaintRow
    steps: list[ComplaintStepRow]


class Complaints(msgspec.Struct, frozen=True, kw_only=True):
    """A page of complaints."""

    items: list[ComplaintRow]
    next: str | None


class ComplaintCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many complaints an organ had, and how they ended. No names."""

    organ: str
    organ_name: str
    received: int
    open: int
    overdue: int
    founded: int
    partly: int
    unfounded: int
    withdrawn: int


class ComplaintCounts(msgspec.Struct, frozen=True, kw_only=True):
    """By organ, those one oversees."""

    items: list[ComplaintCount]


class MatterRow(msgspec.Struct, frozen=True, kw_only=True):
    """A suggestion, an appeal, or harassment."""

    id: UUID
    person: UUID
    organ: str
    kind: MatterKind
    against: UUID | None
    of_relative: bool
    words: str
    recordings: list[UUID]
    raised_at: Moment
    answer_by: Moment
    answered_by: UUID | None
    answered_at: Moment | None
    answer: str | None


class Matters(msgspec.Struct, frozen=True, kw_only=True):
    """A page of matters."""

    items: list[MatterRow]
    next: str | None


async def complaints(actor: Actor, status: ComplaintStatus, cursor: str | None, limit: int) -> Complaints:
    """Of the organs that one oversees, those one took down, and those about oneself that ended, newest first."""
    select = COMPLAINTS.format(inspects="$3")
    listed = ListQuery(select, "complaint c", VISIBLE, COMPLAINT_STATUSES[status], by="received_at")
    rows = await rows_of_page(listed, actor, cursor, limit, _inspects(actor))
    return Complaints(items=[_complaint(row) for row in rows[:limit]], next=next_page(rows, limit, "received_at"))


async def complaint(actor: Actor, asked: UUID) -> ComplaintDetail:
    """Raises Refusal `unknown_complaint`."""
    sql = f"{COMPLAINTS.format(inspects='$4')} WHERE c.id = $3 AND {VISIBLE.condition}"
    row = await first(sql, *viewer(actor), asked, _inspects(actor))
    if row is None:
        raise Refusal("unknown_complaint")
    steps = [as_row(ComplaintStepRow, each) for each in await fetch(STEPS, asked)]
    return ComplaintDetail(
        complaint=_complaint(row), steps=[step for step in steps if row["in_full"] or step.step == "conclude"]
    )


async def counts(actor: Actor, since: datetime | None, until: datetime | None) -> ComplaintCounts:
    """By organ, of those received from `since` and before `until`. Raises Refusal `invalid`."""
    span = (since and moment_parameter("from", since), until and moment_parameter("to", until))
    rows = await fetch(COUNTS, viewer(actor)[1], *span)
    return ComplaintCounts(items=[as_row(ComplaintCount, row) for row in rows])


async def matters(actor: Actor, status: MatterStatus, cursor: str | None, limit: int) -> Matters:
    """One's own, and those of the organs that one oversees unless one is appealed against, newest first."""
    listed = ListQuery(MATTERS, "matter m", MATTER, MATTER_STATUSES[status], by="raised_at")
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Matters(items=[as_row(MatterRow, row) for row in rows[:limit]], next=next_page(rows, limit, "raised_at"))


async def matter(actor: Actor, asked: UUID) -> MatterRow:
    """Raises Refusal `unknown_matter`."""
    row = await first(f"{MATTERS} WHERE m.id = $3 AND {MATTER.condition}", *viewer(actor), asked)
    if row is None:
        raise Refusal("unknown_matter")
    return as_row(MatterRow, row)


def _inspects(actor: Actor) -> Any:
    return viewer(actor, INSPECTING)[1]


def _complaint(row: Record) -> ComplaintRow:
    told: dict[str, Any] = {field: row[field] for field in ComplaintRow.__struct_fields__}
    told["place"] = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    if not row["in_full"]:
        told |= dict.fromkeys(HIDDEN)
    return ComplaintRow(**told)
