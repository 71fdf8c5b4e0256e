"""Proofs that a request comes from a certain device: DPoP (RFC 9449), with a digest of the body.

Guarantees: only ES256 with a public P-256 key. A proof is good for one method, one path, one body and one token, once,
and not longer than the server's nonce in it. The device's clock is not trusted: `iat` must be present and may have any
value. Reading a proof touches no database; whoever looks up the actor checks that it is used once.

Of `htu`, the path is always compared: behind a proxy the server does not know the name it was called by. Scheme and
host are compared where the settings give the public address. Query and fragment are not compared (RFC 9449 §4.3).
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from backend.core.keys import KeyRing
from backend.core.refusals import Refusal
from backend.law.catalogue import law

PROOF_ALGORITHM, PROOF_TYPE, CURVE, KTY = "ES256", "dpop+jwt", "P-256", "EC"
PROOF_CEILING = 4096  # characters
KEYS_CEILING = 20_000  # devices remembered
COORDINATE = 32  # bytes
DEFAULT_PORTS = {"http": 80, "https": 443}
ES256 = ECAlgorithm(ECAlgorithm.SHA256)
Short = Annotated[str, msgspec.Meta(max_length=100)]


class Jwk(msgspec.Struct, frozen=True, kw_only=True):
    """A device's public key (RFC 7517), P-256. Other members are ignored."""

    kty: Annotated[str, msgspec.Meta(max_length=100, description="`EC`")]
    crv: Annotated[str, msgspec.Meta(max_length=100, description="`P-256`")]
    x: Annotated[str, msgspec.Meta(max_length=100, description="x coordinate: 32 bytes, base64url")]
    y: Annotated[str, msgspec.Meta(max_length=100, description="y coordinate: 32 bytes, base64url")]
    d: Annotated[
        Any, msgspec.Meta(description="must be absent: a private key is refused", extra_json_schema={"not": {}})
    ] = None

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key. Raises Refusal `key_unfit` where it is private, of another curve, or no point on the curve."""
        if (self.kty, self.crv, self.d) != (KTY, CURVE, None):
            raise Refusal("key_unfit")
        try:
            x, y = (int.from_bytes(_coordinate(text)) for text in (self.x, self.y))
            return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        except ValueError as error:
            raise Refusal("key_unfit") from error

    def public(self) -> dict[str, str]:
        """The members that define the key."""
        return {"crv": self.crv, "kty": self.kty, "x": self.x, "y": self.y}

    @property
    def thumbprint(self) -> str:
        """The thumbprint of the key (RFC 7638)."""
        return digest(msgspec.json.encode(self.public(), order="sorted"))


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a valid proof. `aging`: its nonce expires soon, so the answer brings a new one."""

    jkt: str
    jti: str
    body_sha256: str | None
    aging: bool

    @property
    def id(self) -> UUID:
        """A digest of key and jti."""
        return UUID(bytes=hashlib.sha256(f"{self.jkt} {self.jti}".encode()).digest()[:16])

    def covers(self, body: bytes) -> None:
        """Check the digest of the body as it was sent. Raises Refusal `proof_elsewhere`."""
        if self.body_sha256 != (digest(body) if body else None):
            raise Refusal("proof_elsewhere")


class _Header(msgspec.Struct, frozen=True):
    typ: str
    alg: str
    jwk: Jwk
    crit: Any = None


class _Claims(msgspec.Struct, frozen=True):
    htm: str
    htu: str
    iat: float
    jti: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    nonce: str = ""
    ath: str = ""
    body_sha256: str | None = None


_headers, _claims = msgspec.json.Decoder(_Header), msgspec.json.Decoder(_Claims)


