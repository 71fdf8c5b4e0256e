"""Read holds: for those who oversee the organ, never for the person whose footage is held.

A hold may serve a complaint that this person does not know of. Of the hold of a complaint, where it happened and who
wrote it down are for those who read the complaint in full.
"""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from backend.core.database import Record, fetch, first
from backend.core.described import NameBeside, OrganCode, UploadId
from backend.core.paging import ListQuery, Page, as_row, next_page, rows_of_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import INSPECTING, name_of, viewer, visible_to
from backend.core.wire import Moment, Place
from backend.evidence.reads import NOT_HIDDEN
from backend.evidence.schemas import Permanent

HoldStatus = Literal["standing", "released", "all"]
CONDITIONS: dict[HoldStatus, str] = {
    "standing": "h.released_at IS NULL",
    "released": "h.released_at IS NOT NULL",
    "all": "true",
}
HOLD_FILTER = visible_to(own=[], organ="h.organ").only("NOT hold_kept_from(h, $1)")
SELECT_HOLDS = f"""
SELECT h.*, h.upload AS recording, p.badge, p.name, {name_of("h.placed_by")} AS placed_by_name,
    {name_of("h.asked_by")} AS asked_by_name, {name_of("h.released_by")} AS released_by_name,
    h.origin = 'complaint' AND NOT EXISTS (
    SELECT FROM complaint c WHERE c.id = h.about
        AND (c.taken_by = $1 OR c.organ IN (SELECT organs_under({{inspects}}::text[])))) AS in_part
FROM hold h LEFT JOIN person_now p ON p.id = h.person
"""  # noqa: S608 - constants
OF_COMPLAINANT = ("place", "radius_m", "placed_by", "placed_by_name")  # hidden in the complaint too
COVERED = f"""
SELECT u.id, u.kind, u.owner, u.state, u.locked_until, u.legal_hold, r.started_at FROM held k
JOIN upload u ON u.id = k.upload LEFT JOIN recording r ON r.id = u.id
WHERE k.hold = $1 AND (r.id IS NULL OR {NOT_HIDDEN.format(viewer="$2")})
ORDER BY r.started_at, u.id LIMIT 1000
"""  # noqa: S608 - constants


class HoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A hold. Exactly one of `person`, `place` and `recording` is not null; none of them where it serves a complaint
    about a place that you may not read in full."""

    id: Annotated[UUID, msgspec.Meta(description="id of the hold")]
    organ: OrganCode
    origin: Annotated[
        Literal["placed", "injury", "complaint", "matter", "category"],
        msgspec.Meta(
            description="placed 由督察设置, injury 因工伤, complaint 因投诉, matter 因申诉或侵扰, "
            "category 依类别永久保存"
        ),
    ]
    about: Annotated[
        UUID | None,
        msgspec.Meta(
            description="id of the injury, complaint or matter that it serves; of a category: of the act, call, "
            "matter, recording or description that asks for it; null: by hand"
        ),
    ]
    person: Annotated[UUID | None, msgspec.Meta(description="id of the person whose footage is held")]
    badge: Annotated[str | None, msgspec.Meta(description="badge number of that person; null: no single one")]
    name: Annotated[str | None, msgspec.Meta(description="name of that person; null: no single one")]
    place: Annotated[
        Place | None,
        msgspec.Meta(
            description="footage that may show this place is held; null: no place, or that of a complaint not in full"
        ),
    ]
    radius_m: Annotated[int | None, msgspec.Meta(description="radius around `place`, in metres; null: `place` is null")]
    recording: Annotated[UUID | None, msgspec.Meta(description="id of the recording that is held")]
    started_at: Annotated[Moment | None, msgspec.Meta(description="start of the time covered; null for a recording")]
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end of the time covered; null: without an end")]
    permanent: Permanent
    category: Annotated[
        str | None,
        msgspec.Meta(
            description="why it is kept for ever: a category of `retention` in duty/works, or violence 暴力求助, "
            "harassment 侵扰, key_mark 重点标记; null: none of them"
        ),
    ]
    number: Annotated[
        str | None, msgspec.Meta(description="number of the case or task that needs the hold; null: it has none")
    ]
    reason: Annotated[str, msgspec.Meta(description="why the footage must be kept")]
    placed_by: Annotated[
        UUID | None,
        msgspec.Meta(description="id of the person who placed it, or whose entry did; null: a complaint not in full"),
    ]
    placed_by_name: NameBeside = None
    placed_at: Annotated[Moment, msgspec.Meta(description="when the hold was placed")]
    asked_by: Annotated[
        UUID | None, msgspec.Meta(description="id of the person who asked to release it; null: nobody asks")
    ]
    asked_by_name: NameBeside = None
    asked_at: Annotated[Moment | None, msgspec.Meta(description="when that was asked; null: nobody asks")]
    asked_why: Annotated[str | None, msgspec.Meta(description="why it is to be released; null: nobody asks")]
    released_by: Annotated[UUID | None, msgspec.Meta(description="id of the person who released it; null: it stands")]
    released_by_name: NameBeside = None
    released_at: Annotated[Moment | None, msgspec.Meta(description="when the hold was released; null: it stands")]
    released_why: Annotated[str | None, msgspec.Meta(description="why the hold was released; null: it stands")]


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that a hold covers."""

    id: UploadId
    kind: Annotated[
        Literal["recording", "document"], msgspec.Meta(description="recording: footage; document: a paper or photo")
    ]
    owner: Annotated[UUID, msgspec.Meta(description="id of the person whose footage or paper it is")]
    state: Annotated[str, msgspec.Meta(description="state of the upload, as the route of its receipt says it")]
    started_at: Annotated[
        Moment | None, msgspec.Meta(description="start of the footage, in corrected time; null: a paper or photo")
    ]
    locked_until: Annotated[
        Moment | None, msgspec.Meta(description="nobody can delete it before this time; null: not sealed")
    ]
    legal_hold: Annotated[
        bool, msgspec.Meta(description="the store has a legal hold on it: it stays, whatever locked_until says")
    ]


class HoldDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One hold, and up to 1,000 uploads that it covers."""

    hold: Annotated[HoldRow, msgspec.Meta(description="the hold")]
    covers: Annotated[
        list[Covered], msgspec.Meta(description="the uploads that it covers by now, oldest first; at most 1,000")
    ]


async def holds(actor: Actor, status: HoldStatus, cursor: str | None, limit: int) -> Page[HoldRow]:
    """The holds of the organs that the actor oversees, newest first."""
    select = SELECT_HOLDS.format(inspects="$3")
    listed = ListQuery(select, "hold h", HOLD_FILTER, CONDITIONS[status], by="placed_at")
    rows = await rows_of_page(listed, actor, cursor, limit, viewer(actor, INSPECTING)[1])
    return Page(items=[_row(row) for row in rows[:limit]], next=next_page(rows, limit, "placed_at"))


async def hold(actor: Actor, hold_id: UUID) -> HoldDetail:
    """One hold and what it covers. Raises Refusal `unknown_hold`."""
    sql = f"{SELECT_HOLDS.format(inspects='$4')} WHERE h.id = $3 AND {HOLD_FILTER.condition}"
    row = await first(sql, *viewer(actor), hold_id, viewer(actor, INSPECTING)[1])
    if row is None:
        raise Refusal("unknown_hold")
    covered = await fetch(COVERED, hold_id, actor.person)
    return HoldDetail(hold=_row(row), covers=[as_row(Covered, upload) for upload in covered])


def _row(row: Record) -> HoldRow:
    columns = {field: row[field] for field in HoldRow.__struct_fields__}
    columns["place"] = None if row["place"] is None else msgspec.json.decode(row["place"], type=Place)
    return HoldRow(**(columns | dict.fromkeys(OF_COMPLAINANT) if row["in_part"] else columns))
