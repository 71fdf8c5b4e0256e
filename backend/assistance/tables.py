"""Calls for help and their steps. The constraints are in migrations/versions/fujing_0017_assistance.sql."""

from piccolo.columns import JSONB, UUID, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.people.tables import Organ, Person


class Assistance(Table, db=DB):
    """A call for help.

    `asked_in`: organ whose officers were called last. `ask_again_at`: when to escalate; null: no more.
    """

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    kind = Text(null=False, default=None)
    words = Text(null=True, default=None)
    place = JSONB(null=True, default=None)
    called_at = Timestamptz(null=False, default=None)
    asked_in = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    ask_again_at = Timestamptz(null=True, default=None)
    incident_ref = Text(null=True, default=None)


class AssistanceStep(Table, db=DB):
    """A step about a call: acknowledged, arrived or closed."""

    id = UUID(primary_key=True, default=None)
    call = ForeignKey(Assistance, null=False, on_delete=OnDelete.restrict, default=None)
    step = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    words = Text(null=True, default=None)


class AssistanceCalled(Table, db=DB):
    """A person who was notified of a call. `first`: they commanded the duty, and are rung before the others."""

    id = UUID(primary_key=True, default=None)
    call = ForeignKey(Assistance, null=False, on_delete=OnDelete.restrict, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    first = Boolean(null=False, default=False)
