"""Of two stories that contradict each other, a person finds which one is true.

Guarantees: rulings are only added, and of several about one contested row the latest counts; the row that lost is kept
and counts for nothing, whatever arrives later (standing.settle). Who rules commands or inspects the organ, and rules on
nothing that concerns themselves. See docs/adr/0017.
"""

from collections.abc import Iterable
from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.core.database import Record, execute, fetch, first, value
from backend.core.findings import Touched
from backend.core.intervals import Intervals, put_in_order
from backend.core.refusals import Refusal
from backend.core.standing import Claim
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import reaches
from backend.core.wire import Entry, Moment, Receipt, Words
from backend.shifts.service import SHIFTS
from backend.supervision.service import SUPERVISIONS

Stands = Literal["in_force", "contested"]


class ResolveContest(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person finds which of two shifts or namings is true: the one in force, or the contested one."""

    contested: UUID
    stands: Stands
    why: Words


class RulingStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A ruling, and how the contested row stands now."""

    id: UUID
    contested: UUID
    other: UUID
    stands: Stands
    in_force: bool


class RulingReceipt(Receipt, kw_only=True):
    """The answer to a ruling."""

    ruling: RulingStanding


class RulingRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who found what to be true, and why."""

    id: UUID
    contested: UUID
    other: UUID
    stands: Stands
    by_person: UUID
    by_name: str
    at: Moment
    why: str


ROW = """
SELECT 'shift' AS kind, id, person AS owner, person AS also, organ, started_at, in_force FROM shift WHERE id = $1
UNION ALL
SELECT 'supervision', id, auxiliary, officer, organ, started_at, in_force FROM supervision WHERE id = $1
"""
BEFORE = "SELECT other FROM ruling WHERE contested = $1 ORDER BY at, id LIMIT 1"
AGAINST = """
SELECT t.id FROM {table} t WHERE t.{owner} = $1 AND t.in_force AND t.id <> $2 AND t.started_at <= $3
ORDER BY t.started_at DESC LIMIT 1
"""
RULE = "INSERT INTO ruling (id, contested, other, stands, by_person, at, why) VALUES ($1, $2, $3, $4, $5, $6, $7)"
KINDS: dict[str, Intervals] = {"shift": SHIFTS, "supervision": SUPERVISIONS}
OF_SHIFT = """
SELECT r.*, p.name AS by_name FROM ruling r JOIN person p ON p.id = r.by_person, shift s
WHERE s.id = $1 AND (s.id IN (r.contested, r.other) OR EXISTS (
    SELECT FROM supervision v WHERE v.id IN (r.contested, r.other) AND v.auxiliary = s.person AND v.during && s.during))
ORDER BY r.at, r.id
"""


async def whose_contest(actor: Actor, entry: Any) -> Iterable[UUID]:
    """Whom a ruling concerns: who rules, and whose the contested row is."""
    row = await first(ROW, entry.contested)
    return [actor.person] if row is None else [actor.person, row["owner"]]


async def resolve(occasion: Occasion, entry: ResolveContest) -> Outcome:
    """Rule which one stands. Raises Refusal `unknown_contest`, `own_matter`, `not_contested`."""
    actor = occasion.actor
    row = await first(ROW, entry.contested)
    if row is None or not await reaches(actor, row["organ"]):
        raise Refusal("unknown_contest")
    kind = KINDS[row["kind"]]
    other = await _other(kind, row)
    if actor.person in (row["owner"], row["also"], other["also"]):
        raise Refusal("own_matter")
    await execute(RULE, entry.id, entry.contested, other["id"], entry.stands, actor.person, occasion.at, entry.why)
    earlier = min((row, other), key=lambda each: (each["started_at"], each["id"]))
    this = Claim(earlier["id"], earlier["started_at"])
    _, _, since = await put_in_order(kind, row["owner"], row["organ"], this, ruled=True)
    settled = await first(ROW, entry.contested)
    standing = {
        "id": str(entry.id),
        "contested": str(entry.contested),
        "other": str(other["id"]),
        "stands": entry.stands,
        "in_force": settled is not None and settled["in_force"],
    }
    return Outcome(
        subject={"ruling": standing},
        subjects=[entry.contested, other["id"], row["owner"]],
        organ=row["organ"],
        touches=Touched([row["owner"]], since),
    )


async def _other(kind: Intervals, row: Record) -> Record:
    """What the contested row contradicts: as ruled before, else the one in force when it began."""
    other = await value(BEFORE, row["id"])
    if other is None and not row["in_force"]:
        against = AGAINST.format(table=kind.table, owner=kind.owner)
        other = await value(against, row["owner"], row["id"], row["started_at"])
    found = None if other is None else await first(ROW, other)
    if found is None:
        raise Refusal("not_contested")
    return found


async def rulings_of(shift: UUID) -> list[RulingRow]:
    """What was ruled about a shift, and about who led in it."""
    return [
        RulingRow(**{field: row[field] for field in RulingRow.__struct_fields__})
        for row in await fetch(OF_SHIFT, shift)
    ]
