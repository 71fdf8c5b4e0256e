"""Sessions: who acts, proved once by a password and then by tokens."""

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from argon2 import PasswordHasher
from litestar import Litestar

from backend.core.database import execute, fetch, value
from backend.core.keys import Keys
from backend.people import roster, sessions
from backend.people.sessions import ISSUER
from mobile_api.client.device_key import DeviceKey
from tests.builders import (
    CHEAP,
    CITY,
    PASSWORD,
    STATION,
    Client,
    Someone,
    a_badge,
    a_device,
    a_duty_auxiliary,
    an_enrolled_key,
    an_officer,
    now,
    refused,
    rows_of,
    somebody,
)
from tests.desks import Desk

CHEAP_NEW = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("a better one 更好")
ADDRESSES = iter(f"10.9.0.{number}" for number in range(1, 250))


def a_stranger(app: Litestar) -> Client:
    """A client at an address of its own, so that its failures are its own."""
    return Client(app, next(ADDRESSES))


async def is_signed_in(someone: Client, token: str | None = None) -> bool:
    headers = {} if token is None else {"Authorization": f"DPoP {token}"}
    answer = await someone.ask("GET", "/v1/me", headers=headers)
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


async def test_signing_in_opens_a_session(app: Litestar) -> None:
    """Badge number and password, and an access token for a quarter of an hour comes back."""
    lin = await a_duty_auxiliary(app)
    answer = await lin.sign_in(lin.badge)
    tokens = answer.json()
    assert (201, "DPoP", 900) == (answer.status_code, tokens["token_type"], tokens["expires_in"])
    assert "no-store" == answer.headers["cache-control"]
    assert (str(lin.id), 900) == (
        claims_of(tokens["access_token"])["sub"],
        claims_of(tokens["access_token"])["exp"] - claims_of(tokens["access_token"])["iat"],
    )
    assert await is_signed_in(lin, tokens["access_token"])


async def test_me_tells_the_person_of_the_session(app: Litestar) -> None:
    """Name, organ, roles and device, for the phone's first page."""
    sun = await somebody(app, "officer", STATION, "孙所长", [("commander", CITY)])
    serial = await a_device()
    await sun.open(device=serial)
    me = (await sun.get("/v1/me")).json()
    assert (str(sun.id), sun.badge, "孙所长", "officer") == (me["id"], me["badge"], me["name"], me["kind"])
    assert {"code": STATION, "name": "城关派出所"} == me["organ"]
    assert [{"role": "commander", "organ": CITY}] == me["roles"]
    assert await value("SELECT id FROM device WHERE serial = $1", serial) == UUID(me["device"])


async def test_a_wrong_password_and_an_unknown_badge_get_the_same_answer(app: Litestar) -> None:
    """A stranger does not learn who serves here."""
    lin, stranger = await a_duty_auxiliary(app), a_stranger(app)
    wrong = await stranger.sign_in(lin.badge, "not the password")
    unknown = await stranger.sign_in(a_badge("X"), "not the password")
    refused(wrong, 401, "sign_in_refused")
    assert wrong.json() == unknown.json()
    same = {"date": "", "x-request-id": ""}
    assert dict(wrong.headers) | same == dict(unknown.headers) | same


async def test_somebody_without_a_password_cannot_sign_in(app: Litestar) -> None:
    """They are on the roster and have no password yet."""
    badge = a_badge()
    await roster.bring_in(rows_of(badge, "朱新", "duty_auxiliary", STATION, []))
    refused(await a_stranger(app).sign_in(badge), 401, "sign_in_refused")


async def test_five_wrong_passwords_close_the_account_for_a_while(app: Litestar) -> None:
    """GB/T 22239-2019: guesses are counted per account, from wherever they come."""
    lin = await a_duty_auxiliary(app)
    for _ in range(5):
        refused(await a_stranger(app).sign_in(lin.badge, "a guess at it"), 401, "sign_in_refused")
    answer = await a_stranger(app).sign_in(lin.badge, PASSWORD)
    refused(answer, 429, "too_many_attempts")
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert await is_signed_in(lin), "sessions that are open go on"


