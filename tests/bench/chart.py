"""Draw the figures of bench-results.json as bench-results.png: each beside its wish, and the fleet's day below.

A row shows value ÷ wish, or wish ÷ value where less is better: further right is always better, and 1 is the wish. The
dot is the median, the line goes from the least to the most. Figures without a wish have no row.
Run as `python tests/bench/chart.py bench-results.json`; `run.py` does it where matplotlib is installed.
"""

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from figures import Wish, say

GOOD, POOR, QUIET, FAINT = "#1a7f5a", "#c0492b", "#5b6470", "#d5dae0"
LINES = ("#30588c", "#b07a1e", "#7a4f93", "#4b8f8c")
TITLE: dict[str, Any] = {"loc": "left", "fontsize": 9.5}
LEGEND: dict[str, Any] = {  # above the pane, where no line runs through it
    "loc": "lower right", "bbox_to_anchor": (1, 0.98), "fontsize": 8.5, "frameon": False, "ncols": 6, "borderpad": 0.2,
}  # fmt: skip
LEAST, MOST = 0.1, 10.0  # ends of the axis; values beyond are drawn at its edge
UNITLESS = {"ratio", "count"}  # units that are not printed behind the number
ROW, DAY = 0.34, 2.5  # inches


def draw(results: Path) -> Path | None:
    """Draw the picture beside the results; None, with a message, where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        say("no picture: matplotlib is not installed; `make bench` installs it")
        return None
    document = json.loads(results.read_text())
    measured = [figure for figure in document["figures"] if figure["value"] is not None]
    wished = [(figure, wish) for figure in measured if (wish := Wish.read(figure["wish"]))]
    day = next((figure["details"] for figure in document["figures"] if "latency" in figure["details"]), None)
    return _saved(document, wished, day, results.with_suffix(".png"))


def _saved(document: dict[str, Any], wished: list[Any], day: dict[str, Any] | None, path: Path) -> Path:
    with tempfile.TemporaryDirectory(prefix="fujing-chart-") as own:
        os.environ.setdefault("MPLCONFIGDIR", own)  # otherwise it leaves a font cache in the home directory
        return _pictured(document, wished, day, path)


def _pictured(document: dict[str, Any], wished: list[Any], day: dict[str, Any] | None, path: Path) -> Path:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    heights = ([ROW * len(wished) + 0.6] if wished else []) + ([DAY, DAY] if day else [])
    panes, axes = pyplot.subplots(
        len(heights) or 1, figsize=(10, sum(heights) + 1.6), height_ratios=heights or [1], squeeze=False,
        layout="constrained",
    )  # fmt: skip
    left = list(axes[:, 0])
    if wished:
        _rows(left.pop(0), wished)
    if day:
        _latency(left[0], day)
        _memory(left[1], day)
    panes.suptitle(f"Fujing, {document['at'][:10]}, {document['machine']['cores']} cores", fontsize=12)
    panes.savefig(path, dpi=130)
    pyplot.close(panes)
    return path


def _rows(axes: Any, wished: list[tuple[dict[str, Any], Wish]]) -> None:
    """One row for each figure, with its numbers as text at the right."""
    for place, (figure, wish) in enumerate(wished):
        median, *ends = (_within(wish.reach(figure[name])) for name in ("value", "min", "max"))
        colour = GOOD if wish.reach(figure["value"]) >= 1 else POOR
        axes.plot(ends, [place, place], color=colour, linewidth=2, alpha=0.5, solid_capstyle="round")
        axes.plot([median], [place], "o", color=colour, markersize=7)
        axes.annotate(
            _words(figure, wish), (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5,
            color=QUIET, annotation_clip=False,
        )  # fmt: skip
    axes.axvline(1, color=QUIET, linewidth=1)
    axes.set(xscale="log", xlim=(LEAST * 0.9, MOST * 1.1), ylim=(len(wished) - 0.4, -0.6))
    axes.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10], ["≤ 0.1", "0.2", "0.5", "1 = wish", "2", "5", "≥ 10"])
    axes.minorticks_off()
    axes.set_yticks(range(len(wished)), [figure["name"] for figure, _ in wished])
    axes.set_title("how far each figure reaches its wish: right is better (dot: median, line: least to most)", **TITLE)
    _plain(axes, "x")


def _words(figure: dict[str, Any], wish: Wish) -> str:
    unit = "" if figure["unit"] in UNITLESS else f" {figure['unit']}"
    sign = "≥" if wish.sign == ">=" else "≤"
    return f"{_number(figure['value'])}{unit}   wish {sign} {_number(wish.bound)}"


def _within(reach: float) -> float:
    return min(MOST, max(LEAST, reach))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _latency(axes: Any, day: dict[str, Any]) -> None:
    """Milliseconds on the left axis; calls a second as grey bars behind them."""
    points = [point for point in day["latency"] if point["calls"]]
    at, every = [point["at"] for point in points], day["seconds"] / len(day["latency"])
    calls = axes.twinx()
    calls.bar(at, [point["calls"] / every for point in points], width=every, color=FAINT, zorder=0)
    calls.set_ylabel("calls a second (grey)", color=QUIET, fontsize=8.5)
    calls.tick_params(labelsize=8.5, colors=QUIET)
    calls.spines[["top", "left", "bottom"]].set_visible(False)
    axes.set_zorder(calls.get_zorder() + 1)
    axes.patch.set_visible(False)
    for name, colour in (("p99", LINES[1]), ("p50", LINES[0])):
        axes.plot(at, [point[name] for point in points], color=colour, linewidth=1.6, label=name)
    axes.set(yscale="log", ylabel="ms from when it was due", xlim=(0, day["seconds"]))
    axes.yaxis.set_major_formatter(lambda value, _: _number(value))
    axes.set_title(f"the fleet's day: {day['phones']:,} handhelds, latency", **TITLE)
    axes.legend(**LEGEND)
    _plain(axes, "y")


def _memory(axes: Any, day: dict[str, Any]) -> None:
    """Resident memory; the axis begins at zero, so that slopes are not exaggerated."""
    memory = day["memory"]
    for (name, mib), colour in zip(memory["mib"].items(), LINES * len(memory["mib"]), strict=False):
        axes.plot(memory["at"], mib, color=colour, linewidth=1.6, label=name)
    axes.set(xlim=(0, day["seconds"]), xlabel="seconds", ylabel="MiB resident")
    axes.set_ylim(0, 1.1 * max(max(mib) for mib in memory["mib"].values()))
    axes.set_title("memory of each worker process", **TITLE)
    axes.legend(**LEGEND)
    _plain(axes, "y")


def _plain(axes: Any, grid: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8.5)
    axes.yaxis.label.set_size(8.5)
    axes.xaxis.label.set_size(8.5)


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python tests/bench/chart.py bench-results.json", file=sys.stderr)
        return 2
    path = draw(Path(sys.argv[1]))
    if path is not None:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
