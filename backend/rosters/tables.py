"""Planned shifts and the daily roster.

The constraints are in migrations/versions: fujing_0023_rosters.sql and fujing_0039_things.sql.
"""

from piccolo.columns import JSONB, UUID, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.people.tables import Organ, Person


class PlannedShift(Table, db=DB):
    """A planned shift: who is to be on duty, when, at which post, led by whom."""

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    post = Text(null=False, default=None)
    officer = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    duty_type = Text(null=False, default=None)
    starts_at = Timestamptz(null=False, default=None)
    ends_at = Timestamptz(null=False, default=None)
    place = JSONB(null=True, default=None)
    radius_m = Integer(null=True, default=None)
    planned_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    withdrawn_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    withdrawn_at = Timestamptz(null=True, default=None)
    withdrawn_why = Text(null=True, default=None)


class DutyRoster(Table, db=DB):
    """One row of the daily roster: an organ's duty from when to when. Ended before it began: it never was."""

    id = UUID(primary_key=True, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    starts_at = Timestamptz(null=False, default=None)
    ends_at = Timestamptz(null=False, default=None)
    named_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    ended_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    ended_at = Timestamptz(null=True, default=None)
    ended_why = Text(null=True, default=None)


class DutyRosterPerson(Table, db=DB):
    """One of those who command in a row: the leader (带班领导) or an officer on duty (值班民警)."""

    id = UUID(primary_key=True, default=None)
    duty = ForeignKey(DutyRoster, null=False, on_delete=OnDelete.restrict, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    part = Text(null=False, default=None)
