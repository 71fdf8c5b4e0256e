"""What people may read, in pages."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.core.paging import page_limit
from backend.law.catalogue import law
from backend.oversight import timeline
from backend.oversight.timeline import (
    ActivityDetail,
    Findings,
    FindingStatus,
    RecordingRow,
    Recordings,
    Shifts,
    Sought,
    Status,
    Supervisions,
    Timeline,
)
from mobile_api.problems import language_of

PAGE_CEILING = law().count("page_ceiling")
Cursor = Annotated[str | None, QueryParameter(name="cursor", max_length=200, description="`next` of the page before")]
Limit = Annotated[int | None, QueryParameter(name="limit", ge=1, le=PAGE_CEILING, description="rows a page")]


@get("/shifts", summary="Shifts · 班次列表", tags=["Shifts · 班次"], operation_id="shifts")
async def shifts(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = None) -> Shifts:
    """The shifts that one may see, newest first."""
    return await timeline.shifts(request.user, cursor, page_limit(limit))


@get("/shifts/{shift:uuid}", summary="Timeline · 班次时间线", tags=["Shifts · 班次"], operation_id="shift")
async def shift(request: Request[Any, Any, Any], shift: UUID) -> Timeline:
    """One shift: who led, what was done, where it was not led or not recorded, the footage, what is wrong."""
    return await timeline.timeline(request.user, shift, language_of(request))


@get("/supervisions", summary="Namings · 带班列表", tags=["Leading · 带班"], operation_id="supervisions")
async def supervisions(
    request: Request[Any, Any, Any],
    status: Annotated[Status, QueryParameter(name="status", description="which namings")] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Supervisions:
    """The namings that one may see, newest first."""
    return await timeline.supervisions(request.user, status, cursor, page_limit(limit))


@get("/recordings", summary="Footage · 视音频资料列表", tags=["Evidence · 视音频资料"], operation_id="recordings")
async def recordings(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = None) -> Recordings:
    """The footage whose description one may see, newest first."""
    return await timeline.recordings(request.user, cursor, page_limit(limit))


@get(
    "/recordings/{recording:uuid}", summary="One recording · 一份视音频资料", tags=["Evidence · 视音频资料"],
    operation_id="recording",
)  # fmt: skip
async def recording(request: Request[Any, Any, Any], recording: UUID) -> RecordingRow:
    """What is known of one recording; its bytes are another matter."""
    return await timeline.recording(request.user, recording)


@get(
    "/activities/{activity:uuid}",
    summary="One activity · 一项工作",
    tags=["Activities · 工作"],
    operation_id="activity",
)
async def activity(request: Request[Any, Any, Any], activity: UUID) -> ActivityDetail:
    """One activity: everything told of it, its gaps and what was answered for them."""
    return await timeline.activity(request.user, activity, language_of(request))


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
    sought = Sought(organ=organ, kind=kind, person=person, since=since, until=until, standing=status)
    return await timeline.findings(request.user, sought, language_of(request), cursor, page_limit(limit))


ROUTES = [shifts, shift, supervisions, activity, recordings, recording, findings]
