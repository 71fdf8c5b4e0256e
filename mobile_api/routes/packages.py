"""Packages: footage with everything that proves it, as BagIt bags in zips."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.response import Stream

from backend.core.refusals import Refusal
from backend.core.wire import Moment, Name
from backend.evidence import reads
from backend.packages import exporting
from backend.packages.exporting import PackageRequest, PreparedPackage
from backend.reviews import watching
from backend.reviews.watching import ViewingRequest
from mobile_api.bodies import read, takes
from mobile_api.routes.descriptions import page
from mobile_api.routes.reviews import TAGS, ReviewId
from mobile_api.routes.sessions import address_of

BODY_LIMIT = 16 * 1024


class PackageCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything of a case, complaint, injury or harassment matter."""

    sent_at: Moment
    kind: Annotated[
        Literal["case", "complaint", "injury", "matter"],
        msgspec.Meta(description="case 案件, complaint 投诉, injury 工伤, matter 申诉或侵扰"),
    ]
    number: Annotated[Name, msgspec.Meta(description="its id, or for `case` the case's number")]


@get(
    "/recordings/{recording:uuid}/package", summary="Export · 导出数据包", tags=TAGS, operation_id="recording_package",
    media_type="application/zip",
)  # fmt: skip
async def of_recording(request: Request[Any, Any, Any], recording: UUID, review: ReviewId = None) -> Stream:
    """One recording with all that proves it, under a review, as a BagIt bag in a zip."""
    state, actor = request.app.state, request.user
    asked = ViewingRequest(actor=actor, recording=recording, review=review, what="package", address=address_of(request))
    source = await watching.allowed(state.store, asked)
    return _sent(request, await exporting.of_recording(state.store, state.key_rings.evidence, asked, source))


@post(
    "/packages", summary="Export a case · 导出案件数据包", tags=TAGS, operation_id="packages", opt=takes(PackageCall),
    request_max_body_size=BODY_LIMIT, media_type="application/zip", status_code=200,
)  # fmt: skip
async def of_matter(request: Request[Any, Any, Any]) -> Stream:
    """All footage of a case, complaint, injury or harassment matter, by who may watch every piece of it."""
    asked, state = await read(request, PackageCall), request.app.state
    if request.user.kind not in ("officer", "staff"):
        raise Refusal("not_for_your_role")
    about = None if asked.kind == "case" else _id(asked.number)
    order = PackageRequest(
        actor=request.user, kind=asked.kind, number=asked.number, address=address_of(request), about=about
    )
    return _sent(request, await exporting.of_matter(state.store, state.key_rings.evidence, order))


def _id(number: str) -> UUID:
    try:
        return UUID(number)
    except ValueError:
        raise Refusal("unknown_task") from None


def _sent(request: Request[Any, Any, Any], package: PreparedPackage) -> Stream:
    async def index(recording: UUID) -> str | None:
        try:
            return page(await reads.footage_index(request.user, recording))
        except Refusal:  # they may watch it, and not read its description
            return None

    state = request.app.state
    return Stream(
        exporting.stream(state.store, state.key_rings.evidence, package, index),
        media_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="fujing-{package.id}.zip"',
            "Cache-Control": "no-store",
        },
    )


ROUTES = [of_recording, of_matter]
