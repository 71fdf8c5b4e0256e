"""What strangers and the curious cannot fill: caches, the journal, the counts. And a body that its sender cut off."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from backend.core import journal
from backend.core.database import first, tx, value
from backend.law.catalogue import law
from mobile_api.client.device_key import DeviceKey
from tests.builders import (
    STATION,
    Client,
    Someone,
    a_check_in,
    a_device,
    a_duty_auxiliary,
    ago,
    an_administrator_of,
    an_enrolled_key,
    an_inspector_of,
    recorded,
    refused,
)

ROWS = "SELECT count(*) FROM journal WHERE actor = $1"


async def refused_often(someone: Someone, count: int, outcome: str = "denied", **other: Any) -> None:
    """So many rows of the journal without a fact, a minute ago."""
    line = {"at": ago(minutes=1), "verb": "recordings/view", "actor": someone.id, "outcome": outcome} | other
    async with tx():
        for _ in range(count):
            await journal.append(journal.Line(**line))


async def test_made_up_ids_fill_the_journal_no_more(app: Litestar) -> None:
    """375 rows a second came from one person who asked for footage that is not there. Now 429, and no row."""
    wu = await an_inspector_of(app, STATION)
    limit = law().count("refusals_per_person")
    await refused_often(wu, limit - 1)
    path = f"/v1/recordings/{uuid4()}/content"
    refused(await wu.get(path, review=uuid4()), 404, "unknown_review")
    rows = await value(ROWS, wu.id)
    answer = await wu.get(path, review=uuid4())
    refused(answer, 429, "too_many_refusals")
    assert 480 <= int(answer.headers["retry-after"]) <= 541
    refused(await wu.post("/v1/held/admit", held=uuid4(), why="x"), 429, "too_many_refusals")
    refused(await wu.tell("/v1/packages", kind="complaint", number=str(uuid4())), 429, "too_many_refusals")
    assert rows == await value(ROWS, wu.id)


async def test_refusals_count_for_a_while_only(app: Litestar) -> None:
    """The oldest of them leaves the window, and the next one is answered as before."""
    wu = await an_inspector_of(app, STATION)
    await refused_often(wu, law().count("refusals_per_person"), at=ago(minutes=11))
    refused(await wu.get(f"/v1/recordings/{uuid4()}/content", review=uuid4()), 404, "unknown_review")


async def test_facts_and_calls_for_help_are_never_limited(app: Litestar) -> None:
    """Whoever was refused a thousand times checks in, works and calls for help; a refusal of a call stays its own."""
    lin = await a_duty_auxiliary(app)
    await refused_often(lin, law().count("refusals_per_person") + 1)
    await refused_often(lin, law().count("requests_per_person") + 1, "done")
    recorded(await lin.check_in())
    recorded(await lin.post("/v1/assistance/call", kind="violence", words="一人持械"))
    refused(await lin.post("/v1/shifts/check-out", shift=uuid4()), 429, "too_many_refusals")
    call = recorded(await lin.post("/v1/assistance/call", kind="violence"))["id"]
    refused(await lin.post("/v1/assistance/call", kind="violence", id=call), 409, "id_reused")


async def test_a_phone_keeps_an_entry_whose_refusal_was_put_off(app: Litestar) -> None:
    """By sync it is `again`, never a final refusal; what waits for a reference waits as before."""
    lin = await a_duty_auxiliary(app)
    await refused_often(lin, law().count("refusals_per_person"))
    waits = lin.item("shifts/check-out", shift=uuid4(), at=ago(minutes=1))
    bad = lin.item("matters/raise", kind="appeal", words="x", against=lin.id)
    good = lin.item("shifts/check-in", at=ago(hours=1), **a_check_in())
    results = await lin.sync(waits, bad, good)
    assert ["waiting", "again", "recorded"] == [each["status"] for each in results]
    assert "too_many_refusals" == results[1]["problem"]["code"]


async def test_what_the_server_tries_by_itself_is_never_put_off(app: Litestar) -> None:
    """A held entry that does not fit keeps its own reason, however often its person was refused."""
    lin = await a_duty_auxiliary(app)
    come = lin.item("shifts/check-in", at=ago(hours=2), **a_check_in())
    unfit = lin.item("activities/start", work="9.6", at=ago(hours=1))
    early = lin.item("recordings/explain", activity=unfit["id"], cause="battery", words="x",
                     started_at=come["occurred_at"], ended_at=come["occurred_at"], at=ago(minutes=1))  # fmt: skip
    await lin.sync(early)
    await refused_often(lin, law().count("refusals_per_person"))
    await lin.sync(come, unfit)
    row = await first("SELECT state, code FROM held_entry WHERE id = $1", early["id"])
    assert row is not None
    assert ("unfit", False) == (row["state"], row["code"] == "too_many_refusals")


async def test_a_shared_device_has_a_limit_of_its_own(app: Litestar) -> None:
    """Somebody else's refusals on the same device count, once they are very many."""
    wu, other = await an_inspector_of(app, STATION), await an_inspector_of(app, STATION)
    assert wu.key is not None
    device = await value("SELECT device FROM device_key WHERE jkt = $1", wu.key.jkt)
    await refused_often(other, law().count("refusals_per_device") - 1, device=device)
    path = f"/v1/recordings/{uuid4()}/content"
    refused(await wu.get(path, review=uuid4()), 404, "unknown_review")
    refused(await wu.get(path, review=uuid4()), 429, "too_many_refusals")


