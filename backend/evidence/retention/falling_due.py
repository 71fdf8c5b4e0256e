"""Footage whose term ends soon and that nothing holds: a list by organ, and a line for its overseers ahead of time.

Guarantees: each recording is told twice, `disposal_notice` and `disposal_last_notice` ahead (terms.toml), however often
this runs. Nothing in the list or the lines tells of a hold to whom it is kept from: for them the footage falls due, and
goes from the list when it would be disposed of. The lines are for all overseers, so no hold counts for them but those
of a category (not harassment) or an injury, which are no secret.
The store locks by whole seconds: a term that ends with a day is locked until midnight.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from backend.core import journal
from backend.core.database import execute, fetch, tx
from backend.core.days import A_DAY, A_MOMENT, day_of, last_moment, until
from backend.core.described import Badge, BeganAt, OrganCode, OrganName, PersonName, WearerId
from backend.core.journal import utc
from backend.core.paging import Page, PageCursor, as_row, next_page
from backend.core.verb import Actor
from backend.core.visibility import viewer
from backend.core.wire import Moment
from backend.evidence.reads import NOT_HIDDEN
from backend.law.catalogue import law

# $1 viewer, $2 their organs, $3 now, $4 until when, $5 organ or null, $6 and $7 after which row, $9 how long after its
# term footage is disposed of at the latest: the next night
FALLING_DUE = f"""
SELECT u.id, r.wearer, r.organ, o.name AS organ_name, p.badge, p.name, u.file_name, u.bytes, r.started_at, r.ended_at,
    u.locked_until, day_in_china(u.locked_until - interval '1 microsecond') - day_in_china($3)
    AS days_left
FROM upload u JOIN recording r ON r.id = u.id JOIN person_now p ON p.id = r.wearer JOIN organ o ON o.code = r.organ
WHERE u.kind = 'recording' AND u.state = 'sealed' AND u.disposed_at IS NULL AND u.locked_until <= $4
    AND r.organ IN (SELECT organs_under($2::text[]))
    AND ($5::text IS NULL OR r.organ IN (SELECT organs_under(ARRAY[$5::text])))
    AND ($6::timestamptz IS NULL OR (u.locked_until, u.id) > ($6, $7::uuid))
    AND {NOT_HIDDEN.format(viewer="$1")}
    AND (SELECT count(*) FROM held_footage k JOIN hold h ON h.id = k.hold
        WHERE k.upload = u.id AND (u.locked_until < $3::timestamptz - $9::interval OR NOT hold_kept_from(h, $1))) = 0
ORDER BY u.locked_until, u.id LIMIT $8
"""  # noqa: S608
LOCK = "SELECT pg_advisory_xact_lock(hashtext('fujing falling due'))"
TELL = """
UPDATE upload u SET due_told = $2 FROM recording r
WHERE r.id = u.id AND u.kind = 'recording' AND u.state = 'sealed' AND u.disposed_at IS NULL
    AND u.locked_until <= $1 AND coalesce(u.due_told > $2, true)
    AND (SELECT count(*) FROM held_footage k JOIN hold h ON h.id = k.hold WHERE k.upload = u.id AND (
        h.origin = 'injury' OR h.origin = 'category' AND h.category <> 'harassment')) = 0
RETURNING r.organ
"""


class FallingDue(msgspec.Struct, frozen=True, kw_only=True):
    """A recording that is disposed of soon, unless something holds it before."""

    id: Annotated[UUID, msgspec.Meta(description="id of the recording")]
    wearer: WearerId
    badge: Badge
    name: PersonName
    organ: OrganCode
    organ_name: OrganName
    file_name: Annotated[str, msgspec.Meta(description="name of the file, as declared")]
    bytes: Annotated[int, msgspec.Meta(description="size of the file in bytes")]
    started_at: BeganAt
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end, in corrected time; null: not known")]
    locked_until: Annotated[Moment, msgspec.Meta(description="its term ends then; the night after it is disposed of")]
    days_left: Annotated[int, msgspec.Meta(description="days from today until that day; negative: it is past")]


async def falling_due(
    actor: Actor, now: datetime, days: int | None, organ: str | None, cursor: str | None, limit: int
) -> Page[FallingDue]:
    """What falls due within `days` (by default as long as the first notice) in the organs that the actor oversees.

    Soonest first. Raises Refusal `invalid`: a bad cursor.
    """
    last = until(law(), "disposal_notice", now) if days is None else last_moment(day_of(now) + days * A_DAY)
    page = PageCursor.after(cursor)
    rows = await fetch(
        FALLING_DUE, *viewer(actor), now, last + A_MOMENT, organ, page and page.at, page and page.id, limit + 1, A_DAY
    )
    items = [as_row(FallingDue, row) for row in rows[:limit]]
    return Page(items=items, next=next_page(rows, limit, "locked_until"))


async def tell(now: datetime) -> int:
    """Tell the overseers of each organ that footage of theirs falls due, where they have not been told. Returns how
    many lines were written."""
    lines = 0
    for term in ("disposal_last_notice", "disposal_notice"):
        last = until(law(), term, now)
        days = (day_of(last) - day_of(now)).days
        async with tx():
            await execute(LOCK)
            organs = {row["organ"] for row in await fetch(TELL, last + A_MOMENT, days)}
            for organ in sorted(organs):
                await _append_line(organ, now, days, last)
        lines += len(organs)
    return lines


async def _append_line(organ: str, now: datetime, days: int, last: datetime) -> None:
    due = {"organ": organ, "days": days, "until": utc(last)}
    await journal.append(
        journal.Line(
            at=now, verb="evidence/falling-due", outcome="done", organ=organ, subjects=[],
            facts={"subject": {"falling_due": due}},
        )
    )  # fmt: skip
