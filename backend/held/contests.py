"""Contests: where two records contradict each other, a person decides which one is true.

Guarantees: rulings are only added; the latest ruling on a contested row counts. The other row is kept and counts for
nothing, whatever arrives later (standing.settle). Whoever rules commands or inspects the organ, and never rules in
their own matter. See docs/adr/0017.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from backend.core.database import Record, fetch, first, value
from backend.core.findings import Touched
from backend.core.intervals import Intervals, put_in_order
from backend.core.paging import as_row
from backend.core.refusals import Refusal
from backend.core.standing import Claim
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import reaches
from backend.core.wire import Entry, Moment, Receipt, Words
from backend.held.tables import Ruling
from backend.shifts.service import SHIFTS
from backend.supervision.service import SUPERVISIONS

Stands = Literal["in_force", "contested"]
Contested = Annotated[UUID, msgspec.Meta(description="id of the contested shift or supervision")]
Other = Annotated[UUID, msgspec.Meta(description="id of the record that it contradicts")]
Ruled = Annotated[Stands, msgspec.Meta(description="in_force: the other record is true; contested: the contested one")]


class ResolveContest(Entry, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person decides which of two shifts or supervisions is true: the one in force, or the contested one."""

    contested: Contested
    stands: Annotated[Stands, msgspec.Meta(description="which one is true")]
    why: Annotated[Words, msgspec.Meta(description="reason of the decision")]


class RulingStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A ruling, and its effect on the contested record."""

    id: Annotated[UUID, msgspec.Meta(description="id of the ruling")]
    contested: Contested
    other: Other
    stands: Ruled
    in_force: Annotated[bool, msgspec.Meta(description="whether the contested record counts now")]


class RulingReceipt(Receipt, kw_only=True):
    """The answer to a ruling."""

    ruling: Annotated[RulingStanding, msgspec.Meta(description="the ruling and its effect")]


class RulingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A ruling: who decided what, and why."""

    id: Annotated[UUID, msgspec.Meta(description="id of the ruling")]
    contested: Contested
    other: Other
    stands: Ruled
    by_person: Annotated[UUID, msgspec.Meta(description="who decided")]
    by_name: Annotated[str, msgspec.Meta(description="name of the person who decided")]
    at: Annotated[Moment, msgspec.Meta(description="when it was decided")]
    why: Annotated[str, msgspec.Meta(description="reason of the decision")]


CONTESTABLE = """
SELECT 'shift' AS kind, id, person AS owner, person AS also, organ, started_at, in_force FROM shift WHERE id = $1
UNION ALL
SELECT 'supervision', id, auxiliary, officer, organ, started_at, in_force FROM supervision WHERE id = $1
"""
IN_FORCE_AT = """
SELECT t.id FROM {table} t WHERE t.{owner} = $1 AND t.in_force AND t.id <> $2 AND t.started_at <= $3
ORDER BY t.started_at DESC LIMIT 1
"""
TABLES: dict[str, Intervals] = {"shift": SHIFTS, "supervision": SUPERVISIONS}
RULINGS_OF_SHIFT = """
SELECT r.*, p.name AS by_name FROM ruling r JOIN person_now p ON p.id = r.by_person, shift s
WHERE s.id = $1 AND (s.id IN (r.contested, r.other) OR EXISTS (
    SELECT FROM supervision v WHERE v.id IN (r.contested, r.other) AND v.auxiliary = s.person AND v.during && s.during))
ORDER BY r.at, r.id
"""


async def whose_contest(actor: Actor, entry: Any) -> Iterable[UUID]:
    """The persons concerned: who rules, and the owner of the contested row."""
    row = await first(CONTESTABLE, entry.contested)
    return [actor.person] if row is None else [actor.person, row["owner"]]


async def resolve(occasion: Occasion, entry: ResolveContest) -> Outcome:
    """Rule which of two records is true. Raises Refusal `unknown_contest`, `own_matter`, `not_contested`."""
    actor = occasion.actor
    row = await first(CONTESTABLE, entry.contested)
    if row is None or not await reaches(actor, row["organ"]):
        raise Refusal("unknown_contest")
    kind = TABLES[row["kind"]]
    other = await _other(kind, row)
    if actor.person in (row["owner"], row["also"], other["also"]):
        raise Refusal("own_matter")
    await Ruling.insert(
        Ruling(
            id=entry.id, contested=entry.contested, other=other["id"], stands=entry.stands, by_person=actor.person,
            at=occasion.at, why=entry.why,
        )
    )  # fmt: skip
    earlier = min((row, other), key=lambda record: (record["started_at"], record["id"]))
    claim = Claim(earlier["id"], earlier["started_at"])
    _, _, since = await put_in_order(kind, row["owner"], row["organ"], claim, ruled=True)
    settled = await first(CONTESTABLE, entry.contested)
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
    """The row that the contested one contradicts: as in its first ruling, else the one in force when it began.

    Raises Refusal `not_contested`.
    """
    rulings = Ruling.select(Ruling.other).where(Ruling.contested == row["id"])
    first_ruling = await rulings.order_by(Ruling.at, Ruling.id).first()
    other = None if first_ruling is None else first_ruling["other"]
    if other is None and not row["in_force"]:
        in_force = IN_FORCE_AT.format(table=kind.table, owner=kind.owner)
        other = await value(in_force, row["owner"], row["id"], row["started_at"])
    other_row = None if other is None else await first(CONTESTABLE, other)
    if other_row is None:
        raise Refusal("not_contested")
    return other_row


async def rulings_of(shift: UUID) -> list[RulingRow]:
    """The rulings on a shift, and on supervisions during it."""
    return [as_row(RulingRow, row) for row in await fetch(RULINGS_OF_SHIFT, shift)]
