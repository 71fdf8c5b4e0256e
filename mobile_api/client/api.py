"""A client for the public API, as a handheld or a docking station would use it. The demo, tests and figures use it too.

Guarantees: an entry is retried with the same id until it is answered, so it is recorded once. An upload goes on from
what the store has, whoever began it. `receipt` returns only claims verified with the server's published keys. Every
attempt carries its own proof by the device's key, with the server's last nonce. Bytes of a cut connection, or of
another server on the way, are no answer.
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
from storage.language import SentenceError
from storage.private_files import write_private

ALGORITHM = "EdDSA"
RECEIPT_TYPE = "fujing-receipt+jwt"
ATTEMPTS = 8
LONGEST_PAUSE = 20.0
ROUNDS = 2  # parts that each lane sends before the number of lanes is judged again
BLOCK = 4 * 1024 * 1024
RETRIED = {408, 502, 503, 504}
UNWORDED = RETRIED | {204, 413}  # a gateway may answer these for the server, with a body of its own
PROVED_ANEW = {"use_dpop_nonce", "proof_replayed"}  # a new proof is due; the network may bring a request twice
STORE_FULL = 507, "XMinioStorageFull"  # how a store says so: by its status, or by a code in its answer
# What a store is that answers and refuses every part.
OF_A_STORE = {
    "store_full": (
        "存储已满，请联系系统管理员；文件仍在本机，稍后继续上传",
        "the store is full: tell the administrator. The file is still here; send it again later",
    ),
    "store_read_only": (
        "存储暂不可写；文件仍在本机，稍后继续上传",
        "the store takes no writes for now. The file is still here; send it again later",
    ),
}
Sent = Callable[[int], None]  # called with the bytes of each part that arrived


class Problem(Exception):
    """The server refused. `code` is stable; `body` is the problem as the server sent it.

    `retry_after`: the seconds to wait that the server asked for, or None.
    """

    def __init__(self, body: dict[str, Any], retry_after: float | None = None) -> None:
        super().__init__(f"{body.get('code')}: {body.get('detail')}")
        self.body, self.retry_after = body, retry_after
        self.code = str(body.get("code"))
        self.status = int(body.get("status", 0))


class Unreachable(SentenceError):
    """No answer after every attempt; what was to be sent is still on the device. `request`: method and path.

    `retry_after`: the seconds to wait that the server asked for, or None.
    """

    def __init__(self, request: str, retry_after: float | None = None) -> None:
        super().__init__(f"服务器没有应答：{request}", f"the server does not answer: {request}")
        self.retry_after = retry_after


class StoreAway(Unreachable):
    """The server answers, and its store takes no footage for now: it is full, or takes no writes. Everything stays on
    the device. `code`: the server's, or `store_full` or `store_read_only` by what the store itself answered."""

    def __init__(self, code: str, zh: str, en: str, retry_after: float | None = None) -> None:
        SentenceError.__init__(self, zh, en)
        self.code, self.retry_after = code, retry_after


class NotVerified(SentenceError):
    """A receipt that does not prove what it should. Keep the file."""


