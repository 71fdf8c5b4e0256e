"""Draws a timeline as a picture in one file: SVG 1.1 without scripts, fonts or addresses from elsewhere.

Guarantees: the same timeline and names give the same bytes. Every text is escaped. Each bar has its exact times as a
tooltip; each gap is listed below with its times, for a reader on paper. A shape is told apart by its pattern and place,
so that it survives a grey print.
"""

from html import escape
from typing import Any, NamedTuple

from rich.cells import cell_len

from mobile_api.cli.drawing import (
    EXPLAINED,
    GAPS,
    KINDS,
    ORGAN,
    TICKS,
    Gap,
    Lane,
    Scale,
    Stretch,
    between,
    findings_in,
    heading,
    lanes,
    plain,
    scale_of,
    ticks,
)

FONTS = "'PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Noto Sans SC','Source Han Sans SC',sans-serif"
WIDTH, EDGE, LEFT, RIGHT = 1240, 28, 330, 1196  # the picture, its margin, and where the lanes begin and end
NOTE = 128  # where a lane's note begins, beside its kind
INK, GREY, FAINT, RED, LINE = "#1f2937", "#5b6472", "#f3f5f8", "#b3261e", "#d5dae1"
BAR = {"duty": 20, "leading": 20, "work": 30, "footage": 20}
LABEL, STRIP, ARROW = 14, 6, 11  # heights of a gap's number and of the strip of footage; length of an arrow
LEAST = 2.0  # no bar is thinner


class Look(NamedTuple):
    """What fills a shape, its outline, and whether that is dashed."""

    fill: str
    outline: str
    is_dashed: bool = False


LOOKS = {  # of a stretch, by its mark
    "duty": Look("#2b4a77", "#2b4a77"),
    "contested": Look("url(#contested)", RED, True),
    "confirmed": Look("#1f7a72", "#ffffff"),
    "unanswered": Look("url(#unanswered)", "#1f7a72", True),
    "work": Look("#a7b4c8", "#66758c"),
    "sealed": Look("#3c7d47", "#ffffff"),
    "received": Look("#b9d9b4", "#3c7d47"),
    "claimed": Look("#ffffff", "#3c7d47", True),
    "mismatch": Look("url(#mismatch)", RED),
    "proved": Look("#3c7d47", "#ffffff"),
}
HATCHES = {  # of a gap, by its kind and whether it is explained
    ("leading", False): Look("url(#not-led)", RED),
    ("recording", False): Look("url(#not-recorded)", RED),
    ("leading", True): Look("url(#not-led-explained)", GREY, True),
    ("recording", True): Look("url(#not-recorded-explained)", GREY, True),
}
LEGEND = {
    "confirmed": "带班已确认 leading confirmed",
    "unanswered": "未答复 unanswered",
    "contested": "不作数 not in force",
    "work": "工作 work",
    "sealed": "录像已封存 footage sealed",
    "proved": "工作下方：录像已证明 beneath work: proved by footage",
    "received": "已收到 received",
    "claimed": "仅申报 claimed",
    "mismatch": "不符 mismatch",
}


class Numbered(NamedTuple):
    """A gap with its number in the list, and the work that it is in."""

    number: int
    gap: Gap
    work: str


class Row(NamedTuple):
    """A line of a list: its mark, the organ where it is at fault, its words; pale where explained."""

    mark: str
    whose: str
    words: str
    is_pale: bool


