"""The second factor: time-based codes (TOTP, RFC 6238). Inspectors and administrators must have one at a desk.

Guarantees: a code is accepted once, also when it comes twice at the same moment. The clock may be one step off either
way. The secret is stored encrypted and bound to its person, and shown once, during setup. Failures count like wrong
passwords. Whoever has a factor gives a code at every desk sign-in, also after losing the role that requires it. On a
handheld a code is given with the password or later (`give`), and what a role may do that weighs most asks for it
(`require`). See docs/adr/0035.
"""

import hmac
import os
import unicodedata
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pyotp
import segno
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backend.core import journal, limits
from backend.core.database import execute, first, rows_touched, tx
from backend.core.keys import Keys
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import law
from backend.people.attempts import code_account, count_code, forget_failures, prove_again
from backend.people.tables import DeskSession, SecondFactor, Session

REQUIRED_FOR = frozenset({"inspector", "administrator"})
STEP_SECONDS = 30  # seconds; with six digits, the values of RFC 6238 that every authenticator app supports
ISSUER = "Fujing"
NONCE_BYTES = 12
log = structlog.get_logger()

BEGIN_FACTOR = """
INSERT INTO second_factor AS f (person, kid, secret) VALUES ($1, $2, $3)
ON CONFLICT (person) DO UPDATE SET kid = $2, secret = $3 WHERE f.confirmed_at IS NULL
"""
FACTOR = (
    "SELECT kid, secret, confirmed_at, last_step FROM second_factor WHERE person = $1 AND secret IS NOT NULL FOR UPDATE"
)
# Sessions on devices stay open, and must give the new factor before it counts there.
UNPROVE = "UPDATE session SET factor_at = NULL WHERE person = $1 AND factor_at IS NOT NULL AND ended_at IS NULL"
END_OTHERS = """
UPDATE session s SET ended_at = $2, end_reason = 'revoked' FROM desk_session k
WHERE k.session = s.id AND s.person = $1 AND s.ended_at IS NULL AND s.id IS DISTINCT FROM $3
"""
PERSON_UNDER = """
SELECT p.id, p.organ FROM person_now p WHERE p.badge = $1 AND p.organ IN (SELECT organs_under($2::text[]))
ORDER BY p.serves_from DESC LIMIT 1
"""


class NewFactor(msgspec.Struct, frozen=True):
    """A secret for the authenticator app. It is shown this once."""

    otpauth_uri: Annotated[str, msgspec.Meta(description="the secret, as an address that authenticator apps open")]
    qr_svg: Annotated[str, msgspec.Meta(description="the same address as a QR code: an SVG element")]


def require(actor: Actor) -> None:
    """Require that a second factor was given in this session, or that its device is registered for the actor alone.

    Raises Refusal `second_factor_needed`.
    """
    if not actor.proved:
        raise Refusal("second_factor_needed")


def is_required(actor: Actor) -> bool:
    """Whether a role that this person has today requires a second factor."""
    return any(role.role in REQUIRED_FOR for role in actor.roles)


async def begin(keys: Keys, actor: Actor, password: str, now: datetime) -> NewFactor:
    """Make a new secret. It is not in use until it is confirmed, and replaces an unconfirmed one.

    Raises Refusal `sign_in_refused`, `too_many_attempts`, `factor_stands`.
    """
    await limits.check_requests(actor)
    proven = await prove_again(actor, password)
    secret = pyotp.random_base32()
    kid, sealed = _encrypted(keys, actor.person, secret)
    async with tx():
        await forget_failures(proven.account)
        await forget_failures(code_account(actor))  # they were codes of another secret
        if not rows_touched(await execute(BEGIN_FACTOR, actor.person, kid, sealed)):
            raise Refusal("factor_stands")
        await _journal(now, "me/totp", actor, actor.person, actor.organ)
    uri = pyotp.TOTP(secret).provisioning_uri(name=actor.badge, issuer_name=ISSUER)
    return NewFactor(uri, segno.make(uri, error="m").svg_inline(scale=4))


async def confirm(keys: Keys, actor: Actor, code: str, now: datetime) -> None:
    """Take the first code. The factor is in use from now on; every other desk session of the person ends.

    Raises Refusal `too_many_attempts`, `no_factor_begun`, `factor_stands`, `code_refused`.
    """
    account = await count_code(actor)
    async with tx():
        row = await first(FACTOR, actor.person)
        if row is None:
            raise Refusal("no_factor_begun")
        if row["confirmed_at"] is not None:
            raise Refusal("factor_stands")
        step = _step_of(keys, actor.person, row, code, now)
        await SecondFactor.update({SecondFactor.confirmed_at: now, SecondFactor.last_step: step}).where(
            SecondFactor.person == actor.person
        )
        await execute(END_OTHERS, actor.person, now, actor.session)
        await execute(UNPROVE, actor.person)
        await _given(actor, now)
        await forget_failures(account)
        await _journal(now, "me/totp-confirm", actor, actor.person, actor.organ)


