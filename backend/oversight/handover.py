"""Report what was handed over (视音频资料移交): a wearer's footage of a period compared with their shifts.

Guarantees: a wearer whom the reader may not see is unknown (404). Shifts and recordings of organs that the reader may
not see are left out. The period is bounded, and so is the report. A recording counts from its start to its declared
end; once sealed, where its film shows a picture; without an end it counts for nothing. Shifts that reach beyond the
period are shown whole. Nothing after now is missing. Source: 公通字〔2016〕14号; DESIGN §6.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from backend.core.database import fetch, first, tx
from backend.core.days import since, until
from backend.core.described import BeganAt, DutyType, EndedAt, ShiftId
from backend.core.officers import TODAY
from backend.core.paging import invalid_parameter, moment_parameter
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer
from backend.core.wire import Moment
from backend.evidence.schemas import TimeSource
from backend.law.catalogue import law
from backend.people.directory import docked_under


class DutyHandedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A shift in force of the wearer."""

    id: ShiftId
    started_at: BeganAt
    ended_at: EndedAt
    duty_type: DutyType


class FootageHandedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A recording of the wearer."""

    id: Annotated[UUID, msgspec.Meta(description="id of the wearer's recording")]
    file_name: Annotated[str, msgspec.Meta(description="file name that the device gave")]
    state: Annotated[str, msgspec.Meta(description="state of the recording's upload")]
    started_at: Annotated[Moment, msgspec.Meta(description="start of the recording, in corrected time")]
    ended_at: Annotated[
        Moment | None, msgspec.Meta(description="declared end of the recording, in corrected time; null: not known")
    ]
    time_source: Annotated[
        TimeSource, msgspec.Meta(description="where the recording's start was read; kept, not trusted")
    ]


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Two recordings that claim the same time: one of the clocks is wrong."""

    first: Annotated[UUID, msgspec.Meta(description="id of the recording that began first")]
    second: Annotated[UUID, msgspec.Meta(description="id of the recording that began second")]
    started_at: Annotated[Moment, msgspec.Meta(description="start of the time that both claim")]
    ended_at: Annotated[Moment, msgspec.Meta(description="end of the time that both claim")]


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a shift without footage."""

    shift: ShiftId
    started_at: Annotated[Moment, msgspec.Meta(description="start of the stretch without footage")]
    ended_at: Annotated[Moment, msgspec.Meta(description="end of the stretch without footage")]


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """A wearer's shifts and footage in a period, and what does not match."""

    wearer: Annotated[UUID, msgspec.Meta(description="id of the person who wore the camera")]
    shifts: Annotated[list[DutyHandedOver], msgspec.Meta(description="shifts in force, in order of time")]
    recordings: Annotated[
        list[FootageHandedOver], msgspec.Meta(description="the wearer's recordings, in order of time")
    ]
    overlaps: Annotated[list[Overlap], msgspec.Meta(description="pairs of recordings that claim the same time")]
    missing: Annotated[list[Missing], msgspec.Meta(description="stretches of shifts without footage")]
    outside: Annotated[list[UUID], msgspec.Meta(description="ids of recordings that lie in no shift")]


