"""Who sees what (DESIGN §9): one's own; whom one led, while one led; and the subtree of one's roles.

Each feature's `Sight` is made here from the columns that say whose a row is, in which organ, and when. The SQL takes
the actor's id as $1 and the organs of their roles as $2.
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


class Way(NamedTuple):
    """A column, and SQL of those of its `value`s, each once, behind which there may be something to see; of the rows
    behind one, none but those `within` it (`w` is the value's row)."""

    column: str
    values: str
    within: str = "true"


class Sight(NamedTuple):
    """What somebody sees of a table. `condition` decides, row by row; on `ways` lies every row that fulfils it, and
    others: they spare a list to read the whole table, and open nothing."""

    condition: str
    ways: tuple[Way, ...]

    def only(self, condition: str) -> "Sight":
        """Less: what fulfils this too."""
        return Sight(f"({self.condition} AND {condition})", self.ways)

    def also(self, condition: str, way: Way) -> "Sight":
        """More: what fulfils this, found on that way."""
        return Sight(f"({self.condition} OR {condition})", (*self.ways, way))


def visible_to(*, own: Iterable[str], organ: str) -> Sight:
    """`own` are columns that name a person."""
    return Sight(
        "(" + "".join(f"{column} = $1 OR " for column in own) + f"{organ} IN (SELECT organs_under($2::text[])))",
        (*(Way(column, ME) for column in own), Way(organ, OVERSEEN)),
    )


def visible_while_led(*, auxiliary: str, organ: str, span: str, began: str) -> Sight:
    """To that auxiliary too, and to who led them at some time of this span, which `began` then; the index goes by
    `named`."""
    return visible_to(own=[auxiliary], organ=organ).also(
        f"""EXISTS (SELECT FROM led l WHERE l.officer = $1
        AND l.auxiliary = {auxiliary} AND l.named && {span} AND l.during && {span})""",
        Way(auxiliary, WHOM_ONE_LED, f"{began} <= w.until"),
    )


def viewer(actor: Actor, roles: frozenset[str] = OVERSEEING) -> tuple[Any, Any]:
    """The values for $1 and $2."""
    return actor.person, [role.organ for role in actor.roles if role.role in roles]


async def reaches(actor: Actor, organ: str, roles: frozenset[str] = OVERSEEING) -> bool:
    """Whether one of these roles reaches this organ: commander or inspector, unless said otherwise."""
    organs = [role.organ for role in actor.roles if role.role in roles]
    return bool(await value("SELECT $1 IN (SELECT organs_under($2::text[]))", organ, organs))
