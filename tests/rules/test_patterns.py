r"""Patterns of the wire: what the server takes, what the contract says, and what tools make of it.

A closing line feed is refused. No pattern has a lookahead, which many tools do not know. The server's end is `\Z`, the
contract's is `$`: JSON Schema is read as ECMA 262, where `$` is the end and nothing else. Without a lookahead no
pattern says that in both: Python's `$` lets a line feed pass, and ECMA 262 does not know `\Z`.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from time import perf_counter
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from backend.core.wire import ONE_LINE, PRINTABLE
from backend.evidence.schemas import FILE_NAME
from mobile_api.schemas import published
from tests.contract_problems import DOCUMENT

# As they were with their lookaheads.
BEFORE = {
    PRINTABLE: r"^(?=[\s\S]*\S)[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]*$(?!\n)",
    ONE_LINE: r"^(?=.*\S)[^\x00-\x1f\x7f\ud800-\udfff]+$(?!\n)",
    FILE_NAME: r"^(?!\.{1,2}$)[^/\\\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+$(?!\n)",
}
ODD = " \t\n\r\v\f\x00\x1c\x7f\x85\xa0\u180e\u2028\u202e\u3000\ufeff./\\a字"
TEXTS = st.text(st.one_of(st.sampled_from(ODD), st.characters()), max_size=20)
ENDS = st.sampled_from(["", "\n", "\r", "\u2028", " ", "\n\n"])
JUDGE = """
const [patterns, texts] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const judged = patterns.map((pattern) => texts.map((text) => new RegExp(pattern, "u").test(text)));
console.log(JSON.stringify(judged));
"""


def patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["pattern"]] if isinstance(node.get("pattern"), str) else [])
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from patterns(inner)


PUBLISHED = sorted(set(patterns(DOCUMENT)))


def in_python(pattern: str) -> str:
    """A published pattern as the server has it."""
    return pattern.removesuffix("$") + r"\Z"


@given(TEXTS, ENDS)
def test_a_text_is_taken_as_it_was_with_lookaheads(text: str, end: str) -> None:
    """Both forms take the same texts."""
    for pattern, before in BEFORE.items():
        assert bool(re.search(before, text + end)) == bool(re.search(pattern, text + end)), pattern


@pytest.mark.parametrize("pattern", BEFORE)
@pytest.mark.parametrize("text", [" " * 100_000, "字" * 100_000, " 字" * 50_000, "." * 100_000])
def test_a_long_text_is_judged_in_one_pass(pattern: str, text: str) -> None:
    """No pattern can match one text in two ways, so matching time is not quadratic."""
    begun = perf_counter()
    assert not re.search(pattern, text + "\x00")
    assert perf_counter() - begun < 1


@pytest.mark.parametrize("pattern", PUBLISHED)
def test_a_published_pattern_is_read_by_every_tool(pattern: str) -> None:
    """No lookahead, no end of Python's, no half characters."""
    assert "(?" not in pattern
    assert (True, True) == (pattern.startswith("^"), pattern.endswith("$"))
    assert r"\Z" not in pattern
    assert r"\ud800" not in pattern


def test_the_patterns_of_free_text_are_published() -> None:
    """Only the end of the pattern is written in the other dialect."""
    assert {published(pattern) for pattern in BEFORE} <= set(PUBLISHED)
    assert len(PUBLISHED) > 10


@given(st.data())
def test_a_closing_line_feed_is_refused(data: st.DataObject) -> None:
    """The server refuses a valid text with a line feed behind it; only free text may end with one."""
    pattern = in_python(data.draw(st.sampled_from(PUBLISHED)))
    kind = Annotated[str, msgspec.Meta(pattern=pattern)]
    text = msgspec.convert(data.draw(st.from_regex(pattern)), kind)
    if pattern != in_python(published(PRINTABLE)):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text + "\n", kind)


def test_the_contract_takes_what_the_server_takes() -> None:
    """Node (ECMA 262) accepts the same texts for each pattern."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: nobody judged the contract's patterns as ECMA 262 does")
    texts = drawn_texts()
    done = subprocess.run(
        [node, "-e", JUDGE], input=json.dumps([PUBLISHED, texts]), capture_output=True, text=True, timeout=60
    )
    assert 0 == done.returncode, done.stderr
    for pattern, judged in zip(PUBLISHED, json.loads(done.stdout), strict=True):
        ours = [bool(re.search(in_python(pattern), text)) for text in texts]
        assert ours == judged, pattern
        assert len(set(ours)) == 2, f"no text tells anything of {pattern}"


def drawn_texts() -> list[str]:
    """Random texts, and some that match each pattern, with every kind of end."""
    found: list[str] = []
    for texts, count in [(TEXTS, 200), *((st.from_regex(in_python(pattern)), 12) for pattern in PUBLISHED)]:

        @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate])
        @given(texts, ENDS)
        def draw(text: str, end: str) -> None:
            found.append(text + end)

        draw()
    return found
