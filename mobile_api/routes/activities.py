"""Reading activities."""

from typing import Any
from uuid import UUID

from litestar import Request, get

from backend.activities import reads
from backend.activities.reads import ActivityDetail
from mobile_api.problems import language_of, refuses


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


ROUTES = [activity]
