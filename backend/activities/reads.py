"""Read activities: the entries about each, its gaps, and the answers for them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.activities.schemas import LIGHTS, PLACE_KINDS, CaseKind, Gap, GapKind
from backend.core.database import fetch, first
from backend.core.described import (
    ActivityId,
    Badge,
    BeganAt,
    EndedAt,
    IncidentNumber,
    OrganCode,
    OrganName,
    PersonId,
    PersonName,
)
from backend.core.findings import ORDERED_BY, FindingRow, finding_row, tolerances
from backend.core.paging import as_row
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import kinds_kept_from, viewer, visible_while_led
from backend.core.wire import Moment
from backend.law.catalogue import Language, law_at

ACTIVITY = visible_while_led(auxiliary="a.person", organ="a.organ", span="acted(a)", began="lower(a.reach)")
ACTIVITIES = """
SELECT a.*, p.spans AS acted, p.claimed, p.proved, wide(p.led_gaps - p.led_answered, $2) AS led_open,
    p.led_gaps * p.led_answered AS led_explained, wide(p.unrecorded_gaps - p.recording_answered, $2) AS recording_open,
    p.unrecorded_gaps * p.recording_answered AS recording_explained
FROM full_process(ARRAY({which}), now(), $2, $3) p JOIN activity a ON a.id = p.activity
ORDER BY a.started_at, a.id
"""
FINDINGS = f"""
SELECT f.*, {ORDERED_BY} FROM finding f WHERE f.withdrawn_at IS NULL
    AND f.subject = ANY (ARRAY(SELECT id FROM activity_telling WHERE activity = $1) || $1::uuid)
ORDER BY f.started_at, f.kind, f.id
"""  # noqa: S608 - constants
ACTIVITIES_LISTED = """
SELECT a.*, p.badge, p.name, o.name AS organ_name
FROM activity a JOIN person_now p ON p.id = a.person JOIN organ o ON o.code = a.organ
"""
RESTRAINTS = """
SELECT DISTINCT ON (r.restraint) r.restraint AS id, r.means, r.ordered_by, r.watcher, r.started_at, r.ended_at,
    r.restrained, r.self_protection
FROM restraint r JOIN activity_telling t ON t.id = r.telling WHERE r.activity = $1
ORDER BY r.restraint, t.at DESC, t.id DESC
"""
COPIED = (
    "id", "person", "work", "case_kind", "case_ref", "officers_present", "emergency", "started_at", "ended_at",
    "incident_ref",
)  # fmt: skip
GAP_COLUMNS: tuple[tuple[Literal["leading", "recording"], str, bool], ...] = (
    ("leading", "led_open", False),
    ("leading", "led_explained", True),
    ("recording", "recording_open", False),
    ("recording", "recording_explained", True),
)

WorkCode = Annotated[str, msgspec.Meta(description="code of the work")]
WorkText = Annotated[str, msgspec.Meta(description="the item of the regulation; empty: the catalogue has no such work")]
CaseRef = Annotated[str | None, msgspec.Meta(description="number of the case; null: it has none")]
OfficersPresent = Annotated[
    int | None, msgspec.Meta(description="number of officers present, the leading one included; null: not stated")
]
Emergency = Annotated[bool, msgspec.Meta(description="an emergency as R.11 means it")]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time."""

    started_at: Annotated[Moment, msgspec.Meta(description="start of the stretch")]
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end of the stretch; null: it goes on")]


class ActivityRow(msgspec.Struct, frozen=True, kw_only=True):
    """A work that was done, and whether it was led and recorded throughout, as far as the law requires it."""

    id: Annotated[UUID, msgspec.Meta(description="id of the activity: that of the entry which started it")]
    person: Annotated[UUID, msgspec.Meta(description="id of the auxiliary who did the work")]
    work: WorkCode
    text: WorkText
    case_kind: CaseKind
    case_ref: CaseRef
    officers_present: OfficersPresent
    emergency: Emergency
    started_at: BeganAt
    ended_at: EndedAt
    spans: Annotated[list[Span], msgspec.Meta(description="the time of the work, according to all entries about it")]
    claimed: Annotated[list[Span], msgspec.Meta(description="stretches for which footage was declared or sealed")]
    proved: Annotated[list[Span], msgspec.Meta(description="stretches that sealed footage shows")]
    gaps: Annotated[
        list[Gap], msgspec.Meta(description="stretches without a confirmed leading officer, or without any footage")
    ]
    incident_ref: IncidentNumber = None


