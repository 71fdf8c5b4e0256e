"""The command line uses the terminal's language: all help, usage errors and sentences exist in both languages."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.core.columns import FaultyFile
from backend.core.settings import SettingsError, load
from backend.law.catalogue import LawError
from backend.law.catalogue import law as built_in
from backend.law.catalogue import load as load_law
from backend.people.roster_files import ROSTER_COLUMNS, read
from backend.rosters import plan_files
from storage.language import language

CHINESE = re.compile("[\u4e00-\u9fff]")
ENGLISH = re.compile(r"[A-Za-z]{2,}[ ,:]+[A-Za-z]{2,}[ ,:]+[A-Za-z]{2,}")  # three words of it
WORD = re.compile("[a-z]{2,}")
# Functions that take Chinese, then English.
BILINGUAL = {"by_locale", "say", "_say", "warn", "well", "warning", "wrong", "unknown", "Words", "Unanswered"}
PRINTING = {"print", "echo", "prompt", "BadParameter", "UsageError"}
WALK = """
import json, sys
import click
from click.testing import CliRunner
from mobile_api.cli.main import main

def walk(command, path):
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, [*path, name])

def described(path, command):
    with click.Context(command, info_name=path[-1]) as context:
        options = {parameter.name: parameter.help for parameter in command.get_params(context)
                   if isinstance(parameter, click.Option)}
    runner = CliRunner()
    shown = runner.invoke(main, [*path[1:], "--help"], env={"COLUMNS": "200"})
    wrong = runner.invoke(main, [*path[1:], "--no-such-option"], env={"COLUMNS": "200"})
    assert (0, 2) == (shown.exit_code, wrong.exit_code), path
    return {"help": command.help, "options": options, "shown": shown.output, "wrong": wrong.output}