async def test_guesses_side_by_side_count_too(app: Litestar) -> None:
    """An attempt is counted before the password is checked."""
    lin, stranger = await a_duty_auxiliary(app), a_stranger(app)
    answers = await asyncio.gather(*(stranger.sign_in(lin.badge, f"guess {n}") for n in range(12)))
    statuses = sorted(answer.status_code for answer in answers)
    assert [401] * 5 + [429] * 7 == statuses


async def test_an_account_opens_again_when_its_time_is_over(app: Litestar) -> None:
    """Failures older than the window no longer count, and a right password forgets the others."""
    lin, stranger = await a_duty_auxiliary(app), a_stranger(app)
    for _ in range(5):
        await stranger.sign_in(lin.badge, "a guess at it")
    await execute("UPDATE sign_in_attempt SET at = at - interval '16 minutes' WHERE badge = $1", lin.badge)
    assert 201 == (await stranger.sign_in(lin.badge)).status_code
    assert 0 == await value("SELECT count(*) FROM sign_in_attempt WHERE badge = $1", lin.badge)


async def test_an_address_that_guesses_is_stopped(app: Litestar) -> None:
    """Sixty failures from one address, whatever the accounts; another address goes on."""
    stranger, lin = a_stranger(app), await a_duty_auxiliary(app)
    await execute(
        "INSERT INTO sign_in_attempt (badge, address, at) SELECT 'X' || n, $1, now() FROM generate_series(1, 59) n",
        stranger.address,
    )
    refused(await stranger.sign_in(a_badge("X"), "a guess at it"), 401, "sign_in_refused")
    answer = await stranger.sign_in(lin.badge)
    refused(answer, 429, "too_many_attempts")
    assert "retry-after" in answer.headers
    assert 201 == (await a_stranger(app).sign_in(lin.badge)).status_code


async def test_a_forwarded_address_is_believed_of_a_trusted_proxy_only(app: Litestar) -> None:
    """Otherwise an attacker would send a new address each time."""
    stranger, badge = a_stranger(app), a_badge("X")
    headers = {"X-Forwarded-For": "1.2.3.4", "Content-Type": "application/json"}
    body = json.dumps({"sent_at": now().isoformat(), "badge": badge, "password": "a guess at it"})
    stranger.key = await an_enrolled_key()
    await stranger.ask("POST", "/v1/sessions", content=body, headers=headers)
    assert [stranger.address] == [
        row["address"] for row in await fetch("SELECT address FROM sign_in_attempt WHERE badge = $1", badge)
    ]


async def test_refreshing_gives_a_new_pair(app: Litestar) -> None:
    """The refresh token is new, the session is the same."""
    lin = await a_duty_auxiliary(app)
    tokens = (await lin.refresh(lin.refresh_token)).json()
    assert lin.refresh_token != tokens["refresh_token"]
    assert claims_of(str(lin.token))["sid"] == claims_of(tokens["access_token"])["sid"]
    assert await is_signed_in(lin, tokens["access_token"])


async def test_an_honest_retry_gets_the_same_successor(app: Litestar) -> None:
    """The answer was lost in a lift: the phone asks again and goes on."""
    lin = await a_duty_auxiliary(app)
    first, again = await lin.refresh(lin.refresh_token), await lin.refresh(lin.refresh_token)
    assert (200, 200) == (first.status_code, again.status_code)
    assert first.json()["refresh_token"] == again.json()["refresh_token"]


async def test_many_refreshes_at_once_give_one_successor(app: Litestar) -> None:
    """Two tabs, one session: neither is thrown out."""
    lin = await a_duty_auxiliary(app)
    answers = await asyncio.gather(*(lin.refresh(lin.refresh_token) for _ in range(8)))
    assert 1 == len({answer.json()["refresh_token"] for answer in answers})


