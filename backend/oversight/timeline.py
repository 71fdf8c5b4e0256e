"""What people may read: shifts with their timeline, namings, activities, recordings, findings. Lists are paged.

Guarantees: what one may not see is not there (404); a page is bounded; the order is newest first and stable.
"""

from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec

from backend.activities.schemas import CaseKind, Gap
from backend.assistance.reads import CallRow, call_row, calls_of
from backend.assistance.service import CALLS
from backend.assistance.service import SEEN as CALLED
from backend.core.database import fetch, first
from backend.core.findings import tolerances
from backend.core.paging import Listed, asked_moment, next_page, planned_once, rows_of_page
from backend.core.refusals import Refusal
from backend.core.visibility import OVERSEEN, Sight, Way, viewer, visible_to, visible_while_led
from backend.core.write_path import Actor, Moment
from backend.held.contests import RulingRow, rulings_of
from backend.law.catalogue import Language, law

T = TypeVar("T", bound=msgspec.Struct)
SHIFT = visible_while_led(auxiliary="s.person", organ="s.organ", span="s.during", began="s.started_at")
SUPERVISION = visible_to(own=["v.auxiliary", "v.officer"], organ="v.organ")
ACTIVITY = visible_while_led(auxiliary="a.person", organ="a.organ", span="acted(a)", began="lower(a.reach)")
FINDING = visible_while_led(
    auxiliary="f.person", organ="f.organ", began="coalesce(f.started_at, f.found_at)",
    span="tstzrange(coalesce(f.started_at, f.found_at), coalesce(f.ended_at, f.started_at, f.found_at), '[]')",
)  # fmt: skip
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
    disposed_at: Moment | None


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
    """What is wrong with a fact, in the reader's language; the fact stands."""

    id: UUID
    kind: str
    message: str
    article: str | None
    subject: UUID
    organ: str
    person: UUID | None
    against_organ: bool
    started_at: Moment | None
    ended_at: Moment | None
    explained: bool
    found_at: Moment
    withdrawn_at: Moment | None


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


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A shift and everything that lies in it."""

    shift: ShiftRow
    leading: list[Leading]
    activities: list[ActivityRow]
    recordings: list[RecordingRow]
    findings: list[FindingRow]
    rulings: list[RulingRow]
    calls: list[CallRow]


class Shifts(msgspec.Struct, frozen=True, kw_only=True):
    items: list[ShiftRow]
    next: str | None


class Supervisions(msgspec.Struct, frozen=True, kw_only=True):
    items: list[SupervisionRow]
    next: str | None


class Recordings(msgspec.Struct, frozen=True, kw_only=True):
    items: list[RecordingRow]
    next: str | None


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """A page of calls for help."""

    items: list[CallRow]
    next: str | None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """A page of findings."""

    items: list[FindingRow]
    next: str | None


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings: of an organ and all below it, of a kind, about a person, of what happened in a period."""

    organ: str | None = None
    kind: str | None = None
    person: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    standing: "FindingStatus" = "standing"


