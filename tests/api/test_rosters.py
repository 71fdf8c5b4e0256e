"""Planned shifts: recorded whole or not at all, compared with check-ins, flagged and never blocking."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from backend.core.columns import FaultyFile
from backend.core.database import fetch
from backend.rosters import plan_files, service
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    PLACE,
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    ago,
    an_inspector_of,
    an_officer,
    codes,
    now,
    recorded,
    refused,
)

FOUND = "SELECT kind FROM finding WHERE subject = $1 AND withdrawn_at IS NULL ORDER BY kind"
HEAD = "badge,post,officer,duty_type,starts_at,ends_at,lat,lon,datum,radius_m\n"


def a_shift(who: Someone, starts: datetime, hours: float = 4, **fields: Any) -> dict[str, Any]:
    body = {"id": uuid4(), "person": who.id, "post": "南门", "duty_type": "post", "starts_at": starts}
    return body | {"ends_at": starts + timedelta(hours=hours)} | fields


async def plans(chief: Someone, *shifts: dict[str, Any]) -> httpx.Response:
    return await chief.post("/v1/rosters/plan", shifts=list(shifts))


async def planned(chief: Someone, who: Someone, starts: datetime, **fields: Any) -> UUID:
    return UUID(recorded(await plans(chief, a_shift(who, starts, **fields)))["planned"][0])


async def found(planned_id: UUID) -> list[str]:
    return [row["kind"] for row in await fetch(FOUND, planned_id)]


async def test_a_plan_is_visible_to_those_concerned_and_in_the_bundle(app: Litestar) -> None:
    lin, zhao, chief = await a_duty_auxiliary(app), await an_officer(app), await a_commander_of(app, DISTRICT)
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    planned_id = await planned(chief, lin, now() + timedelta(hours=2), officer=zhao.id)
    for who, seen in ((lin, True), (zhao, True), (chief, True), (await a_duty_auxiliary(app), False)):
        items = (await who.get("/v1/rosters", **{"from": now().isoformat()}, limit=100)).json()["items"]
        assert seen == (str(planned_id) in [row["id"] for row in items])
    news = (await lin.get("/v1/changes", after=cursor)).json()["items"]
    assert ["rosters/plan"] == [item["verb"] for item in news]
    bundle = (await lin.get("/v1/changes")).json()["bundle"]
    assert [str(planned_id)] == [row["id"] for row in bundle["planned"]]
    recorded(await chief.post("/v1/rosters/withdraw", planned=planned_id, why="调整"))
    assert [] == (await lin.get("/v1/changes")).json()["bundle"]["planned"]


async def test_who_may_plan_whom(app: Litestar) -> None:
    lin, chief, far = (
        await a_duty_auxiliary(app),
        await a_commander_of(app, STATION),
        await a_commander_of(app, OTHER_DISTRICT),
    )
    soon = now() + timedelta(hours=1)
    refused(await plans(lin, a_shift(lin, soon)), 403, "not_for_your_role")
    for who in (far, await an_officer(app), await an_inspector_of(app, DISTRICT)):
        refused(await plans(who, a_shift(lin, soon)), 404, "unknown_person")
    refused(await plans(chief, a_shift(await an_officer(app), soon)), 404, "unknown_person")
    refused(await plans(chief, a_shift(lin, soon, officer=lin.id)), 422, "not_an_officer")
    refused(await plans(chief, a_shift(lin, soon, hours=0)), 422, "end_before_start")
    refused(await plans(chief, a_shift(lin, soon, place=PLACE)), 422, "post_without_radius")
    planned_id = await planned(chief, lin, soon)
    refused(await far.post("/v1/rosters/withdraw", planned=planned_id, why="-"), 404, "unknown_planned")
    refused(await chief.post("/v1/rosters/withdraw", planned=uuid4(), why="-"), 404, "unknown_planned")


async def test_all_of_a_plan_or_nothing(app: Litestar) -> None:
    """One overlap refuses the whole plan; a withdrawn shift frees its time; of two plans at once one is recorded."""
    lin, chen, chief = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    soon = now() + timedelta(hours=1)
    planned_id = await planned(chief, lin, soon)
    problem = refused(
        await plans(chief, a_shift(chen, soon), a_shift(lin, soon + timedelta(hours=3))), 409, "planned_already"
    )
    assert str(lin.id) == problem["person"]
    assert [] == (await chen.get("/v1/rosters")).json()["items"]
    recorded(await chief.post("/v1/rosters/withdraw", planned=planned_id, why="调整"))
    refused(await chief.post("/v1/rosters/withdraw", planned=planned_id, why="调整"), 409, "planned_withdrawn")
    answers = await asyncio.gather(*(plans(chief, a_shift(lin, soon)) for _ in range(2)))
    assert [201, 409] == sorted(answer.status_code for answer in answers)
    again = recorded(await plans(chief, a_shift(chen, soon)))["planned"][0]
    refused(await plans(chief, a_shift(chen, soon + timedelta(days=1), id=again)), 409, "id_reused")


async def test_a_planned_shift_that_began_cannot_be_withdrawn(app: Litestar) -> None:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    planned_id = await planned(chief, lin, ago(minutes=5))
    refused(await chief.post("/v1/rosters/withdraw", planned=planned_id, why="-"), 409, "planned_began")


async def test_a_late_check_in_is_recorded_and_flagged_at_once(app: Litestar) -> None:
    """Ten minutes are in time."""
    lin, chen, chief = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    late, timely = await planned(chief, lin, ago(minutes=30)), await planned(chief, chen, ago(minutes=9))
    assert "late_check_in" in codes(recorded(await lin.check_in())["findings"])
    assert [] == codes(recorded(await chen.check_in())["findings"])
    assert [["late_check_in"], []] == [await found(each) for each in (late, timely)]


async def test_absence_is_a_finding_that_a_late_check_in_withdraws(app: Litestar) -> None:
    """The phone was offline: it had checked in on time."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    planned_id = await planned(chief, lin, ago(hours=3))
    await service.refresh_recent(ago(hours=2))
    assert [] == await found(planned_id)
    await service.refresh_recent(now())
    assert ["absent"] == await found(planned_id)
    (result,) = await lin.sync(lin.item("shifts/check-in", at=ago(hours=3), **CHECK_IN))
    lin_shift = result["id"]
    assert "recorded" == result["status"]
    assert [] == await found(planned_id)
    await service.refresh_recent(now())
    assert [] == await found(planned_id)
    (answer,) = (await lin.get("/v1/rosters")).json()["items"]
    assert str(lin_shift) == answer["shift"]


