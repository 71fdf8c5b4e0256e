"""Reading findings."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from backend.core.findings import FindingRow
from backend.core.paging import Page, page_limit
from backend.core.wire import WHOLE
from backend.oversight import findings_lists
from backend.oversight.filters import ListFilter
from backend.oversight.findings_lists import FindingsFilter, FindingStatus
from backend.reviews import deciding
from backend.reviews.deciding import AssessedFinding
from mobile_api.filters import OF_ROWS
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
from mobile_api.problems import language_of


@listing(
    "/findings", summary="Findings · 问题清单", tags=["Oversight · 监督"], operation_id="findings",
    dependencies=OF_ROWS,
)  # fmt: skip
async def findings(
    request: Request[Any, Any, Any],
    rows: ListFilter,
    kind: Annotated[
        str | None, QueryParameter(name="kind", pattern=r"^[a-z_]{1,40}" + WHOLE, description="code of the finding")
    ] = None,
    person: Annotated[UUID | None, QueryParameter(name="person", description="the person whom it concerns")] = None,
    since: Annotated[
        datetime | None, QueryParameter(name="from", description="only what happened from this moment on")
    ] = None,
    status: Annotated[
        FindingStatus,
        QueryParameter(
            name="status", description="standing: open and explained ones; withdrawn: a later fact removed it"
        ),
    ] = "standing",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[FindingRow]:
    """Findings about you, about those you led and of the organs you oversee, newest first."""
    asked = msgspec.structs.asdict(rows) | {"person": person, "since": since, "kind": kind, "standing": status}
    wanted = FindingsFilter(**asked)
    return await findings_lists.findings(request.user, wanted, language_of(request), cursor, page_limit(limit))


@listing(
    "/assessments/findings", summary="What counts in an assessment · 考核依据", tags=["Oversight · 监督"],
    operation_id="assessed_findings",
)  # fmt: skip
async def assessed(
    request: Request[Any, Any, Any],
    person: Annotated[UUID | None, QueryParameter(name="person", description="the person for whom it counts")] = None,
    since: Annotated[
        datetime | None, QueryParameter(name="from", description="only what was found from this moment on")
    ] = None,
    until: Annotated[
        datetime | None, QueryParameter(name="to", description="only what was found before this moment")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[AssessedFinding]:
    """Findings that count (R.31): told, answerable and decided, and the reply not accepted. Nothing with an objective
    cause, against the organ, of an officer's silence, or ordered. Yours, and those of the organs you oversee."""
    language = language_of(request)
    return await deciding.assessed(request.user, person, (since, until), language, cursor, page_limit(limit))


ROUTES = [findings, assessed]
