"""Time off in lieu. The constraints are in migrations/versions/fujing_0022_hours.sql."""

from piccolo.columns import UUID, Date, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.people.tables import Organ, Person


class TimeOff(Table, db=DB):
    """Time off taken for work on rest days of `month`, in minutes."""

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    month = Date(null=False, default=None)
    on_day = Date(null=False, default=None)
    minutes = Integer(null=False, default=None)
    words = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    withdrawn_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    withdrawn_at = Timestamptz(null=True, default=None)
    withdrawn_why = Text(null=True, default=None)
