"""Enrolling, revoking and reinstating devices: who may, what a code is good for, and what it is not."""

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar

from backend.core.database import execute, fetch, value
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.write_path import Arrival, record
from backend.people import roster
from backend.registry import VERBS
from mobile_api.auth import QUARANTINED
from mobile_api.client.device_key import DeviceKey
from tests.builders import (
    DISTRICT,
    ELSEWHERE,
    OTHER_DISTRICT,
    STATION,
    Client,
    Someone,
    a_check_in,
    a_device,
    a_duty_auxiliary,
    a_phone,
    a_row,
    an_administrator_of,
    an_enrolled_key,
    an_inspector_of,
    now,
    organ_row,
    recorded,
    refused,
    somebody,
)


@pytest.fixture
async def admin(app: Litestar) -> Someone:
    """Of the station's district."""
    return await an_administrator_of(app, DISTRICT)


def a_new_phone(app: Litestar) -> Client:
    """New, with a key that the server does not know."""
    return Client(app, key=DeviceKey())


async def a_code(admin: Someone, serial: str) -> str:
    answer = await admin.tell("/v1/devices/codes", serial=serial)
    assert 201 == answer.status_code, answer.text
    return answer.json()["code"]


async def enrols(phone: Client, code: str, **fields: Any) -> httpx.Response:
    assert phone.key is not None
    return await phone.tell("/v1/devices/enrol", **({"code": code, "jwk": phone.key.jwk} | fields))


async def told_of(serial: str) -> list[tuple[str, str]]:
    """What the journal says of a device, besides the roster that brought it in."""
    of = "SELECT id FROM device WHERE serial = $1"
    sql = f"SELECT verb, outcome FROM journal WHERE ({of}) = ANY (subjects) AND verb <> $2 ORDER BY seq"  # noqa: S608
    return [(row["verb"], row["outcome"]) for row in await fetch(sql, serial, "people/import")]


async def signs_in(phone: Client, someone: Someone) -> str:
    """The person on this phone; the access token, which the phone keeps."""
    answer = await phone.sign_in(someone.badge)
    assert 201 == answer.status_code, answer.text
    phone.token = answer.json()["access_token"]
    return answer.json()["refresh_token"]


async def test_a_device_is_enrolled_once_by_a_code(app: Litestar, admin: Someone) -> None:
    """The administrator's screen shows a QR, the phone registers its key, a person signs in on it."""
    serial, phone, lin = await a_device(), a_new_phone(app), await a_duty_auxiliary(app)
    answer = await admin.tell("/v1/devices/codes", serial=serial)
    code = answer.json()
    assert (201, "no-store") == (answer.status_code, answer.headers["cache-control"])
    assert code["qr"].startswith("<svg")
    assert code["uri"] == f"fujing://enrol?url=http%3A%2F%2Ffujing.test&code={code['code']}"
    life = datetime.fromisoformat(code["expires_at"]) - now()
    assert timedelta(minutes=9) < life <= timedelta(minutes=10)

    answer = await enrols(phone, code["code"].lower().replace("-", " ").replace("1", "l").replace("0", "o"))
    assert 200 == answer.status_code, answer.text
    enrolled = answer.json()
    assert (serial, STATION, phone.key.jkt) == (
        enrolled["device"]["serial"], enrolled["device"]["organ"], enrolled["jkt"],
    )  # fmt: skip
    await signs_in(phone, lin)
    assert enrolled["device"]["id"] == (await phone.get("/v1/me")).json()["device"]
    assert [("devices/code", "done"), ("devices/enrol", "done")] == await told_of(serial)


async def test_no_code_is_kept_as_it_is(app: Litestar, admin: Someone) -> None:
    """Neither in the table nor in the journal."""
    code = await a_code(admin, await a_device())
    kept = [str(dict(row)) for row in await fetch("SELECT * FROM enrolment_code")]
    kept += [
        bytes(row["entry"]).decode() for row in await fetch("SELECT entry FROM journal WHERE verb LIKE 'devices/%'")
    ]
    assert not any(code in text or code.replace("-", "") in text for text in kept)


