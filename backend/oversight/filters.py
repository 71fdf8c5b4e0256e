"""Filters of lists: by person, badge, organ, period, case, work and place.

Guarantees: a filter narrows what its viewer sees and shows nothing more. An act decides about a filter (of case, work
or place) only where the viewer may see that act. A badge number means everybody who had it when it happened, or has it
now. Each is found by an index, in a house of any size: of a work or a place with few acts, the rows are found by these
acts; of one with many, among the newest rows.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from backend.core.database import value as one_value
from backend.core.paging import ListQuery, invalid_parameter, moment_parameter
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
OF_WORK = "{act}.work = {value}::text"
# In a box around the place that holds all that may be near it, and some more. Found by an index.
IN_BOX = "({place} IS NOT NULL AND place_box({place}) && place_box({value}::jsonb))"
TOLD_IN_BOX = f"SELECT k.activity FROM activity_telling k WHERE {IN_BOX.format(place='k.place', value='{value}')}"  # noqa: S608
HOW_MANY = {
    "work": "SELECT count(*) FROM (SELECT FROM activity x WHERE x.work = $1 LIMIT $2) y",
    "near": f"""SELECT count(*) FROM (({TOLD_IN_BOX.format(value="$1")} LIMIT $2)
        UNION ALL (SELECT x.id FROM shift x WHERE {IN_BOX.format(place="x.place", value="$1")} LIMIT $2)) y""",  # noqa: S608
}
IS_NEAR = (
    "may_be_near({place}, {value}::jsonb, ({value}::jsonb->>'radius_m')::float8, ({value}::jsonb->>'datums')::float8)"
)


class ListFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows to list: of a person, a badge, an organ and all below it, a period, a case, a work, near a place.

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


class Filterable(NamedTuple):
    """How the rows of one list are filtered. SQL; `{value}` is the filter's value.

    `began`: when a row began. `lasts`: the time of a row, a range. `about`: a condition on a row that holds where
    `{act}`, a condition on the activity `a`, does. `near`: whether a row is near a place. `found_by`: column and ids of
    the rows that a filter by case, work or place leaves, and perhaps others. `spanning`: ids of rows that may last at a
    moment; None: the list has no index of that.
    """

    person: str
    organ: str
    began: str
    lasts: str
    about: str
    near: str
    found_by: Mapping[str, IndexPath]
    spanning: str | None = None


def found_by(column: str, ids: str, *, near: str | None = None) -> Mapping[str, IndexPath]:
    """The rows of a case, a work, a place. `ids`: SQL of them, by acts `x` that fulfil `{acts}`; `near`: of a place."""
    acts = {"case": OF_CASE, "work": OF_WORK, "near": f"x.id IN ({TOLD_IN_BOX})"}
    paths = {name: ids.format(acts=of.format(act="x", value="{value}")) for name, of in acts.items()}
    return {name: IndexPath(column, values) for name, values in (paths | ({"near": near} if near else {})).items()}


async def narrowed(query: ListQuery, how: Filterable, wanted: ListFilter) -> tuple[ListQuery, list[Any]]:
    """The query of a list for these filters, and their values, from $3 on. Raises Refusal `invalid`."""
    values = values_of(wanted)
    numbered = {name: f"${number}" for number, name in enumerate(values, 3)}
    by_acts = await _narrowest(values)
    # `since` is asked on the paths where there are paths for it: asked twice, the planner expects too little.
    on_paths = {"since"} if how.spanning is not None and by_acts is None else set()
    conditions = [
        query.where,
        *(_condition(name, value, how) for name, value in numbered.items() if name not in on_paths),
    ]
    visible = query.visible._replace(paths=tuple(_paths(query, how, numbered, by_acts)))
    return query._replace(visible=visible, where=" AND ".join(conditions)), list(values.values())


async def _narrowest(values: Mapping[str, Any]) -> str | None:
    """The filter whose rows are found by its acts: a case, or a work or a place with few of them; None: no such."""
    if "case" in values:
        return "case"
    if values.keys() & {"person", "badge"}:
        return None
    for name in sorted(values.keys() & HOW_MANY.keys()):
        if await one_value(HOW_MANY[name], values[name], FEW + 1) <= FEW:
            return name
    return None


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
    return how.about.format(act=(OF_CASE if name == "case" else OF_WORK).format(act="a", value=value))


def _paths(
    query: ListQuery, how: Filterable, numbered: dict[str, str], by_acts: str | None
) -> Sequence[IndexPath]:  # fmt: skip
    """The index paths on which the rows wanted lie: the narrowest one that a filter names, else those of the viewer."""
    if by_acts is not None:
        path = how.found_by[by_acts]
        return [path._replace(values=path.values.format(value=numbered[by_acts]))]
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
