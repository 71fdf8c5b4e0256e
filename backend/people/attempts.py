"""Attempts to sign in: the password checked, and each attempt counted as a failure until it is forgotten.

Guarantees: an attempt is counted before anything is checked. An unknown badge takes as long as a wrong password.
"""

import asyncio
import secrets
from base64 import b64encode
from uuid import UUID

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from backend.core.database import execute, first, rows_touched, tx, value
from backend.core.officers import TODAY
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.law.catalogue import law
from backend.people.tables import Credential, SignInAttempt

HASHER = PasswordHasher()
# Compared with an unknown person's password, at the price of a real hash; random, so that no start pays for one.
HASH_OF_NOBODY = "$argon2id$v=19$m={},t={},p={}${}${}".format(
    HASHER.memory_cost, HASHER.time_cost, HASHER.parallelism,
    *(b64encode(secrets.token_bytes(length)).decode().rstrip("=") for length in (HASHER.salt_len, HASHER.hash_len)),
)  # fmt: skip
HASHING = asyncio.Semaphore(4)  # hashes at the same time; each takes 64 MiB

# Who has the badge, else who had it last and left no longer than $2 days ago. Its holder's alone, also where they have
# no password yet: nobody who had it before signs in by it then.
CREDENTIAL = f"""
SELECT p.id, p.organ, c.password_hash, coalesce(c.must_change, false) AS must_change
FROM person_now p LEFT JOIN credential c ON c.person = p.id
WHERE p.badge = $1 AND p.serves_from <= {TODAY} AND coalesce(p.serves_until >= {TODAY} - $2::integer, true)
ORDER BY p.serves_from DESC LIMIT 1
"""  # noqa: S608
FAILURES = """
SELECT count(*) FILTER (WHERE badge = $1) AS account, count(*) FILTER (WHERE address = $2) AS address
FROM sign_in_attempt WHERE at > now() - $3::interval AND (badge = $1 OR address = $2)
"""
COUNT_ATTEMPT = "INSERT INTO sign_in_attempt (badge, address, at) VALUES ($1, $2, now()) RETURNING id"
# For a person with a second factor only this attempt is deleted: the others may be guesses at the code.
FORGET_ATTEMPT = """
DELETE FROM sign_in_attempt a WHERE a.id = $2 OR a.badge = $1 AND NOT EXISTS (
    SELECT FROM second_factor f WHERE f.person = $3 AND f.confirmed_at IS NOT NULL)
"""
# An account is a badge, or a badge and where it was used.
FORGET_ALL = "DELETE FROM sign_in_attempt WHERE badge = $1 OR starts_with(badge, $1 || ' ')"
LOCK_CREDENTIAL = "SELECT person FROM credential WHERE person = $1 AND password_hash = $2 FOR UPDATE"


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """A person whose password was right, and the attempt, which counts as a failure until it is forgotten.

    `account`: what the attempt counts for: a badge, or a badge on one device. `must_change`: this password is to be
    changed before anything else.
    """

    person: UUID
    account: str
    organ: str
    password_hash: str
    attempt: int
    must_change: bool = False


async def prove(badge: str, password: str, address: str, familiar: str | None = None, left_within: int = 0) -> Proven:
    """The person with this badge and password. Raises Refusal `sign_in_refused`, `too_many_attempts`.

    The attempt stays counted until the caller forgets it. `familiar`: the key of a device, or the number of a browser,
    with which this person signed in before. Attempts there are counted apart, so that guesses made elsewhere do not
    lock the person out. `left_within`: who left no more days ago than that, and whose badge nobody has by now, counts
    too.
    """
    account = badge if familiar is None else f"{badge} {familiar}"
    address = address if familiar is None else f"key {familiar} {badge}"
    attempt = await count_attempt(account, address)
    person = await first(CREDENTIAL, badge, left_within)
    hashed = None if person is None else person["password_hash"]
    if not await _matches(hashed or HASH_OF_NOBODY, password) or person is None or hashed is None:
        raise Refusal("sign_in_refused")
    return Proven(
        person=person["id"], account=account, organ=person["organ"], password_hash=person["password_hash"],
        attempt=attempt, must_change=person["must_change"],
    )  # fmt: skip


async def prove_again(actor: Actor, password: str) -> Proven:
    """Check the password of a signed-in person. Raises Refusal `sign_in_refused`, `too_many_attempts`.

    Attempts are counted for this session alone: guesses of strangers do not close it.
    """
    account = f"{actor.badge} {actor.session}"
    attempt = await count_attempt(account, f"session {actor.session}")
    row = await Credential.select(Credential.password_hash).where(Credential.person == actor.person).first()
    if row is None or not await _matches(row["password_hash"], password):
        raise Refusal("sign_in_refused")
    return Proven(
        person=actor.person, account=account, organ=actor.organ, password_hash=row["password_hash"],
        attempt=attempt,
    )  # fmt: skip


async def lock_password(proven: Proven) -> None:
    """Lock the password until the transaction ends. Raises Refusal `sign_in_refused` where it changed meanwhile."""
    if await first(LOCK_CREDENTIAL, proven.person, proven.password_hash) is None:
        raise Refusal("sign_in_refused")


async def forget_attempt(proven: Proven) -> None:
    """Delete the attempt: the password was right. Without a second factor, delete the earlier failures too."""
    await execute(FORGET_ATTEMPT, proven.account, proven.attempt, proven.person)


async def count_attempt(badge: str, address: str) -> int:
    """Count an attempt, before anything is checked, by the database's clock. Returns its id.

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
        return int(await value(COUNT_ATTEMPT, badge, address))


def code_account(actor: Actor) -> str:
    """What the codes that a person gives in their sessions are counted for."""
    return f"{actor.badge} code"


async def count_code(actor: Actor) -> str:
    """Count a code that a signed-in person gives, in all their sessions together. Returns its account.

    A stranger cannot fill this account: it takes an open session. Raises Refusal `too_many_attempts`.
    """
    account = code_account(actor)
    await count_attempt(account, f"session {actor.session}")
    return account


async def forget_failures(account: str) -> None:
    """Delete all failed attempts of an account: a badge, or a badge somewhere."""
    await SignInAttempt.delete().where(SignInAttempt.badge == account)


async def forget_all_of(badge: str) -> int:
    """Delete every failed attempt of a person, wherever they were made: the account is open. Returns how many."""
    return rows_touched(await execute(FORGET_ALL, badge))


async def forget_attempts() -> None:
    """Delete attempts that no longer count."""
    await execute("DELETE FROM sign_in_attempt WHERE at < now() - $1::interval", 2 * law().span("sign_in_window"))


async def _matches(hashed: str, password: str) -> bool:
    async with HASHING:
        try:
            return await asyncio.to_thread(HASHER.verify, hashed, password)
        except (VerificationError, InvalidHashError):
            return False
