"""Reading shifts."""

from typing import Any
from uuid import UUID

from litestar import Request, get

from backend.core.paging import Page, page_limit
from backend.oversight import duty_lists, timeline
from backend.oversight.filters import ListFilter
from backend.oversight.timeline import Timeline
from backend.shifts.reads import ShiftRow
from mobile_api.filters import FILTERED
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import language_of, refuses


@listing(
    "/shifts", summary="Shifts · 班次列表", tags=["Shifts · 班次"], operation_id="shifts",
    dependencies=FILTERED,
)  # fmt: skip
async def shifts(
    request: Request[Any, Any, Any],
    wanted: ListFilter,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[ShiftRow]:
    """The shifts you may see, newest first; of these only those wanted. A place is that of the check-in."""
    return await duty_lists.shifts(request.user, wanted, cursor, page_limit(limit))


@get(
    "/shifts/{shift:uuid}", summary="Timeline · 班次时间线", tags=["Shifts · 班次"], operation_id="shift",
    opt=refuses("unknown_shift"),
)  # fmt: skip
async def shift(request: Request[Any, Any, Any], shift: UUID) -> Timeline:
    """One shift: who led, what was done, gaps in leading and recording, the footage, the findings."""
    return await timeline.timeline(request.user, shift, language_of(request))


ROUTES = [shifts, shift]
