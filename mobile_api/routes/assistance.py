"""Calls for help, read."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.assistance import reads
from backend.assistance.reads import CallRow, Calls, CallStatus
from backend.core.paging import page_limit
from mobile_api.paging import Cursor, Limit

TAGS = ["Help · 求助"]


@get("/assistance", summary="Calls for help · 求助列表", tags=TAGS, operation_id="assistance")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[CallStatus, QueryParameter(name="status", description="open: not closed yet")] = "open",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Calls:
    """One's own, those one was called to, and those of the organs that one oversees, newest first."""
    return await reads.calls(request.user, status, cursor, page_limit(limit))


@get("/assistance/{call:uuid}", summary="One call for help · 一次求助", tags=TAGS, operation_id="assistance_call_one")
async def one(request: Request[Any, Any, Any], call: UUID) -> CallRow:
    """Who called, where, and how it stands."""
    return await reads.call(request.user, call)


ROUTES = [listed, one]
