"""Requests that the contract allows, and some that it does not, to every operation by every role.

Guarantees: the server never fails; each status and each body is as the contract says; each answer has its headers.
"""

import contextlib
import copy
import itertools
from typing import Any

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
from tests.contract_problems import DOCUMENT

OURS = {"authorization", "dpop", "cookie", "x-csrf-token"}  # who asks is not left to chance


def without_ours() -> dict[str, Any]:
    """The contract without the headers that say who asks: no value of theirs that is drawn is sent."""
    document = copy.deepcopy(DOCUMENT)
    for operation in itertools.chain.from_iterable(path.values() for path in document["paths"].values()):
        asked = operation.get("parameters", [])
        operation["parameters"] = [parameter for parameter in asked if parameter["name"].lower() not in OURS]
    return document


SCHEMA = schemathesis.openapi.from_dict(without_ours())
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}
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


def some_of(operation: str) -> list[Any]:
    """Requests of this operation, valid and broken, the same ones each time."""
    drawn: list[Any] = []
    counts = {GenerationMode.POSITIVE: 12, GenerationMode.NEGATIVE: 5}
    if not may_be_wrong(operation):  # found out by trying, it takes two seconds
        del counts[GenerationMode.NEGATIVE]
    for mode, count in counts.items():

        @settings(
            max_examples=count, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=OPERATIONS[operation].as_strategy(generation_mode=mode))
        def draw(case: Any) -> None:
            drawn.append(case)

        with contextlib.suppress(Unsatisfiable):  # an operation that takes nothing has no wrong request
            draw()
    return drawn


@pytest.mark.parametrize("operation", sorted(OPERATIONS.keys() - ENDLESS))
async def test_it_is_answered_as_the_contract_says(everybody: list[Someone], operation: str) -> None:
    """Each request by another one of them."""
    for case, who in zip(some_of(operation), itertools.cycle(everybody), strict=False):
        request = requests.Request(**case.as_transport_kwargs(base_url="http://fujing.test")).prepare()
        headers = {name: text for name, text in request.headers.items() if name.lower() not in OURS}
        answer = await who.ask(request.method, request.url, content=request.body or b"", headers=headers)
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as failures:  # a group would end the event loop that all tests share
            raise AssertionError("\n".join(map(str, failures.exceptions))) from None
        assert {name.lower() for name in HEADERS} <= set(answer.headers)
        if operation.startswith("DELETE"):
            await who.open()
