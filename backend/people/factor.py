"""The second factor of inspectors and administrators: codes by time (TOTP, RFC 6238).

Guarantees: a code is taken once, also when it comes twice at the same moment; one step of drift either way is
forgiven; the secret lies encrypted, bound to its person, and is told once, while it is being set up; failures count
like wrong passwords. Whoever has a factor gives a code at every desk sign-in, with or without the role that asked.
"""

import hmac
import os
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pyotp
import segno
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backend.core import journal
from backend.core.database import execute, first, rows_touched, tx
from backend.core.keys import Keys
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import law
from backend.people.sessions import count_attempt, prove_again

ASKED_OF = frozenset({"inspector", "administrator"})
STEP = 30  # seconds, and six digits: RFC 6238's own values, the only ones that every authenticator app knows
ISSUER = "Fujing"
NONCE = 12
log = structlog.get_logger()

BEGIN = """
INSERT INTO second_factor AS f (person, kid, secret) VALUES ($1, $2, $3)
ON CONFLICT (person) DO UPDATE SET kid = $2, secret = $3 WHERE f.confirmed_at IS NULL
"""
KEPT = (
    "SELECT kid, secret, confirmed_at, last_step FROM second_factor WHERE person = $1 AND secret IS NOT NULL FOR UPDATE"
)
END_OTHERS = """
UPDATE session s SET ended_at = $2, end_reason = 'revoked' FROM desk_session k
WHERE k.session = s.id AND s.person = $1 AND s.ended_at IS NULL AND s.id IS DISTINCT FROM $3
"""
PERSON_UNDER = """
SELECT p.id, p.organ FROM person p WHERE p.badge = $1 AND p.organ IN (SELECT organs_under($2::text[]))
"""


class NewFactor(msgspec.Struct, frozen=True):
    """A secret for the authenticator app: the address to type or open, and the same as a QR code. Told this once."""

    otpauth_uri: str
    qr_svg: str


def asked_of(actor: Actor) -> bool:
    """Whether a role that this person holds today asks for a second factor."""
    return any(role.role in ASKED_OF for role in actor.roles)


async def begin(keys: Keys, actor: Actor, password: str, now: datetime) -> NewFactor:
    """A new secret, which counts for nothing until it is confirmed; an earlier one not confirmed is forgotten.

    Raises Refusal `sign_in_refused`, `too_many_attempts`, `factor_stands`.
    """
    await prove_again(actor, password)
    secret = pyotp.random_base32()
    kid, sealed = _encrypted(keys, actor.person, secret)
    async with tx():
        await execute("DELETE FROM sign_in_attempt WHERE badge = $1", actor.badge)
        if not rows_touched(await execute(BEGIN, actor.person, kid, sealed)):
            raise Refusal("factor_stands")
        await _tell(now, "me/totp", actor, actor.person, actor.organ)
    uri = pyotp.TOTP(secret).provisioning_uri(name=actor.badge, issuer_name=ISSUER)
    return NewFactor(uri, segno.make(uri, error="m").svg_inline(scale=4))


async def confirm(keys: Keys, actor: Actor, code: str, now: datetime) -> None:
    """The first code: from now on the factor counts, this session has given it, and every other one at a desk ends.

    Raises Refusal `too_many_attempts`, `no_factor_begun`, `factor_stands`, `code_refused`.
    """
    await count_attempt(actor.badge, f"session {actor.session}")
    async with tx():
        kept = await first(KEPT, actor.person)
        if kept is None:
            raise Refusal("no_factor_begun")
        if kept["confirmed_at"] is not None:
            raise Refusal("factor_stands")
        step = _step_of(keys, actor.person, kept, code, now)
        await execute(
            "UPDATE second_factor SET confirmed_at = $2, last_step = $3 WHERE person = $1", actor.person, now, step
        )
        await execute("UPDATE desk_session SET factor_given = true WHERE session = $1", actor.session)
        await execute(END_OTHERS, actor.person, now, actor.session)
        await execute("DELETE FROM sign_in_attempt WHERE badge = $1", actor.badge)
        await _tell(now, "me/totp-confirm", actor, actor.person, actor.organ)


