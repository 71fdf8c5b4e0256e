"""Sessions: who acts, proved once by a password and then by tokens.

Guarantees:
- An attempt is counted before the password is checked (attempts.py).
- A session says whether its person gave a second factor, and when. On a shared device nobody must; what weighs most
  (footage, devices, factors of others) asks for it, or for a device that is registered for that person alone.
- The next refresh token is derived from the session and a number, so a retry gets the same token until it is used.
- A used refresh token, or one sent with another key than its own, ends the session.
- A session on a device is opened, used and renewed only with proofs by the device's key (proofs.py). A proof is
  accepted once, whichever worker gets it.
- Revoking a device ends no session: the session is quarantined from the next request on.
- Who left has a session on a handheld to bring home what they did while they served, and for nothing else.

See docs/adr/0015 and 0038.
"""

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

import jwt
import msgspec

from backend.core import journal
from backend.core.database import Record, execute, first, tx, value
from backend.core.described import PasswordChangeNeeded
from backend.core.keys import ALGORITHM, Keys
from backend.core.officers import TODAY
from backend.core.refusals import Refusal
from backend.core.stints import STINTS, stint_now, stints_of
from backend.core.verb import DOCKS, Actor, Role
from backend.law.catalogue import law
from backend.people import factor
from backend.people.attempts import HASHER, HASHING, forget_attempt, forget_failures, lock_password, prove, prove_again
from backend.people.proofs import Proof
from backend.people.tables import Credential, Session

ISSUER = "fujing"
PASSWORD_FLOOR = 10
VERIFIED_CEILING = 20_000


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """An access token, and the refresh token for the next one."""

    access_token: Annotated[
        str, msgspec.Meta(description="for the header `Authorization: DPoP …`; a JWT bound to the device's key")
    ]
    refresh_token: Annotated[str, msgspec.Meta(description="use it once for the next pair; a retry gets the same pair")]
    expires_in: Annotated[int, msgspec.Meta(description="seconds until the access token expires")]
    session_ends_at: Annotated[datetime, msgspec.Meta(description="when the session ends; then sign in again")]
    token_type: Annotated[str, msgspec.Meta(description="always DPoP")] = "DPoP"  # noqa: S105
    password_change_needed: PasswordChangeNeeded = False


class TokenClaims(msgspec.Struct, frozen=True):
    """The claims of an access token whose signature is valid."""

    session: UUID
    expires_at: float
    jkt: str


KEY_IN_FORCE = """
SELECT k.id, k.device, d.revoked_at FROM device_key k JOIN device d ON d.id = k.device
WHERE k.jkt = $1 AND k.ended_at IS NULL
"""
SPEND = "INSERT INTO proof_seen (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id"
# Who they are today is found in their stints (as_actor): reading person_now would cost every request a third more.
ACTING = f"""
SELECT s.person AS id, s.device, k.jkt, d.revoked_at IS NOT NULL AS quarantined,
    EXISTS (SELECT FROM credential c WHERE c.person = s.person AND c.must_change) AS must_change,
    now() - s.factor_at AS factor_age, k.person IS NOT NULL AND k.person = s.person AS own_device,
    {TODAY} AS today, {STINTS.format(person="s.person")} AS stints, ARRAY(
    SELECT g.role || ' ' || g.organ FROM role_grant g
    WHERE g.person = s.person AND g.valid_from <= {TODAY} AND coalesce(g.valid_until >= {TODAY}, true)
) AS roles
FROM session s LEFT JOIN device d ON d.id = s.device LEFT JOIN device_key k ON k.id = s.device_key
WHERE s.id = {{session}} AND s.ended_at IS NULL AND s.ends_at > now() AND k.ended_at IS NULL
"""  # noqa: S608
ACTOR_OF_SESSION = ACTING.format(session="$1")
STILL_ACTING = f"""
{ACTOR_OF_SESSION} AND NOT EXISTS (
    SELECT FROM desk_session w WHERE w.session = s.id AND w.seen_at <= now() - $2::interval)
"""
# One statement spends the proof and finds the actor: one round trip, and one acceptance among all workers.
SPEND_AND_FIND_ACTOR = f"""
WITH spent AS ({SPEND.replace("$1", "$2")}), actor AS ({ACTOR_OF_SESSION})
SELECT actor.*, EXISTS (SELECT FROM spent) AS fresh FROM actor
"""  # noqa: S608
REFRESHED_SESSION = """
SELECT s.*, p.organ, k.jkt FROM session s JOIN person_now p ON p.id = s.person
LEFT JOIN device_key k ON k.id = s.device_key
WHERE s.id = $1 FOR UPDATE OF s
"""
FAMILIAR = f"""
SELECT count(*) > 0 FROM session s JOIN stint p ON p.person = s.person AND p.during @> {TODAY}
WHERE p.badge = $1 AND s.device_key = $2 AND s.opened_at > now() - $3::interval
"""  # noqa: S608 - constants


async def spend(proof: Proof) -> None:
    """Mark a proof as used, where no actor is looked up. Raises Refusal `proof_replayed`."""
    if await value(SPEND, proof.id) is None:
        raise Refusal("proof_replayed")