class ActivityListRow(msgspec.Struct, frozen=True, kw_only=True):
    """An activity in a list, without its gaps."""

    id: ActivityId
    person: PersonId
    badge: Badge
    name: PersonName
    organ: OrganCode
    organ_name: OrganName
    work: WorkCode
    text: WorkText
    case_kind: CaseKind
    case_ref: CaseRef
    officers_present: OfficersPresent
    emergency: Emergency
    started_at: BeganAt
    ended_at: EndedAt
    incident_ref: IncidentNumber = None


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """One entry about an activity: its start, its finish or an amendment. A field is null where the entry left it out.

    Times are corrected by the device's clock skew.
    """

    id: Annotated[UUID, msgspec.Meta(description="id of the start, finish or amendment")]
    verb: Annotated[
        Literal["start", "finish", "amend"], msgspec.Meta(description="start 开始, finish 结束, amend 更正")
    ]
    at: Annotated[Moment, msgspec.Meta(description="when the entry was made, in corrected time")]
    work: Annotated[str | None, msgspec.Meta(description="code of the work; null: not stated in this entry")]
    case_kind: Annotated[CaseKind | None, msgspec.Meta(description="kind of case; null: not stated in this entry")]
    case_ref: Annotated[str | None, msgspec.Meta(description="number of the case; null: not stated in this entry")]
    officers_present: Annotated[
        int | None, msgspec.Meta(description="number of officers present; null: not stated in this entry")
    ]
    auxiliaries_present: Annotated[
        int | None,
        msgspec.Meta(description="number of auxiliaries present, who told it included; null: not stated in this entry"),
    ] = None
    place_kind: Annotated[
        str | None, msgspec.Meta(description=f"kind of place: {PLACE_KINDS}; null: not stated in this entry")
    ] = None
    light: Annotated[
        str | None, msgspec.Meta(description=f"light at the place: {LIGHTS}; null: not stated in this entry")
    ] = None
    case_asked: Annotated[
        bool, msgspec.Meta(description="whether the kind of case was asked, so that `none` says that there is none")
    ] = False
    emergency: Annotated[
        bool | None, msgspec.Meta(description="an emergency as R.11 means it; null: not stated in this entry")
    ]
    recording: Annotated[
        bool | None, msgspec.Meta(description="whether a recorder was running; null: not stated in this entry")
    ]
    started_at: Annotated[Moment | None, msgspec.Meta(description="start of the work; null: not stated in this entry")]
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end of the work; null: not stated in this entry")]
    notice_given: Annotated[
        bool, msgspec.Meta(description="the public notice (R.32) was complete: ID shown, right to ask for recusal told")
    ]
    notice_told: Annotated[str | None, msgspec.Meta(description="who was told what; null: no public notice")]
    notes: Annotated[str | None, msgspec.Meta(description="notes on the work; null: none, or erased")]
    why: Annotated[str | None, msgspec.Meta(description="why the activity was corrected; null: no amendment")]
    incident_ref: IncidentNumber = None


