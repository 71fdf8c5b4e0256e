"""Who has left brings home what they hold of their service, and nothing else."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar

from backend.core.database import execute, value
from backend.people import roster, sessions
from tests.builders import (
    CHEAP,
    PLACE,
    SIBLING,
    STATION,
    Client,
    Someone,
    a_check_in,
    a_commander_of,
    a_day,
    a_dock,
    a_duty_auxiliary,
    a_row,
    ago,
    an_inspector_of,
    an_officer,
    leaves,
    now,
    recorded,
    refused,
)
from tests.desks import Desk


async def a_leaver(app: Litestar, days_ago: int = 1) -> Someone:
    """Lin, whose service ended, with the phone still in hand."""
    lin = await a_duty_auxiliary(app)
    await leaves(lin, days_ago)
    return lin


async def organ_of(table: str, id: Any) -> str:
    return str(await value(f"SELECT organ FROM {table} WHERE id = $1", UUID(str(id))))  # noqa: S608 - constants


async def test_yesterdays_check_out_comes_home_after_the_service_ended(app: Litestar) -> None:
    """By sync and by its own route: shift, check-out and an act of the last day are recorded as any late entry."""
    lin = await a_duty_auxiliary(app)
    shift = recorded(await lin.check_in(at=ago(hours=40)))["id"]
    await leaves(lin)
    out, act = (
        lin.item("shifts/check-out", shift=shift, at=ago(hours=32)),
        lin.item("activities/start", work="9.6", at=ago(hours=36)),
    )
    assert ["recorded", "recorded"] == [result["status"] for result in await lin.sync(act, out)]
    again = recorded(await lin.check_in(at=ago(hours=31)))
    assert STATION == await organ_of("shift", again["id"])


async def test_the_film_of_the_last_day_comes_home(app: Litestar) -> None:
    """Declared today, filmed then; its parts are asked for and its receipt too."""
    lin = await a_leaver(app)
    film = recorded(await lin.declare(started_at=ago(hours=30), ended_at=ago(hours=29)))["id"]
    assert 200 == (await lin.get(f"/v1/uploads/{film}/parts")).status_code
    assert 200 == (await lin.get(f"/v1/uploads/{film}/receipt")).status_code


@pytest.mark.parametrize("off", [timedelta(days=-4000), timedelta(days=2)])
async def test_a_camera_whose_clock_is_off_brings_it_home_too(app: Litestar, off: timedelta) -> None:
    """By its own clock it ran long before the service, or after it; the offset is told with the film."""
    lin = await a_leaver(app)
    times = {"started_at": ago(hours=30) + off, "ended_at": ago(hours=29) + off}
    recorded(await lin.declare(**times, camera_offset_ms=round(off / timedelta(milliseconds=1))))
    refused(await lin.declare(**times, sha256="a" * 64), 403, "bring_home_only")


async def test_a_sync_of_who_left_tells_nothing(app: Litestar) -> None:
    """No changes, no bundle, no cursor."""
    lin = await a_leaver(app)
    answer = (await lin.tell("/v1/sync", entries=[])).json()
    assert {"results": []} == answer


NOTHING_ELSE = [
    "/v1/me", "/v1/me/record", "/v1/changes", "/v1/events", "/v1/shifts", "/v1/recordings", "/v1/findings", "/v1/hours",
    "/v1/people/P1", "/v1/duty/works", "/v1/held", "/v1/supervisions", "/v1/assistance",
]  # fmt: skip


@pytest.mark.parametrize("path", NOTHING_ELSE)
async def test_nothing_else_is_open(app: Litestar, path: str) -> None:
    """403, and a sentence that says what can still be done, in both languages."""
    lin = await a_leaver(app)
    query = {"month": "2026-03"} if path == "/v1/hours" else {}
    problem = refused(await lin.get(path, **query), 403, "bring_home_only")
    assert "上传" in problem["detail"]
    assert "uploaded" in refused(await lin.get(path, english=True, **query), 403, "bring_home_only")["detail"]


async def test_what_happens_after_the_service_waits_for_a_person(app: Litestar) -> None:
    """By sync it is held, and the commander decides; by its own route it is refused, and can be synced."""
    lin, chief = await a_leaver(app), await a_commander_of(app, STATION)
    refused(await lin.check_in(), 403, "bring_home_only")
    item = lin.item("shifts/check-in", **a_check_in())
    (result,) = await lin.sync(item)
    assert ("waiting", "after_service") == (result["status"], result["reason"])
    held = (await chief.get("/v1/held", reason="after_service")).json()["items"]
    assert [str(item["id"])] == [row["id"] for row in held if row["person"] == str(lin.id)]
    recorded(await chief.post("/v1/held/admit", held=item["id"], why="夜班至次日晨"))
    assert STATION == await organ_of("shift", item["id"])


async def test_what_is_admitted_happened_when_its_reader_was_told(app: Litestar) -> None:
    """A start of the device that the phone tells only after it waits moves it into no other day."""
    lin, chief, boot = await a_leaver(app, days_ago=2), await a_commander_of(app, STATION), uuid4()
    uptime = {"boot_id": boot, "uptime_ms": 10 * 3_600_000}
    item = lin.item("shifts/check-in", **a_check_in(), at=ago(minutes=30), **uptime)
    await lin.sync(item)
    (shown,) = [
        row for row in (await chief.get("/v1/held", reason="after_service")).json()["items"]
        if row["id"] == str(item["id"])
    ]  # fmt: skip
    await lin.sync(boot_id=boot, uptime_ms=50 * 3_600_000)
    recorded(await chief.post("/v1/held/admit", held=item["id"], why="夜班至次日晨"))
    shift = (await chief.get(f"/v1/shifts/{item['id']}")).json()["shift"]
    assert shown["occurred_at"] == shift["started_at"]


async def test_a_commander_may_refuse_what_somebody_sent_after_they_left(app: Litestar) -> None:
    """The phone hears so when it sends the entry again."""
    lin, chief = await a_leaver(app), await a_commander_of(app, STATION)
    item = lin.item("shifts/check-in", **a_check_in())
    await lin.sync(item)
    recorded(await chief.post("/v1/held/refuse", held=item["id"], why="已离岗"))
    (result,) = await lin.sync(item)
    assert ("refused", "held_refused") == (result["status"], result["problem"]["code"])


async def test_after_the_term_everything_waits_for_a_person(app: Litestar) -> None:
    """What was done while they served is not lost, and no longer taken unseen."""
    lin = await a_leaver(app, days_ago=31)
    item = lin.item("shifts/check-in", at=ago(days=40), **a_check_in())
    (result,) = await lin.sync(item)
    assert ("waiting", "after_service") == (result["status"], result["reason"])
    refused(await lin.check_in(at=ago(days=40)), 403, "bring_home_only")


async def test_who_left_decides_nothing(app: Litestar) -> None:
    """A commander's roles end with the service, also for what a decision says it was made at."""
    chief, lin = await a_commander_of(app, STATION), await a_duty_auxiliary(app)
    await leaves(chief)
    order = {"person": lin.id, "started_at": ago(days=3), "ended_at": ago(days=2), "reason": "信访", "number": "2026-1"}
    refused(await chief.post("/v1/holds/place", at=ago(days=2), **order), 403, "bring_home_only")


