"""Journal lines of many changes at once, as a file brings them in: some lines for each organ, not one for each change.

Guarantees: a line has at most CHANGES_A_LINE changes, so that no file makes a line that is too long to be read. The
subjects of a line are those of all its changes, each once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from backend.core import journal

CHANGES_A_LINE = 200


class BulkChange(NamedTuple):
    """One change. `organ`: whose overseers are told. `told`: ids, codes and days of it, where they are needed."""

    organ: str
    subjects: Sequence[UUID]
    told: Mapping[str, Any] = {}


def lines_of(
    verb: str, changes: Sequence[BulkChange], now: datetime, facts: Mapping[str, Any] | None = None
) -> list[journal.Line]:  # fmt: skip
    """The lines of these changes, sorted by organ. `facts`: what is the same for all of them. Pure."""
    lines = []
    for organ in sorted({change.organ for change in changes}):
        of_organ = [change for change in changes if change.organ == organ]
        for at in range(0, len(of_organ), CHANGES_A_LINE):
            lines.append(_line(verb, of_organ[at : at + CHANGES_A_LINE], now, facts or {}))
    return lines


def _line(verb: str, changes: Sequence[BulkChange], now: datetime, facts: Mapping[str, Any]) -> journal.Line:
    told = [dict(change.told) for change in changes if change.told]
    listed = {"changes": told} if told else {}
    subjects = dict.fromkeys(subject for change in changes for subject in change.subjects)
    return journal.Line(
        at=now, verb=verb, outcome="done", organ=changes[0].organ, subjects=list(subjects),
        facts={"count": len(changes), **listed, **facts},
    )  # fmt: skip


async def append(
    verb: str, changes: Sequence[BulkChange], now: datetime, facts: Mapping[str, Any] | None = None
) -> None:  # fmt: skip
    """Write the lines in the current transaction; none where nothing changed."""
    for line in lines_of(verb, changes, now, facts):
        await journal.append(line)
