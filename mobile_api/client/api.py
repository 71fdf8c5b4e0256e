"""A client for the public API, as a handheld or a docking station would use it; demo, tests and figures do.

Guarantees: an entry is retried with the same id until it is answered, so it is recorded once; an upload goes on from
what the store has, whoever began it; `receipt` returns only what was verified with the server's published keys; every
attempt carries a proof of its own by the device's key, with the server's last nonce; what a cut connection or
another server on the way says is no answer.
"""

import gzip
import hashlib
import os
import random
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import msgspec
import urllib3

from mobile_api.client.device_key import DeviceKey
from storage.private_files import write_private

ALGORITHM = "EdDSA"
RECEIPT_TYPE = "fujing-receipt+jwt"
ATTEMPTS = 8
LONGEST_PAUSE = 20.0
ROUNDS = 2  # parts of each lane before the lanes are weighed again
BLOCK = 4 * 1024 * 1024
RETRIED = {408, 502, 503, 504}
UNWORDED = RETRIED | {204, 413}  # a gateway may say these for the server, in words of its own
PROVED_ANEW = {"use_dpop_nonce", "proof_replayed"}  # the network may have brought the same request twice
Sent = Callable[[int], None]


class Problem(Exception):
    """The server said no, and why. `code` is stable; `told` is the whole problem; `retry_after`: seconds, if asked."""

    def __init__(self, told: dict[str, Any], retry_after: float | None = None) -> None:
        super().__init__(f"{told.get('code')}: {told.get('detail')}")
        self.told, self.retry_after = told, retry_after
        self.code = str(told.get("code"))
        self.status = int(told.get("status", 0))


class Unreachable(Exception):
    """No answer after every attempt; what was to be sent is still on the device. `retry_after`: seconds, if asked."""

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class NotVerified(Exception):
    """A receipt that does not prove what it should. Keep the file."""


