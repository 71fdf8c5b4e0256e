"""Findings: what is wrong with a fact is kept beside it; the fact itself stays.

Guarantees: a subject has at most one finding of each kind, however often it is found; a finding that no longer holds
is withdrawn, never deleted; it is written in the transaction that makes it true.
Findings about intervals (gaps in leading or recording, late handover) are computed by the database; `refresh` calls it.
The SQL is in migrations/current/refresh_findings.sql.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from backend.core.database import Record, execute, fetch, tx
from backend.core.described import OrganCode
from backend.core.wire import Moment
from backend.law.answerable import built_in
from backend.law.catalogue import Language, law, law_at

FLAG = """
INSERT INTO finding (kind, subject, organ, person, against_organ, started_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (kind, subject) DO UPDATE
SET started_at = excluded.started_at, ended_at = excluded.ended_at, withdrawn_at = NULL
"""
WITHDRAW = "UPDATE finding SET withdrawn_at = now() WHERE kind = $1 AND subject = $2 AND withdrawn_at IS NULL"


# Kinds of which the officers who led learn nothing: training, insurance, hours. The same in every law.
KEPT = frozenset(built_in().kept_from_leaders())
# The officer who ordered the act and does not dispute it: with the organ they answer for this finding `f`.
ORDERED_BY = """
(SELECT o.officer FROM given_order o WHERE o.id = f.subject AND f.kind = ANY (o.codes)
    AND NOT EXISTS (SELECT FROM order_dispute d WHERE d.given = o.id)) AS ordered_by"""
ORDERED_BY_NAME = """
(SELECT n.name FROM given_order o JOIN person_now n ON n.id = o.officer
    WHERE o.id = f.subject AND f.kind = ANY (o.codes) AND NOT EXISTS (
        SELECT FROM order_dispute d WHERE d.given = o.id)) AS ordered_by_name"""
# The verbs (before the slash) of complaints, matters, and what is done because of them: see tells_of_secret in SQL.
SECRET_NOUNS = ("complaints", "hearings", "matters", "reviews", "holds", "held")
# Whether the finding `f` tells {viewer} of nothing that is kept from them. Most findings are of no entry of such a
# verb: that is looked up first, in a tenth of the time that the function takes.
NO_SECRET = f"""
(f.kind <> 'waits_in_vain' AND coalesce((SELECT split_part(e.verb, '/', 1) <> ALL ('{{{{{",".join(SECRET_NOUNS)}}}}}')
    FROM entry e WHERE e.id = f.subject), true) OR NOT tells_of_secret(f, {{viewer}}))"""  # noqa: S608 - constants
NOT_KEPT = f"f.kind <> ALL ('{{{','.join(sorted(KEPT))}}}'::text[])"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding to write. `kind`: a code of messages.toml. `subject`: the id of the fact. `person`: whom it concerns.

    `against_organ`: the organ did not do its duty, not the person.
    """

    kind: str
    subject: UUID
    organ: str
    person: UUID | None = None
    against_organ: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None


async def flag(finding: Finding) -> None:
    """Write a finding. One of the same kind and subject gets the new times and holds again."""
    await execute(FLAG, *msgspec.structs.astuple(finding))


async def withdraw(kind: str, subject: UUID) -> None:
    """Mark a finding as no longer true, because of a fact that came later."""
    await execute(WITHDRAW, kind, subject)


async def withdraw_overdue(kind: str, subject: UUID, due: datetime, at: datetime) -> None:
    """Withdraw that this term passed, where what it asks for happened by then. That an earlier one passed stays."""
    if at <= due:
        await execute(f"{WITHDRAW} AND started_at = $3", kind, subject, due)


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline whose passing is a finding against the organ.

    `due`: SQL that gives (id, organ, since) of everything overdue at $1.
    """

    kind: str
    due: str


NEWLY_OVERDUE = """
SELECT d.id, d.organ, d.since FROM ({due}) d
WHERE NOT EXISTS (SELECT FROM finding f WHERE f.kind = $2 AND f.subject = d.id AND f.withdrawn_at IS NULL)
ORDER BY d.since LIMIT 1000
"""


async def find_overdue(now: datetime, terms: Iterable[Overdue]) -> int:
    """Flag everything whose deadline has passed. Returns the number of new findings."""
    count = 0
    async with tx():
        for term in terms:
            rows = await fetch(NEWLY_OVERDUE.format(due=term.due), now, term.kind)
            for row in rows:
                await flag(
                    Finding(
                        kind=term.kind, subject=row["id"], organ=row["organ"], against_organ=True,
                        started_at=row["since"],
                    )
                )  # fmt: skip
            count += len(rows)
    return count


class Touched(msgspec.Struct, frozen=True):
    """Whose facts changed, and in which time. `until`: None where the time is open."""

    persons: Sequence[UUID]
    since: datetime
    until: datetime | None = None


REFRESH = "SELECT kind, subject FROM refresh_findings($1, tstzrange($2, $3, '[]'), $4, $5, $6, $7)"


# Whether REFRESH may find anything about the person {who} in the time {within}: an act, footage, a naming as auxiliary
# or as officer. Where this is false, REFRESH finds nothing and withdraws nothing, and need not be asked.
MAY_BE_TOUCHED = """(
    EXISTS (SELECT FROM activity a WHERE a.person = {who} AND a.reach && {within})
    OR EXISTS (SELECT FROM recording r WHERE r.wearer = {who} AND r.during && {within})
    OR EXISTS (SELECT FROM supervision v WHERE v.auxiliary = {who} AND v.during && {within})
    OR EXISTS (SELECT FROM supervision v WHERE v.officer = {who} AND v.during && {within}))"""


async def refresh(touched: Touched, at: datetime) -> dict[UUID, list[str]]:
    """Compute again the findings about intervals in the time touched, as of `at`. The caller has locked the persons.

    Returns the codes that hold now, by subject.
    """
    until = touched.until and max(touched.until, touched.since)
    rows = await fetch(
        REFRESH, list(touched.persons), touched.since, until, at, *tolerances(), law().span("handing_over")
    )
    return _by_subject(rows)


def _by_subject(rows: Iterable[Record]) -> dict[UUID, list[str]]:
    codes: dict[UUID, list[str]] = {}
    for row in rows:
        codes.setdefault(row["subject"], []).append(row["kind"])
    return codes


def tolerances() -> tuple[object, object]:
    """The last two values of the SQL function full_process: the shortest gap that counts, and the longest time that a
    recording without an end can cover."""
    return law().span("gap_tolerance"), law().span("open_recording_ceiling")


JUDGE_ROSTER = "SELECT kind, subject FROM judge_planned($1, tstzrange($2, $3, '[]'), $3, $4, $5, $6)"


async def judge_roster(since: datetime, at: datetime, persons: Sequence[UUID] | None = None) -> dict[UUID, list[str]]:
    """Compute again who missed a planned shift since then, or came late or to another place. None: for everybody.

    Returns the codes that hold now, by subject.
    """
    terms = (law().span("check_in_grace"), law().span("absent_after"), law().span("unfinished_shift_ceiling"))
    rows = await fetch(JUDGE_ROSTER, persons, since, at, *terms)
    return _by_subject(rows)


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a fact. The fact itself stays as it is."""

    id: Annotated[UUID, msgspec.Meta(description="id of the finding")]
    kind: Annotated[str, msgspec.Meta(description="code of the finding, such as `not_led`")]
    message: Annotated[str, msgspec.Meta(description="what is wrong, in the reader's language")]
    article: Annotated[str | None, msgspec.Meta(description="article that the finding rests on; null: none")]
    subject: Annotated[UUID, msgspec.Meta(description="id of the fact that the finding is about")]
    organ: OrganCode
    organ_name: Annotated[str | None, msgspec.Meta(description="name of the organ; null: not in a list")] = None
    person: Annotated[UUID | None, msgspec.Meta(description="whom the finding concerns; null: no single person")]
    badge: Annotated[
        str | None, msgspec.Meta(description="their badge number; null: no single person, or not in a list")
    ] = None
    name: Annotated[str | None, msgspec.Meta(description="their name; null: no single person, or not in a list")] = None
    against_organ: Annotated[
        bool, msgspec.Meta(description="true: the organ did not do its duty, not the person (R.11, 13, 24)")
    ]
    started_at: Annotated[
        Moment | None, msgspec.Meta(description="start of the time in question; null: the finding has no time")
    ]
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end of the time in question; null: open, or no time")]
    explained: Annotated[
        bool, msgspec.Meta(description="true: the whole gap was explained; the finding holds all the same")
    ]
    found_at: Annotated[Moment, msgspec.Meta(description="when the server first found it")]
    ordered_by: Annotated[
        UUID | None,
        msgspec.Meta(
            description="id of the officer who ordered the act and does not dispute it: with the organ they answer "
            "for it, not the person; null: nobody is named, or they dispute it"
        ),
    ] = None
    ordered_by_name: Annotated[
        str | None, msgspec.Meta(description="name of that officer; null: no such officer, or not in a list")
    ] = None
    withdrawn_at: Annotated[
        Moment | None, msgspec.Meta(description="when a later fact made the finding untrue; null: it holds")
    ]


def finding_row(row: Any, language: Language) -> FindingRow:
    """A row of the table `finding`, with its sentence in this language and the article that was in force then."""
    message = law_at(row["started_at"] or row["found_at"]).messages[row["kind"]]
    fields = {field: row[field] for field in FindingRow.__struct_fields__ if field in row}
    return FindingRow(**fields, message=message.sentence(language), article=message.article)
