"""Findings: what is wrong with a fact stands beside it, and the fact stays.

Guarantees: one finding of a kind for one subject, however often it is found; one that no longer holds is withdrawn,
never deleted. Written in the transaction that makes it true. What follows from intervals (gaps, what was handed over
late) the database finds itself, by `refresh`; the SQL stands in migrations/versions/fujing_0007_activities.sql.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from backend.core.database import execute, fetch, tx
from backend.core.wire import Moment
from backend.law.catalogue import Language, law

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


async def flag(finding: Finding) -> None:
    await execute(STAND, *msgspec.structs.astuple(finding))


async def withdraw(kind: str, subject: UUID) -> None:
    """The finding no longer holds: a fact that came later explains it away."""
    await execute(WITHDRAW, kind, subject)


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes wrong by time alone, against the organ. `due`: SQL of (id, organ, since) that are over at $1."""

    kind: str
    due: str


UNFOUND = """
SELECT d.id, d.organ, d.since FROM ({due}) d
WHERE NOT EXISTS (SELECT FROM finding f WHERE f.kind = $2 AND f.subject = d.id AND f.withdrawn_at IS NULL)
ORDER BY d.since LIMIT 1000
"""


async def find_overdue(now: datetime, terms: Iterable[Overdue]) -> int:
    """Find what was not done in its term. How many were found now."""
    found = 0
    async with tx():
        for term in terms:
            rows = await fetch(UNFOUND.format(due=term.due), now, term.kind)
            for row in rows:
                await flag(
                    Finding(
                        kind=term.kind, subject=row["id"], organ=row["organ"], against_organ=True,
                        started_at=row["since"],
                    )
                )  # fmt: skip
            found += len(rows)
    return found


class Touched(msgspec.Struct, frozen=True):
    """Whose facts changed, and in which time; `until` is none where there is no end to it."""

    persons: Sequence[UUID]
    since: datetime
    until: datetime | None = None


REFRESH = "SELECT kind, subject FROM refresh_findings($1, tstzrange($2, $3, '[]'), $4, $5, $6, $7)"


async def refresh(touched: Touched, at: datetime) -> dict[UUID, list[str]]:
    """Find anew what is wrong in the time touched, as of `at`; the persons are locked. What stands, by fact."""
    until = touched.until and max(touched.until, touched.since)
    rows = await fetch(
        REFRESH, list(touched.persons), touched.since, until, at, *tolerances(), law().span("handing_over")
    )
    standing: dict[UUID, list[str]] = {}
    for row in rows:
        standing.setdefault(row["subject"], []).append(row["kind"])
    return standing


def tolerances() -> tuple[object, object]:
    """What full_process takes besides activities and time: the least gap, and how far an open recording reaches."""
    return law().span("gap_tolerance"), law().span("open_recording_ceiling")


ROSTER = "SELECT kind, subject FROM judge_roster($1, tstzrange($2, $3, '[]'), $3, $4, $5)"


async def judge_roster(since: datetime, at: datetime, persons: Sequence[UUID] | None = None) -> dict[UUID, list[str]]:
    """Find anew who did not come, or not in time or place, to what was planned since then; none: everybody."""
    rows = await fetch(ROSTER, persons, since, at, law().span("check_in_grace"), law().span("absent_after"))
    standing: dict[UUID, list[str]] = {}
    for row in rows:
        standing.setdefault(row["subject"], []).append(row["kind"])
    return standing


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a fact, in the reader's language; the fact stands."""

    id: UUID
    kind: str
    message: str
    article: str | None
    subject: UUID
    organ: str
    person: UUID | None
    against_organ: bool
    started_at: Moment | None
    ended_at: Moment | None
    explained: bool
    found_at: Moment
    withdrawn_at: Moment | None


def finding_row(row: Any, language: Language) -> FindingRow:
    message = law().messages[row["kind"]]
    told = {field: row[field] for field in FindingRow.__struct_fields__ if field not in ("message", "article")}
    return FindingRow(**told, message=message.sentence(language), article=message.article)
