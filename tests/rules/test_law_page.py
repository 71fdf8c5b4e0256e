"""docs/law.md is true: every article is there, and every rule, test and message it names is in the code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from backend.law.catalogue import law

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "law.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.split("\n") if re.match(r"\| \d+ \|", line)
]
NAMED = sorted(set(re.findall(r"`([^`]+)`", PAGE)))
STATUSES = {"built", "imported", "next", "out"}
ISSUES = range(3, 8)


@cache
def defined_in(file: Path) -> set[str]:
    """The functions and classes at the top of a module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}


def is_there(name: str) -> bool:
    """A test (file::name), a file, a function of backend, or else a message or a term."""
    if "::" in name:
        file, test = name.split("::")
        return (ROOT / file).exists() and test in defined_in(ROOT / file)
    if "/" in name:
        return (ROOT / name).exists()
    if name.startswith("backend."):
        module, _, function = name.rpartition(".")
        file = ROOT / f"{module.replace('.', '/')}.py"
        return file.exists() and function in defined_in(file)
    return name in law().messages or name in law().terms


def test_every_article_is_there_once_and_in_order() -> None:
    """All 43 articles are there; one without a rule says why."""
    assert [str(article) for article in range(1, 44)] == [row[0] for row in ROWS]


@pytest.mark.parametrize("name", NAMED)
def test_what_the_page_names_is_in_the_code(name: str) -> None:
    """Every rule, test and message that the page names exists."""
    assert is_there(name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"article-{row[0]}")
def test_every_article_says_what_becomes_of_it(row: list[str]) -> None:
    """Built names rule, test and message; next names its issue; the rest says where it comes from or why not."""
    _, asks, status, where = row
    words = status.split(", ")
    named = re.findall(r"`([^`]+)`", where)
    assert asks
    assert where
    assert set(words) <= STATUSES
    assert issues_to_come(where) or "next" not in words
    if "built" in words:
        assert "verdict" in where.lower() or any(name.startswith("backend.") for name in named)
        assert any(name.startswith("tests/") for name in named)
        assert any(name in law().messages for name in named)
    if "imported" in words:
        assert "roster" in where


def issues_to_come(where: str) -> list[int]:
    """The issues that a row waits for."""
    numbers = [int(number) for number in re.findall(r"issue (\d+)", where)]
    assert set(numbers) <= set(ISSUES)
    return numbers


def test_every_code_of_the_verdict_stands_beside_an_article() -> None:
    """Each reason to refuse stands beside the article it comes from."""
    tree = ast.parse((ROOT / "backend" / "law" / "verdict.py").read_text(encoding="utf-8"))
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & set(law().messages)
    listed = set(re.findall(r"`([^`]+)`", " ".join(row[3] for row in ROWS)))
    assert said
    assert said <= listed


def test_a_name_that_is_not_there_would_be_found() -> None:
    """The check above fails where it should."""
    assert is_there("backend.shifts.rules.unmet_at_check_in")
    assert not is_there("backend.shifts.rules.unmet_at_lunch")
    assert not is_there("backend.lunch.rules.unmet_at_check_in")
    assert not is_there("tests/rules/test_works.py::test_lunch")
    assert not is_there("no_lunch")
