"""Send check-ins as fast as they are answered, one at a time on each connection. A process of its own.

The order comes on standard input; one JSON line goes out: {"answers": in all, "created": with status 201, "counted":
of these, within the measured seconds, "seconds": measured, "refused": the first answer that was not 201}.
It writes plain HTTP/1.1 to its own sockets, so that the load itself takes little CPU.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from backend.people.proofs import decoded
from mobile_api.client.device_key import DeviceKey, digest, encoded

WARM = 1.0  # seconds before the measured ones
PATH = "/v1/shifts/check-in"
REQUEST = (
    f"POST {PATH} HTTP/1.1\r\nHost: {{host}}\r\nAuthorization: DPoP {{token}}\r\n"
    "Content-Type: application/json\r\nDPoP: "
)
BODY = (
    '{{"sent_at":"%s","occurred_at":"%s","id":"%s","device_seq":%d,"duty_type":"patrol","dress":"uniform",'
    '"id_card_carried":true,"equipment":["执法记录仪","对讲机"],"ordered_by":"{officer}",'
    '"place":{{"lat":30.2592,"lon":120.164,"accuracy_m":6.0,"datum":"WGS84"}}}}'
)


def body_for(officer: str) -> str:
    """The body of a check-in; `filled` adds times, id and number."""
    return BODY.format(officer=officer)


def filled(body: str, number: int) -> bytes:
    """The body of one check-in, with the times of now, a new id and this device_seq."""
    now = datetime.now(UTC).isoformat()
    return (body % (now, now, uuid4(), number)).encode()


class Signer:
    """A device's key and token. Proofs are like those of `DeviceKey.proof`; the constant parts are made once."""

    def __init__(self, pem: str, token: str, nonce: str, host: str) -> None:
        key = DeviceKey(load_pem_private_key(pem.encode(), None))
        self._private, self.head = key.private, REQUEST.format(host=host, token=token).encode()
        header, payload, _ = key.proof("POST", f"http://{host}{PATH}", nonce=nonce, token=token).split(".")
        self._header = f"{header}.".encode()
        self._claims = json.loads(decoded(payload))

    def proof(self, body: bytes) -> bytes:
        """A proof for one body. The order's nonce is valid for the whole run."""
        claims = self._claims | {"jti": uuid4().hex, "body_sha256": digest(body), "iat": int(time.time())}
        signed = self._header + encoded(json.dumps(claims).encode()).encode()
        r, s = decode_dss_signature(self._private.sign(signed, ECDSA(SHA256())))
        return signed + b"." + encoded(r.to_bytes(32) + s.to_bytes(32)).encode()


class Tally:
    """Counts of the answers on all connections."""

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
    """One person's connection: sends the next check-in when the last one is answered."""

    def __init__(self, phone: Signer, body: str, tally: Tally) -> None:
        self._phone, self._body, self._tally = phone, body, tally
        self._received, self._number = b"", time.time_ns() // 1_000_000  # above every number of an earlier run
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server closed the connection"))

    def data_received(self, received: bytes) -> None:
        self._received += received
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or not self._is_whole(end):
            return
        self._tally.note(self._received)
        self._received = b""
        self._next()

    def _is_whole(self, end: int) -> bool:
        head = self._received[:end].lower()
        at = head.find(b"content-length:")
        if at < 0:  # chunked
            return self._received.endswith(b"0\r\n\r\n")
        return len(self._received) >= end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])

    def _next(self) -> None:
        if not self._tally.sending:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._number += 1
        body = filled(self._body, self._number)
        head = b"%b%b\r\nContent-Length: %d\r\n\r\n" % (self._phone.head, self._phone.proof(body), len(body))
        self._transport.write(head + body)


async def run(order: dict[str, Any]) -> dict[str, Any]:
    """Warm up, count for `order["seconds"]`, then wait for the last answer of every connection."""
    loop, tally, body = asyncio.get_running_loop(), Tally(), body_for(order["officer"])
    host = f"{order['host']}:{order['port']}"
    phones = [Signer(person["key"], person["token"], order["nonce"], host) for person in order["people"]]
    connections = [
        (await loop.create_connection(lambda one=phone: Connection(one, body, tally), order["host"], order["port"]))[1]
        for phone in phones
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
