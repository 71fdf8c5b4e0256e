"""Whatever somebody types, pastes or attacks with, in every text of every verb: kept as it is, or refused.

Never a failure of ours, never half of it, never another text than was sent.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from tests.builders import Someone
from tests.every_verb import PATHS, answers_after, undone

NASTY = [
    "", " ", "\x00", "a\x07b", "\x1b[31m红\x1b[0m", "\u202e逆序", "\u200f\u200e\u2066x", "\u2028\u2029", "\ufeff字",
    "\uffff", "\ud800", "\udc00字", "a\r\nSet-Cookie: x=1", "\ttab\n第二行", "'; DROP TABLE shift; --",
    "\\'; SELECT pg_sleep(9) --",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}${7*7}", "%s%n%x", "../../etc/passwd",
    "𠮷野家👮🏽‍♀️", "e\u0301\u0301\u0301", "ﷺ" * 100, "长" * 2000, "长" * 2001, "x" * 1_000_000,
]  # fmt: skip


DOUBTFUL = {"value_doubtful", "place_doubtful"}


def drawn(count: int) -> list[str]:
    """More of the kind, the same ones each time."""
    found: list[str] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.text(st.characters(exclude_categories=()), max_size=40))
    def draw(text: str) -> None:
        found.append(text)

    draw()
    return found


def texts(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a text stands in a body, however deep; ids and times are none."""
    if isinstance(node, dict | list):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from texts(inner, (*path, key))
    elif isinstance(node, str) and path != ("id",):
        yield path


def with_text(body: Any, path: tuple[Any, ...], text: str) -> bytes:
    """The body with another text there, as a phone sends it: lone surrogates escaped."""
    copy = json.loads(json.dumps(body))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = text
    return json.dumps(copy | {"id": str(uuid4())}).encode()


def at(node: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        node = node[key]
    return node


def whole(text: str) -> str:
    """As it can be stored: a ? for half a character."""
    return text.encode(errors="replace").decode()


def is_half(text: str) -> bool:
    return whole(text) != text


def codes(answer: httpx.Response) -> set[str]:
    return {finding["code"] for finding in answer.json()["findings"]}


async def test_every_text_of_every_verb(app: Litestar) -> None:
    """What is answered 201 is kept to the letter, with a finding where half a character cannot be; what is refused is
    refused in words, and never fails.
    """
    statuses, more = set[tuple[str, int]](), drawn(60)

    async def typed(who: Someone, path: str, body: dict[str, Any]) -> None:
        plain = json.loads(msgspec.json.encode(body))
        for number, where in enumerate(texts(plain)):
            for text in [*NASTY, *more[number % 10 :: 10]]:
                answer, kept = await undone(who, path, with_text(plain, where, text))
                place = f"{path} {where} {text[:20]!a}: {answer.status_code} {answer.text[:200]}"
                statuses.add((path, answer.status_code))
                assert answer.status_code < 500, place
                if answer.status_code == 201 and where[0] != "sent_at":
                    assert kept is not None
                    assert ascii(text) == ascii(stored := at(json.loads(kept)["entry"], where)) or (
                        is_half(text) and stored == whole(text) and codes(answer) & DOUBTFUL
                    ), place
                elif answer.status_code != 201:
                    assert answer.json()["code"], place

    await answers_after(app, typed)
    assert {path for path, _ in statuses} == {path for path, status in statuses if status == 422} == PATHS
    assert len({path for path, status in statuses if status == 201}) > 40
