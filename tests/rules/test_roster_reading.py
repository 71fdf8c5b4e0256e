"""Reading a roster: each kind of bad line is named with its number and a reason."""

import re
from pathlib import Path

import pytest

from backend.core.columns import FaultyFile
from backend.people.roster_files import ROSTER_COLUMNS, read

HEADER = ",".join(ROSTER_COLUMNS)
GOOD = f"""{HEADER}
organ,330102010000,城关派出所,,,,
person,FJ1001,林小川,duty_auxiliary,330102010000,2024-01-01,2027-12-31
role,P2001,,commander,330102010000,2024-01-01,
qualification,FJ1001,,first_aid,,2024-01-01,
device,HH-1,手持终端,handheld,330102010000,,
"""


def lines_refused(text: str) -> list[int]:
    with pytest.raises(FaultyFile) as error:
        read(text)
    assert all(reason for _, reason in error.value.lines)
    return [line for line, _ in error.value.lines]


def test_a_good_roster_reads_whole() -> None:
    """Five kinds of record, one a line."""
    rows = read(GOOD)
    assert ["organ", "person", "role", "qualification", "device"] == [row.record for row in rows]
    assert [2, 3, 4, 5, 6] == [row.line for row in rows]
    assert "2027-12-31" == str(rows[1].valid_until)


def test_a_former_badge_may_be_told_in_a_column_of_its_own() -> None:
    """Of persons alone; a file without the column reads as before."""
    head, *lines = GOOD.splitlines()
    told = "\n".join([f"{head},formerly", *(f"{line},{'FJ0900' if 'person' in line else ''}" for line in lines)])
    assert ["", "FJ0900", "", "", ""] == [row.formerly for row in read(told)]
    role = "role,P2001,,commander,330102010000,2024-01-01,,"
    assert [3, 4] == lines_refused(told.replace("FJ0900", "FJ 0900").replace(role, f"{role}FJ1"))


def test_a_byte_order_mark_is_no_fault() -> None:
    """Excel writes a byte order mark."""
    assert read(GOOD) == read("\ufeff" + GOOD)


@pytest.mark.parametrize(
    "line",
    [
        "pet,FJ1001,黑背,,330102010000,,",
        "organ,33010201,城关派出所,,,,",
        "organ,330102010000,,,,,",
        "organ,330102010000,城关\u0007派出所,,,,",
        f"organ,330102010000,{'长' * 121},,,,",
        "organ,330102010000,城关派出所,,3301,,",
        "person,FJ 1001,林小川,duty_auxiliary,330102010000,2024-01-01,",
        "person,FJ1001,林小川,auxiliary,330102010000,2024-01-01,",
        "person,FJ1001,林小川,duty_auxiliary,,2024-01-01,",
        "person,FJ1001,林小川,duty_auxiliary,330102010000,,",
        "person,FJ1001,林小川,duty_auxiliary,330102010000,1 March 2024,",
        "person,FJ1001,林小川,duty_auxiliary,330102010000,2024-02-30,",
        "person,FJ1001,林小川,duty_auxiliary,330102010000,2024-03-01,2024-02-01",
        "role,P2001,,king,330102010000,2024-01-01,",
        "role,P2001,,commander,,2024-01-01,",
        "qualification,FJ1001,,First Aid,,2024-01-01,",
        "device,HH 1,手持终端,handheld,330102010000,,",
        "device,HH-1,手持终端,phone,330102010000,,",
        "person,FJ1001,林小川",
        "person,FJ1001,林小川,duty_auxiliary,330102010000,2024-01-01,,,",
    ],
)
def test_a_bad_line_is_named_with_its_number(line: str) -> None:
    """Only the bad line is named, among good ones."""
    assert [3] == lines_refused(f"{HEADER}\norgan,330106010000,灵隐派出所,,,,\n{line}\n")


def test_every_bad_line_is_named() -> None:
    """All bad lines are named at once."""
    assert [2, 4] == lines_refused(f"{HEADER}\npet,1,,,,,\norgan,330106010000,灵隐派出所,,,,\npet,2,,,,,\n")


def test_a_line_that_says_the_same_again_is_named() -> None:
    """Two lines for one person cannot both be right."""
    person = "person,FJ1001,林小川,duty_auxiliary,330102010000,2024-01-01,"
    assert [3] == lines_refused(f"{HEADER}\n{person}\n{person.replace('林小川', '林大川')}\n")


@pytest.mark.parametrize("text", ["", "\n", "badge,name\nFJ1001,林小川\n", HEADER.upper() + "\n", '"record,code'])
def test_a_file_without_our_columns_is_refused_at_its_first_line(text: str) -> None:
    """The first line says what the columns are."""
    assert [1] == lines_refused(text)


def test_a_line_that_is_no_csv_is_named() -> None:
    """Content that is no CSV is reported as a bad line."""
    good = "organ,330106010000,灵隐派出所,,,,"
    assert [3] == lines_refused(f'{HEADER}\n{good}\norgan,330106020000,"灵隐"派出所,,,,\n{good}\n')


def test_the_roster_that_comes_with_the_project_has_whom_the_pages_name() -> None:
    """So that its commands work in their order."""
    tests = Path(__file__).parents[1]
    there = {row.code for row in read((tests / "data" / "roster.csv").read_text(encoding="utf-8"))}
    pages = ("README.md", "docs/operating.md")
    page = "".join((tests.parent / page).read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"fujing enrol ([A-Z]+-\d+)", page)) | set(re.findall(r"FUJING_DOCK=(\S+)", page))
    named |= set(re.findall(r"--wearer (\w+)", page)) | set(re.findall(r'sign_in\("(\w+)"', page))
    assert len(named) >= 4
    assert named <= there
