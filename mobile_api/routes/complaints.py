"""Reading complaints and matters."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.complaints import hearings
from backend.complaints import reads as complaint_reads
from backend.complaints.hearings import HearingStatus, MyHearing
from backend.complaints.reads import (
    ComplaintCounts,
    ComplaintDetail,
    ComplaintRow,
    ComplaintStatus,
    MatterRow,
    MatterStatus,
)
from backend.core.paging import Page, page_limit
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import refuses

TAGS = ["Complaints · 投诉举报"]
MATTER_TAGS = ["Being heard · 意见与申诉"]


@listing("/complaints", summary="Complaints · 投诉举报列表", tags=TAGS, operation_id="complaints")
async def listed(
    request: Request[Any, Any, Any],
    status: Annotated[
        ComplaintStatus,
        QueryParameter(
            name="status", description="untold: concluded, and the complainant does not know the result yet"
        ),
    ] = "open",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[ComplaintRow]:
    """Complaints of the organs you oversee, newest first. Only those who handle one read who complained."""
    return await complaint_reads.complaints(request.user, status, cursor, page_limit(limit))


@get(
    "/complaints/{complaint:uuid}", summary="One complaint · 一件投诉", tags=TAGS, operation_id="complaint",
    opt=refuses("unknown_complaint"),
)  # fmt: skip
async def one(request: Request[Any, Any, Any], complaint: UUID) -> ComplaintDetail:
    """One complaint with its steps."""
    return await complaint_reads.complaint(request.user, complaint)


@get("/complaints/counts", summary="Complaints by organ · 投诉统计", tags=TAGS, operation_id="complaint_counts")
async def counts(
    request: Request[Any, Any, Any],
    since: Annotated[
        datetime | None, QueryParameter(name="from", description="only those received from this moment on")
    ] = None,
    until: Annotated[
        datetime | None, QueryParameter(name="to", description="only those received before this moment")
    ] = None,
) -> ComplaintCounts:
    """How many complaints each organ had and how they ended; no names."""
    return await complaint_reads.counts(request.user, since, until)


@listing("/hearings", summary="What is said of you · 陈述申辩列表", tags=TAGS, operation_id="hearings")
async def heard(
    request: Request[Any, Any, Any],
    status: Annotated[
        HearingStatus, QueryParameter(name="status", description="open: the complaint is not concluded")
    ] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[MyHearing]:
    """What you were told that is said of you, your statements, and how it ended; never who complained."""
    return await hearings.hearings(request.user, status, cursor, page_limit(limit))


@listing("/matters", summary="Matters · 意见申诉列表", tags=MATTER_TAGS, operation_id="matters")
async def matters(
    request: Request[Any, Any, Any],
    status: Annotated[
        MatterStatus, QueryParameter(name="status", description="overdue: not answered in time")
    ] = "open",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[MatterRow]:
    """Your own matters and those of the organs you oversee, newest first; none against yourself."""
    return await complaint_reads.matters(request.user, status, cursor, page_limit(limit))


@get(
    "/matters/{matter:uuid}", summary="One matter · 一件意见申诉", tags=MATTER_TAGS, operation_id="matter",
    opt=refuses("unknown_matter"),
)  # fmt: skip
async def matter(request: Request[Any, Any, Any], matter: UUID) -> MatterRow:
    """One matter: what was raised, and the answer."""
    return await complaint_reads.matter(request.user, matter)


ROUTES = [listed, counts, one, heard, matters, matter]
