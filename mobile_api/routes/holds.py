"""Reading legal holds."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.core.paging import Page, page_limit
from backend.evidence.retention import reads
from backend.evidence.retention.reads import HoldDetail, HoldRow, HoldStatus
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import refuses

TAGS = ["Holds · 保全"]


@listing("/holds", summary="Holds · 保全列表", tags=TAGS, operation_id="holds")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[
        HoldStatus, QueryParameter(name="status", description="standing: in force, not released")
    ] = "standing",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[HoldRow]:
    """Holds of the organs you oversee, newest first; none about yourself."""
    return await reads.holds(request.user, status, cursor, page_limit(limit))


@get(
    "/holds/{hold:uuid}", summary="One hold · 一项保全", tags=TAGS, operation_id="hold", opt=refuses("unknown_hold"),
)  # fmt: skip
async def one(request: Request[Any, Any, Any], hold: UUID) -> HoldDetail:
    """One hold: why it was placed, and the footage that it covers so far."""
    return await reads.hold(request.user, hold)


ROUTES = [listed, one]
