"""The kinds of person: those of the program, and the kinds of auxiliaries that the law names.

Guarantees: every kind of every law that is judged by is in the database before anybody of it is entered. A kind that
the law no longer names stays there, because somebody served as such.
"""

from backend.core.database import execute
from backend.core.refusals import Refusal
from backend.law.catalogue import laws
from backend.law.regulation import BUILT_IN_PARTS

KEEP = """
INSERT INTO kind_of_person AS k (code, auxiliary) SELECT code, true FROM unnest($1::text[]) AS code
ON CONFLICT (code) DO NOTHING
"""


def auxiliary_kinds() -> list[str]:
    """The kinds of auxiliaries of every law that is judged by, each once."""
    return list(dict.fromkeys(code for each in laws() for code in each.kinds))


def is_known(kind: str) -> bool:
    """Whether somebody may be of this kind."""
    return kind in BUILT_IN_PARTS or kind in auxiliary_kinds()


def require_known(kind: str) -> None:
    """Raises Refusal `unknown_kind`."""
    if not is_known(kind):
        raise Refusal("unknown_kind")


async def keep() -> None:
    """Tell the database the kinds of auxiliaries that the law names."""
    await execute(KEEP, auxiliary_kinds())
