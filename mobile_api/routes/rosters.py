"""Reading planned shifts."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request
from litestar.params import QueryParameter

from backend.core.paging import Page, page_limit
from backend.core.wire import WHOLE
from backend.rosters import duty
from backend.rosters import reads as roster_reads
from backend.rosters.duty import DutyRow
from backend.rosters.reads import PlannedRow
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit


@listing("/rosters", summary="Planned shifts · 排班", tags=["Rosters · 排班"], operation_id="rosters")
async def listed(
    request: Request[Any, Any, Any],
    since: Annotated[
        datetime | None, QueryParameter(name="from", description="only those that end after this moment")
    ] = None,
    until: Annotated[
        datetime | None, QueryParameter(name="to", description="only those that begin before this moment")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[PlannedRow]:
    """Your own planned shifts, those you are to lead, and those of the organs you oversee, earliest first."""
    return await roster_reads.rosters(request.user, since, until, cursor, page_limit(limit))


@listing("/rosters/duty", summary="Daily roster · 值班表", tags=["Rosters · 排班"], operation_id="daily_roster")
async def daily_roster(
    request: Request[Any, Any, Any],
    organ: Annotated[
        str | None,
        QueryParameter(
            name="organ",
            pattern=r"^[0-9]{12}" + WHOLE,
            description="this organ and all below it; absent: all you may see",
        ),
    ] = None,
    since: Annotated[
        datetime | None, QueryParameter(name="from", description="only those that end after this moment")
    ] = None,
    until: Annotated[
        datetime | None, QueryParameter(name="to", description="only those that begin before this moment")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[DutyRow]:
    """Who commands the duty of your organ, of those you oversee, and where you do yourself, earliest first."""
    return await duty.roster(request.user, organ, since, until, cursor, page_limit(limit))


ROUTES = [listed, daily_roster]
