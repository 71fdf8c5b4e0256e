"""The people of the bench: auxiliaries and their officers, signed in on their own devices."""

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
from backend.people.roster_files import WITH_DATES, RosterRow
from mobile_api.client.device_key import DeviceKey

STATION = "990100510000"
OFFICER = "B-LEADS"
PASSWORD = "fujing-bench-2026"
CROWD = 64  # people 0 to 63 check in again and again; the other figures use people after them
FILMING, PATROLLING, BESIDE = range(CROWD, CROWD + 3)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # argon2id, quick to verify
TRAINED = ("pre_job_training", "yearly_training", "accident_insurance")
AT_ONCE = 8  # sign-ins at the same time


@dataclass(frozen=True)
class Post:
    """A person's line of the roster: badge, kind, organ."""

    badge: str
    kind: str
    organ: str


@dataclass(frozen=True)
class Person:
    """A signed-in person, with token and device key."""

    id: UUID
    token: str
    key: DeviceKey


def badge(number: int) -> str:
    return f"B-{number:04}"


async def bring_in(count: int) -> UUID:
    """Import auxiliaries 0 to `count` with passwords, and their officer. The officer's id. May be called again."""
    people = [(OFFICER, "officer"), *((badge(number), "duty_auxiliary") for number in range(count))]
    await roster.bring_in([_row("organ", STATION), *(_row("person", code, kind, STATION) for code, kind in people)])
    for code, _ in people[1:]:
        await sessions.set_hash(await roster.person_id_of(code), CHEAP, datetime.now(UTC))
    return await roster.person_id_of(OFFICER)


async def sign_in(settings: Settings, numbers: Sequence[int]) -> list[Person]:
    """Sign each of them in by password, as the API does. Tokens live 15 minutes."""
    keys = Keys(settings.secrets_dir)
    return [await _signed_in(keys, badge(number)) for number in numbers]


async def arrive(settings: Settings, posts: Sequence[Post]) -> list[Person]:
    """Import all of them in one roster; give each a password, a device and a session. Needs an open pool."""
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
    """Enrol a new key on this device by a code."""
    await roster.bring_in([_row("device", serial, "handheld", STATION)])
    return await _keyed(serial)


async def _keyed(serial: str) -> DeviceKey:
    key, now = DeviceKey(), datetime.now(UTC)
    code = (await devices.make_code(serial, now)).code
    await devices.enrol(proof_by(key), code, Jwk(**key.jwk), now)
    return key


def proof_by(key: DeviceKey) -> Proof:
    """A proof by this key, as it is after parsing."""
    return Proof(jkt=key.jkt, jti=uuid4().hex, body_sha256=None, aging=False)


async def _signed_in(keys: Keys, code: str) -> Person:
    return await _opened(keys, code, await enrolled(f"HH-{code}"))


async def _opened(keys: Keys, code: str, key: DeviceKey) -> Person:
    opened = await sessions.sign_in(keys, proof_by(key), code, PASSWORD, "127.0.0.1", datetime.now(UTC))
    return Person(await roster.person_id_of(code), opened.access_token, key)


def _row(record: str, code: str, kind: str = "", organ: str = "") -> RosterRow:
    since = date(2020, 1, 1) if record in WITH_DATES else None
    return RosterRow(record=record, code=code, name="测速", kind=kind, organ=organ, valid_from=since, valid_until=None)