FINDS = "SELECT f.* FROM finding f"
SHIFTS = "SELECT s.*, p.badge, p.name FROM shift s JOIN person p ON p.id = s.person"
SUPERVISIONS = """
SELECT v.*, a.name AS auxiliary_name, o.name AS officer_name FROM supervision v
JOIN person a ON a.id = v.auxiliary JOIN person o ON o.id = v.officer
"""
RECORDINGS = """
SELECT r.*, p.badge, u.file_name, u.media_type, u.state, u.bytes, u.sha256, u.sealed_at, u.locked_until,
    u.disposed_at
FROM recording r JOIN upload u ON u.id = r.id JOIN person p ON p.id = r.wearer
"""
STATUSES = {
    "open": "v.ended_at IS NULL AND v.in_force",
    "unanswered": "v.answer IS NULL AND v.in_force",
    "confirmed": "v.answer = 'confirmed'",
    "declined": "v.answer = 'declined'",
    "contested": "NOT v.in_force",
    "all": "true",
}
ITSELF = "NOT EXISTS (SELECT FROM upload x WHERE x.id = r.id AND x.state = 'same_as')"
CallStatus = Literal["open", "unanswered", "all"]
NO_STEP = "NOT EXISTS (SELECT FROM assistance_step x WHERE x.call = h.id AND x.step IN ({steps}))"
CALL_STATUSES = {
    "open": NO_STEP.format(steps="'close'"),
    "unanswered": NO_STEP.format(steps="'acknowledge', 'close'"),
    "all": "true",
}
Status = Literal["open", "unanswered", "confirmed", "declined", "contested", "all"]
FindingStatus = Literal["standing", "open", "explained", "withdrawn", "all"]
FINDING_STATUSES = {
    "standing": "f.withdrawn_at IS NULL",
    "open": "f.withdrawn_at IS NULL AND NOT f.explained",
    "explained": "f.withdrawn_at IS NULL AND f.explained",
    "withdrawn": "f.withdrawn_at IS NOT NULL",
    "all": "true",
}
SOUGHT = {
    "organ": "f.organ IN (SELECT organs_under(ARRAY[{value}::text]))",
    "kind": "f.kind = {value}::text",
    "person": "f.person = {value}::uuid",
    "since": "coalesce(f.ended_at, f.started_at, f.found_at) >= {value}::timestamptz",
    "until": "coalesce(f.started_at, f.found_at) < {value}::timestamptz",
}
ACTIVITIES = """
SELECT a.*, p.spans AS told, p.claimed, p.proved, wide(p.led_gaps - p.led_answered, $2) AS led_open,
    p.led_gaps * p.led_answered AS led_explained, wide(p.unrecorded_gaps - p.recording_answered, $2) AS recording_open,
    p.unrecorded_gaps * p.recording_answered AS recording_explained
FROM full_process(ARRAY({which}), now(), $2, $3) p JOIN activity a ON a.id = p.activity
ORDER BY a.started_at, a.id
"""
# What was acted lies within `reach`, which an index finds.
OF_SHIFT = """
SELECT w.id FROM activity w JOIN shift s ON s.person = w.person AND w.reach && s.during AND acted(w) && s.during
WHERE s.id = $1
"""
LED = """
SELECT l.supervision, l.officer, o.name AS officer_name, l.confirmed, lower(x) AS started_at, upper(x) AS ended_at
FROM shift s JOIN led l ON l.auxiliary = s.person AND l.named && s.during AND l.during && s.during
JOIN person o ON o.id = l.officer CROSS JOIN LATERAL unnest(l.during * tstzmultirange(s.during)) AS x
WHERE s.id = $1 ORDER BY 5
"""
FILMED = f"""
{RECORDINGS} JOIN shift s ON s.person = r.wearer AND s.during && r.during
WHERE s.id = $1 AND u.state <> 'same_as' AND {NOT_HIDDEN.format(viewer="$2")} ORDER BY r.started_at, r.id
"""
# Each branch by an index of its own: of one condition with OR nothing comes but a reading of the whole table.
FOUND = f"""
SELECT f.* FROM finding f WHERE f.withdrawn_at IS NULL AND f.id = ANY (ARRAY(
    SELECT x.id FROM finding x WHERE x.subject = ANY (ARRAY({OF_SHIFT}) || $1::uuid)
    UNION
    SELECT x.id FROM finding x JOIN shift s ON s.person = x.person
        AND tstzrange(x.started_at, coalesce(x.ended_at, x.started_at), '[]') && s.during
    WHERE s.id = $1
)) ORDER BY f.started_at, f.kind, f.id
"""  # noqa: S608
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


async def shifts(actor: Actor, cursor: str | None, limit: int) -> Shifts:
    rows = await rows_of_page(Listed(SHIFTS, "shift s", SHIFT), actor, cursor, limit)
    return Shifts(items=[as_row(ShiftRow, row) for row in rows[:limit]], next=next_page(rows, limit))


async def supervisions(actor: Actor, status: Status, cursor: str | None, limit: int) -> Supervisions:
    listed = Listed(SUPERVISIONS, "supervision v", SUPERVISION, STATUSES[status])
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Supervisions(items=[as_row(SupervisionRow, row) for row in rows[:limit]], next=next_page(rows, limit))


async def calls(actor: Actor, status: CallStatus, cursor: str | None, limit: int) -> Calls:
    """One's own calls for help, those one was called to, and those of the organs that one oversees."""
    listed = Listed(CALLS, "assistance h", CALLED, CALL_STATUSES[status], by="called_at")
    rows = await rows_of_page(listed, actor, cursor, limit)
    return Calls(items=[call_row(row) for row in rows[:limit]], next=next_page(rows, limit, "called_at"))


async def call(actor: Actor, asked: UUID) -> CallRow:
    """Raises Refusal `unknown_call`."""
    row = await first(f"{CALLS} WHERE h.id = $3 AND {CALLED.condition}", *viewer(actor), asked)
    if row is None:
        raise Refusal("unknown_call")
    return call_row(row)


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


