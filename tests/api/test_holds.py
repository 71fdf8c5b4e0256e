"""Holds: several at once, each with its reason, and the store's legal hold that follows them."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.core import jobs
from backend.core.database import execute, fetch, value
from backend.evidence.retention import legal_holds
from backend.reviews.reads import HELD, KNOWN
from storage.evidence_store import ObjectLocked
from tests.builders import (
    DISTRICT,
    OTHER_DISTRICT,
    PLACE,
    STATION,
    Someone,
    a_clerk,
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
from tests.databases import by_owner
from tests.devices import declare, row_of, sealed, some_bytes

pytestmark = pytest.mark.usefixtures("no_place_of_another_test")
QUEUED = "SELECT count(*) FROM pgqueuer WHERE entrypoint = $1 AND payload = uuid_send($2)"
LEGAL_HOLDS = """
SELECT array_agg(convert_from(entry, 'UTF8')::json->'facts'->>'keep' ORDER BY seq) FROM journal
WHERE verb = 'evidence/hold' AND $1 = ANY (subjects)
"""
INSPECTS = """
INSERT INTO role_grant (person, role, organ, valid_from, source) VALUES ($1, 'inspector', $2, '2026-01-01', 'import')
"""
RECUSED = """
WITH applied AS (INSERT INTO recusal (id, person, organ, case_ref, case_kind, capacity, oral, ground, words, taken_by,
    asked_at, decided_in, state, version)
    VALUES ($1, $2, $3, $4, 'administrative', 'self', false, 'interest', 'x', $2, now() - interval '1 minute', $3,
        'granted', 2))
INSERT INTO recusal_step (id, recusal, version, step, by_person, at, words)
SELECT gen_random_uuid(), $1, 2, 'grant', $2, now() - interval '1 second', 'x'
"""
COVERS_OF_WEARER = f"""
SELECT DISTINCT k.upload AS id FROM held_footage k JOIN hold h ON h.id = k.hold JOIN recording r ON r.id = k.upload
WHERE r.wearer = $1 AND {KNOWN}
"""  # noqa: S608 - constants
BYTES = iter(range(10**6))


def content() -> bytes:
    return some_bytes(50_000, f"hold {next(BYTES)} {uuid4()}")


async def footage(app: Litestar, who: Someone, hours: float = 1, **fields: Any) -> str:
    return await sealed(app, who, content(), started_at=ago(hours=hours), ended_at=ago(hours=hours - 0.1), **fields)


async def place_hold(inspector: Someone, **what: Any) -> str:
    fields: dict[str, Any] = {"number": "督〔2026〕17号", "reason": "核查当日盘查"}
    return str(recorded(await inspector.post("/v1/holds/place", **(fields | what)))["id"])


async def release(inspector: Someone, hold: str, **fields: Any) -> Any:
    return await inspector.post("/v1/holds/release", hold=hold, **({"why": "核查办结"} | fields))


async def held_in_store(app: Litestar, upload: str) -> bool:
    """Whether the store has a legal hold on it, as its row says."""
    row = await row_of(upload)
    held = await app.state.store.is_held(row["object_key"], row["version"])
    assert held == row["legal_hold"]
    return bool(held)


async def held_after_update(app: Litestar, *uploads: str) -> list[bool]:
    await legal_holds.update_store(app.state.store)
    return [await held_in_store(app, upload) for upload in uploads]


async def covered(who: Someone, hold: str) -> set[str]:
    return {upload["id"] for upload in (await who.get(f"/v1/holds/{hold}")).json()["covers"]}


async def test_the_store_has_a_legal_hold_on_what_is_sealed_before_and_after(app: Litestar) -> None:
    """It covers what is sealed already and what is sealed later, within its time only."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    before, outside = await footage(app, lin, 2), await footage(app, lin, 30)
    hold = await place_hold(wu, person=lin.id, started_at=ago(hours=5), ended_at=now())
    assert 1 == await value(QUEUED, jobs.HOLD, hold)
    later = await footage(app, lin, 1)
    assert 1 == await value(QUEUED, jobs.HOLD, later)
    assert [True, True, False] == await held_after_update(app, before, later, outside)
    assert {before, later} == await covered(wu, hold)
    row = await row_of(later)
    with pytest.raises(ObjectLocked):
        await app.state.store.remove(row["object_key"], row["version"])
    recorded(await release(wu, hold))
    assert [False, False] == await held_after_update(app, before, later)
    assert ["true", "false"] == await value(LEGAL_HOLDS, later)


