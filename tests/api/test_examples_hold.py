"""The contract's examples hold: each one, sent to a fresh house by the right person, is answered as documented.

What an example cannot know is put in place by rule: its times move to now, its own id is a new one, and what stands for
something of the house (an id, a version, a signature, a day) is that of the same field of a body that
tests/every_verb.py sends. Each is sent in a transaction that is undone.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import jsonschema_rs
import msgspec
import pyotp
import pytest
from litestar import Litestar

from backend.core.examples import OFFICER, SENT_AT
from backend.registry import BY_NAME, VERBS
from mobile_api.client.device_key import DeviceKey
from tests.builders import (
    DISTRICT,
    PASSWORD,
    Client,
    Someone,
    a_device,
    a_duty_auxiliary,
    a_led_patrol,
    a_phone,
    ago,
    an_administrator_of,
    an_enrolled_key,
    an_inspector_of,
    an_officer,
    now,
    recorded,
    trained,
)
from tests.contract_problems import DOCUMENT, OPERATIONS
from tests.desks import Desk, at_desk, with_factor
from tests.devices import declare_while_recording, parts_of, put, sealed, sha256_of, some_bytes
from tests.every_verb import answers_after, undone

EXAMPLES = {
    name: operation["requestBody"]["content"]["application/json"]["example"]
    for name, operation in OPERATIONS.items()
    if "requestBody" in operation
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")
OF_THE_HOUSE = {
    "version", "device_seq", "signature", "month", "on_day", "until_day", "serves_from", "valid_from", "last_day",
}  # fmt: skip
PERSONS = {"ordered_by", "witnesses", "watcher"}  # any officer or colleague
Sent = Callable[[Litestar, dict[str, Any]], Awaitable[httpx.Response]]


async def ready_for(verb: str, who: Someone, officer: Someone) -> dict[str, Any]:
    """Make what an example refers to, beyond what every_verb makes. The fields that refer to it."""
    if verb == "activities/start":
        await trained(who)
        recorded(await who.names(officer))
    if verb == "recordings/describe":  # of more than seven minutes
        return {"recording": recorded(await who.declare(started_at=ago(minutes=30), ended_at=ago(minutes=9)))["id"]}
    if verb == "matters/raise":
        return {"recordings": [recorded(await who.declare())["id"]]}
    return {}


def fresh(node: Any, real: Any, officer: Someone, name: str = "") -> Any:
    """The example with ids of existing things; `real` is the same part of a body that was recorded."""
    if isinstance(node, dict):
        known = real if isinstance(real, dict) else {}
        return {key: fresh(inner, known.get(key), officer, key) for key, inner in node.items()}
    if isinstance(node, list):
        known = real if isinstance(real, list) else []
        return [fresh(inner, next(iter(known[n : n + 1]), None), officer, name) for n, inner in enumerate(node)]
    if name in OF_THE_HOUSE:
        return node if real is None else real
    if not isinstance(node, str):
        return node
    if MOMENT.match(node):
        return datetime.fromisoformat(node) + (now() - datetime.fromisoformat(SENT_AT))
    if is_id(node):
        return officer.id if real is None and name in PERSONS else real
    return node


def is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def assert_documented(name: str, answer: httpx.Response) -> None:
    """A success of the operation, and its body as the schema of that status says."""
    responses = OPERATIONS[name]["responses"]
    assert answer.is_success, f"{name}: {answer.text}"
    documented = responses[str(answer.status_code)]
    schema = documented.get("content", {}).get("application/json", {}).get("schema")
    if schema is not None:
        whole = schema | {"components": DOCUMENT["components"]}
        jsonschema_rs.validator_for(whole).validate(answer.json())


async def test_the_example_of_every_verb_is_recorded(app: Litestar) -> None:
    """201, with the receipt that the contract describes."""
    officer, failures, sent = await an_officer(app), [], set[str]()

    async def example_first(who: Someone, path: str, body: dict[str, Any]) -> None:
        verb = BY_NAME[path.removeprefix("/v1/")]
        real = json.loads(msgspec.json.encode(body | await ready_for(verb.name, who, officer)))
        entry = fresh(verb.example, real, officer) | {"id": uuid4()}
        if verb.name == "supervisions/prove":
            entry["occurred_at"] = body["occurred_at"]  # not before the naming, which is a moment old
        sent.add(verb.name)
        answer, _ = await undone(who, path, msgspec.json.encode(entry))
        if answer.status_code != 201:
            failures.append(f"{path}: {answer.text} {entry}")
            return
        assert_documented(f"POST {path}", answer)

    await answers_after(app, example_first)
    assert [] == failures, "\n".join(failures)
    assert {verb.name for verb in VERBS} == sent


async def test_both_entries_of_the_sync_example_are_recorded(app: Litestar) -> None:
    """Each with an id and a number of its own: a check-in, and the check-out of that shift."""
    lin = await a_duty_auxiliary(app)
    first, second = EXAMPLES["POST /v1/sync"]["entries"]
    assert len({first["id"], second["id"]}) == len({first["device_seq"], second["device_seq"]}) == 2
    assert first["id"] == second["shift"]
    ids = {first["id"]: str(uuid4()), second["id"]: str(uuid4())}
    body = moved(EXAMPLES["POST /v1/sync"], ids | {OFFICER: str((await an_officer(app)).id)})
    answer = await lin.send("/v1/sync", body)
    assert_documented("POST /v1/sync", answer)
    assert ["recorded", "recorded"] == [result["status"] for result in answer.json()["results"]], answer.text


def moved(node: Any, put: dict[str, Any]) -> Any:
    """The example with its times moved to now, and other texts in the place of some."""
    if isinstance(node, dict):
        return {name: moved(inner, put) for name, inner in node.items()}
    if isinstance(node, list):
        return [moved(inner, put) for inner in node]
    if isinstance(node, str) and MOMENT.match(node):
        return datetime.fromisoformat(node) + (now() - datetime.fromisoformat(SENT_AT))
    return put.get(node, node) if isinstance(node, str) else node


async def signing_in(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    lin, phone = await a_duty_auxiliary(app), await a_phone(app)
    return await phone.send("/v1/sessions", moved(example, {"FJ1001": lin.badge, "…": PASSWORD}))


async def refreshing(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    lin = await a_duty_auxiliary(app)
    lin.token = None
    return await lin.send("/v1/sessions/refresh", moved(example, {example["refresh_token"]: lin.refresh_token}))


async def a_new_password(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    """The new password of the example is long enough as it is."""
    return await (await a_duty_auxiliary(app)).send("/v1/me/password", moved(example, {"…": PASSWORD}))


async def a_code(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    chief, serial = await an_administrator_of(app, DISTRICT), await a_device()
    return await chief.send("/v1/devices/codes", moved(example, {"HH-0001": serial}))


async def a_sheet_of_codes(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    await a_device()
    return await (await an_administrator_of(app, DISTRICT)).send("/v1/devices/codes/sheet", moved(example, {}))


async def enrolling(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    """The example's key has no private half here, so another key takes its place."""
    chief, serial, key = await an_administrator_of(app, DISTRICT), await a_device(), DeviceKey()
    code = (await chief.tell("/v1/devices/codes", serial=serial)).json()["code"]
    body = moved(example, {example["code"]: code}) | {"jwk": key.jwk}
    assert example["jwk"].keys() == key.jwk.keys()
    return await Client(app, key=key).send("/v1/devices/enrol", body)


