"""Findings of everybody one may see, as a list."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.core.findings import FindingRow, finding_row
from backend.core.paging import ListQuery, moment_parameter, next_page, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import OVERSEEN, AccessFilter, IndexPath, visible_while_led
from backend.law.catalogue import Language

FINDING = visible_while_led(
    auxiliary="f.person", organ="f.organ", began="coalesce(f.started_at, f.found_at)",
    span="tstzrange(coalesce(f.started_at, f.found_at), coalesce(f.ended_at, f.started_at, f.found_at), '[]')",
)  # fmt: skip
FINDS = "SELECT f.* FROM finding f"
FindingStatus = Literal["standing", "open", "explained", "withdrawn", "all"]
FINDING_STATUSES = {
    "standing": "f.withdrawn_at IS NULL",
    "open": "f.withdrawn_at IS NULL AND NOT f.explained",
    "explained": "f.withdrawn_at IS NULL AND f.explained",
    "withdrawn": "f.withdrawn_at IS NOT NULL",
    "all": "true",
}
SOUGHT = {
    "organ": "f.organ IN (SELECT organs_under(ARRAY[{value}::text]))",
    "kind": "f.kind = {value}::text",
    "person": "f.person = {value}::uuid",
    "since": "coalesce(f.ended_at, f.started_at, f.found_at) >= {value}::timestamptz",
    "until": "coalesce(f.started_at, f.found_at) < {value}::timestamptz",
}


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """A page of findings."""

    items: list[FindingRow]
    next: str | None


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings: of an organ and all below it, of a kind, about a person, of what happened in a period."""

    organ: str | None = None
    kind: str | None = None
    person: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    standing: "FindingStatus" = "standing"


async def findings(actor: Actor, sought: Sought, language: Language, cursor: str | None, limit: int) -> Findings:
    """What was found, the newest first, as far as one may see it."""
    values = _values(sought)
    asked = {name: f"${number}" for number, name in enumerate(values, 3)}
    conditions = [FINDING_STATUSES[sought.standing], *(SOUGHT[name].format(value=asked[name]) for name in asked)]
    listed = ListQuery(FINDS, "finding f", _narrowed(asked), " AND ".join(conditions), by="found_at")
    rows = await rows_of_page(listed, actor, cursor, limit, *values.values())
    return Findings(items=[finding_row(row, language) for row in rows[:limit]], next=next_page(rows, limit, "found_at"))


def _values(sought: Sought) -> dict[str, Any]:
    """What was asked for, by name. Raises Refusal `invalid`."""
    values = {name: getattr(sought, name) for name in SOUGHT if getattr(sought, name) is not None}
    moments = {"since": "from", "until": "to"}
    return values | {name: moment_parameter(moments[name], values[name]) for name in moments if name in values}


def _narrowed(asked: dict[str, str]) -> AccessFilter:
    """The ways to the person or into the organs asked for, so that no other is read to the end for nothing."""
    if "person" in asked:
        return FINDING._replace(paths=(IndexPath("f.person", f"SELECT {asked['person']}::uuid AS value"),))
    if "organ" in asked:
        within = IndexPath("f.organ", f"{OVERSEEN} INTERSECT SELECT organs_under(ARRAY[{asked['organ']}::text])")
        return FINDING._replace(paths=tuple(within if path.column == within.column else path for path in FINDING.paths))
    return FINDING
