"""Bodies that nobody read before the answer: the rest is read, and thrown away, before the answer goes out.

A refusal may be ready before the body has come: a proof without the nonce, a database that is away. The server (hyper)
then closes the connection without a word about it. A phone that is still sending loses the answer; one that sends its
next request on the same connection gets none at all. So an answer waits for the body, at most SECONDS and LONGEST,
that of a whole sync. A body that is longer or slower is not waited for, and the answer says `Connection: close`
(RFC 9112 §9.6).
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from time import monotonic
from typing import Any

from litestar.types import Receive, Send

from mobile_api.bodies import LONGEST, SECONDS
from mobile_api.head import HeadAnswering

CLOSE = (b"connection", b"close")
CHUNKED = -1  # for a size: the body says itself where it ends


class BodyReading(HeadAnswering):
    """An application whose answers leave no body unread."""

    def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        if scope["type"] == "http" and (size := _announced(scope["headers"])):
            body = _Body(receive, send, size)
            receive, send = body.receive, body.answer
        return super().__call__(scope, receive, send)


def _announced(headers: Any) -> int:
    """The bytes that the body will have; CHUNKED; 0 for no body. LONGEST + 1 where the sender waits to be asked for it.

    Asking for a body (`Expect: 100-continue`) only to throw it away helps nobody.
    """
    size = 0
    for name, text in headers:
        if name == b"content-length":
            size = int(text) if text.isdigit() else CHUNKED
        elif name == b"transfer-encoding":
            size = CHUNKED
        elif name == b"expect":
            return LONGEST + 1
    return size


class _Body:
    """The body of one request: how far it was read, and the answer that must wait for the rest."""

    __slots__ = ("_ended", "_receive", "_send", "_size", "_until")

    def __init__(self, receive: Receive, send: Send, size: int) -> None:
        self._receive, self._send, self._size = receive, send, size
        self._ended, self._until = False, monotonic() + SECONDS

    async def receive(self) -> Any:
        message: Any = await self._receive()
        self._ended = not message.get("more_body", False)  # also where the sender went away
        return message

    def answer(self, message: Any) -> Awaitable[None]:
        if self._ended or message["type"] != "http.response.start":
            return self._send(message)
        return self._answer_after_the_rest(message)

    async def _answer_after_the_rest(self, message: Any) -> None:
        if not await self._read_rest():
            message["headers"] = [*message["headers"], CLOSE]
        await self._send(message)

    async def _read_rest(self) -> bool:
        """Read to the end of the body. Whether it came: not too long, and not too slowly."""
        if self._size > LONGEST:
            return False
        count = 0
        try:
            async with asyncio.timeout(self._until - monotonic()):
                while not self._ended and count <= LONGEST:
                    count += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return False
        return self._ended
