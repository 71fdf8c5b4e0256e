"""A figure and how it is printed: one line on standard output, everything else on standard error.

A ratio is taken within each round, ours and the other's in turn, A B A B; the figure is the median of the rounds.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SIGNS = {">=": 1, "<=": -1}


class BenchError(Exception):
    """The measurement went wrong: there is no figure."""


@dataclass(frozen=True)
class Wish:
    """The goal of a figure: at least `bound` (`>=`) or at most `bound` (`<=`)."""

    sign: str
    bound: float

    @classmethod
    def read(cls, words: str) -> "Wish | None":
        """Read a wish like `>= 0.95`; None where the words give no number."""
        sign, _, bound = words.partition(" ")
        return cls(sign, float(bound)) if sign in SIGNS else None

    def reach(self, value: float) -> float:
        """1 where the value is exactly the bound, more where it is better, less where it is worse.

        With a bound or value of zero: 1 where both are equal, otherwise 0.
        """
        if not self.bound or not value:
            return 1.0 if value == self.bound else 0.0
        return (value / self.bound) ** SIGNS[self.sign]


@dataclass(frozen=True)
class Figure:
    """One figure: its goal (`wish`), the value of each round (`per_round`) and `details` of the measurement.

    A wish reads `>= 0.95` or `<= 1.5`; other words, or none, give no number. `value` is None where it could not be
    measured here; `details["why"]` says why.
    """

    name: str
    value: float | None
    unit: str
    wish: str
    per_round: Sequence[float] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        if self.value is None:
            return f"bench {self.name} - {self.details['why']}"
        return f"bench {self.name} {self.value:.3f} {self.unit}"

    @property
    def spread(self) -> str:
        if not self.per_round:
            return f"{self.name}: {self.details['why']}"
        wish = f" (wish {self.wish})" if self.wish else ""
        least, most = min(self.per_round), max(self.per_round)
        return f"{self.name}: min {least:.3f} max {most:.3f} over {len(self.per_round)}{wish}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"min": min(self.per_round, default=None), "max": max(self.per_round, default=None)}


def median_figure(name: str, per_round: Sequence[float], unit: str, wish: str, **details: Any) -> Figure:
    """The figure whose value is the median of the rounds."""
    return Figure(name, statistics.median(per_round), unit, wish, list(per_round), details)


def unmeasured(name: str, wish: str, why: str) -> Figure:
    """A figure that could not be measured because a program or package is missing."""
    return Figure(name, None, "", wish, details={"why": why})


def say(sentence: str) -> None:
    """Print progress to standard error."""
    print(f"  {sentence}", file=sys.stderr, flush=True)
