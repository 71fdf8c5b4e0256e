"""List the findings that one may see."""

from typing import Literal

from backend.activities.reads import ACTIVITY
from backend.core.findings import NO_SECRET, NOT_KEPT, ORDERED_BY, ORDERED_BY_NAME, FindingRow, finding_row
from backend.core.paging import ListQuery, Page, next_page, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import IndexPath, visible_to, visible_while_led
from backend.law.catalogue import Language
from backend.oversight.filters import IN_BOX, IS_NEAR, TOLD_IN_BOX, Filterable, ListFilter, found_by, narrowed
from backend.shifts.reads import SHIFT

BEGAN = "coalesce(f.started_at, f.found_at)"
LASTS = f"tstzrange({BEGAN}, coalesce(f.ended_at, f.started_at, f.found_at), '[]')"
# Of training, insurance and hours an officer learns nothing by having led. Whoever ordered an act sees what follows.
ORDERED = "EXISTS (SELECT FROM given_order o WHERE o.id = f.subject AND o.officer = $1 AND f.kind = ANY (o.codes))"
ORDERED_ONES = """
SELECT x.id AS value FROM given_order o JOIN finding x ON x.subject = o.id WHERE o.officer = $1
"""
FINDING = (
    visible_while_led(auxiliary="f.person", organ="f.organ", began=BEGAN, span=LASTS)
    .only(f"({NOT_KEPT} OR {visible_to(own=['f.person'], organ='f.organ').condition})")
    .also(ORDERED, IndexPath("f.id", ORDERED_ONES))
    .only(NO_SECRET.format(viewer="$1"))
)
FINDINGS = f"""
SELECT f.*, p.badge, p.name, o.name AS organ_name, {ORDERED_BY}, {ORDERED_BY_NAME}
FROM finding f LEFT JOIN person_now p ON p.id = f.person JOIN organ o ON o.code = f.organ
"""  # noqa: S608 - constants
# Of an act that the viewer may see, by what was told of it; and of a shift, by where it began.
OF_AN_ACT = f"""EXISTS (SELECT FROM activity_telling k JOIN activity a ON a.id = k.activity
    WHERE k.id = f.subject AND {{act}} AND {ACTIVITY.condition})"""
NEAR_ACT = OF_AN_ACT.format(act=IS_NEAR.format(place="k.place", value="{value}") + " AND k.place IS NOT NULL")
NEAR_SHIFT = f"""EXISTS (SELECT FROM shift s WHERE s.id = f.subject AND s.place IS NOT NULL
    AND {IS_NEAR.format(place="s.place", value="{value}")} AND {SHIFT.condition})"""
TOLD_OF_ACTS = """
SELECT k.id AS value FROM activity x JOIN LATERAL (
    SELECT t.id FROM activity_telling t WHERE t.activity = x.id OFFSET 0
) k ON true WHERE {acts}
"""
TOLD_THERE = f"""
{TOLD_OF_ACTS.format(acts=f"x.id IN ({TOLD_IN_BOX})")}
UNION SELECT s.id FROM shift s WHERE {IN_BOX.format(place="s.place", value="{value}")}
"""  # noqa: S608
FindingStatus = Literal["standing", "open", "explained", "withdrawn", "all"]
FINDING_STATUSES = {
    "standing": "f.withdrawn_at IS NULL",
    "open": "f.withdrawn_at IS NULL AND NOT f.explained",
    "explained": "f.withdrawn_at IS NULL AND f.explained",
    "withdrawn": "f.withdrawn_at IS NOT NULL",
    "all": "true",
}
FINDING_LIST = ListQuery(FINDINGS, "finding f", FINDING, by="found_at")
FINDING_FILTERS = Filterable(
    person="f.person", organ="f.organ", began=BEGAN, lasts=LASTS, about=OF_AN_ACT,
    near=f"({NEAR_ACT} OR {NEAR_SHIFT})", found_by=found_by("f.subject", TOLD_OF_ACTS, near=TOLD_THERE),
)  # fmt: skip


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
    listed, values = await narrowed(FINDING_LIST, FINDING_FILTERS, wanted)
    conditions = [listed.where, FINDING_STATUSES[wanted.standing]]
    if wanted.kind is not None:
        values.append(wanted.kind)
        conditions.append(f"f.kind = ${len(values) + 2}::text")
    listed = listed._replace(where=" AND ".join(conditions))
    rows = await rows_of_page(listed, actor, cursor, limit, *values)
    return Page(items=[finding_row(row, language) for row in rows[:limit]], next=next_page(rows, limit, "found_at"))
