"""Keeps a table of a person's intervals as standing.py settles them.

Guarantees: after `put_in_order`, every row of the owner holds the end and standing that follow from all facts known,
whatever their order of arrival; the table's EXCLUDE constraint is the guard. The owner is locked by the caller
(entries.record). The findings that follow stand, or are withdrawn, with it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from backend.core import findings
from backend.core.database import execute, fetch
from backend.core.findings import Finding
from backend.core.journal import utc
from backend.core.standing import NEXT, Claim, Standing, settle


class Intervals(msgspec.Struct, frozen=True, kw_only=True):
    """One table of intervals. `own_end`: SQL for a row `t`, giving (at, ended_by) of the fact that ended it, or none.

    `forgotten`: the finding for one that only the next one closed. Columns asked for: id, `owner`, started_at,
    ended_at, ended_by, in_force, set_aside.
    """

    table: str
    owner: str
    own_end: str
    forgotten: str | None = None
    next_ends_all: bool = False

    @property
    def neighbours(self) -> str:
        """From the one in force at that moment onward: what came before cannot change."""
        return f"""
        SELECT t.id, t.started_at, t.ended_at, t.ended_by, t.in_force, t.set_aside, set_aside(t.id) AS ruled_out,
            o.at AS own_end, o.ended_by AS own_ended_by
        FROM {self.table} t LEFT JOIN LATERAL ({self.own_end}) o ON true
        WHERE t.{self.owner} = $1 AND t.started_at >= coalesce((SELECT max(b.started_at) FROM {self.table} b
            WHERE b.{self.owner} = $1 AND b.in_force AND b.started_at <= $2), $2)"""  # noqa: S608

    @property
    def update(self) -> str:
        """One statement for all rows, so that the constraint sees only the end of it."""
        return f"""
        UPDATE {self.table} t SET ended_at = n.ended_at, ended_by = n.ended_by, in_force = n.in_force,
            set_aside = n.set_aside
        FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bool[], $5::bool[])
            AS n(id, ended_at, ended_by, in_force, set_aside)
        WHERE t.id = n.id"""  # noqa: S608


async def put_in_order(
    kind: Intervals, owner: UUID, organ: str, this: Claim, *, new: bool = False, ruled: bool = False
) -> tuple[Standing, list[str], datetime]:
    """Settle the owner's intervals around `this`. Where `new`, its row is not there yet and the caller inserts it;
    where `ruled`, it may count no longer, and what it closed goes on.

    Returns its standing, the codes of the findings that stand for it, and from when on anything changed.
    """
    since = this.start - timedelta(microseconds=1) if ruled else this.start
    rows = {row["id"]: row for row in await fetch(kind.neighbours, owner, since)}
    claims = [
        Claim(row["id"], row["started_at"], row["own_end"], row["own_ended_by"], row["ruled_out"])
        for row in rows.values()
    ]
    standings = settle([*claims, this] if new else claims, next_ends_all=kind.next_ends_all)
    changed = [
        (_before(rows[standing.id]), standing)
        for standing in standings
        if standing.id in rows and _before(rows[standing.id]) != standing
    ]
    await _write(kind, changed, owner, organ)
    (mine,) = (standing for standing in standings if standing.id == this.id)
    if new:
        await _flag(kind, mine, owner, organ)
    return mine, _wrong(kind, mine), min([mine.start, *(standing.start for _, standing in changed)])


def interval_payload(standing: Standing) -> dict[str, Any]:
    """An interval as receipts and the journal tell it."""
    return {
        "id": str(standing.id),
        "started_at": utc(standing.start),
        "ended_at": None if standing.end is None else utc(standing.end),
        "in_force": standing.in_force,
    }


def _before(row: Any) -> Standing:
    """A row as it stands."""
    return Standing(row["id"], row["started_at"], row["ended_at"], row["ended_by"], row["in_force"], row["set_aside"])


async def _write(kind: Intervals, changed: Sequence[tuple[Standing, Standing]], owner: UUID, organ: str) -> None:
    """Write each row's new standing, and let its findings follow."""
    if not changed:
        return
    columns = zip(*((s.id, s.end, s.ended_by, s.in_force, s.set_aside) for _, s in changed), strict=True)
    await execute(kind.update, *(list(column) for column in columns))
    for before, standing in changed:
        for code in set(_wrong(kind, before)) - set(_wrong(kind, standing)):
            await findings.withdraw(code, standing.id)
        await _flag(kind, standing, owner, organ)


def _wrong(kind: Intervals, standing: Standing) -> list[str]:
    if not standing.in_force:
        return [] if standing.set_aside else ["contested"]
    return [kind.forgotten] if kind.forgotten and standing.ended_by == NEXT else []


async def _flag(kind: Intervals, standing: Standing, owner: UUID, organ: str) -> None:
    for code in _wrong(kind, standing):
        await findings.flag(
            Finding(
                kind=code, subject=standing.id, organ=organ, person=owner,
                started_at=standing.start, ended_at=standing.end,
            )
        )  # fmt: skip
