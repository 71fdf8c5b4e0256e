"""A timeline drawn in a terminal and as a picture: where things lie, and that no name breaks either."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from mobile_api.cli.drawing import KIND, LEGEND, Gap, Scale, draw, lanes, plain, scale_of, ticks
from mobile_api.cli.svg import LEFT, RIGHT, WIDTH, svg

EIGHT = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)  # in Beijing
NAMES = {"unled": "没有民警带领（第十条）。", "unequipped": "单位没有配备装备（第十三条）。"}
HOSTILE = "<script>\"'&amp;]]>\x1b[31m\x00\x07\u202e\ud800\ufffe\r\n{{}}%s"
SVG = "{http://www.w3.org/2000/svg}"


def at(minute: float | None) -> str | None:
    return None if minute is None else (EIGHT + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


def span(start: float, end: float | None) -> dict[str, Any]:
    return {"started_at": at(start), "ended_at": at(end)}


def a_shift(end: float | None = 100, **others: Any) -> dict[str, Any]:
    """Lin's patrol from eight o'clock, with nothing in it."""
    shift = {
        "id": "019c8f2e-7f6a-7c3e-9d0a-5b1e2f3a4c5d", "person": "lin", "badge": "FJ1001", "name": "林小雨",
        "organ": "990100510000", "duty_type": "patrol", "ended_by": None, "in_force": True,
    }  # fmt: skip
    empty: dict[str, Any] = {"leading": [], "activities": [], "recordings": [], "findings": []}
    return {"shift": shift | span(0, end), **empty, **others}


def a_leading(start: float, end: float | None, name: str = "赵建国", confirmed: bool = True) -> dict[str, Any]:
    return {"supervision": "v", "officer": name, "officer_name": name, "confirmed": confirmed, **span(start, end)}


def a_gap(kind: str, start: float, end: float | None, explained: bool = False) -> dict[str, Any]:
    return {"kind": kind, "explained": explained, **span(start, end)}


def a_work(start: float, end: float | None, *gaps: dict[str, Any], text: str = "盘查可疑人员") -> dict[str, Any]:
    return {
        "id": "a", "work": "10.3.question", "text": text, "case_kind": "administrative", "case_ref": None,
        "spans": [span(start, end)], "gaps": list(gaps), "claimed": [span(start, end)], "proved": [],
        **span(start, end),
    }  # fmt: skip


def a_film(start: float, end: float | None, state: str = "sealed", name: str = "DSJ0042.mp4") -> dict[str, Any]:
    size = None if state == "declared" else 5_000_000
    file = {"id": f"r{start}", "file_name": name, "media_type": "video/mp4", "state": state, "bytes": size}
    return file | {"probed_ms": None} | span(start, end)


def a_finding(kind: str = "unled", against_organ: bool = False, explained: bool = False) -> dict[str, Any]:
    finding = {"id": "f", "kind": kind, "subject": "a", "against_organ": against_organ, "explained": explained}
    return finding | span(20, 40)


def a_full_shift(text: str = "盘查可疑人员", end: float | None = 100) -> dict[str, Any]:
    """One of everything: gaps of both kinds, standing and explained; files in every state."""
    gaps = [a_gap("leading", 20, 40), a_gap("recording", 30, 45), a_gap("recording", 60, 65, explained=True)]
    states = ("sealed", "received", "mismatch", "declared")
    films = [a_film(20 * number, 20 * number + 15, state, text) for number, state in enumerate(states)]
    timeline = a_shift(
        end,
        leading=[a_leading(5, 20, text), a_leading(20, 40, "钱卫东", confirmed=False), a_leading(40, end, "钱卫东")],
        activities=[a_work(10, 70, *gaps, text=text), a_work(80, end, text=text)],
        recordings=films,
        findings=[a_finding(), a_finding("unequipped", against_organ=True), a_finding(text, explained=True)],
    )
    timeline["shift"] |= {"name": text, "organ": text, "duty_type": text}
    return timeline


def drawn(timeline: dict[str, Any], columns: int = 80) -> list[str]:
    """The drawn lines without colours."""
    paper = Console(width=columns, file=StringIO(), color_system=None, force_terminal=False)
    with paper.capture() as captured:
        paper.print(draw(timeline, NAMES, columns))
    return captured.get().splitlines()


def bars(timeline: dict[str, Any], kind: str, columns: int = 80) -> list[str]:
    """The bars of a kind of lane, arrows included."""
    note = min(40, max(14, columns // 4))
    width = columns - KIND - note - 4
    begun, found = False, []
    for line in drawn(timeline, columns):
        begun = kind in line or (begun and line.startswith(" "))
        if begun:
            found.append(line[-(width + 2) :])
    return found


def elements(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture.encode())  # noqa: S314 - our own text


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_a_gap_is_marked_where_it_lies(columns: int) -> None:
    """A gap from minute 20 to 40 of 100 fills exactly the second fifth of the bar."""
    (bar,) = bars(a_shift(activities=[a_work(0, 100, a_gap("leading", 20, 40))]), "工作 work", columns)
    width = len(bar) - 2
    marked = [column for column, mark in enumerate(bar[1:-1]) if mark == "X"]
    assert list(range(round(width * 0.2), round(width * 0.4))) == marked
    assert {"X", "█"} == set(bar.strip())


@pytest.mark.parametrize(
    ("gaps", "mark"),
    [
        ([a_gap("leading", 0, 100)], "X"),
        ([a_gap("recording", 0, 100)], "O"),
        ([a_gap("recording", 0, 100), a_gap("leading", 0, 100)], "#"),
        ([a_gap("leading", 0, 100, True)], "x"),
        ([a_gap("recording", 0, 100, True)], "o"),
        ([a_gap("recording", 0, 100, True), a_gap("leading", 0, 100, True)], "+"),
        ([a_gap("recording", 0, 100), a_gap("leading", 0, 100, True)], "O"),
        ([a_gap("leading", 0, 100), a_gap("leading", 0, 100, True)], "X"),
    ],
)
def test_each_kind_of_gap_has_its_own_mark(gaps: list[dict[str, Any]], mark: str) -> None:
    """They differ without colour, a standing gap is drawn over an explained one, and the legend shows both."""
    shift = a_shift(activities=[a_work(0, 100, *gaps)])
    assert {mark} == set(bars(shift, "工作 work")[0].strip())
    assert any(f"{mark} {LEGEND[mark]}" in line for line in drawn(shift))


def test_what_has_not_ended_runs_to_the_edge_with_an_arrow() -> None:
    """Open shifts and works reach the edge; ended ones do not."""
    shift = a_shift(None, leading=[a_leading(0, 50)], activities=[a_work(10, None)], recordings=[a_film(0, 90)])
    assert all(bars(shift, kind)[0].endswith("█►") for kind in ("执勤 duty", "工作 work"))
    assert not any("►" in bars(shift, kind)[0] for kind in ("带班 leading", "录像 footage"))


def test_a_pause_in_a_film_is_left_open() -> None:
    """Ten minutes, a pause of forty, ten minutes more, in one file: two bars in one lane."""
    paused = a_film(0, 60) | {"filmed": [[0, 600_000], [3_000_000, 3_600_000]]}
    (lane,) = [lane for lane in lanes(a_shift(recordings=[paused])) if lane.kind == "footage"]
    lengths = [(stretch.end - stretch.start).total_seconds() / 60 for stretch in lane.bars if stretch.end]
    assert [10, 10] == lengths
    assert 40 == (lane.bars[1].start - lane.bars[0].end).total_seconds() / 60


def test_footage_from_before_check_in_is_cut_with_an_arrow() -> None:
    """The recorder ran before and after duty; the picture shows the duty only."""
    (bar,) = bars(a_shift(recordings=[a_film(-10, 110)]), "录像 footage")
    assert bar == "◄" + "█" * (len(bar) - 2) + "►"


def test_files_that_follow_one_another_share_a_lane() -> None:
    """Forty files of five minutes are one lane; one that overlaps gets a lane of its own."""
    films = [a_film(number, number + 1) for number in range(40)]
    assert 1 == len(bars(a_shift(recordings=films), "录像 footage"))
    assert 2 == len([lane for lane in lanes(a_shift(recordings=[*films, a_film(3.2, 9)])) if lane.kind == "footage"])


def test_nobody_leading_and_nothing_recorded_are_seen() -> None:
    """An empty lane says that it is empty."""
    text = "\n".join(drawn(a_shift()))
    assert all(words in text for words in ("带班 leading 无 none", "录像 footage 无 none"))


def test_an_answer_without_activities_is_drawn() -> None:
    """Older servers sent none."""
    old = a_full_shift()
    del old["activities"]
    assert not any("工作" in line for line in drawn(old))
    assert elements(svg(old, NAMES)) is not None


@pytest.mark.parametrize("columns", [40, 60, 80, 81, 120, 200])
@pytest.mark.parametrize("text", ["盘查可疑人员" * 30, "a" * 300, HOSTILE * 9, "", "é👮‍♀️𠮷" * 40])
@pytest.mark.parametrize("end", [100, None])
def test_no_line_is_wider_than_the_columns(columns: int, text: str, end: float | None) -> None:
    """Wide characters count as two, on a wide terminal and on a narrow one."""
    assert columns >= max(cell_len(line) for line in drawn(a_full_shift(text, end), columns))


def test_findings_are_sentences_and_say_whose_fault_they_are() -> None:
    """What the organ owes is not the auxiliary's failing (Articles 13 and 24)."""
    lines = drawn(a_shift(findings=[a_finding(), a_finding("unequipped", True), a_finding(explained=True)]))[-3:]
    times = "（2026-03-01 08:20:00 – 08:40:00）"
    assert [
        f"! {NAMES['unled']}{times}",
        f"! 单位 organ: {NAMES['unequipped']}{times}"[:79].rstrip(),
        f"~ {NAMES['unled']}{times} 已说明 explained",
    ] == [line.rstrip() for line in lines]


