"""What a roster changed, as the journal tells it: ids, codes and days only, never a name. Pure."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

import msgspec

from backend.core.bulk_lines import BulkChange
from backend.people.histories import Change

VERB = "people/import"


class Imported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of a roster.

    `organ`: whose administrators and inspectors are told. `record`: as in the file (CODES of roster_files). `id`: of
    the person or the device. `change`: as the histories call it, or put or ended. `code`: of the role, the
    qualification or the organ. `since`, `until`: of a role.
    """

    organ: str
    record: str
    change: str
    id: UUID | None = None
    code: str | None = None
    since: date | None = None
    until: date | None = None

    def told(self) -> BulkChange:
        """The change for the journal: whoever it is about is a subject of the line."""
        return BulkChange(self.organ, [] if self.id is None else [self.id], msgspec.to_builtins(self))


def of_people(changes: Iterable[Change]) -> list[Imported]:
    """The changes of histories: for the organ where somebody serves now, and for the one that they left."""
    told: list[Imported] = []
    for change in changes:
        before, after = change.before, change.after
        told.append(Imported(organ=after.organ, record="person", change=change.kind, id=after.person))
        if before is not None and before.person != after.person:
            told.append(Imported(organ=before.organ, record="person", change="ended", id=before.person))
        elif before is not None and before.organ != after.organ:
            told.append(Imported(organ=before.organ, record="person", change=change.kind, id=before.person))
    return told
