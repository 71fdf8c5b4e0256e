"""A proxy in front of a server, which reads every answer to its end before it passes it on, and changes it as told.

Guarantees: loopback only; requests keep their own `Host`, so that signatures hold.
"""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"
OF_A_CONNECTION = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Passed:
    """An answer that is passed on; a rule may change it."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Front:
    """`to`: host:port. `refused`: what a request line must match to be answered 403, as a right that is missing."""

    to: str
    refused: str | None = None
    change: Callable[[str, Passed], None] = lambda _line, _answer: None
    port: int = 0
    asked: list[str] = field(default_factory=list)  # request lines

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, line: str, headers: dict[str, str], body: bytes) -> Passed:
        self.asked.append(line)
        if self.refused is not None and re.search(self.refused, line):
            return Passed(403, {"content-type": "application/xml"}, DENIED)
        method, _, path = line.partition(" ")
        connection = http.client.HTTPConnection(self.to, timeout=20)
        try:
            connection.request(method, path, body or None, headers)
            told = connection.getresponse()
            found = {name: text for name, text in told.getheaders() if name.lower() not in OF_A_CONNECTION}
            passed = Passed(told.status, found, told.read())
        finally:
            connection.close()
        self.change(line, passed)
        return passed


@contextmanager
def fronted(to: str, **more: Any) -> Iterator[Front]:
    """Run one for the length of a block."""
    front = Front(to, **more)

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            told = front.answer(f"{self.command} {self.path}", dict(self.headers), body)
            self.send_response_only(told.status)
            for name, text in (told.headers | {"Content-Length": str(len(told.body))}).items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(told.body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = do_any

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    server.daemon_threads = True
    front.port = server.server_address[1]
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        serving.join(5)
