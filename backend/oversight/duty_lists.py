"""The lists of shifts, footage and acts that one may see, by filters that look across features.

Guarantees: see backend/oversight/filters.py. The same rows as without a filter, and of these only those wanted.
"""

from backend.activities.reads import ACTIVITIES_LISTED, ACTIVITY, ActivityListRow, activity_list_row
from backend.core.paging import ListQuery, Page, as_row, next_page
from backend.core.verb import Actor
from backend.evidence.reads import NO_DUPLICATE, RECORDING_FILTER, SELECT_RECORDINGS, RecordingRow
from backend.evidence.tables import SHOWN
from backend.oversight.filters import IN_BOX, IS_NEAR, OF_INCIDENT, Filterable, ListFilter, found_by, rows_wanted
from backend.shifts.reads import SHIFT, SHIFTS, ShiftRow, shift_row

SHIFT_LIST = ListQuery(SHIFTS, "shift s", SHIFT)
RECORDING_LIST = ListQuery(SELECT_RECORDINGS, "recording r", RECORDING_FILTER, NO_DUPLICATE)
ACTIVITY_LIST = ListQuery(ACTIVITIES_LISTED, "activity a", ACTIVITY)
# Written so that each part finds its acts by person and time.
OWN_ACT = f"""EXISTS (SELECT FROM activity a WHERE a.person = {{person}} AND a.reach && {{span}}
    AND acted(a) && {{span}} AND {{act}} AND {ACTIVITY.condition})"""
LED_ACT = f"""EXISTS (SELECT FROM led l JOIN activity a ON a.person = l.auxiliary WHERE l.officer = r.wearer
    AND l.named && {SHOWN} AND a.reach && {SHOWN} AND l.during && ({SHOWN} * acted(a))
    AND {{act}} AND {ACTIVITY.condition})"""
ABOUT_FOOTAGE = "(" + OWN_ACT.format(person="r.wearer", span=SHOWN, act="{act}") + f" OR {LED_ACT})"
TOLD_NEAR = f"""EXISTS (SELECT FROM activity_telling t WHERE t.activity = a.id AND t.place IS NOT NULL
    AND {IS_NEAR.format(place="t.place", value="{value}")})"""
# Ids of what was filmed during some acts: begun meanwhile, or running when the act began. `OFFSET 0` keeps each search
# to one act: these are few, and the planner, who expects hundreds, would read all footage instead.
FILMED_THEN = """JOIN LATERAL (
    SELECT z.id FROM recording z WHERE z.wearer = {wearer}
        AND z.started_at BETWEEN lower(x.reach) AND coalesce(upper(x.reach), 'infinity')
    UNION ALL SELECT z.id FROM recording z WHERE z.wearer = {wearer} AND z.during @> lower(x.reach)
    OFFSET 0
) y ON true"""
FILMED_OF_ACTS = f"""
SELECT y.id AS value FROM activity x {FILMED_THEN.format(wearer="x.person")} WHERE {{acts}}
UNION SELECT y.id FROM activity x JOIN LATERAL (
    SELECT s.officer FROM supervision s WHERE s.auxiliary = x.person AND s.during && x.reach OFFSET 0
) v ON true {FILMED_THEN.format(wearer="v.officer")} WHERE {{acts}}
"""  # noqa: S608
FILMED_OF_INCIDENT = f"SELECT y.id FROM recording y WHERE {OF_INCIDENT.format(act='y', value='{value}')}"  # noqa: S608
SHIFTS_OF_ACTS = """
SELECT DISTINCT y.id AS value FROM activity x JOIN LATERAL (
    SELECT z.id FROM shift z WHERE z.person = x.person AND z.during && x.reach OFFSET 0
) y ON true WHERE {acts}
"""
SHIFTS_THERE = f"SELECT x.id AS value FROM shift x WHERE {IN_BOX.format(place='x.place', value='{value}')}"  # noqa: S608
SHIFT_FILTERS = Filterable(
    person="s.person", organ="s.organ", began="s.started_at", lasts="s.during",
    spanning="SELECT x.id AS value FROM shift x WHERE x.during @> {value}",
    about=OWN_ACT.format(person="s.person", span="s.during", act="{act}"),
    found_by=found_by("s.id", SHIFTS_OF_ACTS, near=SHIFTS_THERE),
    near=f"s.place IS NOT NULL AND {IS_NEAR.format(place='s.place', value='{value}')}",
)  # fmt: skip
RECORDING_FILTERS = Filterable(
    person="r.wearer", organ="r.organ", began="r.started_at",
    lasts="tstzrange(r.started_at, coalesce(greatest(r.ended_at, r.film_ends_at), r.started_at))",
    spanning="SELECT x.id AS value FROM recording x WHERE x.during @> {value}",
    about=ABOUT_FOOTAGE,
    found_by=found_by("r.id", FILMED_OF_ACTS, numbered=FILMED_OF_INCIDENT),
    numbered=OF_INCIDENT.format(act="r", value="{value}"),
    near=ABOUT_FOOTAGE.format(act=TOLD_NEAR),
)  # fmt: skip
ACTIVITY_FILTERS = Filterable(
    person="a.person", organ="a.organ", began="a.started_at", lasts="acted(a)",
    spanning="SELECT x.id AS value FROM activity x WHERE x.reach @> {value}",
    about="{act}",
    found_by=found_by("a.id", "SELECT x.id AS value FROM activity x WHERE {acts}"),
    near=TOLD_NEAR,
)  # fmt: skip


async def shifts(actor: Actor, wanted: ListFilter, cursor: str | None, limit: int) -> Page[ShiftRow]:
    """A page of the shifts that the actor may see, newest first. Raises Refusal `invalid`."""
    rows = await rows_wanted(SHIFT_LIST, SHIFT_FILTERS, wanted, actor, cursor, limit)
    return Page(items=[shift_row(row) for row in rows[:limit]], next=next_page(rows, limit))


async def recordings(actor: Actor, wanted: ListFilter, cursor: str | None, limit: int) -> Page[RecordingRow]:
    """A page of the recordings that the actor may see, newest first. Raises Refusal `invalid`."""
    rows = await rows_wanted(RECORDING_LIST, RECORDING_FILTERS, wanted, actor, cursor, limit)
    return Page(items=[as_row(RecordingRow, row) for row in rows[:limit]], next=next_page(rows, limit))


async def activities(actor: Actor, wanted: ListFilter, cursor: str | None, limit: int) -> Page[ActivityListRow]:
    """A page of the acts that the actor may see, newest first. Raises Refusal `invalid`."""
    rows = await rows_wanted(ACTIVITY_LIST, ACTIVITY_FILTERS, wanted, actor, cursor, limit)
    return Page(items=[activity_list_row(row) for row in rows[:limit]], next=next_page(rows, limit))
