"""Tables of held entries, device numbers and rulings.

Their constraints are in migrations/versions/fujing_0011_sync.sql and 0034.
"""

from piccolo.columns import UUID, Array, BigInt, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.people.tables import Organ, Person


class HeldEntry(Table, db=DB):
    """An entry that is not recorded yet, with its whole content; the content is deleted when it is recorded."""

    id = UUID(primary_key=True, default=None)
    actor = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    session = UUID(null=False, default=None)
    device = UUID(null=True, default=None)
    verb = Text(null=False, default=None)
    content = Text(null=True, default=None)
    despite = Text(null=True, default=None)
    occurred_at = Timestamptz(null=True, default=None)
    sent_at = Timestamptz(null=False, default=None)
    received_at = Timestamptz(null=False, default=None)
    reason = Text(null=False, default=None)
    waiting_for = Array(UUID(), null=False, default=None)
    wakes = Array(UUID(), null=False, default=None)
    until = Timestamptz(null=True, default=None)
    state = Text(null=False, default=None)
    code = Text(null=True, default=None)
    decided_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    decided_at = Timestamptz(null=True, default=None)
    why = Text(null=True, default=None)
    listed_to = Array(Text(), null=False, default=None)
    shown_to = Array(Text(), null=False, default=None)
    decided_by_roles = Array(Text(), null=False, default=None)
    concerned = Array(UUID(), null=False, default=None)


class MatterConcerns(Table, db=DB):
    """Whom an entry is kept from, from its arrival on."""

    entry = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    fact = UUID(null=True, default=None)
    leaders = Boolean(null=False, default=None)
    started_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)
    case_ref = Text(null=True, default=None)


class DeviceEntry(Table, db=DB):
    """The number that a device gave to an entry, and the device's boot moment by that entry."""

    device = UUID(null=False, default=None)
    seq = BigInt(null=False, default=None)
    entry = UUID(null=False, default=None)
    person = UUID(null=False, default=None)
    organ = Text(null=False, default=None)
    seen_at = Timestamptz(null=False, default=None)
    boot_id = UUID(null=True, default=None)
    uptime_ms = BigInt(null=True, default=None)
    booted_at = Timestamptz(null=True, default=None)
    judged = Boolean(null=False, default=False)


class LeftOut(Table, db=DB):
    """What an entry told and was recorded without, as JSON."""

    entry = UUID(null=False, default=None)
    field = Text(null=False, default=None)
    told = Text(null=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)


class DeviceBoot(Table, db=DB):
    """The boot moment of a device, by the server's clock."""

    device = UUID(null=False, default=None)
    boot_id = UUID(null=False, default=None)
    booted_at = Timestamptz(null=False, default=None)


class Ruling(Table, db=DB):
    """A person's decision which of two rows is true."""

    id = UUID(primary_key=True, default=None)
    contested = UUID(null=False, default=None)
    other = UUID(null=False, default=None)
    stands = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    why = Text(null=False, default=None)
