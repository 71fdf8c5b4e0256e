"""Proofs in requests: an attacker with a valid token, a used proof, a phone whose clock is a year off."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import msgspec
import pytest
from litestar import Litestar

from backend import worker
from backend.core.database import execute, fetch, value
from backend.core.settings import Settings
from backend.people import attempts, sessions
from mobile_api.app import build
from mobile_api.client.device_key import DeviceKey
from tests.builders import (
    PASSWORD,
    STATION,
    Client,
    Someone,
    a_check_in,
    a_device,
    a_duty_auxiliary,
    a_phone,
    an_administrator_of,
    an_enrolled_key,
    now,
    recorded,
    refused,
)

ME, URL = "/v1/me", "http://fujing.test/v1/me"
CHECK_IN = "/v1/shifts/check-in"


@pytest.fixture
async def lin(app: Litestar) -> Someone:
    return await a_duty_auxiliary(app)


@pytest.fixture(scope="module")
async def neighbour(house: Settings, app: Litestar) -> Litestar:
    """Another worker of the same house: its own memory, the same database and keys."""
    return build(house)


def bearing(someone: Client, proof: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"DPoP {someone.token}", "DPoP": proof, **more}


def proof_of(someone: Client, method: str = "GET", url: str = URL, **claims: Any) -> str:
    """A proof as this person's phone makes it, with the changes of the test."""
    headers = {"Authorization": f"DPoP {someone.token}"}
    return someone.proof(method, url, headers, **claims)


async def asks_me(someone: Client, proof: str) -> Any:
    return await someone.ask("GET", ME, headers=bearing(someone, proof))


async def test_a_token_alone_opens_nothing(lin: Someone) -> None:
    """Stolen from a log or a proxy, as Bearer or as DPoP without a proof."""
    thief = Client(lin.app, token=lin.token)
    refused(await thief.get(ME), 401, "proof_missing")
    refused(await thief.ask("GET", ME, headers={"Authorization": f"Bearer {lin.token}"}), 401, "token_missing")


async def test_a_token_of_another_device_opens_nothing(app: Litestar, lin: Someone) -> None:
    """An enemy with a valid session of their own, on an enrolled device, and Lin's token."""
    enemy = await a_duty_auxiliary(app)
    enemy.token = lin.token
    refused(await enemy.get(ME), 401, "key_differs")
    refused(await enemy.post(CHECK_IN, **a_check_in()), 401, "key_differs")


def bound(app: Litestar, token: str | None, jkt: str) -> str:
    """The token, bound to another key by somebody who has a signing key of ours."""
    kid, key = app.state.key_rings.session.newest()
    claims = jwt.decode(str(token), options={"verify_signature": False}) | {"cnf": {"jkt": jkt}}
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid})


async def test_token_and_session_are_both_bound(app: Litestar, lin: Someone) -> None:
    """With a leaked signing key, a token could bind Lin's session to another key: the session's own key decides. Nor is
    a token for another key valid for one's own session."""
    enemy = await a_duty_auxiliary(app)
    own, enemy.token = enemy.token, bound(app, lin.token, enemy.key.jkt)
    refused(await enemy.get(ME), 401, "key_differs")
    enemy.token = bound(app, own, lin.key.jkt)
    refused(await enemy.get(ME), 401, "key_differs")
    enemy.token = bound(app, own, enemy.key.jkt)
    assert 200 == (await enemy.get(ME)).status_code


async def test_a_proof_is_taken_once(app: Litestar, neighbour: Litestar, lin: Someone) -> None:
    """By this worker or by another; a new one goes on."""
    proof = proof_of(lin)
    assert 200 == (await asks_me(lin, proof)).status_code
    refused(await asks_me(lin, proof), 401, "proof_replayed")
    elsewhere = Client(neighbour, token=lin.token, key=lin.key)
    refused(await asks_me(elsewhere, proof), 401, "proof_replayed")
    assert 200 == (await asks_me(elsewhere, proof_of(lin))).status_code


async def test_of_many_at_once_one_is_taken(lin: Someone) -> None:
    """A proxy that sends everything twice, or an enemy on the same line."""
    proof = proof_of(lin)
    answers = await asyncio.gather(*(asks_me(lin, proof) for _ in range(8)))
    assert [200] + [401] * 7 == sorted(answer.status_code for answer in answers)


async def test_a_proof_for_another_key_with_the_same_jti_is_another(app: Litestar, lin: Someone) -> None:
    """Nobody can use up somebody else's proofs."""
    enemy = await a_duty_auxiliary(app)
    assert [200, 200] == [(await asks_me(who, proof_of(who, jti="the same"))).status_code for who in (lin, enemy)]


async def test_a_proof_for_another_address_or_method_is_refused(lin: Someone) -> None:
    """What signs one thing signs nothing else."""
    refused(await asks_me(lin, proof_of(lin, url="http://fujing.test/v1/shifts")), 401, "proof_elsewhere")
    refused(await asks_me(lin, proof_of(lin, method="DELETE")), 401, "proof_elsewhere")