class Lanes:
    """How many parts to send at once (`now`): one more while that is faster, half as many when a part fails."""

    def __init__(self, most: int = 6) -> None:
        self.now, self._most, self._best = 2, most, 0.0

    def adjust(self, arrived: int, seconds: float, *, broke: bool) -> None:
        """Adjust to a round that took so many seconds: the bytes that arrived, and whether any part failed."""
        rate = arrived / max(seconds, 1e-6)
        if broke:
            self.now, self._best = max(1, self.now // 2), rate
        elif rate > self._best * 1.05 and self.now < self._most:
            self.now, self._best = self.now + 1, rate
        elif rate < self._best * 0.7:
            self.now, self._best = max(1, self.now - 1), rate


class Client:
    """One person on one device, whose key it holds. Safe to use from several threads.

    `session`: a file for its owner alone that keeps the tokens, so that a session outlives this process.
    `numbers`: gives each entry its number on the device. `clock`: the device's own.
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
        self._etags: dict[UUID, dict[int, str]] = {}  # of the last PUT of each part, as the store answered it
        self._numbers = numbers or self.key.numbers
        self._refused_by_store: str | None = None  # why the last part did not arrive: a key of OF_A_STORE

    @property
    def signed_in(self) -> bool:
        """Whether it holds the tokens of a session; the server may have ended that session since."""
        return bool(self._refresh)

    def sign_in(self, badge: str, password: str, code: str | None = None) -> None:
        """Open a session. `code`: of the second factor, for what asks for it. Raises Problem."""
        told = {"badge": badge, "password": password, **({"code": code} if code else {})}
        self._keep(self._call("POST", "/v1/sessions", told, signed_in=False))

    def change_password(self, current: str, new: str) -> None:
        """Change one's own password: with a first one, before anything else (`session` says so at signing in)."""
        self._call("POST", "/v1/me/password", {"current": current, "new": new})

    def give_code(self, code: str) -> None:
        """Give the second factor in the session that is open, where a call asked for it. Raises Problem."""
        self._call("POST", "/v1/sessions/current/code", {"code": code})

    def enrol(self, code: str) -> Any:
        """Register this device's key with a code; retried with the same key. Returns the device. Raises Problem."""
        return self._call("POST", "/v1/devices/enrol", {"code": code, "jwk": self.key.jwk}, signed_in=False)["device"]

    def sign_out(self) -> None:
        """End the session on the server, and forget its tokens here."""
        self._call("DELETE", "/v1/sessions/current")
        self._access = self._refresh = ""
        if self._session is not None:
            self._session.unlink(missing_ok=True)

    def get(self, path: str, **query: Any) -> Any:
        """GET the path; a query parameter that is None is left out. Raises Problem, Unreachable."""
        return self._call("GET", path, query={key: text for key, text in query.items() if text is not None})

    def entry(self, verb: str, *, occurred_at: datetime | None = None, id: UUID | None = None, **fields: Any) -> Any:
        """Record an entry of now, or of `occurred_at`; retried with the same id. Its receipt. Raises Problem."""
        return self._call("POST", f"/v1/{verb}", self.new_entry(occurred_at=occurred_at, id=id, **fields))

    def new_entry(
        self, *, occurred_at: datetime | None = None, id: UUID | None = None, **fields: Any
    ) -> dict[str, Any]:
        """An entry with these fields, an id, a time and the next number of the device; it is not sent."""
        common = {"id": id or uuid4(), "occurred_at": occurred_at or self.clock(), "device_seq": next(self._numbers)}
        return common | fields

    def sync(self, entries: list[Any], cursor: str | None = None, boot: tuple[UUID, int] | None = None) -> Any:
        """Send entries made offline, each with its `verb`, and fetch what is new since `cursor`. Raises Problem."""
        body: dict[str, Any] = {"entries": entries}
        if cursor is not None:
            body["cursor"] = cursor
        if boot is not None:
            body |= {"boot_id": boot[0], "uptime_ms": boot[1]}
        return self._call("POST", "/v1/sync", body, packed=True)

    def declare(self, file: Path, verb: str = "recordings/declare", **fields: Any) -> UUID:
        """Declare a file with its size and digest. Returns the upload's id. Raises Problem."""
        size, sha256 = digest_of(file)
        answer = self.entry(verb, file_name=file.name, bytes=size, sha256=sha256, **fields)
        return UUID(answer["id"])

    def upload(self, upload: UUID, file: Path, *, lanes: int | Lanes = 3, sent: Sent = lambda _: None) -> int:
        """Send the parts that the store does not have, `lanes` at once; `sent` is called for each that arrived.

        Returns how many parts were there already. Raises Unreachable after rounds in which nothing arrived, StoreAway
        where the store says why.
        """
        size: dict[str, int] = {}
        parts = self.get(f"/v1/uploads/{upload}/parts")
        if parts["parts"] is None:  # declared without its size: the last part's URL takes exactly its bytes
            size = {"bytes": file.stat().st_size}
            parts = self.get(f"/v1/uploads/{upload}/parts", **size)
        there = sum(last - first + 1 for first, last in parts["have"])
        failures, self._refused_by_store = 0, None
        with file.open("rb") as source:
            while parts["missing"]:
                arrived = self._send_round(upload, source.fileno(), parts["missing"], lanes, sent)
                failures = 0 if arrived else failures + 1
                if failures >= ATTEMPTS and self._refused_by_store is not None:
                    raise StoreAway(self._refused_by_store, *OF_A_STORE[self._refused_by_store])
                if failures >= ATTEMPTS:
                    raise Unreachable(f"PUT {file.name}")
                if failures:
                    self._pause(failures)
                parts = self.get(f"/v1/uploads/{upload}/parts", **size)
        return there

    def _send_round(
        self, upload: UUID, source: int, parts: list[dict[str, Any]], lanes: int | Lanes, sent: Sent
    ) -> int:
        """Send these parts; where `lanes` adjusts itself, only a few of each lane. Returns the bytes that arrived."""
        if isinstance(lanes, Lanes):
            parts = parts[: lanes.now * ROUNDS]
        begun = time.monotonic()
        with ThreadPoolExecutor(lanes.now if isinstance(lanes, Lanes) else lanes) as pool:
            outcomes = list(pool.map(partial(self._send, source, sent, upload=upload), parts))
        arrived = sum(part["bytes"] for part, has_arrived in zip(parts, outcomes, strict=True) if has_arrived)
        if isinstance(lanes, Lanes):
            lanes.adjust(arrived, time.monotonic() - begun, broke=not all(outcomes))
        return arrived

    def complete(self, upload: UUID, **fields: Any) -> str:
        """Say that every part was sent, and which was the last of each. Returns the upload's state.

        Raises Problem `parts_missing` and others.
        """
        known = [{"number": number, "etag": etag} for number, etag in sorted(self._etags.get(upload, {}).items())]
        parts = {"parts": known} if known else {}
        try:
            state = str(self._call("POST", f"/v1/uploads/{upload}/complete", parts | fields)["state"])
        except Problem:  # what the store does not have is asked for again, and sent again
            self._etags.pop(upload, None)
            raise
        self._etags.pop(upload, None)
        return state

    def bring(
        self, upload: UUID, file: Path, *, lanes: int | Lanes = 3, sent: Sent = lambda _: None, **fields: Any
    ) -> str:
        """Upload and complete, again where the store lost a part in between. Returns the state. Raises Problem."""
        for _ in range(ATTEMPTS):
            self.upload(upload, file, lanes=lanes, sent=sent)
            try:
                return self.complete(upload, **fields)
            except Problem as problem:
                if problem.code != "parts_missing":
                    raise
        raise Unreachable(f"PUT {file.name}")

    def receipt(self, upload: UUID, *, bytes: int, sha256: str, wait: float = 60) -> dict[str, Any]:
        """Wait for the receipt; its verified claims. Raises NotVerified, or TimeoutError after `wait` seconds."""
        deadline = time.monotonic() + wait
        while True:
            answer = self.get(f"/v1/uploads/{upload}/receipt")
            if answer["state"] == "sealed":
                claims = read_receipt(answer["receipt"], self.published_keys())
                check_claims(claims, bytes=bytes, sha256=sha256)
                return claims
            if answer["state"] == "mismatch":
                raise NotVerified(answer["advice"], answer["advice"])
            if time.monotonic() > deadline:
                raise TimeoutError(answer["advice"])
            time.sleep(0.2)

    def send(self, file: Path, *, lanes: int = 3, sent: Sent = lambda _: None, **fields: Any) -> dict[str, Any]:
        """Declare, upload and complete a file, and wait for the verified receipt; its claims."""
        size, sha256 = digest_of(file)
        upload = self.declare(file, **fields)
        self.bring(upload, file, lanes=lanes, sent=sent)
        return self.receipt(upload, bytes=size, sha256=sha256)

    def published_keys(self) -> list[dict[str, str]]:
        """The server's public keys."""
        return list(self._call("GET", "/.well-known/jwks.json", signed_in=False)["keys"])

    def _send(self, source: int, sent: Sent, part: dict[str, Any], upload: UUID | None = None) -> bool:
        """PUT one part to its signed URL. Returns whether it arrived; if not, the server names it again.

        Raises OSError where the file is shorter than declared: sending again would not help.
        """
        content = os.pread(source, part["bytes"], part["offset"])
        if len(content) < part["bytes"]:
            raise OSError("文件在发送时变短了 the file became shorter while it was sent")
        checksum = b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        try:
            answer = self._http.request("PUT", part["url"], body=content, headers={"Content-MD5": checksum})
        except urllib3.exceptions.HTTPError:
            self._refused_by_store = None
            return False
        self._refused_by_store = _refused_by_store(answer)
        if answer.status == 200:
            sent(len(content))
            etag = answer.headers.get("ETag", "").strip('"')
            if upload is not None and etag:
                self._etags.setdefault(upload, {})[part["number"]] = etag
        return answer.status == 200

    def download(self, path: str, file: Path, *, span: tuple[int, int] | None = None, **query: Any) -> int:
        """Download footage, a range of it, or a package, into a file: whole, or not there. Returns its bytes.

        `span`: the first and the last byte. Raises Problem, Unreachable.
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
                        size = _write_body(answer, draft)
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
        """The answer, after retries: for the network, a server that is away, an expired access token.

        Attempts that only lacked a fresh proof or token are counted apart, and are no error for a person: they may
        follow the last failure of the network.
        """
        attempt = renewed = 0
        while True:
            token = self._access
            answer = self._attempt(method, path, body, query, token if signed_in else None, packed)
            if answer is not None and answer.status < 400:
                return msgspec.json.decode(answer.data) if answer.data else None
            if answer is not None and answer.status not in RETRIED:
                problem = _problem(answer)
                expired, renewed = problem.code == "token_expired" and signed_in, renewed + 1
                if renewed >= ATTEMPTS or not (expired or problem.code in PROVED_ANEW):
                    raise problem
                if expired:
                    self._renew(token)
                continue
            attempt += 1
            seconds = requested_pause(answer)
            if attempt >= ATTEMPTS or (seconds or 0) > LONGEST_PAUSE:
                raise _away(f"{method} {path}", answer, seconds)
            self._pause(attempt, seconds)

    def _attempt(
        self, method: str, path: str, body: Any, query: dict[str, Any] | None, token: str | None, packed: bool
    ) -> urllib3.BaseHTTPResponse | None:
        """Send the request once. Returns the server's answer; None where none came whole."""
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
        """The headers that say who sends it: a proof for this request, and the access token."""
        proof = self.key.proof(method, self.url + path, nonce=self._nonce, token=token, body=content, at=self.clock())
        return {"DPoP": proof, **({"Authorization": f"DPoP {token}"} if token is not None else {})}

    def _renew(self, spent: str) -> None:
        """Use the refresh token, once for all threads."""
        with self._renewing:
            if self._access == spent:
                body = {"refresh_token": self._refresh}
                self._keep(self._call("POST", "/v1/sessions/refresh", body, signed_in=False))

    def _keep(self, tokens: dict[str, Any]) -> None:
        """Keep new tokens: on the disk first, since until they are used the server gives the same ones again."""
        if self._session is not None:
            text = f"{tokens['access_token']} {tokens['refresh_token']}"
            write_private(self._session, text.encode(), replace=True)
        self._access, self._refresh = tokens["access_token"], tokens["refresh_token"]

    def _pause(self, attempt: int, seconds: float | None = None) -> None:
        """Wait at least the seconds the server asked for; otherwise longer each time, and not all phones at once."""
        jitter = random.uniform(0.7, 1.0)  # noqa: S311 - no secret
        time.sleep(seconds * (2 - jitter) if seconds is not None else min(0.2 * 2**attempt, LONGEST_PAUSE) * jitter)


class DeskClient(Client):
    """One person at a desk: no device, but a cookie and its CSRF token. It reads and decides; it records no entry."""

    def __init__(self, url: str, *, language: str = "zh") -> None:
        super().__init__(url, language=language)
        self._cookies: dict[str, str] = {}
        self.session: dict[str, Any] = {}

    def sign_in(self, badge: str, password: str, code: str | None = None) -> None:
        """Open a session; `session` is then the server's answer. Raises Problem, `code_needed` among others."""
        body = {"badge": badge, "password": password, **({"code": code} if code else {})}
        self.session = self._call("POST", "/v1/desk/sessions", body, signed_in=False)

    def post(self, path: str, **fields: Any) -> Any:
        """POST what is no entry: a decision, a setting. Raises Problem, Unreachable."""
        return self._call("POST", path, fields)

    def set_up_factor(self, password: str) -> str:
        """Set up a new second factor; its otpauth address. It counts after `confirm_factor`. Raises Problem."""
        return str(self.post("/v1/me/totp", password=password)["otpauth_uri"])

    def confirm_factor(self, code: str) -> None:
        """Confirm the second factor with the first code of the authenticator. Raises Problem."""
        self.post("/v1/me/totp/confirm", code=code)

    def _attempt(
        self, method: str, path: str, body: Any, query: dict[str, Any] | None, token: str | None, packed: bool
    ) -> urllib3.BaseHTTPResponse | None:
        answer = super()._attempt(method, path, body, query, token, packed)
        for line in answer.headers.getlist("Set-Cookie") if answer is not None else ():
            self._cookies |= {name: cookie.value for name, cookie in SimpleCookie(line).items()}
        return answer

    def _credentials(self, method: str, path: str, token: str | None, content: bytes | None) -> dict[str, str]:
        if token is None:
            return {}
        cookies = "; ".join(f"{name}={text}" for name, text in self._cookies.items() if text)
        return {"Cookie": cookies, "X-CSRF-Token": self.session.get("csrf_token", "")}


def digest_of(file: Path) -> tuple[int, str]:
    """The file's size in bytes and its SHA-256 in hex, read block by block."""
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
            raise NotVerified("不是回执", "not a receipt")
        claims: dict[str, Any] = jwt.decode(receipt, jwt.PyJWK(key).key, algorithms=[ALGORITHM])
    except (jwt.PyJWTError, ValueError, KeyError) as error:
        raise NotVerified(f"回执核验不通过：{error}", f"the receipt does not verify: {error}") from error
    return claims


def check_claims(claims: dict[str, Any], *, bytes: int, sha256: str) -> None:
    """Check that a receipt's claims are about a file of this size and digest. Raises NotVerified."""
    if (claims["sha256"], claims["bytes"]) != (sha256, bytes):
        raise NotVerified("回执属于另一个文件", "the receipt is for other bytes")


def _write_body(answer: urllib3.BaseHTTPResponse, file: Path) -> int:
    """Write the body to a file for its owner alone. Returns its bytes."""
    size = 0
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as sink:
        for block in answer.stream(BLOCK):
            size += sink.write(block)
    return size


def requested_pause(answer: urllib3.BaseHTTPResponse | None) -> float | None:
    """The seconds that Retry-After asks for, in either of its forms: seconds, or a date by the server's clock."""
    if answer is None or "Retry-After" not in answer.headers:
        return None
    header = answer.headers["Retry-After"]
    if header.isdigit():
        return float(header)
    try:
        until, now = (parsedate_to_datetime(text) for text in (header, answer.headers["Date"]))
        return max(0.0, (until - now).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _is_answer(answer: urllib3.BaseHTTPResponse) -> bool:
    """Whether it is our server's answer, and whole.

    It is not where another server on the way answered with a page, or where the head was cut: Python's HTTP takes a
    cut head for an answer without a body.
    """
    if answer.status in UNWORDED:
        return True
    has_end = answer.headers.get("Content-Length", "").isdigit() or answer.headers.get("Transfer-Encoding") == "chunked"
    return has_end and answer.headers.get("Content-Type", "").partition(";")[0].endswith("json")


def _away(request: str, answer: urllib3.BaseHTTPResponse | None, seconds: float | None) -> Unreachable:
    """Why a request is given up: in the server's own words where it names its store."""
    problem = None if answer is None else _problem(answer)
    if problem is None or not problem.code.startswith("store_"):
        return Unreachable(request, seconds)
    words = str(problem.body.get("detail"))
    return StoreAway(problem.code, words, words, seconds)


def _refused_by_store(answer: urllib3.BaseHTTPResponse) -> str | None:
    """Why a store refused a part: a key of OF_A_STORE; None where it took it, or says that the part is wrong."""
    status, code = STORE_FULL
    if answer.status == status or code.encode() in answer.data:
        return "store_full"
    return "store_read_only" if answer.status >= 500 else None


def _problem(answer: urllib3.BaseHTTPResponse) -> Problem:
    try:
        body = msgspec.json.decode(answer.data, type=dict[str, Any])
    except msgspec.DecodeError:
        code = "body_too_large" if answer.status == 413 else "not_an_answer"
        detail = f"服务器答复 {answer.status}，没有说明 the server answered {answer.status} without a problem"
        body = {"code": code, "detail": detail}
    return Problem({"status": answer.status, **body}, requested_pause(answer))
