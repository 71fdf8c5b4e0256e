"""What the regulation requires of an activity entry, besides the verdict (law/verdict.py). Pure.

程序规定 58: a drunk person is restrained by belt or rope only, watched by a named person, and released when sober.
R.11: means of restraint. works.toml says which means a work allows and whether it requires a watcher.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from backend.law.catalogue import EquipmentKind, Work


class RestraintFacts(Protocol):
    """What these rules need to know of a restraint."""

    @property
    def means(self) -> str: ...
    @property
    def watcher(self) -> UUID | None: ...


def unmet_by_case(work: Work, case_kind: str) -> list[str]:
    """The codes of the rules that this kind of case leaves unmet for this work."""
    return [] if work.kind == "none" or case_kind in work.cases else ["case_kind_unfit"]


def unmet_by_restraints(work: Work, restraints: Iterable[RestraintFacts]) -> list[str]:
    """The codes of the rules that these restraints leave unmet for this work."""
    used = list(restraints)
    unmet = []
    if any(restraint.means not in work.restraints for restraint in used):
        unmet.append("restraint_not_allowed")
    if work.watcher and any(restraint.watcher is None for restraint in used):
        unmet.append("no_watcher")
    return unmet


def unmet_at_finish(*, restrained: bool) -> list[str]:
    """The codes of the rules that a finish leaves unmet: nobody may still be restrained."""
    return ["not_released"] if restrained else []


def names_of(equipment: Sequence[str], known: dict[str, EquipmentKind]) -> list[str]:
    """Each item of equipment as all its names at a check-in (code, Chinese, English), separated by |."""
    return ["|".join((code, known[code].zh, known[code].en)) for code in equipment]
