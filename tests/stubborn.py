"""A store that does not do all it is told: a proxy before a real one, which refuses what a test names.

What it refuses, it answers itself, as a store would; everything else passes as it is. Loopback only.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.nonsense import Answer, Nonsense

ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>told to</Message></Error>'
HELD = '<?xml version="1.0" encoding="UTF-8"?><LegalHold><Status>ON</Status></LegalHold>'
VERSION_REMOVED = ("DELETE", r"versionId=", 403, "AccessDenied")  # keys without s3:DeleteObjectVersion
FULL = ("PUT|POST", r"", 507, "XMinioStorageFull")  # MinIO without room
READ_ONLY = ("PUT|POST", r"", 403, "AccessDenied")  # keys that only read
FAILING = ("PUT|POST", r"", 500, "InternalError")  # SeaweedFS without room
Rule = tuple[str, str, int, str]


@dataclass
class Stubborn(Nonsense):
    """`refuses`: (methods, pattern of the address, status, code). `forgets_holds`: says that it holds, and does not."""

    refuses: list[Rule] = field(default_factory=list)
    forgets_holds: bool = False

    async def _answered(self, head: bytes, body: bytes) -> Answer:
        method, address = head.decode("latin-1").split(" ", 2)[:2]
        for methods, pattern, status, code in self.refuses:
            if method in methods.split("|") and re.search(pattern, address):
                return _xml(f"HTTP/1.1 {status} Told", ERROR.format(code), method)
        if self.forgets_holds and "legal-hold" in address and not self._is_off(body):
            return _xml("HTTP/1.1 200 OK", HELD if method == "GET" else "", method)
        return await super()._answered(head, body)

    def _is_off(self, body: bytes) -> bool:
        """A hold that is lifted is lifted."""
        if b"OFF" in body:
            self.forgets_holds = False
        return b"OFF" in body


def _xml(status: str, text: str, method: str) -> Answer:
    body = b"" if method == "HEAD" else text.encode()
    return Answer(status, {"content-type": "application/xml", "content-length": str(len(body))}, body, method)


@contextmanager
def stubborn(to: str, *refuses: Rule) -> Iterator[Stubborn]:
    """A proxy before the store on `to` (host:port) for the length of a block."""
    proxy = Stubborn(to, refuses=list(refuses))
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
