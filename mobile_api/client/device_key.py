"""A device's key and the proofs that it makes (RFC 9449), as a handheld or a docking station would.

A phone keeps its key in the hardware's key store; a station keeps it in a file for its owner alone.
"""

import base64
import fcntl
import hashlib
import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from storage.private_files import write_private

ALGORITHM = "ES256"


def encoded(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def digest(content: bytes) -> str:
    return encoded(hashlib.sha256(content).digest())


class Numbers:
    """A device's numbers for its entries: each given once, whichever of its programs asks, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            number = int(file.read() or 0) + 1
            file.seek(0)
            file.write(str(number))
            file.flush()
            os.fsync(file.fileno())
        return number


class DeviceKey:
    """A P-256 key pair; new, unless one is given. `numbers` are those of its device's entries: none is given twice."""

    def __init__(self, private: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.private = private or ec.generate_private_key(ec.SECP256R1())
        numbers = self.private.public_key().public_numbers()
        x, y = (encoded(number.to_bytes(32)) for number in (numbers.x, numbers.y))
        self.jwk = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        self.numbers: Iterator[int] = itertools.count(1)

    @classmethod
    def kept_in(cls, path: Path) -> "DeviceKey":
        """The key in this file, made now if there is none; its numbers are kept beside it, in FILE.numbers.

        Raises OSError, ValueError where it is no such key.
        """
        if not path.exists():
            write_private(path, cls().pem())
        private = load_pem_private_key(path.read_bytes(), None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{path} holds no P-256 key")
        kept = cls(private)
        kept.numbers = Numbers(path.with_name(f"{path.name}.numbers"))
        return kept

    def pem(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def jkt(self) -> str:
        """RFC 7638."""
        return digest(msgspec.json.encode(self.jwk, order="sorted"))

    def proof(
        self, method: str, url: str, *, nonce: str = "", token: str | None = None, body: bytes | None = None,
        at: datetime | None = None, **other: Any,
    ) -> str:  # fmt: skip
        """A proof for one request; `at` is the device's clock, `other` claims replace these."""
        claims: dict[str, Any] = {"htm": method, "htu": url.partition("?")[0], "jti": uuid4().hex, "nonce": nonce}
        claims["iat"] = int((at or datetime.now(UTC)).timestamp())
        if token is not None:
            claims["ath"] = digest(token.encode())
        if body:
            claims["body_sha256"] = digest(body)
        told = {name: claim for name, claim in (claims | other).items() if claim is not None}
        return jwt.encode(told, self.private, ALGORITHM, headers={"typ": "dpop+jwt", "jwk": self.jwk})

    def leading(
        self, *, naming: UUID, auxiliary: UUID, officer: UUID, occurred_at: datetime, session: UUID, **other: Any
    ) -> str:
        """The officer's yes to a naming without a network, for `supervisions/prove`; `occurred_at` is the naming's."""
        told = {"naming": naming, "auxiliary": auxiliary, "officer": officer, "sid": session}
        claims = {name: str(id) for name, id in told.items()} | {"occurred_at": occurred_at.isoformat()}
        return jwt.encode(
            claims | other, self.private, ALGORITHM, headers={"typ": "fujing-leading+jwt", "kid": self.jkt}
        )
