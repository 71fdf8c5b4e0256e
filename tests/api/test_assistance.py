"""Calls for help: who is notified, how soon, and what happens if nobody acknowledges."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
from litestar import Litestar

from backend.assistance import service
from backend.core.database import value
from tests.api.test_events import listening
from tests.builders import (
    CITY,
    DISTRICT,
    SIBLING,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    ago,
    an_officer,
    now,
    recorded,
    refused,
)

STANDS = "SELECT count(*) FROM finding WHERE kind = 'call_unanswered' AND subject = $1 AND organ = $2"
PLACE = {"lat": 30.2741, "lon": 120.1551, "accuracy_m": 8.0, "datum": "WGS84"}


async def calls(who: Someone, **fields: Any) -> str:
    body = {"kind": "violence", "words": "一人持械", "place": PLACE}
    return str(recorded(await who.post("/v1/assistance/call", **(body | fields)))["id"])


async def step(who: Someone, verb: str, call: Any, **fields: Any) -> httpx.Response:
    return await who.post(f"/v1/assistance/{verb}", call=call, **fields)


async def hears(who: Someone, call: str) -> bool:
    """Whether the call is in their own list."""
    return call in [row["id"] for row in (await who.get("/v1/assistance", limit=50)).json()["items"]]


async def test_officers_and_commander_of_the_organ_are_notified_within_a_second(app: Litestar) -> None:
    """By the open event stream; officers of other organs are not notified."""
    lin, zhao, chen = await a_duty_auxiliary(app), await an_officer(app), await a_duty_auxiliary(app)
    other = await an_officer(app, organ=SIBLING)
    async with listening(app, zhao) as one, listening(app, other) as elsewhere:
        begun = asyncio.get_running_loop().time()
        call = await calls(lin)
        await one.until(1)
        assert asyncio.get_running_loop().time() - begun < 1
        assert await elsewhere.stays_silent()
    assert [True, True, False, False] == [await hears(each, call) for each in (lin, zhao, other, chen)]
    answer = (await zhao.get(f"/v1/assistance/{call}")).json()
    assert ("violence", "一人持械", 30.2741) == (answer["kind"], answer["words"], answer["place"]["lat"])
    refused(await other.get(f"/v1/assistance/{call}"), 404, "unknown_call")


async def test_one_acknowledges_someone_arrives_and_it_is_closed(app: Litestar) -> None:
    """The second officer learns that it was taken and may still come; the caller sees each step."""
    lin, zhao, qian = await a_duty_auxiliary(app), await an_officer(app), await an_officer(app)
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    call = await calls(lin)
    refused(await step(lin, "acknowledge", call), 403, "not_for_your_role")
    took = recorded(await step(zhao, "acknowledge", call))["call"]
    assert str(zhao.id) == took["acknowledged_by"]
    refused(await step(qian, "acknowledge", call), 409, "call_acknowledged")
    recorded(await step(qian, "arrive", call))
    closed = recorded(await step(lin, "close", call, words="已控制，无人受伤"))["call"]
    assert None not in (closed["acknowledged_at"], closed["arrived_at"], closed["closed_at"])
    for verb, fields in (("arrive", {}), ("close", {"words": "再次"}), ("acknowledge", {})):
        answer = await step(zhao, verb, call, **fields)
        assert answer.json()["code"] in ("call_closed", "call_acknowledged")
    news = (await lin.get("/v1/changes", after=cursor)).json()["items"]
    steps = [item["verb"].partition("/")[2] for item in news if item["outcome"] == "recorded"]
    assert ["call", "acknowledge", "arrive", "close"] == steps
    assert not await hears(zhao, call)  # the list shows what is open
    refused(await step(zhao, "arrive", uuid4()), 404, "unknown_call")


async def test_of_two_officers_who_acknowledge_at_once_one_succeeds(app: Litestar) -> None:
    lin, zhao, qian = await a_duty_auxiliary(app), await an_officer(app), await an_officer(app)
    call = await calls(lin)
    answers = await asyncio.gather(step(zhao, "acknowledge", call), step(qian, "acknowledge", call))
    assert [201, 409] == sorted(answer.status_code for answer in answers)


async def test_an_officer_calls_too_and_does_not_answer_themselves(app: Litestar) -> None:
    zhao, qian = await an_officer(app), await an_officer(app)
    call = await calls(zhao, kind="medical")
    refused(await step(zhao, "acknowledge", call), 403, "own_matter")
    recorded(await step(qian, "acknowledge", call))


async def test_an_unanswered_call_is_escalated_organ_by_organ(app: Litestar) -> None:
    """Once per term, up to the top organ; each organ that did not answer gets a finding."""
    lin, bureau = await a_duty_auxiliary(app), await an_officer(app, organ=DISTRICT)
    chief, mayor = await a_commander_of(app, DISTRICT), await a_commander_of(app, CITY)
    call = await calls(lin)
    assert not await hears(bureau, call)
    await service.escalate_unanswered(now() + timedelta(minutes=2))
    assert not await hears(bureau, call)
    cursor = (await bureau.get("/v1/changes")).json()["cursor"]
    await service.escalate_unanswered(now() + timedelta(minutes=4))
    assert [True, True] == [await hears(each, call) for each in (bureau, chief)]
    news = (await bureau.get("/v1/changes", after=cursor)).json()["items"]
    (item,) = [item for item in news if call in item["subjects"]]
    assert ("assistance/escalate", DISTRICT) == (item["verb"], item["facts"]["subject"]["call"]["asked_in"])
    await asyncio.gather(
        *(service.escalate_unanswered(now() + timedelta(minutes=5)) for _ in range(3))
    )  # its new term is not over
    assert DISTRICT == (await lin.get(f"/v1/assistance/{call}")).json()["asked_in"]
    await asyncio.gather(*(service.escalate_unanswered(now() + timedelta(minutes=9)) for _ in range(3)))
    assert CITY == (await lin.get(f"/v1/assistance/{call}")).json()["asked_in"]
    await service.escalate_unanswered(now() + timedelta(minutes=30))
    await service.escalate_unanswered(now() + timedelta(minutes=60))
    assert [1, 0, 0] == [await value(STANDS, call, organ) for organ in (lin.organ, DISTRICT, CITY)]
    recorded(await step(mayor, "acknowledge", call))


async def test_an_acknowledged_call_is_not_escalated(app: Litestar) -> None:
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    call = await calls(lin)
    recorded(await step(zhao, "acknowledge", call))
    await service.escalate_unanswered(now() + timedelta(hours=1))
    assert (lin.organ, 0) == (
        (await lin.get(f"/v1/assistance/{call}")).json()["asked_in"],
        await value(STANDS, call, lin.organ),
    )


async def test_a_late_call_is_on_the_timeline(app: Litestar) -> None:
    """With its steps, in one sync from a phone that was offline."""
    lin, call = await a_duty_auxiliary(app), uuid4()
    shift = recorded(await lin.check_in(at=ago(hours=3)))["id"]
    results = await lin.sync(
        lin.item("assistance/close", call=call, words="自行脱险", at=ago(hours=1)),
        lin.item("assistance/call", id=call, kind="injury", at=ago(hours=2)),
    )
    assert ["recorded"] * 2 == [result["status"] for result in results]
    (answer,) = (await lin.get(f"/v1/shifts/{shift}")).json()["calls"]
    assert (str(call), "自行脱险") == (answer["id"], answer["outcome"])
    await service.escalate_unanswered(now() + timedelta(hours=1))
    assert 0 == await value(STANDS, call, lin.organ)
