"""Enter, move, rename and end people, and grant and end roles: as a roster does, one change at a time.

Guarantees: an administrator changes people and roles of the organs below their role only; at a move both organs are.
Nobody changes their own service or roles. It needs the second factor, as every act of an administrator (ADR 35). The
same rules of histories as for a roster hold: a badge number is not a person, and renaming or giving a badge to somebody
else needs a confirmation.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from backend.core.columns import named
from backend.core.database import execute, fetch, value
from backend.core.days import day_of
from backend.core.refusals import Refusal, Unknown
from backend.core.roles import ADMINISTERING
from backend.core.verb import Actor, Occasion, Outcome
from backend.core.visibility import viewer
from backend.people import factor, kinds, roster
from backend.people.histories import (
    TO_CONFIRM,
    BadgeHeldError,
    Change,
    Histories,
    Term,
    Told,
    UnknownBeforeError,
    look_alikes,
)
from backend.people.schemas import EndPerson, EndRole, EnterPerson, GrantRole, MovePerson, RenamePerson

UNDER = "SELECT organs_under($1::text[]) AS organ"
LEFT_OPEN = """
UPDATE role_grant SET valid_until = greatest(valid_from, $4)
WHERE person = $1 AND role = $2 AND organ = $3 AND coalesce(valid_until > $4, true) RETURNING valid_from, valid_until
"""
GRANT = """
SELECT valid_from, valid_until FROM role_grant WHERE person = $1 AND role = $2 AND organ = $3 AND valid_from = $4
"""
ENTERED = frozenset({"new", "returned", "reissued"})
UNDER_ANOTHER_BADGE = ENTERED | {"moved", "continued"}
MOVED = frozenset({"moved", "returned", "corrected"})


async def enter(occasion: Occasion, entry: EnterPerson) -> Outcome:
    """Enter a person. Raises Refusal `unknown_kind`, `unknown_organ`, `badge_looks_alike`, `badge_held`,
    `unknown_formerly`, `serves_already`, `confirmation_needed`, `id_reused`, `end_before_start`,
    `time_out_of_range`."""
    kinds.require_known(entry.kind)
    reach = await _reach(occasion.actor)
    if entry.organ not in reach:
        raise Refusal("unknown_organ")
    histories = await _histories(iter([entry.id, uuid4()]))
    if any(entry.id == term.person for term in histories.known.values()):
        raise Refusal("id_reused")
    told = Told(
        badge=entry.badge, name=named(entry.name), kind=entry.kind, organ=entry.organ,
        since=entry.serves_from, until=entry.serves_until, formerly=entry.formerly or "",
    )  # fmt: skip
    allowed = UNDER_ANOTHER_BADGE if entry.formerly else ENTERED
    return await _change(occasion, histories, told, reach, allowed, confirmed=entry.confirm)


async def move(occasion: Occasion, entry: MovePerson) -> Outcome:
    """Move a person. Raises Refusal `unknown_kind`, `unknown_person`, `own_matter`, `unknown_organ`, `badge_held`,
    `nothing_changes`, `time_out_of_range`."""
    if entry.kind is not None:
        kinds.require_known(entry.kind)
    reach = await _reach(occasion.actor)
    histories = await _histories()
    term = _term_on(histories, entry.person, entry.serves_from, occasion.actor, reach)
    if entry.organ not in reach:
        raise Refusal("unknown_organ")
    kind, goes_on = entry.kind or term.kind, term.until is None or term.until >= entry.serves_from
    told = _told(term, organ=entry.organ, kind=kind, since=entry.serves_from, until=term.until if goes_on else None)
    return await _change(occasion, histories, told, reach, MOVED, person=entry.person)


async def rename(occasion: Occasion, entry: RenamePerson) -> Outcome:
    """Rename a person. Raises Refusal `unknown_person`, `own_matter`, `nothing_changes`, `confirmation_needed`."""
    reach = await _reach(occasion.actor)
    histories = await _histories()
    term = _term_on(histories, entry.person, day_of(occasion.timing.as_of), occasion.actor, reach)
    told = _told(term, name=named(entry.name))
    return await _change(
        occasion, histories, told, reach, frozenset({"renamed"}), person=entry.person, confirmed=entry.confirm
    )


async def end(occasion: Occasion, entry: EndPerson) -> Outcome:
    """End a person's service. Raises Refusal `unknown_person`, `own_matter`, `end_before_start`, `nothing_changes`,
    `time_out_of_range`."""
    reach = await _reach(occasion.actor)
    histories = await _histories()
    term = _term_on(histories, entry.person, date.max, occasion.actor, reach)
    told = _told(term, until=entry.last_day)
    return await _change(occasion, histories, told, reach, frozenset({"ended", "extended"}), person=entry.person)


async def grant(occasion: Occasion, entry: GrantRole) -> Outcome:
    """Grant a role. Raises Refusal `unknown_person`, `own_matter`, `unknown_organ`, `end_before_start`,
    `time_out_of_range`."""
    await _check_role(occasion, entry)
    _check_days(entry.valid_from, entry.valid_until)
    await execute(roster.PUT_ROLE, entry.person, entry.role, entry.organ, entry.valid_from, entry.valid_until, "entry")
    (row,) = await fetch(GRANT, entry.person, entry.role, entry.organ, entry.valid_from)
    return _role_outcome(entry, row)


async def end_role(occasion: Occasion, entry: EndRole) -> Outcome:
    """End a role. Raises Refusal `unknown_person`, `own_matter`, `unknown_organ`, `unknown_role`,
    `time_out_of_range`."""
    await _check_role(occasion, entry)
    _check_days(entry.last_day, None)
    rows = await fetch(LEFT_OPEN, entry.person, entry.role, entry.organ, entry.last_day)
    if not rows:
        raise Refusal("unknown_role")
    return _role_outcome(entry, max(rows, key=lambda row: row["valid_from"]))


async def concerned(
    actor: Actor, entry: EnterPerson | MovePerson | RenamePerson | EndPerson | GrantRole | EndRole
) -> Iterable[UUID]:
    """The actor, and the person whom it is about."""
    return (actor.person,) if isinstance(entry, EnterPerson) else (actor.person, entry.person)


async def _reach(actor: Actor) -> frozenset[str]:
    """The organs that the actor administers; none for anybody else. Raises Refusal `second_factor_needed`."""
    organs = viewer(actor, ADMINISTERING)[1]
    if organs:
        factor.require(actor)
    return frozenset(row["organ"] for row in await fetch(UNDER, list(organs)))


async def _histories(ids: Any = None) -> Histories:
    """The histories of all people; until the transaction ends, nobody else changes them. `ids`: of new people."""
    await execute(roster.LOCK)
    return Histories(await roster.known_terms(), ids or iter(uuid4, None))


def _term_on(histories: Histories, person: UUID, day: date, actor: Actor, reach: frozenset[str]) -> Term:
    """The stint of this day, else the one before, else the first. Raises Refusal `own_matter`; Unknown."""
    if person == actor.person:
        raise Refusal("own_matter")
    terms = sorted((term for term in histories.known.values() if term.person == person), key=lambda term: term.since)
    begun = [term for term in terms if term.since <= day]
    term = begun[-1] if begun else next(iter(terms), None)
    if term is None or term.organ not in reach:
        raise Unknown("unknown_person", person)
    return term


def _told(term: Term, **changed: Any) -> Told:
    """The stint as a roster would tell it, with changes."""
    fields = {name: getattr(term, name) for name in ("badge", "name", "kind", "organ", "since", "until")}
    return Told(**fields | changed)


async def _change(
    occasion: Occasion, histories: Histories, told: Told, reach: frozenset[str], allowed: frozenset[str], *,
    person: UUID | None = None, confirmed: bool = False,
) -> Outcome:  # fmt: skip
    """Bring the histories in line, within reach, and write them."""
    _check_days(told.since, told.until)
    if look_alikes([told], {term.badge for term in histories.known.values()}):
        raise Refusal("badge_looks_alike")
    try:
        whose = histories.take(told)
    except BadgeHeldError:
        raise Refusal("badge_held") from None
    except UnknownBeforeError:
        raise Refusal("unknown_formerly") from None
    change = next(iter(histories.changes), None)
    _check_change(change, whose, person, allowed)
    assert change is not None  # noqa: S101 - for the type checker: _check_change saw to it
    if not _touched(histories) <= reach:
        raise Refusal("badge_held")
    if whose == occasion.actor.person:
        raise Refusal("own_matter")
    if change.kind in TO_CONFIRM and not confirmed:
        raise Refusal("confirmation_needed")
    await roster.write_histories(histories, "entry")
    await roster.end_roles_left_behind(histories)
    await roster.end_roles(histories)
    return _outcome(change, whose, histories)


def _check_change(change: Change | None, whose: UUID, person: UUID | None, allowed: frozenset[str]) -> None:
    """Raises Refusal `nothing_changes`, `serves_already`, `badge_held`: it is another change than was asked for."""
    if person is None:
        if change is None or change.kind not in allowed:
            raise Refusal("serves_already")
        return
    if whose != person:
        raise Refusal("badge_held")
    if change is None or change.kind not in allowed:
        raise Refusal("nothing_changes")


def _touched(histories: Histories) -> set[str]:
    """The organs of every stint that ends, changes or begins, before and after."""
    updated = histories.updated()
    before = [histories.known[term.id] for term in updated]
    followed = [change.before for change in histories.changes if change.before is not None]
    return {term.organ for term in (*before, *updated, *histories.inserted(), *followed)}


def _check_days(since: date, until: date | None) -> None:
    """Raises Refusal `time_out_of_range`, `end_before_start`."""
    if not all(1950 <= day.year < 9000 for day in (since, until or since)):
        raise Refusal("time_out_of_range")
    if until is not None and until < since:
        raise Refusal("end_before_start")


async def _check_role(occasion: Occasion, entry: GrantRole | EndRole) -> None:
    """Raises Refusal `own_matter`, `unknown_organ`; Unknown."""
    reach = await _reach(occasion.actor)
    await execute(roster.LOCK)
    if entry.person == occasion.actor.person:
        raise Refusal("own_matter")
    organ = await value("SELECT organ FROM person_now WHERE id = $1", entry.person)
    if organ not in reach:
        raise Unknown("unknown_person", entry.person)
    if entry.organ not in reach:
        raise Refusal("unknown_organ")


def _outcome(change: Change, whose: UUID, histories: Histories) -> Outcome:
    term = change.after
    standing = {
        "id": str(whose), "change": change.kind, "kind": term.kind, "organ": term.organ,
        "serves_from": term.since.isoformat(), "serves_until": term.until and term.until.isoformat(),
    }  # fmt: skip
    subjects = dict.fromkeys([whose, *(touched.person for touched in histories.updated())])
    return Outcome(subject={"person": standing}, subjects=list(subjects), organ=term.organ)


def _role_outcome(entry: GrantRole | EndRole, row: Any) -> Outcome:
    until = row["valid_until"]
    standing = {
        "person": str(entry.person), "role": entry.role, "organ": entry.organ,
        "valid_from": row["valid_from"].isoformat(), "valid_until": until and until.isoformat(),
    }  # fmt: skip
    return Outcome(subject={"role": standing}, subjects=[entry.person], organ=entry.organ)
