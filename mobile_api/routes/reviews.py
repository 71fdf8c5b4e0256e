"""Watching footage under a review: its bytes, its poster, a page to watch it on; and what is kept about oneself."""

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

from backend.core.paging import invalid_parameter, page_limit
from backend.core.refusals import Refusal
from backend.reviews import reads, spot_checks, watching
from backend.reviews.reads import History, MyRecord, ReviewDetail, Reviews, ReviewStatus
from backend.reviews.spot_checks import SpotCheckCount, SpotChecks, SpotCheckStatus
from backend.reviews.watching import FootagePart, Source, ViewingRequest
from mobile_api.paging import Cursor, Limit
from mobile_api.printing import clock
from mobile_api.problems import language_of
from mobile_api.ranges import Unsatisfiable, span_of
from mobile_api.routes.sessions import address_of

TAGS = ["Reviews · 调阅"]
SHOWN = {  # what a browser may take it for; anything else is bytes
    "video/mp4", "video/webm", "video/quicktime", "video/mp2t", "audio/mpeg", "audio/mp4", "audio/wav", "image/jpeg",
}  # fmt: skip
ReviewId = Annotated[UUID | None, QueryParameter(name="review", description="the review under which it is watched")]
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
MARKS = 6  # so many times badge and time stand over the picture


class SpotCheckCounts(msgspec.Struct, frozen=True, kw_only=True):
    """By organ, those one inspects."""

    items: list[SpotCheckCount]


@get(
    "/recordings/{recording:uuid}/content", summary="Watch · 调阅内容", tags=TAGS, operation_id="recording_content",
    media_type="application/octet-stream",
)  # fmt: skip
async def content(request: Request[Any, Any, Any], recording: UUID, review: ReviewId = None) -> Stream:
    """The bytes, whole or one `Range`, under an open review. What was asked for and what went out is in the journal."""
    return await _served(request, recording, review, "content")


@get(
    "/recordings/{recording:uuid}/poster", summary="A still frame · 封面图", tags=TAGS, operation_id="recording_poster",
    media_type="image/jpeg",
)  # fmt: skip
async def poster(request: Request[Any, Any, Any], recording: UUID, review: ReviewId = None) -> Stream:
    """The first frame as a JPEG, under the same conditions: it is footage too."""
    return await _served(request, recording, review, "poster")


async def _served(request: Request[Any, Any, Any], recording: UUID, review: UUID | None, what: FootagePart) -> Stream:
    store, address = request.app.state.store, address_of(request)
    asked = ViewingRequest(actor=request.user, recording=recording, review=review, what=what, address=address)
    source = await watching.allowed(store, asked)
    etag = f'"{source.sha256}-{what}"'
    wanted = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    try:
        part = span_of(wanted, source.bytes)
    except Unsatisfiable:
        raise Refusal("range_not_satisfiable", extra={"bytes": source.bytes}) from None
    span = part or (0, source.bytes - 1)
    viewing = await watching.begin(asked, source, span)
    return Stream(
        watching.serve(store, asked, source, viewing, span),
        status_code=200 if part is None else 206,
        media_type=source.media_type if source.media_type in SHOWN else "application/octet-stream",
        headers=_headers(source, span, part is not None, etag),
    )


def _headers(source: Source, span: tuple[int, int], partial: bool, etag: str) -> dict[str, str]:
    told = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(span[1] - span[0] + 1),
        "ETag": etag,
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": "inline",
    }
    return told | ({"Content-Range": f"bytes {span[0]}-{span[1]}/{source.bytes}"} if partial else {})


@get(
    "/recordings/{recording:uuid}/journal", summary="What was done with it · 资料日志", tags=TAGS,
    operation_id="recording_journal",
)  # fmt: skip
async def journal(
    request: Request[Any, Any, Any], recording: UUID, cursor: Cursor = None, limit: Limit = None
) -> History:
    """Declared, sealed, held, watched, refused, exported: by whom, when, from where, under which checkpoint."""
    return await reads.history(request.user, recording, cursor, page_limit(limit))


