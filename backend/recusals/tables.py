"""Recusals and their steps. The constraints are in migrations/versions/fujing_0015_recusals.sql, 0051 and 0055."""

from typing import Any

from piccolo.columns import UUID, Boolean, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.columns.reference import LazyTableReference
from piccolo.table import Table

from backend.activities.tables import Activity
from backend.core.database import DB
from backend.people.tables import Organ, Person
from backend.shifts.tables import Shift

DOCUMENT = LazyTableReference("Document", module_path="backend.evidence.tables")


class Recusal(Table, db=DB):
    """A recusal of one auxiliary, from a case, a shift, an act, a mediation or in an incident, after its steps."""

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    case_ref = Text(null=True, default=None)
    case_kind = Text(null=True, default=None)
    shift: ForeignKey[Any] = ForeignKey(Shift, null=True, on_delete=OnDelete.restrict, default=None)
    activity: ForeignKey[Any] = ForeignKey(Activity, null=True, on_delete=OnDelete.restrict, default=None)
    mediation = Text(null=True, default=None)
    incident_ref = Text(null=True, default=None)
    capacity = Text(null=False, default=None)
    applicant = Text(null=True, default=None)
    oral = Boolean(null=False, default=None)
    ground = Text(null=False, default=None)
    words = Text(null=False, default=None)
    taken_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    asked_at = Timestamptz(null=False, default=None)
    decided_in = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    state = Text(null=False, default=None)
    due_at = Timestamptz(null=True, default=None)
    version = Integer(null=False, default=None)


class RecusalStep(Table, db=DB):
    """A step about a recusal. `version`: of the recusal after this step."""

    id = UUID(primary_key=True, default=None)
    recusal = ForeignKey(Recusal, null=False, on_delete=OnDelete.restrict, default=None)
    version = Integer(null=False, default=None)
    step = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    words = Text(null=False, default=None)
    how = Text(null=True, default=None)
    organ = ForeignKey(Organ, null=True, on_delete=OnDelete.restrict, default=None)


class RecusalAct(Table, db=DB):
    """The decision whether an earlier act on the case stands."""

    id = UUID(primary_key=True, default=None)
    step = ForeignKey(RecusalStep, null=False, on_delete=OnDelete.restrict, default=None)
    activity = ForeignKey(Activity, null=False, on_delete=OnDelete.restrict, default=None)
    stands = Boolean(null=False, default=None)
    words = Text(null=False, default=None)


class RecusalPaper(Table, db=DB):
    """A paper that came with the request, or with the application for a second decision."""

    id = UUID(primary_key=True, default=None)
    recusal = ForeignKey(Recusal, null=False, on_delete=OnDelete.restrict, default=None)
    document: ForeignKey[Any] = ForeignKey(DOCUMENT, null=False, on_delete=OnDelete.restrict, default=None)
