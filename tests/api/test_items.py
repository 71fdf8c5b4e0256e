"""Things handed out: who has what, and whose film it is by the recorder's serial number and a time."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from backend.core.columns import FaultyFile
from backend.core.database import execute, fetch, value
from backend.core.days import day_of
from backend.items import item_files, leaving, uniforms
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    SIBLING,
    STATION,
    Someone,
    a_clerk,
    a_commander_of,
    a_dock,
    a_duty_auxiliary,
    ago,
    an_administrator_of,
    an_inspector_of,
    an_officer,
    codes,
    now,
    recorded,
    refused,
)

STANDS = "SELECT count(*) FROM finding WHERE kind = 'worn_by_another' AND subject = $1 AND withdrawn_at IS NULL"


def a_serial(kind: str = "DSJ") -> str:
    return f"{kind}-{uuid4().hex[:10].upper()}"


async def issues(clerk: Someone, who: Someone, serial: str, **fields: Any) -> httpx.Response:
    return await clerk.post("/v1/items/issue", **({"kind": "recorder", "serial": serial, "person": who.id} | fields))


async def issued(clerk: Someone, who: Someone, serial: str, **fields: Any) -> str:
    return str(recorded(await issues(clerk, who, serial, **fields))["item"]["id"])


async def returned(clerk: Someone, item: str, **fields: Any) -> dict[str, Any]:
    return dict(recorded(await clerk.post("/v1/items/return", item=item, **fields))["item"])


async def listed(who: Someone, **query: Any) -> list[dict[str, Any]]:
    answer = await who.get("/v1/items", limit=100, **query)
    assert 200 == answer.status_code, answer.text
    return list(answer.json()["items"])


async def contradicted(recording: str) -> bool:
    return bool(await value(STANDS, UUID(recording)))


async def test_a_recorder_is_taken_out_and_given_back(app: Litestar) -> None:
    """Who has it sees it in `me`; the desk sees who has what; the holder is told."""
    clerk, lin, serial = await a_clerk(app), await a_duty_auxiliary(app), a_serial()
    cursor = (await lin.get("/v1/changes")).json()["cursor"]
    item = await issued(clerk, lin, serial)
    (mine,) = (await lin.get("/v1/me")).json()["items"]
    assert (item, "recorder", serial) == (mine["id"], mine["kind"], mine["serial"])
    (row,) = await listed(clerk, serial=serial.lower())
    assert (str(lin.id), lin.badge, lin.name, "城关派出所", None, str(clerk.id)) == (
        row["person"], row["badge"], row["name"], row["organ_name"], row["returned_at"], row["issued_by"]
    )  # fmt: skip
    assert None is not (await returned(clerk, item))["returned_at"]
    assert [] == (await lin.get("/v1/me")).json()["items"]
    assert [[], [item], [item]] == [
        [row["id"] for row in await listed(clerk, serial=serial, status=status)]
        for status in ("out", "returned", "all")
    ]
    news = [change["verb"] for change in (await lin.get("/v1/changes", after=cursor)).json()["items"]]
    assert ["items/issue", "items/return"] == news


async def test_one_thing_is_with_one_person_at_a_time(app: Litestar) -> None:
    """Also of two desks at once, however its letters are written, and back in time; another kind is another thing."""
    clerk, lin, chen, serial = await a_clerk(app), await a_duty_auxiliary(app), await a_duty_auxiliary(app), a_serial()
    answers = await asyncio.gather(issues(clerk, lin, serial), issues(clerk, chen, serial))
    assert [201, 409] == sorted(answer.status_code for answer in answers)
    refused(await issues(clerk, chen, serial.lower()), 409, "item_with_somebody")
    (item,) = [answer.json()["item"]["id"] for answer in answers if answer.status_code == 201]
    await returned(clerk, item)
    (row,) = await listed(clerk, serial=serial, status="all")
    refused(await issues(clerk, chen, serial, issued_at=row["issued_at"]), 409, "item_with_somebody")
    await issued(clerk, chen, serial)
    await issued(clerk, lin, serial, kind="uniform")


async def test_what_is_refused_says_why(app: Litestar) -> None:
    clerk, lin, serial = await a_clerk(app), await a_duty_auxiliary(app), a_serial()
    refused(await issues(clerk, lin, serial, kind="radio"), 422, "unknown_item_kind")
    refused(await issues(clerk, Someone(app, id=uuid4()), serial), 404, "unknown_person")
    refused(await issues(clerk, await a_dock(app), serial), 404, "unknown_person")
    refused(await issues(clerk, lin, "两 个"), 422, "invalid")
    item = await issued(clerk, lin, serial, issued_at=ago(hours=1))
    refused(await clerk.post("/v1/items/return", item=item, returned_at=ago(hours=2)), 422, "end_before_start")
    refused(await clerk.post("/v1/items/return", item=uuid4()), 404, "unknown_issued_item")
    await returned(clerk, item)
    refused(await clerk.post("/v1/items/return", item=item), 409, "item_returned")


async def test_the_same_entry_again_changes_nothing(app: Litestar) -> None:
    clerk, lin, serial, name = await a_clerk(app), await a_duty_auxiliary(app), a_serial(), uuid4()
    body = clerk.entry(id=name, kind="recorder", serial=serial, person=lin.id)
    recorded(await clerk.send("/v1/items/issue", body))
    again = await clerk.send("/v1/items/issue", body | {"sent_at": now()})
    assert (200, "replayed") == (again.status_code, again.json()["status"])


async def test_who_may_hand_out_to_whom(app: Litestar) -> None:
    """The clerk of the organ, and commander or administrator over it; whoever may not is told as of nobody."""
    lin, serial = await a_duty_auxiliary(app), a_serial()
    refused(await issues(lin, lin, serial), 403, "not_for_your_role")
    strangers = [
        await a_clerk(app, SIBLING), await a_clerk(app, DISTRICT), await an_officer(app),
        await an_inspector_of(app, DISTRICT), await a_commander_of(app, OTHER_DISTRICT),
    ]  # fmt: skip
    for who in strangers:
        refused(await issues(who, lin, serial), 404, "unknown_person")
    for who in (await a_clerk(app), await a_commander_of(app, DISTRICT), await an_administrator_of(app, STATION)):
        item = await issued(who, lin, serial)
        for stranger in strangers:
            refused(await stranger.post("/v1/items/return", item=item), 404, "unknown_issued_item")
        await returned(who, item)


async def test_who_sees_who_has_what(app: Litestar) -> None:
    """The holder, the desk, and whoever oversees or administers the organ; no colleague."""
    clerk, lin, serial = await a_clerk(app), await a_duty_auxiliary(app), a_serial()
    item = await issued(clerk, lin, serial)
    seen = [lin, await an_inspector_of(app, DISTRICT), await a_commander_of(app, STATION),
        await an_administrator_of(app, DISTRICT)]  # fmt: skip
    for who in seen:
        assert [item] == [row["id"] for row in await listed(who, serial=serial)]
    for who in (await a_duty_auxiliary(app), await an_officer(app), await a_clerk(app, SIBLING)):
        assert [] == await listed(who, serial=serial)
    wu = seen[1]
    assert item in [row["id"] for row in await listed(wu, person=lin.id, kind="recorder", organ=DISTRICT)]
    assert [] == await listed(wu, person=lin.id, kind="uniform")
    assert [] == await listed(wu, person=lin.id, organ=SIBLING)


# -- brought in by a file


async def brought_in(text: str) -> int:
    return await item_files.bring_in(item_files.read_file(f"badge,kind,serial,issued,returned\n{text}".encode()), now())


async def test_what_was_handed_out_before_is_brought_in_by_a_file(app: Litestar) -> None:
    """Once, however often; a return that was added takes the thing back; a thing goes from hand to hand in a day."""
    clerk, lin, chen = await a_clerk(app), await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    paper, uniform = a_serial("ID"), a_serial("ZF")
    held = f"{lin.badge},id,{paper},2026-03-01,\n{lin.badge},uniform,{uniform},2026-03-01,2026-04-01\n"
    held += f"{chen.badge},uniform,{uniform.lower()},2026-04-01,\n"
    assert [3, 0] == [await brought_in(held), await brought_in(held)]
    (row,) = await listed(clerk, serial=paper)
    assert (str(lin.id), None, "2026-02-28T16:00:00Z") == (row["person"], row["issued_by"], row["issued_at"])
    assert {paper} == {item["serial"] for item in (await lin.get("/v1/me")).json()["items"]}
    assert 1 == await brought_in(held.replace(f"{paper},2026-03-01,", f"{paper},2026-03-01,2026-05-01"))
    assert [] == (await lin.get("/v1/me")).json()["items"]


async def test_a_file_that_contradicts_what_is_known_changes_nothing(app: Litestar) -> None:
    """A thing with two people at once, a badge of nobody; every fault is told."""
    clerk, lin, chen, serial = await a_clerk(app), await a_duty_auxiliary(app), await a_duty_auxiliary(app), a_serial()
    await issued(clerk, lin, serial, issued_at=ago(hours=1))
    other = a_serial("ID")
    with pytest.raises(FaultyFile) as raised:
        await brought_in(
            f"{lin.badge},id,{other},2026-03-01,\n{chen.badge},recorder,{serial},2026-03-01,\nNOBODY,id,1,2026-03-01,\n"
        )
    assert [3, 4] == [line for line, _ in raised.value.lines]
    assert [] == await listed(clerk, serial=other)


# -- on leaving, and off duty


async def leaves(who: Someone, last_day: date) -> None:
    await execute("UPDATE stint SET during = daterange(lower(during), $2, '[]') WHERE person = $1", who.id, last_day)


async def findings_of(kind: str, who: Someone) -> list[str]:
    sql = "SELECT subject FROM finding WHERE kind = $1 AND person = $2 AND withdrawn_at IS NULL ORDER BY subject"
    return [str(row["subject"]) for row in await fetch(sql, kind, who.id)]


async def test_what_is_not_given_back_on_leaving_is_told_to_the_commander(app: Litestar) -> None:
    """R.32: ID, uniform, insignia and the rest; until it is given back, or its holder serves again."""
    clerk, lin, chief = await a_clerk(app), await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    kinds = ("id", "uniform", "insignia", "recorder")
    things = {kind: await issued(clerk, lin, a_serial(kind), kind=kind) for kind in kinds}
    await returned(clerk, things.pop("recorder"))
    cursor = (await chief.get("/v1/changes")).json()["cursor"]
    await leaving.refresh(now())
    assert [] == await findings_of("item_not_returned", lin)
    await leaves(lin, day_of(now()))
    await leaving.refresh(now())
    assert [] == await findings_of("item_not_returned", lin)  # the last day is one of service
    await leaves(lin, day_of(now()) - timedelta(days=1))
    await leaving.refresh(now())
    assert 0 == await leaving.refresh(now())  # told once
    assert sorted(things.values()) == await findings_of("item_not_returned", lin)
    assert sorted(things.values()) == sorted(
        row["id"] for row in await listed(chief, status="unreturned", person=lin.id)
    )
    news = (await chief.get("/v1/changes", after=cursor, limit=200)).json()["items"]
    (line,) = [change for change in news if change["verb"] == "items/unreturned" and things["id"] in change["subjects"]]
    assert line["facts"]["subject"]["unreturned"]["items"] >= 3
    seen = (await chief.get("/v1/findings", kind="item_not_returned", limit=200)).json()["items"]
    assert things["uniform"] in [finding["subject"] for finding in seen]
    await returned(clerk, things.pop("id"))
    assert sorted(things.values()) == await findings_of("item_not_returned", lin)
    await execute("UPDATE stint SET during = daterange(lower(during), NULL) WHERE person = $1", lin.id)
    await leaving.refresh(now())
    assert [] == await findings_of("item_not_returned", lin)
    assert [] == await listed(chief, status="unreturned", person=lin.id)


async def sees(who: Someone, person: Someone, **fields: Any) -> httpx.Response:
    body = {"person": person.id, "seen_at": ago(hours=3), "words": "在商场着全套制服"}
    return await who.post("/v1/uniforms/report", **(body | fields))


async def test_the_uniform_off_duty_is_a_finding_until_a_check_in_comes_late(app: Litestar) -> None:
    """R.32: not off duty. Whoever was on duty after all, by a check-in that comes later, did nothing wrong."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    receipt = recorded(await sees(chief, lin))
    assert ["uniform_off_duty"] == codes(receipt["findings"])
    mine = (await lin.get("/v1/findings", kind="uniform_off_duty")).json()["items"]
    assert [receipt["id"]] == [finding["subject"] for finding in mine]
    rows = (await lin.get("/v1/uniforms")).json()["items"]
    assert [("在商场着全套制服", lin.badge)] == [(row["words"], row["badge"]) for row in rows]
    assert [] == (await (await a_duty_auxiliary(app)).get("/v1/uniforms")).json()["items"]
    assert receipt["id"] in [row["id"] for row in (await chief.get("/v1/uniforms", limit=200)).json()["items"]]
    recorded(await lin.check_in(at=ago(hours=4)))
    await uniforms.judge_recent(now())
    assert [] == await findings_of("uniform_off_duty", lin)
    refused(await sees(chief, lin), 409, "on_duty_then")