async def take(keys: Keys, person: UUID, code: str | None, now: datetime) -> bool:
    """Take the code of a sign-in, in its transaction; False where this person has no factor to give.

    Raises Refusal `code_needed`, `code_refused`.
    """
    kept = await first(KEPT, person)
    if kept is None or kept["confirmed_at"] is None:
        return False
    if code is None:
        raise Refusal("code_needed")
    step = _step_of(keys, person, kept, code, now)
    await execute("UPDATE second_factor SET last_step = $2 WHERE person = $1", person, step)
    return True


async def reset(actor: Actor, badge: str, now: datetime) -> None:
    """Take the factor from somebody who lost it; they set up another at their next sign-in.

    Raises Refusal `not_for_your_role`, `own_matter`, `unknown_person` where no role of the administrator reaches them.
    """
    reach = [role.organ for role in actor.roles if role.role == "administrator"]
    if not reach:
        raise Refusal("not_for_your_role")
    if badge == actor.badge:
        raise Refusal("own_matter")
    person = await first(PERSON_UNDER, badge, reach)
    if person is None:
        raise Refusal("unknown_person")
    await take_away(person["id"], person["organ"], now, actor)


async def take_away(person: UUID, organ: str, now: datetime, by: Actor | None = None) -> None:
    """Empty the factor, and end every session that this person has at a desk. `by`: nobody, on the server itself."""
    async with tx():
        await execute(
            "UPDATE second_factor SET kid = NULL, secret = NULL, confirmed_at = NULL, last_step = NULL "
            "WHERE person = $1", person,
        )  # fmt: skip
        await execute(END_OTHERS, person, now, None)
        await _tell(now, "people/totp-reset", by, person, organ)


def matching_step(secret: str, code: str, at: float, drift: int, after: int | None) -> int | None:
    """The time step whose code this is, no more than `drift` steps from now and later than `after`. Pure.

    Every step is compared whole, whichever matches.
    """
    here, totp, found = int(at) // STEP, pyotp.TOTP(secret, interval=STEP), None
    for step in range(here - drift, here + drift + 1):
        same = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
        if same and (after is None or step > after):
            found = step
    return found


def _step_of(keys: Keys, person: UUID, kept: Any, code: str, now: datetime) -> int:
    secret = _decrypted(keys, person, kept["kid"], kept["secret"])
    step = matching_step(secret, code, now.timestamp(), law().count("code_drift"), kept["last_step"])
    if step is None:
        raise Refusal("code_refused")
    return step


def _encrypted(keys: Keys, person: UUID, secret: str) -> tuple[str, bytes]:
    """AES-256-GCM, with the person as associated data: copied to another person's row, it opens nothing."""
    kid, key = keys.factor.newest()
    nonce = os.urandom(NONCE)
    return kid, nonce + AESGCM(key).encrypt(nonce, secret.encode(), person.bytes)


def _decrypted(keys: Keys, person: UUID, kid: str, sealed: bytes) -> str:
    """Raises Refusal `code_refused` where the key is gone or the row was altered; only a reset helps then."""
    key = keys.factor.get(kid)
    try:
        if key is None:
            raise InvalidTag
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], person.bytes).decode()
    except InvalidTag:
        log.error("second factor cannot be read", person=str(person), kid=kid)
        raise Refusal("code_refused") from None


async def _tell(now: datetime, verb: str, by: Actor | None, person: UUID, organ: str) -> None:
    actor, device = (by.person, by.device) if by else (None, None)
    await journal.append(
        journal.Line(at=now, verb=verb, outcome="done", organ=organ, actor=actor, device=device, subjects=[person])
    )
