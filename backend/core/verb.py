"""A verb: one kind of entry, who may send it, and the function that records it with its arguments and result.

Pure: no database, and no clock of its own.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.core.described import OrganCode, RoleName
from backend.core.findings import Touched
from backend.core.refusals import Refusal, RuleRefusal
from backend.core.roles import ADMINISTERING, OVERSEEING
from backend.core.stints import Stint, served_at, stint_at
from backend.core.wire import EARLIEST, Despite, Entry, Receipt
from backend.law.catalogue import Law
from backend.law.regulation import BUILT_IN_PARTS


class Role(msgspec.Struct, frozen=True):
    """A role on an organ. It reaches all organs below it."""

    role: RoleName
    organ: OrganCode


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The person of a session, with the device, organ, kind and roles of this moment.

    `stints`: where they served and as what, before and after too. A fact belongs to the organ of its moment.
    `left_for`: days since their service ended; None: they serve today. Who left brings home what they hold, no more.
    `quarantined`: the device is revoked; its entries are taken by sync only, and held for a person to decide.
    `proved`: a second factor was given in this session not long ago, or its device is registered for this person alone.
    `must_change_password`: until then nothing else is open to them.
    """

    person: UUID
    badge: str
    kind: str
    organ: str
    session: UUID
    device: UUID | None = None
    roles: tuple[Role, ...] = ()
    quarantined: bool = False
    proved: bool = False
    must_change_password: bool = False
    stints: tuple[Stint, ...] = ()
    left_for: int | None = None

    @property
    def brings_home(self) -> bool:
        """Whether their service ended: they may send what they did while they served, and nothing else."""
        return self.left_for is not None

    def may_tell_of(self, at: datetime, days: int) -> bool:
        """Whether what happened then is taken: they serve today, or they served then and left no more days ago."""
        return self.left_for is None or (self.left_for <= days and served_at(self.stints, at))

    def organ_at(self, at: datetime) -> str:
        """The organ in which they served at this moment, or next to it."""
        return stint_at(self.stints, at).organ if len(self.stints) > 1 else self.organ

    def kind_at(self, at: datetime) -> str:
        """As what they served at this moment, or next to it."""
        return stint_at(self.stints, at).kind if len(self.stints) > 1 else self.kind


Source = Literal["clock", "uptime", "receipt"]  # what told the moment of an entry
CLOCK_DOUBTFUL, CLOCK_MOVED = "clock_doubtful", "clock_moved"  # findings: a time that cannot be; a clock that was set


class Timing(msgspec.Struct, frozen=True):
    """When an entry happened by the server's clock, and when it came. `skew`: server's clock minus device's clock.

    `held_until`: when an entry that was held is recorded at last; None for any other. `source`: what told the moment:
    the device's clock; its uptime, where the clock was moved since; or the receipt, where the clock cannot be right.
    `correction`: what is added to a time of the entry by the device's clock. `told`: the told time by the server's
    clock, whether it can be right or not; None where there is no such time. `latest`: when it happened at the latest.
    """

    occurred_at: datetime
    received_at: datetime
    skew: timedelta
    late: bool
    held_until: datetime | None = None
    source: Source = "clock"
    correction: timedelta = timedelta()
    told: datetime | None = None
    latest: datetime | None = None

    @property
    def as_of(self) -> datetime:
        """Evaluation time of rules that depend on time: when the entry is recorded."""
        return self.held_until or self.received_at


