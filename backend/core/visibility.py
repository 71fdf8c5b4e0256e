"""Who sees what (DESIGN §9): one's own; whom one led, while one led; and the subtree of one's roles.

Each feature makes its `AccessFilter` here from the columns that say whose a row is, in which organ, and when.
The SQL takes the actor's id as $1 and the organs of their roles as $2.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from backend.core.database import value
from backend.core.verb import Actor

OVERSEEING = frozenset({"commander", "inspector"})
COMMANDING = frozenset({"commander"})
INSPECTING = frozenset({"inspector"})
PAYING = frozenset({"treasurer"})
HANDLING = COMMANDING | PAYING  # of injuries: medical details are for nobody else


ME = "SELECT $1::uuid AS value"
OVERSEEN = "SELECT organs_under($2::text[]) AS value"
WHOM_ONE_LED = """
SELECT v.auxiliary AS value, max(coalesce(upper(v.during), 'infinity')) AS until FROM supervision v
WHERE v.officer = $1 AND v.in_force AND v.answer IS DISTINCT FROM 'declined' GROUP BY v.auxiliary
"""


class IndexPath(NamedTuple):
    """A column with an index, and the distinct key values of it that this viewer may search.

    `values`: SQL that gives them as `value`. `within`: what a row must fulfil besides; `w` is the row of the value.
    """

    column: str
    values: str
    within: str = "true"


class AccessFilter(NamedTuple):
    """Which rows of a table a viewer may see.

    `condition` decides, row by row. `paths` find every such row by an index, and perhaps others: they make a list
    fast and allow nothing.
    """

    condition: str
    paths: tuple[IndexPath, ...]

    def only(self, condition: str) -> "AccessFilter":
        """Only the rows that fulfil this condition too."""
        return AccessFilter(f"({self.condition} AND {condition})", self.paths)

    def also(self, condition: str, path: IndexPath) -> "AccessFilter":
        """Also the rows that fulfil this condition; `path` finds them."""
        return AccessFilter(f"({self.condition} OR {condition})", (*self.paths, path))


def visible_to(*, own: Iterable[str], organ: str) -> AccessFilter:
    """`own` are columns that name a person."""
    return AccessFilter(
        "(" + "".join(f"{column} = $1 OR " for column in own) + f"{organ} IN (SELECT organs_under($2::text[])))",
        (*(IndexPath(column, ME) for column in own), IndexPath(organ, OVERSEEN)),
    )


def visible_while_led(*, auxiliary: str, organ: str, span: str, began: str) -> AccessFilter:
    """Visible to the auxiliary, to their organ's overseers, and to the officer who led them at some time of `span`.

    `began`: the column of the span's start, by which the index is ordered.
    """
    return visible_to(own=[auxiliary], organ=organ).also(
        f"""EXISTS (SELECT FROM led l WHERE l.officer = $1
        AND l.auxiliary = {auxiliary} AND l.named && {span} AND l.during && {span})""",
        IndexPath(auxiliary, WHOM_ONE_LED, f"{began} <= w.until"),
    )


def viewer(actor: Actor, roles: frozenset[str] = OVERSEEING) -> tuple[Any, Any]:
    """The values for $1 and $2."""
    return actor.person, [role.organ for role in actor.roles if role.role in roles]


async def reaches(actor: Actor, organ: str, roles: frozenset[str] = OVERSEEING) -> bool:
    """Whether one of these roles reaches this organ: commander or inspector, unless said otherwise."""
    organs = [role.organ for role in actor.roles if role.role in roles]
    return bool(await value("SELECT $1 IN (SELECT organs_under($2::text[]))", organ, organs))