def test_a_finding_without_words_here_tells_its_own() -> None:
    """A code that the law's files do not know is shown as it is."""
    unknown = a_finding("newer") | {"message": "新的一种问题。"}
    assert any("新的一种问题。" in line for line in drawn(a_shift(findings=[unknown])))


def test_no_name_steers_the_terminal() -> None:
    """Escape sequences and changes of writing direction are removed."""
    text = "\n".join(drawn(a_full_shift(HOSTILE), 200))
    assert not any(mark in text for mark in "\x1b\x00\x07\r\u202e\ud800")
    assert "\ufffd[31m" in text


def test_a_hostile_name_stays_text_in_the_picture() -> None:
    """It parses, holds no script, and shows the name as it was written."""
    picture = svg(a_full_shift(HOSTILE, None), NAMES)
    names = {element.tag.removeprefix(SVG) for element in elements(picture).iter()}
    shapes = {"defs", "pattern", "path", "circle", "rect", "g", "line", "polygon", "text"}
    assert shapes | {"svg", "title", "desc"} == names
    assert plain(HOSTILE) in "".join(elements(picture).itertext())


def test_the_picture_stands_alone() -> None:
    """It needs no network: no address but the namespace."""
    picture = svg(a_full_shift(), NAMES)
    assert 1 == picture.count("://")
    assert all(word not in picture for word in ("href", "<style", "<script", "@import", " on"))


