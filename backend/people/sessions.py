"""Sessions: who acts, proved by a password once and by tokens afterwards.

Guarantees: a guess counts before it is looked at; an unknown badge costs as much time as a wrong password; the
successor of a refresh token is derived, so an honest retry gets the same one until it is used, and the use of a spent
token, or of anybody's by another key than its own, ends the family. A session on a device is opened, used and renewed
with proofs by the device's key (proofs.py) and nothing else; a proof is taken once, whichever worker it reaches.
Revoking a device ends no session: it is quarantined from the next request on. See docs/adr/0015.
"""

import asyncio
import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from uuid import UUID, uuid4

import jwt
import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from backend.core import journal
from backend.core.database import Record, execute, first, tx, value
from backend.core.keys import ALGORITHM, Keys
from backend.core.officers import TODAY
from backend.core.refusals import Refusal
from backend.core.verb import Actor, Role
from backend.law.catalogue import law
from backend.people.proofs import Proof

ISSUER = "fujing"
HASHER = PasswordHasher()
NOBODY = HASHER.hash(secrets.token_urlsafe())
AT_ONCE = asyncio.Semaphore(4)  # each hash takes 64 MiB
PASSWORD_FLOOR = 10
KNOWN_CEILING = 20_000


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """An access token for the Authorization header, and the refresh token for the next one."""

    access_token: str
    refresh_token: str
    expires_in: int
    session_ends_at: datetime
    token_type: str = "DPoP"  # noqa: S105


class Claims(msgspec.Struct, frozen=True):
    """What an access token says, once its signature held."""

    session: UUID
    expires_at: float
    jkt: str


