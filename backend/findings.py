"""Findings: what is wrong with a fact stands beside it, and the fact stays.

Guarantees: one finding of a kind for one subject, however often it is found; one that no longer holds is withdrawn,
never deleted. Written in the transaction that makes it true.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from backend.database import execute

STAND = """
INSERT INTO finding (kind, subject, organ, person, against_organ, started_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (kind, subject) DO UPDATE
SET started_at = excluded.started_at, ended_at = excluded.ended_at, withdrawn_at = NULL
"""
WITHDRAW = "UPDATE finding SET withdrawn_at = now() WHERE kind = $1 AND subject = $2 AND withdrawn_at IS NULL"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` is a code of messages.toml; `subject` the id of the fact; `person` whom it concerns."""

    kind: str
    subject: UUID
    organ: str
    person: UUID | None = None
    against_organ: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None


async def stand(found: Finding) -> None:
    await execute(STAND, *msgspec.structs.astuple(found))


async def withdraw(kind: str, subject: UUID) -> None:
    """The finding no longer holds: a fact that came later explains it away."""
    await execute(WITHDRAW, kind, subject)
