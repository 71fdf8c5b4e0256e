"""Reading calls for help."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.assistance import reads
from backend.assistance.reads import CallRow, CallStatus
from backend.core.paging import Page, page_limit
from mobile_api.filters import OfIncident
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import refuses

TAGS = ["Help · 求助"]


@listing("/assistance", summary="Calls for help · 求助列表", tags=TAGS, operation_id="assistance")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[CallStatus, QueryParameter(name="status", description="open: not closed yet")] = "open",
    cursor: Cursor = None,
    limit: Limit = None,
    incident: OfIncident = None,
) -> Page[CallRow]:
    """Your own calls, those you were called to, and those of the organs you oversee, newest first."""
    return await reads.calls(request.user, status, cursor, page_limit(limit), incident)


@get(
    "/assistance/{call:uuid}", summary="One call for help · 一次求助", tags=TAGS, operation_id="assistance_call_one",
    opt=refuses("unknown_call"),
)  # fmt: skip
async def one(request: Request[Any, Any, Any], call: UUID) -> CallRow:
    """One call for help: who called, where, who answered."""
    return await reads.call(request.user, call)


ROUTES = [listed, one]
