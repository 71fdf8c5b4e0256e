"""Reading planned shifts and the daily roster."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request
from litestar.params import QueryParameter

from backend.core.paging import Page, page_limit
from backend.rosters import duty
from backend.rosters import reads as roster_reads
from backend.rosters.duty import DutyRow
from backend.rosters.reads import PlannedRow
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit, Under

EndsAfter = Annotated[datetime | None, QueryParameter(name="from", description="only those that end after this moment")]
BeginsBefore = Annotated[
    datetime | None, QueryParameter(name="to", description="only those that begin before this moment")
]


@listing("/rosters", summary="Planned shifts · 排班", tags=["Rosters · 排班"], operation_id="rosters")
async def listed(
    request: Request[Any, Any, Any],
    since: EndsAfter = None,
    until: BeginsBefore = None,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[PlannedRow]:
    """Your own planned shifts, those you are to lead, and those of the organs you oversee, earliest first."""
    return await roster_reads.rosters(request.user, since, until, cursor, page_limit(limit))


@listing("/rosters/duty", summary="Daily roster · 值班表", tags=["Rosters · 排班"], operation_id="daily_roster")
async def daily_roster(
    request: Request[Any, Any, Any],
    organ: Under = None,
    since: EndsAfter = None,
    until: BeginsBefore = None,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[DutyRow]:
    """Who commands the duty of your organ, of those you oversee, and where you do yourself, earliest first."""
    return await duty.roster(request.user, organ, since, until, cursor, page_limit(limit))


ROUTES = [listed, daily_roster]
