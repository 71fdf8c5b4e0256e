"""Keeps a table of a person's intervals in order, by the rule of standing.py.

Guarantees: after `put_in_order`, every row of the owner has the end and the standing that follow from all facts known,
in whatever order they arrived. The table's EXCLUDE constraint checks it. The findings that follow are flagged or
withdrawn in the same transaction. The caller has locked the owner (write_path.record).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from backend.core import findings
from backend.core.database import execute, fetch
from backend.core.findings import FLAG, Finding
from backend.core.journal import utc
from backend.core.standing import NEXT, Claim, Standing, settle


class Intervals(msgspec.Struct, frozen=True, kw_only=True):
    """One table of intervals. It needs the columns id, `owner`, started_at, ended_at, ended_by, in_force, set_aside.

    `own_end`: SQL for a row `t` that gives (at, ended_by) of the fact that ended it, or no row. `forgotten`: code of
    the finding for an interval that nobody ended, so that the next one closed it. `next_ends_all`: see standing.py.
    """

    table: str
    owner: str
    own_end: str
    forgotten: str | None = None
    next_ends_all: bool = False

    @property
    def neighbours(self) -> str:
        """SQL of the rows from the one in force at $2 onward. Earlier rows cannot change."""
        return f"""
        SELECT t.id, t.started_at, t.ended_at, t.ended_by, t.in_force, t.set_aside, set_aside(t.id) AS ruled_out,
            o.at AS own_end, o.ended_by AS own_ended_by
        FROM {self.table} t LEFT JOIN LATERAL ({self.own_end}) o ON true
        WHERE t.{self.owner} = $1 AND t.started_at >= coalesce((SELECT max(b.started_at) FROM {self.table} b
            WHERE b.{self.owner} = $1 AND b.in_force AND b.started_at <= $2), $2)"""  # noqa: S608

    @property
    def update(self) -> str:
        """SQL that updates several rows in one statement, because the constraint holds only for the final state."""
        return f"""
        UPDATE {self.table} t SET ended_at = n.ended_at, ended_by = n.ended_by, in_force = n.in_force,
            set_aside = n.set_aside
        FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bool[], $5::bool[])
            AS n(id, ended_at, ended_by, in_force, set_aside)
        WHERE t.id = n.id"""  # noqa: S608

    @property
    def update_one(self) -> str:
        """The same for one row: planned once for all, and in less time than an array."""
        return f"UPDATE {self.table} SET ended_at = $2, ended_by = $3, in_force = $4, set_aside = $5 WHERE id = $1"  # noqa: S608

    @property
    def update_and_flag(self) -> str:
        """The same for one row and its finding: $1 to $7 are those of FLAG, about the row $2 that ends at $7."""
        return f"""
        WITH flagged AS ({FLAG})
        UPDATE {self.table} SET ended_at = $7, ended_by = $8, in_force = $9, set_aside = $10 WHERE id = $2"""  # noqa: S608


async def put_in_order(
    kind: Intervals, owner: UUID, organ: str, this: Claim, *, new: bool = False, ruled: bool = False
) -> tuple[Standing, list[str], datetime]:
    """Compute the standing of the owner's intervals around `this` again, and write what changed.

    `new`: its row is not there yet; the caller inserts it. `ruled`: a person ruled on it; it may no longer count, and
    then the interval that it closed goes on.
    Returns its standing, the codes of its findings, and the start of the earliest interval that changed.
    """
    since = this.start - timedelta(microseconds=1) if ruled else this.start
    rows = {row["id"]: row for row in await fetch(kind.neighbours, owner, since)}
    claims = [
        Claim(row["id"], row["started_at"], row["own_end"], row["own_ended_by"], row["ruled_out"])
        for row in rows.values()
    ]
    standings = settle([*claims, this] if new else claims, next_ends_all=kind.next_ends_all)
    changed = [
        (before, standing)
        for standing in standings
        if standing.id in rows and (before := _as_stored(rows[standing.id])) != standing
    ]
    await _write(kind, changed, owner, organ)
    (mine,) = (standing for standing in standings if standing.id == this.id)
    if new and (finding := _finding(kind, mine, owner, organ)) is not None:
        await findings.flag(finding)
    code = _code(kind, mine)
    return mine, [] if code is None else [code], min([mine.start, *(standing.start for _, standing in changed)])


def interval_payload(standing: Standing) -> dict[str, Any]:
    """The interval as it goes into receipts and the journal."""
    return {
        "id": str(standing.id),
        "started_at": utc(standing.start),
        "ended_at": None if standing.end is None else utc(standing.end),
        "in_force": standing.in_force,
    }


def _as_stored(row: Any) -> Standing:
    return Standing(row["id"], row["started_at"], row["ended_at"], row["ended_by"], row["in_force"], row["set_aside"])


async def _write(kind: Intervals, changed: Sequence[tuple[Standing, Standing]], owner: UUID, organ: str) -> None:
    """Write the new standings; flag and withdraw their findings. `changed`: pairs of (before, after)."""
    if len(changed) > 1:
        columns = zip(*((s.id, s.end, s.ended_by, s.in_force, s.set_aside) for _, s in changed), strict=True)
        await execute(kind.update, *(list(column) for column in columns))
    for before, standing in changed:
        code = _code(kind, before)
        if code is not None and code != _code(kind, standing):
            await findings.withdraw(code, standing.id)
        finding = _finding(kind, standing, owner, organ)
        if len(changed) == 1:
            await _write_one(kind, standing, finding)
        elif finding is not None:
            await findings.flag(finding)


async def _write_one(kind: Intervals, standing: Standing, finding: Finding | None) -> None:
    """Write the only standing that changed, and its finding, in one statement."""
    state = standing.ended_by, standing.in_force, standing.set_aside
    if finding is None:
        await execute(kind.update_one, standing.id, standing.end, *state)
    else:
        await execute(kind.update_and_flag, *msgspec.structs.astuple(finding), *state)


def _code(kind: Intervals, standing: Standing) -> str | None:
    """The code of the finding on this interval; None: there is none."""
    if not standing.in_force:
        return None if standing.set_aside else "contested"
    return kind.forgotten if standing.ended_by == NEXT else None


def _finding(kind: Intervals, standing: Standing, owner: UUID, organ: str) -> Finding | None:
    code = _code(kind, standing)
    if code is None:
        return None
    return Finding(
        kind=code, subject=standing.id, organ=organ, person=owner, started_at=standing.start, ended_at=standing.end
    )
