"""A time code (对时码): what a handheld shows and a recorder films, so that its clock is known."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get

from backend.evidence.starts import reads
from backend.evidence.starts.schemas import TimecodeToShow

NO_STORE = {"Cache-Control": "no-store"}


@get(
    "/timecode", summary="Time code to show · 对时码", tags=["Evidence · 视音频资料"], operation_id="timecode",
)  # fmt: skip
async def timecode(request: Request[Any, Any, Any]) -> Response[TimecodeToShow]:
    """A QR of this moment, signed by the server, for you and your open shift. Show it to the recorder for three seconds
    when the shift or the film begins; at sealing it proves when the film began, and by how much the camera's clock is
    wrong. Ask anew for each showing. Without a network the device signs one by itself (docs/mobile.md)."""
    answer = await reads.timecode(request.app.state.key_rings, request.user, datetime.now(UTC))
    return Response(answer, headers=NO_STORE)


ROUTES = [timecode]