async def test_a_code_whose_answer_was_lost_may_be_sent_again(app: Litestar, admin: Someone) -> None:
    """The same key gets the same answer while the code lives, and nothing happens twice."""
    serial, phone = await a_device(), a_new_phone(app)
    code = await a_code(admin, serial)
    first, again = await enrols(phone, code), await enrols(phone, code)
    assert (200, 200) == (first.status_code, again.status_code)
    assert first.json() == again.json()
    assert [("devices/code", "done"), ("devices/enrol", "done")] == await told_of(serial)
    await execute(
        "UPDATE enrolment_code SET made_at = made_at - interval '1 hour', expires_at = now() WHERE used_at IS NOT NULL"
    )
    refused(await enrols(phone, code), 422, "enrolment_refused")


async def test_used_late_and_unknown_codes_get_the_same_answer(app: Litestar, admin: Someone) -> None:
    """Guessing codes reveals nothing; using a real code is in the journal."""
    serial, late = await a_device(), await a_device()
    used, over = await a_code(admin, serial), await a_code(admin, late)
    assert 200 == (await enrols(a_new_phone(app), used)).status_code
    await execute(
        "UPDATE enrolment_code SET made_at = now() - interval '11 minutes', expires_at = now() - interval '1 second' "
        "WHERE device = (SELECT id FROM device WHERE serial = $1)",
        late,
    )
    answers = [await enrols(a_new_phone(app), code) for code in (used, over, "0000-0000-0000-0000", "nonsense")]
    assert {422} == {answer.status_code for answer in answers}
    assert 1 == len({answer.text for answer in answers})
    assert ("devices/enrol", "denied") == (await told_of(serial))[-1] == (await told_of(late))[-1]


async def test_two_devices_with_one_code_at_once(app: Litestar, admin: Someone) -> None:
    """Somebody looked over a shoulder: exactly one wins, and it is the device's key."""
    serial = await a_device()
    code, phones = await a_code(admin, serial), [a_new_phone(app) for _ in range(6)]
    answers = await asyncio.gather(*(enrols(phone, code) for phone in phones))
    assert [200] + [422] * 5 == sorted(answer.status_code for answer in answers)
    (won,) = (answer.json()["jkt"] for answer in answers if answer.status_code == 200)
    assert [won] == [
        row["jkt"]
        for row in await fetch(
            "SELECT jkt FROM device_key k JOIN device d ON d.id = k.device WHERE serial = $1", serial
        )
    ]


async def test_a_device_revoked_while_it_is_enrolled_is_not(app: Litestar, admin: Someone, owner: Any) -> None:
    """The code was typed while the administrator revoked: the key does not come into force behind their back."""
    serial, phone = await a_device(), a_new_phone(app)
    code, transaction = await a_code(admin, serial), owner.transaction()
    await transaction.start()
    await owner.execute("UPDATE device SET revoked_at = now() WHERE serial = $1", serial)
    enrolling = asyncio.create_task(enrols(phone, code))
    await asyncio.sleep(0.3)
    await transaction.commit()
    refused(await enrolling, 422, "enrolment_refused")
    assert 0 == await value("SELECT count(*) FROM device_key WHERE jkt = $1", phone.key.jkt)


async def test_revoking_never_ends_in_a_deadlock(app: Litestar, admin: Someone, owner: Any) -> None:
    """Enrolling and revoking both lock the device first and its codes after, to avoid a deadlock, in which the database
    could end the revocation with a `conflict`."""
    serial, phone = await a_device(), a_new_phone(app)
    code, transaction = await a_code(admin, serial), owner.transaction()
    await transaction.start()
    device = await owner.fetchval("UPDATE device SET revoked_at = now() WHERE serial = $1 RETURNING id", serial)
    enrolling = asyncio.create_task(enrols(phone, code))
    await asyncio.sleep(0.3)
    await owner.execute("UPDATE enrolment_code SET expires_at = now() WHERE device = $1 AND used_at IS NULL", device)
    await transaction.commit()
    refused(await enrolling, 422, "enrolment_refused")


