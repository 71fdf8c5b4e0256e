"""Who is measured: auxiliaries of one station and the officer who orders their duty, with open sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from argon2 import PasswordHasher

from backend.keys import Keys
from backend.people import devices, roster, sessions
from backend.people.proofs import Jwk, Proof
from backend.people.roster import Row
from backend.settings import Settings
from mobile_api.device_key import DeviceKey

STATION = "990100510000"
OFFICER = "B-LEADS"
PASSWORD = "fujing-bench-2026"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # argon2id, and quick to check


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
        await sessions.set_hash(await roster.person_of(code), CHEAP, datetime.now(UTC))
    return await roster.person_of(OFFICER)


async def sign_in(settings: Settings, numbers: Sequence[int]) -> list[Person]:
    """A session each, opened by the password as through the API; the token lives 15 minutes."""
    keys = Keys(settings.secrets_dir)
    return [await _signed_in(keys, badge(number)) for number in numbers]


async def enrolled(serial: str) -> DeviceKey:
    """A new key on this device, by a code as any other."""
    await roster.bring_in([_row("device", serial, "handheld", STATION)])
    key, now = DeviceKey(), datetime.now(UTC)
    code = (await devices.make_code(serial, now)).code
    await devices.enrol(proof_by(key), code, Jwk(**key.jwk), now)
    return key


def proof_by(key: DeviceKey) -> Proof:
    """A proof as it is once it was read."""
    return Proof(jkt=key.jkt, jti=uuid4().hex, body_sha256=None, aging=False)


async def _signed_in(keys: Keys, code: str) -> Person:
    key = await enrolled(f"HH-{code}")
    opened = await sessions.sign_in(keys, proof_by(key), code, PASSWORD, "127.0.0.1", datetime.now(UTC))
    return Person(await roster.person_of(code), opened.access_token, key)


def _row(record: str, code: str, kind: str = "", organ: str = "") -> Row:
    since = date(2020, 1, 1) if record == "person" else None
    return Row(
        line=2, record=record, code=code, name="测速", kind=kind, organ=organ, valid_from=since, valid_until=None
    )
