"""Browsers in which a person signed in before: guesses made elsewhere do not close a desk there.

Guarantees: the cookie names nobody. It holds a random number and, for each person who signed in with it, a mark: a time
and an HMAC of the number, the time and the badge. Only this server makes marks, and only after a right password and, of
whoever has one, a right code. A mark counts for `browser_familiar`. A copied cookie gives its thief five guesses of
their own, and nothing else. See docs/adr/0036.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from backend.core.keys import Keys
from backend.law.catalogue import law

NUMBER = re.compile(r"[0-9a-f]{32}")
MARK = re.compile(r"([A-Za-z0-9-]{1,80})~([0-9]{1,12})~([0-9a-f]{64})")
MARKS = 20  # persons whom one browser remembers; the newest


def familiar(keys: Keys, cookie: str | None, badge: str, now: datetime) -> str | None:
    """The browser's number, if this person signed in with it not long ago; otherwise None."""
    number, marks = _read(cookie)
    life = law().span("browser_familiar").total_seconds()
    for mark in marks:
        match = MARK.fullmatch(mark)
        key = keys.refresh.get(match[1]) if match else None
        if match is None or key is None or not 0 <= now.timestamp() - int(match[2]) <= life:
            continue
        if hmac.compare_digest(match[3], _mac(key, number, match[2], badge)):
            return number
    return None


def remembered(keys: Keys, cookie: str | None, badge: str, now: datetime) -> str:
    """The cookie with a new mark for this person, who just signed in."""
    number, marks = _read(cookie)
    kid, key = keys.refresh.newest()
    at = str(int(now.timestamp()))
    return ".".join([number, f"{kid}~{at}~{_mac(key, number, at, badge)}", *marks[: MARKS - 1]])


def _read(cookie: str | None) -> tuple[str, list[str]]:
    """The number and the marks; a new number where the cookie is not one of ours."""
    number, *marks = (cookie or "").split(".")[: MARKS + 1]
    if not NUMBER.fullmatch(number) or not all(MARK.fullmatch(mark) for mark in marks):
        return secrets.token_hex(16), []
    return number, marks


def _mac(key: bytes, number: str, at: str, badge: str) -> str:
    return hmac.digest(key, f"browser {number} {at} {badge}".encode(), hashlib.sha256).hex()
