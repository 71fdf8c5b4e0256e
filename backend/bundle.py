"""What a phone needs at the start of a shift, in one answer.

Guarantees: one's own record and nothing of others but what everybody signed in may know of officers (directory.py),
and who leads or is led by oneself; bounded, and under 64 KB compressed for a station of 200.
"""

from datetime import date, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec

from backend.activities import duty_check
from backend.activities.schemas import CaseKind
from backend.core.database import fetch, first
from backend.core.verb import Actor, Role
from backend.core.wire import Moment
from backend.law.catalogue import law
from backend.people import directory
from backend.people.directory import IN_SERVICE

T = TypeVar("T", bound=msgspec.Struct)
SHIFTS, UPLOADS, OFFICERS, PLANS = 5, 200, 1000, 50  # the most of each


class Organ(msgspec.Struct, frozen=True, kw_only=True):
    """An organ (公安机关) by code and name."""

    code: str
    name: str


class Qualification(msgspec.Struct, frozen=True, kw_only=True):
    """A qualification and its validity; both days included."""

    code: str
    valid_from: date
    valid_until: date | None


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """Oneself, as on the roster."""

    id: UUID
    badge: str
    name: str
    kind: str
    organ: Organ
    roles: list[Role]
    qualifications: list[Qualification]


class OwnShift(msgspec.Struct, frozen=True, kw_only=True):
    """One of one's own shifts; not ended where `ended_at` is null."""

    id: UUID
    duty_type: str
    started_at: Moment
    ended_at: Moment | None
    in_force: bool


class OfficerInService(msgspec.Struct, frozen=True, kw_only=True):
    """An officer of one's organ or of those above it. `leads`: somebody, at this moment."""

    id: UUID
    badge: str
    name: str
    organ: str
    leads: bool


class LeadingNow(msgspec.Struct, frozen=True, kw_only=True):
    """Who leads whom at this moment, one of them being oneself."""

    supervision: UUID
    auxiliary: UUID
    auxiliary_name: str
    officer: UUID
    officer_name: str
    since: Moment
    confirmed: bool


class OwnCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case that one worked on lately, or has not finished working on."""

    case_ref: str
    case_kind: CaseKind
    activity: UUID
    started_at: Moment
    finished: bool


class OwnRecusal(msgspec.Struct, frozen=True, kw_only=True):
    """A case from which one is recused, stands aside, or in which it is not decided yet."""

    recusal: UUID
    case_ref: str
    case_kind: CaseKind
    standing: Literal["pending", "standing_aside", "granted"]
    since: Moment


class OwnPlanned(msgspec.Struct, frozen=True, kw_only=True):
    """A shift for which one is planned in the next days."""

    id: UUID
    post: str
    officer: UUID | None
    duty_type: str
    starts_at: Moment
    ends_at: Moment


class OwnUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Footage or a paper of one's own that is not sealed yet."""

    id: UUID
    file_name: str
    media_type: str
    state: Literal["declared", "receiving", "received", "mismatch"]
    bytes: int | None
    sha256: str | None


class Bundle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The start of a shift. `works`: as /v1/duty/works tells, unless one has what `works_etag` names."""

    server_time: Moment
    works_etag: str
    works: dict[str, msgspec.Raw] | None = None
    own: Own
    shift: OwnShift | None
    shifts: list[OwnShift]
    leading: list[LeadingNow]
    officers: list[OfficerInService]
    cases: list[OwnCase]
    recusals: list[OwnRecusal]
    uploads: list[OwnUpload]
    planned: list[OwnPlanned]


LATEST = "SELECT * FROM shift WHERE person = $1 ORDER BY started_at DESC, id DESC LIMIT $2"
NOW = "SELECT * FROM shift WHERE person = $1 AND in_force AND during @> $2::timestamptz"
SERVING = f"""
WITH RECURSIVE above AS (
    SELECT code, parent, depth FROM organ WHERE code = $1
    UNION SELECT o.code, o.parent, o.depth FROM organ o JOIN above a ON o.code = a.parent
)
SELECT p.id, p.badge, p.name, p.organ, EXISTS (
    SELECT FROM led l WHERE l.officer = p.id AND l.named @> $2::timestamptz AND l.during @> $2::timestamptz
) AS leads
FROM person p JOIN above a ON a.code = p.organ WHERE p.kind = 'officer' AND {IN_SERVICE}
ORDER BY a.depth DESC, p.badge LIMIT $3
"""  # noqa: S608 - constants
LEADING = """
SELECT l.supervision, l.auxiliary, a.name AS auxiliary_name, l.officer, o.name AS officer_name, l.confirmed,
    (SELECT lower(x) FROM unnest(l.during) x WHERE x @> $2::timestamptz) AS since
FROM led l JOIN person a ON a.id = l.auxiliary JOIN person o ON o.id = l.officer
WHERE (l.auxiliary = $1 OR l.officer = $1) AND l.named @> $2::timestamptz AND l.during @> $2::timestamptz
ORDER BY 7, 1
"""
CASES = """
SELECT * FROM (
    SELECT DISTINCT ON (case_ref) case_ref, case_kind, id AS activity, started_at, finished FROM activity
    WHERE person = $1 AND case_ref IS NOT NULL AND (NOT finished OR started_at > $2)
    ORDER BY case_ref, finished, started_at DESC
) latest ORDER BY started_at DESC, case_ref
"""
RECUSED = """
SELECT recusal, case_ref, case_kind, standing, lower(during) AS since FROM recused
WHERE person = $1 AND during @> $2::timestamptz ORDER BY 5, 1
"""
PLANNED = """
SELECT id, post, officer, duty_type, starts_at, ends_at FROM planned_shift
WHERE person = $1 AND withdrawn_at IS NULL AND during && tstzrange($2, $3) ORDER BY starts_at LIMIT $4
"""
UNSEALED = """
SELECT id, file_name, media_type, state, bytes, sha256 FROM upload
WHERE owner = $1 AND state IN ('declared', 'receiving', 'received', 'mismatch') ORDER BY declared_at DESC, id LIMIT $2
"""


async def of(actor: Actor, works: str | None, now: datetime) -> Bundle:
    """The bundle of this person at this moment; `works`: the ETag of the catalogue they have."""
    kept = duty_check.catalogue()
    same = works is not None and works.strip('"') == kept.etag.strip('"')
    current = await first(NOW, actor.person, now)
    recent, ahead = now - law().span("case_recent"), now + law().span("planned_ahead")
    return Bundle(
        server_time=now,
        works_etag=kept.etag,
        works=None if same else msgspec.json.decode(kept.plain, type=dict[str, msgspec.Raw]),
        own=msgspec.convert(await directory.me(actor), Own, from_attributes=True),
        shift=None if current is None else _as(OwnShift, current),
        shifts=[_as(OwnShift, row) for row in await fetch(LATEST, actor.person, SHIFTS)],
        leading=[_as(LeadingNow, row) for row in await fetch(LEADING, actor.person, now)],
        officers=[_as(OfficerInService, row) for row in await fetch(SERVING, actor.organ, now, OFFICERS)],
        cases=[_as(OwnCase, row) for row in await fetch(CASES, actor.person, recent)],
        recusals=[_as(OwnRecusal, row) for row in await fetch(RECUSED, actor.person, now)],
        uploads=[_as(OwnUpload, row) for row in await fetch(UNSEALED, actor.person, UPLOADS)],
        planned=[_as(OwnPlanned, row) for row in await fetch(PLANNED, actor.person, now, ahead, PLANS)],
    )


def _as(kind: type[T], row: Any) -> T:
    return kind(**{field: row[field] for field in kind.__struct_fields__})
