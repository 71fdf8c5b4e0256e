"""Reading the key content of footage: every description as JSON, and an index to print for the file of a case.

Guarantees: see mobile_api/printing.py, which makes the page.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from html import escape
from typing import Any
from uuid import UUID

from litestar import MediaType, Request, Response, get

from backend.core.paging import Page, page_limit
from backend.evidence import reads
from backend.evidence.reads import Description, FootageIndex
from backend.evidence.schemas import KeyContent
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.printing import HEADERS, clock, fact, missing, printed
from mobile_api.problems import refuses

TAGS = ["Evidence · 视音频资料"]
SIGNED = ("带班民警 Leading officer", "辅警 Auxiliary", "日期 Date")
SECOND, MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
CONTENT = """<table>
<thead><tr><th>序号<small>No.</small></th><th>时间<small>Clock time</small></th><th>位置<small>Offset</small></th>
<th>重点内容<small>Key content</small></th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p>说明人 Described by: <bdi>{name}</bdi> ({badge})　说明时间 at: {at}</p>"""
ROW = (
    '<tr><td class="time">{number}</td><td class="time">{clock}</td><td class="time">{offset}</td>'
    '<td class="words">{words}</td></tr>'
)


@listing(
    "/recordings/{recording:uuid}/descriptions", summary="Key content · 重点内容", tags=TAGS,
    operation_id="recording_descriptions", opt=refuses("unknown_recording"),
)  # fmt: skip
async def descriptions(
    request: Request[Any, Any, Any], recording: UUID, cursor: Cursor = None, limit: Limit = None
) -> Page[Description]:
    """Every description of one recording, newest first; the newest one counts."""
    return await reads.descriptions(request.user, recording, cursor, page_limit(limit))


@get(
    "/recordings/{recording:uuid}/index", summary="Printable index · 可打印索引", tags=TAGS,
    operation_id="recording_index", media_type=MediaType.HTML, opt=refuses("unknown_recording"),
)  # fmt: skip
async def index(request: Request[Any, Any, Any], recording: UUID) -> Response[str]:
    """The newest description as a page to print and sign: what the footage shows, and when."""
    footage_index = await reads.footage_index(request.user, recording)
    return Response(page(footage_index), media_type=MediaType.HTML, headers=HEADERS)


def page(footage_index: FootageIndex) -> str:
    """The index as HTML, in Beijing time."""
    description, started_at = footage_index.description, footage_index.recording.started_at
    content = missing("not_described") if description is None else _content(description, started_at)
    return printed("footage_index", _facts(footage_index), content, SIGNED)


def _facts(footage_index: FootageIndex) -> Iterable[str]:
    """What is known of the footage itself."""
    row = footage_index.recording
    yield fact("公安机关", "Organ", f"{footage_index.organ} ({row.organ})")
    yield fact("佩戴人", "Wearer", footage_index.wearer)
    yield fact("警号/辅警编号", "Badge number", row.badge)
    yield fact("执法记录仪编号", "Camera serial number", row.camera_serial)
    if row.incident_ref is not None:
        yield fact("接处警编号", "Incident", row.incident_ref)
    yield fact("文件名", "File name", row.file_name)
    yield fact("资料编号", "Recording", str(row.id))
    yield fact("SHA-256", "Digest of the file", row.sha256 or "尚未申报 not declared yet", ' class="digest"')
    yield fact("大小", "Size", f"{row.bytes:,} 字节 bytes" if row.bytes else "尚未申报 not declared yet")
    yield fact("封存时间", "Sealed at", clock(row.sealed_at) if row.sealed_at else "尚未封存 not sealed yet")
    yield fact("开始", "Start", clock(row.started_at))
    yield fact("结束", "End", clock(row.ended_at) if row.ended_at else "没有申报 not declared")
    probed = "尚未检测 not probed yet" if row.probed_ms is None else _offset(row.probed_ms * MILLISECOND)
    yield fact("检测时长", "Duration as probed", probed)


def _content(description: Description, started_at: datetime) -> str:
    """The described pieces in the order of the footage."""
    pieces = enumerate(sorted(description.content, key=lambda piece: (piece.from_ms, piece.to_ms)), start=1)
    return CONTENT.format(
        rows="\n".join(_row(number, piece, started_at) for number, piece in pieces),
        name=escape(description.name),
        badge=escape(description.badge),
        at=clock(description.at),
    )


def _row(number: int, piece: KeyContent, started_at: datetime) -> str:
    """One piece in whole seconds: rounded down at its start and up at its end."""
    begins, ends = piece.from_ms // 1000 * SECOND, -(-piece.to_ms // 1000) * SECOND
    starts, stops = started_at + piece.from_ms * MILLISECOND, _up(started_at + piece.to_ms * MILLISECOND)
    times = f"{clock(starts)}–{clock(stops).removeprefix(f'{clock(starts):.11}')}"
    offset = f"{_offset(begins)}–{_offset(ends)}"
    return ROW.format(number=number, clock=times, offset=offset, words=escape(piece.words))


def _up(at: datetime) -> datetime:
    """Rounded up to a whole second."""
    return at if at.microsecond == 0 else at.replace(microsecond=0) + SECOND


def _offset(span: timedelta) -> str:
    seconds = span // SECOND
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


ROUTES = [descriptions, index]