OPEN = f"""
SELECT p.id, p.organ, c.password_hash FROM person p JOIN credential c ON c.person = p.id
WHERE p.badge = $1 AND p.serves_from <= {TODAY} AND coalesce(p.serves_until >= {TODAY}, true)
"""  # noqa: S608
KEY = """
SELECT k.id, k.device, d.revoked_at FROM device_key k JOIN device d ON d.id = k.device
WHERE k.jkt = $1 AND k.ended_at IS NULL
"""
SPEND = "INSERT INTO proof_seen (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id"
ACTING = f"""
SELECT p.id, p.badge, p.kind, p.organ, s.device, k.jkt, d.revoked_at IS NOT NULL AS quarantined, ARRAY(
    SELECT g.role || ' ' || g.organ FROM role_grant g
    WHERE g.person = p.id AND g.valid_from <= {TODAY} AND coalesce(g.valid_until >= {TODAY}, true)
) AS roles
FROM session s JOIN person p ON p.id = s.person
LEFT JOIN device d ON d.id = s.device LEFT JOIN device_key k ON k.id = s.device_key
WHERE s.id = {{session}} AND s.ended_at IS NULL AND s.ends_at > now() AND k.ended_at IS NULL
    AND p.serves_from <= {TODAY} AND coalesce(p.serves_until >= {TODAY}, true)
"""  # noqa: S608
ACTOR = ACTING.format(session="$1")
STILL = f"""
{ACTOR} AND NOT EXISTS (SELECT FROM desk_session w WHERE w.session = s.id AND w.seen_at <= now() - $2::interval)
"""
# The proof is spent by the statement that looks the actor up: one round trip, whatever the number of workers.
SPENDING = f"""
WITH spent AS ({SPEND.replace("$1", "$2")}), actor AS ({ACTOR})
SELECT actor.*, EXISTS (SELECT FROM spent) AS fresh FROM actor
"""  # noqa: S608
RENEWED = """
SELECT s.*, p.organ, k.jkt FROM session s JOIN person p ON p.id = s.person LEFT JOIN device_key k ON k.id = s.device_key
WHERE s.id = $1 FOR UPDATE OF s
"""
FAILURES = """
SELECT count(*) FILTER (WHERE badge = $1) AS account, count(*) FILTER (WHERE address = $2) AS address
FROM sign_in_attempt WHERE at > now() - $3::interval AND (badge = $1 OR address = $2)
"""
COUNTED = "INSERT INTO sign_in_attempt (badge, address, at) VALUES ($1, $2, now()) RETURNING id"
# Who has a second factor may have guessed codes among the failures: only the right code forgets those.
FORGIVEN = """
DELETE FROM sign_in_attempt a WHERE a.id = $2 OR a.badge = $1 AND NOT EXISTS (
    SELECT FROM second_factor f JOIN person p ON p.id = f.person WHERE p.badge = a.badge AND f.confirmed_at IS NOT NULL)
"""
FAMILIAR = """
SELECT count(*) > 0 FROM session s JOIN person p ON p.id = s.person
WHERE p.badge = $1 AND s.device_key = $2 AND s.opened_at > now() - $3::interval
"""
UNCHANGED = "SELECT person FROM credential WHERE person = $1 AND password_hash = $2 FOR UPDATE"


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose password was right a moment ago, and the attempt that stays counted until it is forgiven.

    `account`: what it counts for; the badge number, or that of one device.
    """

    person: UUID
    account: str
    organ: str
    password_hash: str
    attempt: int


async def spend(proof: Proof) -> None:
    """Take a proof where no actor is looked up. Raises Refusal `proof_replayed`."""
    if await value(SPEND, proof.id) is None:
        raise Refusal("proof_replayed")


async def sign_in(keys: Keys, proof: Proof, badge: str, password: str, address: str, now: datetime) -> Tokens:
    """Open a session on the device whose key made the proof.

    Raises Refusal `device_key_required`, `device_revoked`, `sign_in_refused`, `too_many_attempts`.
    """
    await spend(proof)
    key = _in_use(await first(KEY, proof.jkt))
    home = key["id"] if await value(FAMILIAR, badge, key["id"], law().span("session_life")) else None
    person = await prove(badge, password, address, home)
    session, ends_at = uuid4(), now + law().span("session_life")
    async with tx():
        key = _in_use(await first(f"{KEY} FOR SHARE OF d, k", proof.jkt))  # neither ends before this session stands
        device = key["device"]
        await still_right(person)
        await forgive(person)
        await execute(
            "INSERT INTO session (id, person, device, device_key, opened_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6)",
            session, person.person, device, key["id"], now, ends_at,
        )  # fmt: skip
        await _tell(now, "sessions/open", person.person, person.organ, device, session)
    return _tokens(keys, session, person.person, device, proof.jkt, 1, ends_at, now)


def _in_use(key: Record | None) -> Record:
    if key is None:
        raise Refusal("device_key_required")
    if key["revoked_at"] is not None:
        raise Refusal("device_revoked")
    return key


async def prove(badge: str, password: str, address: str, home: UUID | None = None) -> Proven:
    """Whoever has this badge and password. Raises Refusal `sign_in_refused`, `too_many_attempts`.

    The attempt stays counted: whoever calls takes it away once everything that was asked for is right. `home`: the key
    of a device on which they signed in before; there attempts count for themselves, so that nobody who guesses
    elsewhere closes them out of it.
    """
    account, address = (badge, address) if home is None else (f"{badge} {home}", f"key {home} {badge}")
    attempt = await count_attempt(account, address)
    person = await first(OPEN, badge)
    if not await _matches(person["password_hash"] if person else NOBODY, password) or person is None:
        raise Refusal("sign_in_refused")
    return Proven(
        person=person["id"], account=account, organ=person["organ"], password_hash=person["password_hash"],
        attempt=attempt,
    )  # fmt: skip


async def prove_again(actor: Actor, password: str) -> Proven:
    """The password of whoever is signed in. Raises Refusal `sign_in_refused`, `too_many_attempts`."""
    attempt = await count_attempt(actor.badge, f"session {actor.session}")
    kept = await value("SELECT password_hash FROM credential WHERE person = $1", actor.person)
    if kept is None or not await _matches(kept, password):
        raise Refusal("sign_in_refused")
    return Proven(person=actor.person, account=actor.badge, organ=actor.organ, password_hash=kept, attempt=attempt)


async def still_right(proven: Proven) -> None:
    """That the password was not changed meanwhile; nobody changes it before this transaction ends.

    Raises Refusal `sign_in_refused`.
    """
    if await first(UNCHANGED, proven.person, proven.password_hash) is None:
        raise Refusal("sign_in_refused")


async def forgive(proven: Proven) -> None:
    """The password was right, so this attempt was no failure."""
    await execute(FORGIVEN, proven.account, proven.attempt)


async def refresh(keys: Keys, proof: Proof, token: str, now: datetime) -> Tokens:
    """Spend a refresh token, or retry the one spent last. Raises Refusal `session_ended`, `token_reused`."""
    await spend(proof)
    session, generation = _read_refresh(keys, token)
    async with tx():
        row = await first(RENEWED, session)
        if row is None or await first(ACTOR, session) is None:
            raise Refusal("session_ended")
        reused = row["jkt"] != proof.jkt or generation not in (row["used"], row["used"] + 1)
        if reused:
            await _end(session, "token_reused", now)
            await _tell(now, "sessions/reused", row["person"], row["organ"], row["device"], session)
        elif generation > row["used"]:
            await execute("UPDATE session SET used = $2 WHERE id = $1", session, generation)
    if reused:
        raise Refusal("token_reused")
    return _tokens(keys, session, row["person"], row["device"], proof.jkt, generation + 1, row["ends_at"], now)


async def sign_out(actor: Actor, now: datetime) -> None:
    async with tx():
        await _end(actor.session, "signed_out", now)
        await _tell(now, "sessions/close", actor.person, actor.organ, actor.device, actor.session)


async def change_password(actor: Actor, current: str, new: str, now: datetime) -> None:
    """Set one's own password and end every other session. Raises Refusal `sign_in_refused`, `too_many_attempts`."""
    proven = await prove_again(actor, current)
    hashed = await hash_password(new)
    async with tx():
        await still_right(proven)
        await forgive(proven)
        await set_hash(actor.person, hashed, now, keep=actor.session)
        await _tell(now, "sessions/password", actor.person, actor.organ, actor.device, actor.session)


