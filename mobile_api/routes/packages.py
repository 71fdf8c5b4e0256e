"""Exporting packages: footage with everything that proves it, as BagIt bags in zip files."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.response import Stream

from backend.core.described import SentAt
from backend.core.examples import SENT_AT
from backend.core.refusals import Refusal
from backend.core.wire import Name
from backend.evidence import reads
from backend.packages import exporting
from backend.packages.exporting import PackageRequest, PreparedPackage
from backend.people import factor
from backend.reviews import watching
from backend.reviews.watching import ViewingRequest
from mobile_api.bodies import read, takes
from mobile_api.head import only_head
from mobile_api.problems import refuses
from mobile_api.ranges import BYTES, wants_plain_bytes
from mobile_api.routes.descriptions import page
from mobile_api.routes.reviews import TAGS, WATCHING, ReviewId
from mobile_api.routes.sessions import address_of
from mobile_api.streams import begun

BODY_LIMIT = 16 * 1024
HEAD_AND_FILM = 2  # pieces of a zip: the head of the first film, and its first bytes


class PackageCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The case, complaint, injury or harassment matter whose footage is wanted."""

    sent_at: SentAt
    kind: Annotated[
        Literal["case", "complaint", "injury", "matter"],
        msgspec.Meta(description="case 案件, complaint 投诉, injury 工伤, matter 申诉或侵扰"),
    ]
    number: Annotated[Name, msgspec.Meta(description="number of the case; of any other kind its id")]


@get(
    "/recordings/{recording:uuid}/package",
    summary="Export · 导出数据包",
    tags=TAGS,
    operation_id="recording_package",
    media_type="application/zip",
    opt=refuses(*WATCHING),
)
async def of_recording(request: Request[Any, Any, Any], recording: UUID, review: ReviewId = None) -> Stream:
    """Export one recording under a review, with everything that proves it, as a BagIt bag in a zip file."""
    state, actor = request.app.state, request.user
    viewing = ViewingRequest(
        actor=actor, recording=recording, review=review, what="package", address=address_of(request)
    )
    source = await watching.allowed(state.store, viewing)
    if only_head(request):  # nothing is exported, so nothing is journalled
        return Stream(iter(()), media_type=_media_type(request), headers={"Cache-Control": "no-store"})
    return await _sent(request, await exporting.of_recording(state.store, state.key_rings.evidence, viewing, source))


@post(
    "/packages",
    summary="Export a case · 导出案件数据包",
    tags=TAGS,
    operation_id="packages",
    opt=takes(PackageCall, {"sent_at": SENT_AT, "kind": "case", "number": "杭公（城）受案字〔2026〕118号"})
    | refuses(
        "not_for_your_role",
        "unknown_task",
        "nothing_to_pack",
        "package_needs_reviews",
        "evidence_unreadable",
        "store_unavailable",
        "too_many_requests",
        "too_many_refusals",
    ),
    request_max_body_size=BODY_LIMIT,
    media_type="application/zip",
    status_code=200,
)
async def of_matter(request: Request[Any, Any, Any]) -> Stream:
    """Export all footage of a case, complaint, injury or harassment matter. For those who may watch all of it."""
    call, state = await read(request, PackageCall), request.app.state
    if request.user.kind not in ("officer", "staff"):
        raise Refusal("not_for_your_role")
    if any(role.role in watching.ROLES for role in request.user.roles):
        factor.require(request.user)
    about = None if call.kind == "case" else _id(call.number)
    order = PackageRequest(
        actor=request.user, kind=call.kind, number=call.number, address=address_of(request), about=about
    )
    return await _sent(request, await exporting.of_matter(state.store, state.key_rings.evidence, order))


def _id(number: str) -> UUID:
    try:
        return UUID(number)
    except ValueError:
        raise Refusal("unknown_task") from None


def _media_type(request: Request[Any, Any, Any]) -> str:
    return BYTES if wants_plain_bytes(request) else "application/zip"


async def _sent(request: Request[Any, Any, Any], package: PreparedPackage) -> Stream:
    async def index(recording: UUID) -> str | None:
        try:
            return page(await reads.footage_index(request.user, recording))
        except Refusal:  # a person may watch footage without being allowed to read its description
            return None

    state = request.app.state
    return Stream(
        await begun(exporting.stream(state.store, state.key_rings.evidence, package, index), read=HEAD_AND_FILM),
        media_type=_media_type(request),
        headers={
            "Content-Disposition": f'attachment; filename="fujing-{package.id}.zip"',
            "Cache-Control": "no-store",
        },
    )


ROUTES = [of_recording, of_matter]
