"""Devices: enrolled with a single-use code and a key of their own; revoked at once; reinstated to be enrolled again.

Guarantees: a code enrols one key on one device, within the code's life. The same code with the same key gets the same
answer again, because an answer may be lost. A key belongs to one device. An old key ends with its sessions, and is kept
to verify what it signed. Every step is in the journal. Codes are stored as digests.
"""

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from backend.core import journal, limits
from backend.core.columns import named
from backend.core.database import Record, execute, fetch, first, tx, value
from backend.core.described import OrganCode
from backend.core.officers import TODAY
from backend.core.paging import Page, as_row
from backend.core.refusals import Refusal
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.wire import Moment
from backend.law.catalogue import law
from backend.people import factor
from backend.people.proofs import Jwk, Proof
from backend.people.schemas import EnterDevice
from backend.people.sessions import spend
from backend.people.tables import Device, DeviceKey, EnrolmentCode

ADMINISTRATOR = "administrator"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
ALIKE = str.maketrans("OIL", "011", "-‐–—−")  # every dash that a keyboard or a word processor makes
CODE_BITS, LETTER_BITS, GROUP = 80, 5, 4
LETTERS = CODE_BITS // LETTER_BITS
CODE_PATTERN = re.compile(f"[{ALPHABET}]{{{LETTERS}}}")

DEVICE_WITH_KEY = """
SELECT d.id, d.serial, d.name, d.kind, d.organ, d.revoked_at, k.jkt, k.enrolled_at, k.person
FROM device d LEFT JOIN device_key k ON k.device = d.id AND k.ended_at IS NULL
"""
BY_SERIAL = f"{DEVICE_WITH_KEY} WHERE d.serial = $1"
REACHED = "d.organ IN (SELECT organs_under($2::text[]))"
DEVICES_PAGE = f"{DEVICE_WITH_KEY} WHERE {REACHED} AND ($1::text IS NULL OR d.serial > $1) ORDER BY d.serial LIMIT $3"
ORGAN_NAME = "SELECT name FROM organ WHERE code = $1 AND code IN (SELECT organs_under($2::text[]))"
TO_ENROL = """
SELECT d.id, d.serial, d.name, d.organ, o.name AS organ_name FROM device d JOIN organ o ON o.code = d.organ
WHERE d.organ IN (SELECT organs_under(ARRAY[$1::text])) AND d.revoked_at IS NULL AND ($3::text IS NULL OR d.serial > $3)
    AND ($2 OR NOT EXISTS (SELECT FROM device_key k WHERE k.device = d.id AND k.ended_at IS NULL))
ORDER BY d.serial LIMIT $4 FOR UPDATE OF d
"""
PUT_DEVICE = """
INSERT INTO device (id, serial, name, kind, organ) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (serial) DO UPDATE SET name = excluded.name, kind = excluded.kind, organ = excluded.organ RETURNING id
"""
PERSON = f"""
SELECT p.id FROM person_now p WHERE p.badge = $1 AND p.kind <> 'dock' AND p.serves_from <= {TODAY}
    AND coalesce(p.serves_until >= {TODAY}, true)
    AND ($2::text[] IS NULL OR p.organ IN (SELECT organs_under($2::text[])))
"""  # noqa: S608 - constants
# Locks the device before its code: making a code and revoking the device lock in the same order.
CODES_DEVICE = "SELECT d.id FROM device d JOIN enrolment_code c ON c.device = d.id WHERE c.digest = $1 FOR UPDATE OF d"
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

    id: Annotated[UUID, msgspec.Meta(description="id of the device")]
    serial: Annotated[str, msgspec.Meta(description="serial number of the device")]
    name: Annotated[str, msgspec.Meta(description="name of the device on the roster")]
    kind: Annotated[str, msgspec.Meta(description="handheld, desk or dock")]
    organ: OrganCode


class DeviceRow(EnrolledDevice, frozen=True, kw_only=True):
    """A device as administrators see it."""

    jkt: Annotated[
        str | None, msgspec.Meta(description="thumbprint (RFC 7638) of the key in force; null: not enrolled")
    ]
    enrolled_at: Annotated[
        Moment | None, msgspec.Meta(description="when the key in force was enrolled; null: not enrolled")
    ]
    revoked_at: Annotated[Moment | None, msgspec.Meta(description="when the device was revoked; null: in service")]
    person: Annotated[
        UUID | None,
        msgspec.Meta(description="for whom alone the device was registered with the key in force; null: shared"),
    ]