class Occasion(msgspec.Struct, frozen=True):
    """What a verb's function gets besides the entry: who sent it, when, the law, and `despite`.

    `admitted`: a person decided to record it, although a revoked device sent or signed it. `doubts`: codes of findings
    about its times that come up while it is recorded.
    """

    actor: Actor
    timing: Timing
    law: Law
    despite: Despite | None
    admitted: bool = False
    doubts: set[str] = msgspec.field(default_factory=set)

    @property
    def at(self) -> datetime:
        """When it happened, by the server's clock."""
        return self.timing.occurred_at

    @property
    def organ(self) -> str:
        """The organ of the fact: the one in which its actor served when it happened."""
        return self.actor.organ_at(self.at)

    def require(self, unmet: Sequence[str]) -> tuple[str, ...]:
        """Check the rules, before any write. Returns the unmet ones, which become findings.

        Raises RuleRefusal for a live entry without `despite`.
        """
        if unmet and not self.timing.late and self.despite is None:
            raise RuleRefusal(unmet)
        return tuple(unmet)

    def not_before(self, moment: datetime, *, or_by_receipt: bool = True) -> datetime:
        """When it happened, but not before `moment`. Clocks may differ by less than `skew_floor`.

        Where it is told to have happened earlier than that, a clock was wrong: then it happened when it was received,
        or at `moment` where its uptime told the time or with `or_by_receipt` False. That is a finding, no refusal.
        """
        if self.at >= moment - self.law.span("skew_floor"):
            return max(self.at, moment)
        self.doubts.add(CLOCK_DOUBTFUL)
        if not or_by_receipt or self.timing.source == "uptime":
            return moment
        return max(moment, self.timing.latest or self.timing.received_at)

    def corrected(self, moment: datetime) -> datetime:
        """Correct a past moment from the device to the server's clock; never later than the entry itself.

        A moment that cannot be, or lies after the entry, is the entry's own, with a finding.
        """
        return self.stated(moment) or self.at

    def stated(self, moment: datetime) -> datetime | None:
        """The same; None, with a finding, where the moment cannot be."""
        try:
            at = (moment + self.timing.correction).astimezone(UTC)
            ahead = at > self.at + self.law.span("skew_floor")
        except OverflowError:
            at, ahead = None, True
        if at is None or ahead or at < EARLIEST:
            self.doubts.add(CLOCK_DOUBTFUL)
            return None
        return min(at, self.at)

    def require_live_state(self, holds: bool, code: str) -> bool:
        """Refuse a live entry that conflicts with the current state. Returns `holds`: whether there is no conflict.

        Raises Refusal `code`, also for an entry with `despite`.
        """
        if not holds and not self.timing.late:
            raise Refusal(code)
        return holds


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a verb's function.

    `subject`: the verb's part of the receipt; it goes into the journal, so it holds only ids, codes, times and digests.
    `subjects`: ids of the facts and persons that the entry is about. `organ`: whose overseers may see it.
    `unmet`: rules not met, to be flagged. `findings`: codes of findings already flagged. `touches`: whose findings
    about intervals must be computed again.
    """

    subject: dict[str, Any]
    subjects: Sequence[UUID]
    organ: str
    unmet: Sequence[str] = ()
    findings: Sequence[str] = ()
    touches: Touched | None = None


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an entry, before translation. `wakes`: held entries that may be recorded now."""

    id: UUID
    received_at: datetime
    findings: Sequence[str]
    subject: dict[str, Any]
    replayed: bool
    wakes: Sequence[UUID] = ()


Record = Callable[[Occasion, Any], Awaitable[Outcome]]
Concerned = Callable[[Actor, Any], Awaitable[Iterable[UUID]]]


async def only_the_actor(actor: Actor, entry: Any) -> Iterable[UUID]:
    """The entry changes facts of nobody but the actor."""
    return (actor.person,)


class HeldConcern(msgspec.Struct, frozen=True, kw_only=True):
    """Whom or what an entry is about, while it is held.

    `organ`: the organ of the fact; None: the organ of the person who made the entry. `person`: to this person the entry
    does not exist. `fact`: id of a shift or a matter, whose person or opponent is meant by `person`. `leaders`: it
    does not exist either for the officers who led that person from `started_at` to `ended_at`, or during the shift.
    `case_ref`: nor for persons who were recused from this case.
    """

    organ: str | None = None
    person: UUID | None = None
    fact: UUID | None = None
    leaders: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    case_ref: str | None = None


def when_made(entry: Any) -> datetime:
    """When the entry was made, by the device's clock."""
    at: datetime = entry.occurred_at
    return at


async def nobody_concerned(actor: Actor, entry: Any) -> HeldConcern:
    """The entry is kept from nobody, and belongs to the organ of the person who made it."""
    return HeldConcern()


def nobody_named(entry: Any) -> Iterable[UUID]:
    """The entry names nobody whose own matter it is."""
    return ()


class HeldRule(msgspec.Struct, frozen=True, kw_only=True):
    """Who may see an entry of a verb while it is held, and who may decide about it.

    `listed_to`: roles that find it in the list. `shown_to`: roles that read its words. `decided_by`: roles that admit
    or refuse it. Each role must be on the organ of the fact or above. `named`: officers whom the entry names,
    besides one who ordered it: it is their own matter, so they do not decide about it. `about`: whom it is kept from,
    whatever role they have. The default is the rule for facts that commanders and inspectors may read.
    """

    listed_to: frozenset[str] = OVERSEEING | ADMINISTERING
    shown_to: frozenset[str] = OVERSEEING
    decided_by: frozenset[str] = OVERSEEING
    named: Callable[[Any], Iterable[UUID]] = nobody_named
    about: Callable[[Actor, Any], Awaitable[HeldConcern]] = nobody_concerned


