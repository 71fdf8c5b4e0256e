"""Activities as they are read: everything told of one, its gaps, and what was answered for them."""

from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.activities.schemas import CaseKind, Gap
from backend.core.database import fetch, first
from backend.core.findings import FindingRow, finding_row, tolerances
from backend.core.paging import as_row
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer, visible_while_led
from backend.core.wire import Moment
from backend.law.catalogue import Language, law

ACTIVITY = visible_while_led(auxiliary="a.person", organ="a.organ", span="acted(a)", began="lower(a.reach)")
ACTIVITIES = """
SELECT a.*, p.spans AS told, p.claimed, p.proved, wide(p.led_gaps - p.led_answered, $2) AS led_open,
    p.led_gaps * p.led_answered AS led_explained, wide(p.unrecorded_gaps - p.recording_answered, $2) AS recording_open,
    p.unrecorded_gaps * p.recording_answered AS recording_explained
FROM full_process(ARRAY({which}), now(), $2, $3) p JOIN activity a ON a.id = p.activity
ORDER BY a.started_at, a.id
"""
FOUND_OF_ACTIVITY = """
SELECT f.* FROM finding f WHERE f.withdrawn_at IS NULL
    AND f.subject = ANY (ARRAY(SELECT id FROM activity_telling WHERE activity = $1) || $1::uuid)
ORDER BY f.started_at, f.kind, f.id
"""
RESTRAINTS = """
SELECT DISTINCT ON (r.restraint) r.restraint AS id, r.means, r.ordered_by, r.watcher, r.started_at, r.ended_at
FROM restraint r JOIN activity_telling t ON t.id = r.telling WHERE r.activity = $1
ORDER BY r.restraint, t.at DESC, t.id DESC
"""
OF_ACTIVITY = (
    "id", "person", "work", "case_kind", "case_ref", "officers_present", "emergency", "started_at", "ended_at",
)  # fmt: skip
GAPS: tuple[tuple[Literal["leading", "recording"], str, bool], ...] = (
    ("leading", "led_open", False),
    ("leading", "led_explained", True),
    ("recording", "recording_open", False),
    ("recording", "recording_explained", True),
)


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time; not ended where `ended_at` is null."""

    started_at: Moment
    ended_at: Moment | None


class ActivityRow(msgspec.Struct, frozen=True, kw_only=True):
    """A work that was done, and whether all of it was led and recorded as far as the law asks."""

    id: UUID
    person: UUID
    work: str
    text: str
    case_kind: CaseKind
    case_ref: str | None
    officers_present: int | None
    emergency: bool
    started_at: Moment
    ended_at: Moment | None
    spans: list[Span]
    claimed: list[Span]
    proved: list[Span]
    gaps: list[Gap]


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """One thing told of an activity, as it was told: its start, its finish, or an amendment."""

    id: UUID
    verb: Literal["start", "finish", "amend"]
    at: Moment
    work: str | None
    case_kind: CaseKind | None
    case_ref: str | None
    officers_present: int | None
    emergency: bool | None
    recording: bool | None
    started_at: Moment | None
    ended_at: Moment | None
    notice_given: bool
    notice_told: str | None
    notes: str | None
    why: str | None


class Restrained(msgspec.Struct, frozen=True, kw_only=True):
    """A restraint as it was told last."""

    id: UUID
    means: str
    ordered_by: UUID
    watcher: UUID | None
    started_at: Moment
    ended_at: Moment | None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An answer for a gap."""

    id: UUID
    by_person: UUID
    gap: Literal["leading", "recording"]
    cause: str | None
    spoken: bool | None
    reported_to: UUID | None
    covered_by: str | None
    source: str | None
    colleague: UUID | None
    words: str | None
    started_at: Moment
    ended_at: Moment


class ActivityDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An activity and everything that was told of it."""

    activity: ActivityRow
    tellings: list[Telling]
    restraints: list[Restrained]
    accounts: list[Account]
    findings: list[FindingRow]


async def activity(actor: Actor, asked: UUID, language: Language) -> ActivityDetail:
    """One activity with everything told of it. Raises Refusal `unknown_activity`."""
    if await first(f"SELECT FROM activity a WHERE a.id = $3 AND {ACTIVITY.condition}", *viewer(actor), asked) is None:
        raise Refusal("unknown_activity")
    (row,) = await activities_of("SELECT $1::uuid", asked)
    tellings = await fetch("SELECT * FROM activity_telling WHERE activity = $1 ORDER BY at, id", asked)
    accounts = await fetch("SELECT * FROM gap_account WHERE activity = $1 ORDER BY started_at, id", asked)
    return ActivityDetail(
        activity=row,
        tellings=[as_row(Telling, told) for told in tellings],
        restraints=[as_row(Restrained, told) for told in await fetch(RESTRAINTS, asked)],
        accounts=[as_row(Account, told) for told in accounts],
        findings=[finding_row(found, language) for found in await fetch(FOUND_OF_ACTIVITY, asked)],
    )


async def activities_of(which: str, asked: UUID) -> list[ActivityRow]:
    """Activities with their gaps; `which`: SQL that gives their ids, of `asked`."""
    works = law().works
    rows = await fetch(ACTIVITIES.format(which=which), asked, *tolerances())
    return [
        ActivityRow(
            **{field: row[field] for field in OF_ACTIVITY},
            claimed=_spans(row["claimed"]),
            proved=_spans(row["proved"]),
            text=works[row["work"]].text if row["work"] in works else "",
            spans=_spans(row["told"]),
            gaps=_gaps(row),
        )
        for row in rows
    ]


def _spans(ranges: Any) -> list[Span]:
    return [Span(started_at=each.lower, ended_at=each.upper) for each in ranges]


def _gaps(row: Any) -> list[Gap]:
    found = [
        Gap(kind=kind, started_at=each.lower, ended_at=each.upper, explained=explained)
        for kind, column, explained in GAPS
        for each in row[column]
    ]
    return sorted(found, key=lambda gap: (gap.started_at, gap.kind))