class IssuedCode(msgspec.Struct, frozen=True, kw_only=True):
    """A new enrolment code and when it expires."""

    code: str
    expires_at: datetime


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A device and its code, for a card to print."""

    serial: str
    name: str
    organ_name: str
    code: str


class CodeSheet(msgspec.Struct, frozen=True, kw_only=True):
    """The codes of an organ's devices. `more_after`: the last serial number, where there are more devices."""

    organ: str
    organ_name: str
    cards: list[Card]
    made_at: datetime
    expires_at: datetime
    more_after: str | None


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an accepted code."""

    device: Annotated[EnrolledDevice, msgspec.Meta(description="the device that the code was made for")]
    jkt: Annotated[str, msgspec.Meta(description="thumbprint (RFC 7638) of the key now in force")]


def new_code() -> str:
    """80 random bits in Crockford's base32, in groups of four."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LETTERS))
    return "-".join(letters[at : at + GROUP] for at in range(0, LETTERS, GROUP))


def read_code(text: str) -> str | None:
    """The letters of a code as a person typed it, or None. Pure.

    Case, dashes, spaces and full-width signs do not matter; O is read as 0, I and L as 1.
    """
    letters = "".join(unicodedata.normalize("NFKC", text).split()).upper().translate(ALIKE)
    return letters if CODE_PATTERN.fullmatch(letters) else None


def uri_of(url: str, code: str) -> str:
    """The content of the QR code: the server's address and the enrolment code."""
    return "fujing://enrol?" + urlencode({"url": url, "code": code})


async def make_code(serial: str, now: datetime, actor: Actor | None = None, badge: str | None = None) -> IssuedCode:
    """Make a new code for this device; an unused earlier one expires. Without actor: the server's operator makes it.

    `badge`: for whom alone the device is registered by this code; None: it is shared.
    Raises Refusal `not_for_your_role`, `second_factor_needed`, `unknown_device`, `reinstate_first`, `unknown_person`.
    """
    if actor is not None:
        await limits.check_requests(actor)
    async with tx():
        device = await _reached(serial, actor)
        person = None if badge is None else await _person(badge, actor)
        if device["revoked_at"] is not None:
            raise Refusal("reinstate_first")
        return await _issue(device, now, now + law().span("enrolment_code_life"), actor, person)


async def make_sheet(actor: Actor, organ: str, now: datetime, *, again: bool, after: str | None) -> CodeSheet:
    """Make a code for each device of this organ and those below, in order of serial numbers; the codes live longer.

    `again`: also for devices that have a key in force; their keys stay until the code is used. `after`: only for
    serial numbers after this one. Never for a revoked one.
    Raises Refusal `not_for_your_role`, `second_factor_needed`, `unknown_organ`, `no_device_to_enrol`.
    """
    await limits.check_requests(actor)
    reach = administered(actor)
    factor.require(actor)
    most, expires_at = law().count("enrolment_sheet_cards"), now + law().span("enrolment_sheet_life")
    async with tx():
        name = await value(ORGAN_NAME, organ, reach)
        if name is None:
            raise Refusal("unknown_organ")
        devices = await fetch(TO_ENROL, organ, again, after, most + 1)
        if not devices:
            raise Refusal("no_device_to_enrol")
        cards = [
            Card(
                serial=device["serial"], name=device["name"], organ_name=device["organ_name"],
                code=(await _issue(device, now, expires_at, actor, None)).code,
            )
            for device in devices[:most]
        ]  # fmt: skip
    more = cards[-1].serial if len(devices) > most else None
    return CodeSheet(organ=organ, organ_name=name, cards=cards, made_at=now, expires_at=expires_at, more_after=more)