async def test_using_a_spent_token_ends_the_session(app: Litestar) -> None:
    """Somebody else may have the token, so nobody can use the session any more."""
    lin = await a_duty_auxiliary(app)
    second = (await lin.refresh(lin.refresh_token)).json()
    third = (await lin.refresh(second["refresh_token"])).json()
    refused(await lin.refresh(lin.refresh_token), 401, "token_reused")
    refused(await lin.refresh(third["refresh_token"]), 401, "session_ended")
    assert not await is_signed_in(lin, third["access_token"])
    session = UUID(claims_of(third["access_token"])["sid"])
    assert "token_reused" == await value("SELECT end_reason FROM session WHERE id = $1", session)
    assert 1 == await value(
        "SELECT count(*) FROM journal WHERE verb = 'sessions/reused' AND $1 = ANY (subjects)", session
    )


@pytest.mark.parametrize(
    "spoil", ["", "....", "{token}0", "x{token}", "{kid}.{session}.2.{mac}", "{kid}.{other}.1.{mac}"]
)
async def test_a_refresh_token_that_is_not_ours_is_refused(app: Litestar, spoil: str) -> None:
    """Its successor cannot be guessed from it."""
    lin = await a_duty_auxiliary(app)
    kid, session, _, mac = lin.refresh_token.split(".")
    spoilt = spoil.format(token=lin.refresh_token, kid=kid, session=session, mac=mac, other=uuid4())
    answer = await lin.refresh(spoilt)
    assert (answer.status_code, answer.json()["code"]) in ((401, "token_invalid"), (422, "invalid"))
    assert await is_signed_in(lin)


async def test_signing_out_is_immediate(app: Litestar) -> None:
    """The access token would live for minutes; the session does not."""
    lin = await a_duty_auxiliary(app)
    assert 204 == (await lin.ask("DELETE", "/v1/sessions/current")).status_code
    refused(await lin.get("/v1/me"), 401, "session_ended")
    refused(await lin.refresh(lin.refresh_token), 401, "session_ended")


async def test_signing_out_leaves_other_sessions_alone(app: Litestar) -> None:
    """The desk stays signed in when the phone signs out."""
    lin = await a_duty_auxiliary(app)
    desk = (await lin.sign_in(lin.badge)).json()["access_token"]
    await lin.ask("DELETE", "/v1/sessions/current")
    assert await is_signed_in(lin, desk)


@pytest.mark.parametrize("purpose", ["session", "refresh"])
async def test_rotating_keys_logs_nobody_out(app: Litestar, purpose: str) -> None:
    """Old tokens hold until they expire, and new ones are signed by the new key."""
    lin = await a_duty_auxiliary(app)
    kid = getattr(app.state.key_rings, purpose).rotate()
    assert await is_signed_in(lin)
    tokens = (await lin.refresh(lin.refresh_token)).json()
    assert await is_signed_in(lin, tokens["access_token"])
    used = jwt.get_unverified_header(tokens["access_token"])["kid"], tokens["refresh_token"].split(".")[0]
    assert kid == used[purpose == "refresh"]
    assert 200 == (await lin.refresh(tokens["refresh_token"])).status_code


def signed(app: Litestar, lin: Someone, **other: Any) -> str:
    """A token like ours, with the changes of the test."""
    claims = claims_of(str(lin.token)) | {key: text for key, text in other.items() if key != "kid"}
    claims = {key: text for key, text in claims.items() if text is not None}
    kid, key = app.state.key_rings.session.newest()
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": other.get("kid", kid)})


def spoilt(app: Litestar, lin: Someone, how: str) -> str:
    head, body, signature = str(lin.token).split(".")
    if how == "another payload":
        claims = claims_of(str(lin.token)) | {"sub": str(uuid4())}
        return ".".join([head, base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("="), signature])
    if how == "no algorithm":
        headers = {"kid": jwt.get_unverified_header(lin.token)["kid"]}
        return jwt.encode(claims_of(str(lin.token)), None, algorithm="none", headers=headers)
    if how == "the public key as a secret":
        public = app.state.key_rings.session.public()[0]["x"]
        headers = {"kid": app.state.key_rings.session.newest()[0]}
        return jwt.encode(claims_of(str(lin.token)), public.ljust(64), algorithm="HS256", headers=headers)
    if how == "an evidence key":
        kid, key = app.state.key_rings.evidence.newest()
        return jwt.encode(claims_of(str(lin.token)), key, algorithm="EdDSA", headers={"kid": kid})
    return {
        "no signature": f"{head}.{body}.",
        "an unknown kid": signed(app, lin, kid="session-20200101T000000000000-ffffff"),
        "no kid": signed(app, lin, kid=""),
        "another audience": signed(app, lin, aud="somebody else"),
        "another issuer": signed(app, lin, iss="somebody else"),
        "no session": signed(app, lin, sid=None),
        "no expiry": signed(app, lin, exp=None),
        "a session that is no id": signed(app, lin, sid="x"),
        "no token": "nonsense",
        "characters": "\u00e9\u00e9.\u00e9.\u00e9",
    }[how]