async def sign_in(
    keys: Keys, proof: Proof, badge: str, password: str, address: str, now: datetime, code: str | None = None
) -> Tokens:
    """Open a session on the device whose key made the proof. `code`: of the second factor, of a person who has one.

    Raises Refusal `device_key_required`, `device_revoked`, `sign_in_refused`, `too_many_attempts`, `code_refused`.
    """
    key = _usable(await first(KEY_IN_FORCE, proof.jkt))  # first: proofs by keys of strangers are not kept
    await spend(proof)
    familiar = str(key["id"]) if await value(FAMILIAR, badge, key["id"], law().span("session_life")) else None
    person = await prove(badge, password, address, familiar, left_within=law().days("bring_home").at_most)
    session, ends_at = uuid4(), now + law().span("session_life")
    async with tx():
        # Locked: device and key stay in force until the commit.
        key = _usable(await first(f"{KEY_IN_FORCE} FOR SHARE OF d, k", proof.jkt))
        device = key["device"]
        await lock_password(person)
        given = code is not None and await factor.take(keys, person.person, code, now)
        await (forget_failures(person.account) if given else forget_attempt(person))
        await Session.insert(
            Session(
                id=session, person=person.person, device=device, device_key=key["id"], opened_at=now, ends_at=ends_at,
                factor_at=now if given else None,
            )
        )  # fmt: skip
        await _journal(now, "sessions/open", person.person, person.organ, device, session)
    tokens = _tokens(keys, session, person.person, device, proof.jkt, 1, ends_at, now)
    return msgspec.structs.replace(tokens, password_change_needed=person.must_change)


def _usable(key: Record | None) -> Record:
    """Raises Refusal `device_key_required`, `device_revoked`."""
    if key is None:
        raise Refusal("device_key_required")
    if key["revoked_at"] is not None:
        raise Refusal("device_revoked")
    return key


async def refresh(keys: Keys, proof: Proof, token: str, now: datetime) -> Tokens:
    """Use a refresh token, or retry the one used last.

    Raises Refusal `proof_replayed`, `token_invalid`, `session_ended`, `token_reused`.
    """
    session, generation = _read_refresh(keys, token)
    await spend(proof)
    async with tx():
        row = await first(REFRESHED_SESSION, session)
        acting = await first(ACTOR_OF_SESSION, session)
        if row is None or acting is None:
            raise Refusal("session_ended")
        as_actor(acting, session)
        reused = row["jkt"] != proof.jkt or generation not in (row["used"], row["used"] + 1)
        if reused:
            await _end(session, "token_reused", now)
            await _journal(now, "sessions/reused", row["person"], row["organ"], row["device"], session)
        elif generation > row["used"]:
            await Session.update({Session.used: generation}).where(Session.id == session)
    if reused:
        raise Refusal("token_reused")
    tokens = _tokens(keys, session, row["person"], row["device"], proof.jkt, generation + 1, row["ends_at"], now)
    return msgspec.structs.replace(tokens, password_change_needed=acting["must_change"])


async def sign_out(actor: Actor, now: datetime) -> None:
    """End the actor's session."""
    async with tx():
        await _end(actor.session, "signed_out", now)
        await _journal(now, "sessions/close", actor.person, actor.organ, actor.device, actor.session)


async def change_password(actor: Actor, current: str, new: str, now: datetime) -> None:
    """Change the actor's password, and end all their other sessions.

    Raises Refusal `sign_in_refused`, `too_many_attempts`, `password_too_short`; `password_unchanged` where it had to
    be changed and is the same.
    """
    proven = await prove_again(actor, current)
    if actor.must_change_password and new == current:
        raise Refusal("password_unchanged")
    hashed = await hash_password(new)
    async with tx():
        await lock_password(proven)
        await forget_attempt(proven)
        await set_hash(actor.person, hashed, now, keep=actor.session)
        await _journal(now, "sessions/password", actor.person, actor.organ, actor.device, actor.session)


async def set_hash(
    person: UUID, hashed: str, now: datetime, keep: UUID | None = None, *, must_change: bool = False
) -> None:
    """Store a password hash. All sessions of the person end, except `keep`.

    `must_change`: it is to be changed at the next sign-in, before anything else.
    """
    row = Credential(person=person, password_hash=hashed, changed_at=now, must_change=must_change)
    await Credential.insert(row).on_conflict(
        target=Credential.person, action="DO UPDATE",
        values=[Credential.password_hash, Credential.changed_at, Credential.must_change],
    )  # fmt: skip
    await execute(
        "UPDATE session SET ended_at = $2, end_reason = 'password_changed' "
        "WHERE person = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $3",
        person, now, keep,
    )  # fmt: skip


async def hash_password(password: str) -> str:
    """The argon2id hash of a new password. Raises Refusal `password_too_short`."""
    if len(password) < PASSWORD_FLOOR:
        raise Refusal("password_too_short")
    async with HASHING:
        return await asyncio.to_thread(HASHER.hash, password)


