"""A bad network between phones and a server: a seeded HTTP proxy that drops, delays, duplicates and cuts.

Guarantees: the fate of the n-th request of a run follows from the seed alone; bytes that pass are never changed.
Loopback only.
"""

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HEAD_LIMIT = 64 * 1024
BLOCK = 256 * 1024
FATES = (
    ("pass", 60),
    ("delay", 12),
    ("drop", 6),  # the request never leaves the phone
    ("cut_request", 5),  # half of it arrives
    ("lose_answer", 7),  # the server handled it, the phone gets no answer
    ("cut_answer", 4),  # half of the answer arrives
    ("duplicate", 6),  # sent twice; the phone gets the second answer
)


class Broken(Exception):
    """The proxy ends this connection."""


@dataclass
class BadNetwork:
    """One proxy. `upstream` returns the server's current port; with `quiet` everything passes."""

    upstream: Callable[[], int]
    seed: int
    quiet: bool = False
    done: Counter[str] = field(default_factory=Counter)
    port: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - no secret
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=HEAD_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        async def close() -> None:
            self._server.close()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            await asyncio.sleep(0)

        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _fate(self) -> str:
        if self.quiet:
            return "pass"
        (fate,) = self._chance.choices([name for name, _ in FATES], [weight for _, weight in FATES])
        self.done[fate] += 1
        return fate

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of one connection, each with its own fate."""
        try:
            while True:
                await self._one(reader, writer, self._fate())
        except (Broken, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: str) -> None:
        head, body = await _message(reader)
        if fate == "drop":
            raise Broken
        if fate == "delay":
            await asyncio.sleep(self._chance.uniform(0.05, 0.6))
        if fate == "cut_request":
            await self._half(head + body)
            raise Broken
        answer = await self._ask(head + body)
        if fate == "duplicate":
            answer = await self._ask(head + body)
        if fate == "lose_answer":
            raise Broken
        if fate == "cut_answer":
            writer.write(answer[: len(answer) // 2])
            await writer.drain()
            raise Broken
        writer.write(answer)
        await writer.drain()

    async def _ask(self, request: bytes) -> bytes:
        """Send these bytes over a new connection. The server's whole answer."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream(), limit=HEAD_LIMIT)
        except OSError:
            raise Broken from None
        try:
            writer.write(request)
            await writer.drain()
            head, body = await asyncio.wait_for(_message(reader, answer=True), 60)
            return head + body
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            raise Broken from None
        finally:
            writer.close()

    async def _half(self, request: bytes) -> None:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.upstream())
            writer.write(request[: len(request) // 2])
            await writer.drain()
            writer.close()


async def _message(reader: asyncio.StreamReader, *, answer: bool = False) -> tuple[bytes, bytes]:
    """Read one HTTP/1.1 message. Head and body, byte for byte."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    if fields.get("expect") == "100-continue":
        raise Broken
    if fields.get("transfer-encoding") == "chunked":
        return head, await _chunks(reader)
    bodiless = answer and lines[0].split(" ")[1] in ("204", "304")
    return head, b"" if bodiless else await reader.readexactly(int(fields.get("content-length", 0)))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
        body += size + chunk
        if chunk == b"\r\n":
            return body


@contextmanager
def bad_network(upstream: Callable[[], int], seed: int, port: int = 0) -> Iterator[BadNetwork]:
    """A proxy for the length of a block."""
    network = BadNetwork(upstream, seed, port=port)
    network.start()
    try:
        yield network
    finally:
        network.stop()
