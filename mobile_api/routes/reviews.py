"""Reviews: reading them, watching footage under one, spot checks; and what is kept about oneself."""

import hashlib
from base64 import b64encode
from datetime import UTC, date, datetime
from html import escape
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream

from backend.core.paging import Page, invalid_parameter, page_limit
from backend.core.refusals import Refusal
from backend.reviews import reads, spot_checks, watching
from backend.reviews.reads import HistoryLine, MyRecord, ReviewDetail, ReviewRow, ReviewStatus
from backend.reviews.spot_checks import SpotCheckCount, SpotCheckRow, SpotCheckStatus
from backend.reviews.watching import FootagePart, Source, ViewingRequest
from mobile_api.head import only_head
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.printing import clock
from mobile_api.problems import language_of, refuses
from mobile_api.ranges import BYTES, Unsatisfiable, span_of, wants_plain_bytes
from mobile_api.routes.sessions import address_of

TAGS = ["Reviews · 调阅"]
WATCHING = (
    "too_many_requests",
    "too_many_refusals",
    "review_needed", "unknown_review", "review_closed", "review_over", "review_unapproved", "not_sealed", "disposed",
)  # fmt: skip
SHOWN = {  # media types that a browser may show; any other file is sent as plain bytes
    "video/mp4", "video/webm", "video/quicktime", "video/mp2t", "audio/mpeg", "audio/mp4", "audio/wav", "image/jpeg",
}  # fmt: skip
ReviewId = Annotated[
    UUID | None, QueryParameter(name="review", description="id of the review under which it is watched")
]
STYLE = """
body { font: 16px/1.5 "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 0 auto; max-width: 60rem;
  padding: 1rem; }
figure { position: relative; margin: 0; background: #000; } video { width: 100%; display: block; }
figcaption { position: absolute; inset: 0; pointer-events: none; color: #fff; opacity: .45; overflow: hidden;
  text-shadow: 0 0 3px #000; display: grid; grid-template-columns: 1fr 1fr; align-content: space-around;
  justify-items: center; font-size: 1.1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: #555; }
td { padding: .2rem .8rem .2rem 0; vertical-align: top; overflow-wrap: anywhere; }
"""
HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
WATCH_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; media-src 'self'; img-src 'self'; style-src 'sha256-{HASH}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
PAGE = """<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><title>调阅 Review</title><style>{style}</style></head>
<body>
<figure>
<video controls controlslist="nodownload nofullscreen" disablepictureinpicture preload="metadata"
 poster="/v1/recordings/{recording}/poster?review={review}"
 src="/v1/recordings/{recording}/content?review={review}"></video>
<figcaption>{marks}</figcaption>
</figure>
<dl>{facts}</dl>
<table>{notes}</table>
</body>
</html>
"""
MARKS = 6  # how often badge and time are written over the picture


class SpotCheckCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Spot checks counted by organ, for the organs you inspect."""

    items: Annotated[list[SpotCheckCount], msgspec.Meta(description="one row for each organ")]


@get(
    "/recordings/{recording:uuid}/content", summary="Watch · 调阅内容", tags=TAGS, operation_id="recording_content",
    media_type=BYTES, opt=refuses(*WATCHING, "range_not_satisfiable") | {"ranged": True},
)  # fmt: skip
async def content(request: Request[Any, Any, Any], recording: UUID, review: ReviewId = None) -> Stream:
    """The bytes of a recording under an open review, whole or one `Range`. The journal keeps the range that was asked
    for and how many bytes were sent."""
    return await _served(request, recording, review, "content")


@get(
    "/recordings/{recording:uuid}/poster", summary="A still frame · 封面图", tags=TAGS, operation_id="recording_poster",
    media_type="image/jpeg", opt=refuses(*WATCHING, "range_not_satisfiable", "no_poster") | {"ranged": True},
)  # fmt: skip
async def poster(request: Request[Any, Any, Any], recording: UUID, review: ReviewId = None) -> Stream:
    """The first frame of a recording as a JPEG, under the same conditions as its bytes."""
    return await _served(request, recording, review, "poster")


async def _served(request: Request[Any, Any, Any], recording: UUID, review: UUID | None, what: FootagePart) -> Stream:
    store, address = request.app.state.store, address_of(request)
    viewing_request = ViewingRequest(actor=request.user, recording=recording, review=review, what=what, address=address)
    source = await watching.allowed(store, viewing_request)
    etag = f'"{source.sha256}-{what}"'
    header = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    try:
        part = span_of(header, source.bytes)
    except Unsatisfiable:
        raise Refusal("range_not_satisfiable", extra={"bytes": source.bytes}) from None
    span = part or (0, source.bytes - 1)
    content: Any = iter(())  # of HEAD: nothing is watched, so nothing is journalled
    if not only_head(request):
        viewing = await watching.begin(viewing_request, source, span)
        content = watching.serve(store, viewing_request, source, viewing, span)
    shown = source.media_type in SHOWN and not wants_plain_bytes(request)
    return Stream(
        content,
        status_code=200 if part is None else 206,
        media_type=source.media_type if shown else BYTES,
        headers=_headers(source, span, part is not None, etag),
    )


def _headers(source: Source, span: tuple[int, int], partial: bool, etag: str) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(span[1] - span[0] + 1),
        "ETag": etag,
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": "inline",
    }
    return headers | ({"Content-Range": f"bytes {span[0]}-{span[1]}/{source.bytes}"} if partial else {})


@listing(
    "/recordings/{recording:uuid}/journal", summary="What was done with it · 资料日志", tags=TAGS,
    operation_id="recording_journal", opt=refuses("unknown_recording"),
)  # fmt: skip
async def journal(
    request: Request[Any, Any, Any], recording: UUID, cursor: Cursor = None, limit: Limit = None
) -> Page[HistoryLine]:
    """The journal of one recording: declared, sealed, held, watched, exported, refused; by whom, when, from where."""
    return await reads.history(request.user, recording, cursor, page_limit(limit))


@listing("/reviews", summary="Reviews · 调阅列表", tags=TAGS, operation_id="reviews")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[
        ReviewStatus, QueryParameter(name="status", description="to_decide: a commander must approve or refuse")
    ] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[ReviewRow]:
    """Your own reviews, and those of footage of the organs you oversee, newest first."""
    return await reads.reviews(request.user, status, cursor, page_limit(limit))


@get(
    "/reviews/{review:uuid}", summary="One review · 一次调阅", tags=TAGS, operation_id="review",
    opt=refuses("unknown_review"),
)  # fmt: skip
async def one(request: Request[Any, Any, Any], review: UUID) -> ReviewDetail:
    """One review with its notes, and every range of bytes that was sent."""
    return await reads.review(request.user, review)


@get(
    "/reviews/{review:uuid}/watch", summary="A page to watch it on · 调阅页面", tags=TAGS, operation_id="review_watch",
    media_type=MediaType.HTML, opt=refuses("unknown_review"),
)  # fmt: skip
async def watch(request: Request[Any, Any, Any], review: UUID) -> Response[str]:
    """A page with the footage, badge and time written over the picture, and the notes. It runs no script and loads
    nothing from another address."""
    detail = await reads.review(request.user, review)
    if detail.review.reviewer != request.user.person:
        raise Refusal("unknown_review")
    await watching.require_factor(request.user, detail.review.recording)
    return Response(page(detail), media_type=MediaType.HTML, headers=WATCH_HEADERS)


def page(detail: ReviewDetail) -> str:
    row = detail.review
    mark = f"<span>{escape(row.reviewer_badge)} {clock(datetime.now(UTC))}</span>"
    facts = {
        "调阅人 Reviewer": f"{row.reviewer_name} ({row.reviewer_badge})", "事由 Purpose": f"{row.purpose} {row.number}",
        "资料 Recording": str(row.recording), "截止 Until": clock(row.over_at),
    }  # fmt: skip
    return PAGE.format(
        style=STYLE, recording=row.recording, review=row.id, marks=mark * MARKS,
        facts="".join(f"<dt>{name}</dt><dd><bdi>{escape(text)}</bdi></dd>" for name, text in facts.items()),
        notes="".join(
            f"<tr><td>{note.at_ms / 1000:.1f} s</td><td><bdi>{escape(note.words)}</bdi></td></tr>"
            for note in detail.notes
        ),
    )  # fmt: skip


@listing("/spot-checks", summary="Spot checks · 抽查列表", tags=TAGS, operation_id="spot_checks")
async def checks(
    request: Request[Any, Any, Any],
    status: Annotated[SpotCheckStatus, QueryParameter(name="status", description="overdue: due and not done")] = "open",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[SpotCheckRow]:
    """Spot checks that the server drew for the organs you inspect, newest first; never of your own footage."""
    return await spot_checks.spot_checks(request.user, status, cursor, page_limit(limit))


@get("/spot-checks/counts", summary="Due and done · 抽查统计", tags=TAGS, operation_id="spot_check_counts")
async def check_counts(
    request: Request[Any, Any, Any],
    since: Annotated[date, QueryParameter(name="from", description="weeks that begin on this day or later")],
    until: Annotated[date, QueryParameter(name="to", description="weeks that begin before this day")],
) -> SpotCheckCounts:
    """How many spot checks each organ had: drawn, due, done."""
    if not 1900 <= since.year <= until.year < 9000:
        raise invalid_parameter("from", "out of range")
    return SpotCheckCounts(items=await spot_checks.counts(request.user, since, until))


@get("/me/record", summary="What is kept about me · 我的记录", tags=["Sessions · 会话"], operation_id="my_record")
async def my_record(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = None) -> MyRecord:
    """What is kept about you: your footage in numbers, who watched it and why, findings and your replies."""
    return await reads.my_record(request.user, language_of(request), cursor, page_limit(limit))


ROUTES = [content, poster, journal, listed, one, watch, checks, check_counts, my_record]
