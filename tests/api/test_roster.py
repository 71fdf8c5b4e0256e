"""Importing a roster: all of it or nothing, every bad line named, twice changes nothing."""

import csv
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from litestar import Litestar
from openpyxl import load_workbook

from backend.core.database import fetch, value
from backend.core.settings import Settings
from backend.people import roster, sessions
from backend.people.roster import ROSTER_COLUMNS, RosterError, read
from tests.builders import CHEAP, CITY, DISTRICT, STATION, a_badge, a_row, now, organ_row, rows_of

NUMBERS = itertools.count(990000000000)


def a_code() -> str:
    return str(next(NUMBERS))


def a_roster(organ: str, badge: str, serial: str) -> str:
    return f"""{",".join(ROSTER_COLUMNS)}
person,{badge},林小川,duty_auxiliary,{organ},2024-01-01,
organ,{organ},新设派出所,,{CITY},,
role,{badge},,inspector,{organ},2024-01-01,2030-12-31
qualification,{badge},,first_aid,,2024-01-01,
device,{serial},手持终端,handheld,{organ},,
"""


async def under(organ: str) -> list[str]:
    return sorted(row["code"] for row in await fetch("SELECT organs_under(ARRAY[$1]) AS code", organ))


async def refused_lines(rows: list[roster.RosterRow]) -> list[int]:
    with pytest.raises(RosterError) as error:
        await roster.bring_in(rows)
    return [line for line, _ in error.value.lines]


async def test_a_roster_brings_in_five_kinds_of_record(app: Litestar) -> None:
    """Whatever the order of its lines."""
    organ, badge = a_code(), a_badge()
    changed = await roster.bring_in(read(a_roster(organ, badge, f"HH-{organ}")))
    assert {"organ": 1, "person": 1, "role": 1, "qualification": 1, "device": 1} == changed
    row = await fetch(
        "SELECT p.organ, g.role FROM person_now p JOIN role_grant g ON g.person = p.id WHERE badge = $1", badge
    )
    assert [(organ, "inspector")] == [tuple(each) for each in row]


async def test_the_same_roster_again_changes_nothing(app: Litestar) -> None:
    """It may run every night."""
    rows = read(a_roster(a_code(), a_badge(), "HH-again"))
    await roster.bring_in(rows)
    assert {0} == set((await roster.bring_in(rows)).values())


async def test_only_what_differs_is_changed(app: Litestar) -> None:
    """A new name is one change, and the person stays the same person."""
    organ, badge = a_code(), a_badge()
    rows = read(a_roster(organ, badge, f"HH-{organ}"))
    await roster.bring_in(rows)
    before = await roster.person_id_of(badge)
    again = read(a_roster(organ, badge, f"HH-{organ}").replace("林小川", "林晓川"))
    changed = await roster.bring_in(again, confirmed=True)
    assert {"organ": 0, "person": 1, "role": 0, "qualification": 0, "device": 0} == changed
    assert before == await roster.person_id_of(badge)


async def test_one_bad_reference_and_nothing_is_imported(app: Litestar) -> None:
    """Every line that names an unknown organ or person is reported."""
    badge, nowhere = a_badge(), a_code()
    good = rows_of(badge, "林小川", "duty_auxiliary", STATION, [])
    bad = [
        a_row(record="person", line=7, code=a_badge(), name="无", kind="officer", organ=nowhere),
        a_row(record="role", line=8, code="X-nobody", kind="commander", organ=STATION),
        a_row(record="role", line=9, code=badge, kind="commander", organ=nowhere),
    ]
    assert [7, 8, 9] == await refused_lines([*good, *bad])
    assert await roster.person_id_of(badge) is None


async def test_an_organ_cannot_stand_under_itself(app: Litestar) -> None:
    """Neither directly nor through another organ."""
    first, second, third = a_code(), a_code(), a_code()
    assert [2] == await refused_lines([organ_row(first, "甲", first)])
    circle = [organ_row(first, "甲", third), organ_row(second, "乙", first), organ_row(third, "丙", second)]
    assert 3 == len(await refused_lines(circle))
    assert 0 == await value("SELECT count(*) FROM organ WHERE code = ANY ($1)", [first, second, third])


