"""Filters of lists: by person, badge, organ, period, case, incident, work and place.

Guarantees: a filter narrows what its viewer sees and shows nothing more. An act decides about a filter (of case,
incident, work or place) only where the viewer may see that act. A badge number means everybody who had it when it
happened, or has it now. Each is found by an index, in a house of any size: of a work or a place with few acts, the rows
are found by these acts; of a work with many, by the newest of them where they fill the page, else among the newest
rows.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from backend.activities.reads import ACTIVITY
from backend.core.database import Record, fetch
from backend.core.database import value as one_value
from backend.core.paging import ListQuery, PageCursor, invalid_parameter, moment_parameter, rows_of_page
from backend.core.verb import Actor
from backend.core.visibility import OVERSEEN, AccessFilter, IndexPath
from backend.law.catalogue import law

NEAR = re.compile(r"(-?[0-9.]+),(-?[0-9.]+)(?:,([0-9]+))?")
RADIUS = 200  # metres, where none is given
FEW = 2000  # reading so many acts costs about as much as a page among rows of which one in some hundreds fits
UNDER = "SELECT organs_under(ARRAY[{}::text])"
HOLDERS = "SELECT DISTINCT t.person AS value FROM stint t WHERE t.badge = {}::text"
HAD_BADGE = """({person} IN (SELECT n.id FROM person_now n WHERE n.badge = {value}::text) OR EXISTS (
    SELECT FROM stint t WHERE t.person = {person} AND t.badge = {value}::text
    AND t.during @> ({at} AT TIME ZONE 'Asia/Shanghai')::date))"""
OF_CASE = "case_key({act}.case_ref) = case_key({value}::text)"
OF_INCIDENT = "case_key({act}.incident_ref) = case_key({value}::text)"
OF_WORK = "{act}.work = {value}::text"
# In a box around the place that holds all that may be near it, and some more. Found by an index.
IN_BOX = "({place} IS NOT NULL AND place_box({place}) && place_box({value}::jsonb))"
TOLD_IN_BOX = f"SELECT k.activity FROM activity_telling k WHERE {IN_BOX.format(place='k.place', value='{value}')}"  # noqa: S608
ACTS_OF_WORK = "SELECT x.id FROM activity x WHERE x.work = $1 LIMIT $2"
HOW_MANY_NEAR = f"""SELECT count(*) FROM (({TOLD_IN_BOX.format(value="$1")} LIMIT $2)
    UNION ALL (SELECT x.id FROM shift x WHERE {IN_BOX.format(place="x.place", value="$1")} LIMIT $2)) y"""  # noqa: S608
NEWEST, SLICES = 100, 8  # acts of a work that are read at once, and how often: mostly enough for a page of fifty rows
FIRST_ID = UUID(int=0)
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)  # see moment_parameter
NEWEST_ACTS = ListQuery(
    "SELECT a.id, a.started_at FROM activity a", "activity a", ACTIVITY, "a.work = $3::text AND a.started_at <= $4"
)
ACTS_LASTING = "SELECT x.id FROM activity x WHERE x.work = $1 AND x.reach @> $2::timestamptz"
IS_NEAR = (
    "may_be_near({place}, {value}::jsonb, ({value}::jsonb->>'radius_m')::float8, ({value}::jsonb->>'datums')::float8)"
)


class ListFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows to list: of a person, a badge, an organ and all below it, a period, a case, an incident, a work, near
    a place.

    `near`: latitude, longitude in degrees and a radius in metres, as `30.2741,120.1551,300`.
    """

    person: UUID | None = None
    badge: str | None = None
    organ: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    case: str | None = None
    work: str | None = None
    near: str | None = None
    incident: str | None = None


class Filterable(NamedTuple):
    """How the rows of one list are filtered. SQL; `{value}` is the filter's value.

    `began`: when a row began. `lasts`: the time of a row, a range. `about`: a condition on a row that holds where
    `{act}`, a condition on the activity `a`, does. `near`: whether a row is near a place. `found_by`: column and ids of
    the rows that a filter by case, work or place leaves, and perhaps others. `spanning`: ids of rows that may last at a
    moment; None: the list has no index of that. `numbered`: whether a row names the incident itself; None: it cannot.
    """

    person: str
    organ: str
    began: str
    lasts: str
    about: str
    near: str
    found_by: Mapping[str, IndexPath]
    spanning: str | None = None
    numbered: str | None = None


