"""What a figure is and how it is told: one line on standard output, everything else on standard error.

A ratio is taken within each round, ours beside the other's, A B A B; the figure is the median of the rounds.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SIGNS = {">=": 1, "<=": -1}


class BenchError(Exception):
    """What was measured is not what should be: there is no figure."""


@dataclass(frozen=True)
class Wish:
    """What the project asks of a figure: `bound` to be reached, or not to be exceeded."""

    sign: str
    bound: float

    @classmethod
    def read(cls, words: str) -> "Wish | None":
        """None where the words ask for no number."""
        sign, _, bound = words.partition(" ")
        return cls(sign, float(bound)) if sign in SIGNS else None

    def reach(self, value: float) -> float:
        """1 where the value is just what is asked for, more where it is better, less where it is worse.

        Nothing wrong where nothing may be is just that, and anything wrong is far from it.
        """
        if not self.bound or not value:
            return 1.0 if value == self.bound else 0.0
        return (value / self.bound) ** SIGNS[self.sign]


@dataclass(frozen=True)
class Figure:
    """One figure; `wish` is what the project asks for, `seen` what each round gave, `details` how it came about.

    A wish reads `>= 0.95` or `<= 1.5`; other words, or none, ask for no number. `value` is None where it could not be
    measured here; `details` say why.
    """

    name: str
    value: float | None
    unit: str
    wish: str
    seen: Sequence[float] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        if self.value is None:
            return f"bench {self.name} - {self.details['why']}"
        return f"bench {self.name} {self.value:.3f} {self.unit}"

    @property
    def spread(self) -> str:
        if not self.seen:
            return f"{self.name}: {self.details['why']}"
        wish = f" (wish {self.wish})" if self.wish else ""
        return f"{self.name}: min {min(self.seen):.3f} max {max(self.seen):.3f} over {len(self.seen)}{wish}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"min": min(self.seen, default=None), "max": max(self.seen, default=None)}


def median_figure(name: str, seen: Sequence[float], unit: str, wish: str, **details: Any) -> Figure:
    """The median of the rounds."""
    return Figure(name, statistics.median(seen), unit, wish, list(seen), details)


def unmeasured(name: str, wish: str, why: str) -> Figure:
    """What it takes is not installed: a line that says so."""
    return Figure(name, None, "", wish, details={"why": why})


def say(sentence: str) -> None:
    """Progress, on standard error."""
    print(f"  {sentence}", file=sys.stderr, flush=True)