async def test_who_serves_as_another_kind_now_decides_nothing_as_of_before(app: Litestar) -> None:
    """A decision is made by whom one is today, whatever time it gives: an officer till yesterday decides no more."""
    chief, lin = await a_commander_of(app, STATION), await a_duty_auxiliary(app)
    row = a_row(record="person", code=chief.badge, name=chief.name, kind="civilian_auxiliary", organ=STATION,
                valid_from=a_day())  # fmt: skip
    await roster.bring_in([row], confirmed=True)
    order = {"person": lin.id, "started_at": ago(days=3), "ended_at": ago(days=2), "reason": "信访", "number": "2026-1"}
    refused(await chief.post("/v1/holds/place", at=ago(days=2), **order), 403, "not_for_your_role")


async def test_an_officer_who_left_answers_for_the_time_they_led(app: Litestar) -> None:
    """Named on the last day, confirmed on that day, sent today."""
    lin, zhao = await a_duty_auxiliary(app), await an_officer(app)
    recorded(await lin.check_in(at=ago(hours=40)))
    naming = recorded(await lin.names(zhao, at=ago(hours=39)))["id"]
    await leaves(zhao)
    recorded(await zhao.answer("confirm", naming, at=ago(hours=38)))


# -- signing in


async def test_within_the_term_who_left_signs_in_on_a_handheld_to_bring_home(app: Litestar) -> None:
    """And after it no longer; at a desk never."""
    lin = await a_leaver(app)
    await lin.open()
    recorded(await lin.check_in(at=ago(hours=40)))
    refused(await lin.get("/v1/me"), 403, "bring_home_only")
    refused(await Desk(app).sign_in(lin.badge), 401, "sign_in_refused")
    await execute("UPDATE stint SET during = daterange(lower(during), $2) WHERE person = $1", lin.id, a_day(40))
    refused(await Client(app).sign_in(lin.badge), 401, "sign_in_refused")