async def test_who_reports_whose_uniform(app: Litestar) -> None:
    """Commander and inspector over the organ, of auxiliaries alone, and nobody of themselves."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    strangers = [await an_officer(app), await a_clerk(app), await a_commander_of(app, OTHER_DISTRICT)]
    for who in strangers:
        refused(await sees(who, lin), 404, "unknown_person")
    refused(await sees(lin, lin), 403, "not_for_your_role")
    refused(await sees(chief, await an_officer(app)), 404, "unknown_person")
    recorded(await sees(await an_inspector_of(app, DISTRICT), lin))


# -- whose film it is


@pytest.mark.parametrize("written", [str.upper, str.lower])
async def test_a_dock_need_not_name_the_wearer(app: Litestar, written: Any) -> None:
    """The recorder's number and the start of the film tell it; each film goes to who had the recorder then."""
    clerk, dock, serial = await a_clerk(app), await a_dock(app), a_serial()
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    first = await issued(clerk, lin, serial, issued_at=ago(hours=5))
    await returned(clerk, first, returned_at=ago(hours=3))
    await issued(clerk, chen, serial, issued_at=ago(hours=2))
    for wearer, hours in ((lin, 4), (chen, 1)):
        answer = await dock.declare(
            camera_serial=written(serial), started_at=ago(hours=hours), ended_at=ago(hours=hours - 0.5)
        )
        upload = recorded(answer)["upload"]
        assert str(wearer.id) == upload["wearer"]
        assert [upload["id"]] == [row["id"] for row in (await wearer.get("/v1/recordings")).json()["items"]]
    between = await dock.declare(camera_serial=serial, started_at=ago(hours=2.5), ended_at=ago(hours=2.4))
    assert "领用" in refused(between, 422, "wearer_missing")["detail"]