class RestraintRow(msgspec.Struct, frozen=True, kw_only=True):
    """A restraint, according to the latest entry about it."""

    id: Annotated[UUID, msgspec.Meta(description="id of the restraint")]
    means: Annotated[str, msgspec.Meta(description="means of restraint")]
    ordered_by: Annotated[UUID, msgspec.Meta(description="id of the officer who ordered the restraint")]
    watcher: Annotated[
        UUID | None, msgspec.Meta(description="id of the person who watched the one restrained; null: nobody is named")
    ]
    started_at: Annotated[Moment, msgspec.Meta(description="when the restraint began, in corrected time")]
    ended_at: Annotated[
        Moment | None, msgspec.Meta(description="when the person was released, in corrected time; null: not yet")
    ]
    restrained: Annotated[
        str | None, msgspec.Meta(description="who was restrained, by code of the catalogue; null: not stated")
    ] = None
    self_protection: Annotated[bool, msgspec.Meta(description="used only to protect oneself")] = False


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An answer for a gap: an explanation, or another source that recorded the time."""

    id: Annotated[UUID, msgspec.Meta(description="id of the answer: that of its entry")]
    by_person: Annotated[UUID, msgspec.Meta(description="id of the person who answered for the gap")]
    gap: GapKind
    cause: Annotated[
        Literal["fault", "damage", "weather", "battery", "storage", "other"] | None,
        msgspec.Meta(description="cause of the gap; null: another source is named"),
    ]
    spoken: Annotated[
        bool | None,
        msgspec.Meta(
            description="whether the reason was spoken into the recording on resuming; null: another source is named"
        ),
    ]
    reported_to: Annotated[
        UUID | None, msgspec.Meta(description="id of the unit head who was told at once; null: nobody was")
    ]
    covered_by: Annotated[
        Literal["fixed_camera", "platform", "colleague"] | None,
        msgspec.Meta(description="kind of the source that recorded the time; null: the gap is explained"),
    ]
    source: Annotated[
        str | None, msgspec.Meta(description="which camera, platform or recorder; null: the gap is explained")
    ]
    colleague: Annotated[
        UUID | None, msgspec.Meta(description="id of the colleague whose recorder it was; null: no colleague's")
    ]
    words: Annotated[str | None, msgspec.Meta(description="the explanation; null: another source is named")]
    started_at: Annotated[Moment, msgspec.Meta(description="start of the time answered for")]
    ended_at: Annotated[Moment, msgspec.Meta(description="end of the time answered for")]


class ActivityDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An activity and every entry about it."""

    activity: Annotated[ActivityRow, msgspec.Meta(description="the activity as it stands now")]
    tellings: Annotated[
        list[Telling], msgspec.Meta(description="its start, its finish and its amendments, in order of time")
    ]
    restraints: Annotated[list[RestraintRow], msgspec.Meta(description="restraints during the work")]
    accounts: Annotated[list[Account], msgspec.Meta(description="the answers for its gaps")]
    findings: Annotated[
        list[FindingRow], msgspec.Meta(description="findings that stand, about the activity or an entry about it")
    ]


async def activity(actor: Actor, wanted: UUID, language: Language) -> ActivityDetail:
    """One activity with every entry about it. Raises Refusal `unknown_activity`."""
    seen = f"SELECT a.person, a.organ FROM activity a WHERE a.id = $3 AND {ACTIVITY.condition}"  # noqa: S608
    owner = await first(seen, *viewer(actor), wanted)
    if owner is None:
        raise Refusal("unknown_activity")
    kept = await kinds_kept_from(actor, owner["person"], owner["organ"])
    (row,) = await activities_of("SELECT $1::uuid", wanted)
    tellings = await fetch("SELECT * FROM activity_telling WHERE activity = $1 ORDER BY at, id", wanted)
    accounts = await fetch("SELECT * FROM gap_account WHERE activity = $1 ORDER BY started_at, id", wanted)
    return ActivityDetail(
        activity=row,
        tellings=[as_row(Telling, telling) for telling in tellings],
        restraints=[as_row(RestraintRow, restraint) for restraint in await fetch(RESTRAINTS, wanted)],
        accounts=[as_row(Account, account) for account in accounts],
        findings=[
            finding_row(finding, language) for finding in await fetch(FINDINGS, wanted) if finding["kind"] not in kept
        ],
    )


async def activities_of(ids_sql: str, parameter: UUID) -> list[ActivityRow]:
    """The activities whose ids `ids_sql` selects, with their gaps; `parameter` is its $1."""
    rows = await fetch(ACTIVITIES.format(which=ids_sql), parameter, *tolerances())
    return [
        ActivityRow(
            **{field: row[field] for field in COPIED},
            claimed=_spans(row["claimed"]),
            proved=_spans(row["proved"]),
            text=_text_of(row["work"], row["started_at"]),
            spans=_spans(row["acted"]),
            gaps=_gaps(row),
        )
        for row in rows
    ]


def activity_list_row(row: Any) -> ActivityListRow:
    """A row of ACTIVITIES_LISTED, with the item of the regulation."""
    fields = {field: row[field] for field in ActivityListRow.__struct_fields__ if field != "text"}
    return ActivityListRow(**fields, text=_text_of(row["work"], row["started_at"]))


def _text_of(work: str, at: datetime) -> str:
    """The item of the regulation of that moment; empty where it has no such work."""
    works = law_at(at).works
    return works[work].text if work in works else ""


def _spans(ranges: Any) -> list[Span]:
    return [Span(started_at=span.lower, ended_at=span.upper) for span in ranges]


def _gaps(row: Any) -> list[Gap]:
    gaps = [
        Gap(kind=kind, started_at=span.lower, ended_at=span.upper, explained=explained)
        for kind, column, explained in GAP_COLUMNS
        for span in row[column]
    ]
    return sorted(gaps, key=lambda gap: (gap.started_at, gap.kind))