async def enter(occasion: Occasion, entry: EnterDevice) -> Outcome:
    """Enter a device, or change the name, kind and organ of one that is known; both organs are the actor's to
    administer. Raises Refusal `second_factor_needed`, `unknown_organ`, `device_elsewhere`."""
    reach = [role.organ for role in occasion.actor.roles if role.role == ADMINISTRATOR]
    if reach:
        factor.require(occasion.actor)
    if await value(ORGAN_NAME, entry.organ, reach) is None:
        raise Refusal("unknown_organ")
    known = await first("SELECT id, organ FROM device WHERE serial = $1 FOR UPDATE", entry.serial)
    if known is not None and await value(ORGAN_NAME, known["organ"], reach) is None:
        raise Refusal("device_elsewhere")
    device = await value(PUT_DEVICE, entry.id, entry.serial, named(entry.name), entry.kind, entry.organ)
    standing = {"id": str(device), "kind": entry.kind, "organ": entry.organ, "is_new": known is None}
    return Outcome(subject={"device": standing}, subjects=[device], organ=entry.organ)


async def _issue(
    device: Record, now: datetime, expires_at: datetime, actor: Actor | None, person: UUID | None
) -> IssuedCode:  # fmt: skip
    """Make a code for a device that is locked; an unused earlier one expires."""
    code = new_code()
    await _expire_codes(device["id"], now)
    await EnrolmentCode.insert(
        EnrolmentCode(
            digest=_digest(code), device=device["id"], made_by=actor and actor.person, made_at=now,
            expires_at=expires_at, person=person,
        )
    )  # fmt: skip
    await _journal(now, "devices/code", device, actor, person=person)
    return IssuedCode(code=code, expires_at=expires_at.astimezone(UTC))


async def enrol(proof: Proof, code: str, jwk: Jwk, now: datetime) -> Enrolled:
    """Put this key into force on the device of the code.

    Raises Refusal `key_unfit`, `key_differs`, `proof_replayed`, `enrolment_refused`, `key_taken`.
    """
    jwk.public_key()
    if jwk.thumbprint != proof.jkt:
        raise Refusal("key_differs")
    letters = read_code(code)
    if letters is None or await first(CODES_DEVICE, _digest(letters)) is None:
        raise Refusal("enrolment_refused")
    await spend(proof)  # after that: proofs by keys of strangers are not kept
    async with tx():
        if await first(CODES_DEVICE, _digest(letters)) is None:
            raise Refusal("enrolment_refused")
        (code_row,) = await fetch("SELECT * FROM enrolment_code WHERE digest = $1 FOR UPDATE", _digest(letters))
        (device,) = await fetch(f"{DEVICE_WITH_KEY} WHERE d.id = $1", code_row["device"])
        usable = _usable(code_row, device, proof.jkt, now)
        if usable and code_row["used_at"] is None:
            await _put_in_force(device, jwk, code_row["person"], now)
            await EnrolmentCode.update({EnrolmentCode.used_at: now}).where(EnrolmentCode.digest == code_row["digest"])
            await _journal(now, "devices/enrol", device, None, person=code_row["person"], jkt=proof.jkt)
    if not usable:  # a known code that expired or was used: somebody may have copied it
        await _journal(now, "devices/enrol", device, None, "denied", code_row["person"], jkt=proof.jkt)
        raise Refusal("enrolment_refused")
    return Enrolled(device=as_row(EnrolledDevice, device), jkt=proof.jkt)


async def revoke(serial: str, now: datetime, actor: Actor | None = None) -> DeviceRow:
    """Revoke a device. From the next request on it can only sync its entries into quarantine.

    Repeating it changes nothing. Raises Refusal `not_for_your_role`, `second_factor_needed`, `unknown_device`.
    """
    async with tx():
        device = await _reached(serial, actor)
        if device["revoked_at"] is None:
            await Device.update({Device.revoked_at: now}).where(Device.id == device["id"])
            await _expire_codes(device["id"], now)
            await _journal(now, "devices/revoke", device, actor)
    return await _device_row(serial)


async def reinstate(serial: str, now: datetime, actor: Actor | None = None) -> DeviceRow:
    """Let a device that was lost and found be enrolled again.

    Its key ends, with its sessions, because nobody knows who had it meanwhile. Repeating it changes nothing.
    Raises Refusal `not_for_your_role`, `second_factor_needed`, `unknown_device`.
    """
    async with tx():
        device = await _reached(serial, actor)
        if device["revoked_at"] is not None:
            await Device.update({Device.revoked_at: None}).where(Device.id == device["id"])
            await execute(END_KEY, device["id"], now, "reinstated")
            await _journal(now, "devices/reinstate", device, actor)
    return await _device_row(serial)


