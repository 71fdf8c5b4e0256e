"""The change feed of one person, and the bundle for the start of a shift where there is no cursor."""

import gzip
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.params import QueryParameter

from backend import feed
from backend.core.paging import page_limit
from backend.feed import Changes
from mobile_api.paging import Limit

COMPRESSED_FROM = 1024  # bytes
AFTER = QueryParameter(name="after", max_length=200, description="`cursor` of the previous answer; absent: begin anew")


@get("/changes", summary="What is new · 增量同步", tags=["Offline · 离线"], operation_id="changes")
async def changes(
    request: Request[Any, Any, Any],
    after: Annotated[str | None, AFTER] = None,
    limit: Limit = None,
    works: Annotated[
        str | None, QueryParameter(name="works", max_length=60, description="ETag of the catalogue that the device has")
    ] = None,
) -> Response[Changes]:
    """What was recorded since the cursor and you may see, in order, each line once. Ask again while `more` is true.

    `reset` is true when earlier answers no longer hold: there was no cursor, the database is another, or you may see
    other things now. Forget what you have and begin with `bundle`, the start of a shift."""
    changes = await feed.changes(request.user, after, page_limit(limit), works)
    return compressed(request, msgspec.json.encode(changes))


def compressed(request: Request[Any, Any, Any], content: bytes) -> Response[Any]:
    """JSON, compressed by gzip where it is long enough and the client accepts it."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if len(content) >= COMPRESSED_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content, 6, mtime=0)
    return Response(content, media_type=MediaType.JSON, headers=headers)


ROUTES = [changes]
