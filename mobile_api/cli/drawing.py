"""Draws a timeline for the terminal: duty, leading, work and footage as lanes over one time scale.

Guarantees: no line is wider than the columns given; wide characters count as two. A mark is told apart by its
character, never by its colour alone. No name, file or case number reaches the terminal as a control sequence.
`svg.py` draws the same lanes as a picture.
"""

import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from itertools import takewhile
from typing import Any, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

ZONE = timezone(timedelta(hours=8))  # China has one legal time and no daylight saving time: no tzdata needed
MIDNIGHT = datetime(2000, 1, 1, tzinfo=ZONE)  # ticks are counted from midnight, so that one falls on each
KIND = 12  # columns for the name of a lane: "带班 leading", the widest
NARROWEST = 40
TICKS = 12
STEPS = tuple(
    timedelta(seconds=count * unit)
    for unit, counts in (
        (1, (1, 2, 5, 10, 15, 20, 30)),
        (60, (1, 2, 3, 5, 10, 15, 20, 30)),
        (3600, (1, 2, 3, 4, 6, 12, 24)),
    )
    for count in counts
)
KINDS = {"duty": "执勤 duty", "leading": "带班 leading", "work": "工作 work", "footage": "录像 footage"}
STATES = {
    "sealed": "已封存",
    "received": "已收到",
    "receiving": "上传中",
    "declared": "已申报",
    "mismatch": "不符",
    "abandoned": "已放弃",
}
DUTIES = {
    "patrol": "巡逻 patrol",
    "post": "值守 post",
    "window": "窗口 window",
    "watch": "值班 watch",
    "standby": "备勤 standby",
    "event": "活动安保 event",
}
GAPS = {"leading": "无带班 not led", "recording": "无录像 not recorded"}
ANSWERS = {"confirmed": "已确认 confirmed", "unanswered": "未答复 unanswered"}
EXPLAINED = "已说明 explained"
OPEN = "未结束 open"
NONE = "无 none"
ORGAN = "单位 organ"

MARKS = {  # of a stretch: its character, and its colour
    "duty": ("█", "blue"),
    "contested": ("░", "red"),
    "confirmed": ("█", "cyan"),
    "unanswered": ("░", "yellow"),
    "work": ("█", "magenta"),
    "sealed": ("█", "green"),
    "received": ("▓", "yellow"),
    "mismatch": ("!", "red"),
    "claimed": ("▒", "yellow"),
}
STANDING = {frozenset({"leading"}): "X", frozenset({"recording"}): "O", frozenset(GAPS): "#"}
DIMMED = {frozenset({"leading"}): "x", frozenset({"recording"}): "o", frozenset(GAPS): "+"}
LEGEND = {
    "█": "在岗在办、已确认、已封存 on duty, at work, confirmed, sealed",
    "░": "未答复、不作数 unanswered, not in force",
    "▓": "已收到 received",
    "▒": "仅申报 claimed",
    "!": "不符 mismatch",
    "X": GAPS["leading"],
    "O": GAPS["recording"],
    "#": "两者皆无 neither",
    "x": f"无带班，{EXPLAINED}",
    "o": f"无录像，{EXPLAINED}",
    "+": f"两者皆无，{EXPLAINED}",
    "►": "未结束或超出 open or beyond",
    "◄": "更早开始 began before",
}


class Stretch(NamedTuple):
    """A stretch of time in a lane; not ended where `end` is None. `label`: its tooltip in a picture."""

    start: datetime
    end: datetime | None
    mark: str
    label: str


class Gap(NamedTuple):
    """A time in which an activity was not led, or not recorded. `kind`: one of GAPS."""

    start: datetime
    end: datetime | None
    kind: str
    explained: bool


class Lane(NamedTuple):
    """One line of the drawing. `kind`: one of KINDS; `backed`: the times covered by footage, proved or claimed."""

    kind: str
    note: str
    bars: list[Stretch]
    gaps: list[Gap] = []  # noqa: RUF012 - never changed
    backed: list[Stretch] = []  # noqa: RUF012 - never changed


class Scale(NamedTuple):
    """The time that the drawing covers."""

    start: datetime
    end: datetime

    def share(self, moment: datetime | None) -> float:
        """Where a moment lies, from 0 to 1; None, for what has not ended, lies at the end."""
        if moment is None:
            return 1.0
        return min(1.0, max(0.0, (moment - self.start) / (self.end - self.start)))

    def cells(self, stretch: Stretch | Gap, width: int) -> tuple[int, int]:
        """The first column of a stretch and the one after its last, of `width` columns; at least one column."""
        left = min(width - 1, round(self.share(stretch.start) * width))
        return left, max(left + 1, round(self.share(stretch.end) * width))

    def beyond(self, stretches: Iterable[Stretch | Gap]) -> tuple[bool, bool]:
        """Whether one of them began before the scale, and whether one goes on after it or has not ended."""
        known = list(stretches)
        after = any(one.end is None or one.end > self.end for one in known)
        return any(one.start < self.start for one in known), after


