"""Requests that the contract allows, and some that it does not, to every operation by every role.

Guarantees: the server never fails; each status and each body is as the contract says; each answer has its headers.

To draw the requests takes four times as long as to send them, and they are the same ones each time. So those that were
drawn are kept in pytest's cache, until the operation's contract or a program that draws them changes.
"""

import contextlib
import copy
import hashlib
import importlib.metadata
import itertools
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from litestar import Litestar
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mobile_api.problems import HEADERS
from tests.builders import STATION, Someone, somebody
from tests.contract_problems import DOCUMENT, OPERATIONS

COUNTS = {GenerationMode.POSITIVE: 12, GenerationMode.NEGATIVE: 5}
DRAWING = [importlib.metadata.version(name) for name in ("hypothesis", "jsonschema-rs", "requests", "schemathesis")]
NAMED = re.compile(r"{(\w+)}")
OURS = {"authorization", "dpop", "cookie", "x-csrf-token"}  # who asks is not left to chance


class Drawn(msgspec.Struct):
    """A request that was drawn."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def without_ours() -> dict[str, Any]:
    """The contract without the headers that say who asks: no value of theirs that is drawn is sent."""
    document = copy.deepcopy(DOCUMENT)
    for operation in itertools.chain.from_iterable(path.values() for path in document["paths"].values()):
        asked = operation.get("parameters", [])
        operation["parameters"] = [parameter for parameter in asked if parameter["name"].lower() not in OURS]
    return document


@cache
def operations() -> dict[str, Any]:
    """What draws the requests of each operation, and judges its answers."""
    schema = schemathesis.openapi.from_dict(without_ours())
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


ENDLESS = {"GET /v1/events"}  # its answer has no end: tests/api/test_events.py
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
KINDS = ("duty_auxiliary", "civilian_auxiliary", "officer", "staff", "dock")
ROLES = ("commander", "inspector", "treasurer", "administrator")


@pytest.fixture(scope="module")
async def everybody(app: Litestar) -> list[Someone]:
    """One of each kind and role, signed in."""
    plain = [await somebody(app, kind) for kind in KINDS]
    return plain + [await somebody(app, "officer", roles=[(role, STATION)]) for role in ROLES]


def may_be_wrong(operation: str) -> bool:
    """Whether the operation takes anything that a request can get wrong; any text of a path is a name of something."""
    method, path = operation.split()
    described = DOCUMENT["paths"][path][method.lower()]
    asked = [parameter for parameter in described.get("parameters", []) if parameter["name"].lower() not in OURS]
    return "requestBody" in described or any(
        parameter["in"] != "path" or "format" in parameter["schema"] for parameter in asked
    )


def some_of(operation: str, kept: Path) -> list[Drawn]:
    """Requests of this operation, valid and broken: those that were kept, or new ones."""
    file = kept / digest_of(operation)
    if file.exists():
        return msgspec.msgpack.decode(file.read_bytes(), type=list[Drawn])
    drawn = [request_of(case) for case in cases_of(operation)]
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_bytes(msgspec.msgpack.encode(drawn))
    unfinished.rename(file)
    return drawn


def digest_of(operation: str) -> str:
    """Of all that the requests of this operation are drawn from."""
    method, path = operation.split()
    described = DOCUMENT["paths"][path]
    schemas = {name: DOCUMENT["components"]["schemas"][name] for name in sorted(named_in(described, set()))}
    drawn_from = [method, path, described, schemas, list(COUNTS.values()), sys.version, *DRAWING]
    return hashlib.sha256(msgspec.json.encode(drawn_from, order="deterministic")).hexdigest()


def named_in(node: Any, found: set[str]) -> set[str]:
    """The schemas that are named here, and in those."""
    for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
        name = inner.rpartition("/")[2] if key == "$ref" else ""
        if name and name not in found:
            found.add(name)
            named_in(DOCUMENT["components"]["schemas"][name], found)
        elif isinstance(inner, dict | list):
            named_in(inner, found)
    return found


def request_of(case: Any) -> Drawn:
    request = requests.Request(**case.as_transport_kwargs(base_url="http://fujing.test")).prepare()
    headers = {name: text for name, text in request.headers.items() if name.lower() not in OURS}
    body = request.body or b""
    return Drawn(request.method or "", request.url or "", headers, body.encode() if isinstance(body, str) else body)


def cases_of(operation: str) -> Iterator[Any]:
    """Newly drawn ones, the same ones each time."""
    for mode, count in COUNTS.items():
        if mode == GenerationMode.POSITIVE or may_be_wrong(operation):  # found out by trying, it takes two seconds
            yield from drawn_of(operation, mode, count)


def drawn_of(operation: str, mode: GenerationMode, count: int) -> list[Any]:
    drawn: list[Any] = []

    @settings(
        max_examples=count, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operations()[operation].as_strategy(generation_mode=mode))
    def draw(case: Any) -> None:
        drawn.append(case)

    with contextlib.suppress(Unsatisfiable):  # an operation that takes nothing has no wrong request
        draw()
    return drawn


@pytest.fixture(scope="session")
def kept(pytestconfig: pytest.Config) -> Path:
    """Where requests are kept that were drawn."""
    return pytestconfig.cache.mkdir("drawn-requests")


@pytest.mark.parametrize("operation", sorted(OPERATIONS.keys() - ENDLESS))
async def test_it_is_answered_as_the_contract_says(everybody: list[Someone], operation: str, kept: Path) -> None:
    """Each request by another one of them."""
    judge = operations()[operation].Case(path_parameters=dict.fromkeys(NAMED.findall(operation), "any"))
    for drawn, who in zip(some_of(operation, kept), itertools.cycle(everybody), strict=False):
        answer = await who.ask(drawn.method, drawn.url, content=drawn.body, headers=drawn.headers)
        try:
            judge.validate_response(answer, checks=CHECKS)
        except FailureGroup as failures:  # a group would end the event loop that all tests share
            raise AssertionError("\n".join([repr(drawn), *map(str, failures.exceptions)])) from None
        assert {name.lower() for name in HEADERS} <= set(answer.headers)
        if operation.startswith("DELETE"):
            await who.open()


def test_every_operation_has_requests() -> None:
    """Those of the contract are those that requests are drawn for."""
    assert OPERATIONS.keys() == operations().keys()