async def give(keys: Keys, actor: Actor, code: str, now: datetime) -> None:
    """Take a code in an open session, which counts as proved from now on.

    Raises Refusal `too_many_attempts`, `no_factor`, `code_refused`.
    """
    await limits.check_requests(actor)
    account = await count_code(actor)
    async with tx():
        if not await take(keys, actor.person, code, now):
            raise Refusal("no_factor")
        await _given(actor, now)
        await forget_failures(account)
        await _journal(now, "sessions/factor", actor, actor.person, actor.organ)


async def _given(actor: Actor, now: datetime) -> None:
    """Keep that the actor gave the second factor in this session."""
    await Session.update({Session.factor_at: now}).where(Session.id == actor.session)
    await DeskSession.update({DeskSession.factor_given: True}).where(DeskSession.session == actor.session)


async def take(keys: Keys, person: UUID, code: str | None, now: datetime) -> bool:
    """Check the code of a sign-in, in its transaction. Returns False where the person has no factor.

    Raises Refusal `code_needed`, `code_refused`.
    """
    row = await first(FACTOR, person)
    if row is None or row["confirmed_at"] is None:
        return False
    if code is None:
        raise Refusal("code_needed")
    step = _step_of(keys, person, row, code, now)
    await SecondFactor.update({SecondFactor.last_step: step}).where(SecondFactor.person == person)
    return True


async def reset(actor: Actor, badge: str, now: datetime) -> None:
    """Remove the factor of a person who lost it. They set up another one at their next sign-in.

    Raises Refusal `not_for_your_role`, `second_factor_needed`, `own_matter`; `unknown_person`, also outside the
    administrator's organs.
    """
    reach = [role.organ for role in actor.roles if role.role == "administrator"]
    if not reach:
        raise Refusal("not_for_your_role")
    require(actor)
    if badge == actor.badge:
        raise Refusal("own_matter")
    person = await first(PERSON_UNDER, badge, reach)
    if person is None:
        raise Refusal("unknown_person")
    await remove(person["id"], person["organ"], now, actor)


async def remove(person: UUID, organ: str, now: datetime, by: Actor | None = None) -> None:
    """Remove the factor, and end every desk session of this person; on devices it counts no more.

    `by`: None on the server's command line.
    """
    async with tx():
        await SecondFactor.update(
            {
                SecondFactor.kid: None,
                SecondFactor.secret: None,
                SecondFactor.confirmed_at: None,
                SecondFactor.last_step: None,
            }
        ).where(SecondFactor.person == person)
        await execute(END_OTHERS, person, now, None)
        await execute(UNPROVE, person)
        await _journal(now, "people/totp-reset", by, person, organ)


def matching_step(secret: str, code: str, at: float, drift: int, after: int | None) -> int | None:
    """The time step of this code: at most `drift` steps from now, and later than `after`. None: no such step. Pure.

    Takes the same time whichever step matches.
    """
    current, totp, match = int(at) // STEP_SECONDS, pyotp.TOTP(secret, interval=STEP_SECONDS), None
    for step in range(current - drift, current + drift + 1):
        same = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
        if same and (after is None or step > after):
            match = step
    return match


def typed(code: str) -> str:
    """The digits of a code as a person typed it: without spaces and dashes, full-width digits narrow. Pure."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", code) if sign.isdigit())


def _step_of(keys: Keys, person: UUID, row: Any, code: str, now: datetime) -> int:
    """The time step of the code. Raises Refusal `code_refused`."""
    secret = _decrypted(keys, person, row["kid"], row["secret"])
    step = matching_step(secret, typed(code), now.timestamp(), law().count("code_drift"), row["last_step"])
    if step is None:
        raise Refusal("code_refused")
    return step


def _encrypted(keys: Keys, person: UUID, secret: str) -> tuple[str, bytes]:
    """AES-256-GCM with the person as associated data: it cannot be decrypted in another person's row."""
    kid, key = keys.factor.newest()
    nonce = os.urandom(NONCE_BYTES)
    return kid, nonce + AESGCM(key).encrypt(nonce, secret.encode(), person.bytes)


def _decrypted(keys: Keys, person: UUID, kid: str, sealed: bytes) -> str:
    """The secret. Raises Refusal `code_refused` where the key is lost or the row was altered: then reset the factor."""
    key = keys.factor.get(kid)
    try:
        if key is None:
            raise InvalidTag
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], person.bytes).decode()
    except InvalidTag:
        log.error("second factor cannot be read", person=str(person), kid=kid)
        raise Refusal("code_refused") from None


async def _journal(now: datetime, verb: str, by: Actor | None, person: UUID, organ: str) -> None:
    actor, device = (by.person, by.device) if by else (None, None)
    await journal.append(
        journal.Line(at=now, verb=verb, outcome="done", organ=organ, actor=actor, device=device, subjects=[person])
    )
