"""HEAD on every route of GET: the handler of GET runs, and its answer goes out without the body.

The framework chooses a route by its method, so the method is changed before it sees the request.
"""

from collections.abc import Coroutine
from typing import Any

from litestar import Litestar, Request
from litestar.types import Receive, Send

HEAD = "fujing.head"  # key in the scope of a HEAD request


class HeadAnswering(Litestar):
    """An application that answers HEAD wherever it answers GET."""

    def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope["method"], scope[HEAD] = "GET", True
            receive, send = _without_body(receive, send)
        return super().__call__(scope, receive, send)


def method_of(scope: Any) -> str:
    """The method as it was sent: a proof names it."""
    return "HEAD" if HEAD in scope else str(scope["method"])


def only_head(request: Request[Any, Any, Any]) -> bool:
    """Whether the headers alone are wanted, so that a handler need not open a file or a stream."""
    return HEAD in request.scope


def _without_body(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """The head of the answer alone. Once it is out, a handler that streams sees a disconnected client, and stops."""
    begun = False

    async def receive_no_more() -> Any:
        return {"type": "http.disconnect"} if begun else await receive()

    async def send_head(message: Any) -> None:
        nonlocal begun
        if message["type"] == "http.response.start":
            begun = True
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return receive_no_more, send_head
