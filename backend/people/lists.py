"""List people and organs.

Guarantees: whoever oversees or administers an organ finds everybody of its subtree; anybody else finds themselves, and
an officer in service by their whole badge number, as by `GET /v1/people/{badge}`. Who is on duty is known to those who
may see the shift: not to an administrator. What a person filters by is never more than what the row would show.
"""

import base64
import unicodedata
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from backend.core.database import fetch
from backend.core.described import Badge, KindOfPerson, OrganCode, OrganName, PersonId, PersonName
from backend.core.officers import TODAY
from backend.core.paging import Page, as_row, invalid_parameter
from backend.core.roles import ADMINISTERING, OVERSEEING
from backend.core.verb import Actor, Role
from backend.core.visibility import viewer
from backend.people import pinyin
from backend.people.kinds import is_known
from backend.people.schemas import RoleKind

Serving = Literal["today", "all"]
# $1: who asks; $2: the organs of their roles; $3: those whose shifts they see; $4: the badge asked for.
REACHED = "(s.person = $1 OR s.organ IN (SELECT organs_under($2::text[])))"
LISTED = f"({REACHED} OR s.kind = 'officer' AND s.badge = $4 AND s.during @> {TODAY})"
# One row a person: their service today, else with `all` the newest one that may be seen.
STANDS = {
    "today": f"s.during @> {TODAY}",
    "all": f"""NOT EXISTS (SELECT FROM stint o WHERE o.person = s.person AND lower(o.during) > lower(s.during)
        AND {REACHED.replace("s.", "o.")})""",
}
ROLES = f"""SELECT g.role, g.organ FROM role_grant g WHERE g.person = s.person AND g.valid_from <= {TODAY}
    AND coalesce(g.valid_until >= {TODAY}, true)
    AND (s.person = $1 OR g.organ IN (SELECT organs_under($2::text[])))"""  # noqa: S608 - constants, here and below
ON_DUTY = """CASE WHEN s.person = $1 OR s.organ IN (SELECT organs_under($3::text[])) THEN EXISTS (
    SELECT FROM shift h WHERE h.person = s.person AND h.in_force AND h.during @> now()) END"""
PEOPLE = f"""
SELECT s.person AS id, s.badge, s.name, s.kind, s.organ, o.name AS organ_name, lower(s.during) AS serves_from,
    upper(s.during) - 1 AS serves_until, {ON_DUTY} AS on_duty,
    coalesce((SELECT json_agg(json_build_object('role', r.role, 'organ', r.organ) ORDER BY r.role, r.organ)
        FROM ({ROLES}) r), '[]') AS roles
FROM stint s JOIN organ o ON o.code = s.organ
WHERE {LISTED} AND {{where}} ORDER BY s.badge, s.person LIMIT {{limit}}
"""  # noqa: S608
FILTERS = {
    "badge": "upper(s.badge) LIKE upper({value}::text) || '%'",
    "name": r"position({value}::text IN regexp_replace(s.name, '[\s·•]', '', 'g')) > 0",
    "names": "(s.name = ANY ({value}::text[]) OR upper(s.badge) LIKE upper({also}::text) || '%')",
    "organ": "s.organ IN (SELECT organs_under(ARRAY[{value}::text]))",
    "kind": "s.kind = {value}::text",
    "role": f"EXISTS (SELECT FROM ({ROLES}) r WHERE r.role = {{value}}::text)",
    "on_duty": f"({ON_DUTY}) = {{value}}::boolean",
    "after": "(s.badge, s.person) > ({value}::text, {also}::uuid)",
}
NAMES = f"SELECT DISTINCT s.name FROM stint s WHERE {REACHED}"  # noqa: S608
# One's own organ with all above it, and all below one's roles.
ORGANS = """
WITH RECURSIVE up AS (
    SELECT o.code, o.parent FROM organ o WHERE o.code = $1
    UNION SELECT o.code, o.parent FROM organ o JOIN up ON o.code = up.parent
)
SELECT o.code, o.name, o.parent, o.depth FROM organ o
WHERE (o.code IN (SELECT code FROM up) OR o.code IN (SELECT organs_under($2::text[])))
    AND ($3::text IS NULL OR o.code > $3) ORDER BY o.code LIMIT $4
"""


class PersonRow(msgspec.Struct, frozen=True, kw_only=True):
    """A person in a list."""

    id: PersonId
    badge: Badge
    name: PersonName
    kind: KindOfPerson
    organ: OrganCode
    organ_name: OrganName
    serves_from: Annotated[date, msgspec.Meta(description="first day of this service")]
    serves_until: Annotated[date | None, msgspec.Meta(description="last day of this service; null: it goes on")]
    roles: Annotated[list[Role], msgspec.Meta(description="roles held today on organs within your own roles")]
    on_duty: Annotated[bool | None, msgspec.Meta(description="whether on duty now (在岗); null: not for you to see")]


