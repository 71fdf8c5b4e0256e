"""List the findings that one may see."""

from typing import Any, Literal

from backend.activities.reads import ACTIVITY
from backend.core.findings import FindingRow, finding_row
from backend.core.paging import ListQuery, Page, next_page, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import OVERSEEN, AccessFilter, IndexPath, visible_while_led
from backend.law.catalogue import Language
from backend.oversight.filters import HAD_BADGE, HOLDERS, IS_NEAR, OF_CASE, ListFilter, values_of
from backend.shifts.reads import SHIFT

FINDING = visible_while_led(
    auxiliary="f.person", organ="f.organ", began="coalesce(f.started_at, f.found_at)",
    span="tstzrange(coalesce(f.started_at, f.found_at), coalesce(f.ended_at, f.started_at, f.found_at), '[]')",
).only("NOT tells_of_secret(f, $1)")  # fmt: skip
FINDINGS = """
SELECT f.*, p.badge, p.name, o.name AS organ_name
FROM finding f LEFT JOIN person_now p ON p.id = f.person JOIN organ o ON o.code = f.organ
"""
# Of an act that the viewer may see, by what was told of it; and of a shift, by where it began.
OF_AN_ACT = f"""EXISTS (SELECT FROM activity_telling k JOIN activity a ON a.id = k.activity
    WHERE k.id = f.subject AND {{act}} AND {ACTIVITY.condition})"""
NEAR_ACT = OF_AN_ACT.format(act=IS_NEAR.format(place="k.place", value="{value}") + " AND k.place IS NOT NULL")
NEAR_SHIFT = f"""EXISTS (SELECT FROM shift s WHERE s.id = f.subject AND s.place IS NOT NULL
    AND {IS_NEAR.format(place="s.place", value="{value}")} AND {SHIFT.condition})"""
TOLD_OF_CASE = f"""
SELECT k.id AS value FROM activity x JOIN LATERAL (
    SELECT t.id FROM activity_telling t WHERE t.activity = x.id OFFSET 0
) k ON true WHERE {OF_CASE.format(act="x", value="{value}")}
"""  # noqa: S608
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
    "badge": HAD_BADGE.format(person="f.person", at="coalesce(f.started_at, f.found_at)", value="{value}"),
    "case": OF_AN_ACT.format(act=OF_CASE.format(act="a", value="{value}")),
    "work": OF_AN_ACT.format(act="a.work = {value}::text"),
    "near": f"({NEAR_ACT} OR {NEAR_SHIFT})",
}


class FindingsFilter(ListFilter, frozen=True, kw_only=True):
    """Which findings to list: those of a ListFilter, of a kind, standing or not.

    Case, work and place are those of the act that a finding is about; of a shift, the place where it began.
    """

    kind: str | None = None
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
    return {name: value for name, value in values_of(wanted).items() if name in FILTERS}


def _narrowed(placeholders: dict[str, str]) -> AccessFilter:
    """Only the index paths to the case, person or organs wanted: reading the others to their end would be wasted."""
    if "case" in placeholders:
        of_case = TOLD_OF_CASE.format(value=placeholders["case"])
        return FINDING._replace(paths=(IndexPath("f.subject", of_case),))
    if "person" in placeholders:
        return FINDING._replace(paths=(IndexPath("f.person", f"SELECT {placeholders['person']}::uuid AS value"),))
    if "badge" in placeholders:
        return FINDING._replace(paths=(IndexPath("f.person", HOLDERS.format(placeholders["badge"])),))
    if "organ" in placeholders:
        under = f"SELECT organs_under(ARRAY[{placeholders['organ']}::text])"
        within = IndexPath("f.organ", f"{OVERSEEN} INTERSECT {under}")
        return FINDING._replace(paths=tuple(within if path.column == within.column else path for path in FINDING.paths))
    return FINDING
