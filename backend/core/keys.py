"""Keys and secrets, created at the first run in the data directory, one file each, mode 0600.

Guarantees: a key file is complete or absent. The newest key of a purpose signs and all of them verify, so a new key
signs nobody out and old receipts can always be verified. Another process's new key is seen within one second.
A new evidence key and the one before it sign each other, so that whoever trusts one may trust the other.
"""

import base64
import hashlib
import json
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from storage.private_files import make_private, write_private

KeyPurpose = Literal["session", "evidence", "refresh", "nonce", "factor"]
PLAIN_SECRETS = {"refresh", "nonce", "factor"}  # secrets of 32 bytes; the others are key pairs
ALGORITHM = "EdDSA"
ENDORSEMENT_TYPE = "fujing-key+jwt"
ENDORSED = "endorsed-"
RELOAD_INTERVAL = 1.0  # seconds between two readings of the directory


def secret(path: Path) -> str:
    """The random secret in this file, created when the file is missing: 256 bits, URL-safe."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text()


class KeyRing:
    """The keys of one purpose: Ed25519 key pairs, or plain secrets for the purposes of PLAIN.

    Files: `directory`/{purpose}/{kid}. A kid contains the time of creation, so the last by name is the newest.
    """

    def __init__(self, secrets_dir: Path, purpose: KeyPurpose) -> None:
        self.purpose = purpose
        self.directory = make_private(secrets_dir / purpose)
        self._keys: dict[str, Any] = {}
        self._reloaded_at = 0.0
        self._reload()
        if not self._keys:
            self.rotate()

    def rotate(self, kid: str | None = None) -> str:
        """Create a new key, which signs from now on. Returns its kid. `kid`: a new one, that `new_kid` gave before."""
        kid = kid or self.new_kid()
        fresh = self._generate()
        if self.purpose == "evidence" and self._keys:  # written before the key: no key signs without its endorsement
            write_private(self.directory / f"{ENDORSED}{kid}", self._endorsed(kid, fresh))
        write_private(self.directory / kid, fresh)
        self._reload()
        return kid

    def new_kid(self) -> str:
        """The kid of a key that is made next, later than all before."""
        made = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        return f"{self.purpose}-{made}-{secrets.token_hex(3)}"

    def newest(self) -> tuple[str, Any]:
        """The kid and key that sign now."""
        if time.monotonic() - self._reloaded_at > RELOAD_INTERVAL:
            self._reload()
        kid = max(self._keys)
        return kid, self._keys[kid]

    def get(self, kid: str) -> Any | None:
        """The key of this kid, or None. For an unknown kid the directory is read again, at most once a second."""
        if kid not in self._keys and time.monotonic() - self._reloaded_at > RELOAD_INTERVAL:
            self._reload()
        return self._keys.get(kid)

    def secrets(self) -> list[bytes]:
        """The secrets of a plain ring, newest first."""
        self.newest()
        return [self._keys[kid] for kid in sorted(self._keys, reverse=True)]

    def sign(self, claims: dict[str, Any], typ: str) -> str:
        """A compact JWS over the claims, signed by the newest key."""
        kid, key = self.newest()
        return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": typ})

    def mark(self, length: int) -> bytes:
        """The first bytes of the thumbprint of the newest key."""
        return bytes.fromhex(fingerprint(_jwk(*self.newest())))[:length]

    def sign_bytes(self, content: bytes) -> bytes:
        """The newest key's signature over these bytes (Ed25519): 64 bytes."""
        signature: bytes = self.newest()[1].sign(content)
        return signature

    def made(self, mark: bytes, content: bytes, signature: bytes) -> bool:
        """Whether a key of this ring, whose thumbprint begins with `mark`, made this signature over these bytes."""
        self._reload()
        for kid, key in self._keys.items():
            if bytes.fromhex(fingerprint(_jwk(kid, key))).startswith(mark):
                with suppress(InvalidSignature):
                    key.public_key().verify(signature, content)
                    return True
        return False

    def public(self) -> list[dict[str, str]]:
        """The public keys as JWKs (RFC 8037), newest first."""
        self._reload()
        return [_jwk(kid, self._keys[kid]) for kid in sorted(self._keys, reverse=True)]

    def endorsements(self) -> list[str]:
        """Compact JWS by which two keys vouch for each other. The claim `keys` holds both thumbprints."""
        files = sorted(self.directory.glob(f"{ENDORSED}*"))
        return [line for file in files for line in file.read_text().splitlines()]

    def _endorsed(self, kid: str, fresh: bytes) -> bytes:
        """Two JWS, by the newest key and by the new one, each saying that both are ours."""
        pairs = {**dict([self.newest()]), kid: load_pem_private_key(fresh, None)}
        claims = {"keys": [fingerprint(_jwk(name, key)) for name, key in pairs.items()]}
        signed = [
            jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": name, "typ": ENDORSEMENT_TYPE})
            for name, key in pairs.items()
        ]
        return "\n".join(signed).encode()

    def _generate(self) -> bytes:
        if self.purpose in PLAIN_SECRETS:
            return secrets.token_bytes(32)
        key = Ed25519PrivateKey.generate()
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def _reload(self) -> None:
        self._reloaded_at = time.monotonic()
        for path in self.directory.iterdir():
            if path.name.startswith(f"{self.purpose}-") and path.name not in self._keys:
                content = path.read_bytes()
                self._keys[path.name] = (
                    content if self.purpose in PLAIN_SECRETS else load_pem_private_key(content, None)
                )


def fingerprint(jwk: dict[str, str]) -> str:
    """The thumbprint of a public key (RFC 7638, SHA-256), in hex: 64 characters."""
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(members.encode()).hexdigest()


def _jwk(kid: str, key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": kid, "x": x}


class Keys:
    """All key rings.

    `session` keys sign access tokens; `evidence` keys sign receipts; `refresh` secrets derive refresh tokens; `nonce`
    secrets derive the nonces of proofs and encrypt cursors of the feed; `factor` secrets encrypt second factors in
    the database.
    """

    def __init__(self, secrets_dir: Path) -> None:
        make_private(secrets_dir)
        self.session = KeyRing(secrets_dir, "session")
        self.evidence = KeyRing(secrets_dir, "evidence")
        self.refresh = KeyRing(secrets_dir, "refresh")
        self.nonce = KeyRing(secrets_dir, "nonce")
        self.factor = KeyRing(secrets_dir, "factor")
