"""May I do this now? The law for phones, and the server's own word."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.params import QueryParameter

from backend.activities import duty_check
from backend.activities.duty_check import DutyQuestion
from backend.core.refusals import notes
from backend.core.wire import Note
from mobile_api.problems import language_of

TAGS = ["Duty · 职责"]
OFFICERS_CEILING = 50


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the work may be done now: `conditional` would be allowed once what is unmet is put right."""

    work: str
    outcome: Literal["allowed", "conditional", "forbidden"]
    unmet: list[Note]
    warnings: list[Note]


class Catalogue(msgspec.Struct, frozen=True):
    """The law as data, by code and name: works, qualifications, terms with their sources, sentences."""

    works: dict[str, dict[str, Any]]
    qualifications: dict[str, dict[str, str]]
    terms: dict[str, dict[str, Any]]
    messages: dict[str, dict[str, str]]


@get("/duty/works", summary="The law as data · 职责目录", tags=TAGS, operation_id="duty_works", sync_to_thread=False)
def works(request: Request[Any, Any, Any]) -> Response[Catalogue]:
    """Every work with its conditions, every term and sentence, for judging offline. With an ETag: ask with
    If-None-Match, and 304 says that nothing changed."""
    kept = duty_check.catalogue()
    headers = {"ETag": kept.etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == kept.etag:
        return Response(b"", status_code=304, headers=headers)  # type: ignore[arg-type]
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["Content-Encoding"] = "gzip"
    content = kept.compressed if packed else kept.plain
    return Response(content, media_type=MediaType.JSON, headers=headers)  # type: ignore[arg-type]


@get("/duty/verdict", summary="May I do this now? · 能否开展", tags=TAGS, operation_id="duty_verdict")
async def verdict(
    request: Request[Any, Any, Any],
    work: Annotated[str, QueryParameter(name="work", max_length=40, description="code of the work, such as 10.3")],
    emergency: Annotated[bool, QueryParameter(name="emergency", description="an emergency as R.11 means it")] = False,
    recording: Annotated[bool, QueryParameter(name="recording", description="a recorder is running")] = False,
    officers: Annotated[
        int | None,
        QueryParameter(name="officers", ge=0, le=OFFICERS_CEILING, description="present, with the one who leads"),
    ] = None,
    case_ref: Annotated[
        str | None, QueryParameter(name="case_ref", max_length=120, description="number of the case, where it has one")
    ] = None,
) -> Answer:
    """The server's word on a work at this moment, with every rule that is not met and its article."""
    question = DutyQuestion(emergency=emergency, recording=recording, officers=officers, case_ref=case_ref)
    judged = await duty_check.verdict_on(request.user, work, question, datetime.now(UTC))
    language = language_of(request)
    return Answer(
        work=work,
        outcome=judged.outcome,
        unmet=msgspec.convert(notes(judged.unmet, language), list[Note]),
        warnings=msgspec.convert(notes(judged.warnings, language), list[Note]),
    )


ROUTES = [works, verdict]
