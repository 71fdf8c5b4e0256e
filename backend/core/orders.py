"""An order that was given, not chosen: the officer whom an entry names in `despite.ordered_by`.

Guarantees: the order is kept in the transaction of the entry, with the findings that follow from it, and the officer is
told by a journal line of its own. What an entry says that names no officer costs nothing here. Source: R.7, 12.
"""

from collections.abc import Sequence
from typing import Any

from backend.core import journal
from backend.core.database import execute
from backend.core.days import until
from backend.core.verb import AUXILIARIES, Occasion, Outcome, Verb, part_of
from backend.core.wire import Entry
from backend.law.catalogue import Law

KEEP = """
INSERT INTO given_order (id, officer, auxiliary, organ, verb, at, codes, told_at, dispute_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
TOLD = "orders/given"  # the journal line that tells the officer


def follows(law: Law, unmet: Sequence[str]) -> list[str]:
    """The kinds of finding that follow from an order to break these rules: the rules, and what each brings with it.

    Not those of training, insurance and hours, which are the organ's, and of which an officer learns nothing.
    """
    return sorted({*unmet, *law.answers.brought_by(unmet)} - {*law.answers.kept_from_leaders()})


async def keep(occasion: Occasion, entry: Entry, verb: Verb, outcome: Outcome) -> None:
    """Keep the order that an auxiliary's entry names, and tell the officer. Nothing where it names none.

    Nothing either of an entry that is not told to whoever led: of a complaint or an appeal the officer learns nothing.
    """
    if entry.despite is None or entry.despite.ordered_by is None or verb.told_to != "readers":
        return
    if part_of(occasion.actor.kind_at(occasion.at)) not in AUXILIARIES:
        return
    officer, told = entry.despite.ordered_by, occasion.timing.as_of
    dispute_by = until(occasion.law, "order_dispute", told)
    await execute(
        KEEP, entry.id, officer, occasion.actor.person, outcome.organ, verb.name, occasion.at,
        follows(occasion.law, outcome.unmet), told, dispute_by,
    )  # fmt: skip
    standing: dict[str, Any] = {"id": str(entry.id), "dispute_by": journal.utc(dispute_by), "disputed_at": None}
    await journal.append(
        journal.Line(
            at=told, verb=TOLD, outcome="done", organ=outcome.organ, subjects=[entry.id, officer],
            facts={"subject": {"order": standing}},
        )
    )  # fmt: skip
