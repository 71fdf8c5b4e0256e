"""One route for each verb of backend/registry.py: decode the struct, record the entry, answer with its receipt."""

import inspect
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from structlog.contextvars import bind_contextvars

from backend.core.described import SentAt
from backend.core.refusals import Refusal, notes
from backend.core.verb import Recorded, Verb
from backend.core.write_path import Arrival
from backend.law.catalogue import Language
from backend.registry import VERBS
from backend.sync import take
from mobile_api.auth import BRINGS_HOME
from mobile_api.bodies import read_entry, takes
from mobile_api.metrics import ENTRIES
from mobile_api.problems import language_of
from mobile_api.request_middleware import received_at

BODY_LIMIT = 256 * 1024


def sent(verb: Verb) -> type[Any]:
    """The verb's struct as its own route takes it: with `sent_at`."""
    return msgspec.defstruct(
        f"{verb.entry.__name__}Call",
        [("sent_at", SentAt)],
        bases=(verb.entry,),
        namespace={"__doc__": verb.entry.__doc__},
        frozen=True,
        kw_only=True,
        omit_defaults=True,
        forbid_unknown_fields=True,
    )


def route(verb: Verb) -> HTTPRouteHandler:
    """The handler of one verb."""

    call = sent(verb)

    async def handle(request: Request[Any, Any, Any]) -> Any:
        data, left_out = await read_entry(request, call)
        bind_contextvars(entry=str(data.id))
        try:
            recorded = await take(
                Arrival(verb, request.user, data, data.sent_at, received_at(request), left_out=left_out)
            )
        except Refusal:
            ENTRIES.labels(verb.name, "refused").inc()
            raise
        ENTRIES.labels(verb.name, "replayed" if recorded.replayed else "recorded").inc()
        status = 200 if recorded.replayed else 201
        return Response(receipt(recorded, language_of(request)), status_code=status, media_type=MediaType.JSON)

    handle.__annotations__ |= {"return": Response[verb.receipt]}  # type: ignore[name-defined]
    handle.__name__ = verb.operation
    return post(
        f"/{verb.name}",
        summary=verb.summary,
        description=inspect.cleandoc(verb.entry.__doc__ or ""),
        operation_id=handle.__name__,
        tags=[verb.tag],
        opt=takes(call, verb.example) | BRINGS_HOME,
        request_max_body_size=BODY_LIMIT,
        responses={
            200: ResponseSpec(
                verb.receipt, description="The same entry again: nothing changed", generate_examples=False
            )
        },
    )(handle)


def receipt(recorded: Recorded, language: Language) -> bytes:
    """The answer to an entry in the reader's language, as the verb's receipt struct describes it."""
    answer: dict[str, Any] = {
        "id": recorded.id,
        "status": "replayed" if recorded.replayed else "recorded",
        "received_at": recorded.received_at,
        "findings": notes(recorded.findings, language),
        **recorded.subject,
    }
    if "warnings" in answer:
        answer["warnings"] = notes(answer["warnings"], language)
    return msgspec.json.encode(answer, order="sorted")


ROUTES = [route(verb) for verb in VERBS]