SPOILT = [
    "another payload", "no algorithm", "the public key as a secret", "an evidence key", "no signature",
    "an unknown kid", "no kid", "another audience", "another issuer", "no session", "no expiry",
    "a session that is no id", "no token", "characters",
]  # fmt: skip


@pytest.mark.parametrize("how", SPOILT)
async def test_an_access_token_that_is_not_ours_is_refused(app: Litestar, how: str) -> None:
    """Altered, unsigned, or signed by somebody else: it opens nothing."""
    lin = await a_duty_auxiliary(app)
    headers = {"Authorization": f"DPoP {spoilt(app, lin, how)}".encode("latin-1")}
    refused(await lin.ask("GET", "/v1/me", headers=headers), 401, "token_invalid")


async def test_an_expired_token_says_that_it_expired(app: Litestar) -> None:
    """Then the phone uses its refresh token; five seconds of leeway are allowed."""
    lin = await a_duty_auxiliary(app)
    moment = now().timestamp()
    stale, fresh = signed(app, lin, exp=moment - 6), signed(app, lin, exp=moment - 1)
    refused(await lin.ask("GET", "/v1/me", headers={"Authorization": f"DPoP {stale}"}), 401, "token_expired")
    assert await is_signed_in(lin, fresh)
    assert ISSUER == claims_of(fresh)["iss"]


async def test_a_token_of_a_session_that_never_was_is_refused(app: Litestar) -> None:
    """A key that leaked opens no session by itself."""
    lin = await a_duty_auxiliary(app)
    headers = {"Authorization": f"DPoP {signed(app, lin, sid=str(uuid4()))}"}
    refused(await lin.ask("GET", "/v1/me", headers=headers), 401, "session_ended")


@pytest.mark.parametrize("header", ["", "Basic eDp5", "Bearer x", "DPoP", "DPoP ", "token"])
async def test_without_a_token_the_answer_is_to_sign_in(app: Litestar, header: str) -> None:
    """And the answer says how."""
    answer = await Client(app).ask("GET", "/v1/me", headers={"Authorization": header} if header else {})
    refused(answer, 401, "token_missing")
    assert 'DPoP algs="ES256"' == answer.headers["www-authenticate"]


async def test_the_end_of_service_leaves_bringing_home(app: Litestar) -> None:
    """Dismissed yesterday: the phone in the pocket opens nothing today, and may bring home what it holds."""
    lin = await a_duty_auxiliary(app)
    yesterday = (now() - timedelta(days=1, hours=8)).date()
    await roster.bring_in(rows_of(lin.badge, lin.name, "duty_auxiliary", STATION, [], valid_until=yesterday))
    refused(await lin.get("/v1/me"), 403, "bring_home_only")
    assert 200 == (await lin.refresh(lin.refresh_token)).status_code
    long_ago = (now() - timedelta(days=60)).date()
    await roster.bring_in(rows_of(lin.badge, lin.name, "duty_auxiliary", STATION, [], valid_until=long_ago))
    refused(await a_stranger(app).sign_in(lin.badge), 401, "sign_in_refused")


async def test_whoever_begins_next_week_cannot_sign_in_today(app: Litestar) -> None:
    """Service has a first day too."""
    badge, next_week = a_badge(), (now() + timedelta(days=7)).date()
    await roster.bring_in(rows_of(badge, "林小川", "duty_auxiliary", STATION, [], valid_from=next_week))
    await sessions.set_hash(await roster.person_id_of(badge), CHEAP, now())
    refused(await a_stranger(app).sign_in(badge), 401, "sign_in_refused")
    await roster.bring_in(rows_of(badge, "林小川", "duty_auxiliary", STATION, [], valid_from=now().date()))
    assert 201 == (await a_stranger(app).sign_in(badge)).status_code


