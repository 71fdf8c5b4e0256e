"""Reviews: reading them, watching footage under one, spot checks; and what is kept about oneself."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream

from backend.core.paging import Page, invalid_parameter, page_limit
from backend.core.refusals import Refusal
from backend.evidence import view_copies
from backend.reviews import reads, spot_checks, view_streams, watching
from backend.reviews.reads import HistoryLine, MyRecord, ReviewDetail, ReviewRow, ReviewStatus
from backend.reviews.spot_checks import SpotCheckCount, SpotCheckRow, SpotCheckStatus
from backend.reviews.view_streams import HowToWatch
from backend.reviews.watching import FootagePart, ViewingRequest
from mobile_api import watch_page
from mobile_api.cookies import csrf_token, secret_of
from mobile_api.head import only_head
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import language_of, refuses
from mobile_api.ranges import BYTES, asked_for, wants_plain_bytes
from mobile_api.routes.sessions import address_of
from mobile_api.streams import begun

TAGS = ["Reviews · 调阅"]
WATCHING = (
    "too_many_requests",
    "too_many_refusals",
    "review_needed", "unknown_review", "review_closed", "review_over", "review_unapproved",
    "own_film_view_only", "not_sealed", "disposed", "evidence_unreadable", "store_unavailable",
)  # fmt: skip
From = Annotated[
    float,
    QueryParameter(
        name="from", ge=0, le=31_622_400, description="seconds from the start of the film, such as 12.5; 0: its start"
    ),
]
ReviewId = Annotated[
    UUID | None, QueryParameter(name="review", description="id of the review under which it is watched")
]


class SpotCheckCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Spot checks counted by organ, for the organs you inspect."""

    items: Annotated[list[SpotCheckCount], msgspec.Meta(description="one row for each organ")]


@get(
    "/recordings/{recording:uuid}/content", summary="Watch · 调阅内容", tags=TAGS, operation_id="recording_content",
    media_type=BYTES, opt=refuses(*WATCHING, "range_not_satisfiable") | {"ranged": True},
)  # fmt: skip
async def content(request: Request[Any, Any, Any], recording: UUID, review: ReviewId = None) -> Stream:
    """The bytes of a recording under an open review, whole or one `Range`, by the media type of what the file is. The
    journal keeps the range that was asked for, how many bytes were sent, and from when to when they are in the film."""
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
    media_type, times = source.media_type, watching.no_times
    if what == "content":
        look = await view_copies.look_of(store, source.recording)
        media_type, times = look.media_type, view_streams.times_of_bytes(look, source.bytes)
    asked = asked_for(request, source.bytes, f'"{source.sha256}-{what}"')
    content: Any = iter(())  # of HEAD: nothing is watched, so nothing is journalled
    if not only_head(request):
        viewing = await watching.begin(viewing_request, source, asked.span)
        content = await begun(watching.serve(store, viewing_request, source, viewing, asked.span, times))
    headers = asked.headers(BYTES if wants_plain_bytes(request) else media_type)
    return Stream(content, status_code=asked.status, headers=headers)


VIEW_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "inline",
}


def _typed(request: Request[Any, Any, Any], media_type: str) -> dict[str, str]:
    """The media type as a header: the framework lets a route's own go before that of an answer."""
    return {"Content-Type": BYTES if wants_plain_bytes(request) else media_type}


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
    """A page with the footage, badge and time running over the picture, and the notes. Its one script is its own, and
    it loads nothing from another address."""
    detail = await reads.review(request.user, review)
    if detail.review.reviewer != request.user.person:
        raise Refusal("unknown_review")
    await watching.require_factor(request.user, detail.review.recording)
    secret, sha256 = secret_of(request), await watching.digest_of(detail.review.recording)
    content = watch_page.page(detail, sha256, "" if secret is None else csrf_token(secret))
    return Response(content, media_type=MediaType.HTML, headers=watch_page.HEADERS)


@get(
    "/reviews/{review:uuid}/viewing", summary="How it is watched · 如何观看", tags=TAGS, operation_id="review_viewing",
    opt=refuses(*WATCHING),
)  # fmt: skip
async def how(request: Request[Any, Any, Any], review: UUID) -> HowToWatch:
    """How the footage of your review is watched, as it is or by a view copy 观看副本; and what is beside it in time."""
    store, detail = request.app.state.store, await reads.review(request.user, review)
    viewing = ViewingRequest(
        actor=request.user, recording=detail.review.recording, review=review, what="view", address=address_of(request)
    )
    return await view_streams.how_to_watch(store, request.user, await watching.allowed(store, viewing))


@get(
    "/recordings/{recording:uuid}/view", summary="Watch a view copy · 观看副本", tags=TAGS,
    operation_id="recording_view", media_type="video/mp4",
    opt=refuses(*WATCHING, "no_view_copy", "plays_as_it_is", "own_film_over", "view_copy_not_ready", "too_many_views"),
)  # fmt: skip
async def view(request: Request[Any, Any, Any], recording: UUID, review: ReviewId = None, since: From = 0.0) -> Stream:
    """A view copy of footage that no browser plays: fragmented MP4 for Media Source Extensions, its beginning and all
    that follows a time in one answer, from the last picture before it that stands alone. Never evidence.

    It has no length to ask ranges of: ask by time. Times in it are those of the film plus `shift_ms`. H.264 is put
    together while it is sent; anything else is encoded first, and 409 `view_copy_not_ready` says how far it is.
    """
    store = request.app.state.store
    viewing = ViewingRequest(
        actor=request.user, recording=recording, review=review, what="view", address=address_of(request)
    )
    source = await watching.allowed(store, viewing)
    if only_head(request):  # nothing is watched, so nothing is journalled, and nothing made
        return Stream(iter(()), headers=VIEW_HEADERS)
    opened = await view_streams.opened(store, viewing, source, round(since * 1000))
    return Stream(await begun(opened.content), headers=VIEW_HEADERS | _typed(request, opened.media_type))


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


ROUTES = [content, poster, view, journal, listed, one, how, watch, checks, check_counts, my_record]