class Nonces:
    """The server's nonces: an HMAC of a time window, the same on every worker, so none is stored.

    A window is half of a nonce's life. A nonce is valid in its own window, in the next one, and in the one before,
    because another server's clock may be a little ahead.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def fresh(self, now: datetime) -> str:
        """The nonce of the current window."""
        kid, key = self._ring.newest()
        return _nonce(kid, key, _window(now))

    def age(self, nonce: str, now: datetime) -> int | None:
        """How many windows ago the nonce was made; None where it is not ours or too old."""
        kid, _, rest = nonce.partition(".")
        key, (number, _, _) = self._ring.get(kid), rest.partition(".")
        if key is None or not (number.isascii() and number.isdigit() and len(number) < 20):
            return None
        age = _window(now) - int(number)
        if not -1 <= age <= 1:
            return None
        is_ours = hmac.compare_digest(nonce.encode(), _nonce(kid, key, int(number)).encode())
        return age if is_ours else None


class ProofReader:
    """Checks proofs. The key of a device with a valid token is imported once, in bounded memory.

    Nothing is remembered of anybody else: a stranger may sign any number of proofs by keys of their own.
    """

    def __init__(self, ring: KeyRing, public_url: str | None = None) -> None:
        self.nonces = Nonces(ring)
        self._origin = None if public_url is None else _origin(public_url)
        self._known: dict[str, ec.EllipticCurvePublicKey] = {}  # by thumbprint
        self._headers: dict[str, str] = {}  # the thumbprint of each known key, by the header that first brought it

    def read(
        self, proof: str, method: str, path: str, now: datetime, token: str | None = None, bound_to: str | None = None
    ) -> Proof:
        """Check a proof for this request. `path`: as the server decoded it.

        `bound_to`: the thumbprint in a token whose signature is valid; its key is remembered, once a proof is right.
        Raises Refusal `proof_invalid`, `proof_elsewhere`, `use_dpop_nonce`.
        """
        try:
            signed, _, signature = proof.rpartition(".")
            header, _, payload = signed.partition(".")
            if len(proof) > PROOF_CEILING:
                raise Refusal("proof_invalid")
            jkt, key = self._key_of(header)
            claims = _claims.decode(decoded(payload))
            age = self.nonces.age(claims.nonce, now)
            if age is None:
                raise Refusal("use_dpop_nonce")
            if not ES256.verify(signed.encode(), key, decoded(signature)):
                raise Refusal("proof_invalid")
            scheme_host, proof_path = _split(claims.htu)
        except (msgspec.MsgspecError, ValueError, jwt.PyJWTError) as error:
            raise Refusal("proof_invalid") from error
        if claims.htm != method or proof_path != path or self._origin not in (None, scheme_host):
            raise Refusal("proof_elsewhere")
        if token is not None and not hmac.compare_digest(claims.ath.encode(), digest(token.encode()).encode()):
            raise Refusal("proof_invalid")
        if jkt == bound_to and jkt not in self._known:
            if len(self._known) >= KEYS_CEILING:
                self._known.clear()
                self._headers.clear()
            self._known[jkt], self._headers[header] = key, jkt
        return Proof(jkt=jkt, jti=claims.jti, body_sha256=claims.body_sha256, aging=age > 0)

    def _key_of(self, header: str) -> tuple[str, ec.EllipticCurvePublicKey]:
        """Thumbprint and key of a header. Raises Refusal `proof_invalid`, ValueError, msgspec.MsgspecError."""
        if (known := self._headers.get(header)) is not None:
            return known, self._known[known]
        jwk = _jwk(header)
        jkt = jwk.thumbprint
        return jkt, self._known.get(jkt) or _imported(jwk)


def _jwk(text: str) -> Jwk:
    """The key in a header. Raises Refusal `proof_invalid`, ValueError, msgspec.MsgspecError."""
    header = _headers.decode(decoded(text))
    if (header.typ, header.alg, header.crit, header.jwk.d) != (PROOF_TYPE, PROOF_ALGORITHM, None, None):
        raise Refusal("proof_invalid")
    return header.jwk


def _imported(jwk: Jwk) -> ec.EllipticCurvePublicKey:
    """The key, ready to verify. Raises Refusal `proof_invalid`."""
    try:
        return jwk.public_key()
    except Refusal as refusal:
        raise Refusal("proof_invalid") from refusal


def digest(content: bytes) -> str:
    """SHA-256 in base64url, the form of thumbprints, `ath` and `body_sha256`."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Decode base64url without padding (RFC 7515), strictly. Raises ValueError."""
    if "=" in text or "+" in text or "/" in text:
        raise binascii.Error("not base64url")
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _coordinate(text: str) -> bytes:
    """Decode 32 bytes, in their only base64url spelling, so that a key has one thumbprint. Raises ValueError."""
    coordinate = decoded(text)
    if len(coordinate) != COORDINATE or base64.urlsafe_b64encode(coordinate).rstrip(b"=").decode() != text:
        raise ValueError("not a coordinate")
    return coordinate


def _window(now: datetime) -> int:
    return int(now.timestamp() * 2 / law().span("proof_nonce_life").total_seconds())


@lru_cache(maxsize=8)  # the windows that are valid now, of a few keys: nobody else is asked about
def _nonce(kid: str, key: bytes, window: int) -> str:
    mac = hmac.digest(key, b"nonce %d" % window, hashlib.sha256)[:16].hex()
    return f"{kid}.{window}.{mac}"


def _split(htu: str) -> tuple[tuple[str, str, int | None], str]:
    """The origin (scheme, host, port) and the path. Raises ValueError."""
    return _origin(htu), unquote(urlsplit(htu).path, errors="strict")


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme)
