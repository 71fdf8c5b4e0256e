"""The law's data files: every sentence in both languages, every term with its source, and all of them used."""

import ast
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from backend.evidence.schemas import State
from backend.law.catalogue import HERE, LawError, law, load
from backend.registry import VERBS

ROOT = Path(__file__).parents[2]
# The contract lists problems; it raises none. Routes list theirs by `refuses`, verbs in `codes`.
MENTIONS_ONLY = {"openapi.py"}
LISTS = {"WATCHING", "NOT_A_PROOF"}
RECKONING = {"days", "until", "since", "last_day", "first_day", "by_clock"}
REFUSING = {"Refusal": 0, "RuleRefusal": 0, "require_live_state": 1}


@cache
def code() -> dict[str, ast.Module]:
    files = [*ROOT.glob("backend/**/*.py"), *ROOT.glob("mobile_api/**/*.py")]
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call in the code: file, call, and the name that is called."""
    for file, tree in code().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield file, node, getattr(node.func, "attr", getattr(node.func, "id", ""))


def lists_codes(node: ast.AST) -> bool:
    """Whether this only lists codes for the contract."""
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id in LISTS for target in node.targets)
    if isinstance(node, ast.keyword):
        return node.arg == "codes"
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "refuses"


def words_of(node: ast.AST) -> set[str]:
    """The string constants of an expression; formatted strings are left out."""
    if isinstance(node, ast.JoinedStr):
        return set()
    if lists_codes(node):
        return set()
    found = {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()
    return found.union(*(words_of(child) for child in ast.iter_child_nodes(node)))


def refused_codes() -> set[str]:
    """The codes in calls that raise a refusal; strings inside a comparison are no codes."""
    codes = set()
    for _, call, name in calls():
        if name in REFUSING and len(call.args) > REFUSING[name]:
            argument = call.args[REFUSING[name]]
            choices = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
            codes |= {choice.value for choice in choices if isinstance(choice, ast.Constant)}
    return codes


def said_anywhere() -> set[str]:
    trees = (tree for file, tree in code().items() if Path(file).name not in MENTIONS_ONLY)
    return set().union(*(words_of(tree) for tree in trees))


@cache
def found_in_sql() -> set[str]:
    """The kinds of finding that the database writes by itself: the first column of each SELECT in `due`."""
    codes: set[str] = set()
    for path in sorted((ROOT / "migrations/versions").glob("*.sql")):
        for due in re.findall(r"due \(kind,.*?stood AS", path.read_text(encoding="utf-8"), re.DOTALL):
            codes |= set(re.findall(r"(?:SELECT |ARRAY\[|THEN )'([a-z_]+)'", due))
    return codes


def finding_kinds() -> set[str]:
    codes = set(found_in_sql())
    for _, call, name in calls():
        for keyword in call.keywords:
            if (name, keyword.arg) in (("Finding", "kind"), ("Intervals", "forgotten"), ("Overdue", "kind")):
                codes |= words_of(keyword.value)
    return codes


def asked_terms(unit: str) -> set[str]:
    """Names given to `law().span(...)` or `law().count(...)`."""
    named = [call for _, call, name in calls() if name == unit and len(call.args) == 1]
    names = {word for call in named for word in words_of(call.args[0])}
    return {word for word in names if re.fullmatch("[a-z_]{2,}", word)}  # text.count("\n") asks no law


def test_every_refusal_in_the_code_has_its_sentence_and_status() -> None:
    """Every code of a refusal has a sentence and a status."""
    codes = refused_codes()
    assert {"id_reused", "already_checked_out", "unknown_upload", "not_found"} <= codes, "the code is no longer read"
    assert set() == codes - set(law().messages)
    assert set() == {code for code in codes if law().messages[code].status is None}


def test_every_finding_in_the_code_has_its_sentence() -> None:
    """Every kind of finding has a sentence."""
    assert {"confirmed_late", "not_checked_out"} <= finding_kinds(), "the code is no longer read"
    assert {"led_gap", "legality_defect", "handed_over_late"} <= found_in_sql(), "the SQL is no longer read"
    assert set() == finding_kinds() - set(law().messages)


def test_every_state_of_an_upload_tells_what_to_do() -> None:
    """Every state of an upload has advice for the device."""
    assert set() == {f"upload_{state}" for state in get_args(State)} - set(law().messages)


def test_no_sentence_is_unused() -> None:
    """A message that the code never uses is removed."""
    said = said_anywhere() | found_in_sql() | {f"upload_{state}" for state in get_args(State)}
    assert set() == set(law().messages) - said


@pytest.mark.parametrize("code", sorted(law().messages))
def test_every_sentence_is_there_in_both_languages(code: str) -> None:
    """Chinese has Chinese characters, English has none, and neither repeats the other."""
    message = law().messages[code]
    for chinese in (message.zh, message.title_zh):
        assert any("一" <= letter <= "鿿" for letter in chinese)
    for english in (message.en, message.title_en):
        assert english.strip()
        assert not any("一" <= letter <= "鿿" for letter in english)
    assert message.status is None or 400 <= message.status < 600


def terms_in_days() -> set[str]:
    """Names of terms given to `law().days(...)`, to the functions of backend/core/days.py, and by recusals.toml and
    complaints.toml."""
    given = [
        arg for _, call, name in calls() if name in RECKONING for arg in call.args if isinstance(arg, ast.Constant)
    ]
    asked = {arg.value for arg in given if isinstance(arg.value, str)}
    structs = [*law().recusals.terms.values(), *law().complaints.kinds.values(), law().complaints.receipt]
    named = {value for each in structs for value in msgspec.to_builtins(each).values() if isinstance(value, str)}
    return {word for word in asked if re.fullmatch("[a-z_]{2,}", word)} | (named & law().terms.keys())


def test_every_term_in_the_code_is_in_the_law_and_none_is_unused() -> None:
    """Every term is used, by its sort, and every used term exists."""
    keeps = law().provisions.keeps.values()
    spans = asked_terms("span") | {rule.around for rule in keeps if rule.around}
    counts, permanent = asked_terms("count"), {rule.term for rule in keeps if rule.term}
    days = terms_in_days()
    assert set(law().terms) == spans | counts | permanent | days
    for name in days:
        assert law().days(name).at_most > 0
        assert law().terms[name].counts is not None
    for name in permanent:
        assert law().is_permanent(name), "a house that keeps less says so itself"
    for name in spans:
        assert law().span(name).total_seconds() >= 0
    for name in counts:
        assert law().count(name) >= 0


@pytest.mark.parametrize("name", sorted(law().terms))
def test_every_term_has_its_source(name: str) -> None:
    """Every term and each of its versions has a source."""
    assert len(law().terms[name].source) > 10
    assert law().terms[name].version


def test_every_verb_says_who_may() -> None:
    """Every verb names who may use it, also where everybody may."""
    assert all(verb.may for verb in VERBS)


def a_law(directory: Path, terms: str | None = None, messages: str | None = None) -> Path:
    """The law's files with one of them replaced."""
    for file in HERE.glob("*.toml"):
        shutil.copy(file, directory)
    for name, text in (("terms.toml", terms), ("messages.toml", messages)):
        if text is not None:
            (directory / name).write_text(text, encoding="utf-8")
    return directory


