"""Name who commands an organ's duty: leader and officers of the daily roster (值班表). One transaction each.

Guarantees: an organ has one row at a time. The commander of the organ, or of one above it, names them; they are
officers in service when it begins. What was is never changed: a row is ended from now on, or withdrawn before
it begins.
Source: R.7, R.9: an auxiliary works under the organ's command or an officer's lead, so it is known who commands.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import msgspec

from backend.core.database import execute, fetch, first, tx, value
from backend.core.described import Badge, DutyRowId, OrganCode, OrganName, PersonId, PersonName
from backend.core.journal import utc
from backend.core.officers import officers_among
from backend.core.paging import Page, PageCursor, moment_parameter, next_page
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import COMMANDING, reaches, viewer, visible_to
from backend.rosters.plan_files import require_span
from backend.rosters.schemas import DutyBegins, DutyEnds, EndDuty, NameDuty

INSERT = """
WITH named AS (
    INSERT INTO duty_roster (id, organ, starts_at, ends_at, named_by) VALUES ($1, $2, $3, $4, $5) RETURNING id
)
INSERT INTO duty_roster_person (duty, person, part)
SELECT n.id, x.person, CASE WHEN x.person = $6 THEN 'leader' ELSE 'officer' END
FROM named n, (SELECT DISTINCT person FROM unnest($7::uuid[] || $6::uuid) AS person) x
"""
PEOPLE = """
SELECT (SELECT x.person FROM duty_roster_person x WHERE x.duty = d.id AND x.part = 'leader') AS leader,
    ARRAY(SELECT x.person FROM duty_roster_person x WHERE x.duty = d.id AND x.part = 'officer' ORDER BY 1) AS officers,
    d.*
FROM duty_roster d WHERE d.id = $1
"""
END = "UPDATE duty_roster SET ends_at = $2, ended_by = $3, ended_at = $4, ended_why = $5 WHERE id = $1"
# Everybody sees their own organ's rows: who commands them is no secret to them (R.7).
VISIBLE = visible_to(own=[], organ="d.organ").condition
OWN = """
(d.organ = (SELECT w.organ FROM person_now w WHERE w.id = $1)
    OR EXISTS (SELECT FROM duty_roster_person x WHERE x.duty = d.id AND x.person = $1))
"""
ROSTER = """
SELECT d.id, d.organ, o.name AS organ_name, d.starts_at, d.ends_at, jsonb_agg(
    jsonb_build_object('id', w.id, 'badge', w.badge, 'name', w.name, 'part', x.part) ORDER BY x.part, w.badge
) AS people
FROM duty_roster d JOIN organ o ON o.code = d.organ
JOIN duty_roster_person x ON x.duty = d.id JOIN person_now w ON w.id = x.person
WHERE {where} GROUP BY d.id, o.code ORDER BY d.starts_at, d.id LIMIT {limit}
"""
LISTED = ROSTER.format(
    where=f"""({OWN} OR {VISIBLE}) AND NOT isempty(d.during) AND d.during && tstzrange($3, $4)
    AND ($5::timestamptz IS NULL OR (d.starts_at, d.id) > ($5, $6::uuid))
    AND ($7::text IS NULL OR d.organ IN (SELECT organs_under(ARRAY[$7::text])))""",
    limit="$8",
)
AHEAD = ROSTER.format(where=f"{OWN} AND NOT isempty(d.during) AND d.during && tstzrange($2, $3)", limit="$4")


class OnDuty(msgspec.Struct, frozen=True, kw_only=True):
    """One of those who command the duty."""

    id: PersonId
    badge: Badge
    name: PersonName


class DutyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the daily roster: who commands an organ's duty, from when to when."""

    id: DutyRowId
    organ: OrganCode
    organ_name: OrganName
    starts_at: DutyBegins
    ends_at: DutyEnds
    leader: Annotated[OnDuty, msgspec.Meta(description="who leads the duty 带班领导")]
    officers: Annotated[
        list[OnDuty], msgspec.Meta(description="the officers on duty 值班民警; empty: the leader alone is")
    ]


