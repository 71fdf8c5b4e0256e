"""The verdict: whether a work may be done now; and the law as data, so that phones can judge offline."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.params import QueryParameter

from backend.activities import duty_check
from backend.activities.duty_check import DutyQuestion
from backend.core.refusals import notes
from backend.core.wire import Note
from mobile_api.problems import language_of, refuses

TAGS = ["Duty · 职责"]
OFFICERS_CEILING = 50


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the work may be done now, and why not."""

    work: Annotated[str, msgspec.Meta(description="code of the work, as in the question")]
    outcome: Annotated[
        Literal["allowed", "conditional", "forbidden"],
        msgspec.Meta(
            description="allowed: it may be done; conditional: it may be done once every unmet rule is met; forbidden: "
            "it must not be done"
        ),
    ]
    unmet: Annotated[list[Note], msgspec.Meta(description="each rule that is not met")]
    warnings: Annotated[list[Note], msgspec.Meta(description="what is wrong and forbids nothing")]


class Catalogue(msgspec.Struct, frozen=True):
    """The law as data: works, qualifications, terms, sentences."""

    works: Annotated[
        dict[str, dict[str, Any]],
        msgspec.Meta(description="every item of Articles 8 to 12 and its conditions, by code"),
    ]
    qualifications: Annotated[dict[str, dict[str, str]], msgspec.Meta(description="every qualification, by code")]
    regulation: Annotated[
        dict[str, Any], msgspec.Meta(description="title, number, and the days from which and to which it is in force")
    ]
    kinds: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="every kind of auxiliary, by code")]
    ranks: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="every rank of auxiliaries, by code")]
    insurances: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="what insurance the organ owes to whom")]
    before_duty: Annotated[
        dict[str, dict[str, Any]], msgspec.Meta(description="what the roster must show before the first duty, by code")
    ]
    dress: Annotated[dict[str, Any], msgspec.Meta(description="what is worn and carried on duty")]
    terms: Annotated[
        dict[str, dict[str, Any]],
        msgspec.Meta(description="every period and threshold with its source and version, by name"),
    ]
    messages: Annotated[
        dict[str, dict[str, str]], msgspec.Meta(description="every sentence in Chinese and English, by code")
    ]


@get("/duty/works", summary="The law as data · 职责目录", tags=TAGS, operation_id="duty_works", sync_to_thread=False)
def works(request: Request[Any, Any, Any]) -> Response[Catalogue]:
    """Every work with its conditions, every term and sentence, to judge offline.

    The answer has an ETag. Send it in If-None-Match: 304 says that nothing changed."""
    catalogue = duty_check.catalogue()
    headers = {"ETag": catalogue.etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == catalogue.etag:
        return Response(b"", status_code=304, headers=headers)  # type: ignore[arg-type]
    compressed = "gzip" in request.headers.get("accept-encoding", "")
    if compressed:
        headers["Content-Encoding"] = "gzip"
    content = catalogue.compressed if compressed else catalogue.plain
    return Response(content, media_type=MediaType.JSON, headers=headers)  # type: ignore[arg-type]


Officers = Annotated[
    int | None,
    QueryParameter(
        name="officers_present", ge=0, le=OFFICERS_CEILING,
        description="how many officers are present, the leading officer included",
    ),
]  # fmt: skip
OfficersByOldName = Annotated[
    int | None,
    QueryParameter(
        name="officers", ge=0, le=OFFICERS_CEILING, description="old name of `officers_present`, which goes first",
        schema_extra={"deprecated": True},
    ),
]  # fmt: skip


@get(
    "/duty/verdict", summary="May I do this now? · 能否开展", tags=TAGS, operation_id="duty_verdict",
    opt=refuses("unknown_work"),
)  # fmt: skip
async def verdict(
    request: Request[Any, Any, Any],
    work: Annotated[str, QueryParameter(name="work", max_length=40, description="code of the work, such as 10.3")],
    emergency: Annotated[
        bool, QueryParameter(name="emergency", description="whether it is an emergency as R.11 means it")
    ] = False,
    recording: Annotated[bool, QueryParameter(name="recording", description="whether a recorder is running")] = False,
    officers_present: Officers = None,
    officers: OfficersByOldName = None,
    case_ref: Annotated[
        str | None,
        QueryParameter(name="case_ref", max_length=120, description="number of the case, where there is one"),
    ] = None,
) -> Answer:
    """The server's verdict on a work at this moment, with every rule that is not met and its article."""
    present = officers if officers_present is None else officers_present
    question = DutyQuestion(emergency=emergency, recording=recording, officers=present, case_ref=case_ref)
    verdict = await duty_check.verdict_on(request.user, work, question, datetime.now(UTC))
    language = language_of(request)
    return Answer(
        work=work,
        outcome=verdict.outcome,
        unmet=msgspec.convert(notes(verdict.unmet, language), list[Note]),
        warnings=msgspec.convert(notes(verdict.warnings, language), list[Note]),
    )


ROUTES = [works, verdict]
