"""`fujing install`: the units that it writes are systemd's own, closed, and of this clone under whatever path."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from mobile_api.cli import installing
from mobile_api.cli.installing import ENVIRONMENT, UNITS, Machine, NotInstalled
from mobile_api.cli.main import fujing
from mobile_api.cli.units import BACKUP, SERVICE, TIMER, Plan, quoted, units
from tests.rules.test_deploy import MOST_EXPOSED

# Of what deploy/ closes, what embedded servers need: /proc/stat, a netlink socket, more memory than an API.
OPENED = {"ProcSubset=pid", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "MemoryMax=2G"}
OF_ONE = {
    "Type",
    "User",
    "Group",
    "EnvironmentFile",
    "ExecStart",
    "Restart",
    "RestartSec",
    "TimeoutStopSec",
    "KillMode",
}
STRANGE = "城关 派出所 %n of $HOME;"  # %n: the name of the unit, to systemd


def a_plan(folder: Path, lan: str | None = "fujing.lan", user: str = "fujing") -> Plan:
    """A clone under this folder, whose command is there."""
    program = folder / ".venv" / "bin" / "fujing"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return Plan(program, folder / "data", folder / "backup", user, lan)


def said(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(fujing, ["install", *words], env={"LC_ALL": "C.UTF-8"} | environment)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    return subprocess.run([program, *words], capture_output=True, text=True)


@pytest.mark.parametrize("name", ["fujing", STRANGE])
def test_the_units_are_units(tmp_path: Path, name: str) -> None:
    """systemd's own check, which looks for the command too; under a path with spaces, Chinese, % and $."""
    for unit, text in units(a_plan(tmp_path / name, user="root")).items():
        (tmp_path / unit).write_text(text)
    done = analyze("verify", "--man=no", *(str(tmp_path / unit) for unit in (SERVICE, BACKUP, TIMER)))
    assert not [line for line in done.stderr.splitlines() if "fujing" in line], done.stderr


def test_a_command_that_is_not_there_would_be_found(tmp_path: Path) -> None:
    """The check above sees the path that systemd reads."""
    plan = a_plan(tmp_path / STRANGE, user="root")
    plan.program.unlink()
    (tmp_path / SERVICE).write_text(units(plan)[SERVICE])
    assert f"Command {plan.program} is not executable" in analyze("verify", "--man=no", str(tmp_path / SERVICE)).stderr


@given(st.text(st.characters(exclude_categories=["C"], exclude_characters="\n"), min_size=1))
def test_a_quoted_word_is_one_word(text: str) -> None:
    """Nothing in it ends the word, or means something to systemd: no bare quote, %, or $ of an argument."""
    word = quoted(text, is_argument=True)
    inside = word[1:-1] if word.startswith('"') else word
    assert not re.search(r'(?<!\\)(?:\\\\)*"', inside)
    assert re.fullmatch(r"(?:[^%$]|%%|\$\$)*", inside, re.DOTALL)
    assert text == inside.replace("%%", "%").replace("$$", "$").replace('\\"', '"').replace("\\\\", "\\")
    assert word.startswith('"') or not re.search(r"[\s;'\"]", word)


@pytest.mark.parametrize("unit", [SERVICE, BACKUP])
def test_they_are_closed_as_those_of_the_parts_are(repository: Path, tmp_path: Path, unit: str) -> None:
    """Every line that closes deploy/fujing-api.service closes these too, but for what is named above."""
    ours = set(units(a_plan(tmp_path))[unit].splitlines())
    section = (
        (repository / "deploy" / "fujing-api.service").read_text().partition("[Service]\n")[2].partition("\n\n")[0]
    )
    closing = {line for line in section.splitlines() if line.partition("=")[0] not in OF_ONE}
    assert len(closing) > 20
    assert OPENED | {"StateDirectory=fujing", "StateDirectoryMode=0700"} == closing - ours


def test_they_are_hardly_exposed(tmp_path: Path) -> None:
    (tmp_path / SERVICE).write_text(units(a_plan(tmp_path))[SERVICE])
    done = analyze("security", "--offline=true", "--no-pager", str(tmp_path / SERVICE))
    if "--offline" in done.stderr:
        pytest.skip("systemd is older than 250 and counts no exposure of a file")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED, done.stdout


