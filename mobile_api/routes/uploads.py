"""Uploads: which parts are missing, completing, the receipt. The bytes go straight to the store."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import QueryParameter

from backend.core.examples import SENT_AT, SHA256
from backend.core.wire import BIGINT
from backend.evidence import multipart
from backend.evidence.schemas import Abort, Complete, Sealed, State, UploadParts
from backend.law.catalogue import law
from mobile_api.auth import BRINGS_HOME
from mobile_api.bodies import read, takes
from mobile_api.problems import language_of, refuses

TAGS = ["Evidence · 视音频资料"]
NO_STORE = {"Cache-Control": "no-store"}
PARTS_CEILING = 10_000
COMPLETION_CEILING = 1024 * 1024  # the ETags of every part


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """How the upload stands: completed, it is `received` and being sealed, or `sealed`; given up, it is `abandoned`."""

    id: Annotated[UUID, msgspec.Meta(description="id of the upload")]
    state: Annotated[State, msgspec.Meta(description="how the upload stands now")]


@get(
    "/uploads/{upload:uuid}/parts",
    summary="Missing parts · 尚缺分片",
    tags=TAGS,
    operation_id="upload_parts",
    opt=BRINGS_HOME
    | refuses(
        "device_needed",
        "unknown_upload",
        "part_out_of_range",
        "digest_differs",
        "file_too_large",
        "upload_busy",
        "store_unavailable",
        "store_swapped",
        "store_full",
        "store_read_only",
    ),
)
async def parts(
    request: Request[Any, Any, Any],
    upload: UUID,
    start: Annotated[
        int, QueryParameter(name="from", ge=1, le=PARTS_CEILING, description="first part number to look at")
    ] = 1,
    limit: Annotated[
        int | None, QueryParameter(name="limit", ge=1, le=1000, description="how many URLs at most")
    ] = None,
    size: Annotated[
        int | None,
        QueryParameter(
            name="bytes",
            ge=1,
            le=BIGINT,
            description="size of the file, where the declaration left it out: for the last part",
        ),
    ] = None,
    part: Annotated[
        int | None,
        QueryParameter(
            name="part",
            ge=1,
            le=PARTS_CEILING,
            description="number of one part whose URL is wanted, whether the store has it or not",
        ),
    ] = None,
) -> Response[UploadParts]:
    """The parts that the store has, and a new signed URL for each of the first missing ones. Ask as often as needed.

    A URL takes exactly the bytes of its part. While the size is not known there are URLs for full parts only.
    """
    limit = min(limit or PARTS_CEILING, law().count("part_urls_at_once"))
    wanted = multipart.Wanted(start, limit, size, part)
    answer = await multipart.parts(request.app.state.store, request.user, upload, datetime.now(UTC), wanted)
    return Response(answer, headers=NO_STORE)


@post(
    "/uploads/{upload:uuid}/complete",
    status_code=200,
    summary="All parts sent · 完成上传",
    tags=TAGS,
    operation_id="upload_complete",
    request_max_body_size=COMPLETION_CEILING,
    opt=BRINGS_HOME
    | takes(Complete, {"sent_at": SENT_AT, "bytes": 433586176, "sha256": SHA256, "ended_at": SENT_AT})
    | refuses(
        "device_needed",
        "unknown_upload",
        "parts_missing",
        "digest_missing",
        "digest_differs",
        "file_too_large",
        "upload_busy",
        "store_unavailable",
        "store_swapped",
    ),
)
async def complete(request: Request[Any, Any, Any], upload: UUID) -> Completed:
    """Say that every part is sent: the server joins, checks and seals the file. Sending it twice is the same as once.

    409 `parts_missing` lists the numbers of the missing parts."""
    data = await read(request, Complete)
    state = await multipart.complete(request.app.state.store, request.user, upload, data, datetime.now(UTC))
    return Completed(id=upload, state=state)


@post(
    "/uploads/{upload:uuid}/abort",
    status_code=200,
    summary="Give an upload up · 放弃上传",
    tags=TAGS,
    operation_id="upload_abort",
    opt=BRINGS_HOME
    | takes(Abort, {"sent_at": SENT_AT})
    | refuses("device_needed", "unknown_upload", "not_its_device", "already_received"),
)
async def abort(request: Request[Any, Any, Any], upload: UUID) -> Completed:
    """Say that this device goes on with the file no more, before it was completed. Twice is the same as once.

    The declaration stays, and what was sent is kept for a month: asking for the parts takes the upload up again.
    """
    await read(request, Abort)
    return Completed(id=upload, state=await multipart.abort(request.user, upload, datetime.now(UTC)))


@get(
    "/uploads/{upload:uuid}/receipt",
    summary="Sealed receipt · 封存回执",
    tags=TAGS,
    operation_id="upload_receipt",
    opt=BRINGS_HOME | refuses("unknown_upload"),
)
async def receipt(request: Request[Any, Any, Any], upload: UUID) -> Response[Sealed]:
    """The signed receipt once the file is sealed; until then, advice on what to do."""
    return Response(await multipart.receipt(request.user, upload, language_of(request)), headers=NO_STORE)


ROUTES = [parts, complete, abort, receipt]