async def test_a_proof_for_another_body_is_refused(lin: Someone) -> None:
    """An enemy in the middle changes a word, takes the digest away, or adds a body: nothing is recorded."""
    entry = lin.entry(**a_check_in())
    signed, sent = msgspec.json.encode(entry), msgspec.json.encode(entry | {"duty_type": "standby"})
    url, json = f"http://fujing.test{CHECK_IN}", {"Content-Type": "application/json"}
    for body in (signed, b"", None):
        proof = proof_of(lin, "POST", url, **({"body": body} if body is not None else {"body_sha256": "x"}))
        answer = await lin.ask("POST", CHECK_IN, content=sent, headers=bearing(lin, proof, **json))
        refused(answer, 401, "proof_elsewhere")
    assert 0 == await value("SELECT count(*) FROM journal WHERE entry_id = $1", entry["id"])
    proof = proof_of(lin, "POST", url, body=signed)
    recorded(await lin.ask("POST", CHECK_IN, content=signed, headers=bearing(lin, proof, **json)))


async def test_a_password_in_another_body_is_not_checked(app: Litestar, lin: Someone) -> None:
    """The proof of signing in covers the body too."""
    phone, json = await a_phone(app), {"Content-Type": "application/json"}
    body = msgspec.json.encode({"sent_at": now(), "badge": lin.badge, "password": PASSWORD})
    headers = json | {"DPoP": phone.proof("POST", "http://fujing.test/v1/sessions", body=b"{}")}
    refused(await phone.ask("POST", "/v1/sessions", content=body, headers=headers), 401, "proof_elsewhere")
    headers = json | {"DPoP": phone.proof("POST", "http://fujing.test/v1/sessions", body=body)}
    assert 201 == (await phone.ask("POST", "/v1/sessions", content=body, headers=headers)).status_code
    refused(await phone.ask("POST", "/v1/sessions", content=body, headers=headers), 401, "proof_replayed")


@pytest.mark.parametrize("nonce", [None, "", "forged", "nonce-20260301T000000000000-1a2b3c.1.00"])
async def test_without_the_servers_nonce_one_is_given(lin: Someone, nonce: str | None) -> None:
    """401 with a fresh one, as RFC 9449 says; the same call with it is answered."""
    answer = await asks_me(lin, proof_of(lin, nonce=nonce))
    refused(answer, 401, "use_dpop_nonce")
    assert 'DPoP error="use_dpop_nonce", algs="ES256"' == answer.headers["www-authenticate"]
    fresh = answer.headers["dpop-nonce"]
    assert 200 == (await asks_me(lin, proof_of(lin, nonce=fresh))).status_code


async def test_a_stale_nonce_is_refused_and_an_aging_one_renewed(lin: Someone) -> None:
    """The server's nonce limits a proof: after five minutes a stolen one is worth nothing, used or not."""
    nonces = lin.app.state.proofs.nonces
    stale, aging = (nonces.fresh(now() - timedelta(seconds=150 * windows)) for windows in (2, 1))
    refused(await asks_me(lin, proof_of(lin, nonce=stale)), 401, "use_dpop_nonce")
    answer = await asks_me(lin, proof_of(lin, nonce=aging))
    assert (200, nonces.fresh(now())) == (answer.status_code, answer.headers["dpop-nonce"])
    assert "dpop-nonce" not in (await asks_me(lin, proof_of(lin))).headers


@pytest.mark.parametrize("days", [-365, 365])
async def test_a_phone_whose_clock_is_a_year_off_works(app: Litestar, lin: Someone, days: int) -> None:
    """It signs in, asks and records; the entry is corrected, with its finding."""
    phone, wrong = await a_phone(app), now() + timedelta(days=days)

    def proof(method: str, path: str, body: bytes = b"") -> str:
        headers = {"Authorization": f"DPoP {phone.token}"} if phone.token else {}
        return phone.proof(method, f"http://fujing.test{path}", headers, body, at=wrong)

    json = {"Content-Type": "application/json"}
    body = msgspec.json.encode({"sent_at": wrong, "badge": lin.badge, "password": PASSWORD})
    headers = json | {"DPoP": proof("POST", "/v1/sessions", body)}
    tokens = (await phone.ask("POST", "/v1/sessions", content=body, headers=headers)).json()
    phone.token = tokens["access_token"]
    assert 200 == (await phone.ask("GET", ME, headers={"DPoP": proof("GET", ME)})).status_code
    entry = lin.entry(**a_check_in()) | {"sent_at": wrong, "occurred_at": wrong}
    body = msgspec.json.encode(entry)
    headers = json | {"DPoP": proof("POST", CHECK_IN, body)}
    answer = recorded(await phone.ask("POST", CHECK_IN, content=body, headers=headers))
    assert "clock_skew" in {finding["code"] for finding in answer["findings"]}


