"""What people may read, in pages."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.law.catalogue import law
from backend.oversight import reads
from backend.oversight.reads import RecordingRow, Recordings, Shifts, Status, Supervisions, Timeline

PAGE_CEILING = law().count("page_ceiling")
Cursor = Annotated[str | None, QueryParameter(name="cursor", max_length=200, description="`next` of the page before")]
Limit = Annotated[int | None, QueryParameter(name="limit", ge=1, le=PAGE_CEILING, description="rows a page")]


@get("/shifts", summary="Shifts · 班次列表", tags=["Shifts · 班次"], operation_id="shifts")
async def shifts(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = None) -> Shifts:
    """The shifts that one may see, newest first."""
    return await reads.shifts(request.user, cursor, reads.page_limit(limit))


@get("/shifts/{shift:uuid}", summary="Timeline · 班次时间线", tags=["Shifts · 班次"], operation_id="shift")
async def shift(request: Request[Any, Any, Any], shift: UUID) -> Timeline:
    """One shift: who led, what was recorded, what is wrong."""
    return await reads.timeline(request.user, shift)


@get("/supervisions", summary="Namings · 带班列表", tags=["Leading · 带班"], operation_id="supervisions")
async def supervisions(
    request: Request[Any, Any, Any],
    status: Annotated[Status, QueryParameter(name="status", description="which namings")] = "all",
    cursor: Cursor = None,
    limit: Limit = None,
) -> Supervisions:
    """The namings that one may see, newest first."""
    return await reads.supervisions(request.user, status, cursor, reads.page_limit(limit))


@get("/recordings", summary="Footage · 视音频资料列表", tags=["Evidence · 视音频资料"], operation_id="recordings")
async def recordings(request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = None) -> Recordings:
    """The footage whose description one may see, newest first."""
    return await reads.recordings(request.user, cursor, reads.page_limit(limit))


@get(
    "/recordings/{recording:uuid}", summary="One recording · 一份视音频资料", tags=["Evidence · 视音频资料"],
    operation_id="recording",
)  # fmt: skip
async def recording(request: Request[Any, Any, Any], recording: UUID) -> RecordingRow:
    """What is known of one recording; its bytes are another matter."""
    return await reads.recording(request.user, recording)


ROUTES = [shifts, shift, supervisions, recordings, recording]
