"""Finding people and organs: who may list whom, and by what they are found."""

from typing import Any

from litestar import Litestar

from backend.people import roster
from tests.api.test_visibility import every
from tests.builders import (
    CITY,
    DISTRICT,
    ELSEWHERE,
    OTHER_DISTRICT,
    SIBLING,
    STATION,
    Someone,
    a_clerk,
    a_commander_of,
    a_day,
    a_duty_auxiliary,
    a_row,
    an_administrator_of,
    an_inspector_of,
    an_officer,
    leaves,
    moves,
    recorded,
    refused,
    somebody,
)


async def found(who: Someone, **query: Any) -> list[str]:
    """The badges in the list."""
    return [row["badge"] for row in await every(who, "/v1/people", **query)]


async def test_overseers_and_administrators_list_everybody_of_their_subtree(app: Litestar) -> None:
    """The chief of the bureau finds the station's people; the station beside it does not."""
    lin = await a_duty_auxiliary(app)
    for chief, organ, sees in (
        (a_commander_of, STATION, True), (an_inspector_of, DISTRICT, True), (an_administrator_of, CITY, True),
        (a_commander_of, SIBLING, False), (an_administrator_of, OTHER_DISTRICT, False),
    ):  # fmt: skip
        assert sees == (lin.badge in await found(await chief(app, organ)))


async def test_others_find_themselves_and_an_officer_by_the_whole_badge(app: Litestar) -> None:
    """As `GET /v1/people/{badge}` answers them: no colleague, and no officer by a piece of the number."""
    lin, zhu, zhao = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await an_officer(app)
    assert [lin.badge] == await found(lin)
    assert [] == await found(lin, q=zhu.badge)
    assert [zhao.badge] == await found(lin, q=zhao.badge)
    assert [] == await found(lin, q=zhao.badge[:-1])
    assert [] == await found(lin, q="赵立")
    assert [lin.badge] == await found(lin, q="lxc")


async def test_a_person_is_found_by_name_initials_or_badge(app: Litestar) -> None:
    """曾 is read as the surname it is; full-width letters and digits are as good as plain ones."""
    zeng, sun = await a_duty_auxiliary(app, name="曾雨桐·阿依"), await a_commander_of(app, STATION)
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in zeng.badge)
    for typed in ("曾雨", "雨桐", "桐阿依", "zytay", "ZYT", "ｚｙｔａ", zeng.badge, zeng.badge.lower(), wide):
        assert zeng.badge in await found(sun, q=typed), typed
    for typed in ("cyt", "yt", "曾雨桐依", f"{zeng.badge}9", "%", "FJ_"):
        assert zeng.badge not in await found(sun, q=typed), typed


async def test_people_are_listed_by_organ_kind_and_role(app: Litestar) -> None:
    """Filters narrow the list and never widen it."""
    lin, zhao = await a_duty_auxiliary(app, SIBLING), await an_officer(app, STATION)
    chief, inspector = await a_commander_of(app, DISTRICT), await an_inspector_of(app, STATION)
    assert lin.badge in await found(chief, organ=SIBLING)
    assert zhao.badge not in await found(chief, organ=SIBLING)
    assert [] == await found(chief, organ=ELSEWHERE)
    assert {"officer"} == {row["kind"] for row in await every(chief, "/v1/people", kind="officer")}
    inspectors = await found(chief, role="inspector")
    assert inspector.badge in inspectors
    assert chief.badge not in inspectors
    (row,) = await every(chief, "/v1/people", q=inspector.badge)
    assert {"role": "inspector", "organ": STATION} in row["roles"]
    assert "城关派出所" == row["organ_name"]


async def test_a_role_elsewhere_is_not_shown(app: Litestar) -> None:
    """Wu serves here and inspects the station beside: this station's chief sees Wu and no role, the county's both."""
    wu = await somebody(app, "officer", roles=[("inspector", SIBLING)])
    for chief, roles in ((await a_commander_of(app, STATION), []), (await a_commander_of(app, DISTRICT), [SIBLING])):
        (row,) = await every(chief, "/v1/people", q=wu.badge)
        assert roles == [role["organ"] for role in row["roles"]]
        assert bool(roles) == (wu.badge in await found(chief, role="inspector"))


