"""Keys and secrets, made on first run in the data directory, one file each, 0600.

Guarantees: a key is written whole or not at all; the newest of a purpose signs and all of them verify, so a new key
logs nobody out and an old receipt stays verifiable for ever. Another process's new key is seen within a second of its
first use. A new evidence key and the one before it sign each other, so that who trusts one may trust both.
"""

import base64
import hashlib
import json
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from storage.private_files import make_private, write_private

Purpose = Literal["session", "evidence", "refresh", "nonce", "factor"]
PLAIN = {"refresh", "nonce", "factor"}  # secrets of 32 bytes; the others are key pairs
ALGORITHM = "EdDSA"
ENDORSEMENT_TYPE = "fujing-key+jwt"
ENDORSED = "endorsed-"
LOOK_AGAIN = 1.0  # seconds between looks at the directory


def secret(path: Path) -> str:
    """The random secret in this file, made now if there is none: 256 bits, URL-safe."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text()


class KeyRing:
    """The keys of one purpose: Ed25519 key pairs, or plain secrets for the purposes of PLAIN.

    `directory`/{purpose}/{kid}: the kid begins with the time it was made, so that the last by name is the newest.
    """

    def __init__(self, secrets_dir: Path, purpose: Purpose) -> None:
        self.purpose = purpose
        self.directory = make_private(secrets_dir / purpose)
        self._keys: dict[str, Any] = {}
        self._looked = 0.0
        self._look()
        if not self._keys:
            self.rotate()

    def rotate(self) -> str:
        """Make a new key; from now on it signs. Returns its kid."""
        made = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        kid = f"{self.purpose}-{made}-{secrets.token_hex(3)}"
        fresh = self._fresh()
        if self.purpose == "evidence" and self._keys:  # before the key: one that signs is never without it
            write_private(self.directory / f"{ENDORSED}{kid}", self._endorsed(kid, fresh))
        write_private(self.directory / kid, fresh)
        self._look()
        return kid

    def newest(self) -> tuple[str, Any]:
        """The kid and key that sign now."""
        if time.monotonic() - self._looked > LOOK_AGAIN:
            self._look()
        kid = max(self._keys)
        return kid, self._keys[kid]

    def get(self, kid: str) -> Any | None:
        """The key of this kid, or None. A kid not seen yet is looked for once a second."""
        if kid not in self._keys and time.monotonic() - self._looked > LOOK_AGAIN:
            self._look()
        return self._keys.get(kid)

    def sign(self, claims: dict[str, Any], typ: str) -> str:
        """A compact JWS over the claims by the newest key."""
        kid, key = self.newest()
        return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": typ})

    def public(self) -> list[dict[str, str]]:
        """The public keys as JWKs (RFC 8037), newest first."""
        self._look()
        return [_jwk(kid, self._keys[kid]) for kid in sorted(self._keys, reverse=True)]

    def endorsements(self) -> list[str]:
        """By which keys vouch for each other: compact JWS whose claim `keys` are the thumbprints of two."""
        files = sorted(self.directory.glob(f"{ENDORSED}*"))
        return [line for file in files for line in file.read_text().splitlines()]

    def _endorsed(self, kid: str, fresh: bytes) -> bytes:
        """The newest key and the one to come, each signing that both are ours."""
        pairs = {**dict([self.newest()]), kid: load_pem_private_key(fresh, None)}
        claims = {"keys": [fingerprint(_jwk(name, key)) for name, key in pairs.items()]}
        signed = [
            jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": name, "typ": ENDORSEMENT_TYPE})
            for name, key in pairs.items()
        ]
        return "\n".join(signed).encode()

    def _fresh(self) -> bytes:
        if self.purpose in PLAIN:
            return secrets.token_bytes(32)
        key = Ed25519PrivateKey.generate()
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def _look(self) -> None:
        self._looked = time.monotonic()
        for path in self.directory.iterdir():
            if path.name.startswith(f"{self.purpose}-") and path.name not in self._keys:
                content = path.read_bytes()
                self._keys[path.name] = content if self.purpose in PLAIN else load_pem_private_key(content, None)


def fingerprint(jwk: dict[str, str]) -> str:
    """The thumbprint of a public key (RFC 7638, SHA-256) in hex: 64 letters that name it and nothing else."""
    told = json.dumps({name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _jwk(kid: str, key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": kid, "x": x}


class Keys:
    """Every key ring: session keys sign tokens, evidence keys sign receipts, refresh secrets derive refresh tokens,
    nonce secrets the nonces of proofs; factor secrets keep second factors unreadable in the database.
    """

    def __init__(self, secrets_dir: Path) -> None:
        make_private(secrets_dir)
        self.session = KeyRing(secrets_dir, "session")
        self.evidence = KeyRing(secrets_dir, "evidence")
        self.refresh = KeyRing(secrets_dir, "refresh")
        self.nonce = KeyRing(secrets_dir, "nonce")
        self.factor = KeyRing(secrets_dir, "factor")
