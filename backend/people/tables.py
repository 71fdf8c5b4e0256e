"""Tables of people, organs, devices and sessions.

Their constraints are in migrations/versions/fujing_0001_people.sql, 0010, 0013, 0018 and 0040.
"""

from typing import Any

from piccolo.columns import (
    JSONB,
    UUID,
    BigInt,
    Boolean,
    Bytea,
    Date,
    ForeignKey,
    Integer,
    OnDelete,
    SmallInt,
    Text,
    Timestamptz,
)
from piccolo.columns.defaults.uuid import UUID4
from piccolo.table import Table

from backend.core.database import DB


class Organ(Table, db=DB):
    """An organ (公安机关) in the tree of organs, by its 12-digit code."""

    code = Text(primary_key=True, default=None)
    name = Text(null=False, default=None)
    parent: ForeignKey[Any] = ForeignKey("self", null=True, on_delete=OnDelete.restrict, default=None)
    depth = SmallInt(null=False, default=None)


class Person(Table, db=DB):
    """A person, or a docking station. Who they are at a time is in their stints."""

    id = UUID(primary_key=True, default=UUID4())


class KindOfPerson(Table, tablename="kind_of_person", db=DB):
    """A kind of person: those of the program, and every kind of auxiliary that a law named since. None is removed."""

    code = Text(primary_key=True, default=None)
    auxiliary = Boolean(null=False, default=None)


class Stint(Table, db=DB):
    """A time in which a person served in one organ, as one kind of person, under one badge and name.

    `kind`: one of kind_of_person. The column `during` (days) is left to SQL, and so is the view person_now, which shows
    each person as they are today.
    """

    id = UUID(primary_key=True, default=UUID4())
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    badge = Text(null=False, default=None)
    name = Text(null=False, default=None)
    kind = ForeignKey(KindOfPerson, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    source = Text(null=False, default=None)


class Credential(Table, db=DB):
    """A person's password hash (argon2id). `must_change`: somebody else knows it, as a first password on a slip."""

    person = ForeignKey(Person, primary_key=True, null=False, on_delete=OnDelete.restrict, default=None)
    password_hash = Text(null=False, default=None, secret=True)
    changed_at = Timestamptz(null=False, default=None)
    must_change = Boolean(null=False, default=False)


class RoleGrant(Table, db=DB):
    """A role on an organ and all below it: commander, treasurer, inspector, administrator. `source`: how it came."""

    id = UUID(primary_key=True, default=UUID4())
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    role = Text(null=False, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    valid_from = Date(null=False, default=None)
    valid_until = Date(null=True, default=None)
    source = Text(null=False, default=None)


class Qualification(Table, db=DB):
    """A qualification or training of a person, with its validity (R.8, R.30)."""

    id = UUID(primary_key=True, default=UUID4())
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    code = Text(null=False, default=None)
    valid_from = Date(null=False, default=None)
    valid_until = Date(null=True, default=None)


class Device(Table, db=DB):
    """A handheld, desk browser or docking station."""

    id = UUID(primary_key=True, default=UUID4())
    serial = Text(null=False, default=None)
    name = Text(null=False, default=None)
    kind = Text(null=False, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    revoked_at = Timestamptz(null=True, default=None)


class DeviceKey(Table, db=DB):
    """A P-256 key of a device, by its RFC 7638 thumbprint. Old keys are kept to verify what they signed.

    `person`: for whom alone the device was registered with this key; null: shared.
    """

    id = UUID(primary_key=True, default=UUID4())
    device = ForeignKey(Device, null=False, on_delete=OnDelete.restrict, default=None)
    jkt = Text(null=False, default=None)
    jwk = JSONB(null=False, default=None)
    enrolled_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=True, default=None)
    end_reason = Text(null=True, default=None)
    person = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)


class EnrolmentCode(Table, db=DB):
    """A single-use enrolment code, by its digest. `made_by`: null where the server's operator made it."""

    digest = Text(primary_key=True, default=None)
    device = ForeignKey(Device, null=False, on_delete=OnDelete.restrict, default=None)
    made_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    made_at = Timestamptz(null=False, default=None)
    expires_at = Timestamptz(null=False, default=None)
    used_at = Timestamptz(null=True, default=None)
    person = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)


class ProofSeen(Table, db=DB):
    """A used proof, by a digest of its key and jti."""

    id = UUID(primary_key=True, default=UUID4())
    at = Timestamptz(null=False, default=None)


class Session(Table, db=DB):
    """A session. `used`: the highest generation of its refresh tokens that was used.

    `factor_at`: when its person last gave a second factor; null: never.
    """

    id = UUID(primary_key=True, default=UUID4())
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    device = ForeignKey(Device, null=True, on_delete=OnDelete.restrict, default=None)
    device_key = ForeignKey(DeviceKey, null=True, on_delete=OnDelete.restrict, default=None)
    used = Integer(null=False, default=0)
    opened_at = Timestamptz(null=False, default=None)
    ends_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=True, default=None)
    end_reason = Text(null=True, default=None)
    factor_at = Timestamptz(null=True, default=None)


class SignInAttempt(Table, db=DB):
    """An attempt to sign in, counted before the password is checked; deleted when it succeeds."""

    badge = Text(null=False, default=None)
    address = Text(null=False, default=None)
    at = Timestamptz(null=False, default=None)


class DeskSession(Table, db=DB):
    """The desk part of a session: the digest of its cookie, and the time of its last request."""

    session = ForeignKey(Session, primary_key=True, null=False, on_delete=OnDelete.restrict, default=None)
    cookie_sha256 = Bytea(null=False, default=None)
    factor_given = Boolean(null=False, default=None)
    seen_at = Timestamptz(null=False, default=None)


class SecondFactor(Table, db=DB):
    """A person's TOTP secret, encrypted by the key `kid`. `last_step`: the time step of the last accepted code."""

    person = ForeignKey(Person, primary_key=True, null=False, on_delete=OnDelete.restrict, default=None)
    kid = Text(null=True, default=None)
    secret = Bytea(null=True, default=None, secret=True)
    confirmed_at = Timestamptz(null=True, default=None)
    last_step = BigInt(null=True, default=None)
