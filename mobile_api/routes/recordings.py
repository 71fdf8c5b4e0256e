"""Reading what is known of recordings; their bytes are in reviews.py."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get
from litestar.params import QueryParameter

from backend.core.paging import Page, page_limit
from backend.evidence import reads
from backend.evidence.reads import RecordingDetail, RecordingRow
from backend.evidence.retention import falling_due
from backend.evidence.retention.falling_due import FallingDue
from backend.oversight import duty_lists
from backend.oversight.filters import ListFilter
from mobile_api.filters import FILTERED
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit, Under
from mobile_api.problems import refuses


@listing(
    "/recordings", summary="Footage · 视音频资料列表", tags=["Evidence · 视音频资料"], operation_id="recordings",
    dependencies=FILTERED,
)  # fmt: skip
async def recordings(
    request: Request[Any, Any, Any],
    wanted: ListFilter,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[RecordingRow]:
    """The footage whose description you may see, newest first; of this only what is wanted.

    Case, work and place are those of the acts that it may show: of its wearer, or of whom the wearer led."""
    return await duty_lists.recordings(request.user, wanted, cursor, page_limit(limit))


@get(
    "/recordings/{recording:uuid}", summary="One recording · 一份视音频资料", tags=["Evidence · 视音频资料"],
    operation_id="recording", opt=refuses("unknown_recording"),
)  # fmt: skip
async def recording(request: Request[Any, Any, Any], recording: UUID) -> RecordingDetail:
    """What is known of one recording, and how it is known when it began; its bytes need a review."""
    return await reads.recording_detail(request.user, recording)


@listing(
    "/recordings/falling-due", summary="Footage whose term ends soon · 即将到期的视音频资料",
    tags=["Evidence · 视音频资料"], operation_id="recordings_falling_due",
)  # fmt: skip
async def due_soon(
    request: Request[Any, Any, Any],
    within: Annotated[
        int | None,
        QueryParameter(name="within", ge=0, le=366, description="days ahead; absent: as the first notice (terms.toml)"),
    ] = None,
    organ: Under = None,
    cursor: Cursor = None,
    limit: Limit = None,
) -> Page[FallingDue]:
    """The footage of the organs you oversee that is disposed of soon, soonest first, and that nothing holds.

    Place a hold (`holds/place`) on what is still needed. The feed tells of it ahead (`evidence/falling-due`)."""
    return await falling_due.falling_due(request.user, datetime.now(UTC), within, organ, cursor, page_limit(limit))


ROUTES = [recordings, due_soon, recording]