class Lanes:
    """How many parts to send at once: one more while that is faster, half as many when something breaks."""

    def __init__(self, most: int = 6) -> None:
        self.now, self._most, self._best = 2, most, 0.0

    def heard(self, sent: int, seconds: float, *, broke: bool) -> None:
        """Bytes that arrived in a round of so many seconds, and whether any part did not."""
        rate = sent / max(seconds, 1e-6)
        if broke:
            self.now, self._best = max(1, self.now // 2), rate
        elif rate > self._best * 1.05 and self.now < self._most:
            self.now, self._best = self.now + 1, rate
        elif rate < self._best * 0.7:
            self.now, self._best = max(1, self.now - 1), rate


class Client:
    """One person on one device, whose key it holds. Safe to use from several threads. `clock` is the device's own.

    `session`: a file of the owner's alone that keeps the tokens, so that a session outlives this process.
    """

    def __init__(
        self,
        url: str,
        *,
        key: DeviceKey | None = None,
        session: Path | None = None,
        numbers: Iterator[int] | None = None,
        language: str = "zh",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.url, self.key, self.clock = url.rstrip("/"), key or DeviceKey(), clock
        self._language = language
        self._http = urllib3.PoolManager(
            maxsize=16, retries=False, timeout=urllib3.Timeout(connect=5, read=60), block=False
        )
        self._access = self._refresh = self._nonce = ""
        self._session = session
        if session is not None and session.exists():
            self._access, self._refresh = session.read_text().split()
        self._renewing = threading.Lock()
        self._numbers = numbers or self.key.numbers

    @property
    def signed_in(self) -> bool:
        """Whether it holds a session's tokens; the server may have ended it since."""
        return bool(self._refresh)

    def sign_in(self, badge: str, password: str) -> None:
        """Open a session. Raises Problem."""
        self._keep(self._call("POST", "/v1/sessions", {"badge": badge, "password": password}, signed_in=False))

    def enrol(self, code: str) -> Any:
        """Register this device's key by a code. Retried with the same key. Returns the device. Raises Problem."""
        return self._call("POST", "/v1/devices/enrol", {"code": code, "jwk": self.key.jwk}, signed_in=False)["device"]

    def sign_out(self) -> None:
        """End the session on the server, and forget it here."""
        self._call("DELETE", "/v1/sessions/current")
        self._access = self._refresh = ""
        if self._session is not None:
            self._session.unlink(missing_ok=True)

    def get(self, path: str, **query: Any) -> Any:
        """Read. Raises Problem, Unreachable."""
        return self._call("GET", path, query={key: text for key, text in query.items() if text is not None})

    def entry(self, verb: str, *, occurred_at: datetime | None = None, id: UUID | None = None, **told: Any) -> Any:
        """Record an entry now, or one that happened at `occurred_at`. Retried with the same id. Raises Problem."""
        return self._call("POST", f"/v1/{verb}", self.told(occurred_at=occurred_at, id=id, **told))

    def told(self, *, occurred_at: datetime | None = None, id: UUID | None = None, **told: Any) -> dict[str, Any]:
        """What an entry carries, numbered."""
        common = {"id": id or uuid4(), "occurred_at": occurred_at or self.clock(), "device_seq": next(self._numbers)}
        return common | told

    def sync(self, entries: list[Any], cursor: str | None = None, boot: tuple[UUID, int] | None = None) -> Any:
        """Hand in entries told offline, each with its `verb`, and hear what is new since `cursor`. Raises Problem."""
        told: dict[str, Any] = {"entries": entries}
        if cursor is not None:
            told["cursor"] = cursor
        if boot is not None:
            told |= {"boot_id": boot[0], "uptime_ms": boot[1]}
        return self._call("POST", "/v1/sync", told, packed=True)

    def declare(self, file: Path, verb: str = "recordings/declare", **told: Any) -> UUID:
        """Declare a file with its size and digest. Returns the upload's id. Raises Problem."""
        size, sha256 = digest_of(file)
        answer = self.entry(verb, file_name=file.name, bytes=size, sha256=sha256, **told)
        return UUID(answer["id"])

    def upload(self, upload: UUID, file: Path, *, lanes: int | Lanes = 3, sent: Sent = lambda _: None) -> int:
        """Send what the store has not, in `lanes` at once; `sent` is told the bytes of each part that arrived.

        Returns how many parts were there already. Raises Unreachable after rounds in which nothing arrived.
        """
        told = self.get(f"/v1/uploads/{upload}/parts")
        there = sum(last - first + 1 for first, last in told["have"])
        failures = 0
        with file.open("rb") as source:
            while told["missing"]:
                arrived = self._send_round(source.fileno(), told["missing"], lanes, sent)
                failures = 0 if arrived else failures + 1
                if failures >= ATTEMPTS:
                    raise Unreachable(f"no part of {file.name} arrived")
                if failures:
                    self._pause(failures)
                told = self.get(f"/v1/uploads/{upload}/parts")
        return there

    def _send_round(self, source: int, parts: list[dict[str, Any]], lanes: int | Lanes, sent: Sent) -> int:
        """Send these parts, a few rounds of the lanes at once where the lanes learn. The bytes that arrived."""
        if isinstance(lanes, Lanes):
            parts = parts[: lanes.now * ROUNDS]
        begun = time.monotonic()
        with ThreadPoolExecutor(lanes.now if isinstance(lanes, Lanes) else lanes) as pool:
            went = list(pool.map(partial(self._send, source, sent), parts))
        arrived = sum(part["bytes"] for part, well in zip(parts, went, strict=True) if well)
        if isinstance(lanes, Lanes):
            lanes.heard(arrived, time.monotonic() - begun, broke=not all(went))
        return arrived

    def complete(self, upload: UUID, **told: Any) -> str:
        """Say that every part was sent. Returns the state. Raises Problem `parts_missing` and others."""
        return str(self._call("POST", f"/v1/uploads/{upload}/complete", told)["state"])

    def receipt(self, upload: UUID, *, bytes: int, sha256: str, wait: float = 60) -> dict[str, Any]:
        """The verified claims of the sealed receipt. Raises NotVerified, or TimeoutError after `wait` seconds."""
        deadline = time.monotonic() + wait
        while True:
            told = self.get(f"/v1/uploads/{upload}/receipt")
            if told["state"] == "sealed":
                claims = read_receipt(told["receipt"], self.published_keys())
                if (claims["sha256"], claims["bytes"]) != (sha256, bytes):
                    raise NotVerified("the receipt is for other bytes")
                return claims
            if told["state"] == "mismatch":
                raise NotVerified(told["advice"])
            if time.monotonic() > deadline:
                raise TimeoutError(told["advice"])
            time.sleep(0.2)

    def send(self, file: Path, *, lanes: int = 3, sent: Sent = lambda _: None, **told: Any) -> dict[str, Any]:
        """Declare, upload, complete, and wait for the verified receipt."""
        size, sha256 = digest_of(file)
        upload = self.declare(file, **told)
        self.upload(upload, file, lanes=lanes, sent=sent)
        self.complete(upload)
        return self.receipt(upload, bytes=size, sha256=sha256)

    def published_keys(self) -> list[dict[str, str]]:
        """The server's public keys."""
        return list(self._call("GET", "/.well-known/jwks.json", signed_in=False)["keys"])

    def _send(self, source: int, sent: Sent, part: dict[str, Any]) -> bool:
        """PUT one part to its signed URL. False where it did not arrive; it is asked for again.

        Raises OSError where the file holds less than was declared: no sending again would make it whole.
        """
        content = os.pread(source, part["bytes"], part["offset"])
        if len(content) < part["bytes"]:
            raise OSError("the file became shorter while it was sent")
        checksum = b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        try:
            answer = self._http.request("PUT", part["url"], body=content, headers={"Content-MD5": checksum})
        except urllib3.exceptions.HTTPError:
            return False
        if answer.status == 200:
            sent(len(content))
        return answer.status == 200

    def download(self, path: str, file: Path, *, span: tuple[int, int] | None = None, **query: Any) -> int:
        """Footage, a range of it, or a package, into a file, block by block: whole, or not there. How many bytes.

        Raises Problem, Unreachable.
        """
        draft = file.with_name(f".{file.name}.part")
        for _ in range(ATTEMPTS):
            token = self._access
            headers = self._credentials("GET", path, token, None)
            if span is not None:
                headers["Range"] = f"bytes={span[0]}-{span[1]}"
            try:
                with self._http.request(
                    "GET", self.url + path, fields=query, headers=headers, preload_content=False, retries=False
                ) as answer:
                    self._nonce = answer.headers.get("DPoP-Nonce", self._nonce)
                    if answer.status < 400:
                        size = _written(answer, draft)
                        os.replace(draft, file)
                        return size
                    problem = _problem(answer)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                draft.unlink(missing_ok=True)
                raise Unreachable(f"GET {path}") from error
            if problem.code == "token_expired":
                self._renew(token)
            elif problem.code not in PROVED_ANEW:
                raise problem
        raise Unreachable(f"GET {path}")

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        signed_in: bool = True,
        packed: bool = False,
    ) -> Any:
        """One answer, through retries: the network, a server that is away, an access token that expired.

        What only asks for another proof or token is counted apart: it may come after the last failure of the network,
        and is nothing that a person could mend.
        """
        attempt = anew = 0
        while True:
            token = self._access
            answer = self._attempt(method, path, body, query, token if signed_in else None, packed)
            if answer is not None and answer.status < 400:
                return msgspec.json.decode(answer.data) if answer.data else None
            if answer is not None and answer.status not in RETRIED:
                problem = _problem(answer)
                expired, anew = problem.code == "token_expired" and signed_in, anew + 1
                if anew >= ATTEMPTS or not (expired or problem.code in PROVED_ANEW):
                    raise problem
                if expired:
                    self._renew(token)
                continue
            attempt += 1
            asked = _asked_pause(answer)
            if attempt >= ATTEMPTS or (asked or 0) > LONGEST_PAUSE:
                raise Unreachable(f"{method} {path}", asked)
            self._pause(attempt, asked)

    def _attempt(
        self, method: str, path: str, body: Any, query: dict[str, Any] | None, token: str | None, packed: bool
    ) -> urllib3.BaseHTTPResponse | None:
        headers = {"Accept-Language": self._language}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode({"sent_at": self.clock(), **body})
        if content is not None and packed:
            headers["Content-Encoding"] = "gzip"
            content = gzip.compress(content, 6)
        headers |= self._credentials(method, path, token, content)
        try:
            answer = self._http.request(method, self.url + path, fields=query, body=content, headers=headers)
        except urllib3.exceptions.HTTPError:
            return None
        self._nonce = answer.headers.get("DPoP-Nonce", self._nonce)
        return answer if _is_answer(answer) else None

    def _credentials(self, method: str, path: str, token: str | None, content: bytes | None) -> dict[str, str]:
        """The headers that say who asks: a proof for this very request, and the token that it goes with."""
        proof = self.key.proof(method, self.url + path, nonce=self._nonce, token=token, body=content, at=self.clock())
        return {"DPoP": proof, **({"Authorization": f"DPoP {token}"} if token is not None else {})}

    def _renew(self, spent: str) -> None:
        """Spend the refresh token, once for all threads."""
        with self._renewing:
            if self._access == spent:
                told = {"refresh_token": self._refresh}
                self._keep(self._call("POST", "/v1/sessions/refresh", told, signed_in=False))

    def _keep(self, tokens: dict[str, Any]) -> None:
        """On the disk before they are used: until then the server gives the same successor again."""
        if self._session is not None:
            kept = f"{tokens['access_token']} {tokens['refresh_token']}"
            write_private(self._session, kept.encode(), replace=True)
        self._access, self._refresh = tokens["access_token"], tokens["refresh_token"]

    def _pause(self, attempt: int, asked: float | None = None) -> None:
        """Never shorter than the server asked; otherwise longer each time, and not all phones at once."""
        jitter = random.uniform(0.7, 1.0)  # noqa: S311 - no secret
        time.sleep(asked * (2 - jitter) if asked is not None else min(0.2 * 2**attempt, LONGEST_PAUSE) * jitter)


class DeskClient(Client):
    """One person at a desk: no device, a cookie and its CSRF token. It reads and decides; it makes no field entry."""

    def __init__(self, url: str, *, language: str = "zh") -> None:
        super().__init__(url, language=language)
        self._cookies: dict[str, str] = {}
        self.session: dict[str, Any] = {}

    def sign_in(self, badge: str, password: str, code: str | None = None) -> None:
        """Open a session; `session` is what the server said of it. Raises Problem, `code_needed` among others."""
        told = {"badge": badge, "password": password, **({"code": code} if code else {})}
        self.session = self._call("POST", "/v1/desk/sessions", told, signed_in=False)

    def tell(self, path: str, **told: Any) -> Any:
        """A call that is no entry and no reading: a decision, a setting. Raises Problem, Unreachable."""
        return self._call("POST", path, told)

    def set_up_factor(self, password: str) -> str:
        """A new second factor: its otpauth address. `confirm_factor` makes it count. Raises Problem."""
        return str(self.tell("/v1/me/totp", password=password)["otpauth_uri"])

    def confirm_factor(self, code: str) -> None:
        """The first code that the authenticator shows. Raises Problem."""
        self.tell("/v1/me/totp/confirm", code=code)

    def _attempt(
        self, method: str, path: str, body: Any, query: dict[str, Any] | None, token: str | None, packed: bool
    ) -> urllib3.BaseHTTPResponse | None:
        answer = super()._attempt(method, path, body, query, token, packed)
        for line in answer.headers.getlist("Set-Cookie") if answer is not None else ():
            self._cookies |= {name: crumb.value for name, crumb in SimpleCookie(line).items()}
        return answer

    def _credentials(self, method: str, path: str, token: str | None, content: bytes | None) -> dict[str, str]:
        if token is None:
            return {}
        told = "; ".join(f"{name}={text}" for name, text in self._cookies.items() if text)
        return {"Cookie": told, "X-CSRF-Token": self.session.get("csrf_token", "")}


def digest_of(file: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex, read a block at a time."""
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as source:
        while block := source.read(BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def read_receipt(receipt: str, keys: Iterable[dict[str, str]]) -> dict[str, Any]:
    """The claims of a receipt signed by one of these keys. Raises NotVerified."""
    try:
        header = jwt.get_unverified_header(receipt)
        (key,) = (key for key in keys if key["kid"] == header.get("kid") and key["kid"].startswith("evidence-"))
        if header.get("typ") != RECEIPT_TYPE:
            raise NotVerified("not a receipt")
        claims: dict[str, Any] = jwt.decode(receipt, jwt.PyJWK(key).key, algorithms=[ALGORITHM])
    except (jwt.PyJWTError, ValueError, KeyError) as error:
        raise NotVerified(f"the receipt does not verify: {error}") from error
    return claims


def _written(answer: urllib3.BaseHTTPResponse, file: Path) -> int:
    """The body into a file for its owner alone."""
    size = 0
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as sink:
        for block in answer.stream(BLOCK):
            size += sink.write(block)
    return size


def _asked_pause(answer: urllib3.BaseHTTPResponse | None) -> float | None:
    """The seconds of Retry-After, whose other form is a date by the server's clock."""
    if answer is None or "Retry-After" not in answer.headers:
        return None
    told = answer.headers["Retry-After"]
    if told.isdigit():
        return float(told)
    try:
        until, now = (parsedate_to_datetime(text) for text in (told, answer.headers["Date"]))
        return max(0.0, (until - now).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _is_answer(answer: urllib3.BaseHTTPResponse) -> bool:
    """Whether it is the server's word, and whole: not a page that another server on the way put in its place, nor a
    head without its end, which Python's HTTP takes for a whole one with no body."""
    if answer.status in UNWORDED:
        return True
    ends = answer.headers.get("Content-Length", "").isdigit() or answer.headers.get("Transfer-Encoding") == "chunked"
    return ends and answer.headers.get("Content-Type", "").partition(";")[0].endswith("json")


def _problem(answer: urllib3.BaseHTTPResponse) -> Problem:
    try:
        told = msgspec.json.decode(answer.data, type=dict[str, Any])
    except msgspec.DecodeError:
        code = "body_too_large" if answer.status == 413 else "not_an_answer"
        told = {"code": code, "detail": f"the server answered {answer.status} without a problem"}
    return Problem({"status": answer.status, **told}, _asked_pause(answer))
