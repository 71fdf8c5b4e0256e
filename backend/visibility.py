"""Who sees what (DESIGN §9): one's own; whom one led, while one led; and the subtree of one's roles.

Each feature's `visible_to` is made here from the columns that say whose a row is, in which organ, and when. The SQL
takes the actor's id as $1 and the organs of their roles as $2.
"""

from collections.abc import Iterable
from typing import Any

from backend.database import value
from backend.entries import Actor

OVERSEEING = frozenset({"commander", "inspector"})
COMMANDING = frozenset({"commander"})
INSPECTING = frozenset({"inspector"})
PAYING = frozenset({"treasurer"})
HANDLING = COMMANDING | PAYING  # of injuries: medical details are for nobody else


def visible_to(*, own: Iterable[str], organ: str, led: str) -> str:
    """A condition: `own` are columns that name a person; `led` relates a row to the view `led`."""
    mine = " OR ".join(f"{column} = $1" for column in own) or "false"
    return f"""(
        {mine}
        OR {organ} IN (SELECT organs_under($2::text[]))
        OR EXISTS (SELECT FROM led l WHERE l.officer = $1 AND {led})
    )"""  # noqa: S608


def while_led(auxiliary: str, span: str) -> str:
    """That the naming `l` of the view `led` led this auxiliary at some time of this span; the index goes by `named`."""
    return f"l.auxiliary = {auxiliary} AND l.named && {span} AND l.during && {span}"


def viewer(actor: Actor, roles: frozenset[str] = OVERSEEING) -> tuple[Any, Any]:
    """The values for $1 and $2."""
    return actor.person, [role.organ for role in actor.roles if role.role in roles]


async def reaches(actor: Actor, organ: str, roles: frozenset[str] = OVERSEEING) -> bool:
    """Whether one of these roles reaches this organ: commander or inspector, unless said otherwise."""
    organs = [role.organ for role in actor.roles if role.role in roles]
    return bool(await value("SELECT $1 IN (SELECT organs_under($2::text[]))", organ, organs))
