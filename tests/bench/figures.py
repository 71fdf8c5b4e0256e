"""What a figure is and how it is told: one line on standard output, everything else on standard error.

A ratio is taken within each round, ours beside the other's, A B A B; the figure is the median of the rounds.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


class BenchError(Exception):
    """What was measured is not what should be: there is no figure."""


@dataclass(frozen=True)
class Figure:
    """One figure; `wish` is what the project asks for, `seen` what each round gave, `details` how it came about."""

    name: str
    value: float
    unit: str
    wish: str
    seen: Sequence[float] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        return f"bench {self.name} {self.value:.3f} {self.unit}"

    @property
    def spread(self) -> str:
        return (
            f"{self.name}: min {min(self.seen):.3f} max {max(self.seen):.3f} over {len(self.seen)} (wish {self.wish})"
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"min": min(self.seen), "max": max(self.seen)}


def median_figure(name: str, seen: Sequence[float], unit: str, wish: str, **details: Any) -> Figure:
    """The median of the rounds."""
    return Figure(name, statistics.median(seen), unit, wish, list(seen), details)


def say(sentence: str) -> None:
    """Progress, on standard error."""
    print(f"  {sentence}", file=sys.stderr, flush=True)
