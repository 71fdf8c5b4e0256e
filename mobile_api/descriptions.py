"""The key content of footage: every description as JSON, and an index that is printed for the file of a case.

Guarantees: the page holds everything it shows and asks no other address for anything; no text of a person is markup
on it; no script runs on it, whatever was written.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from html import escape
from typing import Any
from uuid import UUID

from litestar import MediaType, Request, Response, get

from backend.evidence.entries import KeyContent
from backend.law.catalogue import law
from backend.oversight import descriptions as described
from backend.oversight import reads
from backend.oversight.descriptions import Description, Descriptions, Index
from mobile_api.lookups import Cursor, Limit

TAGS = ["Evidence · 视音频资料"]
BEIJING = timezone(timedelta(hours=8))  # China has one legal time
SECOND, MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
STYLE = """
body { font: 11pt/1.5 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", SimSun, sans-serif;
  max-width: 180mm; margin: 12mm auto; padding: 0 4mm; color: #000; background: #fff; }
h1 { font-size: 15pt; margin: 0; } h1 small { display: block; font-size: 10pt; font-weight: normal; }
p.basis { margin: 2mm 0 5mm; font-size: 9pt; }
p.none { border: 2px solid #000; padding: 3mm; font-weight: bold; }
table { border-collapse: collapse; width: 100%; margin: 0 0 6mm; }
th, td { border: 1px solid #000; padding: 1.5mm 2mm; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: normal; background: #f2f2f2; } th small, thead small { display: block; font-size: 8pt; }
table.facts th { width: 38mm; } td.time { white-space: nowrap; width: 1%; font-variant-numeric: tabular-nums; }
td.words { white-space: pre-wrap; unicode-bidi: isolate; } td.digest { font-family: monospace; font-size: 9pt; }
thead { display: table-header-group; } tr { break-inside: avoid; }
div.signed { display: flex; gap: 12mm; margin-top: 12mm; break-inside: avoid; }
div.signed p { flex: 1; border-bottom: 1px solid #000; padding-bottom: 9mm; margin: 0; }
@page { size: A4; margin: 15mm; }
@media print { body { margin: 0; padding: 0; max-width: none; } }
"""
HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
PAGE = """<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><title>{title}</title><style>{style}</style></head>
<body>
<h1>{title}<small>{title_en}</small></h1>
<p class="basis">{basis}</p>
<table class="facts">
{facts}
</table>
{content}
<div class="signed">
<p>带班民警 Leading officer</p><p>辅警 Auxiliary</p><p>日期 Date</p>
</div>
</body>
</html>
"""
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
FACT = "<tr><th>{zh}<small>{en}</small></th><td{kind}><bdi>{text}</bdi></td></tr>"


@get(
    "/recordings/{recording:uuid}/descriptions", summary="Key content · 重点内容", tags=TAGS,
    operation_id="recording_descriptions",
)  # fmt: skip
async def descriptions(
    request: Request[Any, Any, Any], recording: UUID, cursor: Cursor = None, limit: Limit = None
) -> Descriptions:
    """Every description of one recording, newest first; the newest stands."""
    return await described.descriptions(request.user, recording, cursor, reads.page_limit(limit))


@get(
    "/recordings/{recording:uuid}/index", summary="Printable index · 可打印索引", tags=TAGS,
    operation_id="recording_index", media_type=MediaType.HTML,
)  # fmt: skip
async def index(request: Request[Any, Any, Any], recording: UUID) -> Response[str]:
    """The description that stands as a page to print and sign: what the footage shows, and when."""
    return Response(page(await described.index(request.user, recording)), media_type=MediaType.HTML, headers=HEADERS)


def page(told: Index) -> str:
    """The index as HTML, in Beijing time."""
    words, none = law().messages["footage_index"], law().messages["not_described"]
    missing = f'<p class="none">{escape(none.zh)}<br>{escape(none.en)}</p>'
    return PAGE.format(
        title=escape(words.title_zh),
        title_en=escape(words.title_en),
        style=STYLE,
        basis=escape(f"{words.zh} {words.en} ({words.article})" if words.article else f"{words.zh} {words.en}"),
        facts="\n".join(_facts(told)),
        content=missing if told.described is None else _content(told.described, told.recording.started_at),
    )


def _facts(told: Index) -> Iterable[str]:
    """What is known of the footage itself."""
    row = told.recording
    yield _fact("公安机关", "Organ", f"{told.organ} ({row.organ})")
    yield _fact("佩戴人", "Wearer", told.wearer)
    yield _fact("警号/辅警编号", "Badge number", row.badge)
    yield _fact("执法记录仪编号", "Camera serial number", row.camera_serial)
    yield _fact("文件名", "File name", row.file_name)
    yield _fact("资料编号", "Recording", str(row.id))
    yield _fact("SHA-256", "Digest of the file", row.sha256 or "尚未申报 not declared yet", ' class="digest"')
    yield _fact("大小", "Size", f"{row.bytes:,} 字节 bytes" if row.bytes else "尚未申报 not declared yet")
    yield _fact("封存时间", "Sealed at", _clock(row.sealed_at) if row.sealed_at else "尚未封存 not sealed yet")
    yield _fact("开始", "Start", _clock(row.started_at))
    yield _fact("结束", "End", _clock(row.ended_at) if row.ended_at else "没有申报 not declared")
    probed = "尚未检测 not probed yet" if row.probed_ms is None else _offset(row.probed_ms * MILLISECOND)
    yield _fact("检测时长", "Duration as probed", probed)


def _fact(zh: str, en: str, text: str, kind: str = "") -> str:
    return FACT.format(zh=zh, en=en, text=escape(text), kind=kind)


def _content(told: Description, started_at: datetime) -> str:
    """In the order of the footage, whatever the order in which it was told."""
    pieces = enumerate(sorted(told.content, key=lambda piece: (piece.from_ms, piece.to_ms)), start=1)
    return CONTENT.format(
        rows="\n".join(_row(number, piece, started_at) for number, piece in pieces),
        name=escape(told.name),
        badge=escape(told.badge),
        at=_clock(told.at),
    )


def _row(number: int, piece: KeyContent, started_at: datetime) -> str:
    """A stretch in whole seconds, which hold all of it."""
    begins, ends = piece.from_ms // 1000 * SECOND, -(-piece.to_ms // 1000) * SECOND
    starts, stops = started_at + piece.from_ms * MILLISECOND, _up(started_at + piece.to_ms * MILLISECOND)
    clock = f"{_clock(starts)}–{_clock(stops).removeprefix(f'{_clock(starts):.11}')}"
    offset = f"{_offset(begins)}–{_offset(ends)}"
    return ROW.format(number=number, clock=clock, offset=offset, words=escape(piece.words))


def _up(at: datetime) -> datetime:
    """The next whole second, unless it is one."""
    return at if at.microsecond == 0 else at.replace(microsecond=0) + SECOND


def _clock(at: datetime) -> str:
    return f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"


def _offset(span: timedelta) -> str:
    seconds = span // SECOND
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


ROUTES = [descriptions, index]