async def listed(actor: Actor, after: str | None, limit: int) -> Page[DeviceRow]:
    """A page of the devices in the administrator's organs. Raises Refusal `not_for_your_role`."""
    rows = await fetch(DEVICES_PAGE, after, administered(actor), limit + 1)
    last = rows[limit - 1]["serial"] if len(rows) > limit else None
    return Page(items=[DeviceRow(**row) for row in rows[:limit]], next=last)


def administered(actor: Actor) -> Sequence[str]:
    """The organs whose subtrees the actor administers. Raises Refusal `not_for_your_role`."""
    organs = [role.organ for role in actor.roles if role.role == ADMINISTRATOR]
    if not organs:
        raise Refusal("not_for_your_role")
    return organs


async def _reached(serial: str, actor: Actor | None) -> Record:
    """Lock a device that the actor may administer.

    Raises Refusal `not_for_your_role`, `second_factor_needed`, `unknown_device`.
    """
    reach = ("", ()) if actor is None else (f" AND {REACHED}", (administered(actor),))
    if actor is not None:
        factor.require(actor)
    device = await first(f"{BY_SERIAL}{reach[0]} FOR UPDATE OF d", serial, *reach[1])
    if device is None:
        raise Refusal("unknown_device")
    return device


async def _person(badge: str, actor: Actor | None) -> UUID:
    """The person with this badge, in service in the actor's organs. Raises Refusal `unknown_person`."""
    person = await value(PERSON, badge, None if actor is None else administered(actor))
    if person is None:
        raise Refusal("unknown_person")
    return UUID(str(person))


async def _device_row(serial: str) -> DeviceRow:
    row = await first(BY_SERIAL, serial)
    if row is None:
        raise Refusal("unknown_device")
    return DeviceRow(**row)


def _usable(code: Record, device: Record, jkt: str, now: datetime) -> bool:
    """Whether the code may enrol this key: not expired, device not revoked, and not used or used for the same key."""
    in_time = now < code["expires_at"] and device["revoked_at"] is None
    again = device["jkt"] == jkt and device["enrolled_at"] == code["used_at"]
    return in_time and (code["used_at"] is None or again)


async def _put_in_force(device: Record, jwk: Jwk, person: UUID | None, now: datetime) -> None:
    """End the device's key and insert the new one. Raises Refusal `key_taken`."""
    if await DeviceKey.exists().where(DeviceKey.jkt == jwk.thumbprint):
        raise Refusal("key_taken")
    await execute(END_KEY, device["id"], now, "re_enrolled")
    key = DeviceKey(
        device=device["id"], jkt=jwk.thumbprint, jwk=msgspec.json.encode(jwk.public()).decode(), enrolled_at=now,
        person=person,
    )  # fmt: skip
    if not await DeviceKey.insert(key).on_conflict(target=DeviceKey.jkt, action="DO NOTHING"):
        raise Refusal("key_taken")  # another code enrolled it at this moment


async def _expire_codes(device: UUID, now: datetime) -> None:
    """Unused codes of this device cannot be used any more."""
    await EnrolmentCode.update({EnrolmentCode.expires_at: now}).where(
        EnrolmentCode.device == device, EnrolmentCode.used_at.is_null(), EnrolmentCode.expires_at > now
    )


def _digest(code: str) -> str:
    letters = code.replace("-", "")
    return hashlib.sha256(letters.encode()).hexdigest()


async def _journal(
    now: datetime, verb: str, device: Record, actor: Actor | None, outcome: str = "done", person: UUID | None = None,
    **facts: str,
) -> None:  # fmt: skip
    """`person`: for whom alone the device is registered; they are told, as it stands for their second factor."""
    by, own_device = (None, None) if actor is None else (actor.person, actor.device)
    subjects = [device["id"]] if person is None else [device["id"], person]
    line = journal.Line(
        at=now, verb=verb, outcome=outcome, organ=device["organ"], actor=by, device=own_device,
        subjects=subjects, facts=facts,
    )  # fmt: skip
    await journal.append(line)