# Who gets a journal row in the feed.
# readers: the persons concerned, their overseers, and the officers who led at that time.
# concerned: the persons concerned only, for example because a paper may be a diagnosis.
# actor: who did it.
# administrators: the persons concerned, and the administrators and inspectors of the organ or above; of a line without
# an organ, which is about the whole house, all of them. For what an operator of the server does.
# nobody: for example because the person concerned is complained of, or because a list shows it.
ToldTo = Literal["readers", "concerned", "actor", "administrators", "nobody"]

AUXILIARY = "auxiliary"  # whoever the law calls one, of whatever kind
AUXILIARIES = frozenset({AUXILIARY})
OFFICERS = frozenset({"officer"})
FIELD = AUXILIARIES | OFFICERS
DOCKS = frozenset({"dock"})
DECIDERS = OFFICERS | {"staff"}  # they also need the role on the organ concerned


def part_of(kind: str) -> str:
    """What a person of this kind is to the program: officer, staff, dock, or else an auxiliary."""
    return kind if kind in BUILT_IN_PARTS else AUXILIARY


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of entry, and everything the house says about it.

    `name`: its path under /v1. `entry`, `receipt`: its wire structs. `record`: the function that records it.
    `may`: who may send it (`part_of`). `concerned`: whose facts it may change; they are locked.
    `field`: it is sent from a device; False: a decision, which may also come from a desk. `desk`: a field verb that
    may also come from a desk. `codes`: its own refusals, besides those of every entry. `told_to`: who gets it in the
    feed. `urgent`: a refusal of it is never replaced by 429. `held`: who may see and decide about an entry of it that
    is held. `happened`: when the fact happened, by the device's clock: of somebody who left, it counts whether they
    served then. `tag`, `zh`, `en`: its group and name for people. `example`: a body for the OpenAPI document.
    `changes`: the fact tables (docs/adr/0055) that a line of this verb may change.
    """

    name: str
    entry: type[Entry]
    receipt: type[Receipt]
    record: Record
    may: frozenset[str]
    told_to: ToldTo
    tag: str
    zh: str
    en: str
    codes: tuple[str, ...]
    example: dict[str, Any]
    concerned: Concerned = only_the_actor
    field: bool = True
    desk: bool = False
    urgent: bool = False
    held: HeldRule = HeldRule()
    happened: Callable[[Any], datetime] = when_made
    changes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        return f"{self.en} · {self.zh}"

    @property
    def operation(self) -> str:
        """Its operation id in the OpenAPI document."""
        return self.name.replace("/", "_").replace("-", "_")


class Event(msgspec.Struct, frozen=True):
    """A kind of journal row that comes from no entry. `told_to`: who gets it in the feed.

    `changes`: see Verb. `zh`, `en`: its name for people; every row that administrators are told of has one.
    """

    name: str
    told_to: ToldTo
    changes: tuple[str, ...] = ()
    zh: str = ""
    en: str = ""


def timing(
    occurred_at: datetime, sent_at: datetime, received_at: datetime, law: Law, *, by_uptime: datetime | None = None,
    latest: datetime | None = None,
) -> Timing:  # fmt: skip
    """Correct the device's clock by `sent_at`, and decide whether the entry is live or late. Pure; never refuses.

    `by_uptime`: when it happened by the device's uptime; it counts where the clock tells another time. A told time
    after the sending, or beyond reason, is none: then it happened at `latest`, the receipt where that is not known.
    Such an entry is late, as nobody knows how long ago it happened.
    """
    skew, told = _by_clock(occurred_at, sent_at, received_at, law)
    right = told is not None and occurred_at - sent_at <= law.span("skew_floor") and told >= EARLIEST
    at: datetime | None = None
    source: Source = "receipt"
    if told is not None and right:
        at, source = min(told, received_at), "clock"
    if by_uptime is not None and by_uptime >= EARLIEST:
        by_uptime = min(by_uptime, received_at)
        if at is None or abs(at - by_uptime) > law.span("clock_moved_tolerance"):
            at, source = by_uptime, "uptime"
    latest = max(min(latest or received_at, received_at), EARLIEST)
    at = at or latest
    late = source == "receipt" or received_at - at > law.span("live_window")
    correction = skew if source == "clock" else at - occurred_at
    return Timing(at, received_at, skew, late, None, source, correction, told, latest)


def _by_clock(
    occurred_at: datetime, sent_at: datetime, received_at: datetime, law: Law
) -> tuple[timedelta, datetime | None]:
    """The skew of the device's clock, and the told time corrected by it; None where that is no time."""
    skew = received_at - sent_at
    if abs(skew) < law.span("skew_floor"):
        skew = timedelta()
    try:
        return skew, (occurred_at + skew).astimezone(UTC)
    except OverflowError:
        return skew, None
