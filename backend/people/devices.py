"""Devices: enrolled once by a single-use code with a key of their own, revoked at once, reinstated to be enrolled anew.

Guarantees: a code enrols one key on one device within its life, whoever else holds it; the same code and key again gets
the same answer, for an answer may be lost; one key never stands for two devices; a former key ends with its sessions
and is kept for what it signed. Everything is in the journal. Codes are kept as digests.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from backend.core import journal
from backend.core.database import Record, execute, fetch, first, tx
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.wire import Moment
from backend.law.catalogue import law
from backend.people.proofs import Jwk, Proof
from backend.people.sessions import spend

ADMINISTRATOR = "administrator"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
ALIKE = str.maketrans("OIL", "011", "- ")
CODE_BITS, LETTER_BITS, GROUP = 80, 5, 4
LETTERS = CODE_BITS // LETTER_BITS
CODE = re.compile(f"[{ALPHABET}]{{{LETTERS}}}")

DEVICES = """
SELECT d.id, d.serial, d.name, d.kind, d.organ, d.revoked_at, k.jkt, k.enrolled_at
FROM device d LEFT JOIN device_key k ON k.device = d.id AND k.ended_at IS NULL
"""
BY_SERIAL = f"{DEVICES} WHERE d.serial = $1"
REACHED = "d.organ IN (SELECT organs_under($2::text[]))"
LISTED = f"{DEVICES} WHERE {REACHED} AND ($1::text IS NULL OR d.serial > $1) ORDER BY d.serial LIMIT $3"
# The device before its codes, as whoever makes one or revokes the device locks them.
CODES_DEVICE = "SELECT d.id FROM device d JOIN enrolment_code c ON c.device = d.id WHERE c.digest = $1 FOR UPDATE OF d"
REPLACED = "UPDATE enrolment_code SET expires_at = $2 WHERE device = $1 AND used_at IS NULL AND expires_at > $2"
END_KEY = """
WITH ended AS (
    UPDATE device_key SET ended_at = greatest($2, enrolled_at), end_reason = $3
    WHERE device = $1 AND ended_at IS NULL RETURNING id
)
UPDATE session SET ended_at = greatest($2, opened_at), end_reason = 're_enrolled'
WHERE ended_at IS NULL AND device_key IN (SELECT id FROM ended)
"""


class EnrolledDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device of the roster."""

    id: Annotated[UUID, msgspec.Meta(description="the device's id")]
    serial: str
    name: Annotated[str, msgspec.Meta(description="what kind of device, as on the roster")]
    kind: Annotated[str, msgspec.Meta(description="handheld, desk or dock")]
    organ: str


class DeviceRow(EnrolledDevice, frozen=True, kw_only=True):
    """A device as administrators see it."""

    jkt: str | None
    enrolled_at: Moment | None
    revoked_at: Moment | None


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """A page of devices."""

    items: Annotated[list[DeviceRow], msgspec.Meta(description="by serial number")]
    next: str | None


class IssuedCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code and until when it can be used."""

    code: str
    expires_at: datetime


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a code that was taken."""

    device: EnrolledDevice
    jkt: str


def new_code() -> str:
    """80 random bits in Crockford's base32, in groups of four."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LETTERS))
    return "-".join(letters[at : at + GROUP] for at in range(0, LETTERS, GROUP))


def read_code(text: str) -> str | None:
    """The code's letters however a person typed them: case, dashes, spaces, O for 0, I and L for 1. Pure."""
    letters = text.upper().translate(ALIKE)
    return letters if CODE.fullmatch(letters) else None


def uri_of(url: str, code: str) -> str:
    """What the QR holds: where the server is, and the code."""
    return "fujing://enrol?" + urlencode({"url": url, "code": code})


async def make_code(serial: str, now: datetime, actor: Actor | None = None) -> IssuedCode:
    """A new code for this device; an earlier one that was not used is over. Nobody as actor: the server's operator.

    Raises Refusal `not_for_your_role`, `unknown_device`, `reinstate_first`.
    """
    code = new_code()
    async with tx():
        device = await _reached(serial, actor)
        if device["revoked_at"] is not None:
            raise Refusal("reinstate_first")
        expires_at = now + law().span("enrolment_code_life")
        await execute(REPLACED, device["id"], now)
        await execute(
            "INSERT INTO enrolment_code (digest, device, made_by, made_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
            _digest(code), device["id"], actor and actor.person, now, expires_at,
        )  # fmt: skip
        await _tell(now, "devices/code", device, actor)
    return IssuedCode(code=code, expires_at=expires_at.astimezone(UTC))