class OrganRow(msgspec.Struct, frozen=True, kw_only=True):
    """An organ in the tree."""

    code: OrganCode
    name: OrganName
    parent: Annotated[str | None, msgspec.Meta(description="code of the organ above it; null: it stands at the top")]
    depth: Annotated[int, msgspec.Meta(description="levels above it; 0: the top")]


class PeopleFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to list. `q`: part of the name, initials of the name in pinyin, or the beginning of the badge."""

    q: str | None = None
    organ: str | None = None
    kind: KindOfPerson | None = None
    role: RoleKind | None = None
    on_duty: bool | None = None
    serving: Serving = "today"


class _Where(NamedTuple):
    """Conditions of a statement, and its values."""

    conditions: list[str]
    values: list[Any]

    def add(self, name: str, value: Any, also: Any = None) -> None:
        """Add a filter. `also`: its second value."""
        self.values.append(value)
        number = len(self.values)
        if also is not None:
            self.values.append(also)
        self.conditions.append(FILTERS[name].format(value=f"${number}", also=f"${number + 1}"))


async def people(actor: Actor, wanted: PeopleFilter, cursor: str | None, limit: int) -> Page[PersonRow]:
    """A page of the people whom the actor may find, by badge number. Raises Refusal `invalid`: a bad cursor, an
    unknown kind."""
    reach = viewer(actor, OVERSEEING | ADMINISTERING)
    typed = _typed(wanted.q)
    where = _Where([STANDS[wanted.serving]], [*reach, viewer(actor)[1], typed])
    if typed is not None:
        await _search(where, typed, reach)
    if wanted.kind is not None and not is_known(wanted.kind):
        raise invalid_parameter("kind", "no such kind of person")
    for name in ("organ", "kind", "role", "on_duty"):
        if getattr(wanted, name) is not None:
            where.add(name, getattr(wanted, name))
    if cursor is not None:
        where.add("after", *_position(cursor))
    rows = await fetch(PEOPLE.format(where=" AND ".join(where.conditions), limit=limit + 1), *where.values)
    following = _cursor(rows[limit - 1]) if len(rows) > limit else None
    return Page(items=[_person_row(row) for row in rows[:limit]], next=following)


async def _search(where: _Where, typed: str, reach: tuple[Any, Any]) -> None:
    """Look for what was typed: letters are initials or the beginning of a badge, digits a badge, the rest a name."""
    if not typed.isascii():
        where.add("name", typed)
    elif typed.isalpha():
        names = [row["name"] for row in await fetch(NAMES, *reach)]
        where.add("names", [name for name in names if pinyin.begins_with(name, typed)], _plain(typed))
    else:
        where.add("badge", _plain(typed))


def _typed(text: str | None) -> str | None:
    """The text without spaces and dots, full-width letters and digits as plain ones; None where nothing is left."""
    if text is None:
        return None
    return "".join(unicodedata.normalize("NFKC", text).replace("·", "").replace("•", "").split()) or None


def _plain(typed: str) -> str:
    """Without meaning for LIKE."""
    return typed.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _person_row(row: Any) -> PersonRow:
    fields = {field: row[field] for field in PersonRow.__struct_fields__}
    return PersonRow(**fields | {"roles": msgspec.json.decode(row["roles"], type=list[Role])})


def _cursor(row: Any) -> str:
    return base64.urlsafe_b64encode(f"{row['id']}{row['badge']}".encode()).decode()


def _position(cursor: str) -> tuple[str, UUID]:
    """The badge and id after which the page begins. Raises Refusal `invalid`."""
    try:
        text = base64.b64decode(cursor, b"-_", validate=True).decode("ascii")
        return text[36:], UUID(text[:36])
    except ValueError:
        raise invalid_parameter("cursor", "not one of ours") from None


async def organs(actor: Actor, after: str | None, limit: int) -> Page[OrganRow]:
    """A page of the tree of organs, by code: the actor's own with all above it, and all below their roles."""
    mine = [role.organ for role in actor.roles]
    rows = await fetch(ORGANS, actor.organ, mine, after, limit + 1)
    last = rows[limit - 1]["code"] if len(rows) > limit else None
    return Page(items=[as_row(OrganRow, row) for row in rows[:limit]], next=last)


async def organ_names(codes: Iterable[str]) -> dict[str, str]:
    """The names of these organs, by code."""
    rows = await fetch("SELECT code, name FROM organ WHERE code = ANY ($1)", sorted(codes))
    return {row["code"]: row["name"] for row in rows}
