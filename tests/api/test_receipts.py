"""What the contract says that an entry is answered with is what it is answered with."""

from typing import Any

import msgspec
import pytest
from litestar import Litestar

from backend.registry import VERBS
from tests.builders import a_duty_auxiliary, recorded
from tests.every_verb import answers

STRICT = {verb.name: msgspec.defstruct(f"Strict{verb.receipt.__name__}", [], bases=(verb.receipt,), kw_only=True,
          forbid_unknown_fields=True) for verb in VERBS}  # fmt: skip


async def test_every_verb_is_answered_as_the_contract_says(app: Litestar) -> None:
    """No field missing, none too many, each of its type: generated clients rely on it."""
    by_verb = await answers(app)
    assert {verb.name for verb in VERBS} == set(by_verb)
    for name, answer in by_verb.items():
        assert recorded(answer)["id"] == str(msgspec.json.decode(answer.content, type=STRICT[name]).id)


@pytest.mark.parametrize("change", [{"surprise": 1}, {"findings": None}])
async def test_an_answer_with_something_else_would_be_seen(app: Litestar, change: dict[str, Any]) -> None:
    """This test's own test."""
    answer = recorded(await (await a_duty_auxiliary(app)).check_in()) | change
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(answer, STRICT["shifts/check-in"])
