"""Holds, read."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.core.paging import page_limit
from backend.evidence.retention import reads
from backend.evidence.retention.reads import HoldDetail, Holds, HoldStatus
from mobile_api.paging import Cursor, Limit

TAGS = ["Holds · 保全"]


@get("/holds", summary="Holds · 保全列表", tags=TAGS, operation_id="holds")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[HoldStatus, QueryParameter(name="status", description="standing: not released")] = "standing",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Holds:
    """Those of the organs that one oversees, newest first; never those about oneself."""
    return await reads.holds(request.user, status, cursor, page_limit(limit))


@get("/holds/{hold:uuid}", summary="One hold · 一项保全", tags=TAGS, operation_id="hold")
async def one(request: Request[Any, Any, Any], hold: UUID) -> HoldDetail:
    """Why it was placed, and what it covers by now."""
    return await reads.hold(request.user, hold)


ROUTES = [listed, one]
