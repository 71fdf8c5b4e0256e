"""What people may read of the key content of footage: every description, and the index that is printed.

Guarantees: whoever may see the recording may read its descriptions, and nobody else; the newest stands, by (time, id),
and earlier ones stay readable; what was described before the bytes turned out to be kept under another id is found
there. Source: 公安机关办理行政案件程序规定 55, 86.
"""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from backend.core.database import Record, fetch, first
from backend.core.paging import Page
from backend.core.verb import Actor
from backend.core.wire import Moment
from backend.evidence import reads
from backend.evidence.reads import RecordingRow
from backend.evidence.schemas import KeyContent

DESCRIPTIONS = """
SELECT d.id, d.by_person, p.badge, p.name, d.at, c.froms, c.tos, c.words
FROM recording_description d JOIN person p ON p.id = d.by_person JOIN upload u ON u.id = d.recording
CROSS JOIN LATERAL (
    SELECT array_agg(k.from_ms ORDER BY k.position) AS froms, array_agg(k.to_ms ORDER BY k.position) AS tos,
        array_agg(k.words ORDER BY k.position) AS words
    FROM recording_key_content k WHERE k.description = d.id
) c
WHERE d.recording IN (SELECT id FROM upload WHERE id = $1 OR same_as = $1)
    AND ($2::timestamptz IS NULL OR (d.at, d.id) < ($2, $3))
ORDER BY d.at DESC, d.id DESC LIMIT $4
"""
NAMES = """
SELECT p.name AS wearer, o.name AS organ FROM recording r
JOIN person p ON p.id = r.wearer JOIN organ o ON o.code = r.organ WHERE r.id = $1
"""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """Who described footage, when, and what it shows."""

    id: UUID
    by_person: Annotated[UUID, msgspec.Meta(description="who described it")]
    badge: str
    name: str
    at: Annotated[Moment, msgspec.Meta(description="when it was described")]
    content: Annotated[list[KeyContent], msgspec.Meta(description="stretch by stretch, as it was told")]


class Descriptions(msgspec.Struct, frozen=True, kw_only=True):
    """Every description of one recording; the first of the first page stands."""

    items: list[Description]
    next: str | None


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What the printed page says: the recording, whose it is, and the description that stands."""

    recording: RecordingRow
    wearer: str
    organ: str
    described: Description | None


async def descriptions(actor: Actor, recording: UUID, cursor: str | None, limit: int) -> Descriptions:
    """Newest first. Raises Refusal `unknown_recording`; `invalid` for a cursor that is not ours."""
    page = Page.after(cursor)
    kept = await reads.recording(actor, recording)
    rows = await fetch(DESCRIPTIONS, kept.id, page and page.at, page and page.id, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return Descriptions(
        items=[_description(row) for row in rows[:limit]], next=last and Page(last["at"], last["id"]).cursor()
    )


async def index(actor: Actor, recording: UUID) -> Index:
    """The index of one recording. Raises Refusal `unknown_recording`."""
    kept = await reads.recording(actor, recording)
    names: Any = await first(NAMES, kept.id)
    newest = await first(DESCRIPTIONS, kept.id, None, None, 1)
    return Index(
        recording=kept, wearer=names["wearer"], organ=names["organ"], described=newest and _description(newest)
    )


def _description(row: Record) -> Description:
    stretches = zip(row["froms"], row["tos"], row["words"], strict=True)
    content = [KeyContent(from_ms=start, to_ms=end, words=words) for start, end, words in stretches]
    told = {name: row[name] for name in ("id", "by_person", "badge", "name", "at")}
    return Description(**told, content=content)
