"""The verdict: whether a work may be done now; and the law as data, so that phones can judge offline."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.params import QueryParameter

from backend.activities import duty_check
from backend.activities.duty_check import DutyQuestion, Judged
from backend.activities.schemas import LIGHTS, PLACE_KINDS, CaseKind
from backend.core.refusals import notes
from backend.core.wire import CONTROL, WHOLE, Note
from backend.law.catalogue import Language, law
from backend.law.works import Crew, Light, PlaceKind
from mobile_api.problems import language_of, refuses

TAGS = ["Duty · 职责"]
OFFICERS_CEILING = 50


class Lacking(msgspec.Struct, frozen=True, kw_only=True):
    """One way to make up for people who are missing."""

    officers: Annotated[int, msgspec.Meta(description="how many more officers")]
    auxiliaries: Annotated[int, msgspec.Meta(description="how many more auxiliaries")]
    message: Annotated[str, msgspec.Meta(description="the same in words, in the reader's language")]


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How the work is to be done. It is told, and nobody judges it."""

    code: Annotated[str, msgspec.Meta(description="code in `manners` of the catalogue")]
    message: Annotated[str, msgspec.Meta(description="the sentence, in the reader's language")]
    source: Annotated[str, msgspec.Meta(description="where it comes from")]


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    lacking: Annotated[
        list[Lacking],
        msgspec.Meta(description="each way to make up for people who are missing; absent: enough are present"),
    ] = []
    manner: Annotated[
        list[Manner], msgspec.Meta(description="how the work is to be done; absent: nothing is said of it")
    ] = []


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
    upcoming: Annotated[
        dict[str, dict[str, Any]],
        msgspec.Meta(description="editions to come, by the day on which this catalogue is to be fetched anew"),
    ]
    kinds: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="every kind of auxiliary, by code")]
    ranks: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="every rank of auxiliaries, by code")]
    insurances: Annotated[dict[str, dict[str, Any]], msgspec.Meta(description="what insurance the organ owes to whom")]
    before_duty: Annotated[
        dict[str, dict[str, Any]], msgspec.Meta(description="what the roster must show before the first duty, by code")
    ]
    retention: Annotated[
        dict[str, dict[str, str]], msgspec.Meta(description="categories of footage that is kept for ever, by code")
    ]
    dress: Annotated[dict[str, Any], msgspec.Meta(description="what is worn and carried on duty")]
    terms: Annotated[
        dict[str, dict[str, Any]],
        msgspec.Meta(description="every period and threshold with its source and version, by name"),
    ]
    messages: Annotated[
        dict[str, dict[str, str]], msgspec.Meta(description="every sentence in Chinese and English, by code")
    ]
    certificates: Annotated[
        dict[str, dict[str, str]], msgspec.Meta(description="trainings and other certificates, by code")
    ] = {}
    means: Annotated[dict[str, dict[str, str]], msgspec.Meta(description="every means of restraint, by code")] = {}
    restrained: Annotated[
        dict[str, dict[str, str]], msgspec.Meta(description="who is restrained, where that decides by which means")
    ] = {}
    manners: Annotated[dict[str, dict[str, str]], msgspec.Meta(description="how work is to be done, by code")] = {}
    whose: Annotated[
        dict[str, dict[str, Any]],
        msgspec.Meta(description="whose work it is, by the `kind` of a work: `kinds` are kinds of person"),
    ] = {}


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


