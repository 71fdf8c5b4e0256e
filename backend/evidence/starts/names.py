"""Reads the times in the name of a recorder's file. Pure.

Known forms: `serial_officer_20261129110000_0001` (GA/T 947), `20261129_110000`, `2026-11-29_11-00-00`,
`2026年11月29日11时00分00秒`; milliseconds behind; several times in one name; a device's id of 20 digits before it.
"""

import re
from datetime import datetime
from typing import NamedTuple

STAMPS_AT_MOST = 8
DEVICE_ID = 20  # digits of a device's id (GB/T 28181)
BETWEEN = r"[-_. :年月日时分T]{1,2}"
IN_ONE_RUN = re.compile(r"(?<!\d)\d+(?!\d)")
IN_TWO_RUNS = re.compile(r"(?<!\d)(\d{8})[-_. T](\d{6})(?:[._-]?(\d{3}))?(?!\d)")
IN_SIX_RUNS = re.compile(
    rf"(?<!\d)(\d{{4}}){BETWEEN}(\d{{2}}){BETWEEN}(\d{{2}}){BETWEEN}(\d{{2}}){BETWEEN}(\d{{2}}){BETWEEN}(\d{{2}})"
    r"(?:[._-](\d{3}))?(?!\d)"
)
WRITTEN_IN_UTC = re.compile(r"^PXL_")  # phones that write UTC into their names


class Stamp(NamedTuple):
    """A time in a file's name, without a zone, and its characters."""

    at: datetime
    text: str


def stamps(name: str) -> list[Stamp]:
    """Every time in a name, in its order, each once; at most STAMPS_AT_MOST."""
    found = [*_in_one_run(name), *_in_parts(IN_TWO_RUNS, name), *_in_parts(IN_SIX_RUNS, name)]
    found.sort(key=lambda each: each[0])
    unique = {stamp.at: stamp for _, stamp in reversed(found)}
    kept = sorted(unique.values(), key=lambda stamp: name.index(stamp.text))
    return kept[:STAMPS_AT_MOST]


def is_in_utc(name: str) -> bool:
    """Whether the name is of a kind whose times are known to be in UTC."""
    return WRITTEN_IN_UTC.match(name) is not None


def _in_one_run(name: str) -> list[tuple[int, Stamp]]:
    """Times of 14 digits, or 17 with milliseconds, that stand alone or right behind a device's id."""
    found = []
    for run in IN_ONE_RUN.finditer(name):
        text, begins = run.group(), run.start()
        if len(text) in (DEVICE_ID + 14, DEVICE_ID + 17):
            text, begins = text[DEVICE_ID:], begins + DEVICE_ID
        if len(text) in (14, 17) and (at := _moment(text)) is not None:
            found.append((begins, Stamp(at, text)))
    return found


def _in_parts(form: re.Pattern[str], name: str) -> list[tuple[int, Stamp]]:
    """Times of this form, whose parts are groups of digits."""
    found = []
    for match in form.finditer(name):
        at = _moment("".join(part or "" for part in match.groups()))
        if at is not None:
            found.append((match.start(), Stamp(at, match.group())))
    return found


def _moment(digits: str) -> datetime | None:
    """The time of 14 digits, or 17 with milliseconds; None where there is no such day or hour."""
    try:
        at = datetime.strptime(digits[:14], "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return at.replace(microsecond=int(digits[14:] or 0) * 1000)
