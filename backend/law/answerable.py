"""Who answers for a finding, as data: findings.toml. Pure.

A finding that the file does not name counts for nobody in an assessment (R.31).
"""

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

Who = Literal["auxiliary", "officer", "organ", "nobody"]


class Answerable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of one kind of finding: who answers for it, and why.

    `about`: what it is about; of training, insurance and hours the officers who led learn nothing. `brings`: other
    kinds that follow where this rule is broken, so that whoever ordered the one answers for the others too.
    """

    answers: Who
    source: str
    about: Literal["duty", "training", "insurance", "hours"] = "duty"
    brings: tuple[str, ...] = ()


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `objective_causes`: causes of a gap that nobody answers for."""

    objective_causes: tuple[str, ...]
    findings: dict[str, Answerable]


FILE = Path(__file__).parent / "findings.toml"


def read(text: str) -> Answers:
    """The file from its text. Raises msgspec.ValidationError."""
    return msgspec.convert(tomllib.loads(text), Answers)


ANSWERS = read(FILE.read_text(encoding="utf-8"))
FINDINGS = ANSWERS.findings
OBJECTIVE_CAUSES = list(ANSWERS.objective_causes)


def counted() -> list[str]:
    """The kinds for which an auxiliary answers."""
    return sorted(kind for kind, row in FINDINGS.items() if row.answers == "auxiliary")


def kept_from_leaders() -> list[str]:
    """The kinds of which an officer who led learns nothing: of training, insurance and hours."""
    return sorted(kind for kind, row in FINDINGS.items() if row.about != "duty")
