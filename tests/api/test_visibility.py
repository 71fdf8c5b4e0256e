"""Who sees what (DESIGN §9): one's own, whom one led while one led, the subtree of one's roles; no more."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.core.database import fetch
from backend.people import roster
from tests.builders import (
    CITY,
    DISTRICT,
    ELSEWHERE,
    OTHER_DISTRICT,
    SIBLING,
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    now,
    organ_row,
    recorded,
    refused,
    somebody,
)


async def sees(who: Someone, shift: str) -> bool:
    """By its address and in the list alike."""
    answer = await who.get(f"/v1/shifts/{shift}")
    listed = shift in [item["id"] for item in await every(who, "/v1/shifts")]
    assert answer.status_code in (200, 404)
    assert listed == (answer.status_code == 200)
    if answer.status_code == 404:
        refused(answer, 404, "unknown_shift")
    return listed


async def every(who: Someone, path: str, limit: int = 200, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    items, page = [], (await who.get(path, limit=limit, **query)).json()
    items += page["items"]
    while page["next"] is not None:
        page = (await who.get(path, limit=limit, cursor=page["next"], **query)).json()
        items += page["items"]
    return items


async def test_one_sees_ones_own(app: Litestar) -> None:
    """An auxiliary's own shift, and no colleague's."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    shift = recorded(await lin.check_in())["id"]
    assert await sees(lin, shift)
    assert not await sees(zhu, shift)


async def test_what_one_may_not_see_is_answered_as_what_is_not_there(app: Litestar) -> None:
    """A colleague does not learn that it exists."""
    lin, zhu = await a_duty_auxiliary(app), await a_duty_auxiliary(app, name="朱新")
    shift = recorded(await lin.check_in())["id"]
    hidden, nowhere = await zhu.get(f"/v1/shifts/{shift}"), await zhu.get(f"/v1/shifts/{uuid4()}")
    assert 404 == hidden.status_code == nowhere.status_code
    assert hidden.json() | {"instance": ""} == nowhere.json() | {"instance": ""}


async def test_an_officer_sees_whom_they_led_while_they_led(app: Litestar) -> None:
    """And not the shifts before and after."""
    lin, zhao, shift, _ = await a_led_patrol(app)
    other = await an_officer(app)
    assert await sees(zhao, shift)
    assert not await sees(other, shift)
    recorded(await lin.check_out(shift, at=ago(minutes=10)))
    alone = recorded(await lin.check_in(at=ago(minutes=5)))["id"]
    recorded(await lin.names(other))
    assert not await sees(zhao, alone)
    assert await sees(zhao, shift)


async def test_an_officer_who_declined_sees_nothing(app: Litestar) -> None:
    """Being named by mistake opens nobody's record."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    shift = recorded(await lin.check_in(at=ago(minutes=5)))["id"]
    naming = recorded(await lin.names(zhao))["id"]
    recorded(await zhao.answer("decline", naming))
    assert not await sees(zhao, shift)


@pytest.mark.parametrize("who", [a_commander_of, an_inspector_of])
@pytest.mark.parametrize(
    ("organ", "seen"),
    [(STATION, True), (DISTRICT, True), (CITY, True), (SIBLING, False), (OTHER_DISTRICT, False), (ELSEWHERE, False)],
)
async def test_a_role_reaches_its_organ_and_all_below_it(app: Litestar, who: Any, organ: str, seen: bool) -> None:
    """A station's chief sees the station, the bureau's sees its stations, the sister station's sees nothing."""
    lin, chief = await a_duty_auxiliary(app), await who(app, organ)
    shift = recorded(await lin.check_in())["id"]
    assert seen == await sees(chief, shift)


@pytest.mark.parametrize("role", ["treasurer", "administrator"])
async def test_other_roles_oversee_nobody(app: Litestar, role: str) -> None:
    """Who pays, or keeps the roster, sees no shift by that."""
    lin, clerk = await a_duty_auxiliary(app), await somebody(app, "staff", STATION, "周敏", [(role, CITY)])
    assert not await sees(clerk, recorded(await lin.check_in())["id"])


