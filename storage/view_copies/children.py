"""The way to the processes that make view copies: orders in, messages out.

One server process for each of ours, started when the first film is looked at; it forks a bounded child for each order.
A child that is killed, by its limits or by a hostile file, leaves an answer without an end: Unreadable.
"""

import asyncio
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple

from storage.view_copies import SHIFT_MS
from storage.view_copies.messages import END, FAILED, HEAD, INIT, LOOK, MEDIA, MESSAGE, MORE, ORDER_BYTES

LOOK_SECONDS, LOOK_CPU = 60, 60
PIPE_BUFFER = 1024 * 1024
F_SETPIPE_SZ = 1031  # of Linux
PIECE_CEILING = 512 * 1024 * 1024  # a fragment of more is no film's


class Unreadable(Exception):
    """The child could make nothing of the file, or the file killed it."""


class Piece(NamedTuple):
    """A piece of a view copy: INIT, MEDIA or MORE; its bytes; its time in microseconds."""

    kind: bytes
    content: bytes
    at: int


class Children:
    """Orders to the server of child processes; it is started anew where it died."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None
        self._starting = threading.Lock()

    def order(self, order: dict[str, Any]) -> int:
        """Send an order; the reading end of the pipe that the answer comes through. Blocks while a server starts."""
        reading, writing = os.pipe()
        with suppress(OSError):  # where the system gives no room
            fcntl.fcntl(writing, F_SETPIPE_SZ, PIPE_BUFFER)
        message = json.dumps({"nice": 0, **order}).encode()
        try:
            if len(message) > ORDER_BYTES:
                raise Unreadable
            with self._starting:
                try:
                    self._send(message, writing)
                except OSError:
                    self.close()
                    self._send(message, writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return reading

    def _send(self, message: bytes, writing: int) -> None:
        socket.send_fds(self._orders or self._started(), [message], [writing])

    def _started(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "storage.view_copies.child", str(theirs.fileno())],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()], start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._orders = ours
        return ours

    def close(self) -> None:
        """End the server: it ends when its socket is closed."""
        if self._orders is not None:
            self._orders.close()
        if self._server is not None:
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(timeout=2)
            if self._server.poll() is None:
                self._server.kill()
                self._server.wait()
        self._orders = self._server = None


CHILDREN = Children()


async def look(url: str, size: int) -> dict[str, Any]:
    """What is in a stored file, as `opening.look` says it. Raises Unreadable."""
    async with Reading({"task": "look", "url": url, "bytes": size, "cpu_seconds": LOOK_CPU}) as reading:
        async with asyncio.timeout(LOOK_SECONDS):
            kind, content, _ = await reading.message()
    if kind != LOOK:
        raise Unreadable
    seen: dict[str, Any] = json.loads(content)
    return seen


class Reading:
    """The answer to one order, as it comes. Leaving the block ends the child."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._pipe: int | None = None
        self._waiting: asyncio.Future[None] | None = None

    async def __aenter__(self) -> "Reading":
        self._pipe = await asyncio.to_thread(CHILDREN.order, self._order)
        os.set_blocking(self._pipe, False)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child with its next write. Whoever waits for a message gets Unreadable."""
        if self._pipe is None:
            return
        if self._waiting is not None:
            self._woken(self._waiting)
        os.close(self._pipe)
        self._pipe = None

    async def message(self) -> tuple[bytes, bytes, int]:
        """The next message. Raises Unreadable where the child ended without one."""
        kind, length, at = MESSAGE.unpack(await self._exactly(MESSAGE.size))
        if length > PIECE_CEILING:
            raise Unreadable
        return kind, await self._exactly(length), at

    async def _exactly(self, size: int) -> bytes:
        """So many bytes of the pipe. Read by the loop itself: a stream of asyncio's would copy them twice more."""
        pieces, left = [], size
        while left:
            if self._pipe is None:
                raise Unreadable
            try:
                pieces.append(os.read(self._pipe, min(left, PIPE_BUFFER)))
            except BlockingIOError:
                await self._readable(self._pipe)
                continue
            if not pieces[-1]:
                raise Unreadable
            left -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _readable(self, pipe: int) -> None:
        """Wait until something is in the pipe, or it is closed."""
        loop = asyncio.get_running_loop()
        self._waiting = waiting = loop.create_future()
        loop.add_reader(pipe, self._woken, waiting)
        try:
            await waiting
        finally:
            self._woken(waiting)

    def _woken(self, waiting: "asyncio.Future[None]") -> None:
        if self._waiting is waiting and self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            self._waiting = None
        if not waiting.done():
            waiting.set_result(None)

    async def head(self) -> str:
        """The codecs of the view copy, which come first. Raises Unreadable."""
        kind, content, _ = await self.message()
        if kind != HEAD:
            raise Unreadable
        return str(json.loads(content)["codecs"])

    async def pieces(self) -> AsyncIterator[Piece]:
        """The pieces up to the end. Raises Unreadable where they break off."""
        while True:
            kind, content, at = await self.message()
            if kind == END:
                return
            if kind == FAILED:
                raise Unreadable
            yield Piece(kind, content, at)


class CopyStream:
    """The answer to one order as a file that is read from its beginning to its end, in a thread.

    While it is read: `at_ms`, how far in the film. Afterwards: `codecs`, `init_bytes`, `fragments`. `read` raises
    Unreadable where the answer breaks off.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self._pipe = os.fdopen(CHILDREN.order(order), "rb", buffering=PIPE_BUFFER)
        self._held, self._ended = bytearray(), False
        self._given = 0  # bytes of the copy that came from the child
        self.at_ms, self.init_bytes, self.codecs = 0, 0, ""
        self.fragments: list[tuple[int, int]] = []  # each one's beginning: milliseconds of the film, byte of the copy

    def read(self, size: int) -> bytes:
        """`size` bytes; fewer at the end."""
        while len(self._held) < size and not self._ended:
            self._take(*self._message())
        piece = bytes(self._held[:size])
        del self._held[:size]
        return piece

    def _message(self) -> tuple[bytes, bytes, int]:
        head = self._pipe.read(MESSAGE.size)
        if len(head) < MESSAGE.size:
            raise Unreadable
        kind, length, at = MESSAGE.unpack(head)
        content = self._pipe.read(length) if length <= PIECE_CEILING else b""
        if len(content) < length:
            raise Unreadable
        return kind, content, at

    def _take(self, kind: bytes, content: bytes, at: int) -> None:
        if kind == FAILED or (kind == END and not self.fragments):
            raise Unreadable
        if kind == HEAD:
            self.codecs = str(json.loads(content)["codecs"])
        if kind == INIT:
            self.init_bytes = len(content)
        if kind == MEDIA:
            self.at_ms = max(0, at // 1000 - SHIFT_MS)
            self.fragments.append((self.at_ms, self._given))
        if kind in (INIT, MEDIA, MORE):
            self._held += content
            self._given += len(content)
        self._ended = kind == END

    def close(self) -> None:
        """End the child with its next write."""
        self._pipe.close()
