"""The pages are true: links lead somewhere, paths, names, verbs, routes and commands that they name are there."""

import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
import yaml

from backend.core.settings import OF_A_STATION, Settings, variable
from backend.core.verb import AUXILIARIES, DECIDERS, DOCKS, OFFICERS, ToldTo, Verb, part_of
from backend.core.wire import Receipt
from backend.law.catalogue import law
from backend.registry import BY_NAME, EVENTS, VERBS
from mobile_api.cli.main import main
from tests import pages
from tests.contract_problems import DOCUMENT

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for path in ROOT.rglob("*.md")
    if not {"node_modules", "dist", "build"} & set((own := path.relative_to(ROOT)).parts) and own.parts[0][0] != "."
)  # fmt: skip
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
PROSE = {name: re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL) for name, text in TEXTS.items()}
NOW = [name for name in TEXTS if not name.startswith("docs/adr/")]  # decisions are kept as they were made
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.svg"))
CONTRACT = DOCUMENT["paths"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
ENDINGS = "py|toml|sql|kt|ts|sh|yaml|yml|csv|lock|json|md|html|txt|conf|env|service"
FILE = re.compile(rf"(?<![\w./:~-])(?:[\w.-]+/)+[\w.-]+\.(?:{ENDINGS})(?![\w/])")
NAME = re.compile(r"(?<![\w./])((?:backend|mobile_api|storage|migrations)(?:\.\w+)+)")
NOT_OURS = {  # files of a running house, of a package, and what make leaves
    "fujing-data/first-passwords.csv", "data/keys.json", "data/package.json", "data/people.json",
    "data/declared/ID.json", "data/index/ID.html", "data/starts/ID.json",
}  # fmt: skip
WITHOUT_REFUSALS = {"assistance/call"}  # nothing but what refuses every entry
PARTS = {"auxiliary", "officer", "staff", "dock"}


@pytest.mark.parametrize("name", pages.PAGES)
def test_what_is_made_from_the_code_is_as_the_code_makes_it(name: str) -> None:
    """The list of verbs and the picture of a shift are generated from the code."""
    made = pages.PAGES[name]()
    assert made == (ROOT / name).read_text(encoding="utf-8"), f"{name} is old: {pages.COMMAND}"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_verb_says_all_that_is_said_of_it(verb: Verb) -> None:
    """Words in both languages, who may, refusals that exist, whom the feed tells, an example."""
    assert re.fullmatch(r"[a-z]+/[a-z]+(-[a-z]+)*", verb.name)
    assert re.search(r"[\u4e00-\u9fff]", verb.zh)
    assert re.fullmatch(r"[A-Z][ -~]+", verb.en)
    assert re.fullmatch(r"[A-Z][a-z]+ · [\u4e00-\u9fff]+", verb.tag)
    assert (verb.entry.__doc__ or "").strip()
    assert issubclass(verb.receipt, Receipt)
    assert verb.may
    assert verb.may <= PARTS == AUXILIARIES | OFFICERS | DECIDERS | DOCKS
    assert bool(verb.codes) != (verb.name in WITHOUT_REFUSALS)
    assert not [code for code in verb.codes if law().messages[code].status is None]
    assert len(set(verb.codes)) == len(verb.codes)
    assert verb.told_to in get_args(ToldTo)
    assert {"id", "occurred_at", "sent_at", "device_seq"} < set(verb.example)


def test_no_verb_is_there_twice_and_no_event_is_a_verb() -> None:
    names = [verb.name for verb in VERBS] + [event.name for event in EVENTS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("name", PROSE)
def test_every_link_leads_somewhere(name: str) -> None:
    """Every link leads to an existing file and heading."""
    for target in LINK.findall(PROSE[name]):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / name).parent / path if path else ROOT / name
        assert there.exists(), f"{name}: {target}"
        assert not anchor or anchor in anchors(there), f"{name}: {target}"


@cache
def anchors(page: Path) -> tuple[str, ...]:
    """The headings of a page, in their order, as GitHub and Gitea make addresses of them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return tuple(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def test_a_heading_becomes_an_address_as_it_does_elsewhere() -> None:
    """Letters of any script stay, signs go, spaces become dashes."""
    assert "what-is-new-增量与提醒" in anchors(ROOT / "docs" / "mobile.md")
    assert "the-journal-and-its-proof--日志及其证明" in anchors(ROOT / "docs" / "journal.md")


@pytest.mark.parametrize("name", TEXTS)
def test_every_path_named_is_there(name: str) -> None:
    """Every path that a page names exists."""
    named = {path for code in CODE.findall(PROSE[name]) for path in FILE.findall(code)}
    blocks = re.findall(r"^```(?:sh|python)\n(.*?)^```$", TEXTS[name], re.MULTILINE | re.DOTALL)
    named |= {path for block in blocks for path in FILE.findall(block)}
    here = (ROOT / name).parent
    missing = {path for path in named - NOT_OURS if not (ROOT / path).exists() and not (here / path).exists()}
    assert set() == {path for path in missing if "NNNN" not in path}


@pytest.mark.parametrize("name", NOW)
def test_every_name_of_the_code_is_there(name: str) -> None:
    """A module, or a function, class or constant in it."""
    absent = {dotted for code in CODE.findall(PROSE[name]) for dotted in NAME.findall(code) if not is_there(dotted)}
    assert set() == absent


def is_there(dotted: str) -> bool:
    """Whether this names one of our modules, or something in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        if path.is_dir() or path.with_suffix(".py").is_file():
            found: Any = import_module(".".join(parts[:length]))
            for part in parts[length:]:
                found = getattr(found, part, None)
            return found is not None
    return False


def test_a_name_that_is_not_there_would_be_found() -> None:
    assert is_there("backend.shifts.service.check_in")
    assert is_there("storage.evidence_store.EvidenceStore.sign_part")
    assert not is_there("backend.shifts.service.check_in_lunch")
    assert not is_there("backend.lunch")


@pytest.mark.parametrize("name", NOW)
def test_every_verb_named_is_one(name: str) -> None:
    """`shifts/check-in` and its like, wherever a page names one."""
    groups = {verb.name.partition("/")[0] for verb in VERBS} - {"held"}
    known = {*BY_NAME, *(event.name for event in EVENTS)}
    for code in CODE.findall(PROSE[name]):
        for word in re.findall(r"(?<![\w/.{-])([a-z]+/[a-z-]+)(?![\w/.*{-])", code):
            assert word in known or word.partition("/")[0] not in groups or (ROOT / "backend" / word).exists(), word


@pytest.mark.parametrize("name", NOW)
def test_every_route_named_is_one(name: str) -> None:
    """Every route that a page names exists with that method; names of parameters do not matter."""
    known = {(method.upper(), shape(path)) for path, methods in CONTRACT.items() for method in methods}
    known |= {("GET", "/v1/events/probe")}  # outside the contract: `fujing doctor` alone calls it
    for code in CODE.findall(PROSE[name]):
        for method, path in re.findall(r"\b(GET|POST|DELETE) (/v1/[\w/{}-]+)", code):
            assert (method, shape(path)) in known, f"{method} {path}"


def shape(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path).rstrip("/")


@pytest.mark.parametrize("name", NOW)
def test_every_command_named_is_one(name: str) -> None:
    """`fujing …` and `make …`, in words and in commands for a shell."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", TEXTS[name], re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + CODE.findall(PROSE[name])
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in lines:
        for command in re.findall(r"(?:^|\s|/)fujing ([a-z][a-z-]+)", line):
            assert command in main.commands, line
        for words in re.findall(r"^make ((?:[a-z]+ ?)+)", line):
            assert set(words.split()) <= targets, line


def test_who_may_what_agrees_with_the_registry() -> None:
    """Each verb has a row; `----` stands exactly for the kinds of person that may not use it."""
    rows = re.findall(r"^\| `POST /v1/([^`]+)` \|(.*)\|$", TEXTS["docs/who-may-what.md"], re.MULTILINE)
    cells = {name: [cell.strip() for cell in row.split("|")] for name, row in rows}
    columns = ("duty_auxiliary", "civilian_auxiliary", "officer", "staff", "dock")
    for verb in VERBS:
        refused = {kind for kind, cell in zip(columns, cells[verb.name], strict=False) if cell == "----"}
        assert {kind for kind in columns if part_of(kind) not in verb.may} == refused, verb.name


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_first_page_is_short(name: str) -> None:
    """README is short: it says what this is and where to read on."""
    text = TEXTS[name]
    assert len(text.splitlines()) <= 150
    assert text.index("docs/pictures/timeline.svg") < text.index("make demo")


def test_the_first_page_is_the_same_in_both_languages() -> None:
    """Sections, links and commands are the same."""
    one, other = TEXTS["README.md"], TEXTS["README.zh.md"]
    assert len(re.findall(r"^## ", one, re.MULTILINE)) == len(re.findall(r"^## ", other, re.MULTILINE))
    assert places("README.md", one) == places("README.zh.md", other)
    assert commands(one) == commands(other)


def places(name: str, text: str) -> set[tuple[str, int]]:
    """Where the links of a page lead, in whichever language: the English page, and which heading of it."""
    found = set[tuple[str, int]]()
    for target in LINK.findall(text):
        path, _, anchor = target.partition("#")
        there = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        found.add((str(there).replace(".zh.md", ".md"), anchors(there).index(anchor) if anchor else 0))
    return found


def test_the_guide_says_the_same_in_both_languages() -> None:
    """Section by section: every command, setting, alarm, file and whatever else stands as code, tables, links."""
    names = ("docs/operating.md", "docs/operating.zh.md")
    assert commands(TEXTS[names[0]]) == commands(TEXTS[names[1]])
    one, other = (re.split(r"^#+ ", PROSE[name], flags=re.MULTILINE)[1:] for name in names)
    assert len(one) == len(other)
    for english, chinese in zip(one, other, strict=True):
        heading = chinese.partition("\n")[0]
        assert set(CODE.findall(english)) == set(CODE.findall(chinese)), heading
        assert rows(english) == rows(chinese), heading
        assert places(names[0], english) == places(names[1], chinese), heading


def rows(text: str) -> list[int]:
    """How many cells each row of a table has."""
    return [line.count("|") for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("name", [name for name in TEXTS if name.endswith(".zh.md")])
def test_a_chinese_page_leads_to_chinese_pages(name: str) -> None:
    """Where a page stands in Chinese, it is linked in Chinese; only to its own English twin a page leads besides."""
    own = (ROOT / name.replace(".zh.md", ".md")).resolve()
    linked = {((ROOT / name).parent / target.partition("#")[0]).resolve() for target in LINK.findall(PROSE[name])}
    assert own in linked
    assert not [page for page in linked - {own} if page.suffix == ".md" and page.with_suffix(".zh.md").exists()]


def commands(text: str) -> list[str]:
    """The commands in code blocks, without comments."""
    blocks = re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s*#.*", "", line) for block in blocks for line in block.splitlines()]


def test_every_page_can_be_reached_from_the_first() -> None:
    """Every page is linked."""
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in LINK.findall(PROSE[str(page.relative_to(ROOT))]):
            there = (page.parent / target.partition("#")[0]).resolve()
            waiting += [there] if there in PAGES else sorted(there.glob("*.md")) if there.is_dir() else []
    assert set() == set(PAGES) - reached


def test_every_setting_has_its_row() -> None:
    """Each setting has a row, and each row a setting."""
    named = re.findall(r"^\| `(FUJING_\w+)` \|", TEXTS["docs/settings.md"], re.MULTILINE)
    assert sorted([*(variable(name) for name in Settings.__struct_fields__), *OF_A_STATION]) == sorted(named)


def test_every_setting_is_told_in_both_languages() -> None:
    """One table for both: a cell in English, and a last one in Chinese."""
    for row in re.findall(r"^\| `FUJING_.*\|$", TEXTS["docs/settings.md"], re.MULTILINE):
        *_, english, chinese = (cell.strip() for cell in row.strip("|").split(" | "))
        assert re.search(r"[a-z]{2,}", english), row
        assert re.search(r"[\u4e00-\u9fff]", chinese), row


def test_a_default_on_the_page_is_the_default() -> None:
    for name, default in re.findall(r"^\| `FUJING_(\w+)` \| ([^|]+) \|", TEXTS["docs/settings.md"], re.MULTILINE):
        value = default.strip("` ").removeprefix("./")
        if re.fullmatch(r"[\w.-]+", value) and value != "embedded" and name.lower() in Settings.__struct_fields__:
            assert value == str(getattr(Settings(), name.lower())).lower(), name


def test_the_tree_of_the_house_is_the_one_that_stands() -> None:
    """Every folder of the code is named on the page, and no other; so are the contracts that keep it so."""
    page = TEXTS["docs/architecture.md"]
    tree = page.partition("```\n")[2].partition("```")[0]
    named = set(re.findall(r"(?<![\w.])(\w+)/", tree))
    ours = {path.parent for top in ("backend", "mobile_api", "storage") for path in (ROOT / top).rglob("__init__.py")}
    assert {path.name for path in ours} - named == set()
    assert not [name for name in named if not list(ROOT.glob(f"{name}")) + list(ROOT.glob(f"[a-z]*/**/{name}"))]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert [each["id"] for each in contracts] == re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)


def test_the_picture_of_the_house_shows_every_feature() -> None:
    drawn = set(ElementTree.parse(ROOT / "docs" / "pictures" / "architecture.svg").getroot().itertext())  # noqa: S314
    folders = {path.parent.name for path in (ROOT / "backend").glob("*/__init__.py")}
    assert set() == folders - drawn


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_stands_alone(path: Path) -> None:
    """Each picture is well-formed, has a title, and loads nothing from elsewhere."""
    picture = ElementTree.parse(path).getroot()  # noqa: S314 - our own
    assert picture.findtext("{http://www.w3.org/2000/svg}title")
    assert picture.findtext("{http://www.w3.org/2000/svg}desc")
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"script|href|https?:|@import|<image|<foreignObject", text)


def test_the_version_is_the_same_everywhere() -> None:
    """The version is the same in the package, the changelog, the image and the compose file; Unreleased is there."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[([^\]]+)\]", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert ["Unreleased", version] == headings[:2]
    assert re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", TEXTS["CHANGELOG.md"], re.MULTILINE)
    for file in ("Dockerfile", "compose.yaml"):
        assert {version} == set(re.findall(r"\d+\.\d+\.\d+", said_of_us(ROOT / "deploy" / file))), file


def said_of_us(file: Path) -> str:
    return "\n".join(line for line in file.read_text().splitlines() if "fujing:" in line)


def test_hooks_fetch_nothing() -> None:
    """Each runs a program of .venv, which is there."""
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]:
        assert "local" == repository["repo"]
        for hook in repository["hooks"]:
            assert "system" == hook["language"]
            program, *words = hook["entry"].split()
            assert ".venv" == Path(program).parts[0]
            assert (Path(sys.executable).parent / Path(program).name).exists()
            assert words[:1] != ["-m"] or import_module(words[1])


