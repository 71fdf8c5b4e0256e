"""The daily roster (值班表): who commands an organ's duty, what they see, and that calls for help call them first."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
from litestar import Litestar

from backend.assistance import service as assistance
from backend.core.database import execute
from backend.people import roster
from tests.builders import (
    CITY,
    DISTRICT,
    OTHER_DISTRICT,
    SIBLING,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    ago,
    an_inspector_of,
    an_officer,
    now,
    organ_row,
    recorded,
    refused,
)


async def a_station() -> str:
    """An organ of its own: it has one row of the roster at a time."""
    organ = f"33{uuid4().int % 10**10:010}"
    await roster.bring_in([organ_row(organ, "值班派出所", DISTRICT)])
    return organ


async def names(
    chief: Someone, organ: str, leader: Someone, *officers: Someone, since: datetime | None = None, hours: float = 24
) -> httpx.Response:
    starts = since or ago(hours=1)
    body = {"organ": organ, "starts_at": starts, "ends_at": starts + timedelta(hours=hours), "leader": leader.id}
    return await chief.post("/v1/rosters/duty", **body, officers=[officer.id for officer in officers])


async def rows(who: Someone, path: str, **query: Any) -> list[str]:
    answer = await who.get(path, limit=100, **query)
    assert 200 == answer.status_code, answer.text
    return [row["id"] for row in answer.json()["items"]]


async def calls(who: Someone) -> str:
    return str(recorded(await who.post("/v1/assistance/call", kind="violence"))["id"])


async def test_the_roster_names_leader_and_officers_for_everybody_of_the_organ(app: Litestar) -> None:
    """In the list and in the bundle for phones, of the organ's people, of those named, and of who oversees it."""
    organ = await a_station()
    lin, sun, zhao = await a_duty_auxiliary(app, organ), await an_officer(app), await an_officer(app, organ)
    chief = await a_commander_of(app, DISTRICT)
    duty = recorded(await names(chief, organ, sun, zhao, sun))["duty"]
    assert (str(sun.id), [str(zhao.id)]) == (duty["leader"], duty["officers"])
    for who in (lin, sun, zhao, chief, await an_inspector_of(app, DISTRICT)):
        assert [duty["id"]] == await rows(who, "/v1/rosters/duty", organ=organ)
    for who in (await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, OTHER_DISTRICT)):
        assert [] == await rows(who, "/v1/rosters/duty", organ=organ)
    for who in (lin, sun):
        (row,) = [row for row in (await who.get("/v1/changes")).json()["bundle"]["duty"] if row["id"] == duty["id"]]
        assert ("值班派出所", sun.name, [zhao.name]) == (
            row["organ_name"], row["leader"]["name"], [officer["name"] for officer in row["officers"]],
        )  # fmt: skip
    assert "duty" not in (await (await a_duty_auxiliary(app, SIBLING)).get("/v1/changes")).json()["bundle"]


async def test_who_may_name_whom(app: Litestar) -> None:
    """The commander of the organ or above; only officers; one row of an organ at a time."""
    organ = await a_station()
    lin, zhao = await a_duty_auxiliary(app, organ), await an_officer(app, organ)
    chief = await a_commander_of(app, organ)
    refused(await names(lin, organ, zhao, zhao), 403, "not_for_your_role")
    for who in (zhao, await an_inspector_of(app, DISTRICT), await a_commander_of(app, OTHER_DISTRICT)):
        refused(await names(who, organ, zhao, zhao), 404, "unknown_organ")
    refused(await names(chief, organ, lin, zhao), 422, "not_an_officer")
    refused(await names(chief, organ, zhao, lin), 422, "not_an_officer")
    refused(await names(chief, organ, zhao, zhao, hours=0), 422, "end_before_start")
    recorded(await names(chief, organ, zhao, zhao))
    refused(await names(chief, organ, zhao, zhao, since=now()), 409, "duty_named_already")
    recorded(await names(chief, await a_station_under(organ), zhao, zhao))
    recorded(await names(chief, organ, zhao, zhao, since=now() + timedelta(hours=23.5)))


async def a_station_under(organ: str) -> str:
    below = f"33{uuid4().int % 10**10:010}"
    await roster.bring_in([organ_row(below, "警务室", organ)])
    return below