async def set_hash(person: UUID, hashed: str, now: datetime, keep: UUID | None = None) -> None:
    """Store a password's hash; sessions but `keep` end."""
    await execute(
        "INSERT INTO credential (person, password_hash, changed_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (person) DO UPDATE SET password_hash = $2, changed_at = $3",
        person, hashed, now,
    )  # fmt: skip
    await execute(
        "UPDATE session SET ended_at = $2, end_reason = 'password_changed' "
        "WHERE person = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $3",
        person, now, keep,
    )  # fmt: skip


async def hash_password(password: str) -> str:
    """Raises Refusal `password_too_short`."""
    if len(password) < PASSWORD_FLOOR:
        raise Refusal("password_too_short")
    async with AT_ONCE:
        return await asyncio.to_thread(HASHER.hash, password)


async def actor_of(session: UUID, proof: Proof) -> Actor:
    """Who acts in this session on a device now; the proof is spent.

    Raises Refusal `session_ended` where it or the service has ended, `proof_replayed`, `key_differs`.
    """
    row = await first(SPENDING, session, proof.id)
    actor = as_actor(row, session)
    if row is not None and not row["fresh"]:
        raise Refusal("proof_replayed")
    if row is not None and row["jkt"] != proof.jkt:
        raise Refusal("key_differs")
    return actor


async def still_acting(session: UUID) -> Actor:
    """Who acts in a session that was proved before, and may still be told something.

    Raises Refusal `session_ended`, also of a desk that was idle too long; `device_revoked`.
    """
    actor = as_actor(await first(STILL, session, law().span("desk_idle")), session)
    if actor.quarantined:
        raise Refusal("device_revoked")
    return actor


def as_actor(row: Record | None, session: UUID) -> Actor:
    """The actor of a row of ACTING. Raises Refusal `session_ended` where there is none."""
    if row is None:
        raise Refusal("session_ended")
    roles = tuple(Role(*granted.split(" ", 1)) for granted in row["roles"])
    return Actor(
        person=row["id"], badge=row["badge"], kind=row["kind"], organ=row["organ"], session=session,
        device=row["device"], roles=roles, quarantined=row["quarantined"],
    )  # fmt: skip


