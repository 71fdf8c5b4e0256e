"""Documents seen again: what is known of a paper or photo, and its bytes."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from litestar import Request, get
from litestar.response import Stream

from backend import documents
from backend.documents import PaperRequest, PaperSource
from backend.evidence.papers import DocumentRow
from mobile_api.head import only_head
from mobile_api.problems import refuses
from mobile_api.ranges import BYTES, asked_for, wants_plain_bytes
from mobile_api.routes.sessions import address_of
from mobile_api.streams import begun

TAGS = ["Evidence · 视音频资料"]
SHOWN = ("image/", "video/", "audio/")
ACTIVE = {"image/svg+xml"}  # a page of its own, with scripts
SHOWN_TOO = {"application/pdf", "text/plain"}


@get(
    "/documents/{document:uuid}", summary="One paper or photo · 一份文书或照片", tags=TAGS, operation_id="document",
    opt=refuses("unknown_document"),
)  # fmt: skip
async def one(request: Request[Any, Any, Any], document: UUID) -> DocumentRow:
    """What is known of a paper or photo: for whoever declared it, and for whoever handles the matter it belongs to."""
    return await documents.document(request.user, document)


@get(
    "/documents/{document:uuid}/content", summary="See it · 查看内容", tags=TAGS, operation_id="document_content",
    media_type=BYTES,
    opt=refuses(
        "too_many_requests", "too_many_refusals", "unknown_document", "second_factor_needed", "not_sealed",
        "document_erased", "evidence_unreadable", "range_not_satisfiable", "store_unavailable",
    ) | {"ranged": True},
)  # fmt: skip
async def content(request: Request[Any, Any, Any], document: UUID) -> Stream:
    """The sealed bytes of a paper or photo, whole or one `Range`, with the media type that was declared.

    The matter that it belongs to is the purpose: no review is needed. The journal keeps who asked for which bytes, and
    how many were sent. What a browser could run is sent as plain bytes to be saved."""
    store = request.app.state.store
    asked = PaperRequest(actor=request.user, document=document, address=address_of(request))
    source = await documents.allowed(asked)
    part = asked_for(request, source.bytes, f'"{source.sha256}"')
    sent: Any = iter(())  # of HEAD: nothing is seen, so nothing is journalled
    if not only_head(request):
        viewing = await documents.begin(asked, source, part.span)
        sent = await begun(documents.serve(store, asked, source, viewing, part.span))
    shown = _is_shown(source)
    headers = part.headers(source.media_type if shown and not wants_plain_bytes(request) else BYTES)
    name = f"filename*=UTF-8''{quote(source.file_name, safe='')}"
    headers["Content-Disposition"] = f"{'inline' if shown else 'attachment'}; {name}"
    return Stream(sent, status_code=part.status, headers=headers)


def _is_shown(source: PaperSource) -> bool:
    """Whether a browser may show it: a picture, film, sound, a PDF or plain text, and nothing that could run."""
    kind = source.media_type
    return kind in SHOWN_TOO or (kind.startswith(SHOWN) and kind not in ACTIVE)


ROUTES = [one, content]
