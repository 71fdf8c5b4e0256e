"""A store that answers nonsense: a proxy before a real one that now and then lies about what it said, seeded.

Guarantees: what it does follows from the seed and the order of the requests; while it is quiet every byte passes as it
is. Loopback only. Requests always carry their own `Host`, so signatures hold.
"""

import asyncio
import contextlib
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.bad_network import HEAD_LIMIT, Broken, _chunks

PAGE = b"<html><body><h1>It works!</h1></body></html>"
KINDS = ("empty", "unasked", "page", "short", "wrong_length", "unnamed", "wrong_etag", "other_bytes")
INVALID = b"<Error><Code>InvalidArgument</Code><Message>Invalid version id specified</Message></Error>"
Fields = dict[str, str]


@dataclass
class Answer:
    """One answer, with the names of its fields in lower case."""

    status: str
    fields: Fields
    body: bytes
    to: str  # the method that was asked
    ends: bool = False  # the connection, with this answer

    @property
    def of_object(self) -> bool:
        return "x-amz-version-id" in self.fields

    def written(self) -> bytes:
        lines = [self.status, *(f"{name}: {text}" for name, text in self.fields.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass
class Nonsense:
    """One proxy before the store on `to` (host:port). `rate`: the share of answers that are nonsense.

    `lies`: (kind, method, pattern): the next answers to this method on an address that the pattern finds, one after the
    other. `changed`: (method, pattern, change): what is done to every such answer. `hangs`: requests whose method and
    address this pattern finds are not answered before it is None again.
    `asked`: method and address of every request. `broken`: patterns of the addresses of damaged objects ("": of
    everything), each with the byte behind which nothing is given, as MinIO does for a damaged file (HEAD still
    answers); None: every call about it is 500, as for damaged metadata.
    """

    to: str
    seed: int = 7
    rate: float = 0.0
    broken: dict[str, int | None] = field(default_factory=dict)
    unparsed: str = ""  # the pattern of names of versions that this store cannot parse, as MinIO answers
    lies: list[tuple[str, str, str]] = field(default_factory=list)
    changed: list[tuple[str, str, Callable[[Answer], None]]] = field(default_factory=list)
    hangs: str | None = None
    done: Counter[str] = field(default_factory=Counter)
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - a test's dice
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

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

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=HEAD_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head, body = await _request(reader)
                answer = await self._answered(head, body)
                writer.write(answer.written())
                await writer.drain()
                if answer.ends:
                    return
        except (Broken, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answered(self, head: bytes, body: bytes) -> Answer:
        method, address = head.decode("latin-1").split(" ", 2)[:2]
        self.asked.append((method, address))
        while self.hangs is not None and re.search(self.hangs, f"{method} {address}"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # the test sets it in another thread
        kind = self._kind(method, address)
        if kind == "unasked":
            self.done[kind] += 1
            return Answer("HTTP/1.1 200 OK", {"content-length": "0"}, b"", method)
        if self.unparsed and re.search(self.unparsed, address):
            text = b"" if method == "HEAD" else INVALID
            told = {"content-type": "application/xml", "content-length": str(len(text))}
            return Answer("HTTP/1.1 400 Bad Request", told, text, method)
        answer = await self._ask(head, body, method)
        for pattern, given in self.broken.items():
            if not pattern or (_is_of_object(address) and re.search(pattern, address)):
                _damage(answer, given)
        if kind is not None and answer.status.split(" ")[1] in ("200", "204", "206"):
            self.done[kind] += 1
            getattr(self, f"_{kind}")(answer)
        for to, pattern, change in self.changed:
            if to == method and re.search(pattern, address):
                change(answer)
        return answer

    def _kind(self, method: str, address: str) -> str | None:
        for lie in self.lies:
            if lie[1] == method and re.search(lie[2], address):
                self.lies.remove(lie)
                return lie[0]
        return self._chance.choice(KINDS) if self._chance.random() < self.rate else None

    async def _ask(self, head: bytes, body: bytes, method: str) -> Answer:
        host, _, port = self.to.rpartition(":")
        try:
            reader, writer = await asyncio.open_connection(host, int(port), limit=HEAD_LIMIT)
        except OSError:
            raise Broken from None
        try:
            writer.write(head + body)
            await writer.drain()
            return await asyncio.wait_for(_answer(reader, method), 60)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            raise Broken from None
        finally:
            writer.close()

    # -- what it may do to an answer

    def _empty(self, answer: Answer) -> None:
        answer.status, answer.fields, answer.body = "HTTP/1.1 200 OK", {"content-length": "0"}, b""

    def _page(self, answer: Answer) -> None:
        answer.status = "HTTP/1.1 200 OK"
        answer.fields = {"content-type": "text/html", "content-length": str(len(PAGE))}
        answer.body = b"" if answer.to == "HEAD" else PAGE

    def _short(self, answer: Answer) -> None:
        """Less than there is, and its length as if that were all."""
        answer.body = answer.body[: self._chance.randrange(max(1, len(answer.body)))]
        if answer.to != "HEAD":
            answer.fields["content-length"] = str(len(answer.body))

    def _wrong_length(self, answer: Answer) -> None:
        """Another length than that of what follows."""
        length = int(answer.fields.get("content-length", 0)) + self._chance.choice((-1, 1)) * self._chance.randint(
            1, 9999
        )
        answer.fields["content-length"], answer.ends = str(max(0, length)), True

    def _cut(self, answer: Answer) -> None:
        """The connection is lost in the middle of the body."""
        answer.body, answer.ends = answer.body[: len(answer.body) // 2], True

    def _unnamed(self, answer: Answer) -> None:
        answer.fields.pop("x-amz-version-id", None)

    def _wrong_etag(self, answer: Answer) -> None:
        if "etag" in answer.fields:
            answer.fields["etag"] = f'"{self._chance.randbytes(16).hex()}"'

    def _other_bytes(self, answer: Answer) -> None:
        """One bit of an object is not as it was; lists stay as they are, for nothing could tell."""
        if answer.of_object and answer.body:
            place = self._chance.randrange(len(answer.body))
            flipped = answer.body[place] ^ (1 << self._chance.randrange(8))
            answer.body = answer.body[:place] + bytes([flipped]) + answer.body[place + 1 :]


def _is_of_object(address: str) -> bool:
    return address.partition("?")[0].count("/") > 1


def _damage(answer: Answer, given: int | None) -> None:
    """The answer about a damaged object. `given`: how many of its bytes are."""
    if given is None:
        answer.status, answer.fields, answer.body = "HTTP/1.1 500 Internal Server Error", {"content-length": "0"}, b""
    elif answer.to == "GET" and answer.of_object:
        told = re.match(r"bytes (\d+)-", answer.fields.get("content-range", ""))
        begins = int(told[1]) if told else 0
        if begins + len(answer.body) > given:
            answer.body, answer.ends = answer.body[: max(0, given - begins)], True


def _split(head: bytes) -> tuple[str, Fields]:
    first, *lines = head.decode("latin-1").split("\r\n")
    return first, {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines if line)}


async def _request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = _split(head)[1]
    if fields.get("transfer-encoding") == "chunked":
        return head, await _chunks(reader)
    return head, await reader.readexactly(int(fields.get("content-length", 0)))


async def _answer(reader: asyncio.StreamReader, method: str) -> Answer:
    status, fields = _split(await reader.readuntil(b"\r\n\r\n"))
    if method == "HEAD" or status.split(" ")[1] in ("204", "304"):
        return Answer(status, fields, b"", method)
    if fields.pop("transfer-encoding", "") == "chunked":
        body = _unchunked(await _chunks(reader))
        return Answer(status, fields | {"content-length": str(len(body))}, body, method)
    return Answer(status, fields, await reader.readexactly(int(fields.get("content-length", 0))), method)


def _unchunked(chunked: bytes) -> bytes:
    body = b""
    while True:
        line, _, chunked = chunked.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            return body
        body, chunked = body + chunked[:size], chunked[size + 2 :]


@contextmanager
def nonsense(to: str, seed: int = 7) -> Iterator[Nonsense]:
    """A proxy for the length of a block."""
    proxy = Nonsense(to, seed)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