async def name(occasion: Occasion, entry: NameDuty) -> Outcome:
    """Name who commands. Raises Refusal `unknown_organ`, `not_an_officer`, `end_before_start`, `time_out_of_range`,
    `duty_named_already`."""
    known = await value("SELECT count(*) > 0 FROM organ WHERE code = $1", entry.organ)
    if not known or not await reaches(occasion.actor, entry.organ, COMMANDING):
        raise Refusal("unknown_organ")
    require_span(entry.starts_at, entry.ends_at)
    await officers_among([entry.leader, *entry.officers], entry.starts_at)
    try:
        async with tx():
            await execute(
                INSERT, entry.id, entry.organ, entry.starts_at, entry.ends_at, occasion.actor.person, entry.leader,
                list(entry.officers),
            )  # fmt: skip
    except asyncpg.ExclusionViolationError:
        raise Refusal("duty_named_already") from None
    return await _outcome(entry.id)


async def end(occasion: Occasion, entry: EndDuty) -> Outcome:
    """End it now, or withdraw what has not begun. Raises Refusal `unknown_duty`, `duty_over`."""
    row = await first("SELECT * FROM duty_roster WHERE id = $1 FOR UPDATE", entry.duty)
    if row is None or not await reaches(occasion.actor, row["organ"], COMMANDING):
        raise Unknown("unknown_duty", entry.duty)
    at = occasion.timing.as_of
    if row["ends_at"] <= at or row["ends_at"] == row["starts_at"]:
        raise Refusal("duty_over")
    await execute(END, row["id"], max(at, row["starts_at"]), occasion.actor.person, at, entry.why)
    return await _outcome(row["id"])


async def concerned(actor: Actor, entry: NameDuty | EndDuty) -> Iterable[UUID]:
    """The actor, and the row where there is one: it is ended once."""
    return (actor.person, entry.duty) if isinstance(entry, EndDuty) else (actor.person,)


async def roster(
    actor: Actor, organ: str | None, since: datetime | None, until: datetime | None, cursor: str | None, limit: int
) -> Page[DutyRow]:
    """A page of the daily roster of one's own organ, of the duties that one has, and of the organs one oversees."""
    page = PageCursor.after(cursor)
    span = (since and moment_parameter("from", since), until and moment_parameter("to", until))
    if None not in span and span[0] > span[1]:  # type: ignore[operator]
        return Page(items=[], next=None)
    rows = await fetch(LISTED, *viewer(actor), *span, page and page.at, page and page.id, organ, limit + 1)
    return Page(items=[_row(row) for row in rows[:limit]], next=next_page(rows, limit, "starts_at"))


async def ahead(person: UUID, now: datetime, until: datetime, limit: int) -> list[DutyRow]:
    """The duties of this person's organ, and those that they have, now and until then."""
    return [_row(row) for row in await fetch(AHEAD, person, now, until, limit)]


def _row(row: Any) -> DutyRow:
    people = msgspec.json.decode(row["people"])
    parts: dict[str, list[OnDuty]] = {"leader": [], "officer": []}
    for who in people:
        parts[who["part"]].append(OnDuty(id=UUID(who["id"]), badge=who["badge"], name=who["name"]))
    columns = {column: row[column] for column in ("id", "organ", "organ_name", "starts_at", "ends_at")}
    return DutyRow(**columns, leader=parts["leader"][0], officers=parts["officer"])


async def _outcome(duty: UUID) -> Outcome:
    row: Any = await first(PEOPLE, duty)
    standing = {
        "id": str(duty),
        "organ": row["organ"],
        "starts_at": utc(row["starts_at"]),
        "ends_at": utc(row["ends_at"]),
        "leader": str(row["leader"]),
        "officers": [str(person) for person in row["officers"]],
    }
    return Outcome(subject={"duty": standing}, subjects=[duty, row["leader"], *row["officers"]], organ=row["organ"])
