"""The least that a check-in costs: bare ASGI, asyncpg, and the product's statements in the same order.

The SQL is imported from the product; `checkins.py` compares the statements of both before it measures. The token is
checked as in the product: EdDSA by PyJWT once, then from memory. So is the proof: its key is imported once; its claims,
nonce, digests and ES256 signature are checked each time. There are no rules, routes, problem answers or metrics.

Run as `python tests/bench/bare.py` with the environment of `fujing api`.
"""

import hashlib
import hmac
import os
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import jwt
import msgspec
from granian.server import Server
from jwt.algorithms import ECAlgorithm

from backend.core import settings
from backend.core.database import SESSION
from backend.core.keys import ALGORITHM, KeyRing
from backend.core.officers import OFFICERS_IN_SERVICE
from backend.core.settings import Settings
from backend.core.stints import stints_of
from backend.core.write_path import EARLIER, INSERT_ENTRY, LOCK_KEYS
from backend.people.proofs import Jwk, Nonces, decoded
from backend.people.sessions import ISSUER, SPEND_AND_FIND_ACTOR
from backend.registry import VERBS
from backend.shifts.service import INSERT, INSERT_AND_LOOK, SHIFTS
from mobile_api.cli import serving
from mobile_api.routes.verbs import sent

NEIGHBOURS, UPDATE_AND_FLAG = SHIFTS.neighbours, SHIFTS.update_and_flag
VERB = next(verb for verb in VERBS if verb.name == "shifts/check-in")
CALL = sent(VERB)
DECODER = msgspec.json.Decoder(CALL)
CLAIMS = msgspec.json.Decoder(dict[str, Any])
ES256 = ECAlgorithm(ECAlgorithm.SHA256)
HEADERS = [(b"content-type", b"application/json")]


async def check_in(pool: asyncpg.Pool, session: UUID, proof: UUID, call: Any) -> dict[str, Any]:
    """Record one check-in with the same statements as the product."""
    received = datetime.now(UTC)
    actor = await pool.fetchrow(SPEND_AND_FIND_ACTOR, session, proof)
    if not actor["fresh"]:
        raise PermissionError
    person, organ = actor["id"], stints_of(actor["stints"])[0].organ
    at = min(call.occurred_at.astimezone(UTC), received)
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetch(
            LOCK_KEYS, sorted(int.from_bytes(each.bytes[:8], signed=True) for each in (call.id, person))
        )
        await connection.fetchrow(EARLIER, call.id)
        await connection.fetch(OFFICERS_IN_SERVICE, [call.ordered_by], at)
        closed = await connection.fetch(NEIGHBOURS, person, at)
        for row in closed:
            await connection.execute(
                UPDATE_AND_FLAG, "not_checked_out", row["id"], organ, person, False, row["started_at"], at, "next",
                True, False,
            )  # fmt: skip
        await connection.fetchrow(
            INSERT_AND_LOOK if closed else INSERT, call.id, person, organ, call.duty_type, at, None, None, True,
            call.dress, call.dress_reason, call.id_card_carried, call.equipment, call.vehicle, call.ordered_by,
            call.roster_post, msgspec.json.encode(call.place).decode(), *(row["started_at"] for row in closed),
        )  # fmt: skip
        shift = {"id": call.id, "started_at": at, "ended_at": None, "in_force": True}
        await _write_entry(connection, actor["device"], call, (person, organ), (received, at), shift)
    return {"id": call.id, "status": "recorded", "received_at": received, "findings": [], "shift": shift}


async def _write_entry(
    connection: Any, device: UUID, call: Any, who: tuple[UUID, str], when: tuple[datetime, datetime],
    shift: dict[str, Any],
) -> None:  # fmt: skip
    """Write the entry and its line. `who`: the person and the organ; `when`: received, and occurred."""
    (person, organ), (received, at) = who, when
    content, salt = msgspec.json.encode(call, order="sorted"), os.urandom(16)
    facts = {
        "content": hmac.digest(salt, content, hashlib.sha256).hex(), "device_seq": call.device_seq,
        "device_time": call.occurred_at, "findings": [], "late": False, "occurred_at": at, "skew_ms": 0,
        "subject": {"shift": shift},
    }  # fmt: skip
    line = {"actor": person, "at": received, "facts": facts, "id": call.id, "organ": organ, "outcome": "recorded"}
    rest = {"subjects": [call.id, person], "v": 1, "verb": VERB.name}  # the facts' rows go between the two
    await connection.fetchrow(
        INSERT_ENTRY, received, person, device, VERB.name, "recorded", call.id, [call.id, person], organ,
        msgspec.json.encode(line)[:-1], b"," + msgspec.json.encode(rest)[1:], salt, content, None, call.device_seq,
        None, None, None,
    )  # fmt: skip