async def test_signing_in_while_the_device_is_enrolled_anew(app: Litestar, owner: Any) -> None:
    """It waits for the device before the key, as enrolling does, and then has no key in force."""
    phone, lin = await a_phone(app), await a_duty_auxiliary(app)
    transaction = owner.transaction()
    await transaction.start()
    device = await owner.fetchval("SELECT device FROM device_key WHERE jkt = $1", phone.key.jkt)
    await owner.execute("SELECT FROM device WHERE id = $1 FOR UPDATE", device)
    signing_in = asyncio.create_task(phone.sign_in(lin.badge))
    await asyncio.sleep(0.5)
    ended = "UPDATE device_key SET ended_at = now(), end_reason = 're_enrolled' WHERE jkt = $1"
    await owner.execute(ended, phone.key.jkt)
    await transaction.commit()
    refused(await signing_in, 401, "device_key_required")


async def test_a_key_that_ended_opens_nothing(app: Litestar) -> None:
    """Even where a session was left open beside it."""
    lin = await a_duty_auxiliary(app)
    ended = "UPDATE device_key SET ended_at = now(), end_reason = 're_enrolled' WHERE jkt = $1"
    await execute(ended, lin.key.jkt)
    refused(await lin.get("/v1/me"), 401, "session_ended")


async def test_a_new_code_replaces_the_one_before(app: Litestar, admin: Someone) -> None:
    """An old code on a forgotten slip of paper is worth nothing."""
    serial = await a_device()
    first, second = await a_code(admin, serial), await a_code(admin, serial)
    refused(await enrols(a_new_phone(app), first), 422, "enrolment_refused")
    assert 200 == (await enrols(a_new_phone(app), second)).status_code


async def test_enrolling_again_ends_the_former_key_and_its_sessions(app: Litestar, admin: Someone) -> None:
    """The old installation opens nothing; its key is kept, for what it signed."""
    serial, old, new, lin = await a_device(), a_new_phone(app), a_new_phone(app), await a_duty_auxiliary(app)
    assert 200 == (await enrols(old, await a_code(admin, serial))).status_code
    spent = await signs_in(old, lin)
    assert 200 == (await enrols(new, await a_code(admin, serial))).status_code
    refused(await old.get("/v1/me"), 401, "session_ended")
    refused(await old.refresh(spent), 401, "session_ended")
    refused(await old.sign_in(lin.badge), 401, "device_key_required")
    await signs_in(new, lin)
    assert 200 == (await new.get("/v1/me")).status_code
    assert 200 == (await lin.get("/v1/me")).status_code, "another device of the same person goes on"
    kept = await fetch("SELECT jkt, end_reason FROM device_key WHERE jkt = ANY ($1)", [old.key.jkt, new.key.jkt])
    assert {(old.key.jkt, "re_enrolled"), (new.key.jkt, None)} == {tuple(row) for row in kept}
    assert "re_enrolled" == await value(
        "SELECT s.end_reason FROM session s JOIN device_key k ON k.id = s.device_key WHERE k.jkt = $1", old.key.jkt
    )


async def test_one_key_is_never_two_devices(app: Litestar, admin: Someone) -> None:
    """Nor the same device again: a signature must name one device for ever. The code stays valid for another key."""
    first, second, phone = await a_device(), await a_device(), a_new_phone(app)
    assert 200 == (await enrols(phone, await a_code(admin, first))).status_code
    code = await a_code(admin, second)
    refused(await enrols(phone, code), 409, "key_taken")
    refused(await enrols(phone, await a_code(admin, first)), 409, "key_taken")
    assert 200 == (await enrols(a_new_phone(app), code)).status_code


