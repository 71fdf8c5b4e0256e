"""Importing a roster: all of it or nothing, every bad line named, twice changes nothing."""

import csv
import itertools
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from litestar import Litestar
from openpyxl import Workbook, load_workbook

from backend.core.columns import FaultyFile
from backend.core.database import fetch, value
from backend.core.settings import Settings
from backend.people import roster, sessions
from backend.people.roster_files import ROSTER_COLUMNS, RosterRow, read, read_file
from tests.builders import CHEAP, CITY, DISTRICT, ROSTER_HEADER, STATION, a_badge, a_row, now, organ_row, rows_of

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


async def refused_lines(rows: list[RosterRow]) -> list[int]:
    with pytest.raises(FaultyFile) as error:
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
    circle = [organ_row(first, "甲", third, 2), organ_row(second, "乙", first, 3), organ_row(third, "丙", second, 4)]
    assert [2, 3, 4] == await refused_lines(circle)
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
    with pytest.raises(FaultyFile):
        await roster.bring_in(rows)


async def faults_of(*lines: str, head: str = ROSTER_HEADER) -> list[tuple[int, str]]:
    """Line and column of everything that is wrong with a file."""
    with pytest.raises(FaultyFile) as error:
        await roster.preview(read_file((head + "\n".join(lines)).encode()))
    return [(fault.line, fault.column) for fault in error.value.faults]


async def test_everything_that_is_wrong_is_told_in_one_run(app: Litestar) -> None:
    """Forms, unknown organs and badges, look-alikes, badges of others; several of one line, in the file's order."""
    nowhere, known, held, former = a_code(), a_badge("K"), a_badge(), a_badge()
    await roster.bring_in(rows_of(known, "赵立", "officer", STATION, []))
    await roster.bring_in(rows_of(held, "钱进", "officer", STATION, [], valid_from=date(2024, 5, 1)))
    assert [
        (2, "from"), (2, "organ"), (3, "code"), (4, "kind"), (4, "code"), (5, "organ"), (6, "code"), (7, "code"),
        (8, "formerly"), (9, "organ"), (10, "code"), (11, "from"), (11, "code"),
    ] == await faults_of(
        f"person,{a_badge()},甲,officer,{nowhere},spring,",
        f"person,{known.lower()},乙,officer,{STATION},2024-01-01,",
        f"role,{a_badge()},,king,{STATION},2024-01-01,",
        f"role,{known},,inspector,{nowhere},2024-01-01,",
        f"qualification,{a_badge()},,first_aid,,2024-01-01,",
        f"person,{held},丙,officer,{STATION},2024-01-01,",
        f"person,{a_badge()},丁,officer,{STATION},2024-01-01,,{former}",
        f"organ,{a_code()},戊所,,{nowhere},,",
        f"device,HH 1,手持终端,handheld,{STATION},,",
        f"person,{known.lower()},己,officer,{STATION},spring,",
        head=ROSTER_HEADER.strip() + ",formerly\n",
    )  # fmt: skip


async def test_what_refers_to_a_line_with_a_fault_is_not_told_as_unknown(app: Litestar) -> None:
    """Its own fault is enough; nor does an organ under an unknown one stand in a circle."""
    organ, kind_unknown, badge, former = a_code(), a_code(), a_badge(), a_badge()
    assert [(2, "name"), (3, "from"), (7, "record"), (9, "code"), (11, "organ"), (13, "from")] == await faults_of(
        f"organ,{organ},,,{CITY},,",
        f"person,{badge},甲,officer,{organ},spring,",
        f"role,{badge},,inspector,{organ},2024-01-01,",
        f"device,HH-{organ},手持终端,handheld,{organ},,",
        f"organ,{a_code()},乙所,,{organ},,",
        f"pet,{kind_unknown},,,,,",
        f"device,HH-{kind_unknown},手持终端,handheld,{kind_unknown},,",
        "organ,3301,丙所,,,,",
        f"person,{a_badge()},丁,officer,丙所,2024-01-01,",
        f"organ,{organ[::-1]},戊所,,{a_code()},,",
        f"organ,{a_code()},己所,,{organ[::-1]},,",
        f"person,{former},庚,officer,{STATION},,",
        f"person,{a_badge()},庚,officer,{STATION},2024-01-01,,{former}",
        head=ROSTER_HEADER.strip() + ",formerly\n",
    )  # fmt: skip


async def test_what_may_stand_in_lines_that_cannot_be_read_is_not_told_as_unknown(app: Litestar) -> None:
    """A file that is no CSV from some line on, or a line with too many cells."""
    badge, good = a_badge(), f"role,{a_badge()},,king,{a_code()},2024-01-01,"
    assert [(2, "kind"), (3, "")] == await faults_of(good, f"person,{badge},甲,officer,{STATION},2024-01-01,,,,")
    assert [(2, "kind"), (3, "")] == await faults_of(good, f'person,{badge},"甲"乙,officer,{STATION},2024-01-01,')


async def test_each_sheet_tells_its_faults_in_its_own_headings(app: Litestar, house: Settings, tmp_path: Path) -> None:
    """In the order of the sheets, however a fault was found; and nothing is imported."""
    book, file, badge, nobody = Workbook(), tmp_path / "名册.xlsx", a_badge(), a_badge()
    book.active.title = "人员"
    for row in (
        ["警号", "姓名", "类别", "所属单位", "入职时间"],
        [a_badge(), "甲", "民警", STATION, "2026/3/1"],
        [badge, "乙", "民警", a_code(), "2026/3/1"],
    ):
        book.active.append(row)
    roles = book.create_sheet("角色")
    for row in (
        ["辅警编号", "角色", "单位", "开始日期"],
        [nobody, "督察", STATION, "2026/3/1"],
        [badge, "国王", STATION],
    ):
        roles.append(row)
    book.save(file)
    done = fujing(house, "import-roster", str(file))
    assert 1 == done.returncode
    places = ["人员:3: 所属单位", "角色:2: 辅警编号", "角色:3: 角色", "角色:3: 开始日期"]
    told = [line.split(": ")[:2] for line in done.stderr.splitlines()[:-1]]
    assert [f"{file}:{place}" for place in places] == [": ".join(parts) for parts in told]
    assert await roster.person_id_of(badge) is None


def fujing(
    house: Settings, *words: str, stdin: str = "", locale: str = "C.UTF-8"
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """The command, in the data directory of the house that runs."""
    ours = {key: text for key, text in os.environ.items() if not key.startswith(("FUJING_", "LC_", "LANG"))}
    ours["LC_ALL"] = locale
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