async def test_a_dock_learns_nothing_of_people_elsewhere(app: Litestar) -> None:
    """A recorder that somebody of another organ has is one that nobody has; a thing of another kind tells nothing."""
    clerk, dock, lin = await a_clerk(app), await a_dock(app, SIBLING), await a_duty_auxiliary(app)
    recorder, handheld = a_serial(), a_serial("HH")
    await issued(clerk, lin, recorder, issued_at=ago(hours=1))
    await issued(clerk, lin, handheld, kind="handheld", issued_at=ago(hours=1))
    for station, serial in ((dock, recorder), (await a_dock(app), handheld)):
        refused(await station.declare(camera_serial=serial), 422, "wearer_missing")


async def test_a_wearer_who_did_not_have_the_recorder_is_a_finding(app: Litestar) -> None:
    """The film is taken as told. Wearer and inspector see the finding; of who had it out then it is none."""
    clerk, dock, serial = await a_clerk(app), await a_dock(app), a_serial()
    lin, chen, wu = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    await issued(clerk, lin, serial, issued_at=ago(hours=1))
    receipt = recorded(await dock.declare(camera_serial=serial, wearer=chen.id))
    assert ["worn_by_another"] == codes(receipt["findings"])
    assert "wearer" not in receipt["upload"]
    for who in (chen, wu):
        found = (await who.get("/v1/findings", kind="worn_by_another", limit=100)).json()["items"]
        assert receipt["id"] in [finding["subject"] for finding in found]
    own = recorded(await lin.declare(camera_serial=serial))
    assert [] == own["findings"]
    assert not await contradicted(own["id"])


async def test_what_is_told_later_about_the_recorder_corrects_the_finding(app: Litestar) -> None:
    """A return and an issue that the desk enters afterwards compare the films of that time again."""
    clerk, serial = await a_clerk(app), a_serial()
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    film = recorded(await chen.declare(camera_serial=serial))["id"]
    assert not await contradicted(film)  # nobody has taken it out: nothing contradicts
    item = await issued(clerk, lin, serial, issued_at=ago(hours=1))
    assert await contradicted(film)
    await returned(clerk, item, returned_at=ago(minutes=30))
    assert not await contradicted(film)
    await issued(clerk, chen, serial, issued_at=ago(minutes=20))
    assert not await contradicted(film)


async def test_anybody_may_use_a_handheld_that_another_took_out(app: Litestar) -> None:
    """Handhelds pass from hand to hand: no refusal, no finding."""
    clerk, lin, chen = await a_clerk(app), await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    serial = a_serial("HH")
    await issued(clerk, lin, serial, kind="handheld", issued_at=ago(hours=1))
    assert [] == recorded(await chen.declare(camera_serial=serial))["findings"]
    assert [] == [row["kind"] for row in await fetch("SELECT kind FROM finding WHERE person = $1", chen.id)]
