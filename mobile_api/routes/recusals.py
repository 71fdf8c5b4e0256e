"""Reading recusals."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.core.paging import Page, page_limit
from backend.recusals import reads as recusal_reads
from backend.recusals.reads import RecusalDetail, RecusalRow, RecusalStatus
from mobile_api.filters import OfIncident
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import refuses

TAGS = ["Recusal · 回避"]


@listing("/recusals", summary="Recusals · 回避列表", tags=TAGS, operation_id="recusals")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[
        RecusalStatus,
        QueryParameter(
            name="status",
            description="overdue: not decided in time; untold: the applicant does not know the decision yet",
        ),
    ] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
    incident: OfIncident = None,
) -> Page[RecusalRow]:
    """Your own recusals, those you wrote down, and those of the organs you oversee, newest first."""
    return await recusal_reads.recusals(request.user, status, cursor, page_limit(limit), incident)


@get(
    "/recusals/{recusal:uuid}", summary="One recusal · 一项回避", tags=TAGS, operation_id="recusal",
    opt=refuses("unknown_recusal"),
)  # fmt: skip
async def one(request: Request[Any, Any, Any], recusal: UUID) -> RecusalDetail:
    """One recusal: every step with its reasons, and what the person did on the case."""
    return await recusal_reads.recusal(request.user, recusal)


ROUTES = [listed, one]