DIFF = TEXTS["CONTRIBUTING.md"].partition("```diff\n")[2].partition("\n```\n")[0] + "\n"
LOOK = """
import sys
from backend.registry import BY_NAME, VERBS
from tests import pages
assert BY_NAME[sys.argv[1]].record.__module__.startswith("backend.")
assert pages.verbs_page() == (pages.ROOT / "docs/verbs.md").read_text(encoding="utf-8")
"""


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_adding_a_verb_is_as_the_page_shows(tmp_path: Path) -> None:
    """The diff of CONTRIBUTING.md applies, touches six files at most, and leaves a registry and pages that agree.

    Where it does not apply any more: make the change in a worktree, run the tests it names, and put
    `git diff -U1` into the page.
    """
    touched = set(re.findall(r"^\+\+\+ b/(\S+)$", DIFF, re.MULTILINE))
    assert 3 <= len(touched) <= 6
    assert any(name.startswith("tests/api/") for name in touched)
    for folder in ("backend", "docs", "migrations", "mobile_api", "storage", "tests"):
        unwanted = shutil.ignore_patterns("__pycache__", "node_modules", "schemas")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=unwanted)
    (tmp_path / "change.diff").write_text(DIFF, encoding="utf-8")
    done = subprocess.run(["git", "apply", "change.diff"], cwd=tmp_path, capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    (verb,) = re.findall(r'^\+ +name="([^"]+)"', DIFF, re.MULTILINE)
    done = subprocess.run([sys.executable, "-c", LOOK, verb], cwd=tmp_path, capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr


def test_every_refusal_of_a_verb_is_raised_somewhere() -> None:
    """Every refusal code of a verb's row is raised somewhere."""
    files = [path for path in (ROOT / "backend").rglob("*.py") if path.name != "verbs.py"]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert [] == [(verb.name, code) for verb in VERBS for code in verb.codes if f'"{code}"' not in sources]