def test_the_picture_is_told_to_who_cannot_see_it() -> None:
    """A role, a title and a description that counts what is wrong."""
    root = elements(svg(a_full_shift(), NAMES))
    assert ("img", "shift-title shift-told") == (root.get("role"), root.get("aria-labelledby"))
    assert "工作 2 项，缺口 3 处，问题 3 条" in str(root.findtext(f"{SVG}desc"))


def test_each_bar_tells_its_exact_times() -> None:
    """As a tooltip; gaps also stand in a list, for paper."""
    titles = [str(title.text) for title in elements(svg(a_full_shift(), NAMES)).iter(f"{SVG}title")]
    assert any("无带班 not led" in title and "08:20:00 – 08:40:00（0:20:00）" in title for title in titles)
    listed = [str(text.text) for text in elements(svg(a_full_shift(), NAMES)).iter(f"{SVG}text")]
    assert any(line.startswith("无带班 not led · 2026-03-01 08:20:00 – 08:40:00（0:20:00）") for line in listed)


def test_a_gap_is_hatched_where_it_lies() -> None:
    """Stripes over the second fifth of the lanes."""
    picture = elements(svg(a_shift(activities=[a_work(0, 100, a_gap("leading", 20, 40))]), NAMES))
    striped = [rect for rect in picture.iter(f"{SVG}rect") if rect.get("fill") == "url(#not-led)"]
    found = [(float(str(rect.get("x"))), float(str(rect.get("width")))) for rect in striped]
    fifth = (RIGHT - LEFT) / 5
    assert pytest.approx((LEFT + fifth, fifth), abs=0.01) == found[0]
    assert 2 == len(found)  # the other is the legend's


def test_the_same_timeline_gives_the_same_bytes() -> None:
    """Drawn again, the picture is the same, byte for byte."""
    once, again = (svg(json.loads(json.dumps(a_full_shift())), dict(NAMES)) for _ in range(2))
    assert once == again


minutes = st.floats(-200, 400)
lengths = st.one_of(st.none(), st.floats(0, 300))
texts = st.text(st.characters(), max_size=40)


@st.composite
def spans(draw_: st.DrawFn) -> tuple[float, float | None]:
    start, length = draw_(minutes), draw_(lengths)
    return start, None if length is None else start + length