def found_by(
    column: str, ids: str, *, near: str | None = None, numbered: str | None = None
) -> Mapping[str, IndexPath]:  # fmt: skip
    """The rows of a case, an incident, a work, a place.

    `ids`: SQL of them, by acts `x` that fulfil `{acts}`; `near`: of a place; `numbered`: of those that name the
    incident themselves.
    """
    acts = {"case": OF_CASE, "incident": OF_INCIDENT, "work": OF_WORK, "near": f"x.id IN ({TOLD_IN_BOX})"}
    paths = {name: ids.format(acts=of.format(act="x", value="{value}")) for name, of in acts.items()}
    paths["acts"] = ids.format(acts="x.id = ANY ({value}::uuid[])")
    paths |= {"incident": f"{paths['incident']} UNION {numbered}"} if numbered else {}
    return {name: IndexPath(column, values) for name, values in (paths | ({"near": near} if near else {})).items()}


async def rows_wanted(
    query: ListQuery, how: Filterable, wanted: ListFilter, actor: Actor, cursor: str | None, limit: int
) -> Sequence[Record]:
    """The rows of one page with these filters, and one more where there is a next page. Raises Refusal `invalid`."""
    values = values_of(wanted)
    by_acts, ids = await _narrowest(values)
    if (
        by_acts is None
        and "work" in values
        and values.keys() <= {"work", "since", "until"}
        and how.spanning is not None
    ):
        rows = await _rows_of_newest_acts(query, how, values, actor, cursor, limit)
        if rows is not None:
            return rows
    return await rows_of_page(_listed(query, how, values, by_acts), actor, cursor, limit, *values.values(), *ids)


async def narrowed(query: ListQuery, how: Filterable, wanted: ListFilter) -> tuple[ListQuery, list[Any]]:
    """The query of a list for these filters, and their values, from $3 on. Raises Refusal `invalid`."""
    values = values_of(wanted)
    by_acts, ids = await _narrowest(values)
    return _listed(query, how, values, by_acts), [*values.values(), *ids]


def _listed(query: ListQuery, how: Filterable, values: Mapping[str, Any], by_acts: str | None) -> ListQuery:
    numbered = _numbered(values)
    # `since` is asked on the paths where there are paths for it: asked twice, the planner expects too little.
    on_paths = {"since"} if how.spanning is not None and by_acts is None else set()
    asked = {name: value for name, value in numbered.items() if name not in on_paths}
    return _on_paths(query, how, asked, _paths(query, how, numbered, by_acts))


async def _rows_of_newest_acts(
    query: ListQuery, how: Filterable, values: dict[str, Any], actor: Actor, cursor: str | None, limit: int
) -> Sequence[Record] | None:
    """A page of rows of the newest acts of a work that the viewer may see; None: these are not enough for a page."""
    rows: list[Record] = []
    for _ in range(SLICES):
        found, cursor = await _slice(query, how, values, actor, cursor, limit)
        rows += found
        if len(rows) > limit or cursor is None:
            return rows[: limit + 1]
    return None


async def _slice(
    query: ListQuery, how: Filterable, values: dict[str, Any], actor: Actor, cursor: str | None, limit: int
) -> tuple[Sequence[Record], str | None]:
    """The rows from `oldest` to `before`, the time in which the newest acts began; and where the next slice goes on.

    Of such a row, an act of that work began in that time, or lasted at `oldest`, or the row lasts at `before`: these
    three find every row.
    """
    page, number = PageCursor.after(cursor), min(NEWEST, law().count("page_ceiling"))
    before = min(values.get("until", LATEST), LATEST if page is None else page.at)
    acts = await rows_of_page(NEWEST_ACTS, actor, None, number, values["work"], before)
    oldest = acts[-1]["started_at"] if len(acts) > number else EARLIEST
    ids = [act["id"] for act in (*acts, *await fetch(ACTS_LASTING, values["work"], oldest))]
    numbered, more = _numbered(values), len(values) + 3
    by_acts, lasting = how.found_by["acts"], str(how.spanning).format(value=f"${more + 1}::timestamptz")
    path = by_acts._replace(values=f"{by_acts.values.format(value=f'${more}')} UNION {lasting}")
    listed = _on_paths(query, how, numbered, [path])
    listed = listed._replace(where=f"{listed.where} AND {how.began} >= ${more + 2}::timestamptz")
    rows = await rows_of_page(listed, actor, cursor, limit, *values.values(), ids, before, oldest)
    return rows, None if oldest == EARLIEST else PageCursor(oldest, FIRST_ID).cursor()


def _numbered(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"${number}" for number, name in enumerate(values, 3)}