class Bare:
    """The application: every POST is a check-in."""

    def __init__(self, chosen: Settings) -> None:
        self._settings, self._keys = chosen, KeyRing(chosen.secrets_dir, "session")
        self._known: dict[str, tuple[UUID, float, str]] = {}
        self._nonces, self._devices = Nonces(KeyRing(chosen.secrets_dir, "nonce")), dict[str, tuple[Any, str]]()
        self._pool: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = dict(scope["headers"])
        token = headers[b"authorization"].decode().removeprefix("DPoP ")
        session, jkt = self._session(token)
        proof = self._proof(headers[b"dpop"].decode(), token, jkt, scope, body)
        answer = await check_in(self._pool, session, proof, DECODER.decode(body))
        await send({"type": "http.response.start", "status": 201, "headers": HEADERS})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    def _session(self, token: str) -> tuple[UUID, str]:
        session, expires, jkt = self._known.get(token) or self._known.setdefault(token, self._verify(token))
        if expires < datetime.now(UTC).timestamp():
            raise jwt.ExpiredSignatureError
        return session, jkt

    def _proof(self, proof: str, token: str, jkt: str, scope: Any, body: bytes) -> UUID:
        """Check the proof and return its id. Raises PermissionError where anything in it is wrong."""
        signed, _, signature = proof.rpartition(".")
        header, _, payload = signed.partition(".")
        key, thumbprint = self._devices.get(header) or self._devices.setdefault(header, _device(header))
        claims = CLAIMS.decode(decoded(payload))
        digests = [
            urlsafe_b64encode(hashlib.sha256(part).digest()).rstrip(b"=").decode() for part in (token.encode(), body)
        ]
        signature_holds = ES256.verify(signed.encode(), key, decoded(signature))
        address_holds = (claims["htm"], urlsplit(claims["htu"]).path) == (scope["method"], scope["path"])
        nonce_holds = self._nonces.age(claims["nonce"], datetime.now(UTC)) is not None
        if not (
            signature_holds
            and address_holds
            and nonce_holds
            and jkt == thumbprint
            and digests == [claims["ath"], claims["body_sha256"]]
        ):
            raise PermissionError
        return UUID(bytes=hashlib.sha256(f"{jkt} {claims['jti']}".encode()).digest()[:16])

    def _verify(self, token: str) -> tuple[UUID, float, str]:
        key = self._keys.get(jwt.get_unverified_header(token)["kid"])
        claims = jwt.decode(token, key.public_key(), algorithms=[ALGORITHM], audience=ISSUER, issuer=ISSUER)
        return UUID(claims["sid"]), float(claims["exp"]), claims["cnf"]["jkt"]

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        self._pool = await asyncpg.create_pool(
            self._settings.database_url, min_size=1, max_size=self._settings.pool_size, server_settings=SESSION,
            reset=_reset_nothing,
        )  # fmt: skip
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})


def _device(header: str) -> tuple[Any, str]:
    jwk = msgspec.convert(msgspec.json.decode(decoded(header))["jwk"], Jwk)
    return jwk.public_key(), jwk.thumbprint


async def _reset_nothing(_: Any) -> None:
    """Reset nothing, as backend.core.database does: releasing a connection costs no round trip."""


def create() -> Bare:
    return Bare(settings.load())


def main() -> None:
    """Serve this application with serving.run_api, in place of the product's."""
    serving.Server = lambda _, **options: Server("bare:create", **options)
    serving.run_api(settings.load())


if __name__ == "__main__":
    main()
