"""Sends check-ins as fast as they are answered, one at a time on each connection. A process of its own.

An order comes on standard input, one JSON line goes out: {"answers": in all, "created": with status 201, "counted":
within the measured seconds, "seconds": how long these were, "refused": the first answer that was not 201}.
It speaks plain HTTP/1.1 on its own sockets, so that the machine's time goes to what is measured.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

WARM = 1.0  # seconds before the measured ones
REQUEST = (
    "POST /v1/shifts/check-in HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    "Content-Type: application/json\r\nContent-Length: "
)
BODY = (
    '{{"sent_at":"%s","occurred_at":"%s","id":"%s","device_seq":%d,"duty_type":"patrol","dress":"uniform",'
    '"id_card_carried":true,"equipment":["执法记录仪","对讲机"],"ordered_by":"{officer}",'
    '"place":{{"lat":30.2592,"lon":120.164,"accuracy_m":6.0,"datum":"WGS84"}}}}'
)


def body_for(officer: str) -> str:
    """A check-in but for what each has of its own."""
    return BODY.format(officer=officer)


def filled(body: str, number: int) -> bytes:
    """The body of one check-in that happens now."""
    now = datetime.now(UTC).isoformat()
    return (body % (now, now, uuid4(), number)).encode()


class Tally:
    """What all connections saw."""

    def __init__(self) -> None:
        self.answers = self.created = 0
        self.refused: str | None = None
        self.sending = True

    def note(self, answer: bytes) -> None:
        self.answers += 1
        if answer.startswith(b"HTTP/1.1 201"):
            self.created += 1
        elif self.refused is None:
            self.refused = answer.decode(errors="replace")


class Connection(asyncio.Protocol):
    """One person's phone: the next check-in goes out when the last was answered."""

    def __init__(self, head: bytes, body: str, tally: Tally) -> None:
        self._head, self._body, self._tally = head, body, tally
        self._came, self._number = b"", 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server closed the connection"))

    def data_received(self, came: bytes) -> None:
        self._came += came
        end = self._came.find(b"\r\n\r\n")
        if end < 0 or not self._is_whole(end):
            return
        self._tally.note(self._came)
        self._came = b""
        self._next()

    def _is_whole(self, end: int) -> bool:
        head = self._came[:end].lower()
        at = head.find(b"content-length:")
        if at < 0:  # in chunks, then
            return self._came.endswith(b"0\r\n\r\n")
        return len(self._came) >= end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])

    def _next(self) -> None:
        if not self._tally.sending:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._number += 1
        body = filled(self._body, self._number)
        self._transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))


async def run(order: dict[str, Any]) -> dict[str, Any]:
    """Warm up, count for so many seconds, then let every connection end with an answer."""
    loop, tally, body = asyncio.get_running_loop(), Tally(), body_for(order["officer"])
    host = f"{order['host']}:{order['port']}"
    heads = [REQUEST.format(host=host, token=token).encode() for token in order["tokens"]]
    connections = [
        (await loop.create_connection(lambda head=head: Connection(head, body, tally), order["host"], order["port"]))[1]
        for head in heads
    ]
    await asyncio.sleep(WARM)
    before, begun = tally.created, time.perf_counter()
    await asyncio.sleep(order["seconds"])
    counted, seconds = tally.created - before, time.perf_counter() - begun
    tally.sending = False
    await asyncio.wait_for(asyncio.gather(*(connection.ended for connection in connections)), 30)
    return {
        "answers": tally.answers, "created": tally.created, "counted": counted, "seconds": seconds,
        "refused": tally.refused,
    }  # fmt: skip


def main() -> None:
    print(json.dumps(asyncio.run(run(json.loads(sys.stdin.readline())))))


if __name__ == "__main__":
    main()
