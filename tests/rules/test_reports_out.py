"""Reports as people take them away: on a terminal of 80 columns, and as a workbook."""

import io
from typing import Any

import msgspec
import pytest
from openpyxl import load_workbook
from rich.cells import cell_len
from rich.console import Console

from backend.core.sheets import read
from backend.hours.reads import PersonHours
from backend.reviews.spot_checks import SpotCheckCount
from mobile_api.cli.reports import Report, of_hours, of_spot_checks

STATION = "330102010000"
NAMES = {STATION: "杭州市公安局上城区分局城关派出所"}
MINUTES = {name: 6000 + number * 61 for number, name in enumerate(
    field for field in PersonHours.__struct_fields__ if field.endswith("_min"))}  # fmt: skip


def worked(**fields: Any) -> PersonHours:
    told = {"person": "0" * 8 + "-0000-4000-8000-" + "0" * 12, "badge": "FJ1001", "name": "=林小川", "organ": STATION}
    zero = {name: 0 for name in PersonHours.__struct_fields__ if name.endswith(("_shifts",))}
    return msgspec.convert({"days": [], "unfinished": True, **told, **zero, **MINUTES, **fields}, PersonHours)


def printed(report: Report, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(report.table())
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("locale", ["zh_CN.UTF-8", "C.UTF-8"])
def test_hours_fit_80_columns_and_no_number_is_broken(monkeypatch: pytest.MonkeyPatch, locale: str) -> None:
    """Headings too stand whole, in both languages; the organ has its name."""
    monkeypatch.setenv("LC_ALL", locale)
    report = of_hours([worked(), worked(name="买买提·" * 9 + "买买提江", contested_shifts=2)], "2026-10", NAMES)
    lines = printed(report)
    assert all(cell_len(line) <= 80 for line in lines)
    spans = [cell for cell in report.rows[0][3:-1] if cell]
    words = " ".join(lines).split()
    assert 10 == len(spans)
    assert [] == [span for span in spans if words.count(span) < 2]
    heads = ("超日", "节假日", "应补休") if locale.startswith("zh") else ("beyond", "holiday", "overtime", "owed")
    assert all(any(head in line for line in lines[:4]) for head in heads)
    assert NAMES[STATION] in "".join(line[:20].split(" ")[0] for line in lines)


def test_a_report_becomes_a_workbook() -> None:
    """Chinese headings whatever the terminal speaks; the organ's name beside its code; a name is never a formula."""
    content = of_hours([worked()], "2026-10", NAMES).xlsx()
    (grid,) = read(content)
    assert ["单位", "单位代码", "警号", "姓名", "工时"] == grid.lines[0].cells[:5]
    assert [NAMES[STATION], STATION, "FJ1001", "=林小川", "100"] == grid.lines[1].cells[:5]
    cells = list(load_workbook(io.BytesIO(content)).active.iter_rows(min_row=2, max_row=2))[-1]
    assert ["s"] * 4 + ["n"] * 10 == [cell.data_type for cell in cells[:14]]
    assert "2026-10 工时" == grid.name


def test_every_report_has_its_own_columns_in_the_workbook() -> None:
    """Counts can be added up."""
    row = SpotCheckCount(organ=STATION, organ_name="城关派出所", drawn=5, due=4, done=3, overdue=1, with_findings=2)
    (grid,) = read(of_spot_checks([row], "2026-10").xlsx())
    assert ["城关派出所", STATION, "5", "4", "3", "1", "2"] == grid.lines[1].cells
    assert "2026-10" in grid.lines[2].cells[0]
