"""Operators are seen: every command of `fujing` that changes something writes a line with whoever ran it."""

import getpass
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mobile_api.cli.main import fujing
from tests.commands import CLIENTS, ELSEWHERE, OF_THE_MACHINE, RUNS, SERVES, Run, commands_of
from tests.prepared import Templates

AS_AN_OPERATOR = {"SUDO_USER": "zhang.wei", "LC_ALL": "C.UTF-8", "FUJING_PUBLIC_URL": "https://fujing.example"}
PASSWORD = "a password of the street"
OF_A_HOUSE = {"in_database", "in_services", "existing_house", "external_services", "services"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> dict[str, dict[str, Any]]:
    """What each run changed and wrote, by its words; all in one process, as by sudo."""
    place, _ = templates.place(tmp_path_factory.mktemp("operated"))
    folder = tmp_path_factory.mktemp("files")
    done = subprocess.run(
        [sys.executable, "-m", "tests.commands", str(folder)], capture_output=True, text=True, timeout=300,
        env=place.environment() | AS_AN_OPERATOR,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    return {each["words"]: each for each in json.loads(done.stdout.splitlines()[-1])}


def test_every_command_says_whether_it_only_reads() -> None:
    """A new command must say what lines it writes: this fails until it stands in tests/commands.py."""
    told = {run.command for run in RUNS} | SERVES | CLIENTS | OF_THE_MACHINE | ELSEWHERE.keys()
    assert sorted(told) == sorted(commands_of(fujing))


def test_what_is_shown_elsewhere_is_shown_there(repository: Path) -> None:
    """The tests that the table names for commands that need a place of their own."""
    there = "".join(path.read_text() for path in (repository / "tests" / "faults").glob("test_*.py"))
    for name in ELSEWHERE.values():
        assert re.search(rf"def {name}\b", there), name


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_a_client_has_no_hand_on_the_house(name: str) -> None:
    """Commands of clients open neither database nor store: what they do, the API journals."""
    command: Any = fujing.commands[name].callback
    assert set() == OF_A_HOUSE & set(re.findall(r"\w+", inspect.getsource(inspect.unwrap(command))))


@pytest.mark.parametrize("run", [run for run in RUNS if not run.lines], ids=lambda run: run.words)
def test_a_command_that_reads_changes_nothing(ran: dict[str, dict[str, Any]], run: Run) -> None:
    """No row of any table, no key, no notice, no line."""
    told = ran[run.words]
    assert ([], [], []) == (told["tables"], told["files"], told["lines"]), told["said"]


@pytest.mark.parametrize("run", [run for run in RUNS if run.lines], ids=lambda run: run.words)
def test_a_command_that_changes_something_writes_who_ran_it(ran: dict[str, dict[str, Any]], run: Run) -> None:
    """The operating user, who asked sudo, and the command; no person as its actor; never the password."""
    told = ran[run.words]
    assert 0 == told["code"], told["said"]
    assert run.lines == {line["verb"] for line in told["lines"]}, told["said"]
    for line in told["lines"]:
        operator = line["entry"]["facts"]["operator"]
        assert (os.getuid(), getpass.getuser(), "zhang.wei", run.command) == tuple(
            operator.get(name) for name in ("uid", "user", "sudo_user", "command")
        )
        assert "actor" not in line["entry"]
        assert PASSWORD not in json.dumps(line)


@pytest.mark.parametrize("run", [run for run in RUNS if run.lines], ids=lambda run: run.words)
def test_the_line_is_of_the_transaction_that_changed_something(ran: dict[str, dict[str, Any]], run: Run) -> None:
    """Nothing is changed without its line, and no line is there without what it tells. A savepoint has a number of its
    own, above that of its transaction."""
    told = ran[run.words]
    own = {line["xid"] for line in told["lines"]}
    savepoints = run.command in ("import-plan", "import-items")
    for transaction in told["transactions"]:
        assert transaction in own or (savepoints and transaction > min(own)), told["tables"]
