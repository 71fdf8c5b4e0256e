"""Findings, read."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.core.paging import page_limit
from backend.oversight import findings_lists
from backend.oversight.findings_lists import Findings, FindingsFilter, FindingStatus
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import language_of


@get("/findings", summary="Findings · 问题清单", tags=["Oversight · 监督"], operation_id="findings")
async def findings(
    request: Request[Any, Any, Any],
    organ: Annotated[
        str | None, QueryParameter(name="organ", pattern="^[0-9]{12}$", description="this organ and all below it")
    ] = None,
    kind: Annotated[
        str | None, QueryParameter(name="kind", pattern="^[a-z_]{1,40}$", description="a code of the catalogue")
    ] = None,
    person: Annotated[UUID | None, QueryParameter(name="person", description="whom it concerns")] = None,
    since: Annotated[datetime | None, QueryParameter(name="from", description="what happened from then on")] = None,
    until: Annotated[datetime | None, QueryParameter(name="to", description="what began before then")] = None,
    status: Annotated[
        FindingStatus,
        QueryParameter(name="status", description="standing: open and explained; withdrawn: later facts took it away"),
    ] = "standing",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Findings:
    """What was found wrong, the newest first: one's own, of whom one led, and of the organs that one oversees."""
    sought = FindingsFilter(organ=organ, kind=kind, person=person, since=since, until=until, standing=status)
    return await findings_lists.findings(request.user, sought, language_of(request), cursor, page_limit(limit))


ROUTES = [findings]
