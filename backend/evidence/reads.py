"""Read recordings and the descriptions of their key content; never their bytes.

Guarantees: what a person may not see is answered as if it did not exist (404); nobody sees footage of a case that they
stepped aside from. Whoever may see a recording may read its descriptions, and nobody else. The newest description
stands, by (time, id), and earlier ones stay readable. A recording shows the descriptions of all ids under which the
same bytes were declared.

Source: 公安机关办理行政案件程序规定 55, 86.
"""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from backend.core.database import Record, fetch, first
from backend.core.described import BeganAt, IncidentNumber, OrganCode, OrganName, WearerId
from backend.core.paging import Page, PageCursor, as_row, next_page
from backend.core.refusals import Refusal
from backend.core.verb import Actor
from backend.core.visibility import viewer, visible_while_led
from backend.core.wire import Moment
from backend.evidence.schemas import FootageCategory, KeyContent
from backend.evidence.starts import reads as starts
from backend.evidence.starts.schemas import RecordingStart
from backend.evidence.tables import SHOWN

# Nearly nobody was ever asked to step aside: this is checked once for a viewer, not for every recording.
NOT_HIDDEN = (
    "(NOT EXISTS (SELECT FROM recusal x WHERE x.person = {viewer}) OR NOT hidden_from({viewer}, r.wearer, r.during))"
)
RECORDING_FILTER = visible_while_led(
    auxiliary="r.wearer",
    organ="r.organ",
    began="r.started_at",
    span=SHOWN,
).only(NOT_HIDDEN.format(viewer="$1"))
# Not for who wore the camera or led then: that only some of their footage went after its term would tell of a hold that
# is kept from them.
DISPOSED_AT = """CASE WHEN u.disposed_at IS NULL OR r.wearer = {viewer} OR EXISTS (
        SELECT FROM supervision v WHERE v.officer = {viewer} AND v.auxiliary = r.wearer
            AND v.answer IS DISTINCT FROM 'declined' AND v.during && r.during) THEN NULL ELSE u.disposed_at END"""
SELECT_RECORDINGS_FOR = f"""
SELECT r.*, p.badge, p.name, o.name AS organ_name, u.file_name, u.media_type, u.state, u.bytes, u.sha256,
    u.sealed_at, u.locked_until, {DISPOSED_AT} AS disposed_at, CASE WHEN u.state = 'sealed' THEN coalesce((
        SELECT array_agg(ARRAY[
            round(extract(epoch FROM lower(x) - r.started_at) * 1000)::bigint,
            round(extract(epoch FROM upper(x) - r.started_at) * 1000)::bigint
        ] ORDER BY x) FROM unnest(r.proved) x
    ), '{{{{}}}}') END AS filmed
FROM recording r JOIN upload u ON u.id = r.id JOIN person_now p ON p.id = r.wearer
    JOIN organ o ON o.code = r.organ
"""  # noqa: S608 - constants
SELECT_RECORDINGS = SELECT_RECORDINGS_FOR.format(viewer="$1")
# A scalar: as NOT EXISTS the planner joins it, and reads all uploads for a page of fifty.
NO_DUPLICATE = "(SELECT x.state FROM upload x WHERE x.id = r.id) <> 'same_as'"
DESCRIPTIONS = """
SELECT d.id, d.by_person, p.badge, p.name, d.at, d.category, c.froms, c.tos, c.words
FROM recording_description d JOIN person_now p ON p.id = d.by_person JOIN upload u ON u.id = d.recording
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
JOIN person_now p ON p.id = r.wearer JOIN organ o ON o.code = r.organ WHERE r.id = $1
"""


class RecordingRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one recording."""

    id: Annotated[UUID, msgspec.Meta(description="id of the recording, which is that of its upload")]
    wearer: WearerId
    badge: Annotated[str, msgspec.Meta(description="badge number of the wearer")]
    name: Annotated[str, msgspec.Meta(description="name of the wearer")]
    organ: OrganCode
    organ_name: OrganName
    camera_serial: Annotated[str, msgspec.Meta(description="serial number of the camera")]
    file_name: Annotated[str, msgspec.Meta(description="name of the file, as declared")]
    media_type: Annotated[str, msgspec.Meta(description="media type of the file, as declared, such as video/mp4")]
    started_at: BeganAt
    ended_at: Annotated[Moment | None, msgspec.Meta(description="end, in corrected time; null: not declared yet")]
    key_mark: Annotated[bool, msgspec.Meta(description="the wearer marked it as important (重点标记)")]
    state: Annotated[str, msgspec.Meta(description="state of the upload, as the route of its receipt says it")]
    bytes: Annotated[int | None, msgspec.Meta(description="size of the file in bytes; null: not declared yet")]
    sha256: Annotated[
        str | None, msgspec.Meta(description="SHA-256 of the file, lower-case hex; null: not declared yet")
    ]
    probed_ms: Annotated[
        int | None,
        msgspec.Meta(
            description="duration of the file itself, pauses included, in milliseconds; null: not sealed, or no media"
        ),
    ]
    filmed: Annotated[
        list[tuple[int, int]] | None,
        msgspec.Meta(
            description="stretches in which the film shows a picture, from and to, in milliseconds from its start: what"
            " it proves. Empty: it shows none. null: not sealed yet"
        ),
    ]
    codec: Annotated[
        str | None,
        msgspec.Meta(description="codec of its first video stream, else of its audio; null: not sealed yet, or none"),
    ]
    sealed_at: Annotated[
        Moment | None, msgspec.Meta(description="when the server locked it and signed its receipt; null: not sealed")
    ]
    locked_until: Annotated[
        Moment | None, msgspec.Meta(description="nobody can delete it before this time; null: not sealed")
    ]
    disposed_at: Annotated[
        Moment | None,
        msgspec.Meta(
            description="when it was disposed of, after its term; null: it is kept, or you wore the camera or led then"
        ),
    ]
    incident_ref: IncidentNumber = None


class RecordingDetail(RecordingRow, frozen=True, kw_only=True):
    """What is known of one recording, and how it is known when it began."""

    start: Annotated[
        RecordingStart | None, msgspec.Meta(description="how it is known when it began; null: nobody told")
    ]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """One description: who made it, when, and what the footage shows."""

    id: Annotated[UUID, msgspec.Meta(description="id of the description")]
    by_person: Annotated[UUID, msgspec.Meta(description="id of the person who described it")]
    badge: Annotated[str, msgspec.Meta(description="badge number of the person who described it")]
    name: Annotated[str, msgspec.Meta(description="name of the person who described it")]
    at: Annotated[Moment, msgspec.Meta(description="when it was described, in corrected time")]
    content: Annotated[list[KeyContent], msgspec.Meta(description="the described stretches, in the order given")]
    category: FootageCategory = None


class FootageIndex(msgspec.Struct, frozen=True, kw_only=True):
    """Content of the printed page: a recording, the names of its wearer and organ, and the description that stands."""

    recording: RecordingRow
    wearer: str
    organ: str
    description: Description | None


async def recording(actor: Actor, recording_id: UUID) -> RecordingRow:
    """One recording. For an id whose bytes are kept under another id, that one. Raises Refusal `unknown_recording`."""
    row = await first(
        f"{SELECT_RECORDINGS} WHERE r.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $3)"  # noqa: S608
        f" AND {RECORDING_FILTER.condition}",
        *viewer(actor), recording_id,
    )  # fmt: skip
    if row is None:
        raise Refusal("unknown_recording")
    return as_row(RecordingRow, row)


async def recording_detail(actor: Actor, recording_id: UUID) -> RecordingDetail:
    """One recording, with every telling of when it began. Raises Refusal `unknown_recording`."""
    row = await recording(actor, recording_id)
    return RecordingDetail(**msgspec.structs.asdict(row), start=await starts.start_of(row.id))


async def descriptions(actor: Actor, recording_id: UUID, cursor: str | None, limit: int) -> Page[Description]:
    """The descriptions of one recording, newest first. Raises Refusal `unknown_recording`; `invalid`: a bad cursor."""
    page = PageCursor.after(cursor)
    row = await recording(actor, recording_id)
    rows = await fetch(DESCRIPTIONS, row.id, page and page.at, page and page.id, limit + 1)
    return Page(items=[_description(row) for row in rows[:limit]], next=next_page(rows, limit, "at"))


async def footage_index(actor: Actor, recording_id: UUID) -> FootageIndex:
    """The index of one recording, to be printed. Raises Refusal `unknown_recording`."""
    row = await recording(actor, recording_id)
    names: Any = await first(NAMES, row.id)
    newest = await first(DESCRIPTIONS, row.id, None, None, 1)
    return FootageIndex(
        recording=row, wearer=names["wearer"], organ=names["organ"], description=newest and _description(newest)
    )


def _description(row: Record) -> Description:
    stretches = zip(row["froms"], row["tos"], row["words"], strict=True)
    content = [KeyContent(from_ms=start, to_ms=end, words=words) for start, end, words in stretches]
    columns = {name: row[name] for name in ("id", "by_person", "badge", "name", "at", "category")}
    return Description(**columns, content=content)
