"""The start-of-shift bundle: what a phone needs at the start of a shift, in one answer.

Guarantees: it holds the person's own data. Of others it holds only what everybody who is signed in may know of officers
(people/directory.py), and who leads or is led by the person, and who
commands their duty. Every list has an upper limit. For a station of 200 it is
under 64 KB compressed.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.activities import duty_check
from backend.activities.schemas import CaseKind
from backend.core.database import fetch, first
from backend.core.days import since, until
from backend.core.described import (
    Badge,
    BeganAt,
    EndedAt,
    InForce,
    KindOfPerson,
    LeadingOfficerId,
    LedAuxiliaryId,
    OrganCode,
    OrganName,
    PersonId,
    PersonName,
    PlannedShiftId,
    UploadId,
)
from backend.core.paging import as_row
from backend.core.verb import Actor, Role
from backend.core.wire import Moment
from backend.law.catalogue import law
from backend.people import directory
from backend.people.directory import IN_SERVICE
from backend.rosters.duty import DutyRow, ahead

SHIFTS, UPLOADS, OFFICERS, PLANS, DUTIES = 5, 200, 1000, 50, 20  # upper limits of the lists


DutyTypeCode = Annotated[
    str,
    msgspec.Meta(
        description="kind of duty: patrol 巡逻, post 值守, window 窗口, watch 值班, standby 备勤, event 活动安保"
    ),
]
OwnCaseNumber = Annotated[str, msgspec.Meta(description="number of the case, as the person entered it")]
OwnCaseKind = Annotated[CaseKind, msgspec.Meta(description="kind of the case, as the person entered it")]


class OwnOrgan(msgspec.Struct, frozen=True, kw_only=True):
    """The organ (公安机关) that the person belongs to."""

    code: OrganCode
    name: OrganName


class OwnQualification(msgspec.Struct, frozen=True, kw_only=True):
    """A qualification of the person. It is valid on its first and on its last day."""

    code: Annotated[str, msgspec.Meta(description="code of the qualification")]
    valid_from: Annotated[date, msgspec.Meta(description="first day on which the qualification is valid")]
    valid_until: Annotated[
        date | None, msgspec.Meta(description="last day on which the qualification is valid; null: no end")
    ]


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """The person, as on the roster."""

    id: PersonId
    badge: Badge
    name: PersonName
    kind: KindOfPerson
    organ: Annotated[OwnOrgan, msgspec.Meta(description="the organ that the person belongs to")]
    roles: Annotated[
        list[Role], msgspec.Meta(description="the person's roles; each covers its organ and all organs below")
    ]
    qualifications: Annotated[
        list[OwnQualification], msgspec.Meta(description="the person's qualifications, expired ones too")
    ]


class OwnShift(msgspec.Struct, frozen=True, kw_only=True):
    """One of the person's own shifts."""

    id: Annotated[UUID, msgspec.Meta(description="id of the shift, which is the id of its check-in")]
    duty_type: DutyTypeCode
    started_at: BeganAt
    ended_at: EndedAt
    in_force: InForce


class OfficerInService(msgspec.Struct, frozen=True, kw_only=True):
    """An officer in service in the person's organ or in an organ above it."""

    id: PersonId
    badge: Badge
    name: PersonName
    organ: OrganCode
    leads: Annotated[bool, msgspec.Meta(description="whether the officer leads somebody at this moment")]


class LeadingNow(msgspec.Struct, frozen=True, kw_only=True):
    """Who leads whom at this moment; the person is one of the two."""

    supervision: Annotated[UUID, msgspec.Meta(description="id of the supervision, which is the id of its naming")]
    auxiliary: LedAuxiliaryId
    auxiliary_name: PersonName
    officer: LeadingOfficerId
    officer_name: PersonName
    since: Annotated[Moment, msgspec.Meta(description="since when the officer leads")]
    confirmed: Annotated[bool, msgspec.Meta(description="whether the officer has confirmed it")]


class OwnCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case that the person worked on lately, or still works on."""

    case_ref: OwnCaseNumber
    case_kind: OwnCaseKind
    activity: Annotated[UUID, msgspec.Meta(description="id of the activity on the case that is open, else the latest")]
    started_at: Annotated[Moment, msgspec.Meta(description="start of that activity, in corrected time")]
    finished: Annotated[bool, msgspec.Meta(description="whether that activity is finished")]


class OwnRecusal(msgspec.Struct, frozen=True, kw_only=True):
    """A case from which the person is recused or stands aside, or where the recusal is not decided yet."""

    recusal: Annotated[UUID, msgspec.Meta(description="id of the recusal")]
    case_ref: OwnCaseNumber
    case_kind: OwnCaseKind
    standing: Annotated[
        Literal["pending", "standing_aside", "granted"],
        msgspec.Meta(description="pending: not decided; standing_aside: not decided, but out of it; granted: recused"),
    ]
    since: Annotated[Moment, msgspec.Meta(description="since when it stands so")]
    incident_ref: Annotated[
        str | None, msgspec.Meta(description="number of the incident 接处警编号, beside the case; null: none")
    ] = None


class OwnOtherRecusal(msgspec.Struct, frozen=True, kw_only=True):
    """A shift, an act, a mediation or an incident from which the person is recused, stands aside, or may become so."""

    recusal: Annotated[UUID, msgspec.Meta(description="id of the recusal")]
    standing: Annotated[
        Literal["pending", "standing_aside", "granted"],
        msgspec.Meta(description="pending: not decided; standing_aside: not decided, but out of it; granted: recused"),
    ]
    since: Annotated[Moment, msgspec.Meta(description="since when it stands so")]
    shift: Annotated[
        UUID | None, msgspec.Meta(description="id of the shift: until its end, everything; null: it is from no shift")
    ]
    activity: Annotated[UUID | None, msgspec.Meta(description="id of the act; null: it is from no act")]
    mediation: Annotated[
        str | None, msgspec.Meta(description="number or name of the mediation; null: it is from no mediation")
    ]
    incident_ref: Annotated[str | None, msgspec.Meta(description="number of the incident 接处警编号; null: none")]


class OwnPlanned(msgspec.Struct, frozen=True, kw_only=True):
    """A shift in the next days for which the roster names the person."""

    id: PlannedShiftId
    post: Annotated[str, msgspec.Meta(description="post on the roster of duty")]
    officer: Annotated[UUID | None, msgspec.Meta(description="id of the planned leading officer; null: none is named")]
    duty_type: DutyTypeCode
    starts_at: Annotated[Moment, msgspec.Meta(description="planned start")]
    ends_at: Annotated[Moment, msgspec.Meta(description="planned end")]


class OwnUpload(msgspec.Struct, frozen=True, kw_only=True):
    """A recording or document of the person that is not sealed yet."""

    id: UploadId
    file_name: Annotated[str, msgspec.Meta(description="name of the file on the device")]
    media_type: Annotated[str, msgspec.Meta(description="media type of the file as it was declared")]
    state: Annotated[
        Literal["declared", "receiving", "received", "mismatch"],
        msgspec.Meta(
            description="declared: nothing arrived; receiving: parts arrive; received: complete, being checked; "
            "mismatch: the bytes were not those declared, send them again"
        ),
    ]
    bytes: Annotated[int | None, msgspec.Meta(description="size of the file in bytes; null: not known yet")]
    sha256: Annotated[str | None, msgspec.Meta(description="SHA-256 of the file in hex; null: not known yet")]


class Bundle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data for the start of a shift."""

    server_time: Annotated[Moment, msgspec.Meta(description="the server's clock")]
    works_etag: Annotated[
        str, msgspec.Meta(description="ETag of the catalogue of works; send it as `works` in the next call")
    ]
    works: Annotated[
        dict[str, msgspec.Raw] | None,
        msgspec.Meta(description="the catalogue, as in GET /v1/duty/works; absent: `works` of the call is current"),
    ] = None
    own: Annotated[Own, msgspec.Meta(description="the person, as on the roster")]
    shift: Annotated[OwnShift | None, msgspec.Meta(description="the person's shift now; null: not on duty")]
    shifts: Annotated[list[OwnShift], msgspec.Meta(description="the person's last shifts, newest first")]
    leading: Annotated[
        list[LeadingNow], msgspec.Meta(description="who leads the person now, and whom the person leads")
    ]
    officers: Annotated[
        list[OfficerInService],
        msgspec.Meta(description="officers in service in the person's organ and the organs above, nearest first"),
    ]
    cases: Annotated[list[OwnCase], msgspec.Meta(description="the person's open and recent cases, newest first")]
    recusals: Annotated[
        list[OwnRecusal], msgspec.Meta(description="cases from which the person is or may become recused")
    ]
    other_recusals: Annotated[
        list[OwnOtherRecusal],
        msgspec.Meta(description="what else the person is or may become recused from; absent: nothing"),
    ] = []
    uploads: Annotated[list[OwnUpload], msgspec.Meta(description="the person's uploads not sealed yet, newest first")]
    duty: Annotated[
        list[DutyRow],
        msgspec.Meta(
            description="who commands the duty of the person's organ, and the person's own duties, now and in the next "
            "days; absent: the daily roster names nobody"
        ),
    ] = []
    planned: Annotated[list[OwnPlanned], msgspec.Meta(description="the person's planned shifts, earliest first")]