@get("/reviews", summary="Reviews · 调阅列表", tags=TAGS, operation_id="reviews")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[ReviewStatus, QueryParameter(name="status", description="to_decide: by a commander")] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Reviews:
    """One's own, and those of footage of the organs that one oversees, newest first."""
    return await reads.reviews(request.user, status, cursor, page_limit(limit))


@get("/reviews/{review:uuid}", summary="One review · 一次调阅", tags=TAGS, operation_id="review")
async def one(request: Request[Any, Any, Any], review: UUID) -> ReviewDetail:
    """With its notes, and every range of bytes that was served."""
    return await reads.review(request.user, review)


@get(
    "/reviews/{review:uuid}/watch", summary="A page to watch it on · 调阅页面", tags=TAGS, operation_id="review_watch",
    media_type=MediaType.HTML,
)  # fmt: skip
async def watch(request: Request[Any, Any, Any], review: UUID) -> Response[str]:
    """The footage with badge and time over the picture, and the notes. Runs no script, asks no other address."""
    told = await reads.review(request.user, review)
    if told.review.reviewer != request.user.person:
        raise Refusal("unknown_review")
    return Response(page(told), media_type=MediaType.HTML, headers=WATCH_HEADERS)


def page(told: ReviewDetail) -> str:
    row = told.review
    mark = f"<span>{escape(row.reviewer_badge)} {clock(datetime.now(UTC))}</span>"
    facts = {
        "调阅人 Reviewer": f"{row.reviewer_name} ({row.reviewer_badge})", "事由 Purpose": f"{row.purpose} {row.number}",
        "资料 Recording": str(row.recording), "截止 Until": clock(row.over_at),
    }  # fmt: skip
    return PAGE.format(
        style=STYLE, recording=row.recording, review=row.id, marks=mark * MARKS,
        facts="".join(f"<dt>{name}</dt><dd><bdi>{escape(text)}</bdi></dd>" for name, text in facts.items()),
        notes="".join(
            f"<tr><td>{each.at_ms / 1000:.1f} s</td><td><bdi>{escape(each.words)}</bdi></td></tr>"
            for each in told.notes
        ),
    )  # fmt: skip


@get("/spot-checks", summary="Spot checks · 抽查列表", tags=TAGS, operation_id="spot_checks")
async def checks(
    request: Request[Any, Any, Any],
    status: Annotated[SpotCheckStatus, QueryParameter(name="status", description="overdue: not done in time")] = "open",
    cursor: Cursor = None,
    limit: Limit = None,
) -> SpotChecks:
    """What the server drew for the organs that one inspects, newest first; never one's own footage."""
    return await spot_checks.spot_checks(request.user, status, cursor, page_limit(limit))


@get("/spot-checks/counts", summary="Due and done · 抽查统计", tags=TAGS, operation_id="spot_check_counts")
async def check_counts(
    request: Request[Any, Any, Any],
    since: Annotated[date, QueryParameter(name="from", description="weeks that begin from this day")],
    until: Annotated[date, QueryParameter(name="to", description="and before this one")],
) -> SpotCheckCounts:
    """How many were drawn, due and done, by organ."""
    if not 1900 <= since.year <= until.year < 9000:
        raise invalid_parameter("from", "out of range")
    return SpotCheckCounts(items=await spot_checks.counts(request.user, since, until))


@get("/me/record", summary="What is kept about me · 我的记录", tags=["Sessions · 会话"], operation_id="my_record")
async def my_record(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = None) -> MyRecord:
    """One's own footage in numbers, who watched it and what for, what was found and what one said to it."""
    return await reads.my_record(request.user, language_of(request), cursor, page_limit(limit))


ROUTES = [content, poster, journal, listed, one, watch, checks, check_counts, my_record]
