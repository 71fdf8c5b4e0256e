"""Reading what was handed over: a wearer's footage compared with their shifts."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.oversight import handover
from backend.oversight.handover import Handover
from mobile_api.problems import refuses


@get(
    "/handovers", summary="Handed over · 资料移交", tags=["Evidence · 视音频资料"], operation_id="handovers",
    opt=refuses("unknown_wearer"),
)  # fmt: skip
async def handovers(
    request: Request[Any, Any, Any],
    wearer: Annotated[UUID, QueryParameter(name="wearer", description="id of the person who wore the camera")],
    start: Annotated[datetime, QueryParameter(name="from", description="begin of the period, RFC 3339 with offset")],
    end: Annotated[datetime, QueryParameter(name="to", description="end of the period, at most 31 days later")],
) -> Handover:
    """Shifts and footage of a wearer in a period: what overlaps, what is missing, what lies in no shift.

    For the wearer, for a docking station of an organ above, and for those who oversee the wearer's organ."""
    return await handover.handover(request.user, wearer, start, end)


ROUTES = [handovers]
