"""Whose signatures count: keys that the reader trusts by fingerprint, and those that these vouch for. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import jwt
import msgspec

from backend.core.keys import ALGORITHM, ENDORSEMENT_TYPE, fingerprint

Jwk = dict[str, str]


class KeySet(msgspec.Struct, frozen=True, kw_only=True):
    """Public keys as JWKs (RFC 7517), and the endorsements by which they vouch for each other."""

    keys: list[Jwk]
    endorsements: list[str] = []


class BadSignature(Exception):
    """Not signed by a key of the set, or not for this purpose."""


def read(token: str, keys: Mapping[str, Jwk], typ: str) -> dict[str, Any]:
    """The claims of a compact JWS of this type, by the key that it names. Raises BadSignature."""
    try:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != typ:
            raise BadSignature(f"not a {typ}")
        key = keys[header["kid"]]
        claims: dict[str, Any] = jwt.decode(token, jwt.PyJWK(key).key, algorithms=[ALGORITHM])
    except KeyError as error:
        raise BadSignature("signed by a key that is not known") from error
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise BadSignature(f"the signature does not verify: {error}") from error
    return claims


def by_kid(keys: Iterable[Jwk]) -> dict[str, Jwk]:
    return {key["kid"]: key for key in keys}


def trusted(known: KeySet, fingerprints: Collection[str]) -> dict[str, Jwk]:
    """The keys that count, by kid: those with one of these fingerprints, and whom they vouch for in turn."""
    keys = by_kid(known.keys)
    prints = {kid: fingerprint(key) for kid, key in keys.items()}
    counted = {kid for kid, own in prints.items() if own in fingerprints}
    while True:
        vouched = {name for token in known.endorsements for name in _vouched(token, keys, counted)}
        more = {kid for kid, own in prints.items() if own in vouched} - counted
        if not more:
            return {kid: keys[kid] for kid in counted}
        counted |= more


def _vouched(token: str, keys: Mapping[str, Jwk], counted: Collection[str]) -> list[str]:
    try:
        return list(read(token, {kid: keys[kid] for kid in counted}, ENDORSEMENT_TYPE)["keys"])
    except (BadSignature, KeyError, TypeError):
        return []
