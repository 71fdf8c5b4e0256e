"""The outermost middleware: it counts and times every request, and adds the security headers to every answer.

A request that is refused before its handler is reached is answered here, so that it is counted under its own status.
Each request has an id, its sender's or a new one: in the answer, and in every line logged for it.
The time of receipt is when the head of the request came: waiting inside the server says nothing of a phone's clock.
Counts are by method, path template and status. A path itself is no label, since it may hold a person's id.
"""

import re
from datetime import UTC, datetime
from secrets import token_hex
from time import perf_counter
from typing import Any

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Send
from prometheus_client import Counter, Histogram

from backend.law.catalogue import law
from mobile_api.head import method_of
from mobile_api.problems import FRESH_NONCE, HEADERS, answer_to

LABELS = ("method", "path", "status")
REQUESTS = Counter("fujing_requests", "Requests answered", LABELS)
SECONDS = Histogram("fujing_request_seconds", "From the first byte in to the last byte out", LABELS)
REQUEST_ID = b"x-request-id"
RECEIVED = "fujing.received"  # in the scope
WELL_FORMED = re.compile(rb"[A-Za-z0-9-]{8,64}")
SLOW = 2.0  # seconds
log = structlog.get_logger()
RAW = [(name.lower().encode(), text.encode()) for name, text in HEADERS.items()]
_children: dict[tuple[str, str, int], tuple[Any, Any]] = {}


class RequestMiddleware:
    """Counts, times, identifies and answers; see the module."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        scope[RECEIVED] = datetime.now(UTC)
        begun, status, answered = perf_counter(), 500, False
        name = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=name.decode())

        async def send_with_headers(message: Any) -> None:
            nonlocal status, answered
            answered = True
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"], (REQUEST_ID, name), *(raw for raw in RAW if raw[0] not in there),
                ]  # fmt: skip
                if FRESH_NONCE in scope and b"dpop-nonce" not in there:
                    message["headers"].append((b"dpop-nonce", scope[FRESH_NONCE].encode()))
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if answered:
                raise
            request: Request[Any, Any, Any] = Request(scope, receive)
            await answer_to(request, error).to_asgi_response(app=None, request=request)(
                scope, receive, send_with_headers
            )
        finally:
            _count(scope, status, perf_counter() - begun)


def received_at(request: Request[Any, Any, Any]) -> datetime:
    """When the head of the request came: the device took its `sent_at` before that.

    Now, where the body took longer than a live entry may be on its way (`live_window`).
    """
    scope: Any = request.scope
    head, now = scope[RECEIVED], datetime.now(UTC)
    return head if now - head <= law().span("live_window") else now


def _count(scope: Any, status: int, seconds: float) -> None:
    key = (method_of(scope), scope.get("path_template", ""), status)
    children = _children.get(key)
    if children is None:
        children = _children[key] = (REQUESTS.labels(*map(str, key)), SECONDS.labels(*map(str, key)))
    children[0].inc()
    children[1].observe(seconds)
    if status >= 500 or seconds > SLOW:
        log.warning("answered", method=key[0], path=key[1], status=status, ms=round(1000 * seconds))
    elif status >= 400:
        log.info("answered", method=key[0], path=key[1], status=status, ms=round(1000 * seconds))


def _request_id(scope: Any) -> bytes:
    sent: bytes = next((text for name, text in scope["headers"] if name == REQUEST_ID), b"")
    return sent if WELL_FORMED.fullmatch(sent) else token_hex(8).encode()