async def test_a_refresh_token_in_other_hands_ends_the_session(app: Litestar, lin: Someone) -> None:
    """By another enrolled key or by one that nobody knows; Lin must sign in anew, and the journal knows why."""
    for key in (await an_enrolled_key(), DeviceKey()):
        await lin.open()
        thief = Client(app, key=key)
        refused(await thief.refresh(lin.refresh_token), 401, "token_reused")
        refused(await lin.get(ME), 401, "session_ended")
        refused(await lin.refresh(lin.refresh_token), 401, "session_ended")
    assert 2 == await value("SELECT count(*) FROM journal WHERE verb = 'sessions/reused' AND actor = $1", lin.id)


async def test_refreshing_needs_a_proof(app: Litestar, lin: Someone) -> None:
    """The token alone renews nothing, and ends nothing."""
    refused(await Client(app).refresh(lin.refresh_token), 401, "proof_missing")
    assert 200 == (await lin.refresh(lin.refresh_token)).status_code


async def test_two_proofs_are_refused(lin: Someone) -> None:
    """RFC 9449 §4.3: exactly one."""
    headers = [("Authorization", f"DPoP {lin.token}"), ("DPoP", proof_of(lin)), ("DPoP", proof_of(lin))]
    refused(await lin.ask("GET", ME, headers=httpx.Headers(headers)), 401, "proof_invalid")


@pytest.mark.parametrize("proof", ["", "x", "x" * 100_000, "..", "a.b.c", "é"])
async def test_what_is_no_proof_is_refused_with_a_sentence(lin: Someone, proof: str) -> None:
    """However long: a hundred kilobytes are not even decoded."""
    headers = {"Authorization": f"DPoP {lin.token}".encode(), "DPoP": proof.encode("latin-1")}
    answer = await lin.ask("GET", ME, headers=headers)
    refused(answer, 401, "proof_invalid")
    assert 'DPoP error="invalid_dpop_proof", algs="ES256"' == answer.headers["www-authenticate"]
    assert len(answer.content) < 1000


async def test_where_the_public_address_is_set_a_proof_must_name_it(
    house: Settings, app: Litestar, lin: Someone
) -> None:
    """A false server under another name, or on plain HTTP, cannot pass requests on. The QR has the address too."""
    public = "https://fujing.example.cn"
    behind = build(msgspec.structs.replace(house, public_url=f"{public}/"))
    phone = Client(behind, token=lin.token, key=lin.key)
    for good in (f"{public}{ME}", f"{public}:443{ME}", f"https://FUJING.example.cn{ME}"):
        assert 200 == (await asks_me(phone, proof_of(phone, url=good))).status_code
    for bad in (URL, f"http://fujing.example.cn{ME}", f"{public}:8443{ME}", f"{public}.evil.test{ME}", f"https://{ME}"):
        refused(await asks_me(phone, proof_of(phone, url=bad)), 401, "proof_elsewhere")
    admin = await an_administrator_of(app, STATION)
    there, path = Client(behind, token=admin.token, key=admin.key), "/v1/devices/codes"
    body = msgspec.json.encode({"sent_at": now(), "serial": await a_device()})
    proof = proof_of(there, "POST", f"{public}{path}", body=body)
    headers = bearing(there, proof, **{"Content-Type": "application/json"})
    code = (await there.ask("POST", path, content=body, headers=headers)).json()
    assert code["uri"].startswith("fujing://enrol?url=https%3A%2F%2Ffujing.example.cn&code=")


async def test_what_is_old_is_forgotten_and_nothing_else(app: Litestar, lin: Someone) -> None:
    """A proof that could still be used is kept; the table does not grow for ever. Attempts to sign in likewise."""
    proof = proof_of(lin)
    assert 200 == (await asks_me(lin, proof)).status_code
    ages = {uuid4(): minutes for minutes in (1, 8, 14, 16, 60, 60 * 24)}
    for seen, minutes in ages.items():
        await execute("INSERT INTO proof_seen (id, at) VALUES ($1, now() - $2 * interval '1 minute')", seen, minutes)
        await execute(
            "INSERT INTO sign_in_attempt (badge, address, at) VALUES ($1, 'x', now() - $2 * interval '1 minute')",
            str(seen), minutes,
        )  # fmt: skip
    await sessions.forget_proofs()
    await attempts.forget_attempts()
    kept = await fetch("SELECT id FROM proof_seen WHERE id = ANY ($1)", list(ages))
    assert {1, 8, 14} == {ages[row["id"]] for row in kept}
    kept = await fetch("SELECT badge FROM sign_in_attempt WHERE badge = ANY ($1)", list(map(str, ages)))
    assert {1, 8, 14, 16} == {ages[UUID(row["badge"])] for row in kept}
    refused(await asks_me(lin, proof), 401, "proof_replayed")


async def test_the_worker_forgets(app: Litestar, owner: Any) -> None:
    """By its own schedule, every five minutes and every night."""
    queue = worker.build(owner, app.state.store, app.state.key_rings)
    due = {key.entrypoint: key.expression for key in queue.sm.registry}
    assert ("*/5 * * * *", "17 19 * * *") == (due["forget_proofs"], due["forget_attempts"])