def test_a_clone_in_a_home_can_be_read(tmp_path: Path) -> None:
    """Homes are closed to the service, unless what it runs lies in one."""
    plan = Plan(Path("/home/li/fujing/.venv/bin/fujing"), tmp_path, tmp_path, "fujing", None)
    assert "ProtectHome=read-only\n" in units(plan)[SERVICE]
    assert "ProtectHome=true\n" in units(a_plan(tmp_path))[SERVICE]


def test_the_backup_runs_in_a_house_that_runs(tmp_path: Path) -> None:
    """It needs the house's servers, and begins none of its own."""
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(units(a_plan(tmp_path))[BACKUP])
    assert SERVICE == read["Unit"]["Requisite"] == read["Unit"]["After"]
    assert read["Service"]["ExecStart"].endswith(f"fujing backup {tmp_path / 'backup'}")


def test_it_prints_what_it_would_write(tmp_path: Path) -> None:
    """Every file, word for word, and it writes none."""
    result = said("--dry-run", "--lan", "fujing.lan", "--user", "station", FUJING_DATA_DIR=str(tmp_path / "data"))
    assert 0 == result.exit_code, result.output
    plan = Plan(installing.program(), tmp_path / "data", Path("/var/backups/fujing"), "station", "fujing.lan")
    for text in units(plan).values():
        assert text in result.output
    assert [] == list(tmp_path.iterdir())


def test_without_root_or_systemd_it_prints_and_ends(tmp_path: Path) -> None:
    """One sentence says which, after what it would write; exit code 2."""
    if os.geteuid() == 0 and installing.RUNNING.is_dir():
        pytest.skip("this is root, and systemd runs: it would be installed")
    result = said(FUJING_DATA_DIR=str(tmp_path / "data"))
    assert 2 == result.exit_code
    assert "[Service]" in result.output
    assert "nothing was written" in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--user", "Fu Jing"], "Fu Jing cannot be the name of an account."),
        (["--lan", "fujing lan; reboot"], "is no name in a network"),
        (["--lan", "a\nExecStartPre=/bin/evil"], "is no name in a network"),
    ],
)
def test_a_word_that_cannot_be_is_a_sentence(words: list[str], sentence: str) -> None:
    result = said("--dry-run", *words)
    assert (2, True) == (result.exit_code, sentence in result.stderr), result.output


def test_a_second_run_changes_what_differs(tmp_path: Path) -> None:
    """Into a system that does not run: units, links, folders; once more, nothing; by another name, one file."""
    if shutil.which("systemctl") is None:
        pytest.skip("systemd is not installed")
    root, where = tmp_path / "image", {"FUJING_DATA_DIR": "/srv/辅警 数据"}
    root.mkdir()
    words = ["--root", str(root), "--lan"]
    assert (
        "written: fujing.service, fujing-backup.service, fujing-backup.timer" in said(*words, "a.lan", **where).output
    )
    assert " serve --lan a.lan\n" in (root / UNITS / SERVICE).read_text()
    wanted = [root / UNITS / "multi-user.target.wants" / SERVICE, root / UNITS / "timers.target.wants" / TIMER]
    assert [True, True] == [link.is_symlink() for link in wanted]
    assert [0o700, 0o700] == [
        (root / folder).stat().st_mode & 0o777 for folder in ("srv/辅警 数据", "var/backups/fujing")
    ]
    (root / ENVIRONMENT).write_text("FUJING_WORKERS=2\n")
    assert "Nothing differs" in said(*words, "a.lan", **where).output
    assert "written: fujing.service\n" in said(*words, "b.lan", **where).output
    assert " serve --lan b.lan\n" in (root / UNITS / SERVICE).read_text()
    assert "FUJING_WORKERS=2\n" == (root / ENVIRONMENT).read_text()


def test_a_clone_that_the_account_cannot_enter_is_a_sentence(tmp_path: Path) -> None:
    """Root's own home, say: the service would end at once, again and again."""
    plan = a_plan(tmp_path / "home")
    (plan.program.parent / "python").symlink_to("/bin/sh")
    (tmp_path / "home").chmod(0o700)
    with pytest.raises(NotInstalled, match=re.escape(str(tmp_path))):
        installing.must_be_readable(plan)


def test_a_path_that_systemd_does_not_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="a quote or a backslash"):
        installing.check(a_plan(tmp_path / "it's"))


def test_a_path_in_an_image_stays_in_it(tmp_path: Path) -> None:
    assert tmp_path / "var" / "lib" == Machine(tmp_path).at(Path("/var/lib"))