async def test_a_role_that_ended_shows_nothing(app: Litestar) -> None:
    """From its last day on."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    shift = recorded(await lin.check_in())["id"]
    assert await sees(sun, shift)
    yesterday = (now() - timedelta(days=1, hours=8)).date()
    from tests.builders import a_row

    ended = a_row(record="role", code=sun.badge, kind="commander", organ=STATION, valid_until=yesterday)
    await roster.bring_in([ended])
    assert not await sees(sun, shift)


async def test_an_organ_that_moved_is_seen_from_its_new_place(app: Litestar) -> None:
    """A reorganisation takes effect at once."""
    await roster.bring_in([organ_row("330102990000", "流动派出所", DISTRICT)])
    lin = await a_duty_auxiliary(app, "330102990000")
    shift = recorded(await lin.check_in())["id"]
    old, new = await a_commander_of(app, DISTRICT), await a_commander_of(app, OTHER_DISTRICT)
    assert (True, False) == (await sees(old, shift), await sees(new, shift))
    await roster.bring_in([organ_row("330102990000", "流动派出所", OTHER_DISTRICT)])
    assert (False, True) == (await sees(old, shift), await sees(new, shift))


async def test_namings_are_seen_by_both_and_those_above(app: Litestar) -> None:
    """Lists of namings by their state."""
    lin, zhao, _, naming = await a_led_patrol(app)
    sun, stranger = await a_commander_of(app, STATION), await an_officer(app)
    for who in (lin, zhao, sun):
        assert naming in [item["id"] for item in await every(who, "/v1/supervisions")]
    assert [] == await every(stranger, "/v1/supervisions")
    (item,) = await every(zhao, "/v1/supervisions", status="confirmed")
    assert (naming, lin.name, zhao.name) == (item["id"], item["auxiliary_name"], item["officer_name"])


async def test_namings_are_listed_by_what_was_answered(app: Litestar) -> None:
    """What waits for me is one list."""
    lin, zhao, _, confirmed = await a_led_patrol(app)
    unanswered = recorded(await lin.names(zhao))["id"]
    listed = {
        status: {item["id"] for item in await every(zhao, "/v1/supervisions", status=status)}
        for status in ("open", "unanswered", "confirmed", "declined", "contested", "all")
    }
    assert {unanswered} == listed["open"] == listed["unanswered"]
    assert ({confirmed}, set(), set()) == (listed["confirmed"], listed["declined"], listed["contested"])
    assert {confirmed, unanswered} == listed["all"]


async def test_footage_is_seen_by_its_wearer_leader_and_those_above(app: Litestar) -> None:
    """What is known of it; its bytes are another matter."""
    lin, zhao, shift, _ = await a_led_patrol(app)
    footage = recorded(await lin.declare())["id"]
    sun, stranger, zhu = await a_commander_of(app, DISTRICT), await an_officer(app), await a_duty_auxiliary(app)
    for who in (lin, zhao, sun):
        assert footage == (await who.get(f"/v1/recordings/{footage}")).json()["id"]
        assert footage in [item["id"] for item in await every(who, "/v1/recordings")]
    for who in (stranger, zhu):
        refused(await who.get(f"/v1/recordings/{footage}"), 404, "unknown_recording")
        assert [] == await every(who, "/v1/recordings")
    assert [footage] == [item["id"] for item in (await zhao.get(f"/v1/shifts/{shift}")).json()["recordings"]]


async def test_only_its_owner_sends_and_fetches_an_upload(app: Litestar) -> None:
    """Even a chief gets no signed URL for somebody's parts."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, CITY)
    footage = recorded(await lin.declare())["id"]
    for path in ("parts", "receipt"):
        refused(await sun.get(f"/v1/uploads/{footage}/{path}"), 404, "unknown_upload")
    refused(await sun.tell(f"/v1/uploads/{footage}/complete", bytes=1, sha256="0" * 64), 404, "unknown_upload")


