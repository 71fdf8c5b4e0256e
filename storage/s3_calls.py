"""One signed call of a store and its answer as it came, for whoever must hear the store's own words (`fujing doctor`).

Guarantees: nothing is tried again; each call ends within its time limit (2 s to connect, 5 s for each piece of an
answer); what is no answer at all is NoAnswer. Evidence is kept by evidence_store.py alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from xml.etree.ElementTree import Element, ParseError, fromstring  # nosec B405

import urllib3

from storage.presigning import Signer

TIMEOUT = urllib3.Timeout(connect=2.0, read=5.0)
VALID_FOR = timedelta(seconds=60)
LONGEST_ANSWER = 1024 * 1024  # bytes


class NoAnswer(Exception):
    """Nothing came, or nothing that is HTTP. `str` gives the library's words."""


@dataclass(frozen=True)
class StoreAnswer:
    """What the store said: names of `headers` in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_well(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The S3 code of an error, such as AccessDenied; empty where the answer names none."""
        return "" if self.is_well else self.text("Code")

    @property
    def date(self) -> datetime | None:
        """The store's own clock, to the second; None where it tells none."""
        try:
            return parsedate_to_datetime(self.headers.get("date", ""))
        except ValueError:
            return None

    @property
    def xml(self) -> Element | None:
        """The body; None where it is no XML."""
        try:
            return fromstring(self.body.decode())  # noqa: S314  # nosec B314
        except (ParseError, ValueError):
            return None

    def elements(self, name: str) -> list[Element]:
        """Every element of this name, in whatever namespace."""
        root = self.xml
        return [] if root is None else named(root, name)

    def text(self, name: str) -> str:
        """The text of the first element of this name; empty where there is none."""
        return next(((each.text or "").strip() for each in self.elements(name)), "")


def named(root: Element, name: str) -> list[Element]:
    """Every element of this name below `root`, itself included, in whatever namespace."""
    return [each for each in root.iter() if each.tag.rpartition("}")[2] == name]


@dataclass(frozen=True)
class StoreCalls:
    """Calls of one bucket at one address by its name, signed as URLs are for devices."""

    signer: Signer
    bucket: str
    http: urllib3.PoolManager

    def url(self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> str:
        """A signed URL, valid for a minute. Signs only, no I/O. `headers` are signed too."""
        path = f"/{self.bucket}/{key}" if key else f"/{self.bucket}"
        return self.signer.url(method, path, query, headers or {}, datetime.now(UTC), VALID_FOR)

    def call(
        self, method: str, key: str = "", query: Mapping[str, str] | None = None, body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> StoreAnswer:  # fmt: skip
        """Ask once. Raises NoAnswer."""
        return ask(self.http, method, self.url(method, key, query or {}), body, headers)


def ask(
    http: urllib3.PoolManager, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> StoreAnswer:
    """Call an address once. Raises NoAnswer."""
    try:
        answer = http.request(
            method, url, body=body or None, headers=dict(headers or {}), timeout=TIMEOUT, retries=False,
            redirect=False, preload_content=False,
        )  # fmt: skip
        try:
            content = answer.read(LONGEST_ANSWER)
        finally:
            answer.close()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise NoAnswer(str(error)) from error
    return StoreAnswer(answer.status, {name.lower(): text for name, text in answer.headers.items()}, content)