print(json.dumps({" ".join(path): described(path, command) for path, command in walk(main, ["fujing"])}))
"""


def tree(locale: str) -> dict[str, dict[str, Any]]:
    """Every command under this locale: its help, its options' help, its --help page, and a usage error."""
    done = subprocess.run(
        [sys.executable, "-c", WALK], env=os.environ | {"LC_ALL": locale}, capture_output=True, text=True, timeout=60
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("environment", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LANG": "zh_TW.UTF-8", "LC_ALL": ""}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_locale_says_which_language(environment: dict[str, str], spoken: str) -> None:
    """LC_ALL before LC_MESSAGES before LANG, as POSIX has it; an empty one counts as unset."""
    assert spoken == language(environment)


@pytest.mark.parametrize(("locale", "is_chinese"), [("zh_CN.UTF-8", True), ("C.UTF-8", False)])
def test_every_command_and_option_is_helped_in_the_language_of_the_terminal(locale: str, is_chinese: bool) -> None:
    """All of --help and every usage error are in that language."""
    commands = tree(locale)
    assert len(commands) > 25
    for path, command in commands.items():
        for text in (command["help"].replace("辅警", ""), *command["options"].values()):
            assert is_chinese == bool(CHINESE.search(text)), f"{path}: {text}"
        page = command["shown"].replace(path, "").replace("辅警", "")
        assert is_chinese == bool(CHINESE.search(page)), page
        assert is_chinese == bool(CHINESE.search(command["wrong"])), command["wrong"]
        assert is_chinese == ("用法" in command["shown"]), path
        if is_chinese:
            sentences = [line for line in command["shown"].splitlines() if ENGLISH.search(line)]
            assert [] == [line for line in sentences if not CHINESE.search(line)], path


def test_both_locales_have_the_same_commands_and_options() -> None:
    """Commands and options are the same in both languages."""
    named = [
        {path: sorted(command["options"]) for path, command in tree(each).items()} for each in ("zh_CN.UTF-8", "C")
    ]
    assert named[0] == named[1]


# -- sentences in the code


def literal(node: ast.expr) -> str | None:
    """The text of a literal or an f-string without its placeholders; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return None


def errors_in(trees: dict[Path, ast.Module]) -> set[str]:
    """Names of the errors that take both sentences: SentenceError and its subclasses without an __init__."""
    known = {"SentenceError"}
    classes = [node for each in trees.values() for node in ast.walk(each) if isinstance(node, ast.ClassDef)]
    for _ in range(4):  # generations
        known |= {
            node.name
            for node in classes
            if any(isinstance(base, ast.Name) and base.id in known for base in node.bases)
            and not any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body)
        }
    return known


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")), node


def test_every_sentence_for_a_terminal_is_there_in_both_languages(repository: Path) -> None:
    """Chinese first, then English, wherever the locale chooses; and none is printed in English alone."""
    folders = ("backend", "migrations", "mobile_api", "storage")
    files = [file for folder in folders for file in (repository / folder).rglob("*.py")]
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    both = errors_in(trees) | BILINGUAL
    assert {"ServingError", "SettingsError", "LawError", "BackupError", "EmbeddedError", "MigrationError"} <= both
    checked = 0
    for file, parsed in trees.items():
        for name, call in calls(parsed):
            texts = [text for argument in call.args if (text := literal(argument)) is not None]
            if name in both and len(texts) == 2 and WORD.search(texts[1]):
                checked += 1
                assert CHINESE.search(texts[0]), f"{file}:{call.lineno}: {texts[0]}"
                assert not mostly_chinese(texts[1]), f"{file}:{call.lineno}: {texts[1]}"
            if name in PRINTING and "mobile_api/c" in file.as_posix():
                alone = [text for text in texts if ENGLISH.search(text) and not CHINESE.search(text)]
                assert [] == alone, f"{file}:{call.lineno}"
    assert checked > 200


def mostly_chinese(text: str) -> bool:
    """Whether it is more than a name or a word of the law in an English sentence."""
    return len(CHINESE.findall(text)) > len(re.findall("[A-Za-z]", text)) / 2


# -- faults that a person reads


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


def lines_of(error: FaultyFile) -> list[str]:
    return [reason for _, reason in error.lines]


def test_a_bad_roster_is_told_in_chinese(chinese: None) -> None:
    """Every reason and the summary are in Chinese."""
    bad = [
        "king,1,甲,,,,", "organ,1,甲,,,,", "person,FJ1,,officer,330102010000,2024-01-01,",
        "person,FJ1,甲,king,330102010000,2024-01-01,", "qualification,FJ1,,1st,,2024-01-01,",
        "person,FJ1,甲,officer,33,2024-01-01,", "person,FJ1,甲,officer,330102010000,,",
        "person,FJ1,甲,officer,330102010000,2024-01-01,2023-01-01", "person,FJ1,甲,officer,330102010000,soon,", "x",
    ]  # fmt: skip
    with pytest.raises(FaultyFile) as raised:
        read("\n".join([",".join(ROSTER_COLUMNS), *bad]))
    assert len(bad) == len(lines_of(raised.value))
    assert [] == [reason for reason in lines_of(raised.value) if not CHINESE.search(reason)]
    assert CHINESE.search(str(raised.value))
    with pytest.raises(FaultyFile) as raised:
        read("a,b\n")
    assert CHINESE.search(lines_of(raised.value)[0])


def test_a_bad_plan_is_told_in_chinese(chinese: None) -> None:
    """Each column names its allowed values."""
    day, place = "2026-12-01T08:00:00+08:00,2026-12-01T16:00:00+08:00", "30.27,120.1,WGS84,200"
    bad = [
        f"FJ1,,,post,{day},{place}", f"FJ1,南门,,guard,{day},{place}", f"FJ1,南门,,post,{day},91,120.1,WGS84,200",
        f"FJ1,南门,,post,{day},x,120.1,WGS84,200", f"FJ1,南门,,post,{day},30,120.1,WGS72,200",
        f"FJ1,南门,,post,{day},30,120.1,WGS84,0", f"FJ1,南门,,post,{day},30,,,", f"FJ1,南门,,post,soon,later,{place}",
        "FJ1,南门,,post,2026-12-01T16:00:00+08:00,2026-12-01T08:00:00+08:00,,,,",
    ]  # fmt: skip
    with pytest.raises(FaultyFile) as raised:
        plan_files.read_file("\n".join([",".join(plan_files.COLUMNS), *bad]).encode()).rows()
    assert len(bad) == len(lines_of(raised.value))
    assert [] == [reason for reason in lines_of(raised.value) if not CHINESE.search(reason)]
    assert [] == [reason for reason in lines_of(raised.value) if "Expected" in reason]


def test_a_law_that_is_wrong_is_told_in_chinese(chinese: None, tmp_path: Path) -> None:
    """Every mistake is named in Chinese, by file and line."""
    (tmp_path / "terms.toml").write_text(
        '[no_such_term]\nhours = 1\nsource = "x"\nversion = "x"\n[footage_retention]\n'
    )
    (tmp_path / "works.toml").write_text('["10.3"]\nkind = "duty"\nstrange = 1\n')
    (tmp_path / "calendar.toml").write_text('["2026"]\nrest = []\nwrok = []\n')
    (tmp_path / "more.toml").touch()
    with pytest.raises(LawError) as raised:
        load_law(tmp_path, over=built_in())
    mistakes = str(raised.value).splitlines()
    assert len(mistakes) > 8
    assert [] == [mistake for mistake in mistakes if not CHINESE.search(mistake)]


def test_a_wrong_setting_names_itself_in_both_languages() -> None:
    """The variable's name is the same in both languages."""
    for name in ("FUJING_WORKERS", "FUJING_LISTEN", "FUJING_LOG_LEVEL", "FUJING_S3_SECURE", "FUJING_DATABASE_URL"):
        with pytest.raises(SettingsError) as raised:
            load({name: "nonsense"})
        assert name in raised.value.zh
        assert name in raised.value.en
        assert (True, False) == (bool(CHINESE.search(raised.value.zh)), bool(CHINESE.search(raised.value.en)))


def test_what_is_printed_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A fingerprint is compared pair by pair: ":CD:" in it is no picture of a disc, and "[x]" no markup."""
    from mobile_api.cli.terminal import say, warn

    told = "DE:CD:41:AB [x] :x:"
    say(told, told)
    warn(told, told)
    assert (f"{told}\n", f"{told}\n") == tuple(capsys.readouterr())