CHECK_IN = {"duty_type": "post", "dress": "uniform", "id_card_carried": True, "roster_post": "南门"}


@pytest.mark.parametrize(
    ("place", "flagged"),
    [
        (PLACE, False),
        (PLACE | {"lat": PLACE["lat"] + 0.01}, True),
        (PLACE | {"lat": PLACE["lat"] + 0.01, "datum": "GCJ02"}, False),
        (PLACE | {"lat": PLACE["lat"] + 0.0021}, False),  # 233 m off, two accuracies of 8 and 40 m, a radius of 200
        (None, False),
    ],
)
async def test_beyond_the_radius_in_the_same_datum(app: Litestar, place: dict[str, Any] | None, flagged: bool) -> None:
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    planned_id = await planned(chief, lin, ago(minutes=5), place=PLACE | {"accuracy_m": 40.0}, radius_m=200)
    answer = recorded(await lin.check_in(**({} if place is None else {"place": place})))
    assert flagged == ("off_post" in codes(answer["findings"]))
    assert flagged == ("off_post" in await found(planned_id))


async def test_a_plan_is_imported_once(app: Litestar) -> None:
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    text = HEAD + (
        f"{lin.badge},南门,{zhao.badge},post,2026-12-01T08:00:00+08:00,2026-12-01T16:00:00+08:00,30.27,120.15,WGS84,200\n"
        f"{lin.badge},夜巡,,patrol,2026-12-02T20:00:00+08:00,2026-12-03T04:00:00+08:00,,,,\n"
    )
    assert 2 == await service.import_plan(plan_files.read_file(text.encode()), now())
    assert 0 == await service.import_plan(plan_files.read_file(text.encode()), now())
    items = (await lin.get("/v1/rosters")).json()["items"]
    assert [("南门", str(zhao.id), 200), ("夜巡", None, None)] == [
        (row["post"], row["officer"], row["radius_m"]) for row in items
    ]


async def test_every_error_of_a_file_is_listed_and_nothing_is_planned(app: Litestar) -> None:
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    bad = [
        f"{lin.badge},南门,,post,2026-12-01 08:00,2026-12-01T16:00:00+08:00,,,,",
        f"{lin.badge},南门,,guard,2026-12-01T08:00:00+08:00,2026-12-01T16:00:00+08:00,,,,",
        f"{lin.badge},南门,,post,2026-12-01T18:00:00+08:00,2026-12-01T16:00:00+08:00,,,,",
        f"{lin.badge},南门,,post,2026-12-01T08:00:00+08:00,2026-12-01T16:00:00+08:00,30.27,,,",
        f"{lin.badge},南门,,post,2026-12-01T08:00:00+08:00,2026-12-01T16:00:00+08:00,x,120,WGS84,200",
        f"{lin.badge},南门",
    ]
    with pytest.raises(FaultyFile) as raised:
        plan_files.read_file((HEAD + "\n".join(bad) + "\n").encode()).rows()
    assert [2, 3, 4, 5, 6, 7] == [line for line, _ in raised.value.lines]
    span = "2026-12-01T08:00:00+08:00,2026-12-01T16:00:00+08:00,,,,"
    unfit = [f"{zhao.badge},南门,,post,{span}", f"{lin.badge},南门,{lin.badge},post,{span}", f"FJ000,南门,,post,{span}"]
    with pytest.raises(FaultyFile) as raised:
        await service.import_plan(plan_files.read_file((HEAD + "\n".join(unfit) + "\n").encode()), now())
    assert [2, 3, 4] == [line for line, _ in raised.value.lines]
    mixed = [bad[0], unfit[2], f"{lin.badge},南门,,post,{span}", f"{lin.badge},北门,,post,{span}", unfit[1]]
    mixed.append("FJ000,南门,,post,2026-12-01 08:00,2026-12-01T16:00:00+08:00,,,,")
    with pytest.raises(FaultyFile) as raised:
        await service.import_plan(plan_files.read_file((HEAD + "\n".join(mixed) + "\n").encode()), now())
    assert [(2, "starts_at"), (3, "badge"), (5, "starts_at"), (6, "officer"), (7, "starts_at"), (7, "badge")] == [
        (fault.line, fault.column) for fault in raised.value.faults
    ]
    overlaps = [f"{lin.badge},南门,,post,{span}", f"{lin.badge},北门,,post,{span}"]
    with pytest.raises(FaultyFile) as raised:
        await service.import_plan(plan_files.read_file((HEAD + "\n".join(overlaps) + "\n").encode()), now())
    assert [3] == [line for line, _ in raised.value.lines]
    assert [] == (await lin.get("/v1/rosters")).json()["items"]