GOOD_MESSAGE = 'zh = "一"\nen = "a"\ntitle_zh = "一"\ntitle_en = "a"\n'


@pytest.mark.parametrize(
    "terms",
    [
        '[live_window]\nsource = "nobody"\nversion = "1"\n',
        '[live_window]\nseconds = 1\nminutes = 1\nsource = "nobody"\nversion = "1"\n',
        '[live_window]\nseconds = -1\nsource = "nobody"\nversion = "1"\n',
        "[live_window]\nseconds = 60\n",
        '[live_window]\nseconds = 60\nsource = "nobody"\n',
        '[live_window]\nfortnights = 1\nsource = "nobody"\nversion = "1"\n',
        '[live_window]\nseconds = "sixty"\nsource = "nobody"\nversion = "1"\n',
        "live_window = 60\n",
        '[live_window]\nseconds = 60\ncounts = "plain"\nsource = "nobody"\nversion = "1"\n',
        '[live_window]\ndays = 1\nsource = "nobody"\nversion = "1"\n',
        '[live_window]\ndays = 1\ncounts = "working"\nsource = "nobody"\nversion = "1"\n',
    ],
)
def test_a_broken_term_is_refused_by_name(tmp_path: Path, terms: str) -> None:
    """The error names the wrong entry to whoever adapts the law to a province."""
    with pytest.raises(LawError, match=r"terms\.toml(:\d+)?: \[live_window\]"):
        load(a_law(tmp_path, terms=terms))


@pytest.mark.parametrize(
    "messages",
    [
        '[internal]\nzh = "一"\ntitle_zh = "一"\ntitle_en = "a"\n',
        f"[internal]\n{GOOD_MESSAGE}tone = 3\n",
        f'[internal]\n{GOOD_MESSAGE}status = "500"\n',
    ],
)
def test_a_broken_message_is_refused_by_name(tmp_path: Path, messages: str) -> None:
    """A sentence without its translation is not loaded."""
    with pytest.raises(LawError, match=r"messages\.toml(:\d+)?: \[internal\]"):
        load(a_law(tmp_path, messages=messages))


def test_a_file_that_is_no_toml_or_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    """The text names the file."""
    with pytest.raises(LawError, match=r"terms\.toml(:\d+)?: "):
        load(a_law(tmp_path, terms="[live_window\n"))
    (a_law(tmp_path) / "messages.toml").unlink()
    with pytest.raises(LawError, match=r"messages\.toml(:\d+)?: "):
        load(tmp_path)


def test_a_file_in_another_encoding_is_refused_by_name(tmp_path: Path) -> None:
    """An editor that saves as GB 18030 is common in China."""
    (a_law(tmp_path) / "messages.toml").write_bytes("# 城关派出所\n".encode("gb18030"))
    with pytest.raises(LawError, match=r"messages\.toml(:\d+)?: "):
        load(tmp_path)


def test_a_period_is_never_taken_for_a_number() -> None:
    """A term is asked for by name and unit."""
    with pytest.raises(LawError, match="live_window"):
        law().count("live_window")
    with pytest.raises(LawError, match="page_size"):
        law().span("page_size")
    with pytest.raises(LawError, match="no_such_term"):
        law().span("no_such_term")
