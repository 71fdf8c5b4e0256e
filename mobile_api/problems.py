"""Every failure as problem+json (RFC 9457), in the reader's language, with a stable code.

Guarantees: never a row's value, never a stack; what the database refuses is told by its kind; what we did not foresee
is logged with its stack and answered as `internal`.
"""

import re
from typing import Any

import asyncpg
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from backend.core.refusals import Refusal, problem
from backend.law.catalogue import Language
from storage.evidence_store import StoreUnavailable

PROBLEM_JSON = "application/problem+json"
RETRY_SOON = 3
SPELT = {"start": "from", "end": "to"}  # parameters that Python could not name as the address does
ABSENT = re.compile(r"Missing required query parameter '(\w+)'")
CHALLENGES = {
    "use_dpop_nonce": "use_dpop_nonce", "proof": "invalid_dpop_proof", "key_differs": "invalid_dpop_proof",
    "token_invalid": "invalid_token", "token_expired": "invalid_token", "session_ended": "invalid_token",
}  # fmt: skip
FRESH_NONCE = "fujing.fresh_nonce"  # in the scope: what the answer's DPoP-Nonce says
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}  # on every answer
BY_SQLSTATE = {
    "23505": "conflict",
    "23P01": "conflict",
    "23503": "conflict",
    "40001": "conflict",
    "40P01": "conflict",
    "55P03": "conflict",
    "23514": "constraint",
    "23502": "constraint",
    "22001": "constraint",
    "22021": "constraint",
    "57014": "database_unavailable",
    "53000": "database_unavailable",  # it lacks something: disk, memory
    "53100": "database_unavailable",
    "53200": "database_unavailable",
    "58030": "database_unavailable",
}
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the last word of a server that ends a connection, read by the next request
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
    FileNotFoundError,
    TimeoutError,
)
log = structlog.get_logger()


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
    if refusal.retry_after is not None or refusal.status == 503:
        headers["Retry-After"] = str(refusal.retry_after or RETRY_SOON)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = _challenge(refusal.code)
    told = problem(refusal, language, request.url.path)
    return Response(told, status_code=refusal.status, media_type=PROBLEM_JSON, headers=headers)


def _challenge(code: str) -> str:
    """RFC 9449 §7.1 and 9: which scheme, and in its own words what was wrong."""
    kind = CHALLENGES.get(code) or CHALLENGES.get(code.partition("_")[0])
    return f'DPoP error="{kind}", algs="ES256"' if kind else 'DPoP algs="ES256"'


def on_refusal(request: Request[Any, Any, Any], refusal: Refusal) -> Response[dict[str, Any]]:
    return answer(request, refusal)


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    told = answer(request, _read_http(error))
    if isinstance(error, MethodNotAllowedException) and error.headers:
        told.headers.update(error.headers)
    return told


def _read_http(error: HTTPException) -> Refusal:
    if isinstance(error, ValidationException):
        return Refusal("invalid", extra={"errors": _errors(error)})
    if isinstance(error, NotFoundException):
        return Refusal("not_found")
    if isinstance(error, MethodNotAllowedException):
        return Refusal("method_not_allowed")
    if error.status_code == 413:
        return Refusal("body_too_large")
    return Refusal("bad_request" if error.status_code < 500 else "internal")


def _errors(error: ValidationException) -> list[dict[str, str]]:
    """Which parameter of the query is not as it should be, or is not there."""
    absent = ABSENT.match(error.detail)
    if absent is not None:
        return [{"pointer": f"?{absent.group(1)}", "message": "missing"}]
    listed = error.extra if isinstance(error.extra, list) else []
    named = ((str(one.get("key", "")), one.get("message", "")) for one in listed)
    return [{"pointer": f"?{SPELT.get(key, key)}", "message": message} for key, message in named]


def on_store_away(request: Request[Any, Any, Any], error: StoreUnavailable) -> Response[dict[str, Any]]:
    log.warning("store unavailable", error=str(error))
    return answer(request, Refusal("store_unavailable"))


def on_anything(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    return answer(request, read_failure(error, request.url.path))


def read_failure(error: BaseException, path: str) -> Refusal:
    """The database's refusals by their kind; everything else is ours to mend."""
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
    Exception: on_anything,
}


def answer_to(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """What the first handler that is for it makes of an error."""
    told: Response[dict[str, Any]] = next(
        handler(request, error) for kind, handler in HANDLERS.items() if isinstance(error, kind)
    )
    return told