@st.composite
def timelines(draw_: st.DrawFn) -> dict[str, Any]:
    """Any shift of up to three works, namings and files, wherever they lie; texts of any characters."""
    few = st.lists(spans(), max_size=3)
    kinds, flags = st.sampled_from(["leading", "recording"]), st.booleans()
    works = [
        a_work(*work, *(a_gap(draw_(kinds), *gap, draw_(flags)) for gap in draw_(few)), text=draw_(texts))
        for work in draw_(few)
    ]
    timeline = a_shift(
        draw_(st.one_of(st.none(), st.floats(0, 1000))),
        leading=[a_leading(*led, draw_(texts), draw_(flags)) for led in draw_(few)],
        activities=works,
        recordings=[
            a_film(*film, draw_(st.sampled_from(["sealed", "declared", "new"])), "a.mp4") for film in draw_(few)
        ],
        findings=[a_finding(draw_(texts), draw_(flags), draw_(flags))],
    )
    timeline["shift"]["name"] = draw_(texts)
    return timeline


def stretches(timeline: dict[str, Any]) -> Iterator[Any]:
    for lane in lanes(timeline):
        yield from (*lane.bars, *lane.gaps, *lane.backed)


@given(timelines(), st.integers(10, 150))
def test_every_stretch_lands_inside_the_lane(timeline: dict[str, Any], width: int) -> None:
    """A bar has at least one column, none outside, and lies within a column of its place."""
    scale = scale_of(timeline)
    for one in stretches(timeline):
        left, right = scale.cells(one, width)
        assert 0 <= left < right <= width
        if scale.start <= one.start and one.end is not None and one.end <= scale.end:
            assert abs(left - width * ((one.start - scale.start) / (scale.end - scale.start))) <= 1
            assert abs(right - width * ((one.end - scale.start) / (scale.end - scale.start))) <= 1.5


@given(timelines())
def test_works_and_their_gaps_are_never_cut(timeline: dict[str, Any]) -> None:
    """The scale covers every work and every gap: evidence is never cut off."""
    scale = scale_of(timeline)
    own = [one for lane in lanes(timeline) if lane.kind in ("duty", "work") for one in (*lane.bars, *lane.gaps)]
    assert all(scale.start <= one.start and (one.end is None or one.end <= scale.end) for one in own)


@settings(max_examples=60)
@given(timelines())
def test_every_shape_lands_inside_the_picture(timeline: dict[str, Any]) -> None:
    """Whatever the names and times: it parses, and nothing is drawn beyond its edges."""
    root = elements(svg(timeline, NAMES))
    height = float(str(root.get("height")))
    for shape in [*root.findall(f"{SVG}rect"), *root.findall(f"{SVG}g/{SVG}rect"), *root.findall(f"{SVG}text")]:
        x, y, wide, high = (float(shape.get(name, "0")) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= WIDTH
        assert 0 <= y <= y + high <= height
    for bar in root.findall(f"{SVG}g/{SVG}rect"):
        x, wide = float(str(bar.get("x"))), float(str(bar.get("width")))
        assert LEFT <= x <= x + wide <= RIGHT + 0.01


@settings(max_examples=60)
@given(timelines(), st.integers(40, 200))
def test_no_timeline_overflows_a_terminal(timeline: dict[str, Any], columns: int) -> None:
    """Whatever the names and times, every line fits."""
    assert columns >= max(cell_len(line) for line in drawn(timeline, columns))


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=4000)), st.timedeltas(timedelta(), timedelta(days=400)))
def test_ticks_are_few_and_round(length: timedelta, later: timedelta) -> None:
    """Twelve at most, evenly apart, on the scale; four at least unless it is seconds long."""
    scale = Scale(EIGHT + later, EIGHT + later + length)
    found = [moment for moment, _ in ticks(scale, 12)]
    assert all(scale.start <= moment <= scale.end for moment in found)
    assert 1 >= len({after - before for before, after in pairwise(found)})
    assert (4 if timedelta(seconds=10) < length else 0) <= len(found) <= 12


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=40), ["08:00:00", "08:00:05"]),
        (timedelta(minutes=50), ["08:00", "08:05"]),
        (timedelta(hours=4), ["08:00", "08:30"]),
        (timedelta(hours=24), ["09:00", "12:00"]),
        (timedelta(days=9), ["03-02", "03-03"]),
    ],
)
def test_ticks_say_beijing_time(length: timedelta, words: list[str]) -> None:
    """Seconds only where they matter, and the day where one begins."""
    assert words == [label for _, label in ticks(Scale(EIGHT, EIGHT + length), 12)][:2]


def test_a_gap_as_short_as_nothing_is_still_seen() -> None:
    """One column at least, also at the very end."""
    scale = Scale(EIGHT, EIGHT + timedelta(hours=9))
    assert (49, 50) == scale.cells(Gap(scale.end, scale.end, "leading", False), 50)
