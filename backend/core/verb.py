"""A verb: one kind of entry, the function that records it and who may; and what that function is given and gives back.

Pure: no database and no clock of its own.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from backend.core.findings import Touched
from backend.core.refusals import Refusal, RuleRefusal
from backend.core.wire import EARLIEST, Despite, Entry, Receipt
from backend.law.catalogue import Law


class Role(msgspec.Struct, frozen=True):
    """A role on an organ; it reaches the organ's subtree."""

    role: str
    organ: str


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The person of a session: who acts, from which device, with which roles at this moment.

    `quarantined`: the device was revoked; what it still holds is taken by sync alone, for a person to decide.
    """

    person: UUID
    badge: str
    kind: str
    organ: str
    session: UUID
    device: UUID | None = None
    roles: tuple[Role, ...] = ()
    quarantined: bool = False


class Timing(msgspec.Struct, frozen=True):
    """When an entry happened by the server's clock, and how it came. `skew` is server minus device.

    `held_until`: of an entry that was held since it was received, when it is recorded after all.
    """

    occurred_at: datetime
    received_at: datetime
    skew: timedelta
    late: bool
    held_until: datetime | None = None

    @property
    def as_of(self) -> datetime:
        """By when what only time brings is judged: now."""
        return self.held_until or self.received_at


class Occasion(msgspec.Struct, frozen=True):
    """One arrival of one entry: what a verb's function may know besides the entry itself.

    `admitted`: a person decided that it be recorded, although a revoked device sent or signed it.
    """

    actor: Actor
    timing: Timing
    law: Law
    despite: Despite | None
    admitted: bool = False

    @property
    def at(self) -> datetime:
        return self.timing.occurred_at

    def require(self, unmet: Sequence[str]) -> tuple[str, ...]:
        """Refuse a live entry that leaves rules unmet; otherwise they stand beside it as findings. Before any write."""
        if unmet and not self.timing.late and self.despite is None:
            raise RuleRefusal(unmet)
        return tuple(unmet)

    def not_before(self, moment: datetime, code: str) -> datetime:
        """When it happened, told after `moment`: clocks that differ by less than the floor are no contradiction."""
        if self.at < moment - self.law.span("skew_floor"):
            raise Refusal(code)
        return max(self.at, moment)

    def corrected(self, told: datetime) -> datetime:
        """A moment that the device tells of, by the server's clock, never after the entry itself.

        Raises Refusal `time_ahead`, `time_out_of_range`.
        """
        try:
            at = (told + self.timing.skew).astimezone(UTC)
            ahead = at > self.at + self.law.span("skew_floor")
        except OverflowError:
            raise Refusal("time_out_of_range") from None
        if ahead:
            raise Refusal("time_ahead")
        if at < EARLIEST:
            raise Refusal("time_out_of_range")
        return min(at, self.at)

    def require_live_state(self, holds: bool, code: str) -> bool:
        """A live entry that conflicts with the state is refused, whatever the reason; a late one says so (True)."""
        if not holds and not self.timing.late:
            raise Refusal(code)
        return holds


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb's function did. `subject`: ids, codes, times, digests only, for it enters the journal as it is.

    `unmet`: rules that the entry left unmet, to stand beside it; `findings`: codes that stand already; `touches`:
    whose findings about intervals are to be found anew.
    """

    subject: dict[str, Any]
    subjects: Sequence[UUID]
    organ: str
    unmet: Sequence[str] = ()
    findings: Sequence[str] = ()
    touches: Touched | None = None


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an entry, before it is put into words. `wakes`: entries held that may be recorded now."""

    id: UUID
    received_at: datetime
    findings: Sequence[str]
    subject: dict[str, Any]
    replayed: bool
    wakes: Sequence[UUID] = ()


Record = Callable[[Occasion, Any], Awaitable[Outcome]]
Concerned = Callable[[Actor, Any], Awaitable[Iterable[UUID]]]


async def only_the_actor(actor: Actor, entry: Any) -> Iterable[UUID]:
    return (actor.person,)


# Whom the feed tells of a line of the journal.
# readers: the persons concerned, those above them, and whoever may read the fact because they led it.
# concerned: the persons concerned alone; a paper may be a diagnosis. actor: who did it.
# nobody: whom it concerns may be the person complained of, or lists of their own show it.
ToldTo = Literal["readers", "concerned", "actor", "nobody"]

AUXILIARIES = frozenset({"duty_auxiliary", "civilian_auxiliary"})
OFFICERS = frozenset({"officer"})
FIELD = AUXILIARIES | OFFICERS
DOCKS = frozenset({"dock"})
DECIDERS = OFFICERS | {"staff"}  # who decides also needs the role, on the organ concerned


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of entry, and all that is said of it anywhere.

    `name`: its path under /v1. `entry`, `receipt`: its structs on the wire. `record`: the function that records it.
    `may`: the kinds of person who may. `concerned`: whose facts it may change; they are locked. `field`: made from a
    device in the street; a decision (False) may come from a desk too. `desk`: of the field, but taken down at a desk
    too. `codes`: its own refusals, besides those of every entry. `told_to`: whom the feed tells. `tag`, `zh`, `en`:
    what people call it. `example`: its body, in the contract.
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

    @property
    def summary(self) -> str:
        return f"{self.en} · {self.zh}"

    @property
    def operation(self) -> str:
        """Its operation id in the contract."""
        return self.name.replace("/", "_").replace("-", "_")


class Event(msgspec.Struct, frozen=True):
    """A line of the journal that no entry makes; `told_to`: whom the feed tells."""

    name: str
    told_to: ToldTo


def timing(occurred_at: datetime, sent_at: datetime, received_at: datetime, law: Law) -> Timing:
    """Correct the device's clock by what its own `sent_at` shows, and tell live from late. Pure.

    Raises Refusal `time_ahead` where the device says that it happened after it was sent.
    """
    try:
        if occurred_at > sent_at + law.span("skew_floor"):
            raise Refusal("time_ahead")
        skew = received_at - sent_at
        if abs(skew) < law.span("skew_floor"):
            skew = timedelta()
        corrected = min(occurred_at + skew, received_at).astimezone(UTC)
    except OverflowError:
        raise Refusal("time_out_of_range") from None
    if corrected < EARLIEST:
        raise Refusal("time_out_of_range")
    return Timing(corrected, received_at, skew, received_at - corrected > law.span("live_window"))