async def test_a_session_of_who_left_is_refreshed_and_signed_out(app: Litestar) -> None:
    """The outbox may take days, and then the device goes back."""
    lin = await a_leaver(app)
    answer = await lin.refresh(lin.refresh_token)
    assert 200 == answer.status_code
    lin.token = answer.json()["access_token"]
    assert 204 == (await lin.ask("DELETE", "/v1/sessions/current")).status_code


async def reissued(app: Litestar, lin: Someone, password: str | None = None) -> UUID:
    """The badge of somebody who left goes to Sun, from today on."""
    row = a_row(record="person", code=lin.badge, name="孙新", kind="duty_auxiliary", organ=STATION, valid_from=a_day())
    await roster.bring_in([row], confirmed=True)
    person = await roster.person_id_of(lin.badge)
    if password is not None:
        await sessions.set_hash(person, password, now())
    return UUID(str(person))


async def test_the_badge_signs_in_its_holder_alone(app: Litestar) -> None:
    """The password of the one before opens nothing, with or without a password of the new holder."""
    lin = await a_leaver(app)
    sun = await reissued(app, lin)
    refused(await Client(app).sign_in(lin.badge), 401, "sign_in_refused")
    await sessions.set_hash(sun, CHEAP, now())
    holder = Client(app)
    holder.token = (await holder.sign_in(lin.badge)).json()["access_token"]
    assert str(sun) == (await holder.get("/v1/me")).json()["id"]


async def test_the_session_of_the_one_before_goes_on_for_bringing_home(app: Litestar) -> None:
    """What Lin did stays Lin's, and appears under no other name."""
    lin = await a_duty_auxiliary(app)
    await reissued(app, lin, CHEAP)
    shift = recorded(await lin.check_in(at=ago(hours=40)))["id"]
    refused(await lin.get("/v1/shifts"), 403, "bring_home_only")
    chief = await a_commander_of(app, STATION)
    seen = (await chief.get(f"/v1/shifts/{shift}")).json()
    assert ("林小川", str(lin.id)) == (seen["shift"]["name"], seen["shift"]["person"])


# -- by a dock


async def test_a_dock_brings_in_the_film_of_who_left(app: Litestar) -> None:
    """Found by badge for a while, and by the time of the film also after the badge went to somebody else."""
    lin, dock, elsewhere = await a_leaver(app), await a_dock(app), await a_dock(app, SIBLING)
    path = f"/v1/people/{lin.badge}"
    assert str(lin.id) == (await dock.get(path)).json()["id"]
    refused(await elsewhere.get(path), 404, "unknown_person")
    recorded(await dock.declare(wearer=lin.id, started_at=ago(hours=30), ended_at=ago(hours=29)))
    sun = await reissued(app, lin)
    assert str(sun) == (await dock.get(path)).json()["id"]
    assert str(lin.id) == (await dock.get(path, at=ago(hours=30).isoformat())).json()["id"]
    refused(await dock.get(path, at="2026-03-01T08:00:00"), 422, "invalid")


async def test_a_dock_whose_service_ended_brings_nothing_home(app: Litestar) -> None:
    """It was never a person: its session is over, so that nothing is declared for others any more."""
    lin, dock = await a_duty_auxiliary(app), await a_dock(app)
    await leaves(dock)
    refused(await dock.declare(wearer=lin.id, started_at=ago(hours=30), ended_at=ago(hours=29)), 401, "session_ended")


async def test_an_inspector_sees_what_was_brought_home(app: Litestar) -> None:
    """The findings of a late entry stand beside it, as for everybody."""
    lin, wu = await a_leaver(app, days_ago=5), await an_inspector_of(app, STATION)
    shift = recorded(await lin.check_in(at=ago(days=6), place=PLACE))["id"]
    found = (await wu.get("/v1/findings", kind="told_late", person=lin.id)).json()["items"]
    assert [shift] == [finding["subject"] for finding in found]
