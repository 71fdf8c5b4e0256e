"""The Range header of RFC 9110, for one range of bytes; and the media type of a file's answer. Pure."""

import re
from typing import Any

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


BYTES = "application/octet-stream"


class Unsatisfiable(Exception):
    """The range holds no byte of the file."""


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