Auxiliaries = Annotated[
    int | None,
    QueryParameter(
        name="auxiliaries_present", ge=1, le=OFFICERS_CEILING,
        description="how many auxiliaries are present, oneself included; absent: oneself alone",
    ),
]  # fmt: skip
PlaceKindAsked = Annotated[
    PlaceKind | None, QueryParameter(name="place_kind", description=f"kind of place: {PLACE_KINDS}; absent: not told")
]
LightAsked = Annotated[
    Light | None, QueryParameter(name="light", description=f"light at the place: {LIGHTS}; absent: not told")
]  # fmt: skip
CaseKindAsked = Annotated[
    CaseKind | None,
    QueryParameter(
        name="case_kind",
        description="kind of case, or what it looks like before a case is opened; none: there is none and none is "
        "expected; absent: not told",
    ),
]  # fmt: skip
NUMBER = rf"^[^{CONTROL}]*" + WHOLE
CaseNumberAsked = Annotated[
    str | None,
    QueryParameter(
        name="case_ref", max_length=120, pattern=NUMBER, description="number of the case, where there is one"
    ),
]  # fmt: skip
IncidentNumberAsked = Annotated[
    str | None,
    QueryParameter(
        name="incident_ref", max_length=120, pattern=NUMBER,
        description="number of the incident 接处警编号, where there is one",
    ),
]  # fmt: skip
Means = Annotated[
    list[str] | None,
    QueryParameter(
        name="means", max_items=20, description="means of restraint to be used, each one of `means` in the catalogue"
    ),
]  # fmt: skip
Restrained = Annotated[
    str | None,
    QueryParameter(
        name="restrained", max_length=40,
        description="who is to be restrained, one of `restrained` in the catalogue; absent: not told",
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
    auxiliaries_present: Auxiliaries = None,
    place_kind: PlaceKindAsked = None,
    light: LightAsked = None,
    case_kind: CaseKindAsked = None,
    case_ref: CaseNumberAsked = None,
    incident_ref: IncidentNumberAsked = None,
    notice_given: Annotated[
        bool, QueryParameter(name="notice_given", description="whether the public notice was given (执法公示)")
    ] = False,
    means: Means = None,
    restrained: Restrained = None,
    self_protection: Annotated[
        bool, QueryParameter(name="self_protection", description="whether the means only protect oneself")
    ] = False,
) -> Answer:
    """The server's verdict on a work at this moment, with every rule that is not met and its article."""
    question = DutyQuestion(
        emergency=emergency, recording=recording, officers=officers if officers_present is None else officers_present,
        auxiliaries=auxiliaries_present, place_kind=place_kind, light=light, case_kind=case_kind, case_ref=case_ref,
        incident_ref=incident_ref, notice_given=notice_given, means=frozenset(means or ()), restrained=restrained,
        self_protection=self_protection,
    )  # fmt: skip
    judged = await duty_check.verdict_on(request.user, work, question, datetime.now(UTC))
    return _answer(work, judged, language_of(request))


def _answer(code: str, judged: Judged, language: Language) -> Answer:
    return Answer(
        work=code,
        outcome=judged.verdict.outcome,
        unmet=_notes(judged, judged.verdict.unmet, language),
        warnings=_notes(judged, judged.verdict.warnings, language),
        lacking=[_lacking(crew, language) for crew in judged.lacking],
        manner=[_manner(manner, language) for manner in judged.work.manner],
    )


def _notes(judged: Judged, codes: Sequence[str], language: Language) -> list[Note]:
    """A note for each code, with the article and the source that the work has for it."""
    work = judged.work
    result = []
    for note in msgspec.convert(notes(codes, language), list[Note]):
        article = work.officers_article if note.code == "too_few_officers" else None
        result.append(
            msgspec.structs.replace(note, article=article or note.article, source=duty_check.source_of(work, note.code))
        )
    return result


def _lacking(crew: Crew, language: Language) -> Lacking:
    """Say who is missing; leave out a group of whom nobody is."""
    messages = law().messages
    counts = {"officers_lacking": crew.officers, "auxiliaries_lacking": crew.auxiliaries}
    people = [messages[code].sentence(language).format(count=count) for code, count in counts.items() if count]
    said = (
        messages["people_lacking"].sentence(language).format(people=("、" if language == "zh" else ", ").join(people))
    )
    return Lacking(officers=crew.officers, auxiliaries=crew.auxiliaries, message=said)


def _manner(code: str, language: Language) -> Manner:
    manner = law().manners[code]
    return Manner(code=code, message=manner.zh if language == "zh" else manner.en, source=manner.source)


ROUTES = [works, verdict]
