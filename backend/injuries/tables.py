"""Injuries and advances. The constraints are in migrations/versions/fujing_0020_injuries.sql and 0042."""

from typing import Any

from piccolo.columns import (
    JSONB,
    UUID,
    BigInt,
    Boolean,
    Date,
    ForeignKey,
    Integer,
    OnDelete,
    SmallInt,
    Text,
    Timestamptz,
)
from piccolo.columns.reference import LazyTableReference
from piccolo.table import Table

from backend.activities.tables import Activity
from backend.core.database import DB
from backend.people.tables import Organ, Person

DOCUMENT = LazyTableReference("Document", module_path="backend.evidence.tables")


class Injury(Table, db=DB):
    """One accident of one person (工伤). The database gives its running number: by organ that handles it, and year."""

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    handled_in = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    injured_at = Timestamptz(null=False, default=None)
    reported_at = Timestamptz(null=False, default=None)
    fatal = Boolean(null=False, default=None)
    recognition = Text(null=False, default=None)
    apply_by = Timestamptz(null=False, default=None)
    decide_by = Timestamptz(null=True, default=None)
    window_until = Timestamptz(null=False, default=None)
    version = Integer(null=False, default=None)
    number_year = SmallInt(null=False, default=None)
    number = Integer(null=False, default=None)


class InjuryReport(Table, db=DB):
    """One person's report of an injury. Its free text is erased when its term is over."""

    id = UUID(primary_key=True, default=None)
    injury = ForeignKey(Injury, null=False, on_delete=OnDelete.restrict, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    injured_at = Timestamptz(null=False, default=None)
    place = JSONB(null=True, default=None)
    how = Text(null=False, default=None)
    doing = Text(null=False, default=None)
    activity = ForeignKey(Activity, null=True, on_delete=OnDelete.restrict, default=None)
    body_part = Text(null=False, default=None)
    severity = Text(null=False, default=None)
    hospital = Text(null=True, default=None)
    outsiders = Text(null=True, default=None)


class InjuryWitness(Table, db=DB):
    """A colleague who saw the accident."""

    report = ForeignKey(InjuryReport, null=False, on_delete=OnDelete.restrict, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)


class InjuryPaper(Table, db=DB):
    """A photo or paper of the case."""

    injury = ForeignKey(Injury, null=False, on_delete=OnDelete.restrict, default=None)
    document: ForeignKey[Any] = ForeignKey(DOCUMENT, null=False, on_delete=OnDelete.restrict, default=None)
    entry = UUID(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)


class InjuryStep(Table, db=DB):
    """A step on the way to recognition (工伤认定)."""

    id = UUID(primary_key=True, default=None)
    injury = ForeignKey(Injury, null=False, on_delete=OnDelete.restrict, default=None)
    version = Integer(null=False, default=None)
    step = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    on_day = Date(null=False, default=None)
    until_day = Date(null=True, default=None)
    words = Text(null=False, default=None)


class SurvivorItem(Table, db=DB):
    """Something owed to survivors."""

    injury = ForeignKey(Injury, null=False, on_delete=OnDelete.restrict, default=None)
    item = Text(null=False, default=None)
    done_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    done_at = Timestamptz(null=True, default=None)
    words = Text(null=True, default=None)


class AdvanceItem(Table, db=DB):
    """One cost, in fen. The database derives `state` from the amounts."""

    id = UUID(primary_key=True, default=None)
    injury = ForeignKey(Injury, null=False, on_delete=OnDelete.restrict, default=None)
    kind = Text(null=False, default=None)
    requested_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    requested_at = Timestamptz(null=True, default=None)
    requested_fen = BigInt(null=True, default=None)
    words = Text(null=True, default=None)
    first_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    first_at = Timestamptz(null=True, default=None)
    first_fen = BigInt(null=True, default=None)
    decided_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    decided_at = Timestamptz(null=True, default=None)
    approved_fen = BigInt(null=True, default=None)
    decision = Text(null=True, default=None)
    paid_fen = BigInt(null=False, default=None)
    settled_fen = BigInt(null=False, default=None)
    then_what = Text(null=True, default=None)
    then_why = Text(null=True, default=None)
    version = Integer(null=False, default=None)


class AdvancePayment(Table, db=DB):
    """A payment, with its receipt."""

    id = UUID(primary_key=True, default=None)
    item = ForeignKey(AdvanceItem, null=False, on_delete=OnDelete.restrict, default=None)
    fen = BigInt(null=False, default=None)
    receipt: ForeignKey[Any] = ForeignKey(DOCUMENT, null=False, on_delete=OnDelete.restrict, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    words = Text(null=False, default=None)


class AdvanceSettlement(Table, db=DB):
    """Who bears a paid cost, or that it was recovered."""

    id = UUID(primary_key=True, default=None)
    item = ForeignKey(AdvanceItem, null=False, on_delete=OnDelete.restrict, default=None)
    fen = BigInt(null=False, default=None)
    payer = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    words = Text(null=False, default=None)
