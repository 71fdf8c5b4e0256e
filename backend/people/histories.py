"""What a roster changes in the histories of people. Pure.

A badge number is not a person. The same badge, read together with the name and the first day, says who is meant:

    new        a badge that nobody has or had
    returned   same badge and name, and a later first day after the service ended: the same person
    moved      same badge and name, a later first day, another organ or kind: the same person, a new stint
    continued  same badge and name, a later first day, nothing else: the same person, a new stint
    corrected  same badge and name, same first day, another organ or kind; or an earlier first day
    ended      same badge, name and first day, an earlier last day
    extended   the same, a later last day or none
    renamed    same badge and first day, another name: the same person; a person must confirm it
    reissued   same badge, another name, a later first day: another person; a person must confirm it

A line may name the badge under which the person served before (`formerly`): then it is that person, whatever badge they
have now, and whoever had this one is somebody else all the same.

Guarantees: stints of one badge never overlap; a new stint ends the one before it on the day before. A row that agrees
with what is known changes nothing, also where a later stint is known: an old file takes nobody back.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Literal
from uuid import UUID, uuid4

import msgspec

from backend.core.columns import NO_LINE, SheetLine

ChangeKind = Literal[
    "new", "returned", "moved", "continued", "corrected", "ended", "extended", "renamed", "reissued"
]  # fmt: skip
TO_CONFIRM: frozenset[ChangeKind] = frozenset({"renamed", "reissued"})
A_DAY = timedelta(days=1)


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """A stint with its badge and name. `until`: the last day; None: open."""

    id: UUID
    person: UUID
    badge: str
    name: str
    kind: str
    organ: str
    since: date
    until: date | None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A person as a line of a roster tells them. `formerly`: the badge under which they served before; empty: none."""

    line: SheetLine = NO_LINE
    badge: str
    name: str
    kind: str
    organ: str
    since: date
    until: date | None
    formerly: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one person's history. `before`: None where the stint is new, or the stint that ends for it."""

    kind: ChangeKind
    before: Term | None
    after: Term


class BadgeHeldError(ValueError):
    """The line gives a badge to somebody for days on which another person has it. `holder`: that stint."""

    def __init__(self, holder: Term) -> None:
        super().__init__(holder.badge)
        self.holder = holder


class UnknownBeforeError(ValueError):
    """The line names a former badge, and nobody of that name had it before."""