class Page:
    """The picture so far, drawn from top to bottom. `y`: where the next part begins."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 0.0

    def add(self, name: str, *children: str, **attributes: str | float) -> None:
        self.parts.append(tag(name, *children, **attributes))

    def write(self, x: float, words: str, size: float = 12, fill: str = INK, **attributes: str | float) -> None:
        """Write words with their baseline at `y`."""
        self.add("text", escape(plain(words)), x=x, y=self.y, font_size=size, fill=fill, **attributes)


def svg(timeline: dict[str, Any], names: dict[str, str]) -> str:
    """An SVG document of a shift, as GET /v1/shifts/{id} answers it. `names`: the sentence of each kind of finding."""
    scale, shown = scale_of(timeline), lanes(timeline)
    gaps = _numbered(shown)
    page = Page()
    _head(page, timeline)
    _chart(page, scale, shown, gaps)
    _legend(page, shown)
    _list(page, "缺口 gaps", [_gap_row(one) for one in gaps])
    _list(page, "问题 findings", [_finding_row(*one) for one in findings_in(timeline, names)])
    _foot(page, timeline)
    return _document(page, timeline, len(gaps))


def tag(name: str, *children: str, **attributes: str | float) -> str:
    """An element: attributes are escaped here, with - for _ in their names; children come escaped or as elements."""
    text = "".join(f' {key.replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{text}>{''.join(children)}</{name}>" if children else f"<{name}{text}/>"


def _value(value: str | float) -> str:
    return escape(plain(value)) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def _document(page: Page, timeline: dict[str, Any], gaps: int) -> str:
    who, when = heading(timeline)
    works, findings = len(timeline.get("activities", [])), len(timeline["findings"])
    description = f"{when}。工作 {works} 项，缺口 {gaps} 处，问题 {findings} 条。"
    description += f" {works} works, {gaps} gaps, {findings} findings; the lists below the lanes give their times."
    height = page.y + EDGE
    attributes: dict[str, str | float] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "version": "1.1",
        "viewBox": f"0 0 {WIDTH} {_value(height)}",
        "width": WIDTH,
        "height": height,
        "role": "img",
        "aria-labelledby": "shift-title shift-told",
        "font-family": FONTS,
    }
    children = [
        tag("title", escape(f"班次时间线 shift timeline: {who}"), id="shift-title"),
        tag("desc", escape(description), id="shift-told"),
        _patterns(),
        tag("rect", x=0, y=0, width=WIDTH, height=height, fill="#ffffff"),
        *page.parts,
    ]
    body = "\n".join(["", *children, ""])
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tag("svg", body, **attributes) + "\n"


def _patterns() -> str:
    """Fill patterns: stripes for not led, dots for not recorded; paler where it is explained."""
    stripe, cross = "M-1,1 L1,-1 M0,7 L7,0 M6,8 L8,6", "M0,0 L6,6 M6,0 L0,6"

    def lined(name: str, size: float, path: str, colour: str, width: float) -> str:
        return _pattern(name, size, tag("path", d=path, stroke=colour, stroke_width=width, fill="none"))

    def dotted(name: str, colour: str) -> str:
        return _pattern(name, 5, tag("circle", cx=2.5, cy=2.5, r=1.4, fill=colour))

    return tag(
        "defs",
        lined("not-led", 7, stripe, RED, 2.2),
        lined("not-led-explained", 7, stripe, "#9aa3af", 1.2),
        dotted("not-recorded", RED),
        dotted("not-recorded-explained", "#a8b0bb"),
        lined("unanswered", 7, "M0,3.5 L7,3.5", "#7fb3ae", 1.2),
        lined("contested", 7, "M3.5,0 L3.5,7", "#d99a95", 1.2),
        lined("mismatch", 6, cross, RED, 1.1),
    )


def _pattern(name: str, size: float, drawn: str) -> str:
    ground = tag("rect", width=size, height=size, fill="#ffffff")
    return tag("pattern", ground, drawn, id=name, patternUnits="userSpaceOnUse", width=size, height=size)


def _head(page: Page, timeline: dict[str, Any]) -> None:
    """Draw the heading: who, which duty, and when."""
    who, when = heading(timeline)
    page.y = 46
    page.write(EDGE, _fitting(f"班次时间线　{who}", WIDTH - 2 * EDGE, 20), 20, font_weight="bold")
    page.y += 24
    page.write(EDGE, f"{when}　北京时间 Beijing time", 13, fill=GREY)
    page.y += 24


def _chart(page: Page, scale: Scale, shown: list[Lane], gaps: list[Numbered]) -> None:
    """Draw the axis and the lanes beneath it; grid lines run behind the bars."""
    page.y += 14
    ruled = ticks(scale, TICKS)
    _axis(page, scale, ruled)
    top = page.y
    behind = len(page.parts)
    above = ""
    for lane in shown:
        _lane(page, scale, lane, lane.kind != above, [one for one in gaps if any(one.gap is gap for gap in lane.gaps)])
        above = lane.kind
    grid = [
        tag("line", x1=x, y1=top, x2=x, y2=page.y, stroke=LINE, stroke_width=1)
        for x in (_x(scale.share(moment)) for moment, _ in ruled)
    ]
    page.parts[behind:behind] = [*_bands(page, top, shown), *grid]
    page.add("rect", x=LEFT, y=top, width=RIGHT - LEFT, height=page.y - top, fill="none", stroke="#8b95a3")
    page.y += 12


def _axis(page: Page, scale: Scale, ruled: list[Any]) -> None:
    """Draw the label of each tick; the first date on the left, dates in bold."""
    for moment, words in ruled:
        x, is_day = _x(scale.share(moment)), "-" in words
        anchor = "start" if x < LEFT + 20 else "end" if x > RIGHT - 20 else "middle"
        weight = "bold" if is_day else "normal"
        page.write(x, words, 11, fill=INK if is_day else GREY, text_anchor=anchor, font_weight=weight)
    page.write(EDGE, f"{between(scale.start, scale.start)[:10]}", 11, font_weight="bold")
    page.y += 8


def _bands(page: Page, top: float, shown: list[Lane]) -> list[str]:
    """A pale ground behind every other kind of lane."""
    bands, y = [], top
    kinds = list(dict.fromkeys(lane.kind for lane in shown))
    for number, kind in enumerate(kinds):
        height = sum(_height(lane) for lane in shown if lane.kind == kind)
        if number % 2 == 0:
            bands.append(tag("rect", x=EDGE - 8, y=y, width=RIGHT - EDGE + 16, height=height, fill=FAINT))
        y += height
    return bands


def _height(lane: Lane) -> float:
    """The height of a lane: its bar and the room around it; for a work also its gaps' numbers and its footage."""
    numbers = sum(LABEL for kind in GAPS if any(gap.kind == kind for gap in lane.gaps))
    return BAR[lane.kind] + 12 + numbers + _strip(lane)


