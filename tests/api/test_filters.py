"""Filters of lists as a desk uses them; test_lists.py holds them against plain SQL for random populations."""

from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar

from backend.core.database import first
from backend.people import roster, sessions
from tests.builders import (
    CHEAP,
    SIBLING,
    STATION,
    Client,
    Someone,
    a_badge,
    a_commander_of,
    a_day,
    a_duty_auxiliary,
    a_led_patrol,
    a_row,
    ago,
    an_officer,
    moves,
    now,
    recorded,
    refused,
    rows_of,
)

PLACE = {"lat": 30.2741, "lon": 120.1551, "accuracy_m": 8.0, "datum": "WGS84"}
LISTS = ("shifts", "activities", "recordings", "findings")


async def ids(who: Client, path: str, **query: Any) -> list[str]:
    answer = await who.get(f"/v1/{path}", **query)
    assert 200 == answer.status_code, answer.text
    return [row["id"] for row in answer.json()["items"]]


async def test_rows_carry_names_beside_ids(app: Litestar) -> None:
    """Nobody at a desk knows a person by a UUID, or an organ by twelve figures."""
    lin, _, shift, _ = await a_led_patrol(app)
    sun = await a_commander_of(app, STATION)
    recorded(await lin.starts("9.6", at=ago(minutes=20)))
    recorded(await lin.declare())
    for path in LISTS:
        (row, *_) = (await sun.get(f"/v1/{path}", badge=lin.badge)).json()["items"]
        assert (lin.name, lin.badge, "城关派出所") == (row["name"], row["badge"], row["organ_name"])
    assert [shift] == await ids(sun, "shifts", badge=lin.badge)


async def test_a_badge_means_who_had_it_then_or_has_it_now(app: Litestar) -> None:
    """Of the former holder what was done under it; of whoever has it now, everything."""
    former, sun = await a_duty_auxiliary(app, name="林小川"), await a_commander_of(app, STATION)
    theirs = recorded(await former.check_in(at=ago(days=2)))["id"]
    recorded(await former.check_out(theirs, at=ago(days=2, hours=-1)))
    await roster.bring_in(rows_of(former.badge, "林小川", "duty_auxiliary", STATION, [], valid_until=a_day(1)))
    served = {"record": "person", "kind": "duty_auxiliary", "organ": STATION, "valid_from": a_day()}
    await roster.bring_in([a_row(code=former.badge, name="王新", **served)], confirmed=True)
    new = Someone(app, id=await roster.person_id_of(former.badge), badge=former.badge)
    await sessions.set_hash(new.id, CHEAP, now())
    await new.open()
    today, another = recorded(await new.check_in())["id"], a_badge()
    assert [today, theirs] == await ids(sun, "shifts", badge=former.badge)
    assert [today] == await ids(sun, "shifts", person=new.id)
    await roster.bring_in([a_row(code=another, name="林小川", formerly=former.badge, **served)])
    assert [theirs] == await ids(sun, "shifts", badge=another)