def draw(timeline: dict[str, Any], names: dict[str, str], columns: int) -> RenderableType:
    """Draw a shift, as GET /v1/shifts/{id} answers it, in at least 40 columns. `names`: findings' sentences."""
    columns = max(NARROWEST, columns)
    scale, note = scale_of(timeline), min(40, max(14, columns // 4))
    width = columns - KIND - note - 4  # a space after each name, and an arrow on either side
    ruled = ticks(scale, min(TICKS, max(1, width // 9)))
    shown = lanes(timeline)
    bars = [_painted(scale, lane, ruled, width) for lane in shown]
    above = [None, *(lane.kind for lane in shown)]
    named = [_named(lane, lane.kind != kind, note) for lane, kind in zip(shown, above, strict=False)]
    top = [*_heading(timeline, columns), _ruler(scale, ruled, KIND + note + 2, width)]
    lines = [*top, *(name + bar for name, bar in zip(named, bars, strict=True)), *_legend(bars, columns)]
    return Constrain(Group(*lines, *_findings(timeline, names)), columns)


def lanes(timeline: dict[str, Any]) -> list[Lane]:
    """The lanes of a timeline from top to bottom: duty, an officer each, an activity each, footage."""
    shift = timeline["shift"]
    who = plain(f"{shift['name']} {shift['badge']}")
    duty = _stretch(shift, "duty" if shift["in_force"] else "contested", who)
    led = _led(timeline["leading"]) or [Lane("leading", NONE, [])]
    works = [_worked(row) for row in timeline.get("activities", [])]
    filmed = _filmed(timeline["recordings"]) or [Lane("footage", NONE, [])]
    return [Lane("duty", who, [duty]), *led, *works, *filmed]


def _led(rows: list[dict[str, Any]]) -> list[Lane]:
    """One lane for each officer; where two namings overlap, the confirmed one lies on top."""
    by_officer: dict[str, Lane] = {}
    for row in sorted(rows, key=lambda row: bool(row["confirmed"])):
        name, mark = plain(row["officer_name"]), "confirmed" if row["confirmed"] else "unanswered"
        lane = by_officer.setdefault(str(row["officer"]), Lane("leading", name, []))
        lane.bars.append(_stretch(row, mark, f"{name} {ANSWERS[mark]}"))
    ordered = sorted(by_officer.values(), key=lambda lane: min(bar.start for bar in lane.bars))
    return [lane if _is_answered(lane) else lane._replace(note=f"{lane.note} 未答复") for lane in ordered]


def _is_answered(lane: Lane) -> bool:
    return any(bar.mark == "confirmed" for bar in lane.bars)


def _worked(row: dict[str, Any]) -> Lane:
    """The lane of an activity: when it was carried on, its gaps, and the footage of it."""
    note = plain(f"{row['work']} {row['text']}")
    case = plain(f" {row.get('case_kind') or ''} {row.get('case_ref') or ''} {row.get('incident_ref') or ''}").rstrip()
    return Lane(
        "work",
        note,
        [_stretch(span, "work", note + case) for span in row["spans"] or [row]],
        [Gap(*_ends(gap), gap["kind"], gap["explained"]) for gap in row["gaps"]],
        [
            *(_stretch(span, "claimed", f"{note}：录像仅申报 footage claimed") for span in row.get("claimed", [])),
            *(_stretch(span, "proved", f"{note}：录像已证明 footage proved") for span in row.get("proved", [])),
        ],
    )


def _filmed(rows: list[dict[str, Any]]) -> list[Lane]:
    """Lanes of footage: files that follow one another share a lane; an overlap of over a second needs another."""
    shared: list[list[dict[str, Any]]] = []
    for row in sorted(rows, key=lambda row: (_ends(row)[0], str(row["id"]))):
        free = next((files for files in shared if _is_free(files[-1], row)), None)
        if free is None:
            shared.append([row])
        else:
            free.append(row)
    return [Lane("footage", _filed(files), [stretch for row in files for stretch in _file(row)]) for files in shared]


def _is_free(last: dict[str, Any], row: dict[str, Any]) -> bool:
    end = _ends(last)[1]
    return end is not None and end <= _ends(row)[0] + timedelta(seconds=1)


def _file(row: dict[str, Any]) -> list[Stretch]:
    """A file from its start to its end; one with pauses, stretch by stretch."""
    state = row["state"]
    label = f"{plain(row['file_name'])} {_size(row['bytes'])} {STATES.get(state, '')} {plain(state)}"
    mark, began = state if state in MARKS else "claimed", _ends(row)[0]
    filmed = row.get("filmed") or []
    if len(filmed) < 2:
        return [_stretch(row, mark, label)]
    moments = [(began + timedelta(milliseconds=start), began + timedelta(milliseconds=end)) for start, end in filmed]
    return [Stretch(start, end, mark, label) for start, end in moments]


def _filed(files: list[dict[str, Any]]) -> str:
    """How many files, how many of them sealed, and their size; + where the size of one is unknown."""
    states, sizes = [row["state"] for row in files], [row["bytes"] for row in files]
    size = _size(sum(size or 0 for size in sizes)) + ("+" if None in sizes else "")
    if len(files) == 1:
        return f"{STATES.get(states[0], plain(states[0]))} {_size(sizes[0])}"
    return f"{len(files)}件 封存{sum(state == 'sealed' for state in states)} {size}"


def scale_of(timeline: dict[str, Any]) -> Scale:
    """The scale: over the shift and its activities; where one is open, to the last known moment and a little more."""
    own = [timeline["shift"]]
    for row in timeline.get("activities", []):
        own += [row, *row["spans"], *row["gaps"]]
    is_open = any(row["ended_at"] is None for row in own)
    rows = [*own, *timeline["leading"], *timeline["recordings"]] if is_open else own
    start = min(_ends(row)[0] for row in own)
    end = max(moment for row in rows for moment in _ends(row) if moment is not None)
    end = max(end, start + timedelta(seconds=1))
    return Scale(start, end + max(timedelta(seconds=1), (end - start) / 16) if is_open else end)


def ticks(scale: Scale, most: int) -> list[tuple[datetime, str]]:
    """Round moments on the scale with their labels in Beijing time; at most `most`."""
    step = next((step for step in STEPS if (scale.end - scale.start) / step < most), None)
    step = step or timedelta(days=(scale.end - scale.start) // timedelta(days=most) + 1)
    first = -((MIDNIGHT - scale.start) // step)
    moments = (MIDNIGHT + (first + count) * step for count in range(most + 1))
    return [(moment, _at(moment, step)) for moment in takewhile(lambda moment: moment <= scale.end, moments)]


def _at(moment: datetime, step: timedelta) -> str:
    """A tick's label: the date at midnight, seconds only where the step needs them."""
    local = moment.astimezone(ZONE)
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{local:%m-%d}"
    return f"{local:%H:%M:%S}" if step < timedelta(minutes=1) else f"{local:%H:%M}"


def heading(timeline: dict[str, Any]) -> tuple[str, str]:
    """Two lines: whose shift and which duty; from when to when."""
    shift = timeline["shift"]
    duty = DUTIES.get(shift["duty_type"], shift["duty_type"])
    organ = timeline.get("organ_name") or shift["organ"]
    who = plain(f"{shift['name']} {shift['badge']} · {organ} · {duty}")
    return who, between(*_ends(shift)) + ("" if shift["in_force"] else " · 不作数 not in force")


def between(start: datetime, end: datetime | None) -> str:
    """From when to when, exactly, in Beijing time; the second date only where it differs."""
    first, last = start.astimezone(ZONE), end and end.astimezone(ZONE)
    if last is None:
        return f"{first:%Y-%m-%d} {_clock(first)} – {OPEN}"
    day = "" if last.date() == first.date() else f"{last:%Y-%m-%d} "
    return f"{first:%Y-%m-%d} {_clock(first)} – {day}{_clock(last)}"


def _clock(moment: datetime) -> str:
    fraction = f".{moment.microsecond // 1000:03}" if moment.microsecond else ""
    return f"{moment:%H:%M:%S}{fraction}"


def findings_in(timeline: dict[str, Any], names: dict[str, str]) -> list[tuple[bool, bool, str]]:
    """Each finding: whether it is against the organ, whether it is explained, and its sentence with its times."""
    findings = []
    for one in timeline["findings"]:
        start, end = one["started_at"], one["ended_at"]
        when = "" if start is None else f"（{_when(start, end)}）"
        sentence = plain(names.get(one["kind"]) or one.get("message") or one["kind"]) + when
        findings.append((bool(one.get("against_organ")), bool(one.get("explained")), sentence))
    return findings


def _when(start: str, end: str | None) -> str:
    """From when to when; one moment where the finding has no end."""
    first, last = datetime.fromisoformat(start), None if end is None else datetime.fromisoformat(end)
    return between(first, first).split(" – ")[0] if last in (None, first) else between(first, last)


def plain(text: str) -> str:
    """The text with control characters, direction marks and half characters replaced: safe in a terminal and in XML."""
    return "".join("\ufffd" if _is_control(one) else one for one in " ".join(text.split()))


def _is_control(one: str) -> bool:
    return unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") or one in "\ufffe\uffff"


def cut(text: str, width: int) -> str:
    """The text in at most so many columns, with … where it was longer."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def _heading(timeline: dict[str, Any], columns: int) -> list[Text]:
    """Whose shift and when, on one line where it fits."""
    who, when = heading(timeline)
    lines = [f"{who} · {when}"] if cell_len(f"{who} · {when}") <= columns else [who, when]
    return [Text(cut(line, columns), style="bold") for line in lines]


def _named(lane: Lane, is_first: bool, width: int) -> Text:
    """The left side of a lane: its kind, on the first lane of that kind only, and its note."""
    kind = KINDS[lane.kind] if is_first else ""
    return Text.assemble((set_cell_size(kind, KIND), "bold"), f" {set_cell_size(cut(lane.note, width), width)} ")


def _painted(scale: Scale, lane: Lane, ruled: list[tuple[datetime, str]], width: int) -> Text:
    """A lane's bars with its gaps over them, between two arrows for what lies beyond the scale."""
    cells = [("·", "dim")] * width
    for moment, _ in ruled:
        cells[_column(scale, moment, width)] = ("╎", "dim")
    for bar in lane.bars:
        left, right = scale.cells(bar, width)
        cells[left:right] = [MARKS[bar.mark]] * (right - left)
    for column, mark in _gaps(scale, lane.gaps, width).items():
        cells[column] = mark
    before, after = scale.beyond([*lane.bars, *lane.gaps])
    edges = [("◄" if before else " ", "bold")], [("►" if after else " ", "bold")]
    return Text.assemble(*edges[0], *cells, *edges[1])


def _gaps(scale: Scale, gaps: list[Gap], width: int) -> dict[int, tuple[str, str]]:
    """The mark of every column with a gap; one that is not explained wins over an explained one."""
    standing: dict[int, set[str]] = {}
    explained: dict[int, set[str]] = {}
    for gap in gaps:
        for column in range(*scale.cells(gap, width)):
            (explained if gap.explained else standing).setdefault(column, set()).add(gap.kind)
    dimmed = {column: (DIMMED[frozenset(kinds)], "dim red") for column, kinds in explained.items()}
    return dimmed | {column: (STANDING[frozenset(kinds)], "bold red") for column, kinds in standing.items()}


def _column(scale: Scale, moment: datetime, width: int) -> int:
    return min(width - 1, round(scale.share(moment) * width))


def _ruler(scale: Scale, ruled: list[tuple[datetime, str]], indent: int, width: int) -> Text:
    """The ticks' labels, each from its column on; one that would touch another, or the edge, is left out."""
    line = " " * (indent + 1)
    for moment, words in ruled:
        column = indent + 1 + _column(scale, moment, width)
        if len(line) <= column and column + len(words) <= indent + width:
            line = line.ljust(column) + f"╎{words} "
    return Text(line.rstrip(), style="dim")


def _legend(bars: list[Text], columns: int) -> list[Text]:
    """What the marks in use mean, as many on a line as fit."""
    used, lines = {mark for bar in bars for mark in bar.plain}, [""]
    for piece in (f"{mark} {words}" for mark, words in LEGEND.items() if mark in used):
        if lines[-1] and cell_len(lines[-1] + piece) + 3 > columns:
            lines.append("")
        lines[-1] += f"   {piece}" if lines[-1] else piece
    return [Text(line, style="dim") for line in lines]


def _findings(timeline: dict[str, Any], names: dict[str, str]) -> list[RenderableType]:
    """The findings as sentences; those that are the organ's own fault are marked."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")
    for against_organ, explained, sentence in findings_in(timeline, names):
        whose = Text(f"{ORGAN}: ", style="bold red") if against_organ else Text()
        why = f" {EXPLAINED}" if explained else ""
        table.add_row("~" if explained else "!", whose + Text(sentence + why, style="dim" if explained else "yellow"))
    return [table] if table.row_count else []


def _stretch(row: dict[str, Any], mark: str, label: str) -> Stretch:
    return Stretch(*_ends(row), mark, label)


def _ends(row: dict[str, Any]) -> tuple[datetime, datetime | None]:
    end = row["ended_at"]
    return datetime.fromisoformat(row["started_at"]), None if end is None else datetime.fromisoformat(end)


def _size(size: int | None) -> str:
    return "?" if size is None else f"{size / 1024**2:.1f} MiB"
