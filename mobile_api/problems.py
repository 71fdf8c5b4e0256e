"""Every failure as problem+json (RFC 9457), in the reader's language, with a stable code.

Guarantees: no problem holds a row's value or a stack; a refusal of the database is told by its kind; an error that
nobody foresaw is logged with its stack and answered as `internal`.
"""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from prometheus_client import Counter

from backend.core.database_errors import DAMAGED_STATES, first_line
from backend.core.refusals import Refusal, problem
from backend.core.wire import Note
from backend.law.catalogue import Language
from mobile_api import faults
from mobile_api.faults import FieldAtFault
from storage.evidence_store import ObjectUnreadable, StoreFull, StoreReadOnly, StoreSwapped, StoreUnavailable

PROBLEM_JSON = "application/problem+json"
CHALLENGES = {
    "use_dpop_nonce": "use_dpop_nonce", "proof": "invalid_dpop_proof", "key_differs": "invalid_dpop_proof",
    "token_invalid": "invalid_token", "token_expired": "invalid_token", "session_ended": "invalid_token",
}  # fmt: skip
RETRYABLE_STATUS = {408, 429, 500, 503}  # what the server cannot do now
FRESH_NONCE = "fujing.fresh_nonce"  # key in the scope: the nonce for the answer's DPoP-Nonce header
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}  # on every answer
BY_SQLSTATE = {
    "23505": "conflict",
    "23P01": "conflict",
    "23503": "conflict",
    "40001": "database_unavailable",  # others write the same rows at this moment
    "40P01": "database_unavailable",
    "55P03": "database_unavailable",
    "23514": "constraint",
    "23502": "constraint",
    "22001": "constraint",
    "22021": "constraint",
    "57014": "database_unavailable",
    "53000": "database_unavailable",  # insufficient resources: disk, memory
    "53100": "database_unavailable",
    "53200": "database_unavailable",
    "58030": "database_unavailable",
}
DAMAGE = Counter("fujing_database_damage", "Answers of the database that its files cannot be read")
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server ended the connection; the next request reads that
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
    FileNotFoundError,
    TimeoutError,
)
BY_STORE = {StoreFull: "store_full", StoreReadOnly: "store_read_only", StoreSwapped: "store_swapped"}
log = structlog.get_logger()


class Problem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A refusal or failure (RFC 9457). `code` is stable; the sentences are Chinese or English by Accept-Language."""

    type: Annotated[str, msgspec.Meta(description="address of the page that explains the code")]
    title: Annotated[str, msgspec.Meta(description="what went wrong, in a few words")]
    status: Annotated[int, msgspec.Meta(description="the HTTP status")]
    detail: Annotated[str, msgspec.Meta(description="a sentence that says what to do")]
    code: Annotated[str, msgspec.Meta(description="stable code of the problem")]
    instance: Annotated[str, msgspec.Meta(description="path of the request")]
    article: Annotated[str | None, msgspec.Meta(description="article of the regulation, where one is behind it")] = None
    unmet: Annotated[list[Note], msgspec.Meta(description="each rule that is not met")] = []
    errors: Annotated[list[FieldAtFault], msgspec.Meta(description="with `invalid`: each field at fault")] = []
    missing: Annotated[list[int], msgspec.Meta(description="with `parts_missing`: numbers of the missing parts")] = []
    state: Annotated[str | None, msgspec.Meta(description="with `parts_missing`: how the upload stands")] = None
    current: Annotated[
        dict[str, Any] | None, msgspec.Meta(description="with `stale`: how the matter stands now, with its version")
    ] = None
    recordings: Annotated[
        list[UUID],
        msgspec.Meta(
            description="with `package_needs_reviews`: footage that lacks an open review; with `evidence_unreadable` "
            "of a package: footage that cannot be read"
        ),
    ] = []
    person: Annotated[
        UUID | None, msgspec.Meta(description="with `planned_already`: the person who has another planned shift")
    ] = None
    owed_min: Annotated[int | None, msgspec.Meta(description="with `time_off_not_owed`: minutes that are owed")] = None
    bytes: Annotated[
        int | None, msgspec.Meta(description="with `range_not_satisfiable`: size of the file in bytes")
    ] = None


def refuses(*codes: str) -> dict[str, Any]:
    """The handler's option that lists the codes of its own refusals, for the contract."""
    return {"codes": codes}