async def test_a_filter_by_organ_means_where_it_happened(app: Litestar) -> None:
    """Who moved leaves the shift of yesterday behind."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in(at=ago(days=1)))["id"]
    await moves(lin, SIBLING)
    assert shift in await ids(await a_commander_of(app, STATION), "shifts", organ=STATION, person=lin.id)
    assert [] == await ids(await a_commander_of(app, SIBLING), "shifts", person=lin.id)
    assert [] == await ids(lin, "shifts", organ=SIBLING)


async def test_a_period_has_what_began_in_it_or_went_on_then(app: Litestar) -> None:
    """The night shift that began yesterday is on the list of today."""
    lin = await a_duty_auxiliary(app)
    night = recorded(await lin.check_in(at=ago(hours=10)))["id"]
    recorded(await lin.check_out(night, at=ago(hours=2)))
    assert [night] == await ids(lin, "shifts", **{"from": ago(hours=5).isoformat(), "to": ago(hours=4).isoformat()})
    assert [night] == await ids(lin, "shifts", **{"from": ago(hours=11).isoformat()})
    assert [] == await ids(lin, "shifts", **{"from": ago(hours=1).isoformat()})
    assert [] == await ids(lin, "shifts", to=ago(hours=11).isoformat())


async def test_a_case_finds_its_acts_its_footage_and_its_shift(app: Litestar) -> None:
    """However its number is typed."""
    lin, _, shift, _ = await a_led_patrol(app)
    case = f"A33010220260{uuid4().int % 10**6:06}"
    at = ago(minutes=12)
    act = recorded(await lin.starts("9.6", at=at, case_ref=case, case_kind="criminal"))["id"]
    footage = recorded(await lin.declare())["id"]
    other = recorded(await lin.declare(started_at=ago(minutes=29), ended_at=ago(minutes=25), file_name="b.mp4"))["id"]
    sun, typed = await a_commander_of(app, STATION), f" {case.lower()}"
    assert [[act], [footage], [shift]] == [
        await ids(sun, path, case=typed) for path in ("activities", "recordings", "shifts")
    ]
    assert other in await ids(sun, "recordings", person=lin.id)
    assert {act} == {row["subject"] for row in (await sun.get("/v1/findings", case=case)).json()["items"]}
    stranger = await a_commander_of(app, SIBLING)
    for path in LISTS:
        assert [] == await ids(stranger, path, case=case)


async def test_an_act_that_is_not_the_viewers_answers_no_filter(app: Litestar) -> None:
    """Zhao of another station leads Lin: his chief sees Zhao's footage, and learns of no case that Lin worked on."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app, SIBLING)
    his_chief, lins_chief = await a_commander_of(app, SIBLING), await a_commander_of(app, STATION)
    recorded(await lin.check_in(at=ago(minutes=30)))
    naming = recorded(await lin.names(zhao, at=ago(minutes=29)))["id"]
    recorded(await zhao.answer("confirm", naming, at=ago(minutes=28)))
    case = f"A33010220260{uuid4().int % 10**6:06}"
    recorded(await lin.starts("10.4", at=ago(minutes=12), case_ref=case, case_kind="criminal"))
    footage = recorded(await zhao.declare(camera_serial="DSJ-0077"))["id"]
    for wanted in ({"case": case}, {"work": "10.4", "person": zhao.id}):
        assert [footage] == await ids(zhao, "recordings", **wanted)
        assert [] == await ids(his_chief, "recordings", **wanted)
        assert [] == await ids(lins_chief, "recordings", **wanted)  # the act is hers to see, the film is not
    assert [footage] == await ids(his_chief, "recordings", person=zhao.id)


async def test_a_work_finds_its_acts(app: Litestar) -> None:
    lin, _, shift, _ = await a_led_patrol(app)
    act = recorded(await lin.starts("9.6", at=ago(minutes=12)))["id"]
    for work, found in (("9.6", [[act], [shift]]), ("10.4", [[], []])):
        assert found == [await ids(lin, path, work=work) for path in ("activities", "shifts")]


async def test_findings_of_a_place_are_those_of_what_was_done_there(app: Litestar) -> None:
    """Of an act by what was told of it, of a shift by where it began; to nobody who may not see the act."""
    sun, lin, there = await a_commander_of(app, STATION), await a_duty_auxiliary(app), "30.2745,120.1551,100"
    forgotten = recorded(await lin.check_in(place=PLACE, at=ago(hours=3)))["id"]
    recorded(await lin.check_in(at=ago(minutes=5)))
    act = recorded(await lin.starts("9.6", place=PLACE, at=ago(minutes=3)))["id"]
    elsewhere = recorded(await lin.starts("9.6", place=PLACE | {"lat": 30.3}, at=ago(minutes=2)))["id"]
    subjects = [
        {row["subject"] for row in (await who.get("/v1/findings", **query)).json()["items"]}
        for who, query in ((sun, {"person": lin.id}), (sun, {"near": there, "person": lin.id}), (lin, {"near": there}),
            (await a_commander_of(app, SIBLING), {"near": there}))
    ]  # fmt: skip
    assert {forgotten, act, elsewhere} <= subjects[0]
    assert [{forgotten, act}, {forgotten, act}, set()] == subjects[1:]


