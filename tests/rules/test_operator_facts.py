"""Who runs a command, as the journal keeps it: numbers and names of the machine, and never free text."""

import getpass
import os
from datetime import UTC, datetime
from uuid import UUID

import pytest

from backend.core import bulk_lines, operators
from backend.core.bulk_lines import CHANGES_A_LINE, BulkChange
from backend.core.operators import Operator, of_this_process
from backend.registry import EVENTS

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_it_is_the_user_of_this_process() -> None:
    """By the kernel's number and the machine's name; without sudo nobody asked it."""
    operator = of_this_process("set-password", {})
    assert (os.getuid(), getpass.getuser(), None, "set-password") == (
        operator.uid, operator.user, operator.sudo_user, operator.command,
    )  # fmt: skip
    assert operator.host


@pytest.mark.parametrize("name", ["zhang.wei", "zhang_wei", "CORP\\zhang", "zhang@corp.example", "svc-1"])
def test_who_asked_sudo_is_named(name: str) -> None:
    assert name == of_this_process(None, {"SUDO_USER": name}).sudo_user


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "<script>", "张伟", "x" * 65, "-rf", "a;b"])
def test_what_is_no_account_name_is_left_out(text: str) -> None:
    """The journal can never be erased, so no free text gets into it by the environment."""
    assert of_this_process(None, {"SUDO_USER": text}).sudo_user is None


@pytest.mark.parametrize("text", ["", "a b c", "Set", "a\nb", "设置"])
def test_what_is_no_command_is_left_out(text: str) -> None:
    assert of_this_process(text, {}).command is None


def test_lines_name_an_operator_only_while_a_command_runs() -> None:
    """Inside of each other, the inner one; what is not known is left out."""
    assert {} == operators.facts()
    with operators.acting(Operator(uid=0, user="root")):
        with operators.acting(Operator(uid=7)):
            assert {"operator": {"uid": 7}} == operators.facts()
        assert {"operator": {"uid": 0, "user": "root"}} == operators.facts()
    assert {} == operators.facts()


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        ({"uid": 998, "user": "fujing", "sudo_user": "zhang", "login_user": "li"}, "zhang"),
        ({"uid": 998, "user": "fujing", "login_user": "li"}, "li"),
        ({"uid": 998, "user": "fujing"}, "fujing"),
        ({"uid": 998}, "998"),
    ],
)
def test_readers_see_the_person_behind_a_service_account(fact: dict[str, object], shown: str) -> None:
    assert shown == operators.shown(fact)


def test_many_changes_are_some_lines_for_each_organ() -> None:
    """Every change stands in one line of its organ, and no line is too long to be read."""
    changes = [BulkChange(f"{n % 3}", [UUID(int=n)], {"id": str(n)}) for n in range(1000)]
    lines = bulk_lines.lines_of("people/import", changes, NOW, {"file_sha256": "0"})
    assert ["0", "0", "1", "1", "2", "2"] == [line.organ for line in lines]
    assert max(len(line.subjects) for line in lines) <= CHANGES_A_LINE
    assert sorted(UUID(int=n) for n in range(1000)) == sorted(subject for line in lines for subject in line.subjects)
    assert 1000 == sum(line.facts["count"] for line in lines) == sum(len(line.facts["changes"]) for line in lines)
    assert {"0"} == {line.facts["file_sha256"] for line in lines}


def test_a_line_of_which_administrators_are_told_has_words_in_both_languages() -> None:
    for event in EVENTS:
        assert event.told_to != "administrators" or (event.zh and event.en), event.name