async def test_footage_stays_until_the_last_hold_is_released(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await footage(app, lin)
    by_person = await place_hold(wu, person=lin.id, started_at=ago(hours=3), ended_at=now())
    by_itself = await place_hold(wu, recording=film)
    recorded(await release(wu, by_person))
    assert [True] == await held_after_update(app, film)
    recorded(await release(wu, by_itself))
    assert [False] == await held_after_update(app, film)
    refused(await release(wu, by_itself), 409, "hold_released")
    released = {item["id"] for item in (await wu.get("/v1/holds", status="released")).json()["items"]}
    assert {by_person, by_itself} <= released


async def test_footage_of_the_named_officer_is_held_too_even_if_named_later(app: Litestar) -> None:
    """The naming, or the answer of the officer, may arrive after the hold."""
    lin, zhao, wu = await a_duty_auxiliary(app), await an_officer(app), await an_inspector_of(app, DISTRICT)
    recorded(await lin.check_in(at=ago(hours=4)))
    hold = await place_hold(wu, person=lin.id, started_at=ago(hours=3), ended_at=ago(hours=1))
    during, after = await footage(app, zhao, 2), await footage(app, zhao, 0.5)
    assert [False, False] == await held_after_update(app, during, after)
    recorded(await lin.names(zhao, at=ago(hours=3.5)))
    assert [True, False] == await held_after_update(app, during, after)
    assert {during} == await covered(wu, hold)


async def test_footage_near_a_place_is_held_and_so_is_footage_without_a_place(app: Litestar) -> None:
    """One person there, one far away, one there by another datum, and one without a place."""
    wu = await an_inspector_of(app, STATION)
    there, away, other, silent = [await a_duty_auxiliary(app) for _ in range(4)]
    far = PLACE | {"lat": PLACE["lat"] + 0.05}
    places = ((there, PLACE), (away, far), (other, PLACE | {"datum": "GCJ02", "lat": PLACE["lat"] + 0.005}))
    for who, place in places:
        recorded(await who.check_in(at=ago(hours=2), place=place))
    films = [await footage(app, who, 1.9) for who in (there, away, other, silent)]
    elsewhere = await footage(app, await a_duty_auxiliary(app, organ=OTHER_DISTRICT), 1.9)
    await by_owner(
        "UPDATE shift SET started_at = $2 WHERE person = ANY ($1)", [w.id for w, _ in places], ago(hours=1.85)
    )
    hold = await place_hold(wu, place=PLACE, radius_m=200, started_at=ago(hours=3), ended_at=now())
    held = await covered(wu, hold)
    assert [True, False, True, True] == [film in held for film in films]
    assert elsewhere not in held
    recorded(await release(wu, hold))


async def test_a_hold_names_who_placed_and_who_released_it(app: Litestar) -> None:
    """Beside their ids, in the list and by itself."""
    lin, wu, zhou = await a_duty_auxiliary(app), *[await an_inspector_of(app, DISTRICT) for _ in range(2)]
    hold = await place_hold(wu, person=lin.id, started_at=ago(hours=5))
    recorded(await release(zhou, hold))
    (row,) = [row for row in (await wu.get("/v1/holds", status="released")).json()["items"] if row["id"] == hold]
    assert (wu.name, zhou.name, None) == (row["placed_by_name"], row["released_by_name"], row["asked_by_name"])
    assert row == (await wu.get(f"/v1/holds/{hold}")).json()["hold"]


async def test_only_an_inspector_above_places_and_releases(app: Litestar) -> None:
    lin, zhao, wu = await a_duty_auxiliary(app), await an_officer(app), await an_inspector_of(app, DISTRICT)
    chief, other = await a_commander_of(app, DISTRICT), await an_inspector_of(app, OTHER_DISTRICT)
    what = {"number": "1", "reason": "核查", "person": lin.id, "started_at": ago(hours=3), "ended_at": now()}
    refused(await lin.post("/v1/holds/place", **what), 403, "not_for_your_role")
    for who in (zhao, chief, other):
        refused(await who.post("/v1/holds/place", **what), 404, "unknown_person")
        refused(await who.post("/v1/holds/place", **(what | {"person": uuid4()})), 404, "unknown_person")
    hold = await place_hold(wu, person=lin.id, started_at=ago(hours=3), ended_at=now())
    for who in (zhao, chief, other):
        refused(await release(who, hold), 404, "unknown_hold")
    for who, status in ((wu, 200), (chief, 200), (lin, 404), (other, 404), (zhao, 404)):
        assert status == (await who.get(f"/v1/holds/{hold}")).status_code
    refused(await release(wu, str(uuid4())), 404, "unknown_hold")
    recorded(await release(wu, hold))


async def test_nobody_releases_a_hold_on_their_own_footage(app: Litestar) -> None:
    """Nor may the officer whom the person named as leading; both may place one."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=2)
    await execute(INSPECTS, zhao.id, DISTRICT)
    film = await footage(app, zhao)
    await zhao.open()
    led = await place_hold(zhao, person=lin.id, started_at=ago(hours=3), ended_at=now())
    own = await place_hold(zhao, recording=film)
    for hold in (led, own):
        refused(await release(zhao, hold), 403, "own_matter")
        recorded(await release(await an_inspector_of(app, DISTRICT), hold))


async def listed(who: Someone, **query: Any) -> dict[str, Any]:
    """The holds that this person may see, by id."""
    return {row["id"]: row for row in (await who.get("/v1/holds", limit=200, **query)).json()["items"]}


async def test_a_hold_by_hand_does_not_exist_for_who_led_then(app: Litestar) -> None:
    """Its reason may be a complaint. Not on the person, not on one recording of theirs, not once it is released."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=4)
    wu = await an_inspector_of(app, DISTRICT)
    await execute(INSPECTS, zhao.id, DISTRICT)
    await zhao.open()
    during, before = await footage(app, lin, 2), await footage(app, lin, 9)
    on_lin = await place_hold(wu, person=lin.id, started_at=ago(hours=3), ended_at=now(), reason="投诉涉及当日盘查")
    on_film, on_other = await place_hold(wu, recording=during), await place_hold(wu, recording=before)
    for hold in (on_lin, on_film):
        assert hold in await listed(wu)
        assert hold not in await listed(zhao)
        refused(await zhao.get(f"/v1/holds/{hold}"), 404, "unknown_hold")
        refused(await release(zhao, hold), 404, "unknown_hold")
        recorded(await release(wu, hold))
        assert hold not in await listed(zhao, status="all")
    assert on_other in await listed(zhao)


async def a_complaint(who: Someone, **about: Any) -> tuple[str, str]:
    """A complaint that this person wrote down, and the hold that follows from it."""
    complaint = recorded(
        await who.post("/v1/complaints/receive", channel="phone", words="态度粗暴", complainant="王某", **about)
    )["id"]
    return complaint, str(await value("SELECT id FROM hold WHERE about = $1", UUID(complaint)))


async def test_a_hold_on_a_place_does_not_exist_for_who_filmed_there(app: Litestar) -> None:
    """Their film is held by it: they may be meant, whoever is identified later."""
    zhou, zhao, wu = await a_clerk(app), await a_commander_of(app, STATION), await an_inspector_of(app, STATION)
    chief = await a_commander_of(app, STATION)
    film = await footage(app, zhao, 2)
    there = {"place": PLACE, "radius_m": 300, "started_at": ago(hours=3), "ended_at": ago(hours=1)}
    _, hold = await a_complaint(zhou, **there)
    by_hand = await place_hold(wu, **there)
    assert film in await covered(wu, hold)
    assert {hold, by_hand} <= (await listed(chief)).keys()
    assert not {hold, by_hand} & (await listed(zhao)).keys()
    refused(await zhao.get(f"/v1/holds/{hold}"), 404, "unknown_hold")
    for each in (hold, by_hand):
        await by_owner("UPDATE hold SET released_by = $2, released_at = now(), released_why = 'x' WHERE id = $1",
                       UUID(each), wu.id)  # fmt: skip


async def test_the_hold_of_a_complaint_tells_no_more_than_the_complaint(app: Litestar) -> None:
    """A commander reads there neither where it was nor who wrote it down."""
    zhou, wu, chief = await a_clerk(app), await an_inspector_of(app, DISTRICT), await a_commander_of(app, STATION)
    complaint, hold = await a_complaint(zhou, place=PLACE, radius_m=300, started_at=ago(hours=2))
    secret = ("place", "radius_m", "placed_by")
    theirs = (await chief.get(f"/v1/complaints/{complaint}")).json()["complaint"]
    assert (None, None, None) == (theirs["place"], theirs["radius_m"], theirs["taken_by"])
    for row in ((await listed(chief))[hold], (await chief.get(f"/v1/holds/{hold}")).json()["hold"]):
        assert [None, None, None] == [row[name] for name in secret]
        assert ("complaint", complaint) == (row["origin"], row["about"])
    in_full = (await wu.get(f"/v1/holds/{hold}")).json()["hold"]
    assert (PLACE["lat"], 300, str(zhou.id)) == (in_full["place"]["lat"], in_full["radius_m"], in_full["placed_by"])
    await by_owner("UPDATE hold SET released_by = $2, released_at = now(), released_why = 'x' WHERE id = $1",
                   UUID(hold), wu.id)  # fmt: skip


async def test_footage_of_a_case_is_no_footage_of_a_hold_for_who_stepped_aside_from_it(app: Litestar) -> None:
    lin, _, _, _ = await a_led_patrol(app, hours=4)
    wu, li, case = await an_inspector_of(app, DISTRICT), await an_inspector_of(app, DISTRICT), f"A{uuid4().hex}"
    recorded(await lin.starts("10.4", at=ago(hours=2), case_ref=case, case_kind="administrative", officers_present=1,
                              despite={"why": "补报"}))  # fmt: skip
    of_the_case, other = await footage(app, lin, 1.9), await footage(app, lin, 3)
    hold = await place_hold(wu, person=lin.id, started_at=ago(hours=4), ended_at=now())
    assert {of_the_case, other} == await covered(li, hold)
    await by_owner(RECUSED, uuid4(), li.id, DISTRICT, case)
    assert {other} == await covered(li, hold)
    assert {of_the_case, other} == await covered(wu, hold)


async def kept(who: Someone) -> dict[str, Any]:
    """What one's own record says of one's footage, in numbers."""
    return dict((await who.get("/v1/me/record")).json()["kept"])


async def test_ones_own_record_counts_no_hold_that_one_may_not_know(app: Litestar) -> None:
    """Two recordings were held within seconds of a complaint. A key mark of one's own counts."""
    lin, zhao, _, _ = await a_led_patrol(app, hours=4)
    films = [await footage(app, who, hours) for who in (lin, zhao) for hours in (2, 2.5)]
    before = {who.id: await kept(who) for who in (lin, zhao)}
    assert {0} == {each["held"] for each in before.values()}
    await a_complaint(await a_clerk(app), person=lin.id, started_at=ago(hours=2.5), ended_at=ago(hours=2))
    await place_hold(await an_inspector_of(app, DISTRICT), person=lin.id, started_at=ago(hours=3), ended_at=now())
    recorded(await lin.post("/v1/matters/raise", kind="harassment", words="威胁", against=zhao.id, at=ago(hours=2.2)))
    await legal_holds.update_new(app.state.store, now())
    assert {True} == {await held_in_store(app, film) for film in films}
    assert before[zhao.id] == await kept(zhao)
    assert 2 == (await kept(lin))["held"]  # of the harassment that they told of themselves
    await footage(app, zhao, 1, key_mark=True)
    await legal_holds.update_new(app.state.store, now())
    assert 1 == (await kept(zhao))["held"]
    recorded(await lin.post("/v1/injuries/report", how="被推倒", doing="巡逻", body_part="手", severity="minor",
                            injured_at=ago(hours=2.2)))  # fmt: skip
    for who in (lin, zhao):
        by_view = {row["id"] for row in await fetch(COVERS_OF_WEARER, who.id)}
        assert by_view == {row["id"] for row in await fetch(HELD, who.id)}
        assert len(by_view) == (await kept(who))["held"]
    assert 3 == len(by_view)


async def test_a_permanent_hold_is_released_only_as_a_mistake(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    film = await footage(app, lin)
    hold = await place_hold(wu, recording=film, permanent=True)
    refused(await release(wu, hold), 409, "hold_permanent")
    recorded(await release(wu, hold, mistaken=True, why="案号录错"))
    assert [False] == await held_after_update(app, film)


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
async def test_a_hold_is_on_exactly_one_thing(app: Litestar, what: dict[str, Any]) -> None:
    wu = await an_inspector_of(app, DISTRICT)
    refused(await wu.post("/v1/holds/place", number="1", reason="核查", **what), 422, "hold_of_one_thing")


async def test_times_that_make_no_sense_are_refused(app: Litestar) -> None:
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    fields = {"number": "1", "reason": "核查", "person": lin.id}
    ends = {"started_at": now(), "ended_at": ago(hours=1)}
    refused(await wu.post("/v1/holds/place", **fields, **ends), 422, "end_before_start")
    refused(
        await wu.post("/v1/holds/place", **fields, started_at="0001-01-01T00:00:00+14:00"), 422, "time_out_of_range"
    )


async def test_the_same_bytes_under_another_id_are_held(app: Litestar) -> None:
    lin, wu, same = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT), content()
    film = await sealed(app, lin, same)
    again = (await declare(lin, same))["id"]
    await place_hold(wu, recording=again)
    assert [True] == await held_after_update(app, film)


async def test_two_who_release_at_once_release_once(app: Litestar) -> None:
    lin, wu, li = (
        await a_duty_auxiliary(app),
        await an_inspector_of(app, DISTRICT),
        await an_inspector_of(app, DISTRICT),
    )
    hold = await place_hold(wu, person=lin.id, started_at=ago(hours=3), ended_at=now() + timedelta(hours=1))
    answers = await asyncio.gather(release(wu, hold), release(li, hold))
    assert [201, 409] == sorted(answer.status_code for answer in answers)


async def test_what_the_store_has_lost_gets_a_finding_and_the_others_are_held(app: Litestar) -> None:
    """Somebody with access to the disk removed it."""
    lin, wu = await a_duty_auxiliary(app), await an_inspector_of(app, DISTRICT)
    lost, there = await footage(app, lin), await footage(app, lin)
    await by_owner("UPDATE upload SET object_key = $2 WHERE id = $1", UUID(lost), f"recording/gone/{lost}")
    await place_hold(wu, person=lin.id, started_at=ago(hours=3), ended_at=now())
    assert [True] == await held_after_update(app, there)
    missing = "SELECT count(*) FROM finding WHERE kind = 'evidence_missing' AND subject = $1 AND withdrawn_at IS NULL"
    assert [1, 0] == [await value(missing, UUID(upload)) for upload in (lost, there)]
