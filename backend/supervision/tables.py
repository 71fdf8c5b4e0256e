"""Namings, their answers and ends. The constraints are in migrations/versions/fujing_0004_supervision.sql."""

from typing import Any

from piccolo.columns import JSONB, UUID, Array, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.people.tables import DeviceKey, Organ, Person


class Supervision(Table, db=DB):
    """An auxiliary named an officer as leading. `leads_from` is set once the officer confirmed."""

    id = UUID(primary_key=True, default=None)
    auxiliary = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    officer = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    handed_over_from: ForeignKey[Any] = ForeignKey("self", null=True, on_delete=OnDelete.restrict, default=None)
    started_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=True, default=None)
    ended_by = Text(null=True, default=None)
    in_force = Boolean(null=False, default=None)
    set_aside = Boolean(null=False, default=False)
    answer = Text(null=True, default=None)
    answered_at = Timestamptz(null=True, default=None)
    leads_from = Timestamptz(null=True, default=None)
    place = JSONB(null=True, default=None)


class SupervisionAnswer(Table, db=DB):
    """One answer of the officer. The earliest answer counts."""

    id = UUID(primary_key=True, default=None)
    supervision = ForeignKey(Supervision, null=False, on_delete=OnDelete.restrict, default=None)
    answer = Text(null=False, default=None)
    at = Timestamptz(null=False, default=None)
    leads_from = Timestamptz(null=True, default=None)
    place = JSONB(null=True, default=None)
    proved_by = ForeignKey(DeviceKey, target_column=DeviceKey.jkt, null=True, on_delete=OnDelete.restrict, default=None)


class SupervisionEnd(Table, db=DB):
    """One end of the leading. The earliest end counts."""

    id = UUID(primary_key=True, default=None)
    supervision = ForeignKey(Supervision, null=False, on_delete=OnDelete.restrict, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)


class GivenOrder(Table, db=DB):
    """An entry that names the officer who ordered it. Its id is that of the entry; backend/core/orders.py writes it.

    `codes`: kinds of findings that follow from the order.
    """

    id = UUID(primary_key=True, default=None)
    officer = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    auxiliary = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    verb = Text(null=False, default=None)
    at = Timestamptz(null=False, default=None)
    codes = Array(Text(), null=False, default=None)
    told_at = Timestamptz(null=False, default=None)
    dispute_by = Timestamptz(null=False, default=None)


class OrderDispute(Table, db=DB):
    """The officer says that they gave no such order."""

    id = UUID(primary_key=True, default=None)
    given = ForeignKey(GivenOrder, null=False, on_delete=OnDelete.restrict, default=None)
    words = Text(null=False, default=None)
    at = Timestamptz(null=False, default=None)


class DeclinedOrder(Table, db=DB):
    """An auxiliary declined an order to do what Article 12 forbids (依法不能做)."""

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    officer = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    work = Text(null=False, default=None)
    words = Text(null=True, default=None)
    place = JSONB(null=True, default=None)
    at = Timestamptz(null=False, default=None)
