"""Read the timeline of a shift: leading, activities, footage, findings, rulings and calls for help.

Guarantees: a shift that the reader may not see is not there (404).
"""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.activities.reads import ActivityRow, activities_of
from backend.assistance.reads import CallRow, calls_of
from backend.core.database import fetch, first, value
from backend.core.described import DutyRowId, OrganName
from backend.core.findings import NO_SECRET, ORDERED_BY, FindingRow, finding_row
from backend.core.paging import as_row, generic_plan
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import kinds_kept_from, viewer
from backend.core.wire import Moment
from backend.evidence.reads import NOT_HIDDEN, SELECT_RECORDINGS_FOR, RecordingRow
from backend.held.contests import RulingRow, rulings_of
from backend.law.catalogue import Language
from backend.shifts.reads import SHIFT, SHIFTS, ShiftRow, shift_row

# `reach` encloses the time of the activity and has an index.
ACTIVITIES_OF_SHIFT = """
SELECT w.id FROM activity w JOIN shift s ON s.person = w.person AND w.reach && s.during AND acted(w) && s.during
WHERE s.id = $1
"""
LED = """
SELECT l.supervision, l.officer, o.name AS officer_name, l.confirmed, lower(x) AS started_at, upper(x) AS ended_at
FROM shift s JOIN led l ON l.auxiliary = s.person AND l.named && s.during AND l.during && s.during
JOIN person_now o ON o.id = l.officer CROSS JOIN LATERAL unnest(l.during * tstzmultirange(s.during)) AS x
WHERE s.id = $1 ORDER BY 5
"""
COMMAND = """
SELECT c.duty, c.person, p.name, c.part, lower(x.span) AS started_at, upper(x.span) AS ended_at
FROM shift s JOIN duty_command c ON c.organ = s.organ AND c.during && s.during JOIN person_now p ON p.id = c.person
CROSS JOIN LATERAL (SELECT c.during * s.during AS span) x
WHERE s.id = $1 ORDER BY 5, c.part, p.badge
"""
RECORDINGS_OF_SHIFT = f"""
{SELECT_RECORDINGS_FOR.format(viewer="$2")} JOIN shift s ON s.person = r.wearer AND s.during && r.during
WHERE s.id = $1 AND u.state <> 'same_as' AND {NOT_HIDDEN.format(viewer="$2")} ORDER BY r.started_at, r.id
"""
# A UNION, as each branch has its own index: one condition with OR would read the whole table.
FINDINGS_OF_SHIFT = f"""
SELECT f.*, {ORDERED_BY} FROM finding f WHERE f.withdrawn_at IS NULL AND f.id = ANY (ARRAY(
    SELECT x.id FROM finding x WHERE x.subject = ANY (ARRAY({ACTIVITIES_OF_SHIFT}) || $1::uuid)
    UNION
    SELECT x.id FROM finding x JOIN shift s ON s.person = x.person
        AND tstzrange(x.started_at, coalesce(x.ended_at, x.started_at), '[]') && s.during
    WHERE s.id = $1
)) AND ($2::uuid IS NULL OR {NO_SECRET.format(viewer="$2")}) ORDER BY f.started_at, f.kind, f.id
"""  # noqa: S608


class Leading(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the shift in which an officer led, or was named and has not answered."""

    supervision: Annotated[UUID, msgspec.Meta(description="id of the naming")]
    officer: Annotated[UUID, msgspec.Meta(description="id of the officer who led or was named")]
    officer_name: Annotated[str, msgspec.Meta(description="name of the officer who led or was named")]
    confirmed: Annotated[bool, msgspec.Meta(description="whether the officer confirmed that they lead")]
    started_at: Annotated[Moment, msgspec.Meta(description="start of the stretch of leading")]
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end of the stretch of leading; null: it goes on")]


class Commanding(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the shift in which somebody commanded the organ's duty, by the daily roster."""

    duty: DutyRowId
    person: Annotated[UUID, msgspec.Meta(description="id of the officer who commanded")]
    name: Annotated[str, msgspec.Meta(description="name of the officer who commanded")]
    part: Annotated[
        Literal["leader", "officer"], msgspec.Meta(description="leader 带班领导, officer 值班民警: on duty")
    ]
    started_at: Annotated[Moment, msgspec.Meta(description="start of the stretch of command")]
    ended_at: Annotated[Moment, msgspec.Meta(description="end of the stretch of command")]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A shift and everything that happened in it."""

    shift: Annotated[ShiftRow, msgspec.Meta(description="the shift")]
    organ_name: OrganName
    leading: Annotated[list[Leading], msgspec.Meta(description="who led or was named, stretch by stretch")]
    command: Annotated[
        list[Commanding],
        msgspec.Meta(description="who commanded the organ's duty, by the daily roster (R.7)"),
    ] = msgspec.field(default_factory=list)
    activities: Annotated[list[ActivityRow], msgspec.Meta(description="activities in the shift, with their gaps")]
    recordings: Annotated[list[RecordingRow], msgspec.Meta(description="the person's footage of the time")]
    findings: Annotated[list[FindingRow], msgspec.Meta(description="findings that stand, about this time or its facts")]
    rulings: Annotated[list[RulingRow], msgspec.Meta(description="rulings on entries that contradict each other")]
    calls: Annotated[list[CallRow], msgspec.Meta(description="calls for help that the person made")]


async def timeline(actor: Actor, shift: UUID, language: Language) -> Timeline:
    """The timeline of one shift that the actor may see. Raises Refusal `unknown_shift`."""
    async with generic_plan():
        row = await first(f"{SHIFTS} WHERE s.id = $3 AND {SHIFT.condition}", *viewer(actor), shift)
        if row is None:
            raise Refusal("unknown_shift")
        kept = await kinds_kept_from(actor, row["person"], row["organ"])
        return await timeline_of(shift, language, actor.person, kept)


async def timeline_of(
    shift: UUID, language: Language = "zh", viewed_by: UUID | None = None, kept: frozenset[str] = frozenset()
) -> Timeline:
    """The timeline of any shift, for the operator of the server. `kept`: kinds of findings that are left out.

    Raises Refusal `unknown_shift`.
    """
    row = await first(f"{SHIFTS} WHERE s.id = $1", shift)
    if row is None:
        raise Refusal("unknown_shift")
    return Timeline(
        shift=shift_row(row),
        organ_name=await value("SELECT name FROM organ WHERE code = $1", row["organ"]),
        leading=[as_row(Leading, stretch) for stretch in await fetch(LED, shift)],
        command=[as_row(Commanding, stretch) for stretch in await fetch(COMMAND, shift)],
        activities=await activities_of(ACTIVITIES_OF_SHIFT, shift),
        recordings=[
            as_row(RecordingRow, recording) for recording in await fetch(RECORDINGS_OF_SHIFT, shift, viewed_by)
        ],
        findings=[
            finding_row(finding, language)
            for finding in await fetch(FINDINGS_OF_SHIFT, shift, viewed_by)
            if finding["kind"] not in kept
        ],
        rulings=await rulings_of(shift),
        calls=await calls_of(shift),
    )
