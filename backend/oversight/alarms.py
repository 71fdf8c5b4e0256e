"""What asks for a person now: figures of the house, judged by alarms.toml.

The figures, in seconds where they are times:
database_up        1 where the database answers
database_damaged   answers that a page of the database's files cannot be read
store_up           1 where the evidence store can be read
store_writable, store_ours, lock_proved   0 where it takes no writes, is another's, keeps no lock; 1 too where unknown
failing_share      requests of the last five minutes that failed (5xx), as a share of all
sealing_lag, parts_age, checkpoint_age, jobs_given_up      backend/oversight/gauges.py
feed_lag           how long a transaction has kept newer lines from the phones
pool_free          database connections that the API may still use
journal_doubted    findings that say that the store does not have what was sealed
disk_free_share    free share of the data directory's disk
clock_apart        between this server and its database
clocks_doubted     findings that say that a worker's clock was minutes off
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

DOUBTING = ("evidence_missing", "evidence_covered", "evidence_unreadable")  # kinds of findings


class AlarmRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a figure asks for a person: above or below a threshold, with its source."""

    figure: str
    source: str
    zh: str
    en: str
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise ValueError("an alarm has one threshold")

    def rings(self, figure: float) -> bool:
        """Whether the figure is beyond the threshold."""
        return figure > self.above if self.above is not None else figure < float(self.below or 0)


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that asks for a person now."""

    name: Annotated[str, msgspec.Meta(description="name of the alarm, the same as in deploy/alerts.yml")]
    value: Annotated[float, msgspec.Meta(description="the figure as it is; times in seconds")]
    above: Annotated[float | None, msgspec.Meta(description="it rings above this; null: it rings below another")]
    below: Annotated[float | None, msgspec.Meta(description="it rings below this; null: it rings above another")]
    zh: Annotated[str, msgspec.Meta(description="what it means, in Chinese")]
    en: Annotated[str, msgspec.Meta(description="what it means and what to do, in English")]


RULES = msgspec.convert(
    tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")), dict[str, AlarmRule]
)


def ringing(figures: Mapping[str, float]) -> list[Alarm]:
    """The alarms of these figures, which are all there, in the order of the file."""
    return [
        Alarm(name=name, value=figures[rule.figure], above=rule.above, below=rule.below, zh=rule.zh, en=rule.en)
        for name, rule in RULES.items()
        if rule.rings(figures[rule.figure])
    ]
