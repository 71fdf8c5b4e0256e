"""A handheld as the fleet has a thousand of: signed calls over connections of its own, and what became of each.

It does what `mobile_api.client` does, without a thread for each phone: every attempt carries a proof of its own with
the server's last nonce, and an entry that was not answered is sent again with the same id.
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
PAUSE = 1.0  # seconds before an attempt is made again
TIMEOUT = 30.0  # seconds for one answer, as a phone would wait
IDLE = 9.0  # seconds after which a server may end a connection, just when it is used again
RECORDED = (201, 200)  # 200: an earlier attempt's answer was lost, and this is it


@dataclass
class Measured:
    """What all handhelds saw. Seconds by `time.monotonic`, which every process of the machine shares."""

    calls: list[tuple[str, float, float]] = field(default_factory=list)  # what, when it was due, until its answer
    late: list[float] = field(default_factory=list)  # how late the load itself woke
    sealed: list[float] = field(default_factory=list)  # from the declaration to the receipt
    recorded: list[str] = field(default_factory=list)  # ids of entries that were answered
    errors: Counter[str] = field(default_factory=Counter)
    words: dict[str, str] = field(default_factory=dict)  # the first answer of each kind of error
    counts: Counter[str] = field(default_factory=Counter)  # nonces, connections, stale ones

    def wrong(self, what: str, words: str) -> None:
        self.errors[what] += 1
        self.words.setdefault(what, words[:500])

    async def until(self, due: float) -> None:
        """Sleep until then, and note how late that was."""
        asked = time.monotonic()
        if due > asked:
            await asyncio.sleep(due - asked)
            self.late.append(time.monotonic() - due)


@dataclass(frozen=True)
class Answer:
    """One answer, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes


class Stale(Exception):
    """A connection that lay idle for long had ended before anything was answered: send it again, over another."""


class Wire:
    """A connection to one address: opened when it is needed, and anew where the other side ended it."""

    def __init__(self, url: str, seen: Measured) -> None:
        parts = urlsplit(url)
        self._address, self._seen = (parts.hostname, parts.port), seen
        self._reader: Any = None
        self._writer: Any = None
        self._used_at = 0.0

    async def ask(self, head: Sequence[str], body: bytes) -> Answer:
        """Raises Stale, and OSError where no answer came; the connection is closed then."""
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
        """Whether the connection was used before."""
        if self._writer is not None and not (self._reader.at_eof() or self._writer.is_closing()):
            return True
        self.close()
        self._seen.counts["connections"] += 1
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
    """One person's device. A call counts from the moment at which it was due, whatever kept it from being sent."""

    def __init__(self, url: str, person: dict[str, str], seen: Measured) -> None:
        self.id, self._token, self._url, self._seen = person["id"], person["token"], url, seen
        self._key = DeviceKey(load_pem_private_key(person["key"].encode(), None))
        self._nonce, self._cursor, self._numbers = "", "", itertools.count(1)
        self._idle: list[Wire] = []

    async def entry(self, verb: str, due: float, **told: Any) -> str | None:
        """Tell what happened when it was due. The entry's id, once it is recorded."""
        at = datetime.now(UTC).timestamp() + min(0.0, due - time.monotonic())
        entry = {
            "id": str(uuid4()), "occurred_at": datetime.fromtimestamp(at, UTC).isoformat(),
            "device_seq": next(self._numbers), **told,
        }  # fmt: skip
        if await self.call(verb, "POST", f"/v1/{verb}", due, entry, expected=RECORDED) is None:
            return None
        self._seen.recorded.append(entry["id"])
        return str(entry["id"])

    async def get(self, what: str, path: str, due: float) -> Any:
        return await self.call(what, "GET", path, due)

    async def news(self, due: float) -> None:
        """What is new since the last time; the first time the bundle with which a shift begins."""
        what, path = ("changes", f"/v1/changes?after={self._cursor}") if self._cursor else ("bundle", "/v1/changes")
        told = await self.get(what, path, due)
        self._cursor = self._cursor if told is None else told["cursor"]

    async def call(
        self, what: str, method: str, path: str, due: float, told: Any = None, expected: Sequence[int] = (200,)
    ) -> Any:
        """The answer's JSON, or None where there was none as it should be. Everything is noted."""
        for attempt in range(ATTEMPTS):
            answer = await self._attempt(what, method, path, told)
            if answer is not None and answer.status in expected:
                self._seen.calls.append((what, due, time.monotonic() - due))
                return msgspec.json.decode(answer.body)
            if answer is not None:
                self._seen.wrong(f"{what} {answer.status}", answer.body.decode(errors="replace"))
                if answer.status < 500:
                    return None
            await asyncio.sleep(PAUSE * 2**attempt)
        return None

    async def _attempt(self, what: str, method: str, path: str, told: Any) -> Answer | None:
        """One answer, or nothing where the network gave none; a nonce that is too old is no answer yet.

        A connection that the server ended after it lay idle is no failure: HTTP libraries open another, too.
        """
        while True:
            body = b"" if told is None else msgspec.json.encode({"sent_at": datetime.now(UTC), **told})
            wire = self._idle.pop() if self._idle else Wire(self._url, self._seen)
            try:
                answer = await wire.ask(self._head(method, path, body), body)
            except Stale:
                self._seen.counts["stale"] += 1
                continue
            except OSError as error:
                self._seen.wrong(f"{what} {error}", str(error))
                return None
            self._idle.append(wire)
            self._nonce = answer.headers.get("dpop-nonce", self._nonce)
            if answer.status != 401 or b"use_dpop_nonce" not in answer.body:
                return answer
            self._seen.counts["nonces"] += 1

    def _head(self, method: str, path: str, body: bytes) -> list[str]:
        proof = self._key.proof(method, self._url + path, nonce=self._nonce, token=self._token, body=body)
        kind = ["Content-Type: application/json"] if body else []
        return [f"{method} {path} HTTP/1.1", f"Authorization: DPoP {self._token}", f"DPoP: {proof}", *kind]

    def close(self) -> None:
        for wire in self._idle:
            with suppress(OSError):
                wire.close()