def _on_paths(query: ListQuery, how: Filterable, asked: Mapping[str, str], paths: Sequence[IndexPath]) -> ListQuery:
    """The query for the rows on these paths that these filters leave."""
    conditions = [query.where, *(_condition(name, value, how) for name, value in asked.items())]
    return query._replace(visible=query.visible._replace(paths=tuple(paths)), where=" AND ".join(conditions))


async def _narrowest(values: Mapping[str, Any]) -> tuple[str | None, list[Any]]:
    """The path on which the rows are found by acts (see `found_by`), and its value where that is no filter's.

    By a case or an incident, or a place with few acts; of a work with few, by these acts themselves: the plan that a
    connection keeps would expect as many as works have in the mean. None: no such.
    """
    for name in ("case", "incident"):
        if name in values:
            return name, []
    if values.keys() & {"person", "badge"}:
        return None, []
    if "near" in values and await one_value(HOW_MANY_NEAR, values["near"], FEW + 1) <= FEW:
        return "near", []
    if "work" in values and len(acts := await fetch(ACTS_OF_WORK, values["work"], FEW + 1)) <= FEW:
        return "acts", [[act["id"] for act in acts]]
    return None, []


def values_of(wanted: ListFilter) -> dict[str, Any]:
    """The filters that are set, by name, as values of SQL; those of ListFilter alone. Raises Refusal `invalid`."""
    values = {name: value for name in ListFilter.__struct_fields__ if (value := getattr(wanted, name)) is not None}
    for name, parameter in (("since", "from"), ("until", "to")):
        if name in values:
            values[name] = moment_parameter(parameter, values[name])
    if "near" in values:
        values["near"] = place_near(values["near"])
    return values


def place_near(text: str) -> str:
    """A place with its radius as JSON. Raises Refusal `invalid`."""
    match = NEAR.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        lat, lon, radius = float(match[1]), float(match[2]), int(match[3] or RADIUS)
    except ValueError:
        raise invalid_parameter("near", "needs latitude,longitude or latitude,longitude,metres") from None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180 and 1 <= radius <= 20_000):
        raise invalid_parameter("near", "out of range")
    place = {"lat": lat, "lon": lon, "accuracy_m": 0, "datum": "WGS84", "radius_m": radius}
    return msgspec.json.encode(place | {"datums": law().count("datums_apart")}).decode()


def _condition(name: str, value: str, how: Filterable) -> str:
    if name == "person":
        return f"{how.person} = {value}::uuid"
    if name == "badge":
        return HAD_BADGE.format(person=how.person, at=how.began, value=value)
    if name == "organ":
        return f"{how.organ} IN ({UNDER.format(value)})"
    if name == "since":
        return f"({how.began} >= {value}::timestamptz OR {how.lasts} @> {value}::timestamptz)"
    if name == "until":
        return f"{how.began} < {value}::timestamptz"
    if name == "near":
        return how.near.format(value=value)
    of = {"case": OF_CASE, "incident": OF_INCIDENT, "work": OF_WORK}[name]
    by_acts = how.about.format(act=of.format(act="a", value=value))
    if name == "incident" and how.numbered is not None:
        return f"({how.numbered.format(value=value)} OR {by_acts})"
    return by_acts


def _paths(
    query: ListQuery, how: Filterable, numbered: dict[str, str], by_acts: str | None
) -> Sequence[IndexPath]:  # fmt: skip
    """The index paths on which the rows wanted lie: the narrowest one that a filter names, else those of the viewer."""
    if by_acts is not None:
        path, value = how.found_by[by_acts], numbered.get(by_acts, f"${len(numbered) + 3}")
        return [path._replace(values=path.values.format(value=value))]
    paths = _paths_to_people(query.visible, how, numbered)
    if "since" not in numbered or how.spanning is None:
        return paths
    since = f"{numbered['since']}::timestamptz"
    began = f"{how.began} >= {since}"
    lasting = IndexPath(query.id, how.spanning.format(value=since), f"{how.lasts} @> {since}")
    return [*(path._replace(within=f"{path.within} AND {began}") for path in paths), lasting]


def _paths_to_people(visible: AccessFilter, how: Filterable, numbered: dict[str, str]) -> Sequence[IndexPath]:
    if "person" in numbered:
        return [IndexPath(how.person, f"SELECT {numbered['person']}::uuid AS value")]
    if "badge" in numbered:
        return [IndexPath(how.person, HOLDERS.format(numbered["badge"]))]
    if "organ" in numbered:
        within = IndexPath(how.organ, f"{OVERSEEN} INTERSECT {UNDER.format(numbered['organ'])}")
        return [within if (path.column, path.values) == (how.organ, OVERSEEN) else path for path in visible.paths]
    return visible.paths
