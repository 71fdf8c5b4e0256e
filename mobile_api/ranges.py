"""The Range header of RFC 9110, one range of bytes. Pure."""

import re

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class Unsatisfiable(Exception):
    """No byte of the thing lies in the range."""


def span_of(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and last byte asked for; None for the whole: no range, several, or none that can be read.

    Raises Unsatisfiable.
    """
    told = RANGE.fullmatch((header or "").strip().lower().replace(" ", ""))
    if told is None or told.groups() == ("", ""):
        return None
    first, last = told.groups()
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
