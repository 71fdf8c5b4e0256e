"""What the contract says that an entry is answered with is what it is answered with."""

from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar

from backend.verbs import VERBS
from tests.builders import Someone, a_duty_auxiliary, a_led_patrol, a_yes, ago, an_officer, now, recorded

STRICT = {verb.name: msgspec.defstruct(f"Strict{verb.receipt.__name__}", [], bases=(verb.receipt,), kw_only=True,
          forbid_unknown_fields=True) for verb in VERBS}  # fmt: skip
PAPER = {"title": "诊断证明", "file_name": "a.pdf", "media_type": "application/pdf"}


async def answers(app: Litestar) -> dict[str, httpx.Response]:
    """One answer of every verb, by its name."""
    lin, zhao, shift, naming = await a_led_patrol(app)
    qian, chen = await an_officer(app, name="钱敏"), await a_duty_auxiliary(app, name="陈文静")
    told = {"supervisions/hand-over": await zhao.hand_over(naming, qian)}
    handed = recorded(told["supervisions/hand-over"])["id"]
    told["supervisions/confirm"] = await qian.answer("confirm", handed)
    told["supervisions/end"] = await lin.answer("end", handed)
    told["supervisions/name"] = await lin.names(zhao)
    told["supervisions/decline"] = await zhao.answer("decline", recorded(told["supervisions/name"])["id"])
    told["supervisions/prove"] = await proved(lin, qian)
    told["shifts/check-in"] = await chen.check_in(at=ago(minutes=5))
    told["activities/start"] = await lin.starts("10.4", at=ago(minutes=20))
    activity = recorded(told["activities/start"])["id"]
    told["activities/finish"] = await lin.finishes(activity, at=ago(minutes=15))
    told["activities/amend"] = await lin.amends(activity, notes="补记")
    told["recordings/explain"] = await lin.explains(activity)
    told["recordings/cover"] = await lin.covers(activity)
    told["shifts/check-out"] = await lin.check_out(shift)
    told["recordings/declare"] = await lin.declare()
    footage = recorded(told["recordings/declare"])["id"]
    content = [{"from_ms": 0, "to_ms": 1000, "words": "到达现场"}]
    told["recordings/describe"] = await lin.post("/v1/recordings/describe", recording=footage, content=content)
    told["documents/declare"] = await lin.post("/v1/documents/declare", **PAPER)
    return told


async def proved(lin: Someone, officer: Someone) -> httpx.Response:
    at = now()
    naming = recorded(await lin.names(officer, at=at))["id"]
    return await lin.post("/v1/supervisions/prove", supervision=naming, signature=a_yes(officer, lin, naming, at))


async def test_every_verb_is_answered_as_the_contract_says(app: Litestar) -> None:
    """No field missing, none too many, each of its type: generated clients rely on it."""
    told = await answers(app)
    assert {verb.name for verb in VERBS} == set(told)
    for name, answer in told.items():
        assert recorded(answer)["id"] == str(msgspec.json.decode(answer.content, type=STRICT[name]).id)


@pytest.mark.parametrize("change", [{"surprise": 1}, {"findings": None}])
async def test_an_answer_with_something_else_would_be_seen(app: Litestar, change: dict[str, Any]) -> None:
    """This test's own test."""
    answer = recorded(await (await a_duty_auxiliary(app)).check_in()) | change
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(answer, STRICT["shifts/check-in"])
