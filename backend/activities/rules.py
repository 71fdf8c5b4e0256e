"""What the regulation requires of an activity entry, besides the verdict (law/verdict.py). Pure.

程序规定 58: a drunk person is restrained by belt or rope only, watched by a named person, and released when sober.
R.11: means of restraint. works.toml says which means a work allows and whether it requires a watcher.
"""

from collections.abc import Container, Iterable, Sequence
from typing import Protocol
from uuid import UUID

from backend.law.catalogue import EquipmentKind, Work
from backend.law.verdict import UNKNOWN, unmet_by_means


class RestraintFacts(Protocol):
    """What these rules need to know of a restraint."""

    @property
    def means(self) -> str: ...
    @property
    def watcher(self) -> UUID | None: ...
    @property
    def restrained(self) -> str | None: ...
    @property
    def self_protection(self) -> bool: ...


def unmet_by_case(work: Work, case_kind: str) -> list[str]:
    """The codes of the rules that this kind of case leaves unmet for this work."""
    return [] if work.kind == "none" or case_kind in work.cases else ["case_kind_unfit"]


def unmet_by_restraints(work: Work, restraints: Iterable[RestraintFacts]) -> list[str]:
    """The codes of the rules that these restraints leave unmet for this work."""
    used = list(restraints)
    unmet = [
        code
        for one in used
        for code in unmet_by_means(work, [one.means], one.restrained or UNKNOWN, one.self_protection)
    ]  # fmt: skip
    if work.watcher and any(one.watcher is None for one in used):
        unmet.append("no_watcher")
    return list(dict.fromkeys(unmet))


def warned_by_restraints(work: Work, restraints: Iterable[RestraintFacts], known: Container[str]) -> list[str]:
    """The codes of warnings: who was restrained was not told, and it decides whether these means may be used.

    `known`: who the law knows; any other code tells nothing.
    """
    untold = {one.means for one in restraints if one.restrained is None or one.restrained not in known}
    return ["restrained_not_told"] if any(untold & {*never} for never in work.never_on.values()) else []


def unmet_at_finish(*, restrained: bool) -> list[str]:
    """The codes of the rules that a finish leaves unmet: nobody may still be restrained."""
    return ["not_released"] if restrained else []


def names_of(equipment: Sequence[str], known: dict[str, EquipmentKind]) -> list[str]:
    """Each item of equipment as all its names at a check-in (code, Chinese, English), separated by |."""
    return ["|".join((code, known[code].zh, known[code].en)) for code in equipment]