async def test_a_duty_ends_now_and_one_to_come_is_withdrawn(app: Litestar) -> None:
    """What was stays; another row may follow at once."""
    organ = await a_station()
    zhao, qian, chief = await an_officer(app, organ), await an_officer(app, organ), await a_commander_of(app, organ)
    begun = recorded(await names(chief, organ, zhao, zhao))["duty"]
    to_come = recorded(await names(chief, organ, zhao, zhao, since=now() + timedelta(hours=23.5)))["duty"]
    refused(await zhao.post("/v1/rosters/end-duty", duty=begun["id"], why="-"), 404, "unknown_duty")
    ended = recorded(await chief.post("/v1/rosters/end-duty", duty=begun["id"], why="突发疾病"))["duty"]
    assert begun["starts_at"] < ended["ends_at"] < begun["ends_at"]
    gone = recorded(await chief.post("/v1/rosters/end-duty", duty=to_come["id"], why="调整"))["duty"]
    assert gone["starts_at"] == gone["ends_at"]
    for duty in (begun, to_come):
        refused(await chief.post("/v1/rosters/end-duty", duty=duty["id"], why="-"), 409, "duty_over")
    refused(await chief.post("/v1/rosters/end-duty", duty=uuid4(), why="-"), 404, "unknown_duty")
    recorded(await names(chief, organ, qian, qian, since=now()))


async def test_a_call_for_help_calls_who_commands_the_duty_first(app: Litestar) -> None:
    """At once and by the feed, wherever they serve; everybody else hears of it as before, so a stale roster costs no
    call."""
    organ = await a_station()
    lin, bureau, zhao = (
        await a_duty_auxiliary(app, organ),
        await an_officer(app, DISTRICT),
        await an_officer(app, organ),
    )
    other, chief = await an_officer(app, organ), await a_commander_of(app, DISTRICT)
    recorded(await names(chief, organ, bureau, zhao))
    cursor = (await bureau.get("/v1/changes")).json()["cursor"]
    call = await calls(lin)
    assert [True, True, True] == [call in await rows(each, "/v1/assistance") for each in (bureau, zhao, other)]
    assert call not in await rows(await an_officer(app, DISTRICT), "/v1/assistance")
    answer = (await zhao.get(f"/v1/assistance/{call}")).json()
    assert sorted([str(bureau.id), str(zhao.id)]) == sorted(answer["called_first"])
    (item,) = [item for item in (await bureau.get("/v1/changes", after=cursor)).json()["items"] if item["id"] == call]
    assert str(bureau.id) in item["facts"]["subject"]["call"]["called_first"]
    recorded(await bureau.post("/v1/assistance/acknowledge", call=call))


async def test_a_call_that_goes_up_calls_the_duty_there_first(app: Litestar) -> None:
    district, station = await a_station_under(CITY), None
    station = await a_station_under(district)
    lin, leader, mayor = (
        await a_duty_auxiliary(app, station),
        await an_officer(app, CITY),
        await a_commander_of(app, CITY),
    )
    recorded(await names(mayor, district, leader, leader))
    call = await calls(lin)
    assert [] == (await lin.get(f"/v1/assistance/{call}")).json()["called_first"]
    await assistance.escalate_unanswered(now() + timedelta(minutes=4))
    assert [str(leader.id)] == (await lin.get(f"/v1/assistance/{call}")).json()["called_first"]
    recorded(await leader.post("/v1/assistance/acknowledge", call=call))


async def test_who_takes_over_sees_the_calls_that_are_still_open(app: Litestar) -> None:
    """A call from before the duty; one that was closed before it began is not theirs."""
    organ = await a_station()
    lin, zhao, chief = (
        await a_duty_auxiliary(app, organ),
        await an_officer(app, DISTRICT),
        await a_commander_of(app, organ),
    )
    still_open, closed = await calls(lin), await calls(lin)
    recorded(await lin.post("/v1/assistance/close", call=closed, words="自行脱险"))
    recorded(await names(chief, organ, zhao, zhao, since=now()))
    seen = await rows(zhao, "/v1/assistance", status="all")  # those of other tests that reached the district too
    assert [still_open] == [call for call in seen if call in (still_open, closed)]


