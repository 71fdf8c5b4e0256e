"""The journal: an append-only table with one row for every entry, view, decision and refusal of a signed-in person.

Guarantees: `entry` holds the canonical bytes, which are hashed: sorted keys, UTC, no spaces, and only ids, codes, times
and digests. The other columns repeat what these bytes say. Nobody updates or deletes a row: triggers and grants of the
database prevent it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from backend.core import operators
from backend.core.database import execute, value

LINE_VERSION = 1
# Rows that are final in the order of (epoch, xid, seq): no row can still commit before them. `{j}`: the table's alias.
SAFE = "({j}.epoch, {j}.xid) < (current_epoch(), pg_snapshot_xmin(pg_current_snapshot()))"
# Between the halves the database puts the facts that this transaction changed (docs/adr/0055): a line is written last.
APPEND = """
INSERT INTO journal (at, actor, device, verb, outcome, entry_id, subjects, organ, entry)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::bytea || take_rows() || $10::bytea)
"""
BEFORE_ROWS = frozenset({"at", "actor", "device", "facts", "id", "organ", "outcome"})  # in sorted order before "rows"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A journal row before it is written.

    `outcome`: recorded; refused (by rules, kept for the entry's id); denied (any other refusal); done (no entry).
    """

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
    """The bytes that are hashed, of a line that tells of no fact's row. Version 1: JSON with sorted keys and UTC times,
    without empty fields."""
    head, tail = halves(line)
    return head + tail


def halves(line: Line) -> tuple[bytes, bytes]:
    """The canonical bytes up to where `rows` stand, and from there."""
    fields = msgspec.structs.asdict(line) | {"v": LINE_VERSION, "at": utc(line.at), "subjects": list(line.subjects)}
    present = {key: value for key, value in fields.items() if value not in (None, {}, [])}
    before = {key: value for key, value in present.items() if key in BEFORE_ROWS}
    after = {key: value for key, value in present.items() if key not in BEFORE_ROWS}
    return _sorted_json(before)[:-1], b"," + _sorted_json(after)[1:]


def _sorted_json(fields: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(fields, order="sorted")


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, so that one moment has one spelling."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # at the edge of the calendar: with its own offset
        return moment.isoformat(timespec="microseconds")
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def columns(line: Line) -> tuple[Any, ...]:
    """The values for $1 to $10 of APPEND."""
    return (
        line.at, line.actor, line.device, line.verb, line.outcome, line.id,
        list(line.subjects), line.organ, *halves(line),
    )  # fmt: skip


async def append(line: Line) -> None:
    """Write one row in the current transaction, after the facts that it tells of: the database names them in it.

    While a command of an operator runs, it names them (operators.py).
    """
    await execute(APPEND, *columns(msgspec.structs.replace(line, facts={**line.facts, **operators.facts()})))


async def note(verb: str, facts: Mapping[str, Any]) -> None:
    """Write a line about the whole house, which has no organ and nobody as its subject."""
    await append(Line(at=datetime.now(UTC), verb=verb, outcome="done", facts=facts))


OF_ANOTHER_CLUSTER = """
SELECT c.system_identifier IS DISTINCT FROM (SELECT system_identifier FROM journal_epoch ORDER BY epoch DESC LIMIT 1)
FROM pg_control_system() c
"""


async def schema_exists() -> bool:
    """Whether migrations have created the schema."""
    return await value("SELECT to_regclass('journal')") is not None


async def is_of_another_cluster() -> bool:
    """Whether the database was restored into another cluster since its epoch began. Migrating begins a new epoch."""
    return bool(await value(OF_ANOTHER_CLUSTER))


async def could_be_altered() -> bool:
    """Whether the current database role may change or delete rows of the journal."""
    return bool(await value("SELECT has_table_privilege('journal', 'UPDATE, DELETE, TRUNCATE')"))


class Position(NamedTuple):
    """A row's place in the order of the journal. The checkpoints and the feed go in this order."""

    epoch: int = 0
    xid: int = 0
    seq: int = 0


def position(row: Any) -> Position:
    return Position(row["epoch"], row["xid"], row["seq"])