async def test_what_an_officer_filmed_near_a_place_is_near_it_by_the_act_they_led(app: Litestar) -> None:
    lin, zhao, *_ = await a_led_patrol(app)
    recorded(await lin.starts("9.6", place=PLACE, at=ago(minutes=3)))
    footage = recorded(await zhao.declare(started_at=ago(minutes=2), ended_at=ago(minutes=1)))["id"]
    sun = await a_commander_of(app, STATION)
    assert [footage] == await ids(sun, "recordings", person=zhao.id, near="30.2745,120.1551")
    assert [] == await ids(sun, "recordings", person=zhao.id, near="30.3,120.1551")


async def test_a_list_of_a_place_has_what_began_near_it(app: Litestar) -> None:
    """Within the radius and what the receiver may be wrong; what nobody can place is not in it."""
    sun, lin = await a_commander_of(app, STATION), await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in(place=PLACE, at=ago(minutes=5)))["id"]
    act = recorded(await lin.starts("9.6", place=PLACE, at=ago(minutes=3)))["id"]
    for path, id in (("shifts", shift), ("activities", act)):
        assert [id] == await ids(sun, path, person=lin.id, near="30.2745,120.1551,100")
        assert [] == await ids(sun, path, person=lin.id, near="30.3,120.1551,100")
    footage = recorded(await lin.declare(started_at=ago(minutes=2), ended_at=ago(minutes=1)))["id"]
    assert [footage] == await ids(sun, "recordings", person=lin.id, near="30.2745,120.1551")


@pytest.mark.parametrize("wrong", ["30", "95,120", "30,181", "30,120,0", "30,120,99999", "a,b"])
async def test_a_place_that_cannot_be_is_refused(app: Litestar, wrong: str) -> None:
    lin = await a_duty_auxiliary(app)
    for path in LISTS:
        refused(await lin.get(f"/v1/{path}", near=wrong), 422, "invalid")


async def test_what_is_not_the_viewers_is_an_empty_list(app: Litestar) -> None:
    """As what nobody knows: a filter tells nothing about people elsewhere."""
    lin, theirs = await a_duty_auxiliary(app), await a_duty_auxiliary(app, SIBLING)
    recorded(await theirs.check_in())
    for query in ({"person": uuid4()}, {"badge": "NOBODY"}, {"person": theirs.id}, {"badge": theirs.badge}):
        for path in LISTS:
            answer = await lin.get(f"/v1/{path}", **query)
            assert (200, {"items": [], "next": None}) == (answer.status_code, answer.json())


NEIGHBOURS = """
SELECT count(*), count(*) FILTER (WHERE place_box(a) && place_box(b || '{"radius_m": 300, "datums": 800}'))
FROM (SELECT setseed(0.5)) s, LATERAL (
    SELECT random() * 170 - 85 AS lat, random() * 350 - 175 AS lon, 10 ^ (random() * 4) AS reach
    FROM generate_series(1, 20000)
) x, LATERAL (
    SELECT jsonb_build_object('lat', lat, 'lon', lon, 'datum', 'WGS84', 'accuracy_m', reach) AS a,
        jsonb_build_object('lat', lat + (random() - 0.5) * reach / 40000, 'lon', lon + (random() - 0.5) * reach
            / 40000 / cos(radians(lat)), 'datum', 'GCJ02', 'accuracy_m', 5) AS b
) y WHERE may_be_near(a, b, 300, 800)
"""


async def test_places_that_may_be_near_have_boxes_that_touch(app: Litestar) -> None:
    """Wherever on earth, however wrong the receiver: what the index leaves out is not near."""
    row = await first(NEIGHBOURS)
    assert row is not None
    assert 5000 < row[0] == row[1] < 20_000
