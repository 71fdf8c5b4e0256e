"""docs/mobile.md is true: its code is the examples', its codes and addresses are the contract's, none is left out."""

import re
from pathlib import Path
from typing import Any

import pytest

from backend.law.catalogue import law
from backend.registry import VERBS
from tests.contract_problems import DOCUMENT

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "mobile.md").read_text(encoding="utf-8")
FILES = ("phone.py", "phone.ts", "Phone.kt")
QUOTES = (*FILES, "multipart.py")
QUOTED = re.compile(r"<!-- (\S+) \[([a-z-]+)\] -->\n```[a-z]+\n(.*?)```", re.DOTALL)
MARK = re.compile(r"^ *(?:#|//) \[(/?)([a-z-]+)\] *$")
CODES = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.partition("## Errors by code")[2], re.MULTILINE))
ADDRESSES = sorted(set(re.findall(r"\b(GET|POST|DELETE) (/[\w./-]+)", PAGE)))
OF_A_PHONE = {
    "sessions_open", "sessions_refresh", "sessions_close", "devices_enrol", "me", "sync", "changes", "events",
    "upload_parts", "upload_complete", "upload_abort", "upload_receipt", "recordings_declare", "documents_declare",
    "injuries_report", "injuries_attach", "advances_request", "matters_raise", "matters_link", "assistance_call",
}  # fmt: skip
OF_A_DOCK = {"not_the_wearer", "wearer_missing", "unknown_wearer"}


def test_there_are_codes_and_addresses() -> None:
    assert len(CODES) > 40
    assert len(ADDRESSES) > 10


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_the_table_is_one_of_ours(code: str) -> None:
    assert law().messages[code].status


def test_the_table_tells_of_every_code_that_a_phone_can_meet() -> None:
    """By the contract, the codes that the operations of a phone's day may answer."""
    codes: set[str] = set()
    for operation in operations():
        if operation["operationId"] in OF_A_PHONE:
            for status, answer in operation["responses"].items():
                codes |= set(answer["content"]["application/problem+json"]["examples"]) if int(status) >= 400 else set()
    assert set() == codes - CODES - OF_A_DOCK


def test_every_operation_of_a_phone_is_there() -> None:
    assert OF_A_PHONE <= {operation["operationId"] for operation in operations()}


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_every_address_is_one_of_ours(method: str, path: str) -> None:
    shape = re.sub(r"/uploads/[^/]+", "/uploads/{}", path)
    known = {(way, re.sub(r"\{.*?\}", "{}", there)) for there, ways in DOCUMENT["paths"].items() for way in ways}
    assert (method.lower(), shape) in known


def test_every_verb_is_one_of_ours() -> None:
    named = set(re.findall(r"\b(?:shifts|supervisions|activities|recordings|documents)/[a-z-]+", PAGE))
    assert named
    assert named <= {verb.name for verb in VERBS}


def test_every_status_of_a_sync_has_its_row() -> None:
    """The page names no unknown status."""
    rows = PAGE.partition("## Sync ")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `([a-z]+)`", rows, re.MULTILINE)) - {"status"}
    assert set(DOCUMENT["components"]["schemas"]["EntryResult"]["properties"]["status"]["enum"]) == listed


@pytest.mark.parametrize("name", QUOTES)
def test_the_page_quotes_the_examples_word_for_word(name: str) -> None:
    quoted = [(section, text) for file, section, text in QUOTED.findall(PAGE) if file == name]
    sections = sections_of((DOCS / "examples" / name).read_text(encoding="utf-8"))
    assert quoted, f"docs/mobile.md quotes nothing of {name}"
    for section, text in quoted:
        assert sections[section] == text, f"{name} [{section}]"


def test_every_code_on_the_page_is_quoted_from_a_file() -> None:
    """All code on the page is quoted from the examples."""
    blocks = re.findall(r"^```(?:python|kotlin|typescript|ts)\n", PAGE, re.MULTILINE)
    assert len(QUOTED.findall(PAGE)) == len(blocks)


def test_the_examples_know_the_same_sections() -> None:
    """The three examples have the same steps."""
    first, *others = [list(sections_of((DOCS / "examples" / name).read_text(encoding="utf-8"))) for name in FILES]
    assert [first] * len(others) == others


def test_the_typescript_lock_names_no_address() -> None:
    """The lock names no registry; digests hold for any."""
    lock = (DOCS / "examples" / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in lock
    assert "resolved" not in lock
    assert "://" not in lock
    wanted = (DOCS / "examples" / "package.json").read_text()
    versions = dict(re.findall(r'"(@types/node|typescript)": "(.*?)"', wanted))
    assert {"@types/node", "typescript"} == set(versions)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions.values())


def operations() -> list[Any]:
    return [operation for ways in DOCUMENT["paths"].values() for operation in ways.values()]


def sections_of(source: str) -> dict[str, str]:
    """The text between `# [name]` and `# [/name]`, without common indentation and inner marks."""
    sections: dict[str, list[str]] = {}
    open_now: list[str] = []
    for line in source.splitlines():
        if (mark := MARK.match(line)) is None:
            for name in open_now:
                sections[name].append(line)
        elif mark[1]:
            open_now.remove(mark[2])
        else:
            open_now.append(mark[2])
            assert mark[2] not in sections
            sections[mark[2]] = []
    assert not open_now
    return {name: dedented(lines) for name, lines in sections.items()}


def dedented(lines: list[str]) -> str:
    text = "\n".join(lines).strip("\n").splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in text if line.strip()), default=0)
    return "".join(f"{line[margin:]}\n" for line in text)
