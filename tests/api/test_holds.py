"""What must stay: several holds at once, each with its reason, and the store's legal hold that follows them."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.core import jobs
from backend.core.database import execute, value
from backend.evidence.retention import legal_holds
from storage.evidence_store import ObjectLocked
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    PLACE,
    STATION,
    Someone,
    a_commander_of,
    a_duty_auxiliary,
    a_led_patrol,
    ago,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    refused,
)
from tests.devices import declare, row_of, sealed, some_bytes

QUEUED = "SELECT count(*) FROM pgqueuer WHERE entrypoint = $1 AND payload = uuid_send($2)"
TOLD = """
SELECT array_agg(convert_from(entry, 'UTF8')::json->'facts'->>'keep' ORDER BY seq) FROM journal
WHERE verb = 'evidence/hold' AND $1 = ANY (subjects)
"""
INSPECTS = "INSERT INTO role_grant (person, role, organ, valid_from) VALUES ($1, 'inspector', $2, '2026-01-01')"
BYTES = iter(range(10**6))


def content() -> bytes:
    return some_bytes(50_000, f"hold {next(BYTES)} {uuid4()}")


async def footage(app: Litestar, who: Someone, hours: float = 1, **fields: Any) -> str:
    return await sealed(app, who, content(), started_at=ago(hours=hours), ended_at=ago(hours=hours - 0.1), **fields)


async def keeps(inspector: Someone, **what: Any) -> str:
    told: dict[str, Any] = {"number": "督〔2026〕17号", "reason": "核查当日盘查"}
    return str(recorded(await inspector.post("/v1/holds/place", **(told | what)))["id"])


async def let_go(inspector: Someone, hold: str, **fields: Any) -> Any:
    return await inspector.post("/v1/holds/release", hold=hold, **({"why": "核查办结"} | fields))


async def in_store(app: Litestar, upload: str) -> bool:
    """Whether the store keeps it although its retention would be over."""
    row = await row_of(upload)
    kept = await app.state.store.is_held(row["object_key"], row["version"])
    assert kept == row["legal_hold"]
    return bool(kept)


async def stands_in_store(app: Litestar, *uploads: str) -> list[bool]:
    await legal_holds.follow(app.state.store)
    return [await in_store(app, each) for each in uploads]


async def covered(who: Someone, hold: str) -> set[str]:
    return {each["id"] for each in (await who.get(f"/v1/holds/{hold}")).json()["covers"]}


async def test_the_store_follows_at_sealing_and_after(app: Litestar) -> None:
    """What lies there already, what is sealed later, and only what falls into the time."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    before, outside = await footage(app, lin, 2), await footage(app, lin, 30)
    hold = await keeps(wu, person=lin.id, started_at=ago(hours=5), ended_at=now())
    assert 1 == await value(QUEUED, jobs.HOLD, hold)
    later = await footage(app, lin, 1)
    assert 1 == await value(QUEUED, jobs.HOLD, later)
    assert [True, True, False] == await stands_in_store(app, before, later, outside)
    assert {before, later} == await covered(wu, hold)
    row = await row_of(later)
    with pytest.raises(ObjectLocked):
        await app.state.store.remove(row["object_key"], row["version"])
    recorded(await let_go(wu, hold))
    assert [False, False] == await stands_in_store(app, before, later)
    assert ["true", "false"] == await value(TOLD, later)