async def actor_of(session: UUID, proof: Proof) -> Actor:
    """The actor of a session on a device. The proof is used up.

    Raises Refusal `session_ended`, `proof_replayed`, `key_differs`.
    """
    row = await first(SPEND_AND_FIND_ACTOR, session, proof.id)
    actor = as_actor(row, session)
    if row is not None and not row["fresh"]:
        raise Refusal("proof_replayed")
    if row is not None and row["jkt"] != proof.jkt:
        raise Refusal("key_differs")
    return actor


async def still_acting(session: UUID) -> Actor:
    """The actor of a session that was proved earlier, for an open stream.

    Raises Refusal `session_ended` (also where a desk was idle too long), `device_revoked`, `bring_home_only`.
    """
    actor = as_actor(await first(STILL_ACTING, session, law().span("desk_idle")), session)
    if actor.quarantined:
        raise Refusal("device_revoked")
    if actor.brings_home:
        raise Refusal("bring_home_only")
    return actor


def as_actor(row: Record | None, session: UUID) -> Actor:
    """The actor in a row of ACTING. Who left has no role, and a session on a handheld alone.

    Raises Refusal `session_ended` where there is no row, and where their service has not begun.
    """
    if row is None or row["stints"] is None:
        raise Refusal("session_ended")
    stints, today = stints_of(row["stints"]), row["today"]
    now = stint_now(stints, today)
    left_for = None if now.until is None or now.until >= today else (today - now.until).days
    if now.since > today or (left_for is not None and (row["device"] is None or now.kind in DOCKS)):
        raise Refusal("session_ended")
    roles = () if left_for is not None else tuple(Role(*granted.split(" ", 1)) for granted in row["roles"])
    return Actor(
        person=row["id"], badge=now.badge, kind=now.kind, organ=now.organ, session=session,
        device=row["device"], roles=roles, quarantined=row["quarantined"],
        proved=row["own_device"] or _still_counts(row["factor_age"]), stints=stints,
        left_for=left_for, must_change_password=row["must_change"],
    )  # fmt: skip


def _still_counts(factor_age: timedelta | None) -> bool:
    """Whether a second factor that was given so long ago still counts."""
    return factor_age is not None and factor_age < law().span("second_factor_life")


class TokenReader:
    """Checks access tokens. A valid token is remembered until it expires, in bounded memory.

    It is remembered by what was signed, after its signature was checked: other spellings of the same signature, which
    anybody can make, are checked again and fill nothing.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._verified: dict[str, tuple[str, TokenClaims]] = {}

    def read(self, token: str, now: datetime) -> TokenClaims:
        """The claims of a token. Raises Refusal `token_invalid`, `token_expired`."""
        signed, _, signature = token.rpartition(".")
        known = self._verified.get(signed)
        claims = known[1] if known is not None and known[0] == signature else self._verify(token, now)
        if now.timestamp() > claims.expires_at + law().span("token_leeway").total_seconds():
            self._verified.pop(signed, None)
            raise Refusal("token_expired")
        if known is None:
            if len(self._verified) >= VERIFIED_CEILING:
                self._verified.clear()
            self._verified[signed] = signature, claims
        return claims

    def _verify(self, token: str, now: datetime) -> TokenClaims:
        """The server that made it may have a clock that is ahead by the leeway of terms.toml."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.session.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise Refusal("token_invalid")
            claims = jwt.decode(
                token, key.public_key(), algorithms=[ALGORITHM], audience=ISSUER, issuer=ISSUER,
                options={"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "sid", "sub", "cnf"]},
            )  # fmt: skip
            if float(claims["iat"]) > now.timestamp() + law().span("token_leeway").total_seconds():
                raise Refusal("token_invalid")
            return TokenClaims(UUID(claims["sid"]), float(claims["exp"]), str(claims["cnf"]["jkt"]))
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
    """Session and generation of a refresh token. Raises Refusal `token_invalid`."""
    try:
        kid, family, number, mac = token.split(".")
        session, generation = UUID(family), int(number)
        key = keys.refresh.get(kid)
        if key is None or not hmac.compare_digest(mac.encode(), _mac(key, session, generation).encode()):
            raise Refusal("token_invalid")
    except (ValueError, OverflowError) as error:
        raise Refusal("token_invalid") from error
    return session, generation


async def forget_proofs() -> None:
    """Delete used proofs whose nonce has expired: on every server at the latest after one and a half lives."""
    await execute("DELETE FROM proof_seen WHERE at < now() - $1::interval", 3 * law().span("proof_nonce_life"))


async def _end(session: UUID, reason: str, now: datetime) -> None:
    await Session.update({Session.ended_at: now, Session.end_reason: reason}).where(
        Session.id == session, Session.ended_at.is_null()
    )


async def _journal(now: datetime, verb: str, person: UUID, organ: str, device: UUID | None, session: UUID) -> None:
    await journal.append(
        journal.Line(at=now, verb=verb, outcome="done", organ=organ, actor=person, device=device, subjects=[session])
    )