def _strip(lane: Lane) -> float:
    return STRIP + 2 if lane.backed else 0


def _lane(page: Page, scale: Scale, lane: Lane, is_first: bool, gaps: list[Numbered]) -> None:
    bottom = page.y + _height(lane)
    page.y += 6
    if any(one.gap.kind == "leading" for one in gaps):
        page.y += LABEL
    top, height = page.y, float(BAR[lane.kind])
    _names(page, lane, is_first, top + height / 2)
    for bar in lane.bars:
        _bar(page, scale, bar, top, height)
    for one in gaps:
        _gap(page, scale, one, top + (height / 2 if one.gap.kind == "recording" else 0), height / 2)
    for backed in lane.backed:
        _bar(page, scale, backed, top + height + 2, STRIP)
    below = top + height + _strip(lane) + 11
    for kind, foot in (("leading", top - 4), ("recording", below)):
        _numbers(page, scale, [one for one in gaps if one.gap.kind == kind], foot)
    page.y = bottom


def _names(page: Page, lane: Lane, is_first: bool, middle: float) -> None:
    """Write the kind and the note of a lane; a work's note takes two lines, its code above."""
    code, _, words = lane.note.partition(" ")
    lines = [code, words] if lane.kind == "work" and words else [lane.note]
    for number, line in enumerate(lines):
        page.y = middle + 4 + (number - (len(lines) - 1) / 2) * 15
        if is_first and number == 0:
            page.write(EDGE, KINDS[lane.kind], 12.5, font_weight="bold")
        text = escape(_fitting(line, LEFT - NOTE - 22, 12))
        weight = "bold" if len(lines) > number + 1 else "normal"
        full = tag("title", escape(lane.note))
        page.add("text", full, text, x=NOTE, y=page.y, font_size=12, fill=INK, font_weight=weight)


def _bar(page: Page, scale: Scale, bar: Stretch, top: float, height: float) -> None:
    _shape(page, scale, bar, top, height, LOOKS[bar.mark], bar.label)


def _gap(page: Page, scale: Scale, one: Numbered, top: float, height: float) -> None:
    look = HATCHES[one.gap.kind, one.gap.explained]
    _shape(page, scale, one.gap, top, height, look, f"{one.number}：{_kind_words(one.gap)}，{one.work}")


def _kind_words(gap: Gap) -> str:
    return GAPS[gap.kind] + (f"，{EXPLAINED}" if gap.explained else "")


def _shape(page: Page, scale: Scale, stretch: Stretch | Gap, top: float, height: float, look: Look, label: str) -> None:
    """Draw a stretch with its tooltip, and an arrow on each side where it goes on."""
    left, right = _reach(scale, stretch)
    before, after = scale.beyond([stretch])
    middle, half = top + height / 2, min(height / 2, 8)
    page.add(
        "g",
        tag("title", f"{escape(label)}\n{escape(_times(stretch))}"),
        _rect(left, top, right - left, height, look),
        *([_arrow(right, right + ARROW, middle, half)] if after else []),
        *([_arrow(left, left - ARROW, middle, half)] if before else []),
    )


def _rect(x: float, y: float, width: float, height: float, look: Look) -> str:
    dashes: dict[str, str | float] = {"stroke-dasharray": "3,2"} if look.is_dashed else {}
    return tag("rect", x=x, y=y, width=width, height=height, fill=look.fill, stroke=look.outline, **dashes)


def _arrow(root: float, point: float, middle: float, half: float) -> str:
    corners = ((root, middle - half), (point, middle), (root, middle + half))
    return tag("polygon", points=" ".join(f"{_value(x)},{_value(y)}" for x, y in corners), fill=INK)


def _numbers(page: Page, scale: Scale, gaps: list[Numbered], foot: float) -> None:
    """Write each gap's number and kind at its middle; only the number, or nothing, where there is no room."""
    page.y = foot
    free = float(LEFT)
    for one in sorted(gaps, key=lambda one: (one.gap.start, one.number)):
        left, right = _reach(scale, one.gap)
        for words in (f"{one.number} {GAPS[one.gap.kind].partition(' ')[0]}", f"{one.number}"):
            half = _wide(words, 10.5) / 2
            middle = min(RIGHT - half, max(LEFT + half, (left + right) / 2))
            if middle - half >= free:
                colour = GREY if one.gap.explained else RED
                page.write(middle, words, 10.5, fill=colour, text_anchor="middle")
                free = middle + half + 4
                break


