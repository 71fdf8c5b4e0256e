"""Uploads: which parts are missing, all there, the receipt. Bytes go straight to the store."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import QueryParameter

from backend.evidence import multipart
from backend.evidence.schemas import Complete, Parts, Sealed, State
from backend.law.catalogue import law
from mobile_api.bodies import read, takes
from mobile_api.problems import language_of

TAGS = ["Evidence · 视音频资料"]
NO_STORE = {"Cache-Control": "no-store"}
PARTS_CEILING = 10_000


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """`received`: being sealed; ask for the receipt. `sealed`: the receipt is there."""

    id: UUID
    state: State


@get("/uploads/{upload:uuid}/parts", summary="Missing parts · 尚缺分片", tags=TAGS, operation_id="upload_parts")
async def parts(
    request: Request[Any, Any, Any],
    upload: UUID,
    start: Annotated[
        int, QueryParameter(name="from", ge=1, le=PARTS_CEILING, description="look from this part number on")
    ] = 1,
    limit: Annotated[int | None, QueryParameter(name="limit", ge=1, le=1000, description="how many URLs")] = None,
) -> Response[Parts]:
    """What the store has, and a fresh signed URL for each of the first missing parts. Ask as often as you like."""
    limit = min(limit or PARTS_CEILING, law().count("part_urls_at_once"))
    told = await multipart.parts(request.app.state.store, request.user, upload, datetime.now(UTC), start, limit)
    return Response(told, headers=NO_STORE)


@post(
    "/uploads/{upload:uuid}/complete", status_code=200, summary="All parts sent · 完成上传", tags=TAGS,
    operation_id="upload_complete", opt=takes(Complete), request_max_body_size=16 * 1024,
)  # fmt: skip
async def complete(request: Request[Any, Any, Any], upload: UUID) -> Completed:
    """Every part is sent: check, join, seal. 409 `parts_missing` lists the numbers. Twice is the same as once."""
    data = await read(request, Complete)
    state = await multipart.complete(request.app.state.store, request.user, upload, data, datetime.now(UTC))
    return Completed(id=upload, state=state)


@get("/uploads/{upload:uuid}/receipt", summary="Sealed receipt · 封存回执", tags=TAGS, operation_id="upload_receipt")
async def receipt(request: Request[Any, Any, Any], upload: UUID) -> Response[Sealed]:
    """The signed receipt once the file is sealed; until then, what to do."""
    return Response(await multipart.receipt(request.user, upload, language_of(request)), headers=NO_STORE)


ROUTES = [parts, complete, receipt]
