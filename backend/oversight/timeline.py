"""A shift and everything that lies in it: leading, work, footage, findings, rulings and calls.

Guarantees: what one may not see is not there (404).
"""

from uuid import UUID

import msgspec

from backend.activities.reads import ActivityRow, Span, activities_of
from backend.assistance.reads import CallRow, calls_of
from backend.core.database import fetch, first
from backend.core.findings import FindingRow, finding_row
from backend.core.paging import as_row, generic_plan
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer
from backend.evidence.reads import NOT_HIDDEN, SELECT_RECORDINGS, RecordingRow
from backend.held.contests import RulingRow, rulings_of
from backend.law.catalogue import Language
from backend.shifts.reads import SHIFT, SHIFTS, ShiftRow

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
{SELECT_RECORDINGS} JOIN shift s ON s.person = r.wearer AND s.during && r.during
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


class Leading(Span, frozen=True, kw_only=True):
    """An officer led, or was named and has not answered."""

    supervision: UUID
    officer: UUID
    officer_name: str
    confirmed: bool


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A shift and everything that lies in it."""

    shift: ShiftRow
    leading: list[Leading]
    activities: list[ActivityRow]
    recordings: list[RecordingRow]
    findings: list[FindingRow]
    rulings: list[RulingRow]
    calls: list[CallRow]


async def timeline(actor: Actor, shift: UUID, language: Language) -> Timeline:
    """One shift with who led, what was done and recorded, and what is wrong. Raises Refusal `unknown_shift`."""
    async with generic_plan():
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
        activities=await activities_of(OF_SHIFT, shift),
        recordings=[as_row(RecordingRow, filmed) for filmed in await fetch(FILMED, shift, viewed_by)],
        findings=[finding_row(found, language) for found in await fetch(FOUND, shift)],
        rulings=await rulings_of(shift),
        calls=await calls_of(shift),
    )