def _legend(page: Page, shown: list[Lane]) -> None:
    """Explain the fills and hatches in use, as many on a line as fit."""
    used = {bar.mark for lane in shown for bar in [*lane.bars, *lane.backed]}
    gaps = {(gap.kind, gap.explained): gap for lane in shown for gap in lane.gaps}
    items = [(LOOKS[mark], words) for mark, words in LEGEND.items() if mark in used]
    items += [(look, _kind_words(gaps[key])) for key, look in HATCHES.items() if key in gaps]
    x, page.y = float(EDGE), page.y + 16
    for look, words in items:
        wide = 29 + _wide(words, 11.5)
        if x + wide > WIDTH - EDGE:
            x, page.y = float(EDGE), page.y + 21
        page.parts.append(_rect(x, page.y - 10, 22, 12, look))
        page.write(x + 29, words, 11.5)
        x += wide + 24
    page.y += 12


def _list(page: Page, title: str, rows: list[Row]) -> None:
    """Write a list beneath the lanes; nothing where it is empty."""
    if not rows:
        return
    page.y += 30
    page.write(EDGE, title, 13.5, font_weight="bold")
    for row in rows:
        x = EDGE + 30.0
        page.y += 21
        page.write(EDGE + 20, row.mark, 12, text_anchor="end", font_weight="bold", fill=GREY if row.is_pale else RED)
        if row.whose:
            x += _badge(page, x, row.whose)
        for number, line in enumerate(_broken(row.words, WIDTH - EDGE - x, 12)):
            page.y += 18 if number else 0
            page.write(x, line, 12, fill=GREY if row.is_pale else INK)


def _badge(page: Page, x: float, words: str) -> float:
    """Write words in a frame. Returns the width that they take."""
    wide = _wide(words, 11) + 12
    page.parts.append(_rect(x, page.y - 12, wide, 16, Look("#ffffff", RED)))
    page.write(x + wide / 2, words, 11, fill=RED, text_anchor="middle")
    return wide + 8


def _gap_row(one: Numbered) -> Row:
    words = f"{_kind_words(one.gap)} · {_times(one.gap)} · {one.work}"
    return Row(str(one.number), "", words, one.gap.explained)


def _finding_row(against_organ: bool, explained: bool, sentence: str) -> Row:
    return Row("!", ORGAN if against_organ else "", sentence + (f" {EXPLAINED}" if explained else ""), explained)


def _foot(page: Page, timeline: dict[str, Any]) -> None:
    page.y += 30
    page.write(EDGE, f"班次 shift {timeline['shift']['id']}", 10.5, fill=GREY)


def _numbered(shown: list[Lane]) -> list[Numbered]:
    """Every gap by lane and then by time, numbered from 1."""
    gaps = [(gap, lane.note) for lane in shown for gap in sorted(lane.gaps, key=lambda gap: (gap.start, gap.kind))]
    return [Numbered(number, gap, work) for number, (gap, work) in enumerate(gaps, 1)]


def _times(stretch: Stretch | Gap) -> str:
    """From when to when, and how long it lasted."""
    lasted = "" if stretch.end is None else f"（{str(stretch.end - stretch.start).partition('.')[0]}）"
    return between(stretch.start, stretch.end) + lasted


def _reach(scale: Scale, stretch: Stretch | Gap) -> tuple[float, float]:
    """The left and the right end of a stretch in the picture."""
    left = min(RIGHT - LEAST, _x(scale.share(stretch.start)))
    return left, max(left + LEAST, _x(scale.share(stretch.end)))


def _x(share: float) -> float:
    return LEFT + (RIGHT - LEFT) * share


def _wide(words: str, size: float) -> float:
    """Estimate the width of words: a Chinese character is as wide as it is high, any other 0.6 of that."""
    return sum(size if cell_len(one) > 1 or one == "\ufffd" else 0.6 * size for one in words)


def _fitting(words: str, width: float, size: float) -> str:
    """The words, cut with … where they are wider than `width`."""
    if _wide(words, size) <= width:
        return words
    return _broken(words, width - size, size)[0] + "…"


def _broken(words: str, width: float, size: float) -> list[str]:
    """The words in lines of this width, broken anywhere: Chinese has no spaces to break at."""
    lines, room = [""], width
    for one in words:
        room -= _wide(one, size)
        if room < 0 and lines[-1]:
            lines.append("")
            room = width - _wide(one, size)
        lines[-1] += one
    return lines