async def test_an_organ_that_is_known_cannot_move_under_its_own_child(app: Litestar) -> None:
    """The circle includes organs that the file does not name."""
    parent, child = a_code(), a_code()
    await roster.bring_in([organ_row(parent, "甲", CITY), organ_row(child, "乙", parent)])
    assert [2] == await refused_lines([organ_row(parent, "甲", child)])
    assert [parent, child] == await under(parent)


async def test_a_subtree_moves_with_its_top(app: Litestar) -> None:
    """A reorganisation names the organ that moved, and what stands below it comes along, whatever its depth."""
    top, middle, leaf = a_code(), a_code(), a_code()
    await roster.bring_in([organ_row(top, "甲"), organ_row(middle, "乙", top), organ_row(leaf, "丙", middle)])
    changed = await roster.bring_in([organ_row(top, "甲", DISTRICT)])
    assert 1 == changed["organ"]
    assert {top, middle, leaf} <= set(await under(CITY))
    depths = await fetch("SELECT depth FROM organ WHERE code = ANY ($1) ORDER BY code", [top, middle, leaf])
    assert [2, 3, 4] == [row["depth"] for row in depths]
    await roster.bring_in([organ_row(middle, "乙")])
    assert [top] == await under(top)
    assert [middle, leaf] == await under(middle)


async def test_a_tree_that_is_too_deep_names_its_line(app: Litestar) -> None:
    """No organ of the police stands thirteen levels down; a file that says so has a wrong line."""
    chain = [a_code() for _ in range(15)]
    rows = [organ_row(code, "甲", parent) for code, parent in zip(chain, ["", *chain], strict=False)]
    with pytest.raises(RosterError):
        await roster.bring_in(rows)