async def test_who_is_on_duty_is_known_to_those_who_see_the_shift(app: Litestar) -> None:
    """An administrator keeps the roster, and learns nothing of duty by it."""
    lin, sun = await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    clerk = await an_administrator_of(app, STATION)
    assert lin.badge in await found(sun, on_duty=False)
    shift = recorded(await lin.check_in())["id"]
    assert lin.badge in await found(sun, on_duty=True)
    assert lin.badge not in await found(sun, on_duty=False)
    for asked in (True, False):
        assert lin.badge not in await found(clerk, on_duty=asked)
    (row,) = await every(clerk, "/v1/people", q=lin.badge)
    assert row["on_duty"] is None
    recorded(await lin.check_out(shift))
    assert lin.badge not in await found(sun, on_duty=True)


async def test_who_left_or_moved_is_listed_where_they_served_when_asked_for(app: Litestar) -> None:
    """Their former chief finds their service there, not where they are now."""
    lin, zhu, sun = await a_duty_auxiliary(app), await a_duty_auxiliary(app), await a_commander_of(app, STATION)
    await leaves(lin)
    await moves(zhu, ELSEWHERE)
    today, ever = await found(sun), await every(sun, "/v1/people", serving="all")
    assert {lin.badge, zhu.badge}.isdisjoint(today)
    rows = {row["badge"]: row for row in ever}
    assert STATION == rows[zhu.badge]["organ"]
    assert rows[lin.badge]["serves_until"] is not None
    assert len(ever) == len({row["id"] for row in ever})


async def test_pages_of_people_are_the_whole_list_once(app: Litestar) -> None:
    """Page by page the same as at once."""
    for _ in range(3):
        await a_duty_auxiliary(app)
    sun = await a_commander_of(app, STATION)
    whole = await found(sun)
    assert sorted(whole) == sorted(await found(sun, limit=2)) == sorted(set(whole))
    refused(await sun.get("/v1/people", cursor="bm9uc2Vuc2U="), 422, "invalid")


async def test_a_commander_and_an_inspector_reach_every_person_of_their_subtree_by_badge(app: Litestar) -> None:
    """docs/privacy.md says so; the clerk of the station beside it learns nothing."""
    lin = await a_duty_auxiliary(app)
    for chief in (await a_commander_of(app, STATION), await an_inspector_of(app, DISTRICT)):
        answer = await chief.get(f"/v1/people/{lin.badge}")
        assert (200, str(lin.id)) == (answer.status_code, answer.json().get("id"))
    for stranger in (await a_commander_of(app, SIBLING), await a_clerk(app)):
        refused(await stranger.get(f"/v1/people/{lin.badge}"), 404, "unknown_person")


async def test_a_badge_given_to_somebody_else_is_each_chiefs_own_person(app: Litestar) -> None:
    """Whoever had the badge here, where somebody elsewhere has it now."""
    lin, sun, chief = (
        await a_duty_auxiliary(app),
        await a_commander_of(app, STATION),
        await a_commander_of(app, ELSEWHERE),
    )
    await leaves(lin, days_ago=40)
    await roster.bring_in(
        [
            a_row(
                record="person",
                code=lin.badge,
                name="新人",
                kind="duty_auxiliary",
                organ=ELSEWHERE,
                valid_from=a_day(3),
            )
        ],
        confirmed=True,
    )
    assert lin.name == (await sun.get(f"/v1/people/{lin.badge}")).json()["name"]
    assert "新人" == (await chief.get(f"/v1/people/{lin.badge}")).json()["name"]


async def test_the_tree_of_organs_is_ones_own_line_and_all_below_ones_roles(app: Litestar) -> None:
    """An auxiliary sees the station and what is above it; a chief of the bureau all its stations."""
    lin, chief = await a_duty_auxiliary(app), await a_commander_of(app, DISTRICT)
    assert [CITY, DISTRICT, STATION] == [row["code"] for row in await every(lin, "/v1/organs")]
    codes = [row["code"] for row in await every(chief, "/v1/organs", limit=2)]
    assert {CITY, DISTRICT, STATION, SIBLING} <= set(codes)
    assert {OTHER_DISTRICT, ELSEWHERE}.isdisjoint(codes)
    assert len(codes) == len(set(codes))
