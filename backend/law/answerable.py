"""Who answers for a finding, as data: findings.toml. Pure.

A finding that the file does not name counts for nobody in an assessment (R.31). Another law replaces single kinds. What
a kind is `about` stays as it is here, because it decides what officers who led may see, of old findings too.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from backend.law.reading import Sheet, structs_of
from storage.language import by_locale

FILE = Path(__file__).parent / "findings.toml"
Who = Literal["auxiliary", "officer", "organ", "nobody"]
ABOUT_DUTY = "duty"


class Answerable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of one kind of finding: who answers for it, and why.

    `about`: what it is about; of training, insurance and hours the officers who led learn nothing. `brings`: other
    kinds that follow where this rule is broken, so that whoever ordered the one answers for the others too.
    """

    answers: Who
    source: str
    about: Literal["duty", "training", "insurance", "hours"] = "duty"
    brings: tuple[str, ...] = ()


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Causes of a gap that nobody answers for, of those that an explanation of a gap may name."""

    causes: tuple[Literal["fault", "damage", "weather", "battery", "storage"], ...]
    source: str


class Answers(msgspec.Struct, frozen=True):
    """The whole file."""

    findings: dict[str, Answerable] = {}
    objective: Objective | None = None

    @property
    def objective_causes(self) -> list[str]:
        """The causes of a gap that nobody answers for."""
        return [] if self.objective is None else list(self.objective.causes)

    def counted(self) -> list[str]:
        """The kinds for which an auxiliary answers."""
        return sorted(kind for kind, row in self.findings.items() if row.answers == "auxiliary")

    def kept_from_leaders(self) -> list[str]:
        """The kinds of which an officer who led learns nothing: of training, insurance and hours."""
        return sorted(kind for kind, row in self.findings.items() if row.about != ABOUT_DUTY)

    def brought_by(self, kinds: Iterable[str]) -> set[str]:
        """What follows where these rules are broken."""
        return {kind for code in kinds if code in self.findings for kind in self.findings[code].brings}


def built_in() -> Answers:
    """The built-in file alone, for what is the same in every law."""
    return msgspec.convert(tomllib.loads(FILE.read_text(encoding="utf-8")), Answers)


def read_answers(read: Sheet, over: Answers | None, messages: Mapping[str, object]) -> Answers:
    """findings.toml, on top of `over`: a kind replaces the one before. `messages`: the codes that have a sentence."""
    before = over or Answers()
    for name in sorted(read.tables.keys() - {"findings", "objective"}):
        read.wrong((name,), by_locale("不是本文件中的表", "is no table of this file"))
    table = read.tables.get("findings", {})
    if not isinstance(table, dict):
        read.wrong(("findings",), by_locale("必须是一个表", "must be a table"))
        table = {}
    given = structs_of(read, table, Answerable, under=("findings",))
    alone = structs_of(read, {key: each for key, each in read.tables.items() if key == "objective"}, Objective)
    for kind, row in given.items():
        for unknown in sorted({kind, *row.brings} - messages.keys()):
            read.wrong(("findings", kind), by_locale(f"没有 {unknown} 这种情形", f"{unknown} is no kind of finding"))
        was = before.findings[kind].about if kind in before.findings else ABOUT_DUTY
        if over is not None and row.about != was:
            what = by_locale(f'about 须为 "{was}"：由程序决定', f'about must be "{was}": that is the program\'s')
            read.wrong(("findings", kind), what, field="about")
    return Answers(before.findings | given, alone.get("objective", before.objective))
