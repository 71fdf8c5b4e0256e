"""Reading what is known of recordings; their bytes are in reviews.py."""

from typing import Any
from uuid import UUID

from litestar import Request, get

from backend.core.paging import Page, page_limit
from backend.evidence import reads
from backend.evidence.reads import RecordingDetail, RecordingRow
from backend.oversight import duty_lists
from backend.oversight.filters import ListFilter
from mobile_api.filters import FILTERED
from mobile_api.listing import listing
from mobile_api.paging import Cursor, Limit
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


ROUTES = [recordings, recording]
