"""Shifts and check-outs. The constraints are in migrations/versions/fujing_0003_shifts.sql."""

from piccolo.columns import JSONB, UUID, Array, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.people.tables import Organ, Person


class Shift(Table, db=DB):
    """One shift of one person. `ended_at` follows from the check-outs and the next check-in."""

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    duty_type = Text(null=False, default=None)
    started_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=True, default=None)
    ended_by = Text(null=True, default=None)
    in_force = Boolean(null=False, default=None)
    set_aside = Boolean(null=False, default=False)
    dress = Text(null=False, default=None)
    dress_reason = Text(null=True, default=None)
    id_card_carried = Boolean(null=False, default=None)
    equipment = Array(Text(), null=False, default=None)
    vehicle = Text(null=True, default=None)
    ordered_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    roster_post = Text(null=True, default=None)
    place = JSONB(null=True, default=None)


class CheckOut(Table, db=DB):
    """One check-out. The earliest check-out of a shift ends it."""

    id = UUID(primary_key=True, default=None)
    shift = ForeignKey(Shift, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    place = JSONB(null=True, default=None)
