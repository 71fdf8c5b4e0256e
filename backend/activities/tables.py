"""Activities and the entries about them.

The constraints are in migrations/versions/fujing_0007_activities.sql; the functions that derive an activity and find
gaps in migrations/current.
"""

from piccolo.columns import JSONB, UUID, Array, Boolean, ForeignKey, Integer, OnDelete, SmallInt, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.people.tables import Organ, Person


class Activity(Table, db=DB):
    """One work of one person, derived from all its tellings. Only SQL knows `spans`, its time."""

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    work = Text(null=False, default=None)
    case_kind = Text(null=False, default=None)
    case_ref = Text(null=True, default=None)
    incident_ref = Text(null=True, default=None)
    officers_present = Integer(null=True, default=None)
    auxiliaries_present = Integer(null=True, default=None)
    place_kind = Text(null=True, default=None)
    light = Text(null=True, default=None)
    case_asked = Boolean(null=False, default=None)
    emergency = Boolean(null=False, default=None)
    started_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=True, default=None)
    finished = Boolean(null=False, default=None)
    needs_leading = Boolean(null=False, default=None)
    needs_recording = Boolean(null=False, default=None)
    legality = Boolean(null=False, default=None)
    notice_owed = Boolean(null=False, default=None)
    notice_given = Boolean(null=False, default=None)
    needs_insurance = Boolean(null=False, default=None)
    never_refused = Boolean(null=False, default=None)
    equipment = Array(Text(), null=False, default=None)


class ActivityTelling(Table, db=DB):
    """One entry about an activity: start, finish or amendment, and what the law required of the work then."""

    id = UUID(primary_key=True, default=None)
    activity = ForeignKey(Activity, null=False, on_delete=OnDelete.restrict, default=None)
    verb = Text(null=False, default=None)
    at = Timestamptz(null=False, default=None)
    live = Boolean(null=False, default=None)
    started_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)
    work = Text(null=True, default=None)
    needs_leading = Boolean(null=False, default=None)
    needs_recording = Boolean(null=False, default=None)
    legality = Boolean(null=False, default=None)
    notice_owed = Boolean(null=False, default=None)
    needs_insurance = Boolean(null=False, default=None)
    never_refused = Boolean(null=False, default=None)
    equipment = Array(Text(), null=False, default=None)
    insurances = Array(Text(), null=False, default=None)
    case_kind = Text(null=True, default=None)
    case_ref = Text(null=True, default=None)
    incident_ref = Text(null=True, default=None)
    officers_present = Integer(null=True, default=None)
    auxiliaries_present = Integer(null=True, default=None)
    place_kind = Text(null=True, default=None)
    light = Text(null=True, default=None)
    case_asked = Boolean(null=False, default=None)
    emergency = Boolean(null=True, default=None)
    recording = Boolean(null=True, default=None)
    notice_given = Boolean(null=False, default=None)
    notice_told = Text(null=True, default=None)
    place = JSONB(null=True, default=None)
    notes = Text(null=True, default=None)
    why = Text(null=True, default=None)


class Restraint(Table, db=DB):
    """One restraint according to one telling. A later telling may repeat the same `restraint` with its end."""

    id = UUID(primary_key=True, default=None)
    restraint = UUID(null=False, default=None)
    telling = ForeignKey(ActivityTelling, null=False, on_delete=OnDelete.restrict, default=None)
    position = SmallInt(null=False, default=None)
    activity = ForeignKey(Activity, null=False, on_delete=OnDelete.restrict, default=None)
    means = Text(null=False, default=None)
    ordered_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    watcher = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    restrained = Text(null=True, default=None)
    self_protection = Boolean(null=False, default=None)
    started_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=True, default=None)


class GapAccount(Table, db=DB):
    """An answer for a gap: its cause, or another source that covers the time."""

    id = UUID(primary_key=True, default=None)
    activity = ForeignKey(Activity, null=False, on_delete=OnDelete.restrict, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    gap = Text(null=False, default=None)
    cause = Text(null=True, default=None)
    spoken = Boolean(null=True, default=None)
    reported_to = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    covered_by = Text(null=True, default=None)
    source = Text(null=True, default=None)
    colleague = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    words = Text(null=True, default=None)
    started_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=False, default=None)
