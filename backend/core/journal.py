"""The journal: one append-only row for every accepted entry, view, decision and authenticated refusal.

Guarantees: `entry` holds the canonical bytes, which are what will be hashed: sorted keys, UTC, no spaces, and only
ids, codes, times and digests; the columns beside it repeat what the bytes say. Nobody updates or deletes a row: the
database refuses it by trigger and by grants.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from backend.core.database import execute, value

VERSION = 1
# Rows whose place in the order of (epoch, xid, seq) nothing can come before any more. `{j}`: the journal's alias.
SAFE = "({j}.epoch, {j}.xid) < (current_epoch(), pg_snapshot_xmin(pg_current_snapshot()))"
APPEND = """
INSERT INTO journal (at, actor, device, verb, outcome, entry_id, subjects, organ, entry)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One row before it is written. `outcome`: recorded, refused (by rules, remembered for its id), denied, done."""

    at: datetime
    verb: str
    outcome: str
    organ: str | None = None
    actor: UUID | None = None
    device: UUID | None = None
    id: UUID | None = None
    subjects: Sequence[UUID] = ()
    facts: Mapping[str, Any] = {}


def canonical(line: Line) -> bytes:
    """The bytes that stand for the row, for ever: version 1 is JSON with sorted keys and UTC times."""
    told = msgspec.structs.asdict(line) | {"v": VERSION, "at": utc(line.at), "subjects": list(line.subjects)}
    present = {key: value for key, value in told.items() if value not in (None, {}, [])}
    return msgspec.json.encode(present, order="sorted")


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC to the microsecond: one moment has one spelling."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # a device's clock at the edge of the calendar: as it was told
        return moment.isoformat(timespec="microseconds")
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def columns(line: Line) -> tuple[Any, ...]:
    return (
        line.at, line.actor, line.device, line.verb, line.outcome, line.id,
        list(line.subjects), line.organ, canonical(line),
    )  # fmt: skip


async def append(line: Line) -> None:
    """Write one row in the transaction in force."""
    await execute(APPEND, *columns(line))


OF_ANOTHER_CLUSTER = """
SELECT c.system_identifier IS DISTINCT FROM (SELECT system_identifier FROM journal_epoch ORDER BY epoch DESC LIMIT 1)
FROM pg_control_system() c
"""


async def schema_exists() -> bool:
    """Whether the schema has been made."""
    return await value("SELECT to_regclass('journal')") is not None


async def is_of_another_cluster() -> bool:
    """Whether this database was restored into another cluster since its epoch began; migrating begins a new epoch."""
    return bool(await value(OF_ANOTHER_CLUSTER))


async def could_be_altered() -> bool:
    """Whether the role that asks may change or delete rows of the journal."""
    return bool(await value("SELECT has_table_privilege('journal', 'UPDATE, DELETE, TRUNCATE')"))