async def test_the_timeline_tells_who_led_stretch_by_stretch(app: Litestar) -> None:
    """A shift and everything that lies in it."""
    lin, zhao, shift, naming = await a_led_patrol(app)
    timeline = (await lin.get(f"/v1/shifts/{shift}")).json()
    (stretch,) = timeline["leading"]
    assert (naming, zhao.name, True, None) == (
        stretch["supervision"], stretch["officer_name"], stretch["confirmed"], stretch["ended_at"],
    )  # fmt: skip
    assert (lin.badge, lin.name, []) == (timeline["shift"]["badge"], timeline["shift"]["name"], timeline["findings"])


async def some_shifts(lin: Someone, count: int) -> list[str]:
    """Shifts one after the other, newest first."""
    ids = []
    for number in range(count):
        begun = ago(days=count - number)
        ids.append(recorded(await lin.check_in(at=begun))["id"])
        recorded(await lin.check_out(ids[-1], at=begun + timedelta(hours=8)))
    return ids[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 200])
async def test_pages_show_every_row_once_newest_first(app: Litestar, limit: int) -> None:
    """Whatever the size of the page."""
    lin = await a_duty_auxiliary(app)
    shifts = await some_shifts(lin, 7)
    assert shifts == [item["id"] for item in await every(lin, "/v1/shifts", limit)]


async def test_a_page_holds_still_while_rows_arrive(app: Litestar) -> None:
    """A new shift on top moves nothing from one page to the next."""
    lin = await a_duty_auxiliary(app)
    shifts = await some_shifts(lin, 4)
    page = (await lin.get("/v1/shifts", limit=2)).json()
    recorded(await lin.check_in())
    rest = (await lin.get("/v1/shifts", limit=2, cursor=page["next"])).json()
    assert shifts == [item["id"] for item in page["items"] + rest["items"]]
    assert rest["next"] is None


async def test_rows_of_the_same_moment_are_paged_by_id(app: Litestar) -> None:
    """A whole patrol checks in at eight."""
    sun, eight = await a_commander_of(app, ELSEWHERE), ago(hours=5)
    made = set()
    for _ in range(5):
        lin = await a_duty_auxiliary(app, ELSEWHERE)
        made.add(recorded(await lin.check_in(at=eight))["id"])
    listed = [item["id"] for item in await every(sun, "/v1/shifts", 2)]
    assert made <= set(listed)
    assert len(set(listed)) == len(listed)


async def test_a_page_is_bounded(app: Litestar) -> None:
    """Fifty rows unless asked, two hundred at most."""
    lin = await a_duty_auxiliary(app)
    for limit in (0, 201, -1, "all"):
        refused(await lin.get("/v1/shifts", limit=limit), 422, "invalid")
    assert 200 == (await lin.get("/v1/shifts", limit=200)).status_code


@pytest.mark.parametrize("cursor", ["x", "é", "e30=", "bnVsbA==", "WzEsMl0=", "=", "%00", "a" * 201])
async def test_a_cursor_that_is_not_ours_is_refused(app: Litestar, cursor: str) -> None:
    """With the name of the parameter at fault."""
    lin = await a_duty_auxiliary(app)
    problem = refused(await lin.get("/v1/shifts", cursor=cursor), 422, "invalid")
    assert ["?cursor"] == [error["pointer"] for error in problem["errors"]]


async def test_a_role_on_a_moved_person_stays_on_its_organ(app: Litestar) -> None:
    """Roles are granted on organs, not carried along."""
    sun = await a_commander_of(app, STATION)
    rows = await fetch("SELECT organ FROM role_grant WHERE person = $1", UUID(str(sun.id)))
    assert [STATION] == [row["organ"] for row in rows]