async def enrol(proof: Proof, code: str, jwk: Jwk, now: datetime) -> Enrolled:
    """Put this key into force on the code's device. Raises Refusal `key_unfit`, `key_differs`, `code_refused`,
    `key_taken`."""
    jwk.public_key()
    if jwk.thumbprint != proof.jkt:
        raise Refusal("key_differs")
    await spend(proof)
    kept = read_code(code)
    if kept is None:
        raise Refusal("enrolment_refused")
    async with tx():
        if await first(CODES_DEVICE, _digest(kept)) is None:
            raise Refusal("enrolment_refused")
        (found,) = await fetch("SELECT * FROM enrolment_code WHERE digest = $1 FOR UPDATE", _digest(kept))
        (device,) = await fetch(f"{DEVICES} WHERE d.id = $1", found["device"])
        usable = _usable(found, device, proof.jkt, now)
        if usable and found["used_at"] is None:
            await _put_in_force(device, jwk, now)
            await execute("UPDATE enrolment_code SET used_at = $2 WHERE digest = $1", found["digest"], now)
            await _tell(now, "devices/enrol", device, None, jkt=proof.jkt)
    if not usable:  # a known code that is over: somebody keeps old codes, or looked over a shoulder
        await _tell(now, "devices/enrol", device, None, outcome="denied", jkt=proof.jkt)
        raise Refusal("enrolment_refused")
    row = {name: device[name] for name in EnrolledDevice.__struct_fields__}
    return Enrolled(device=EnrolledDevice(**row), jkt=proof.jkt)


async def revoke(serial: str, now: datetime, actor: Actor | None = None) -> DeviceRow:
    """From the next request on, everywhere, the device opens nothing; what it still holds can be synced into
    quarantine. Again changes nothing. Raises Refusal `not_for_your_role`, `unknown_device`."""
    async with tx():
        device = await _reached(serial, actor)
        if device["revoked_at"] is None:
            await execute("UPDATE device SET revoked_at = $2 WHERE id = $1", device["id"], now)
            await execute(REPLACED, device["id"], now)
            await _tell(now, "devices/revoke", device, actor)
    return await _as_it_stands(serial)


async def reinstate(serial: str, now: datetime, actor: Actor | None = None) -> DeviceRow:
    """A lost device was found: it may be enrolled anew. Nobody knows who had it meanwhile, so its key ends, and with it
    its sessions. Again changes nothing. Raises Refusal `not_for_your_role`, `unknown_device`."""
    async with tx():
        device = await _reached(serial, actor)
        if device["revoked_at"] is not None:
            await execute("UPDATE device SET revoked_at = NULL WHERE id = $1", device["id"])
            await execute(END_KEY, device["id"], now, "reinstated")
            await _tell(now, "devices/reinstate", device, actor)
    return await _as_it_stands(serial)


async def listed(actor: Actor, after: str | None, limit: int) -> Devices:
    """The devices of the organs that the administrator reaches. Raises Refusal `not_for_your_role`."""
    rows = await fetch(LISTED, after, _roots(actor), limit + 1)
    last = rows[limit - 1]["serial"] if len(rows) > limit else None
    return Devices(items=[DeviceRow(**row) for row in rows[:limit]], next=last)


def _roots(actor: Actor) -> Sequence[str]:
    """The organs whose subtrees the actor administers. Raises Refusal `not_for_your_role`."""
    organs = [role.organ for role in actor.roles if role.role == ADMINISTRATOR]
    if not organs:
        raise Refusal("not_for_your_role")
    return organs


async def _reached(serial: str, actor: Actor | None) -> Record:
    """The device, locked, where the actor may administer it."""
    reach = ("", ()) if actor is None else (f" AND {REACHED}", (_roots(actor),))
    device = await first(f"{BY_SERIAL}{reach[0]} FOR UPDATE OF d", serial, *reach[1])
    if device is None:
        raise Refusal("unknown_device")
    return device


async def _as_it_stands(serial: str) -> DeviceRow:
    row = await first(BY_SERIAL, serial)
    if row is None:
        raise Refusal("unknown_device")
    return DeviceRow(**row)


def _usable(code: Record, device: Record, jkt: str, now: datetime) -> bool:
    """Whether the code enrols this key: in time, on a device in service, for the first time or the same key again."""
    in_time = now < code["expires_at"] and device["revoked_at"] is None
    again = device["jkt"] == jkt and device["enrolled_at"] == code["used_at"]
    return in_time and (code["used_at"] is None or again)


async def _put_in_force(device: Record, jwk: Jwk, now: datetime) -> None:
    if await first("SELECT id FROM device_key WHERE jkt = $1", jwk.thumbprint) is not None:
        raise Refusal("key_taken")
    await execute(END_KEY, device["id"], now, "re_enrolled")
    put = await first(
        "INSERT INTO device_key (device, jkt, jwk, enrolled_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (jkt) DO NOTHING RETURNING id",
        device["id"], jwk.thumbprint, msgspec.json.encode(jwk.public()).decode(), now,
    )  # fmt: skip
    if put is None:  # by another code, at this very moment
        raise Refusal("key_taken")


def _digest(code: str) -> str:
    letters = code.replace("-", "")
    return hashlib.sha256(letters.encode()).hexdigest()


async def _tell(
    now: datetime, verb: str, device: Record, actor: Actor | None, outcome: str = "done", **facts: str
) -> None:
    person, through = (None, None) if actor is None else (actor.person, actor.device)
    line = journal.Line(
        at=now, verb=verb, outcome=outcome, organ=device["organ"], actor=person, device=through,
        subjects=[device["id"]], facts=facts,
    )  # fmt: skip
    await journal.append(line)