LAST_SHIFTS = "SELECT * FROM shift WHERE person = $1 ORDER BY started_at DESC, id DESC LIMIT $2"
SHIFT_NOW = "SELECT * FROM shift WHERE person = $1 AND in_force AND during @> $2::timestamptz"
SERVING = f"""
WITH RECURSIVE above AS (
    SELECT code, parent, depth FROM organ WHERE code = $1
    UNION SELECT o.code, o.parent, o.depth FROM organ o JOIN above a ON o.code = a.parent
)
SELECT p.id, p.badge, p.name, p.organ, EXISTS (
    SELECT FROM led l WHERE l.officer = p.id AND l.named @> $2::timestamptz AND l.during @> $2::timestamptz
) AS leads
FROM person_now p JOIN above a ON a.code = p.organ WHERE p.kind = 'officer' AND {IN_SERVICE}
ORDER BY a.depth DESC, p.badge LIMIT $3
"""  # noqa: S608 - constants
LEADING = """
SELECT l.supervision, l.auxiliary, a.name AS auxiliary_name, l.officer, o.name AS officer_name, l.confirmed,
    (SELECT lower(x) FROM unnest(l.during) x WHERE x @> $2::timestamptz) AS since
FROM led l JOIN person_now a ON a.id = l.auxiliary JOIN person_now o ON o.id = l.officer
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
SELECT c.recusal, c.case_ref, c.case_kind, c.shift, c.activity, r.mediation, r.incident_ref, c.standing,
    lower(c.during) AS since
FROM recused c JOIN recusal r ON r.id = c.recusal
WHERE c.person = $1 AND c.during @> $2::timestamptz ORDER BY since, c.recusal
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
    """The bundle of this person at this moment. `works`: ETag of the catalogue that they have."""
    catalogue = duty_check.catalogue()
    same = works is not None and works.strip('"') == catalogue.etag.strip('"')
    current = await first(SHIFT_NOW, actor.person, now)
    recent, later = since(law(), "case_recent", now), until(law(), "planned_ahead", now)
    recused = await fetch(RECUSED, actor.person, now)
    return Bundle(
        server_time=now,
        works_etag=catalogue.etag,
        works=None if same else msgspec.json.decode(catalogue.plain, type=dict[str, msgspec.Raw]),
        own=msgspec.convert(await directory.me(actor), Own, from_attributes=True),
        shift=None if current is None else as_row(OwnShift, current),
        shifts=[as_row(OwnShift, row) for row in await fetch(LAST_SHIFTS, actor.person, SHIFTS)],
        leading=[as_row(LeadingNow, row) for row in await fetch(LEADING, actor.person, now)],
        officers=[as_row(OfficerInService, row) for row in await fetch(SERVING, actor.organ, now, OFFICERS)],
        cases=[as_row(OwnCase, row) for row in await fetch(CASES, actor.person, recent)],
        recusals=[as_row(OwnRecusal, row) for row in recused if row["case_ref"] is not None],
        other_recusals=[as_row(OwnOtherRecusal, row) for row in recused if row["case_ref"] is None],
        uploads=[as_row(OwnUpload, row) for row in await fetch(UNSEALED, actor.person, UPLOADS)],
        duty=await ahead(actor.person, now, later, DUTIES),
        planned=[as_row(OwnPlanned, row) for row in await fetch(PLANNED, actor.person, now, later, PLANS)],
    )
