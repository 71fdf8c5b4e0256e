"""The Range header of RFC 9110, for one range of bytes; and the headers of a file's answer. Pure."""

import re
from typing import Any, NamedTuple

from backend.core.refusals import Refusal

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


BYTES = "application/octet-stream"


class Unsatisfiable(Exception):
    """The range holds no byte of the file."""


class Asked(NamedTuple):
    """What of a file of `size` bytes is asked for: `span`, both ends included; `partial`: by a range."""

    span: tuple[int, int]
    partial: bool
    size: int
    etag: str

    @property
    def status(self) -> int:
        return 206 if self.partial else 200

    def headers(self, media_type: str) -> dict[str, str]:
        """The headers of the answer: shown in place, kept nowhere, and nothing in it runs.

        The media type is one of them, because of a stream the framework takes the route's own before the answer's.
        """
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Length": str(self.span[1] - self.span[0] + 1),
            "Content-Type": media_type,
            "ETag": self.etag,
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Content-Disposition": "inline",
        }
        first, last = self.span
        return headers | ({"Content-Range": f"bytes {first}-{last}/{self.size}"} if self.partial else {})


def asked_for(request: Any, size: int, etag: str) -> Asked:
    """What a request asks for of a file with this entity tag. Raises Refusal `range_not_satisfiable`."""
    header = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    try:
        part = span_of(header, size)
    except Unsatisfiable:
        raise Refusal("range_not_satisfiable", extra={"bytes": size}) from None
    return Asked(part or (0, size - 1), part is not None, size, etag)


def wants_plain_bytes(request: Any) -> bool:
    """Whether the client asks for bytes of no particular kind, as generated clients may."""
    return bool(request.headers.get("accept", "").strip().lower() == BYTES)


def span_of(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and last byte of the range. None means the whole file: no range, several ranges, or an unreadable one.

    Raises Unsatisfiable.
    """
    match = RANGE.fullmatch((header or "").strip().lower().replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(0, size - int(last)), size - 1
        if int(last) == 0:
            raise Unsatisfiable
    else:
        begin, end = int(first), size - 1 if not last else min(int(last), size - 1)
        if last and int(last) < begin:
            return None
    if begin >= size:
        raise Unsatisfiable
    return begin, end