def fujing(house: Settings, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command, in the data directory of the house that runs."""
    ours = {key: text for key, text in os.environ.items() if not key.startswith("FUJING_")}
    return subprocess.run(
        [sys.executable, "-m", "mobile_api.cli", *words], env=ours | {"FUJING_DATA_DIR": str(house.data_dir)},
        input=stdin, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


async def test_the_command_imports_a_file_and_hands_out_first_passwords(
    app: Litestar, house: Settings, tmp_path: Path
) -> None:
    """Exit 0; the passwords lie in a new file that only its owner reads, and they open sessions."""
    organ, badge = a_code(), a_badge()
    file, passwords = tmp_path / "名册.csv", tmp_path / "passwords.csv"
    file.write_text("\ufeff" + a_roster(organ, badge, f"HH-{organ}"), encoding="utf-8")
    for other in await roster.without_password():  # of other tests
        await sessions.set_hash(await roster.person_id_of(other), CHEAP, now())
    passwords.write_text("handed out last year\n")
    done = fujing(house, "import-roster", str(file), "--passwords", str(passwords))
    assert (1, "handed out last year\n") == (done.returncode, passwords.read_text())
    assert "nothing was imported" in done.stderr
    assert [] == await roster.without_password()  # nobody came in whose password nobody knows
    passwords.unlink()
    done = fujing(house, "import-roster", str(file), "--passwords", str(passwords))
    assert 0 == done.returncode, done.stderr
    assert "1 first passwords" in done.stdout
    assert 0o600 == passwords.stat().st_mode & 0o777
    assert b"\r" not in passwords.read_bytes()  # cut, awk and a spreadsheet read the same password
    given = dict(csv.reader(passwords.open(encoding="utf-8")))
    from tests.builders import Client

    assert 201 == (await Client(app).sign_in(badge, given[badge])).status_code


async def test_the_command_names_every_bad_line(app: Litestar, house: Settings, tmp_path: Path) -> None:
    """Exit 1, file and number before each reason, and nothing is imported."""
    organ, badge = a_code(), a_badge()
    file = tmp_path / "roster.csv"
    file.write_text(a_roster(organ, badge, "HH 1").replace("inspector", "king"), encoding="utf-8")
    done = fujing(house, "import-roster", str(file))
    assert 1 == done.returncode
    assert [f"{file}:4:", f"{file}:6:"] == [line.split(" ")[0] for line in done.stderr.splitlines()[:2]]
    assert "Traceback" not in done.stderr
    assert await roster.person_id_of(badge) is None


def test_the_command_says_so_where_a_file_is_in_no_known_encoding(house: Settings, tmp_path: Path) -> None:
    """Exit 1 and a sentence, for what is neither UTF-8 nor GB18030."""
    file = tmp_path / "roster.csv"
    file.write_bytes(a_roster(a_code(), a_badge(), "HH-1").encode() + b"\xff\xff")
    done = fujing(house, "import-roster", str(file))
    assert (1, True) == (done.returncode, "UTF-8" in done.stderr)
    assert "Traceback" not in done.stderr


def test_the_command_needs_a_file_that_exists(house: Settings, tmp_path: Path) -> None:
    """Exit 2, as every wrong use of a command."""
    assert 2 == fujing(house, "import-roster", str(tmp_path / "nowhere.csv")).returncode


async def test_the_template_is_filled_in_and_comes_back(app: Litestar, house: Settings, tmp_path: Path) -> None:
    """`--template` has the organs that are known; filled in, the workbook is imported; then its faults by sheet."""
    template, filled, badge = tmp_path / "模板.xlsx", tmp_path / "名册.xlsx", a_badge()
    done = fujing(house, "import-roster", "--template", str(template))
    assert 0 == done.returncode, done.stderr
    book = load_workbook(template)
    assert STATION in [cell.value for cell in book["单位"]["A"]]
    for column, text in enumerate((badge, "李　明", "文职辅警", STATION, "2026年3月1日"), 1):
        book["人员"].cell(2, column, text)
    book["资质"].cell(2, 1, badge)
    book["资质"].cell(2, 2, "岗前培训")
    book["资质"].cell(2, 3, "2026/3/1")
    book.save(filled)
    done = fujing(house, "import-roster", str(filled))
    assert 0 == done.returncode, done.stderr
    rows = await fetch(
        "SELECT p.name, p.kind, q.code FROM person_now p JOIN qualification q ON q.person = p.id WHERE badge = $1",
        badge,
    )
    assert [("李明", "civilian_auxiliary", "pre_job_training")] == [tuple(row) for row in rows]
    book["资质"].cell(2, 2, "会开车")
    book.save(filled)
    done = fujing(house, "import-roster", str(filled))
    assert (1, True) == (done.returncode, done.stderr.startswith(f"{filled}:资质:2: 资质: ")), done.stderr
    again = fujing(house, "import-roster", "--template", str(template))
    assert (1, True) == (again.returncode, str(template) in again.stderr)  # nothing is overwritten


async def test_a_month_is_planned_from_its_template(app: Litestar, house: Settings, tmp_path: Path) -> None:
    """The auxiliaries of the organ stand in it; a code in a cell is a shift; the same file again plans nothing."""
    organ, badge, template = a_code(), a_badge(), tmp_path / "排班.xlsx"
    await roster.bring_in([organ_row(organ, "排班派出所", CITY), *rows_of(badge, "甲", "duty_auxiliary", organ, [])])
    done = fujing(house, "import-plan", "--template", str(template), "--month", "2027-02", "--organ", organ)
    assert 0 == done.returncode, done.stderr
    book = load_workbook(template)
    assert [badge, "甲"] == [cell.value for cell in book["排班"][4][:2]]
    book["排班"].cell(4, 3, "早")
    book["排班"].cell(4, 4, "夜")
    book.save(template)
    assert "2 shifts planned" in fujing(house, "import-plan", str(template)).stdout
    assert "0 shifts planned, 2 were planned already" in fujing(house, "import-plan", str(template)).stdout
