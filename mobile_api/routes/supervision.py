"""Reading namings of leading officers."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import QueryParameter

from backend.core.paging import Page, page_limit
from backend.supervision import reads
from backend.supervision.reads import Status, SupervisionRow
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit


@listing("/supervisions", summary="Namings · 带班列表", tags=["Leading · 带班"], operation_id="supervisions")
async def supervisions(
    request: Request[Any, Any, Any],
    status: Annotated[Status, QueryParameter(name="status", description="only namings in this state")] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[SupervisionRow]:
    """The namings you may see, newest first."""
    return await reads.supervisions(request.user, status, cursor, page_limit(limit))


ROUTES = [supervisions]