async def revoking(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    return await (await an_administrator_of(app, DISTRICT)).send(
        f"/v1/devices/{await a_device()}/revoke", moved(example, {})
    )


async def reinstating(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    chief, serial = await an_administrator_of(app, DISTRICT), await a_device()
    await chief.tell(f"/v1/devices/{serial}/revoke")
    return await chief.send(f"/v1/devices/{serial}/reinstate", moved(example, {}))


async def signing_in_at_a_desk(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    """The code of the example is that of an authenticator, for somebody who has set one up."""
    wu = await with_factor(app)
    body = moved(example, {"P2001": wu.badge, "…": PASSWORD, example["code"]: wu.code(1)})
    return await Desk(app).send("/v1/desk/sessions", body)


async def beginning_a_factor(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    return await (await at_desk(app)).send("/v1/me/totp", moved(example, {"…": PASSWORD}))


async def confirming_a_factor(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    someone = await at_desk(app)
    uri = (await someone.tell("/v1/me/totp", password=PASSWORD)).json()["otpauth_uri"]
    return await someone.send("/v1/me/totp/confirm", moved(example, {example["code"]: pyotp.parse_uri(uri).now()}))


async def giving_a_code(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    """On a handheld that everybody uses, by somebody who set up a second factor at a desk."""
    desk = await with_factor(app)
    wu = Someone(app, id=desk.id, badge=desk.badge, key=await an_enrolled_key())
    await wu.open()
    return await wu.send("/v1/sessions/current/code", moved(example, {example["code"]: desk.code()}))


async def resetting_a_factor(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    wu, chief = await with_factor(app), await an_administrator_of(app, DISTRICT)
    return await chief.send(f"/v1/people/{wu.badge}/totp/reset", moved(example, {}))


async def exporting(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    """All footage of the case of that number, sealed, for an inspector above who may watch it."""
    lin, _, _, _ = await a_led_patrol(app)
    wu, case = await an_inspector_of(app, DISTRICT), example["number"]
    await sealed(app, lin, some_bytes(1000, "a case"), started_at=ago(minutes=3), ended_at=ago(minutes=1))
    what = {"case_ref": case, "case_kind": "administrative", "officers_present": 1, "recording": True}
    recorded(await lin.starts("10.4", at=ago(minutes=2), **what))
    return await wu.send("/v1/packages", moved(example, {}))


async def completing(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    """Size and digest are those of the file that was really sent."""
    lin, content = await a_duty_auxiliary(app), some_bytes(1000, "example")
    upload = (await declare_while_recording(lin, started_at=ago(minutes=10)))["id"]
    for part in (await parts_of(lin, upload, bytes=len(content)))["missing"][:1]:
        assert 200 == await asyncio.to_thread(put, part, content)
    body = moved(example, {example["sha256"]: sha256_of(content)}) | {"bytes": len(content)}
    return await lin.send(f"/v1/uploads/{upload}/complete", body)


async def giving_an_upload_up(app: Litestar, example: dict[str, Any]) -> httpx.Response:
    lin = await a_duty_auxiliary(app)
    upload = (await declare_while_recording(lin, started_at=ago(minutes=10)))["id"]
    return await lin.send(f"/v1/uploads/{upload}/abort", moved(example, {}))


OTHERS: dict[str, Sent] = {
    "POST /v1/sessions": signing_in,
    "POST /v1/sessions/refresh": refreshing,
    "POST /v1/sessions/current/code": giving_a_code,
    "POST /v1/me/password": a_new_password,
    "POST /v1/devices/codes": a_code,
    "POST /v1/devices/codes/sheet": a_sheet_of_codes,
    "POST /v1/devices/enrol": enrolling,
    "POST /v1/devices/{serial}/revoke": revoking,
    "POST /v1/devices/{serial}/reinstate": reinstating,
    "POST /v1/desk/sessions": signing_in_at_a_desk,
    "POST /v1/me/totp": beginning_a_factor,
    "POST /v1/me/totp/confirm": confirming_a_factor,
    "POST /v1/people/{badge}/totp/reset": resetting_a_factor,
    "POST /v1/packages": exporting,
    "POST /v1/uploads/{upload}/complete": completing,
    "POST /v1/uploads/{upload}/abort": giving_an_upload_up,
}


@pytest.mark.parametrize("name", OTHERS)
async def test_the_example_of_a_call_that_is_no_entry_is_answered_as_documented(app: Litestar, name: str) -> None:
    """Each example is sent by the right person, with the things that it refers to."""
    assert_documented(name, await OTHERS[name](app, EXAMPLES[name]))


def test_no_example_is_left_out() -> None:
    """A new operation with a body says here how its example is sent."""
    assert set(EXAMPLES) == {f"POST /v1/{verb.name}" for verb in VERBS} | set(OTHERS) | {"POST /v1/sync"}