class TokenReader:
    """Checks access tokens; a token that held is remembered until it expires, in bounded memory."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[str, Claims] = {}

    def read(self, token: str, now: datetime) -> Claims:
        """Raises Refusal `token_invalid` or `token_expired`."""
        claims = self._known.get(token)
        if claims is None:
            claims = self._verify(token)
            if len(self._known) >= KNOWN_CEILING:
                self._known.clear()
            self._known[token] = claims
        if now.timestamp() > claims.expires_at + law().span("token_leeway").total_seconds():
            self._known.pop(token, None)
            raise Refusal("token_expired")
        return claims

    def _verify(self, token: str) -> Claims:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.session.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise Refusal("token_invalid")
            told = jwt.decode(
                token, key.public_key(), algorithms=[ALGORITHM], audience=ISSUER, issuer=ISSUER,
                options={"verify_exp": False, "require": ["exp", "sid", "sub", "cnf"]},
            )  # fmt: skip
            return Claims(UUID(told["sid"]), float(told["exp"]), str(told["cnf"]["jkt"]))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise Refusal("token_invalid") from error


def _tokens(
    keys: Keys, session: UUID, person: UUID, device: UUID, jkt: str, generation: int, ends_at: datetime, now: datetime
) -> Tokens:
    life = law().span("access_token_life")
    expires = min(now + life, ends_at)
    claims = {
        "iss": ISSUER, "aud": ISSUER, "sub": str(person), "sid": str(session), "did": str(device), "cnf": {"jkt": jkt},
    }  # fmt: skip
    signed = keys.session.sign(
        {**claims, "iat": int(now.timestamp()), "exp": int(expires.timestamp()), "jti": uuid4().hex}, "at+jwt"
    )
    kid, key = keys.refresh.newest()
    return Tokens(
        access_token=signed,
        refresh_token=f"{kid}.{session}.{generation}.{_mac(key, session, generation)}",
        expires_in=int((expires - now).total_seconds()),
        session_ends_at=ends_at.astimezone(UTC),
    )


def _mac(key: bytes, session: UUID, generation: int) -> str:
    return hmac.digest(key, session.bytes + generation.to_bytes(8), hashlib.sha256).hex()


def _read_refresh(keys: Keys, token: str) -> tuple[UUID, int]:
    try:
        kid, family, number, mac = token.split(".")
        session, generation = UUID(family), int(number)
        key = keys.refresh.get(kid)
        if key is None or not hmac.compare_digest(mac.encode(), _mac(key, session, generation).encode()):
            raise Refusal("token_invalid")
    except (ValueError, OverflowError) as error:
        raise Refusal("token_invalid") from error
    return session, generation


async def count_attempt(badge: str, address: str) -> int:
    """Count an attempt before anything is looked at, by the database's clock; its number.

    Raises Refusal `too_many_attempts`.
    """
    window = law().span("sign_in_window")
    async with tx():
        for number, key in ((1, badge), (2, address)):
            await execute("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", key, number)
        failures = await first(FAILURES, badge, address, window)
        ceilings = (law().count("sign_in_failures_per_account"), law().count("sign_in_failures_per_address"))
        if failures is None or failures["account"] >= ceilings[0] or failures["address"] >= ceilings[1]:
            raise Refusal("too_many_attempts", retry_after=int(window.total_seconds()))
        return int(await value(COUNTED, badge, address))


async def forget_attempts() -> None:
    """Attempts that no longer count for anything."""
    await execute("DELETE FROM sign_in_attempt WHERE at < now() - $1::interval", 2 * law().span("sign_in_window"))


async def forget_proofs() -> None:
    """Proofs whose nonce is over by now, whichever server gave it: at the latest after one life and a half."""
    await execute("DELETE FROM proof_seen WHERE at < now() - $1::interval", 3 * law().span("proof_nonce_life"))


async def _matches(hashed: str, password: str) -> bool:
    async with AT_ONCE:
        try:
            return await asyncio.to_thread(HASHER.verify, hashed, password)
        except (VerificationError, InvalidHashError):
            return False


async def _end(session: UUID, reason: str, now: datetime) -> None:
    await execute(
        "UPDATE session SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL", session, now, reason
    )


async def _tell(now: datetime, verb: str, person: UUID, organ: str, device: UUID | None, session: UUID) -> None:
    await journal.append(
        journal.Line(at=now, verb=verb, outcome="done", organ=organ, actor=person, device=device, subjects=[session])
    )
