"""Who is measured: auxiliaries and the officers who order their duty, with open sessions on devices of their own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from argon2 import PasswordHasher

from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.people import devices, roster, sessions
from backend.people.proofs import Jwk, Proof
from backend.people.roster import RosterRow
from mobile_api.client.device_key import DeviceKey

STATION = "990100510000"
OFFICER = "B-LEADS"
PASSWORD = "fujing-bench-2026"
CROWD = 64  # who check in again and again, as nobody does; what else is measured is done by those who come after them
FILMING, PATROLLING, BESIDE = range(CROWD, CROWD + 3)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # argon2id, and quick to check
TRAINED = ("pre_job_training", "yearly_training", "accident_insurance")
AT_ONCE = 8  # people who sign in


@dataclass(frozen=True)
class Post:
    """Who serves where: a line of the roster."""

    badge: str
    kind: str
    organ: str


@dataclass(frozen=True)
class Person:
    """Somebody signed in."""

    id: UUID
    token: str
    key: DeviceKey


def badge(number: int) -> str:
    return f"B-{number:04}"


async def bring_in(count: int) -> UUID:
    """Auxiliaries 0 to `count` with a password, and their officer, whose id is returned. Safe to call again."""
    people = [(OFFICER, "officer"), *((badge(number), "duty_auxiliary") for number in range(count))]
    await roster.bring_in([_row("organ", STATION), *(_row("person", code, kind, STATION) for code, kind in people)])
    for code, _ in people[1:]:
        await sessions.set_hash(await roster.person_id_of(code), CHEAP, datetime.now(UTC))
    return await roster.person_id_of(OFFICER)


async def sign_in(settings: Settings, numbers: Sequence[int]) -> list[Person]:
    """A session each, opened by the password as through the API; the token lives 15 minutes."""
    keys = Keys(settings.secrets_dir)
    return [await _signed_in(keys, badge(number)) for number in numbers]


async def arrive(settings: Settings, posts: Sequence[Post]) -> list[Person]:
    """All of them in one roster, then each with a password, a device of their own and a session. Needs a pool."""
    keys, turns = Keys(settings.secrets_dir), asyncio.Semaphore(AT_ONCE)
    await roster.bring_in(
        [
            *(_row("organ", organ) for organ in {post.organ for post in posts}),
            *(_row("person", post.badge, post.kind, post.organ) for post in posts),
            *(_row("qualification", post.badge, each) for post in posts for each in TRAINED),
            *(_row("device", f"HH-{post.badge}", "handheld", post.organ) for post in posts),
        ]
    )

    async def arrived(post: Post) -> Person:
        async with turns:
            await sessions.set_hash(await roster.person_id_of(post.badge), CHEAP, datetime.now(UTC))
            return await _opened(keys, post.badge, await _keyed(f"HH-{post.badge}"))

    return await asyncio.gather(*(arrived(post) for post in posts))


async def enrolled(serial: str) -> DeviceKey:
    """A new key on this device, by a code as any other."""
    await roster.bring_in([_row("device", serial, "handheld", STATION)])
    return await _keyed(serial)


async def _keyed(serial: str) -> DeviceKey:
    key, now = DeviceKey(), datetime.now(UTC)
    code = (await devices.make_code(serial, now)).code
    await devices.enrol(proof_by(key), code, Jwk(**key.jwk), now)
    return key


def proof_by(key: DeviceKey) -> Proof:
    """A proof as it is once it was read."""
    return Proof(jkt=key.jkt, jti=uuid4().hex, body_sha256=None, aging=False)


async def _signed_in(keys: Keys, code: str) -> Person:
    return await _opened(keys, code, await enrolled(f"HH-{code}"))


async def _opened(keys: Keys, code: str, key: DeviceKey) -> Person:
    opened = await sessions.sign_in(keys, proof_by(key), code, PASSWORD, "127.0.0.1", datetime.now(UTC))
    return Person(await roster.person_id_of(code), opened.access_token, key)


def _row(record: str, code: str, kind: str = "", organ: str = "") -> RosterRow:
    since = date(2020, 1, 1) if record in roster.WITH_DATES else None
    return RosterRow(
        line=2, record=record, code=code, name="测速", kind=kind, organ=organ, valid_from=since, valid_until=None
    )