def as_problem(refusal: Refusal, language: Language, instance: str) -> dict[str, Any]:
    """The refusal as problem+json in one language, its faults included."""
    content = problem(refusal, language, instance)
    if "errors" in content:
        content["errors"] = faults.in_language(content["errors"], language)
    return content


def language_of(request: Request[Any, Any, Any]) -> Language:
    """Chinese unless Accept-Language prefers English."""
    weights = {"zh": 0.0, "en": 0.0}
    for choice in request.headers.get("accept-language", "")[:200].split(","):
        tag, _, quality = choice.partition(";")
        name = tag.strip().lower()[:2]
        if name in weights:
            weights[name] = max(weights[name], _quality(quality))
    return "en" if weights["en"] > weights["zh"] else "zh"


def _quality(text: str) -> float:
    try:
        return float(text.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0


def answer(request: Request[Any, Any, Any], refusal: Refusal) -> Response[dict[str, Any]]:
    """The refusal as a response."""
    language = language_of(request)
    headers = {**HEADERS, "Content-Language": language, "Cache-Control": "no-store"}
    if (seconds := refusal.wait_seconds) is not None:
        headers["Retry-After"] = str(seconds)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = _challenge(refusal.code)
    content = as_problem(refusal, language, request.url.path)
    return Response(content, status_code=refusal.status, media_type=PROBLEM_JSON, headers=headers)


def _challenge(code: str) -> str:
    """The scheme and its error code, as RFC 9449 §7.1 and 9 ask."""
    kind = CHALLENGES.get(code) or CHALLENGES.get(code.partition("_")[0])
    return f'DPoP error="{kind}", algs="ES256"' if kind else 'DPoP algs="ES256"'


def on_refusal(request: Request[Any, Any, Any], refusal: Refusal) -> Response[dict[str, Any]]:
    return answer(request, refusal)


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    response = answer(request, _as_refusal(request, error))
    if isinstance(error, MethodNotAllowedException) and error.headers:
        response.headers.update(error.headers)
    return response


def _as_refusal(request: Request[Any, Any, Any], error: HTTPException) -> Refusal:
    if isinstance(error, ValidationException):
        return Refusal("invalid", extra={"errors": faults.of_query(request.route_handler, request.query_params)})
    if isinstance(error, NotFoundException):
        return Refusal("not_found")
    if isinstance(error, MethodNotAllowedException):
        return Refusal("method_not_allowed")
    if error.status_code == 413:
        return Refusal("body_too_large")
    return Refusal("bad_request" if error.status_code < 500 else "internal")


def on_store_away(request: Request[Any, Any, Any], error: StoreUnavailable) -> Response[dict[str, Any]]:
    log.warning("store unavailable", error=str(error))
    code = next((code for kind, code in BY_STORE.items() if isinstance(error, kind)), "store_unavailable")
    return answer(request, Refusal(code))


def on_unreadable(request: Request[Any, Any, Any], error: ObjectUnreadable) -> Response[dict[str, Any]]:
    log.error("object unreadable", key=error.key, version=error.version, read_to=error.read_to)
    return answer(request, Refusal("evidence_unreadable"))


def on_anything(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    return answer(request, read_failure(error, request.url.path))


def read_failure(error: BaseException, path: str) -> Refusal:
    """A database error by its kind; anything else is a fault of the server: `internal`."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate in DAMAGED_STATES:
        DAMAGE.inc()
        log.error("database damaged", sqlstate=error.sqlstate, words=first_line(error))  # they name a page, no row
        return Refusal("database_damaged")
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate in BY_SQLSTATE:
        log.warning("database refused", sqlstate=error.sqlstate, constraint=getattr(error, "constraint_name", None))
        return Refusal(BY_SQLSTATE[error.sqlstate])
    if isinstance(error, AWAY):
        log.warning("database unavailable", kind=type(error).__name__)
        return Refusal("database_unavailable")
    log.error("failed", path=path, exc_info=error)
    return Refusal("internal")


HANDLERS: dict[Any, Any] = {
    Refusal: on_refusal,
    HTTPException: on_http_exception,
    StoreUnavailable: on_store_away,
    ObjectUnreadable: on_unreadable,
    Exception: on_anything,
}


def answer_to(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """The response of the first exception handler that fits the error."""
    response: Response[dict[str, Any]] = next(
        handler(request, error) for kind, handler in HANDLERS.items() if isinstance(error, kind)
    )
    return response
