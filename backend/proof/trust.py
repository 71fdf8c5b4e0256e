"""Decide whose signatures count: keys that the reader trusts by fingerprint, and the keys they endorse. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any

import jwt
import msgspec
from jwt.utils import base64url_decode, base64url_encode

from backend.core.keys import ALGORITHM, ENDORSEMENT_TYPE, fingerprint

PublicJwk = dict[str, str]


class KeySet(msgspec.Struct, frozen=True, kw_only=True):
    """Public keys, and the endorsements by which one key vouches for another."""

    keys: Annotated[list[PublicJwk], msgspec.Meta(description="public keys as JSON Web Keys (RFC 7517)")]
    endorsements: Annotated[
        list[str],
        msgspec.Meta(description="JWS in which an evidence key endorses others: who trusts one may trust these too"),
    ] = []


class BadSignature(Exception):
    """The token is not signed by one of the keys, or is of another type."""


def claims_of(token: str, keys: Mapping[str, PublicJwk], typ: str) -> dict[str, Any]:
    """The claims of a compact JWS of this type, after its signature was verified. Raises BadSignature.

    `keys`: by kid; the header of the token names the kid.
    """
    try:
        if any(base64url_encode(base64url_decode(part)).decode() != part for part in token.split(".")):
            raise BadSignature("it has characters that say nothing")  # a decoder passes over them
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


def by_kid(keys: Iterable[PublicJwk]) -> dict[str, PublicJwk]:
    return {key["kid"]: key for key in keys}


def trusted_keys(known: KeySet, fingerprints: Collection[str]) -> dict[str, PublicJwk]:
    """The trusted keys by kid: those with one of these fingerprints, and the keys they endorse, directly or not."""
    keys = by_kid(known.keys)
    fingerprint_of = {kid: fingerprint(key) for kid, key in keys.items()}
    trusted = {kid for kid, own in fingerprint_of.items() if own in fingerprints}
    while True:
        endorsed = {each for token in known.endorsements for each in _endorsed(token, keys, trusted)}
        more = {kid for kid, own in fingerprint_of.items() if own in endorsed} - trusted
        if not more:
            return {kid: keys[kid] for kid in trusted}
        trusted |= more


def _endorsed(token: str, keys: Mapping[str, PublicJwk], trusted: Collection[str]) -> list[str]:
    """Fingerprints that this token endorses; none if no trusted key signed it."""
    try:
        return list(claims_of(token, {kid: keys[kid] for kid in trusted}, ENDORSEMENT_TYPE)["keys"])
    except (BadSignature, KeyError, TypeError):
        return []
