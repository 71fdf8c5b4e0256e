"""Recusals, read."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.core.paging import page_limit
from backend.recusals import reads as recusal_reads
from backend.recusals.reads import RecusalDetail, Recusals, RecusalStatus
from mobile_api.paging import Cursor, Limit

TAGS = ["Recusal · 回避"]


@get("/recusals", summary="Recusals · 回避列表", tags=TAGS, operation_id="recusals")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[
        RecusalStatus,
        QueryParameter(name="status", description="overdue: not decided in time; untold: applicant not told"),
    ] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Recusals:
    """One's own, those one took down, and those of the organs that one oversees, newest first."""
    return await recusal_reads.recusals(request.user, status, cursor, page_limit(limit))


@get("/recusals/{recusal:uuid}", summary="One recusal · 一项回避", tags=TAGS, operation_id="recusal")
async def one(request: Request[Any, Any, Any], recusal: UUID) -> RecusalDetail:
    """How it stands, every step with its reasons, and what the person did on the case."""
    return await recusal_reads.recusal(request.user, recusal)


ROUTES = [listed, one]