async def test_what_one_releases_another_still_keeps(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await footage(app, lin)
    by_person = await keeps(wu, person=lin.id, started_at=ago(hours=3), ended_at=now())
    by_itself = await keeps(wu, recording=film)
    recorded(await let_go(wu, by_person))
    assert [True] == await stands_in_store(app, film)
    recorded(await let_go(wu, by_itself))
    assert [False] == await stands_in_store(app, film)
    refused(await let_go(wu, by_itself), 409, "hold_released")
    gone = {each["id"] for each in (await wu.get("/v1/holds", status="released")).json()["items"]}
    assert {by_person, by_itself} <= gone


async def test_footage_of_whom_they_named_is_kept_too_even_named_later(app: Litestar) -> None:
    """Also where the officer's answer, or the naming itself, comes in after the hold."""
    lin, zhao, wu = await a_duty_auxiliary(app), await an_officer(app), await an_inspector_of(app, DISTRICT)
    recorded(await lin.check_in(at=ago(hours=4)))
    hold = await keeps(wu, person=lin.id, started_at=ago(hours=3), ended_at=ago(hours=1))
    during, after = await footage(app, zhao, 2), await footage(app, zhao, 0.5)
    assert [False, False] == await stands_in_store(app, during, after)
    recorded(await lin.names(zhao, at=ago(hours=3.5)))
    assert [True, False] == await stands_in_store(app, during, after)
    assert {during} == await covered(wu, hold)


async def test_footage_near_a_place_is_kept_and_where_nobody_can_say(app: Litestar) -> None:
    """Somebody there, somebody far off, somebody there by another datum, somebody who said nothing."""
    wu = await an_inspector_of(app, STATION)
    there, away, other, silent = [await a_duty_auxiliary(app) for _ in range(4)]
    far = PLACE | {"lat": PLACE["lat"] + 0.05}
    places = ((there, PLACE), (away, far), (other, PLACE | {"datum": "GCJ02", "lat": PLACE["lat"] + 0.005}))
    for who, place in places:
        recorded(await who.check_in(at=ago(hours=2), place=place))
    films = [
        await footage(
            app,
            who,
            1.9,
        )
        for who in (there, away, other, silent)
    ]
    elsewhere = await footage(app, await a_duty_auxiliary(app, organ=OTHER_DISTRICT), 1.9)
    await execute(
        "UPDATE shift SET started_at = $2 WHERE person = ANY ($1)", [w.id for w, _ in places], ago(hours=1.85)
    )
    hold = await keeps(wu, place=PLACE, radius_m=200, started_at=ago(hours=3), ended_at=now())
    found = await covered(wu, hold)
    assert [True, False, True, True] == [film in found for film in films]
    assert elsewhere not in found
    recorded(await let_go(wu, hold))


async def test_only_an_inspector_above_keeps_and_lets_go(app: Litestar) -> None:
    lin, zhao, wu = await a_duty_auxiliary(app), await an_officer(app), await an_inspector_of(app, DISTRICT)
    chief, other = await a_commander_of(app, DISTRICT), await an_inspector_of(app, OTHER_DISTRICT)
    what = {"number": "1", "reason": "核查", "person": lin.id, "started_at": ago(hours=3), "ended_at": now()}
    refused(await lin.post("/v1/holds/place", **what), 403, "not_for_your_role")
    for who in (zhao, chief, other):
        refused(await who.post("/v1/holds/place", **what), 404, "unknown_person")
        refused(await who.post("/v1/holds/place", **(what | {"person": uuid4()})), 404, "unknown_person")
    hold = await keeps(wu, person=lin.id, started_at=ago(hours=3), ended_at=now())
    for who in (zhao, chief, other):
        refused(await let_go(who, hold), 404, "unknown_hold")
    for who, seen in ((wu, 200), (chief, 200), (lin, 404), (other, 404), (zhao, 404)):
        assert seen == (await who.get(f"/v1/holds/{hold}")).status_code
    refused(await let_go(wu, str(uuid4())), 404, "unknown_hold")
    recorded(await let_go(wu, hold))


async def test_nobody_lets_go_what_is_about_themselves(app: Litestar) -> None:
    """Nor who was named as leading them then, nor whose recording it is; they may keep it."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=2)
    await execute(INSPECTS, zhao.id, DISTRICT)
    film = await footage(app, zhao)
    await zhao.open()
    led = await keeps(zhao, person=lin.id, started_at=ago(hours=3), ended_at=now())
    own = await keeps(zhao, recording=film)
    for hold in (led, own):
        refused(await let_go(zhao, hold), 403, "own_matter")
        recorded(await let_go(await an_inspector_of(app, DISTRICT), hold))


async def test_for_ever_is_corrected_only_as_a_mistake(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await footage(app, lin)
    hold = await keeps(wu, recording=film, permanent=True)
    refused(await let_go(wu, hold), 409, "hold_permanent")
    recorded(await let_go(wu, hold, mistaken=True, why="案号录错"))
    assert [False] == await stands_in_store(app, film)


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"person": str(uuid4()), "recording": str(uuid4()), "started_at": ago(hours=1)},
        {"person": str(uuid4())},
        {"place": PLACE, "started_at": ago(hours=1)},
        {"radius_m": 5, "person": str(uuid4()), "started_at": ago(hours=1)},
        {"recording": str(uuid4()), "started_at": ago(hours=1)},
        {"recording": str(uuid4()), "ended_at": ago(hours=1)},
    ],
)
async def test_it_keeps_one_thing(app: Litestar, what: dict[str, Any]) -> None:
    wu = await an_inspector_of(app, DISTRICT)
    refused(await wu.post("/v1/holds/place", number="1", reason="核查", **what), 422, "hold_of_one_thing")


async def test_times_that_make_no_sense_are_refused(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    told = {"number": "1", "reason": "核查", "person": lin.id}
    ends = {"started_at": now(), "ended_at": ago(hours=1)}
    refused(await wu.post("/v1/holds/place", **told, **ends), 422, "end_before_start")
    refused(await wu.post("/v1/holds/place", **told, started_at="0001-01-01T00:00:00+14:00"), 422, "time_out_of_range")


async def test_the_same_bytes_under_another_id_are_kept(app: Litestar) -> None:
    lin, wu, same = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), content()
    film = await sealed(app, lin, same)
    again = (await declare(lin, same))["id"]
    await keeps(wu, recording=again)
    assert [True] == await stands_in_store(app, film)


async def test_two_who_release_at_once_release_once(app: Litestar) -> None:
    lin, wu, li = (
        await a_duty_auxiliary(app),
        await an_inspector_of(app, DISTRICT),
        await an_inspector_of(app, DISTRICT),
    )
    hold = await keeps(wu, person=lin.id, started_at=ago(hours=3), ended_at=now() + timedelta(hours=1))
    answers = await asyncio.gather(let_go(wu, hold), let_go(li, hold))
    assert [201, 409] == sorted(answer.status_code for answer in answers)


async def test_what_the_store_has_lost_is_found_and_hinders_no_other(app: Litestar) -> None:
    """As where somebody with the disk in their hands removed it."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    lost, there = await footage(app, lin), await footage(app, lin)
    await execute("UPDATE upload SET object_key = $2 WHERE id = $1", UUID(lost), f"recording/gone/{lost}")
    await keeps(wu, person=lin.id, started_at=ago(hours=3), ended_at=now())
    assert [True] == await stands_in_store(app, there)
    missing = "SELECT count(*) FROM finding WHERE kind = 'evidence_missing' AND subject = $1 AND withdrawn_at IS NULL"
    assert [1, 0] == [await value(missing, UUID(each)) for each in (lost, there)]
