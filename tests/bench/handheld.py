"""One handheld of the fleet: signed calls over its own connections, and the result of each call.

It works like `mobile_api.client`, but without a thread for each phone: every attempt carries its own proof with the
server's last nonce, and an entry without an answer is sent again with the same id.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mobile_api.client.device_key import DeviceKey

ATTEMPTS = 4
PAUSE = 1.0  # seconds before the second attempt; doubled each time
TIMEOUT = 30.0  # seconds that a phone waits for one answer
IDLE = 9.0  # seconds after which the server may close an idle connection
RECORDED = (201, 200)  # 200: the answer to an earlier attempt was lost


@dataclass
class Measured:
    """Measurements of all handhelds. Seconds of `time.monotonic`, the same clock in every process of the machine."""

    calls: list[tuple[str, float, float]] = field(default_factory=list)  # kind, due at, seconds from due to answer
    late: list[float] = field(default_factory=list)  # seconds by which the load itself woke late
    sealed: list[float] = field(default_factory=list)  # seconds from declaration to receipt
    recorded: list[str] = field(default_factory=list)  # ids of the answered entries
    errors: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)  # the first answer of each kind of error
    counts: Counter[str] = field(default_factory=Counter)  # of new nonces, connections and stale connections

    def wrong(self, what: str, words: str) -> None:
        self.errors[what] += 1
        self.words.setdefault(what, words[:500])

    async def until(self, due: float) -> None:
        """Sleep until `due`, and note how late the load woke."""
        called_at = time.monotonic()
        if due > called_at:
            await asyncio.sleep(due - called_at)
            self.late.append(time.monotonic() - due)


@dataclass(frozen=True)
class Answer:
    """One whole HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Stale(Exception):
    """The server had closed this idle connection before it answered: send the request over a new one."""


class HttpConnection:
    """An HTTP connection to one address; opened on first use, and again after the other side closed it."""

    def __init__(self, url: str, measured: Measured) -> None:
        parts = urlsplit(url)
        self._address, self._measured = (parts.hostname, parts.port), measured
        self._reader: Any = None
        self._writer: Any = None
        self._used_at = 0.0

    async def ask(self, head: Sequence[str], body: bytes) -> Answer:
        """Send one request and read its answer. Raises Stale, or OSError where no answer came; both close it."""
        idle = False
        try:
            async with asyncio.timeout(TIMEOUT):
                idle = await self._open() and time.monotonic() > self._used_at + IDLE
                host = f"Host: {self._address[0]}:{self._address[1]}"
                lines = [head[0], host, f"Content-Length: {len(body)}", *head[1:], "", ""]
                self._writer.write("\r\n".join(lines).encode() + body)
                return await self._answer()
        except (OSError, EOFError) as error:  # TimeoutError is an OSError
            self.close()
            if idle and not isinstance(error, TimeoutError) and not getattr(error, "partial", b""):
                raise Stale from error
            raise OSError(type(error).__name__) from error

    async def _open(self) -> bool:
        """Open the connection if needed. Whether it was used before."""
        if self._writer is not None and not (self._reader.at_eof() or self._writer.is_closing()):
            return True
        self.close()
        self._measured.counts["connections"] += 1
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        return False

    async def _answer(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): text.strip() for name, _, text in pairs}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        self._used_at = time.monotonic()
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(head[0].split()[1]), headers, body)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


class Handheld:
    """One person's device. The time of a call counts from when it was due, even if it was sent later."""

    def __init__(self, url: str, person: dict[str, str], measured: Measured) -> None:
        self.id, self._token, self._url, self._measured = person["id"], person["token"], url, measured
        self._key = DeviceKey(load_pem_private_key(person["key"].encode(), None))
        self._nonce, self._cursor, self._numbers = "", "", itertools.count(1)
        self._idle: list[HttpConnection] = []

    async def entry(self, verb: str, due: float, **fields: Any) -> str | None:
        """Send an entry that happened when it was due. Its id if it was recorded, otherwise None."""
        at = datetime.now(UTC).timestamp() + min(0.0, due - time.monotonic())
        entry = {
            "id": str(uuid4()), "occurred_at": datetime.fromtimestamp(at, UTC).isoformat(),
            "device_seq": next(self._numbers), **fields,
        }  # fmt: skip
        if await self.call(verb, "POST", f"/v1/{verb}", due, entry, expected=RECORDED) is None:
            return None
        self._measured.recorded.append(entry["id"])
        return str(entry["id"])

    async def get(self, what: str, path: str, due: float) -> Any:
        return await self.call(what, "GET", path, due)

    async def news(self, due: float) -> None:
        """Fetch the changes since the last time; the first time the whole bundle."""
        what, path = ("changes", f"/v1/changes?after={self._cursor}") if self._cursor else ("bundle", "/v1/changes")
        answer = await self.get(what, path, due)
        self._cursor = self._cursor if answer is None else answer["cursor"]

    async def call(
        self, what: str, method: str, path: str, due: float, payload: Any = None, expected: Sequence[int] = (200,)
    ) -> Any:
        """The answer's JSON, or None where no expected answer came. Calls and errors are measured."""
        for attempt in range(ATTEMPTS):
            answer = await self._attempt(what, method, path, payload)
            if answer is not None and answer.status in expected:
                self._measured.calls.append((what, due, time.monotonic() - due))
                return msgspec.json.decode(answer.body)
            if answer is not None:
                self._measured.wrong(f"{what} {answer.status}", answer.body.decode(errors="replace"))
                if answer.status < 500:
                    return None
            await asyncio.sleep(PAUSE * 2**attempt)
        return None

    async def _attempt(self, what: str, method: str, path: str, payload: Any) -> Answer | None:
        """One answer, or None after a network error; retries at once with a new nonce if the server asks for one.

        A stale idle connection is no error: the request goes over another one, as in HTTP libraries.
        """
        while True:
            body = b"" if payload is None else msgspec.json.encode({"sent_at": datetime.now(UTC), **payload})
            wire = self._idle.pop() if self._idle else HttpConnection(self._url, self._measured)
            try:
                answer = await wire.ask(self._head(method, path, body), body)
            except Stale:
                self._measured.counts["stale"] += 1
                continue
            except OSError as error:
                self._measured.wrong(f"{what} {error}", str(error))
                return None
            self._idle.append(wire)
            self._nonce = answer.headers.get("dpop-nonce", self._nonce)
            if answer.status != 401 or b"use_dpop_nonce" not in answer.body:
                return answer
            self._measured.counts["nonces"] += 1

    def _head(self, method: str, path: str, body: bytes) -> list[str]:
        proof = self._key.proof(method, self._url + path, nonce=self._nonce, token=self._token, body=body)
        kind = ["Content-Type: application/json"] if body else []
        return [f"{method} {path} HTTP/1.1", f"Authorization: DPoP {self._token}", f"DPoP: {proof}", *kind]

    def close(self) -> None:
        for wire in self._idle:
            with suppress(OSError):
                wire.close()
