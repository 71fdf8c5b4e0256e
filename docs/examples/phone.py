"""A phone that speaks to Fujing without our client. See docs/mobile.md.

FUJING_URL=… FUJING_CODE=… FUJING_BADGE=… FUJING_PASSWORD=… python phone.py FOLDER FILE

FOLDER holds the phone's key and outbox. FILE is uploaded, and deleted once its receipt is verified. Here one person
uses the phone; on a shared phone store each entry with its person, and send it in that person's session.
"""

import base64
import gzip
import hashlib
import json
import os
import sqlite3
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import urllib3
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

OUTBOX = """
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, body TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued', answer TEXT
);
CREATE TABLE IF NOT EXISTS stored (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Problem(Exception):
    """The server refused. `code` is stable, `problem` is the whole problem+json."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem['code']}: {problem.get('detail')}")
        self.code, self.problem = problem["code"], problem


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def digest(content: bytes) -> str:
    return encoded(hashlib.sha256(content).digest())


class Phone:
    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.nonce, self.access, self.refresh = url.rstrip("/"), "", "", ""
        self.http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=60))
        self.box = sqlite3.connect(folder / "outbox.db", isolation_level=None)
        self.box.executescript(OUTBOX)
        # [key]
        key_file = folder / "key.pem"  # on a real phone: the hardware's key store
        if not key_file.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.key: Any = load_pem_private_key(key_file.read_bytes(), None)
        numbers = self.key.public_key().public_numbers()
        x, y = (encoded(number.to_bytes(32)) for number in (numbers.x, numbers.y))
        self.jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        # [/key]

    # [proof]
    def proof(self, method: str, path: str, body: bytes | None, token: str | None) -> str:
        """A proof for one request; every attempt needs a new one."""
        claims = {"htm": method, "htu": self.url + path, "jti": uuid4().hex, "iat": int(time.time())}
        claims["nonce"] = self.nonce  # from the last DPoP-Nonce header; empty the first time
        if token is not None:
            claims["ath"] = digest(token.encode())
        if body is not None:
            claims["body_sha256"] = digest(body)  # of the bytes as sent: with gzip, the compressed ones
        return jwt.encode(claims, self.key, "ES256", headers={"typ": "dpop+jwt", "jwk": self.jwk})

    # [/proof]
    # [call]
    def call(self, method: str, path: str, payload: dict[str, Any] | None = None, signed_in: bool = True) -> Any:
        """Send until an answer comes: after network errors, 503, an old nonce or an expired access token."""
        for attempt in range(8):
            token = self.access if signed_in else None
            headers, body = {"Accept-Language": "en"}, None
            if payload is not None:  # sent_at: the clock at this attempt
                body = gzip.compress(json.dumps(payload | {"sent_at": now().isoformat()}).encode())
                headers |= {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            if token is not None:
                headers["Authorization"] = f"DPoP {token}"
            headers["DPoP"] = self.proof(method, path, body, token)
            pause = 0.2 * 2**attempt
            try:
                answer = self.http.request(method, self.url + path, body=body, headers=headers)
            except urllib3.exceptions.HTTPError:
                time.sleep(pause)
                continue
            self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
            ours = answer.data and "json" in answer.headers.get("Content-Type", "")  # not cut off, no captive portal
            if answer.status == 204 or (ours and answer.status < 400):
                return answer.json() if ours else None
            problem = answer.json() if ours else {"code": f"http_{answer.status}"}
            if problem["code"] in ("use_dpop_nonce", "proof_replayed"):
                continue  # try again with a new proof
            if problem["code"] == "token_expired":
                self.keep(self.call("POST", "/v1/sessions/refresh", {"refresh_token": self.refresh}, False))
                continue
            pause = float(answer.headers.get("Retry-After", pause))
            if (ours and answer.status != 429 and answer.status < 500) or pause > 30:
                raise Problem(problem)
            time.sleep(pause)
        raise ConnectionError(f"no answer to {method} {path}; nothing is lost")

    # [/call]
    # [sign-in]
    def enrol(self, code: str) -> Any:
        """Once for each key. Sent again with the same key, it gives the same answer."""
        return self.call("POST", "/v1/devices/enrol", {"code": code, "jwk": self.jwk}, False)["device"]

    def sign_in(self, badge: str, password: str) -> None:
        self.keep(self.call("POST", "/v1/sessions", {"badge": badge, "password": password}, False))

    def keep(self, tokens: dict[str, Any]) -> None:
        self.access, self.refresh = tokens["access_token"], tokens["refresh_token"]

    # [/sign-in]
    # [outbox]
    def add(self, verb: str, occurred_at: datetime, **fields: Any) -> str:
        """Store an entry. On return it is on the disk; its id and number never change."""
        id = str(uuid4())
        entry = {"verb": verb, "id": id, "occurred_at": occurred_at.isoformat(), **fields}
        self.box.execute("INSERT INTO entry (id, body) VALUES (?, ?)", (id, json.dumps(entry)))
        return id

    # [/outbox]
    # [sync]
    def sync(self) -> None:
        """Send queued and waiting entries and fetch changes, until there are none."""
        after, more = 0, True
        while True:
            rows = self.box.execute(
                "SELECT seq, body FROM entry WHERE state IN ('queued', 'waiting') AND seq > ? ORDER BY seq LIMIT 1000",
                (after,),
            ).fetchall()
            if not rows and not more:
                return
            request: dict[str, Any] = {"entries": [json.loads(text) | {"device_seq": seq} for seq, text in rows]}
            cursor = self.box.execute("SELECT value FROM stored WHERE name = 'cursor'").fetchone()
            answer = self.call("POST", "/v1/sync", request | ({"cursor": cursor[0]} if cursor else {}))
            self.box.execute("BEGIN IMMEDIATE")  # store an answer whole or not at all
            for (seq, _), result in zip(rows, answer["results"], strict=True):
                status, problem = result["status"], result.get("problem", {})
                if status == "again" or problem.get("status", 0) >= 500:
                    status = "queued"  # not processed: send it again
                changed = (status, json.dumps(result), seq)
                self.box.execute("UPDATE entry SET state = ?, answer = ? WHERE seq = ?", changed)
            for name in ("cursor", "bundle"):  # with `reset`, discard what earlier answers brought
                if answer.get(name):
                    value = answer[name] if name == "cursor" else json.dumps(answer[name])
                    self.box.execute("INSERT OR REPLACE INTO stored VALUES (?, ?)", (name, value))
            self.box.execute("COMMIT")
            after, more = (rows[-1][0] if rows else after), answer.get("more", False)

    # [/sync]
    # [upload]
    def upload(self, id: str, file: Path) -> None:
        """Send the missing parts until the store has all. A later process can go on with it."""
        failures, etags = 0, {}  # the ETag that the store gave for the last PUT of each part
        while missing := self.call("GET", f"/v1/uploads/{id}/parts")["missing"]:
            with file.open("rb") as source:
                for part in missing:
                    source.seek(part["offset"])
                    content = source.read(part["bytes"])
                    md5 = hashlib.md5(content, usedforsecurity=False).digest()
                    headers = {"Content-MD5": base64.b64encode(md5).decode()}  # no token, no proof: the URL is signed
                    try:
                        answer = self.http.request("PUT", part["url"], body=content, headers=headers)
                        arrived, etag = answer.status == 200, answer.headers.get("ETag")
                    except urllib3.exceptions.HTTPError:
                        arrived, etag = False, None
                    if arrived and etag:
                        etags[part["number"]] = etag
                    failures = 0 if arrived else failures + 1
                    if failures > 8:
                        raise ConnectionError("no part arrives; nothing is lost")
        parts = [{"number": number, "etag": etag} for number, etag in etags.items()]
        self.call("POST", f"/v1/uploads/{id}/complete", {"parts": parts})

    # [/upload]
    # [receipt]
    def receipt(self, id: str, file: Path) -> str:
        """Wait for the receipt, verify it for these bytes and store it. Only then may the file be deleted."""
        while (answer := self.call("GET", f"/v1/uploads/{id}/receipt"))["state"] == "received":
            time.sleep(0.5)
        if answer["state"] != "sealed":
            raise RuntimeError(answer["advice"])  # mismatch, abandoned: upload it again
        keys = self.call("GET", "/.well-known/jwks.json", signed_in=False)["keys"]
        header = jwt.get_unverified_header(answer["receipt"])
        (key,) = (key for key in keys if key["kid"] == header["kid"] and key["kid"].startswith("evidence-"))
        claims: dict[str, Any] = jwt.decode(answer["receipt"], jwt.PyJWK(key).key, algorithms=["EdDSA"])
        mine = {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        if header["typ"] != "fujing-receipt+jwt" or not (mine | {"id": answer["id"]}).items() <= claims.items():
            raise RuntimeError("this receipt proves something else: keep the file")
        self.box.execute("INSERT OR REPLACE INTO stored VALUES (?, ?)", (f"receipt {id}", answer["receipt"]))
        return str(answer["receipt"])

    # [/receipt]


def now() -> datetime:
    return datetime.now(UTC)


def main(folder: Path, file: Path) -> None:
    environment = os.environ
    phone = Phone(environment["FUJING_URL"], folder)
    print("enrolled as", phone.enrol(environment["FUJING_CODE"])["serial"])
    phone.sign_in(environment["FUJING_BADGE"], environment["FUJING_PASSWORD"])

    dressed = {"duty_type": "patrol", "dress": "uniform", "id_card_carried": True, "roster_post": "东门岗亭"}
    shift = phone.add("shifts/check-in", now() - timedelta(hours=5), **dressed)
    phone.add("shifts/check-out", now() - timedelta(hours=1), shift=shift)
    upload = phone.add(
        "recordings/declare", now() - timedelta(hours=1), camera_serial="DSJ-0042", media_type="video/mp4",
        file_name=file.name, bytes=file.stat().st_size, sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        started_at=(now() - timedelta(hours=3)).isoformat(), ended_at=(now() - timedelta(hours=2)).isoformat(),
    )  # fmt: skip
    phone.sync()
    for id, state, answer in phone.box.execute("SELECT id, state, answer FROM entry ORDER BY seq"):
        print(json.loads(answer).get("receipt", {}).get("received_at"), id, state)

    phone.upload(upload, file)
    receipt = phone.receipt(upload, file)
    file.unlink()  # in this order: verify, store, delete
    print("sealed", upload, receipt)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
