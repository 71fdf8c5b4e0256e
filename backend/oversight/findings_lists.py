"""List the findings that one may see."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.core.findings import FindingRow, finding_row
from backend.core.paging import ListQuery, Page, moment_parameter, next_page, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import OVERSEEN, AccessFilter, IndexPath, visible_while_led
from backend.law.catalogue import Language

FINDING = visible_while_led(
    auxiliary="f.person", organ="f.organ", began="coalesce(f.started_at, f.found_at)",
    span="tstzrange(coalesce(f.started_at, f.found_at), coalesce(f.ended_at, f.started_at, f.found_at), '[]')",
).only("NOT tells_of_secret(f, $1)")  # fmt: skip
FINDINGS = "SELECT f.* FROM finding f"
FindingStatus = Literal["standing", "open", "explained", "withdrawn", "all"]
FINDING_STATUSES = {
    "standing": "f.withdrawn_at IS NULL",
    "open": "f.withdrawn_at IS NULL AND NOT f.explained",
    "explained": "f.withdrawn_at IS NULL AND f.explained",
    "withdrawn": "f.withdrawn_at IS NOT NULL",
    "all": "true",
}
FILTERS = {
    "organ": "f.organ IN (SELECT organs_under(ARRAY[{value}::text]))",
    "kind": "f.kind = {value}::text",
    "person": "f.person = {value}::uuid",
    "since": "coalesce(f.ended_at, f.started_at, f.found_at) >= {value}::timestamptz",
    "until": "coalesce(f.started_at, f.found_at) < {value}::timestamptz",
}


class FindingsFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which findings to list: of an organ and all below it, of a kind, about a person, of a period."""

    organ: str | None = None
    kind: str | None = None
    person: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    standing: FindingStatus = "standing"


async def findings(
    actor: Actor, wanted: FindingsFilter, language: Language, cursor: str | None, limit: int
) -> Page[FindingRow]:
    """A page of the findings that the actor may see. Raises Refusal `invalid`."""
    values = _values(wanted)
    placeholders = {name: f"${number}" for number, name in enumerate(values, 3)}
    conditions = [
        FINDING_STATUSES[wanted.standing],
        *(FILTERS[name].format(value=placeholder) for name, placeholder in placeholders.items()),
    ]
    listed = ListQuery(FINDINGS, "finding f", _narrowed(placeholders), " AND ".join(conditions), by="found_at")
    rows = await rows_of_page(listed, actor, cursor, limit, *values.values())
    return Page(items=[finding_row(row, language) for row in rows[:limit]], next=next_page(rows, limit, "found_at"))


def _values(wanted: FindingsFilter) -> dict[str, Any]:
    """The filters that are set, by name. Raises Refusal `invalid`."""
    values = {name: getattr(wanted, name) for name in FILTERS if getattr(wanted, name) is not None}
    moments = {"since": "from", "until": "to"}
    return values | {name: moment_parameter(moments[name], values[name]) for name in moments if name in values}


def _narrowed(placeholders: dict[str, str]) -> AccessFilter:
    """Only the index paths to the person or the organs wanted: reading the others to their end would be wasted."""
    if "person" in placeholders:
        return FINDING._replace(paths=(IndexPath("f.person", f"SELECT {placeholders['person']}::uuid AS value"),))
    if "organ" in placeholders:
        under = f"SELECT organs_under(ARRAY[{placeholders['organ']}::text])"
        within = IndexPath("f.organ", f"{OVERSEEN} INTERSECT {under}")
        return FINDING._replace(paths=tuple(within if path.column == within.column else path for path in FINDING.paths))
    return FINDING
