"""Files of what is handed out: read as offices keep them, every fault with its place."""

from datetime import date, datetime

import pytest

from backend.core.columns import FaultyFile
from backend.core.days import CHINA
from backend.items.item_files import ItemLine, read_file

HEAD = "警号,姓名,物品,编号,领用日期,归还日期\n"


def lines_of(text: str) -> list[ItemLine]:
    return read_file(text.encode()).rows()


def test_a_line_is_read_in_chinese_and_by_our_own_names() -> None:
    """Kinds by their names or codes, days as offices write them, no return yet; columns of no meaning are left out."""
    chinese = lines_of(
        HEAD + "FJ1001,林小川,工作证件,辅警证0042,2026年3月1日,\nFJ1001,林小川,标识,P-7,2026/3/1,2026-05-02\n"
    )
    ours = lines_of(
        "badge,kind,serial,issued,returned\nFJ1001,id,辅警证0042,2026-03-01,\nFJ1001,insignia,P-7,20260301,2026.5.2\n"
    )
    assert chinese == ours
    assert [("id", "辅警证0042", None), ("insignia", "P-7", date(2026, 5, 2))] == [
        (line.kind, line.serial, line.returned) for line in chinese
    ]
    assert lines_of("警号,物品,编号,领用日期\nFJ1001,制服,1,2026-03-01\n")[0].returned is None


@pytest.mark.parametrize(
    ("returned", "moment"),
    [
        ("", None),
        ("2026-03-02", datetime(2026, 3, 2, tzinfo=CHINA)),
        ("2026-03-01", datetime(2026, 3, 2, tzinfo=CHINA)),
    ],
)
def test_a_thing_is_free_on_the_day_of_its_return(returned: str, moment: datetime | None) -> None:
    """So that somebody else gets it that day; what came back on the day of its issue was out that day."""
    (line,) = lines_of(f"{HEAD}FJ1001,林,制服,1,2026-03-01,{returned}\n")
    assert (datetime(2026, 3, 1, tzinfo=CHINA), moment) == (line.issued_at, line.returned_at)


FAULTS = {
    "no badge": (",林,制服,1,2026-03-01,", "badge"),
    "no such kind": ("FJ1,林,帽子,1,2026-03-01,", "kind must be one of recorder"),
    "no serial": ("FJ1,林,制服,,2026-03-01,", "serial"),
    "a serial with spaces": ("FJ1,林,制服,1 2,2026-03-01,", "serial"),
    "no day": ("FJ1,林,制服,1,,", "issued must be a date"),
    "a day that is none": ("FJ1,林,制服,1,2026-02-30,", "issued must be a date"),
    "returned before": ("FJ1,林,制服,1,2026-03-01,2026-02-01", "returned is before issued"),
    "twice": ("FJ1,林,制服,a,2026-03-01,\nFJ1,林,uniform,A,2026/3/1,", "the same as line 2"),
}


@pytest.mark.parametrize(("text", "why"), FAULTS.values(), ids=FAULTS)
def test_a_line_that_is_wrong_is_named(text: str, why: str) -> None:
    with pytest.raises(FaultyFile) as raised:
        lines_of(f"{HEAD}{text}\n")
    ((line, reason),) = raised.value.lines
    assert why in reason
    assert line == 1 + len(text.splitlines())


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(FaultyFile) as raised:
        lines_of("警号,物品,编号\nFJ1,制服,1\n")
    assert [(1, "a column is missing: issued")] == raised.value.lines
