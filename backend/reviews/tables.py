"""The tables of reviews and packages. Constraints: migrations/versions/fujing_0028_reviews.sql."""

from typing import Any

from piccolo.columns import UUID, Array, BigInt, Boolean, Date, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.table import Table

from backend.core.database import DB
from backend.evidence.tables import RECORDING
from backend.people.tables import Organ, Person


class Restriction(Table, db=DB):
    """Why footage may be viewed only with the commander's approval."""

    id = UUID(primary_key=True, default=None)
    recording: ForeignKey[Any] = ForeignKey(RECORDING, null=False, on_delete=OnDelete.restrict, default=None)
    category = Text(null=False, default=None)
    words = Text(null=True, default=None)
    marked_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    marked_at = Timestamptz(null=False, default=None)
    lifted_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    lifted_at = Timestamptz(null=True, default=None)
    lifted_why = Text(null=True, default=None)


class SpotCheck(Table, db=DB):
    """A recording that the server drew at random for a spot check."""

    id = UUID(primary_key=True, default=None)
    recording: ForeignKey[Any] = ForeignKey(RECORDING, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    week = Date(null=False, default=None)
    drawn_at = Timestamptz(null=False, default=None)
    due_at = Timestamptz(null=False, default=None)
    done_at = Timestamptz(null=True, default=None)
    done_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    found = Array(Text(), null=True, default=None)


class Review(Table, db=DB):
    """Who views one recording and why, who approved it, and the result."""

    id = UUID(primary_key=True, default=None)
    recording: ForeignKey[Any] = ForeignKey(RECORDING, null=False, on_delete=OnDelete.restrict, default=None)
    wearer = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    organ = ForeignKey(Organ, null=False, on_delete=OnDelete.restrict, default=None)
    reviewer = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    purpose = Text(null=False, default=None)
    number = Text(null=False, default=None)
    about = UUID(null=True, default=None)
    tasked = Boolean(null=False, default=None)
    opened_at = Timestamptz(null=False, default=None)
    over_at = Timestamptz(null=False, default=None)
    needs_approval = Boolean(null=False, default=None)
    decided_by = ForeignKey(Person, null=True, on_delete=OnDelete.restrict, default=None)
    decided_at = Timestamptz(null=True, default=None)
    allowed = Boolean(null=True, default=None)
    decided_why = Text(null=True, default=None)
    closed_at = Timestamptz(null=True, default=None)
    found = Array(Text(), null=True, default=None)
    words = Text(null=True, default=None)
    watch_from = Timestamptz(null=True, default=None)
    watch_until = Timestamptz(null=True, default=None)
    praise = Text(null=True, default=None)


class ReviewNote(Table, db=DB):
    """A reviewer's note about one moment of the footage; `at_ms`: milliseconds from its start."""

    id = UUID(primary_key=True, default=None)
    review = ForeignKey(Review, null=False, on_delete=OnDelete.restrict, default=None)
    at_ms = BigInt(null=False, default=None)
    words = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)


class Viewing(Table, db=DB):
    """A requested range of bytes, or a view copy; how much of it was sent, and the time in the film that was in it."""

    id = UUID(primary_key=True, default=None)
    review = ForeignKey(Review, null=False, on_delete=OnDelete.restrict, default=None)
    what = Text(null=False, default=None)
    first_byte = BigInt(null=True, default=None)
    last_byte = BigInt(null=True, default=None)
    served = BigInt(null=True, default=None)
    began_at = Timestamptz(null=False, default=None)
    ended_at = Timestamptz(null=True, default=None)
    from_ms = BigInt(null=True, default=None)
    to_ms = BigInt(null=True, default=None)


class WatchedStretch(Table, db=DB):
    """A stretch of the film that ran before the reviewer's eyes, in milliseconds. `watching`: the entry that told it,
    `position`: from 1."""

    watching = UUID(null=False, default=None)
    position = Integer(null=False, default=None)
    review = ForeignKey(Review, null=False, on_delete=OnDelete.restrict, default=None)
    from_ms = BigInt(null=False, default=None)
    to_ms = BigInt(null=False, default=None)
    at = Timestamptz(null=False, default=None)


class Package(Table, db=DB):
    """A package that somebody took: what of, by whom, under which review."""

    id = UUID(primary_key=True, default=None)
    kind = Text(null=False, default=None)
    number = Text(null=False, default=None)
    review = ForeignKey(Review, null=True, on_delete=OnDelete.restrict, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    made_at = Timestamptz(null=False, default=None)
    files = Integer(null=False, default=None)
    whole = Boolean(null=True, default=None)


class FindingReply(Table, db=DB):
    """A person's reply to a finding about them."""

    id = UUID(primary_key=True, default=None)
    finding = UUID(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    words = Text(null=False, default=None)
    at = Timestamptz(null=False, default=None)


class FindingTold(Table, db=DB):
    """A finding was told to the person whom it concerns, who may reply until `answer_by`."""

    finding = UUID(primary_key=True, default=None)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    told_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
    answer_by = Timestamptz(null=False, default=None)


class FindingDecision(Table, db=DB):
    """A decision about a finding and what its person replied. The latest counts."""

    id = UUID(primary_key=True, default=None)
    finding = UUID(null=False, default=None)
    accepted = Boolean(null=False, default=None)
    why = Text(null=False, default=None)
    by_person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict, default=None)
    at = Timestamptz(null=False, default=None)