class Histories:
    """The stints known, and what the lines of a roster made of them. `new_ids`: of people who are not known."""

    def __init__(self, known: Iterable[Term], new_ids: Iterator[UUID] | None = None) -> None:
        self._new_ids = iter(uuid4, None) if new_ids is None else new_ids
        self.known = {term.id: term for term in known}
        self._now = dict(self.known)
        self.changes: list[Change] = []

    def of_badge(self, badge: str) -> list[Term]:
        """The stints under this badge, in order of time."""
        return sorted((term for term in self._of(badge)), key=lambda term: term.since)

    def _of(self, badge: str) -> Iterable[Term]:
        return (term for term in self._now.values() if term.badge == badge)

    def updated(self) -> list[Term]:
        """The stints that were known and are different now."""
        return [term for id, term in self._now.items() if id in self.known and self.known[id] != term]

    def inserted(self) -> list[Term]:
        """The stints that were not known."""
        return [term for id, term in self._now.items() if id not in self.known]

    def left(self) -> dict[UUID, date]:
        """The last day of each person whose service was changed and does not go on."""
        changed = {term.person for term in (*self.updated(), *self.inserted())}
        last: dict[UUID, date] = {}
        for person in changed:
            ends = [term.until for term in self._now.values() if term.person == person]
            days = [end for end in ends if end is not None]
            if len(days) == len(ends):
                last[person] = max(days)
        return last

    def organs(self) -> dict[UUID, str]:
        """The organ of everybody's last stint."""
        return {term.person: term.organ for term in sorted(self._now.values(), key=lambda term: term.since)}

    def moves(self) -> list[tuple[Term, Term]]:
        """The stints, before and after, of those who serve on in another organ."""
        follows = [(each.before, each.after) for each in self.changes if each.before is not None]
        return [
            (before, after) for before, after in follows
            if before.person == after.person and before.organ != after.organ and before.since < after.since
        ]  # fmt: skip

    def take(self, told: Told) -> UUID:
        """Bring the histories in line with one line. Returns the person it means.

        Raises BadgeHeldError, UnknownBeforeError.
        """
        terms = self.of_badge(told.badge)
        same = next((term for term in terms if term.since == told.since), None)
        before = [term for term in terms if term.since < told.since]
        after = [term for term in terms if term.since > told.since]
        if same is not None:
            return self._correct(told, same, after)
        if before:
            return self._follow(told, before[-1], after)
        if after:
            return self._precede(told, after[0], after[1:])
        person, last = self._known_before(told)
        return self._add(told, "new" if last is None else _kind_after(told, last), person, last, after)

    def serving(self, day: date) -> list[Term]:
        """The stints of this day, in order of badge."""
        today = (term for term in self._now.values() if term.since <= day <= _last(term.until))
        return sorted(today, key=lambda term: term.badge)

    def end(self, term: Term, last_day: date) -> None:
        """End a stint on this day, or on its first one."""
        self._put("ended", term, msgspec.structs.replace(term, until=max(last_day, term.since)))

    def _correct(self, told: Told, same: Term, after: Sequence[Term]) -> UUID:
        until = _corrected_end(told, same, after)
        new = msgspec.structs.replace(same, name=told.name, kind=told.kind, organ=told.organ, until=until)
        if new == same:
            return same.person
        if new.name != same.name:
            kind: ChangeKind = "renamed"
        elif (new.kind, new.organ) != (same.kind, same.organ):
            kind = "corrected"
        else:
            kind = "ended" if _last(until) < _last(same.until) else "extended"
        self._put(kind, same, new)
        return same.person

    def _follow(self, told: Told, last: Term, after: Sequence[Term]) -> UUID:
        """A line with a later first day than the stint before it."""
        runs_on = _last(last.until) >= told.since
        kind: ChangeKind = "reissued" if told.name != last.name else _kind_after(told, last)
        person = self._known_before(told)[0] if kind == "reissued" else last.person
        if runs_on:
            self._now[last.id] = msgspec.structs.replace(last, until=told.since - A_DAY)
        return self._add(told, kind, person, last, after)

    def _known_before(self, told: Told) -> tuple[UUID, Term | None]:
        """Whom a line means whose badge is new to them, and their last stint, which ends; without one: a new person.

        Raises UnknownBeforeError.
        """
        if not told.formerly:
            return next(self._new_ids), None
        before = [
            term for term in self.of_badge(told.formerly) if (term.name, term.since < told.since) == (told.name, True)
        ]
        if not before:
            raise UnknownBeforeError(told.formerly)
        last = before[-1]
        if any(term.person == last.person and term.since >= told.since for term in self._now.values()):
            raise UnknownBeforeError(told.formerly)  # they serve under another badge by then
        if _last(last.until) >= told.since:
            self._now[last.id] = msgspec.structs.replace(last, until=told.since - A_DAY)
        return last.person, last

    def _precede(self, told: Told, first: Term, after: Sequence[Term]) -> UUID:
        """A line with an earlier first day than the first stint of the badge. Raises BadgeHeldError."""
        ends_before = told.until is not None and told.until < first.since
        if ends_before:
            same_person = told.name == first.name
            return self._add(told, "new", first.person if same_person else next(self._new_ids), None, [first])
        if told.name != first.name:
            raise BadgeHeldError(first)
        until = _corrected_end(told, first, after)
        new = msgspec.structs.replace(first, since=told.since, kind=told.kind, organ=told.organ, until=until)
        self._put("corrected", first, new)
        return first.person

    def _add(
        self, told: Told, kind: ChangeKind, person: UUID, before: Term | None, after: Sequence[Term]
    ) -> UUID:  # fmt: skip
        new = Term(
            id=uuid4(), person=person, badge=told.badge, name=told.name, kind=told.kind, organ=told.organ,
            since=told.since, until=_bounded(told.until, after),
        )  # fmt: skip
        self._put(kind, before, new)
        return person

    def _put(self, kind: ChangeKind, before: Term | None, after: Term) -> None:
        self._now[after.id] = after
        self.changes.append(Change(kind=kind, before=before, after=after))


def _kind_after(told: Told, last: Term) -> ChangeKind:
    """What a line is to the last stint of the same person."""
    if _last(last.until) < told.since:
        return "returned"
    return "moved" if (told.kind, told.organ) != (last.kind, last.organ) else "continued"


class LookAlike(msgspec.Struct, frozen=True):
    """A badge of a line that another badge looks like. `other_line`: of the same file; None: the other one is known."""

    line: SheetLine
    badge: str
    other: str
    other_line: SheetLine | None


def look_alikes(told: Iterable[Told], known: Iterable[str]) -> list[LookAlike]:
    """The new badges that look like another badge, known or of the same file. What is known already may stay."""
    known, alike = set(known), list[LookAlike]()
    seen: dict[str, Told] = {}
    by_look = {look_of(badge): badge for badge in known}
    for one in told:
        look = look_of(one.badge)
        if one.badge in known:
            continue
        if look in by_look:
            alike.append(LookAlike(one.line, one.badge, by_look[look], None))
        elif look in seen and seen[look].badge != one.badge:
            alike.append(LookAlike(one.line, one.badge, seen[look].badge, seen[look].line))
        seen.setdefault(look, one)
    return alike


def groups_alike(badges: Iterable[str]) -> list[list[str]]:
    """The badges that look alike, in groups."""
    groups: dict[str, list[str]] = {}
    for badge in sorted(set(badges)):
        groups.setdefault(look_of(badge), []).append(badge)
    return [group for group in groups.values() if len(group) > 1]


def _corrected_end(told: Told, term: Term, after: Sequence[Term]) -> date | None:
    """The last day of a stint by a line that is about it. A line without one does not know of a stint that follows."""
    if told.until is None and after and term.until is not None:
        return term.until
    return _bounded(told.until, after)


def _bounded(until: date | None, after: Sequence[Term]) -> date | None:
    """The last day told, but not beyond the stint that follows."""
    if not after:
        return until
    day_before = after[0].since - A_DAY
    return day_before if until is None else min(until, day_before)


def _last(until: date | None) -> date:
    return until or date.max


LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


def look_of(badge: str) -> str:
    """What a badge looks like to a person: the same for FJ3001 and fj3001, and for 12 and 0012."""
    return LEADING_ZEROS.sub("", badge.upper())
