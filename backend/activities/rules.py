"""What the regulation asks of a telling besides what verdict.py judges. Pure.

程序规定 58: a drunk person is restrained by belt or rope only, watched by somebody named, and released when sober;
R.11: means of restraint. Which means a work allows and whether it asks for a watcher stands in works.toml.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from backend.law.catalogue import EquipmentKind, Work


class Restraint(Protocol):
    """What was told of one restraint."""

    @property
    def means(self) -> str: ...
    @property
    def watcher(self) -> UUID | None: ...


def unmet_by_case(work: Work, case_kind: str) -> list[str]:
    """The codes of the rules that this kind of case leaves unmet for this work."""
    return [] if work.kind == "none" or case_kind in work.cases else ["case_kind_unfit"]


def unmet_by_restraints(work: Work, restraints: Iterable[Restraint]) -> list[str]:
    """The codes of the rules that these restraints leave unmet for this work."""
    told = list(restraints)
    unmet = []
    if any(each.means not in work.restraints for each in told):
        unmet.append("restraint_not_allowed")
    if work.watcher and any(each.watcher is None for each in told):
        unmet.append("no_watcher")
    return unmet


def unmet_at_finish(*, restrained: bool) -> list[str]:
    """The codes of the rules that a finish leaves unmet while somebody is restrained still."""
    return ["not_released"] if restrained else []


def names_of(equipment: Sequence[str], known: dict[str, EquipmentKind]) -> list[str]:
    """Each item with every name it goes by at a check-in, parted by |."""
    return ["|".join((code, known[code].zh, known[code].en)) for code in equipment]