async def test_one_key_and_two_codes_at_once(app: Litestar, admin: Someone) -> None:
    """Exactly one device has it."""
    phone, codes = a_new_phone(app), [await a_code(admin, await a_device()) for _ in range(4)]
    answers = await asyncio.gather(*(enrols(phone, code) for code in codes))
    assert [200] + [409] * 3 == sorted(answer.status_code for answer in answers)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"crv": "P-384"}, "key_unfit"), ({"kty": "RSA"}, "key_unfit"), ({"d": "c2VjcmV0"}, "key_unfit"),
        ({"y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}, "key_unfit"), ({"x": "AA"}, "key_unfit"),
        ({"x": "A" * 200}, "invalid"), ({"crv": "P" * 5000}, "invalid"), ({"x": 7}, "invalid"),
    ],
)  # fmt: skip
async def test_a_key_that_is_not_fit_is_refused(app: Litestar, admin: Someone, change: Any, code: str) -> None:
    """Another curve, a private key, a point that is not on the curve, a huge value."""
    phone, made = a_new_phone(app), await a_code(admin, await a_device())
    refused(await enrols(phone, made, jwk=phone.key.jwk | change), 422, code)
    assert 200 == (await enrols(phone, made, jwk=phone.key.jwk | {"kid": "mine", "use": "sig"})).status_code


async def test_a_key_bomb_is_too_large(app: Litestar, admin: Someone) -> None:
    """A hundred kilobytes of a coordinate are not read."""
    phone, made = a_new_phone(app), await a_code(admin, await a_device())
    refused(await enrols(phone, made, jwk=phone.key.jwk | {"x": "A" * 100_000}), 413, "body_too_large")


async def test_enrolling_is_signed_by_the_key_enrolled(app: Litestar, admin: Someone) -> None:
    """Nobody enrols a key that they do not hold."""
    made = await a_code(admin, await a_device())
    phone = a_new_phone(app)
    refused(await enrols(phone, made, jwk=DeviceKey().jwk), 401, "key_differs")
    bare = Client(app)
    refused(await bare.tell("/v1/devices/enrol", code=made, jwk=phone.key.jwk), 401, "proof_missing")


async def test_codes_are_made_by_administrators_of_the_organ(app: Litestar, admin: Someone) -> None:
    """Another role may not (403); a device of another organ is not found (404)."""
    serial = await a_device()
    inspector = await an_inspector_of(app, DISTRICT)
    elsewhere = await an_administrator_of(app, OTHER_DISTRICT)
    for path, body in (
        ("/v1/devices/codes", {"serial": serial}),
        (f"/v1/devices/{serial}/revoke", {}),
        (f"/v1/devices/{serial}/reinstate", {}),
    ):
        refused(await inspector.tell(path, **body), 403, "not_for_your_role")
        refused(await elsewhere.tell(path, **body), 404, "unknown_device")
    refused(await admin.tell("/v1/devices/codes", serial="HH-nobody"), 404, "unknown_device")
    refused(await inspector.get("/v1/devices"), 403, "not_for_your_role")
    assert [] == await told_of(serial)


