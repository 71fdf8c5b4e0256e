"""Passwords that an operator of the server sets: for people who forgot theirs, and first ones for new people.

Guarantees: nobody sets another's password by the API (ADR 42). All sessions of the person end, and their account is
open at once, however often somebody guessed before. Each person has a line in the journal, written in the same
transaction; the password is never in it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from backend.core import journal
from backend.core.database import tx
from backend.people import sessions
from backend.people.attempts import forget_all_of


class NewPassword(NamedTuple):
    """The hash of a password for a person. `must_change`: they must change it at the next sign-in."""

    person: UUID
    badge: str
    organ: str
    hashed: str
    must_change: bool


async def set_all(given: Sequence[NewPassword], now: datetime) -> None:
    """Set the passwords of these people: of all or of nobody."""
    async with tx():
        for each in given:
            await _set(each, now)


async def _set(given: NewPassword, now: datetime) -> None:
    await sessions.set_hash(given.person, given.hashed, now, must_change=given.must_change)
    forgotten = await forget_all_of(given.badge)
    await journal.append(
        journal.Line(
            at=now, verb="people/password", outcome="done", organ=given.organ, subjects=[given.person],
            facts={"must_change": given.must_change, "failures_forgotten": forgotten},
        )
    )  # fmt: skip
