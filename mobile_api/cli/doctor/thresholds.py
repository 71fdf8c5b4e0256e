"""The thresholds of `fujing doctor`, as thresholds.toml has them."""

import tomllib
from pathlib import Path

import msgspec

from mobile_api.cli.doctor.results import Mark


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where on a figure is a warning, and from where on it is wrong. `source`: why."""

    source: str
    warns_below: float | None = None
    wrong_below: float | None = None
    warns_above: float | None = None
    wrong_above: float | None = None

    def judge(self, figure: float) -> Mark:
        """The mark of this figure."""
        if _is_beyond(figure, self.wrong_below, self.wrong_above):
            return "wrong"
        return "warning" if _is_beyond(figure, self.warns_below, self.warns_above) else "well"


def _is_beyond(figure: float, below: float | None, above: float | None) -> bool:
    return (below is not None and figure < below) or (above is not None and figure > above)


THRESHOLDS = msgspec.convert(
    tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")), dict[str, Threshold]
)