# The wearer, for oneself and for whoever oversees an organ in which they served in the period, or serve today.
WEARER = f"""
SELECT person FROM stint WHERE person = $1 AND (person = $2 OR organ IN (SELECT organs_under($3::text[])) AND (
    during @> {TODAY} OR during && daterange(
        ($4::timestamptz AT TIME ZONE 'Asia/Shanghai')::date, ($5::timestamptz AT TIME ZONE 'Asia/Shanghai')::date, '[]'
    )))
"""  # noqa: S608 - constants
WITHIN_ORGANS = "($5::text[] IS NULL OR {organ} IN (SELECT organs_under($5)))"
# $1 wearer, $2 and $3 the period, $4 from and $7 until when shifts are read, beyond it, $5 organs that the reader may
# see (null: all), $6 how long a shift counts that nobody checked out of
SCOPE = f"""
WITH duty AS (
    SELECT s.id, s.started_at, s.ended_at, s.duty_type,
        s.during * tstzrange($4, $7)
            * tstzrange(NULL, least(now(), counted_end(s, $6::interval))) AS during
    FROM shift s
    WHERE s.person = $1 AND s.in_force AND s.during && tstzrange($2, $3) * tstzrange(NULL, now(), '[]')
        AND {WITHIN_ORGANS.format(organ="s.organ")}
),
reach AS (
    SELECT range_agg(span) AS spans FROM (SELECT during AS span FROM duty UNION ALL SELECT tstzrange($2, $3)) x
),
footage AS MATERIALIZED (
    SELECT r.id, u.file_name, u.state, r.started_at, r.ended_at, r.time_source,
        CASE WHEN u.state = 'sealed' THEN r.proved ELSE tstzmultirange(tstzrange(r.started_at, e.ends)) END AS shown,
        tstzrange(r.started_at, e.ends, '[]') AS touched
    FROM reach, recording r JOIN upload u ON u.id = r.id CROSS JOIN LATERAL (
        SELECT coalesce(CASE WHEN u.state = 'sealed' THEN r.film_ends_at ELSE r.ended_at END, r.started_at) AS ends
    ) e
    WHERE r.wearer = $1 AND u.state <> 'same_as' AND r.started_at <= $7 AND {WITHIN_ORGANS.format(organ="r.organ")}
        AND tstzrange(r.started_at, e.ends, '[]') && reach.spans
)
"""  # noqa: S608 - constants
DUTIES = f"{SCOPE} SELECT id, started_at, ended_at, duty_type FROM duty ORDER BY started_at, id"  # noqa: S608
FOOTAGE = f"{SCOPE} SELECT * FROM footage ORDER BY started_at, id"  # noqa: S608
OVERLAPS = f"""
{SCOPE} SELECT a.id AS first, b.id AS second, lower(shared) AS started_at, upper(shared) AS ended_at
FROM footage a JOIN footage b ON a.shown && b.shown AND (a.started_at, a.id) < (b.started_at, b.id)
CROSS JOIN LATERAL unnest(a.shown * b.shown) AS shared
WHERE upper(shared) - lower(shared) > $8::interval
ORDER BY a.started_at, a.id, b.started_at, b.id LIMIT $9
"""  # noqa: S608 - constants
MISSING = f"""
{SCOPE} SELECT d.id AS shift, lower(x) AS started_at, upper(x) AS ended_at
FROM duty d CROSS JOIN LATERAL unnest(
    tstzmultirange(d.during) - (SELECT coalesce(range_agg(f.shown), '{{}}') FROM footage f WHERE f.shown && d.during)
) AS x
WHERE upper(x) - lower(x) > $8::interval ORDER BY lower(x), d.id
"""  # noqa: S608 - constants
OUTSIDE = f"""
{SCOPE} SELECT f.id FROM footage f
WHERE NOT EXISTS (SELECT FROM shift s WHERE s.person = $1 AND s.in_force AND s.during && f.touched)
ORDER BY f.started_at, f.id
"""  # noqa: S608 - constants


async def handover(actor: Actor, wearer: UUID, start: datetime, end: datetime) -> Handover:
    """The report on a wearer and period. Raises Refusal `unknown_wearer`, `invalid` for a wrong period."""
    start, end = _period(start, end)
    oversees = [*viewer(actor)[1], *docked_under(actor)]
    if await first(WEARER, wearer, actor.person, oversees, start, end) is None:
        raise Refusal("unknown_wearer")
    before, after = since(law(), "handover_ceiling", start), until(law(), "handover_ceiling", end)
    longest = law().span("unfinished_shift_ceiling")
    scope = (wearer, start, end, before, None if wearer == actor.person else oversees, longest, after)
    async with tx(isolation="repeatable_read", readonly=True):
        return Handover(
            wearer=wearer,
            shifts=[DutyHandedOver(**row) for row in await fetch(DUTIES, *scope)],
            recordings=[_footage(row) for row in await fetch(FOOTAGE, *scope)],
            overlaps=[
                Overlap(**row)
                for row in await fetch(OVERLAPS, *scope, law().span("duration_tolerance"), law().count("overlaps_told"))
            ],
            missing=[Missing(**row) for row in await fetch(MISSING, *scope, law().span("gap_tolerance"))],
            outside=[row["id"] for row in await fetch(OUTSIDE, *scope)],
        )


def _footage(row: object) -> FootageHandedOver:
    return FootageHandedOver(**{field: row[field] for field in FootageHandedOver.__struct_fields__})  # type: ignore[index]


def _period(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The period in UTC. Raises Refusal `invalid` if it has no offset, is out of order, too long or out of range."""
    start, end = moment_parameter("from", start), moment_parameter("to", end)
    if not start < end:
        raise invalid_parameter("to", "must be after from")
    if end > until(law(), "handover_ceiling", start):
        raise invalid_parameter("to", f"at most {law().days('handover_ceiling').at_most} days after from")
    return start, end