async def test_without_an_enrolled_device_the_answer_says_what_to_do(app: Litestar) -> None:
    """With no proof, or by a key that nobody enrolled, whether or not the password is right."""
    lin, stranger = await a_duty_auxiliary(app), a_stranger(app)
    for key in (None, DeviceKey()):
        stranger.key = key
        for password in (PASSWORD, "a guess at it"):
            answer = await stranger.tell("/v1/sessions", badge=lin.badge, password=password)
            refused(answer, 401, "device_key_required")
    assert 0 == await value("SELECT count(*) FROM sign_in_attempt WHERE badge = $1", lin.badge)


async def test_a_role_ends_with_its_last_day(app: Litestar) -> None:
    """The role is gone from the next request on; the person stays."""
    sun = await somebody(app, "officer", STATION, "孙所长", [("commander", STATION)])
    yesterday = (now() - timedelta(days=1, hours=8)).date()
    role = rows_of(sun.badge, sun.name, "officer", STATION, [("commander", STATION)])[1:]
    await roster.bring_in([type(row)(**{**_cells(row), "valid_until": yesterday}) for row in role])
    assert [] == (await sun.get("/v1/me")).json()["roles"]


def _cells(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


async def test_a_new_password_ends_the_other_sessions(app: Litestar) -> None:
    """Whoever had the old one is signed out; the session that changed it stays."""
    lin = await a_duty_auxiliary(app)
    other = (await lin.sign_in(lin.badge)).json()["access_token"]
    answer = await lin.tell("/v1/me/password", current=PASSWORD, new="a better one 更好")
    assert 204 == answer.status_code, answer.text
    assert await is_signed_in(lin)
    assert not await is_signed_in(lin, other)
    refused(await a_stranger(app).sign_in(lin.badge, PASSWORD), 401, "sign_in_refused")
    assert 201 == (await a_stranger(app).sign_in(lin.badge, "a better one 更好")).status_code


async def test_a_new_password_needs_the_old_one_and_ten_characters(app: Litestar) -> None:
    """A phone left on a table changes no password."""
    lin = await a_duty_auxiliary(app)
    refused(await lin.tell("/v1/me/password", current="not the one", new="long enough for it"), 401, "sign_in_refused")
    refused(await lin.tell("/v1/me/password", current=PASSWORD, new="九个字符太短了的"), 422, "password_too_short")
    assert 201 == (await a_stranger(app).sign_in(lin.badge)).status_code


async def test_no_password_is_kept_as_it_is(app: Litestar) -> None:
    """Argon2id, with memory enough that guessing costs."""
    lin = await a_duty_auxiliary(app)
    await lin.tell("/v1/me/password", current=PASSWORD, new="a better one 更好")
    kept = await value("SELECT password_hash FROM credential WHERE person = $1", lin.id)
    assert kept.startswith("$argon2id$v=19$m=65536,")


async def test_signing_in_is_in_the_journal(app: Litestar) -> None:
    """Opening and closing a session are in the journal, without any secret."""
    lin = await an_officer(app)
    await lin.ask("DELETE", "/v1/sessions/current")
    rows = await fetch("SELECT verb, entry FROM journal WHERE actor = $1 ORDER BY seq", lin.id)
    assert ["sessions/open", "sessions/close"] == [row["verb"] for row in rows]
    assert not any(lin.refresh_token.encode() in row["entry"] for row in rows)


async def test_another_server_reads_the_same_tokens(app: Litestar) -> None:
    """Servers share the keys by the secrets directory, and nothing else."""
    lin = await a_duty_auxiliary(app)
    assert Keys(app.state.settings.secrets_dir).session.get(jwt.get_unverified_header(lin.token)["kid"]) is not None


@pytest.mark.parametrize("at", ["handheld", "desk"])
async def test_an_old_password_opens_nothing_while_it_is_changed(app: Litestar, owner: Any, at: str) -> None:
    """The old password was checked just before the change; its session must not outlive the change."""
    lin = await a_duty_auxiliary(app)
    stranger = a_stranger(app) if at == "handheld" else Desk(app)
    changing = owner.transaction()
    await changing.start()
    await owner.execute("UPDATE credential SET password_hash = $2 WHERE person = $1", lin.id, CHEAP_NEW)
    signing_in = asyncio.create_task(stranger.sign_in(lin.badge))
    await asyncio.sleep(0.5)
    await owner.execute(
        "UPDATE session SET ended_at = now(), end_reason = 'password_changed' WHERE person = $1", lin.id
    )
    await changing.commit()
    refused(await signing_in, 401, "sign_in_refused")
    assert 0 == await value("SELECT count(*) FROM session WHERE person = $1 AND ended_at IS NULL", lin.id)


async def test_of_two_changes_of_a_password_one_counts(app: Litestar, owner: Any) -> None:
    """Two changes at the same moment with the same old password: only the first one counts."""
    lin = await a_duty_auxiliary(app)
    changing = owner.transaction()
    await changing.start()
    await owner.execute("UPDATE credential SET password_hash = $2 WHERE person = $1", lin.id, CHEAP_NEW)
    other = asyncio.create_task(lin.tell("/v1/me/password", current=PASSWORD, new="what the enemy chose"))
    await asyncio.sleep(0.5)
    await changing.commit()
    refused(await other, 401, "sign_in_refused")
    assert CHEAP_NEW == await value("SELECT password_hash FROM credential WHERE person = $1", lin.id)


async def test_guesses_elsewhere_do_not_lock_a_person_out_of_their_own_phone(app: Litestar) -> None:
    """Everybody can read a badge number. Five wrong passwords at some desk, or sixty from the station's one address, do
    not lock the person out of a device on which they signed in before.
    """
    lin = await a_duty_auxiliary(app)
    for _ in range(5):
        await Desk(app).sign_in(lin.badge, "a guess at it")
    await execute(
        "INSERT INTO sign_in_attempt (badge, address, at) SELECT 'Y' || n, $1, now() FROM generate_series(1, 60) n",
        "10.9.2.1",
    )
    lin.address = "10.9.2.1"
    lin.__post_init__()
    refused(await a_stranger(app).sign_in(lin.badge), 429, "too_many_attempts")
    assert 201 == (await lin.sign_in(lin.badge)).status_code
    refused(await Desk(app).sign_in(lin.badge), 429, "too_many_attempts")


async def test_guesses_on_a_familiar_phone_are_counted_apart(app: Litestar) -> None:
    """A colleague on the shared handheld also has five attempts of their own; a right password clears them."""
    lin = await a_duty_auxiliary(app)
    for _ in range(4):
        refused(await lin.sign_in(lin.badge, "a guess at it"), 401, "sign_in_refused")
    assert 201 == (await lin.sign_in(lin.badge)).status_code
    answers = await asyncio.gather(*(lin.sign_in(lin.badge, f"guess {n}") for n in range(7)))
    assert [401] * 5 + [429] * 2 == sorted(answer.status_code for answer in answers)
    refused(await lin.sign_in(lin.badge), 429, "too_many_attempts")
    assert 201 == (await a_stranger(app).sign_in(lin.badge)).status_code


async def test_a_phone_used_long_ago_or_by_another_person_is_not_familiar(app: Litestar) -> None:
    """Neither a newly enrolled device nor a colleague's device gives more attempts."""
    lin, chen = await a_duty_auxiliary(app), await a_duty_auxiliary(app)
    for _ in range(5):
        await Desk(app).sign_in(lin.badge, "a guess at it")
    refused(await chen.sign_in(lin.badge), 429, "too_many_attempts")
    await execute(
        "UPDATE session SET opened_at = opened_at - interval '31 days', ended_at = opened_at - interval '31 days', "
        "end_reason = 'signed_out' WHERE person = $1", lin.id,
    )  # fmt: skip
    refused(await lin.sign_in(lin.badge), 429, "too_many_attempts")