async def timeline(actor: Actor, shift: UUID, language: Language) -> Timeline:
    """One shift with who led, what was done and recorded, and what is wrong. Raises Refusal `unknown_shift`."""
    async with planned_once():
        if await first(f"{SHIFTS} WHERE s.id = $3 AND {SHIFT.condition}", *viewer(actor), shift) is None:
            raise Refusal("unknown_shift")
        return await timeline_of(shift, language, actor.person)


async def timeline_of(shift: UUID, language: Language = "zh", viewed_by: UUID | None = None) -> Timeline:
    """The same for whoever runs the server. Raises Refusal `unknown_shift`."""
    row = await first(f"{SHIFTS} WHERE s.id = $1", shift)
    if row is None:
        raise Refusal("unknown_shift")
    return Timeline(
        shift=as_row(ShiftRow, row),
        leading=[as_row(Leading, led) for led in await fetch(LED, shift)],
        activities=await _activities(OF_SHIFT, shift),
        recordings=[as_row(RecordingRow, filmed) for filmed in await fetch(FILMED, shift, viewed_by)],
        findings=[_finding(found, language) for found in await fetch(FOUND, shift)],
        rulings=await rulings_of(shift),
        calls=await calls_of(shift),
    )


async def activity(actor: Actor, asked: UUID, language: Language) -> ActivityDetail:
    """One activity with everything told of it. Raises Refusal `unknown_activity`."""
    if await first(f"SELECT FROM activity a WHERE a.id = $3 AND {ACTIVITY.condition}", *viewer(actor), asked) is None:
        raise Refusal("unknown_activity")
    (row,) = await _activities("SELECT $1::uuid", asked)
    tellings = await fetch("SELECT * FROM activity_telling WHERE activity = $1 ORDER BY at, id", asked)
    accounts = await fetch("SELECT * FROM gap_account WHERE activity = $1 ORDER BY started_at, id", asked)
    return ActivityDetail(
        activity=row,
        tellings=[as_row(Telling, told) for told in tellings],
        restraints=[as_row(Restrained, told) for told in await fetch(RESTRAINTS, asked)],
        accounts=[as_row(Account, told) for told in accounts],
        findings=[_finding(found, language) for found in await fetch(FOUND_OF_ACTIVITY, asked)],
    )


async def findings(actor: Actor, sought: Sought, language: Language, cursor: str | None, limit: int) -> Findings:
    """What was found, the newest first, as far as one may see it."""
    values = _values(sought)
    asked = {name: f"${number}" for number, name in enumerate(values, 3)}
    conditions = [FINDING_STATUSES[sought.standing], *(SOUGHT[name].format(value=asked[name]) for name in asked)]
    listed = Listed(FINDS, "finding f", _narrowed(asked), " AND ".join(conditions), by="found_at")
    rows = await rows_of_page(listed, actor, cursor, limit, *values.values())
    return Findings(items=[_finding(row, language) for row in rows[:limit]], next=next_page(rows, limit, "found_at"))


def _values(sought: Sought) -> dict[str, Any]:
    """What was asked for, by name. Raises Refusal `invalid`."""
    values = {name: getattr(sought, name) for name in SOUGHT if getattr(sought, name) is not None}
    moments = {"since": "from", "until": "to"}
    return values | {name: asked_moment(moments[name], values[name]) for name in moments if name in values}


def _narrowed(asked: dict[str, str]) -> Sight:
    """The ways to the person or into the organs asked for, so that no other is read to the end for nothing."""
    if "person" in asked:
        return FINDING._replace(ways=(Way("f.person", f"SELECT {asked['person']}::uuid AS value"),))
    if "organ" in asked:
        within = Way("f.organ", f"{OVERSEEN} INTERSECT SELECT organs_under(ARRAY[{asked['organ']}::text])")
        return FINDING._replace(ways=tuple(within if way.column == within.column else way for way in FINDING.ways))
    return FINDING


async def _activities(which: str, asked: UUID) -> list[ActivityRow]:
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


OF_ACTIVITY = (
    "id", "person", "work", "case_kind", "case_ref", "officers_present", "emergency", "started_at", "ended_at",
)  # fmt: skip
GAPS: tuple[tuple[Literal["leading", "recording"], str, bool], ...] = (
    ("leading", "led_open", False),
    ("leading", "led_explained", True),
    ("recording", "recording_open", False),
    ("recording", "recording_explained", True),
)


def _finding(row: Any, language: Language) -> FindingRow:
    message = law().messages[row["kind"]]
    told = {field: row[field] for field in FindingRow.__struct_fields__ if field not in ("message", "article")}
    return FindingRow(**told, message=message.sentence(language), article=message.article)


def as_row(kind: type[T], row: Any) -> T:
    return kind(**{field: row[field] for field in kind.__struct_fields__})
