"""Connections to the object store: how often a call is tried, how long all of it may take, and whether the store is
known to be away.

Guarantees: a try inside `ends_by` begins and waits only while there is time left; an answer in XML that is no store's
raises StoreNonsense before the SDK reads it.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree.ElementTree import ParseError, fromstring  # nosec B405

import certifi
import urllib3

from storage.calls import CALLS
from storage.store_errors import no_store

TRY_AGAIN = frozenset({500, 502, 503, 504})
_ANSWERS = {  # what an answer in XML is called; a page of a proxy is called otherwise
    "InitiateMultipartUploadResult", "ListPartsResult", "CompleteMultipartUploadResult", "ListMultipartUploadsResult",
    "ListBucketResult", "ListVersionsResult", "ListAllMyBucketsResult", "LocationConstraint", "Retention", "LegalHold",
    "VersioningConfiguration", "ObjectLockConfiguration", "CORSConfiguration", "LifecycleConfiguration", "Error",
    "ObjectLockRetention",  # versitygw's name for Retention
}  # fmt: skip
_THREAD = threading.local()


@contextmanager
def ends_by(moment: float) -> Iterator[None]:
    """Whatever this thread asks the store in the block ends by this moment of the monotonic clock."""
    before = getattr(_THREAD, "ends", math.inf)
    _THREAD.ends = min(before, moment)
    try:
        yield
    finally:
        _THREAD.ends = before


def _left() -> float:
    """The seconds that are left; infinite outside `ends_by`."""
    return float(getattr(_THREAD, "ends", math.inf)) - time.monotonic()


def _timeout() -> urllib3.Timeout:
    left = _left()
    if left <= 0:
        raise TimeoutError("out of time")
    return urllib3.Timeout(connect=min(CALLS.connect, left), read=min(CALLS.answer, left))


class StorePool(urllib3.PoolManager):
    """Connections to a store. Every call is safe to repeat, POST too: an upload that was opened twice is swept."""

    def __init__(self, connections: int) -> None:
        super().__init__(
            maxsize=connections,
            cert_reqs="CERT_REQUIRED",
            ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        )

    def urlopen(self, method: str, url: str, redirect: bool = True, **more: Any) -> Any:  # type: ignore[override]
        response = self._tried(method, url, redirect, more)
        if response.status == 200 and method in ("GET", "POST") and more.get("preload_content", True):
            _check_xml(response.data)
        return response

    def _tried(self, method: str, url: str, redirect: bool, more: dict[str, Any]) -> Any:
        """The first answer that is no failure of the moment, or the last one. With `retries` of False there is one."""
        pauses = () if more.pop("retries", None) is False else CALLS.pauses
        for pause in (*pauses, None):
            is_last = pause is None or pause >= _left()
            try:
                response = super().urlopen(method, url, redirect, **more, timeout=_timeout(), retries=False)
            except urllib3.exceptions.HTTPError:
                if is_last:
                    raise
            else:
                if is_last or response.status not in TRY_AGAIN:
                    return response
                response.drain_conn()
            time.sleep(pause or 0)
        raise AssertionError("the last try returns or raises")


def _check_xml(content: bytes) -> None:
    """Raises StoreNonsense where this is no answer of a store."""
    try:
        root = fromstring(content.decode()).tag.rpartition("}")[2]  # noqa: S314  # nosec B314
    except (ParseError, UnicodeDecodeError):
        raise no_store(content[:40].decode(errors="replace")) from None
    if root not in _ANSWERS:
        raise no_store(root)


class Absence:
    """Whether the store is known to be away: so found after a call without an answer, until one small question has one.

    `look` asks it, and raises where there is no answer.
    """

    def __init__(self, look: Callable[[], object]) -> None:
        self.known = False
        self._look = look
        self._looking, self._lock, self._ended = False, threading.Lock(), threading.Event()

    def suspect(self) -> None:
        """A call had no answer: look, and go on until there is one."""
        with self._lock:
            if self._looking or self._ended.is_set():
                return
            self._looking = True
        threading.Thread(target=self._look_until_there, name="store-look", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _look_until_there(self) -> None:
        while not self._ended.is_set() and not self._is_there():
            self.known = True
            self._ended.wait(CALLS.look_again)
        with self._lock:
            self.known = self._looking = False

    def _is_there(self) -> bool:
        try:
            with ends_by(time.monotonic() + CALLS.look):
                self._look()
        except Exception:  # whatever the error: it gave no answer
            return False
        return True
