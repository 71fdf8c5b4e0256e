"""Complaints and matters. The constraints are in migrations/versions/fujing_0021_complaints.sql, 0046, 0051, 0052
and 0055."""

from typing import Any

from piccolo.columns import JSONB, UUID, Boolean, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.columns.reference import LazyTableReference
from piccolo.table import Table

from backend.core.database import DB
from backend.evidence.tables import Upload
from backend.people.tables import Organ, Person
from backend.shifts.tables import Shift

DOCUMENT = LazyTableReference("Document", module_path="backend.evidence.tables")


class Complaint(Table, db=DB):
    """A complaint or report (投诉举报) about an auxiliary, a shift, or a place and time."""

    id = UUID(primary_key=True, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    channel = Text(null=False, default=None)
    anonymous = Boolean(null=False, default=None)
    complainant = Text(null=True, default=None)
    contact = Text(null=True, default=None)
    words = Text(null=False, default=None)
    case_ref = Text(null=True, default=None)
    shift: ForeignKey[Any] = ForeignKey(Shift, null=True, on_delete=OnDelete.restrict, default=None)
    place = JSONB(null=True, default=None)
    radius_m = Integer(null=True, default=None)
    started_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=False, default=None)
    taken_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    received_at = Timestamptz(null=False, default=None)
    notice_by = Timestamptz(null=False, default=None)
    end_by = Timestamptz(null=True, default=None)
    noticed_at = Timestamptz(null=True, default=None)
    outcome = Text(null=True, default=None)
    concluded_at = Timestamptz(null=True, default=None)
    fed_back_at = Timestamptz(null=True, default=None)
    unheard_why = Text(null=True, default=None)
    appeal_to: ForeignKey[Any] = ForeignKey(Organ, null=True, on_delete=OnDelete.restrict, default=None)
    version = Integer(null=False, default=None)
    kind = Text(null=True, default=None)
    accepted_at = Timestamptz(null=True, default=None)
    extended_from = Timestamptz(null=True, default=None)
    extension_told_at = Timestamptz(null=True, default=None)


class ComplaintPerson(Table, db=DB):
    """An auxiliary complained of."""

    id = UUID(primary_key=True, default=None)
    complaint = ForeignKey(Complaint, null=False, on_delete=OnDelete.restrict, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)


class ComplaintPaper(Table, db=DB):
    """A letter or paper that came with a complaint."""

    id = UUID(primary_key=True, default=None)
    complaint = ForeignKey(Complaint, null=False, on_delete=OnDelete.restrict, default=None)
    document: ForeignKey[Any] = ForeignKey(DOCUMENT, null=False, on_delete=OnDelete.restrict, default=None)


class ComplaintStep(Table, db=DB):
    """A step about a complaint. `version`: of the complaint after this step."""

    id = UUID(primary_key=True, default=None)
    complaint = ForeignKey(Complaint, null=False, on_delete=OnDelete.restrict, default=None)
    version = Integer(null=False, default=None)
    step = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    words = Text(null=False, default=None)
    how = Text(null=True, default=None)
    until_at = Timestamptz(null=True, default=None)
    kind = Text(null=True, default=None)
    asked_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)


class Hearing(Table, db=DB):
    """A person complained of was told the substance, and may answer."""

    id = UUID(primary_key=True, default=None)
    complaint = ForeignKey(Complaint, null=False, on_delete=OnDelete.restrict, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    substance = Text(null=False, default=None)
    heard_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    told_at = Timestamptz(null=False, default=None)
    answer_by = Timestamptz(null=False, default=None)


class HearingStatement(Table, db=DB):
    """What the person complained of says to it."""

    id = UUID(primary_key=True, default=None)
    hearing = ForeignKey(Hearing, null=False, on_delete=OnDelete.restrict, default=None)
    words = Text(null=False, default=None)
    at = Timestamptz(null=False, default=None)


class Matter(Table, db=DB):
    """A suggestion, an appeal, or harassment, raised by the person concerned."""

    id = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    kind = Text(null=False, default=None)
    against = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    of_relative = Boolean(null=False, default=None)
    words = Text(null=False, default=None)
    raised_at = Timestamptz(null=False, default=None)
    answer_by = Timestamptz(null=False, default=None)
    answered_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    answered_at = Timestamptz(null=True, default=None)
    answer = Text(null=True, default=None)


class MatterCase(Table, db=DB):
    """What is known of the police case that a harassment matter became; the last row of a matter counts."""

    id = UUID(primary_key=True, default=None)
    matter = ForeignKey(Matter, null=False, on_delete=OnDelete.restrict, default=None)
    case_ref = Text(null=False, default=None)
    state = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    words = Text(null=False, default=None)


class MatterPaper(Table, db=DB):
    """A paper that came with a matter or with its answer."""

    id = UUID(primary_key=True, default=None)
    matter = ForeignKey(Matter, null=False, on_delete=OnDelete.restrict, default=None)
    document: ForeignKey[Any] = ForeignKey(DOCUMENT, null=False, on_delete=OnDelete.restrict, default=None)


class MatterRecording(Table, db=DB):
    """A recording linked to a matter."""

    id = UUID(primary_key=True, default=None)
    matter = ForeignKey(Matter, null=False, on_delete=OnDelete.restrict, default=None)
    recording: ForeignKey[Any] = ForeignKey(Upload, null=False, on_delete=OnDelete.restrict, default=None)