async def test_looking_and_asking_are_limited_too(app: Litestar) -> None:
    """Watching, exports and enrolment codes; a player that asks for a range every second is far below."""
    xu = await an_administrator_of(app, STATION)
    assert 201 == (await xu.tell("/v1/devices/codes", serial=await a_device())).status_code
    await refused_often(xu, law().count("requests_per_person"), "done")
    refused(await xu.tell("/v1/devices/codes", serial=await a_device()), 429, "too_many_requests")
    refused(await xu.get(f"/v1/recordings/{uuid4()}/content", review=uuid4()), 429, "too_many_requests")
    assert law().count("requests_per_person") > 2 * 600


async def test_keys_of_strangers_are_not_remembered(app: Litestar) -> None:
    """Neither their keys nor their proofs: anybody may sign any number of them. Of a signed-in device both are."""
    reader, lin = app.state.proofs, await a_duty_auxiliary(app)
    reader._known.clear()
    seen = await value("SELECT count(*) FROM proof_seen")
    for _ in range(3):
        stranger = Client(app, key=DeviceKey())
        refused(await stranger.sign_in(lin.badge), 401, "device_key_required")
        refused(await stranger.refresh("a.b.c.d"), 401, "token_invalid")
        enrol = await stranger.tell("/v1/devices/enrol", code="0000-0000-0000-0000", jwk=stranger.key.jwk)
        refused(enrol, 422, "enrolment_refused")
        forged = Client(app, key=stranger.key, token=lin.token)
        refused(await forged.get("/v1/me"), 401, "key_differs")
    assert ({}, seen) == (reader._known, await value("SELECT count(*) FROM proof_seen"))
    assert 200 == (await lin.get("/v1/me")).status_code
    assert lin.key is not None
    assert {lin.key.jkt} == set(reader._known)


async def test_other_spellings_of_a_token_fill_nothing(app: Litestar) -> None:
    """Base64 has several spellings of the same signature; a forged token is not remembered either."""
    lin, reader = await a_duty_auxiliary(app), app.state.tokens
    assert 200 == (await lin.get("/v1/me")).status_code
    size, token = len(reader._verified), lin.token
    assert token is not None
    for spelling in (f"{token}=", f"{token}==", f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}", f"x{token}"):
        lin.token = spelling
        assert (await lin.get("/v1/me")).status_code in (200, 401)
    assert size == len(reader._verified)


@pytest.mark.parametrize("received", [b"", b'{"sent_at": "2026'])
async def test_a_body_cut_off_by_its_sender_is_no_error_of_ours(app: Litestar, received: bytes) -> None:
    """The phone lost its network in the middle: 400 in the counts, and nothing to mend at the servers."""
    phone = Client(app, key=await an_enrolled_key())
    request = phone.http.build_request("POST", "/v1/sessions", content=b"{}")
    headers = httpx.Headers({"Content-Type": "application/json", "Content-Length": "500"})
    headers["DPoP"] = phone.proof("POST", str(request.url), headers, b"{}")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/v1/sessions", "raw_path": b"/v1/sessions", "query_string": b"", "root_path": "",
        "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("fujing.test", 80),
    }  # fmt: skip
    coming = [{"type": "http.request", "body": received, "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert 400 == sent[0]["status"]
    assert b'"code":"body_cut"' in b"".join(message.get("body", b"") for message in sent)