async def test_the_list_shows_the_devices_of_ones_organs(app: Litestar) -> None:
    """In pages, by serial number, with the key in force; nobody else's."""
    admin = await an_administrator_of(app, ELSEWHERE)
    keys = [await an_enrolled_key(organ=ELSEWHERE) for _ in range(5)]
    met: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = (await admin.get("/v1/devices", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        assert len(page["items"]) <= 2
        met += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert {ELSEWHERE} == {row["organ"] for row in met}
    assert {key.jkt for key in keys} <= {row["jkt"] for row in met}
    assert sorted(row["serial"] for row in met) == [row["serial"] for row in met]
    assert len({row["id"] for row in met}) == len(met)


# A device that was lost


async def test_a_revoked_device_is_quarantined_from_the_next_request_on(app: Litestar, admin: Someone) -> None:
    """It opens nothing, but its session stays: the entries on it can be synced, and it may sign out."""
    serial, phone, lin = await a_device(), a_new_phone(app), await a_duty_auxiliary(app)
    await enrols(phone, await a_code(admin, serial))
    spent = await signs_in(phone, lin)
    code = await a_code(admin, serial)
    answer = await admin.tell(f"/v1/devices/{serial}/revoke")
    assert (200, True) == (answer.status_code, answer.json()["revoked_at"] is not None)
    refused(await phone.get("/v1/me"), 403, "device_revoked")
    refused(await phone.tell("/v1/shifts/check-in", **lin.entry(**a_check_in())), 403, "device_revoked")
    tokens = (await phone.refresh(spent)).json()
    phone.token = tokens["access_token"]
    refused(await phone.get("/v1/me"), 403, "device_revoked")
    refused(await phone.sign_in(lin.badge), 403, "device_revoked")
    refused(await enrols(a_new_phone(app), code), 422, "enrolment_refused")
    refused(await admin.tell("/v1/devices/codes", serial=serial), 409, "reinstate_first")
    assert 200 == (await lin.get("/v1/me")).status_code, "the same person goes on at another device"
    assert 204 == (await phone.ask("DELETE", "/v1/sessions/current")).status_code
    refused(await phone.get("/v1/me"), 401, "session_ended")


def test_quarantine_lets_in_only_what_says_so(app: Litestar) -> None:
    """Only sync and signing out (refreshing needs no session); every other route is closed by default."""
    open_ = {
        handler.operation_id
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if handler.opt.get("quarantined")
    }
    assert open_ - {"sync"} == {"sessions_close"}
    assert {"quarantined": True, "brings_home": True} == QUARANTINED


async def test_revoking_twice_changes_nothing_more(app: Litestar, admin: Someone) -> None:
    """An impatient administrator changes nothing more."""
    serial = await a_device()
    rows = [(await admin.tell(f"/v1/devices/{serial}/revoke")).json() for _ in range(2)]
    assert rows[0] == rows[1]
    assert [("devices/revoke", "done")] == await told_of(serial)


async def test_a_device_that_was_found_is_enrolled_anew(app: Litestar, admin: Someone) -> None:
    """Nobody knows who had it: its key and sessions end, and a code may be made again."""
    serial, phone, lin = await a_device(), a_new_phone(app), await a_duty_auxiliary(app)
    await enrols(phone, await a_code(admin, serial))
    await signs_in(phone, lin)
    await admin.tell(f"/v1/devices/{serial}/revoke")
    rows = [(await admin.tell(f"/v1/devices/{serial}/reinstate")).json() for _ in range(2)]
    assert rows[0] == rows[1]
    assert (None, None) == (rows[0]["revoked_at"], rows[0]["jkt"])
    refused(await phone.get("/v1/me"), 401, "session_ended")
    refused(await phone.sign_in(lin.badge), 401, "device_key_required")
    phone.key = DeviceKey()
    assert 200 == (await enrols(phone, await a_code(admin, serial))).status_code
    assert ["devices/revoke", "devices/reinstate"] == [verb for verb, _ in await told_of(serial)][2:4]


async def test_an_old_key_is_never_altered(application_role: Any, app: Litestar) -> None:
    """The application may end a key, and neither change nor remove one."""
    key = await an_enrolled_key()
    for sql in ("UPDATE device_key SET jwk = '{}' WHERE jkt = $1", "DELETE FROM device_key WHERE jkt = $1"):
        with pytest.raises(Exception, match="permission denied"):
            await application_role.execute(sql, key.jkt)


# Field verbs


async def test_a_field_entry_needs_a_device(app: Litestar) -> None:
    """A session without one (at a desk) is refused, and the journal has the refusal."""
    lin = await a_duty_auxiliary(app)
    actor = Actor(person=lin.id, badge=lin.badge, kind="duty_auxiliary", organ=STATION, session=lin.id)
    (verb,) = (verb for verb in VERBS if verb.name == "shifts/check-in")
    entry = verb.entry(id=UUID(int=lin.id.int ^ 1), occurred_at=now(), device_seq=1, **a_check_in())
    with pytest.raises(Refusal, match="device_needed"):
        await record(Arrival(verb, actor, entry, now(), now()))
    assert "denied" == await value("SELECT outcome FROM journal WHERE entry_id = $1", entry.id)
    assert all(verb.field for verb in VERBS if verb.name.split("/")[0] in ("shifts", "supervisions", "activities"))


async def test_several_people_share_one_handheld(app: Litestar) -> None:
    """Each entry is its person's, on the same device."""
    phone, lin, chen = await a_phone(app), await a_duty_auxiliary(app), await somebody(app, "duty_auxiliary")
    tokens = {}
    for someone in (lin, chen):
        await signs_in(phone, someone)
        tokens[someone.badge] = phone.token
    for someone in (lin, chen):
        phone.token = tokens[someone.badge]
        shift = recorded(await phone.send("/v1/shifts/check-in", someone.entry(**a_check_in())))["id"]
        actor = await value("SELECT actor FROM journal WHERE entry_id = $1", UUID(shift))
        assert someone.id == actor
        assert someone.badge == (await phone.get("/v1/me")).json()["badge"]
    assert 1 == await value(
        "SELECT count(DISTINCT device) FROM session WHERE person = ANY ($1) AND device_key = "
        "(SELECT id FROM device_key WHERE jkt = $2)", [lin.id, chen.id], phone.key.jkt,
    )  # fmt: skip


# -- devices and codes by the API, for a whole organ


async def test_a_device_is_entered(app: Litestar, admin: Someone) -> None:
    """The id of the entry is the device; a device that is known changes its name and organ and keeps its id."""
    serial = f"HH-{uuid4().hex[:12]}"
    told = {"serial": serial, "name": "手持终端 3 号", "kind": "handheld"}
    first = recorded(await admin.post("/v1/devices/enter", **told, organ=STATION))
    assert (first["id"], True) == (first["device"]["id"], first["device"]["is_new"])
    moved = recorded(await admin.post("/v1/devices/enter", **told, organ=DISTRICT))["device"]
    assert (first["id"], False, DISTRICT) == (moved["id"], moved["is_new"], moved["organ"])
    assert ["devices/enter"] * 2 == [verb for verb, _ in await told_of(serial)]
    (row,) = [row for row in await everything(admin, "/v1/devices") if row["serial"] == serial]
    assert ("手持终端 3 号", None) == (row["name"], row["jkt"])


async def test_a_device_is_entered_within_the_administrators_organs(app: Litestar, admin: Someone) -> None:
    """Neither into another county nor out of it; and with the second factor."""
    other, serial = await an_administrator_of(app, OTHER_DISTRICT), await a_device()
    told = {"serial": serial, "name": "手持终端", "kind": "handheld"}
    refused(await other.post("/v1/devices/enter", **told, organ=STATION), 404, "unknown_organ")
    refused(await other.post("/v1/devices/enter", **told, organ=OTHER_DISTRICT), 409, "device_elsewhere")
    admin.key = await an_enrolled_key()
    await admin.open()
    refused(await admin.post("/v1/devices/enter", **told, organ=STATION), 403, "second_factor_needed")


async def an_organ_with_devices(*serials: str) -> str:
    """An organ of its own below the district, with these devices."""
    code = f"33010{uuid4().int % 10**7:07}"
    devices = [a_row(record="device", code=each, name=f"终端 {each}", kind="handheld", organ=code) for each in serials]
    await roster.bring_in([organ_row(code, "<南湖>派出所", DISTRICT), *devices])
    return code


async def everything(who: Someone, path: str) -> list[dict[str, Any]]:
    rows, cursor = [], None
    while True:
        page = (await who.get(path, limit=200, **({} if cursor is None else {"cursor": cursor}))).json()
        rows, cursor = rows + page["items"], page["next"]
        if cursor is None:
            return rows


async def test_no_code_is_made_for_an_address_that_no_phone_reaches(
    app: Litestar, admin: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator's browser runs on the server, which listens on every address: `localhost` is no phone's."""
    serial = f"HH-{uuid4().hex[:8]}"
    organ = await an_organ_with_devices(serial)
    calls = [("/v1/devices/codes", {"serial": serial}), ("/v1/devices/codes/sheet", {"organ": organ})]
    monkeypatch.setattr(app.state, "settings", msgspec.structs.replace(app.state.settings, listen="0.0.0.0:8080"))
    for path, fields in calls:
        answer = await admin.tell(f"http://localhost:8080{path}", **fields)
        refused(answer, 409, "address_for_this_machine_only")
    assert 0 == await value(
        "SELECT count(*) FROM enrolment_code c JOIN device d ON d.id = c.device WHERE d.serial = $1", serial
    )
    for path, fields in calls:
        assert 201 == (await admin.tell(f"http://fujing.example:8080{path}", **fields)).status_code


async def test_a_sheet_has_a_card_for_each_device_of_an_organ(app: Litestar, admin: Someone) -> None:
    """Each code on it enrols its device; devices that are enrolled or revoked have no card, unless asked for."""
    fresh, known, lost = (f"HH-{kind}-{uuid4().hex[:8]}" for kind in ("A", "B", "C"))
    organ = await an_organ_with_devices(fresh, known, lost)
    await an_enrolled_key(known)
    await admin.tell(f"/v1/devices/{lost}/revoke")
    sheet = await admin.tell("/v1/devices/codes/sheet", organ=organ)
    assert 201 == sheet.status_code, sheet.text
    assert "no-store" == sheet.headers["cache-control"]
    assert [fresh] == re.findall(r"<small><bdi>(HH-[^<]+)</bdi>", sheet.text)
    assert "&lt;南湖&gt;派出所" in sheet.text
    (code,) = re.findall(r'class="code"><bdi>([^<]+)', sheet.text)
    assert 200 == (await enrols(a_new_phone(app), code)).status_code
    refused(await admin.tell("/v1/devices/codes/sheet", organ=organ), 409, "no_device_to_enrol")
    again = await admin.tell("/v1/devices/codes/sheet", organ=organ, again=True)
    assert sorted([fresh, known]) == re.findall(r"<small><bdi>(HH-[^<]+)</bdi>", again.text)
    after = await admin.tell("/v1/devices/codes/sheet", organ=organ, again=True, after=fresh)
    assert [known] == re.findall(r"<small><bdi>(HH-[^<]+)</bdi>", after.text)


async def test_the_codes_of_a_sheet_live_a_day(app: Litestar, admin: Someone) -> None:
    """Printed and handed out within it; each code is a journal line."""
    serial = f"HH-{uuid4().hex[:12]}"
    await admin.tell("/v1/devices/codes/sheet", organ=await an_organ_with_devices(serial))
    life = "SELECT c.expires_at - c.made_at FROM enrolment_code c JOIN device d ON d.id = c.device WHERE d.serial = $1"
    assert timedelta(hours=24) == await value(life, serial)
    assert [("devices/code", "done")] == await told_of(serial)


async def test_a_sheet_is_for_administrators_of_the_organ(app: Litestar, admin: Someone) -> None:
    """An inspector is told it is not for them, an administrator elsewhere that there is no such organ."""
    organ = await an_organ_with_devices(f"HH-{uuid4().hex[:12]}")
    inspector, other = await an_inspector_of(app, DISTRICT), await an_administrator_of(app, OTHER_DISTRICT)
    refused(await inspector.tell("/v1/devices/codes/sheet", organ=organ), 403, "not_for_your_role")
    refused(await other.tell("/v1/devices/codes/sheet", organ=organ), 404, "unknown_organ")
    admin.key = await an_enrolled_key()
    await admin.open()
    refused(await admin.tell("/v1/devices/codes/sheet", organ=organ), 403, "second_factor_needed")


async def test_a_sheet_says_that_there_are_more_devices(app: Litestar, admin: Someone) -> None:
    """200 cards at most; the page says so and the next one begins after the last."""
    serials = sorted(f"HH-{number:03}-{uuid4().hex[:6]}" for number in range(201))
    organ = await an_organ_with_devices(*serials)
    sheet = await admin.tell("/v1/devices/codes/sheet", organ=organ)
    assert (200, True) == (sheet.text.count('class="card"'), "还有未印出的设备" in sheet.text)
    rest = await admin.tell("/v1/devices/codes/sheet", organ=organ, after=serials[199])
    assert (1, False) == (rest.text.count('class="card"'), "还有未印出的设备" in rest.text)
