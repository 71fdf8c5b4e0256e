"""A device's key, and the proofs (DPoP, RFC 9449) that it signs.

A phone keeps its key in its hardware key store; a docking station keeps it in a file for its owner alone.
"""

import base64
import fcntl
import hashlib
import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from backend.evidence.starts import timecodes
from storage.language import by_locale
from storage.private_files import write_private

ALGORITHM = "ES256"


def encoded(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def digest(content: bytes) -> str:
    """SHA-256, encoded so."""
    return encoded(hashlib.sha256(content).digest())


class Numbers:
    """Numbers a device's entries from a file: each number is given once, to whichever program of the device asks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            number = _number_in(file.read(), self._path) + 1
            file.seek(0)
            file.write(str(number))
            file.flush()
            os.fsync(file.fileno())
        return number


def _number_in(text: str, path: Path) -> int:
    """The last number given. Raises ValueError: a number that is given twice would be a finding against the device."""
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError(by_locale(f"{path} 中不是编号，请从备份恢复", f"{path} holds no number: restore it"))
    return int(text or 0)


class DeviceKey:
    """A P-256 key pair; a new one, unless one is given. `numbers` gives each entry of the device its number, once."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.private = private or ec.generate_private_key(ec.SECP256R1())
        numbers = self.private.public_key().public_numbers()
        x, y = (encoded(number.to_bytes(32)) for number in (numbers.x, numbers.y))
        self.jwk = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        self.numbers: Iterator[int] = itertools.count(1)

    @classmethod
    def kept_in(cls, path: Path) -> "DeviceKey":
        """The key in this file; a new one where there is no file. Its numbers are kept in FILE.numbers.

        Raises OSError, or ValueError where the file holds another kind of key.
        """
        if not path.exists():
            write_private(path, cls().pem())
        try:
            private: Any = load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # the library's words are for programmers
            private = None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
            raise ValueError(by_locale(f"{path} 中不是 P-256 密钥", f"{path} holds no P-256 key"))
        key = cls(private)
        key.numbers = Numbers(path.with_name(f"{path.name}.numbers"))
        return key

    def pem(self) -> bytes:
        """The private key as PEM, not encrypted."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def jkt(self) -> str:
        """The key's thumbprint (RFC 7638)."""
        return digest(msgspec.json.encode(self.jwk, order="sorted"))

    def proof(
        self, method: str, url: str, *, nonce: str = "", token: str | None = None, body: bytes | None = None,
        at: datetime | None = None, **other: Any,
    ) -> str:  # fmt: skip
        """A proof for one request. `at`: the time by the device's clock; `other`: claims that replace these."""
        claims: dict[str, Any] = {"htm": method, "htu": url.partition("?")[0], "jti": uuid4().hex, "nonce": nonce}
        claims["iat"] = int((at or datetime.now(UTC)).timestamp())
        if token is not None:
            claims["ath"] = digest(token.encode())
        if body:
            claims["body_sha256"] = digest(body)
        payload = {name: claim for name, claim in (claims | other).items() if claim is not None}
        return jwt.encode(payload, self.private, ALGORITHM, headers={"typ": "dpop+jwt", "jwk": self.jwk})

    def leading(
        self, *, naming: UUID, auxiliary: UUID, officer: UUID, occurred_at: datetime, session: UUID, **other: Any
    ) -> str:
        """Sign the officer's yes to a naming without a network, for `supervisions/prove`.

        `occurred_at`: when the naming occurred; `session`: the officer's session on this device.
        """
        ids = {"naming": naming, "auxiliary": auxiliary, "officer": officer, "sid": session}
        claims = {name: str(id) for name, id in ids.items()} | {"occurred_at": occurred_at.isoformat()}
        return jwt.encode(
            claims | other, self.private, ALGORITHM, headers={"typ": "fujing-leading+jwt", "kid": self.jkt}
        )

    def timecode(self, *, at: datetime, wearer: UUID, age: timedelta, shift: UUID | None = None) -> str:
        """The text of a time code that this device signs without a network, to be shown as a QR of ASCII.

        `at`: the server's time as the device reckons it; `age`: how long ago it last heard it; `shift`: of the wearer.
        """
        mark = hashlib.sha256(msgspec.json.encode(self.jwk, order="sorted")).digest()
        content = timecodes.payload(timecodes.DEVICE, at, wearer, shift, mark, age)
        r, s = decode_dss_signature(self.private.sign(timecodes.DOMAIN + content, ec.ECDSA(hashes.SHA256())))
        return timecodes.text_of(content, r.to_bytes(32) + s.to_bytes(32))