async def test_who_commands_sees_shifts_and_plans_of_that_time_alone(app: Litestar) -> None:
    """Of that organ, from when it begins, and with the timeline; who was named for tomorrow sees nothing yet."""
    organ = await a_station()
    lin, chen, zhu = [await a_duty_auxiliary(app, organ) for _ in range(3)]
    zhao, qian, chief = (
        await an_officer(app, DISTRICT),
        await an_officer(app, DISTRICT),
        await a_commander_of(app, organ),
    )
    before = recorded(await chen.check_in(at=ago(hours=9)))["id"]
    recorded(await chen.check_out(before, at=ago(hours=5)))
    during = recorded(await lin.check_in(at=ago(hours=3)))["id"]
    elsewhere = recorded(await (await a_duty_auxiliary(app, SIBLING)).check_in())["id"]
    plan = {"id": uuid4(), "person": zhu.id, "post": "南门", "duty_type": "post", "starts_at": now(),
        "ends_at": now() + timedelta(hours=4)}  # fmt: skip
    recorded(await chief.post("/v1/rosters/plan", shifts=[plan]))
    assert [] == await rows(zhao, "/v1/shifts")
    recorded(await names(chief, organ, zhao, zhao, since=ago(hours=4), hours=8))
    recorded(await names(chief, organ, qian, qian, since=now() + timedelta(hours=5)))
    assert [during] == await rows(zhao, "/v1/shifts")
    assert [str(plan["id"])] == await rows(zhao, "/v1/rosters")
    timeline = (await zhao.get(f"/v1/shifts/{during}")).json()
    assert [(str(zhao.id), "leader")] == [(row["person"], row["part"]) for row in timeline["command"]]
    for shift in (before, elsewhere):
        refused(await zhao.get(f"/v1/shifts/{shift}"), 404, "unknown_shift")
    assert [[], []] == [await rows(qian, path) for path in ("/v1/shifts", "/v1/rosters")]


async def test_the_feed_follows_the_duty(app: Litestar) -> None:
    """A duty that begins resets the phone; from then on check-ins of the organ come by the feed; then it ends."""
    organ = await a_station()
    lin, zhao, chief = (
        await a_duty_auxiliary(app, organ),
        await an_officer(app, DISTRICT),
        await a_commander_of(app, organ),
    )
    before = (await zhao.get("/v1/changes")).json()["cursor"]
    duty = recorded(await names(chief, organ, zhao, zhao))["id"]
    fresh = (await zhao.get("/v1/changes", after=before)).json()
    assert fresh["reset"]
    shift = recorded(await lin.check_in())["id"]
    news = (await zhao.get("/v1/changes", after=fresh["cursor"])).json()
    assert (False, [shift]) == (
        news["reset"],
        [item["id"] for item in news["items"] if item["verb"] == "shifts/check-in"],
    )
    recorded(await chief.post("/v1/rosters/end-duty", duty=duty, why="换班"))
    assert (await zhao.get("/v1/changes", after=news["cursor"])).json()["reset"]


async def test_a_duty_that_the_roster_commands_needs_nobody_else_who_ordered_it(app: Litestar) -> None:
    """R.7: the organ's command is known, so a check-in without a name or post is in order."""
    organ = await a_station()
    lin, zhao, chief = (
        await a_duty_auxiliary(app, organ),
        await an_officer(app, organ),
        await a_commander_of(app, organ),
    )
    refused(await lin.check_in(roster_post=None), 409, "not_ordered")
    recorded(await names(chief, organ, zhao, zhao))
    assert [] == recorded(await lin.check_in(roster_post=None))["findings"]
    shift = (await lin.get("/v1/shifts")).json()["items"][0]["id"]
    command = (await lin.get(f"/v1/shifts/{shift}")).json()["command"]
    assert [("leader", zhao.name)] == [(row["part"], row["name"]) for row in command]


async def test_who_left_the_service_is_not_called_by_an_old_roster(app: Litestar) -> None:
    organ = await a_station()
    lin, zhao, chief = (
        await a_duty_auxiliary(app, organ),
        await an_officer(app, organ),
        await a_commander_of(app, organ),
    )
    recorded(await names(chief, organ, zhao, zhao))
    await execute("UPDATE stint SET during = daterange(lower(during), current_date - 2) WHERE person = $1", zhao.id)
    assert [] == (await lin.get(f"/v1/assistance/{await calls(lin)}")).json()["called_first"]
