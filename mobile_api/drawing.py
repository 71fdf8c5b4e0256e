"""Draws a timeline for the terminal: duty, leading and footage as lanes over one scale of time."""

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

BESIDE = 42  # columns for the names on both sides
ZONE = ZoneInfo("Asia/Shanghai")
MARKS = {"sealed": ("█", "green"), "received": ("▓", "yellow"), "mismatch": ("×", "red")}
CLAIMED = ("▒", "yellow")


class Scale(NamedTuple):
    """Where a lane begins, how many seconds it is long, and how many columns it takes."""

    start: datetime
    seconds: float
    width: int


def draw(timeline: dict[str, Any], names: dict[str, str], columns: int) -> RenderableType:
    """A shift as GET /v1/shifts/{id} tells it. `names`: findings in words."""
    width = max(20, columns - BESIDE)
    shift = timeline["shift"]
    start = _moment(shift["started_at"])
    end = max([_moment(shift["ended_at"] or shift["started_at"]), *_ends(timeline)])
    scale = Scale(start, max((end - start).total_seconds(), 1.0), width)
    lanes = Table.grid(padding=(0, 1))
    lanes.add_row("", _ruler(start, end, width), "")
    lanes.add_row("执勤 duty", _bar(scale, shift, "█", "blue"), f"{shift['name']} {shift['badge']}")
    for led in timeline["leading"]:
        mark = ("█", "cyan") if led["confirmed"] else ("░", "yellow")
        note = led["officer_name"] + ("" if led["confirmed"] else "  未答复 unanswered")
        lanes.add_row("带班 leading", _bar(scale, led, *mark), note)
    for filmed in timeline["recordings"]:
        mark = MARKS.get(filmed["state"], CLAIMED)
        lanes.add_row("录像 footage", _bar(scale, filmed, *mark), f"{_size(filmed['bytes'])} {filmed['state']}")
    found = [Text(f"  ! {names.get(one['kind'], one['kind'])}", style="yellow") for one in timeline["findings"]]
    return Group(lanes, *found)


def _ends(timeline: dict[str, Any]) -> list[datetime]:
    rows = [*timeline["leading"], *timeline["recordings"]]
    return [_moment(row["ended_at"]) for row in rows if row["ended_at"] is not None]


def _bar(scale: Scale, row: dict[str, Any], mark: str, colour: str) -> Text:
    """Where the row lies on the scale; what has not ended runs to its edge."""
    start, length, width = scale
    first = (_moment(row["started_at"]) - start).total_seconds() / length
    last = (_moment(row["ended_at"]) - start).total_seconds() / length if row["ended_at"] else 1.0
    left = min(width - 1, max(0, round(first * width)))
    right = min(width, max(left + 1, round(last * width)))
    before, after = Text("·" * left, style="dim"), Text("·" * (width - right), style="dim")
    return before + Text(mark * (right - left), style=colour) + after


def _ruler(start: datetime, end: datetime, width: int) -> Text:
    left, right = (f"{moment.astimezone(ZONE):%H:%M:%S}" for moment in (start, end))
    return Text(left + right.rjust(width - len(left)), style="dim")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _size(size: int | None) -> str:
    return "?" if size is None else f"{size / 1024**2:.1f} MiB"
