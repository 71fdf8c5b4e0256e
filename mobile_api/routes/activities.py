"""Reading activities."""

from typing import Any
from uuid import UUID

from litestar import Request, get

from backend.activities import reads
from backend.activities.reads import ActivityDetail, ActivityListRow
from backend.core.paging import Page, page_limit
from backend.oversight import duty_lists
from backend.oversight.filters import ListFilter
from mobile_api.filters import FILTERED
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import language_of, refuses


@listing(
    "/activities", summary="Activities · 工作列表", tags=["Activities · 工作"], operation_id="activities",
    dependencies=FILTERED,
)  # fmt: skip
async def activities(
    request: Request[Any, Any, Any],
    wanted: ListFilter,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[ActivityListRow]:
    """What was done, as far as you may see it, newest first; of these only those wanted."""
    return await duty_lists.activities(request.user, wanted, cursor, page_limit(limit))


@get(
    "/activities/{activity:uuid}",
    summary="One activity · 一项工作",
    tags=["Activities · 工作"],
    operation_id="activity",
    opt=refuses("unknown_activity"),
)
async def activity(request: Request[Any, Any, Any], activity: UUID) -> ActivityDetail:
    """One activity: its start, finish and amendments, its gaps and the explanations of them."""
    return await reads.activity(request.user, activity, language_of(request))


ROUTES = [activities, activity]
