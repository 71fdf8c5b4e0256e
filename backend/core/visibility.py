"""Who may see which rows (DESIGN §9).

A person sees their own rows; those of an auxiliary, of the time when they led them; those of an organ, of the time
when they commanded its duty; and those of the organs below their roles. Each feature makes its `AccessFilter` here,
from the columns that hold a row's person, organ and time.
In the SQL, $1 is the actor's id and $2 the organs of the actor's roles.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from backend.core.database import value
from backend.core.findings import KEPT
from backend.core.roles import COMMANDING as COMMANDING
from backend.core.roles import HANDLING as HANDLING
from backend.core.roles import INSPECTING as INSPECTING
from backend.core.roles import OVERSEEING as OVERSEEING
from backend.core.roles import PAYING as PAYING
from backend.core.verb import Actor

ME = "SELECT $1::uuid AS value"
OVERSEEN = "SELECT organs_under($2::text[]) AS value"
WHOM_ONE_LED = """
SELECT v.auxiliary AS value, max(coalesce(upper(v.during), 'infinity')) AS until FROM supervision v
WHERE v.officer = $1 AND v.in_force AND v.answer IS DISTINCT FROM 'declined' GROUP BY v.auxiliary
"""

WHAT_ONE_COMMANDED = """
SELECT c.organ AS value, max(upper(c.during)) AS until FROM duty_command c WHERE c.person = $1 GROUP BY c.organ
"""


class IndexPath(NamedTuple):
    """An indexed column, and the distinct key values of it that this viewer may search.

    `values`: SQL that gives them in the column `value`. `within`: another condition on a row; `w` is the row of
    `values`.
    """

    column: str
    values: str
    within: str = "true"


class AccessFilter(NamedTuple):
    """Which rows of a table a viewer may see.

    `condition` decides for each row. `paths` find all these rows by an index, and perhaps others: they make a list
    fast, and grant no access.
    """

    condition: str
    paths: tuple[IndexPath, ...]

    def only(self, condition: str) -> "AccessFilter":
        """The filter for rows that also fulfil this condition."""
        return AccessFilter(f"({self.condition} AND {condition})", self.paths)

    def also(self, condition: str, path: IndexPath) -> "AccessFilter":
        """The filter for these rows and those that fulfil this condition; `path` finds them."""
        return AccessFilter(f"({self.condition} OR {condition})", (*self.paths, path))


def visible_to(*, own: Iterable[str], organ: str) -> AccessFilter:
    """Visible to the persons named in the columns `own`, and to the overseers of the organ."""
    return AccessFilter(
        "(" + "".join(f"{column} = $1 OR " for column in own) + f"{organ} IN (SELECT organs_under($2::text[])))",
        (*(IndexPath(column, ME) for column in own), IndexPath(organ, OVERSEEN)),
    )


def visible_while_led(*, auxiliary: str, organ: str, span: str, began: str) -> AccessFilter:
    """Visible to the auxiliary, to the overseers of the organ, and to an officer who led them during `span`.

    `began`: the column of the span's start; the index is sorted by it.
    """
    return visible_to(own=[auxiliary], organ=organ).also(
        f"""EXISTS (SELECT FROM led l WHERE l.officer = $1
        AND l.auxiliary = {auxiliary} AND l.named && {span} AND l.during && {span})""",
        IndexPath(auxiliary, WHOM_ONE_LED, f"{began} <= w.until"),
    )


def commanded_while(*, organ: str, span: str, began: str) -> tuple[str, IndexPath]:
    """For `also`: visible to who commanded the organ's duty during `span`, by the daily roster (带班领导, 值班民警)."""
    condition = f"""EXISTS (SELECT FROM duty_command c WHERE c.person = $1
        AND c.organ = {organ} AND c.during && {span})"""
    return condition, IndexPath(organ, WHAT_ONE_COMMANDED, f"{began} <= w.until")


def viewer(actor: Actor, roles: frozenset[str] = OVERSEEING) -> tuple[Any, Any]:
    """The values of $1 and $2."""
    return actor.person, [role.organ for role in actor.roles if role.role in roles]


async def reaches(actor: Actor, organ: str, roles: frozenset[str] = OVERSEEING) -> bool:
    """Whether the actor has one of these roles on this organ or above it. Default: commander or inspector."""
    organs = [role.organ for role in actor.roles if role.role in roles]
    return bool(await value("SELECT $1 IN (SELECT organs_under($2::text[]))", organ, organs))


async def kinds_kept_from(actor: Actor, person: UUID, organ: str) -> frozenset[str]:
    """The kinds of findings about this person's facts that the actor does not see: those of training, insurance and
    hours, unless it is themselves or they oversee the organ."""
    if actor.person == person or await reaches(actor, organ):
        return frozenset()
    return KEPT


def name_of(column: str) -> str:
    """SQL of the present name of the person in this column; for rows of one page."""
    return f"(SELECT n.name FROM person_now n WHERE n.id = {column})"  # noqa: S608 - a constant
