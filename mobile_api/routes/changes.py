"""What is new for whoever asks, and the start of a shift where there is no cursor to go on from."""

import gzip
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.params import QueryParameter

from backend import feed
from backend.core.paging import page_limit
from backend.feed import Changes
from mobile_api.paging import Limit

WORTH_PACKING = 1024  # bytes
AFTER = QueryParameter(name="after", max_length=200, description="`cursor` of the answer before; none: begin anew")


@get("/changes", summary="What is new · 增量同步", tags=["Offline · 离线"], operation_id="changes")
async def changes(
    request: Request[Any, Any, Any],
    after: Annotated[str | None, AFTER] = None,
    limit: Limit = None,
    works: Annotated[
        str | None, QueryParameter(name="works", max_length=60, description="ETag of the catalogue one has")
    ] = None,
) -> Response[Changes]:
    """What was recorded since the cursor, as far as one may see it, in order and each line once. Ask again while
    `more`. `reset`: what was told before no longer holds (no cursor, another database, or one may see other things
    now): forget it and begin with `bundle`, the start of a shift."""
    told = await feed.changes(request.user, after, page_limit(limit), works)
    return packed(request, msgspec.json.encode(told))


def packed(request: Request[Any, Any, Any], content: bytes) -> Response[Any]:
    """JSON, compressed where it is worth it and the reader takes it."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if len(content) >= WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content, 6, mtime=0)
    return Response(content, media_type=MediaType.JSON, headers=headers)


ROUTES = [changes]
