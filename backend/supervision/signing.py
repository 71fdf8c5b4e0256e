"""Read and verify an officer's confirmation made without a network: a naming signed by the officer's device key.

Guarantees: the signed claims name the supervision, both persons, the naming's time and the officer's session, so they
prove this leading and no other. Nothing is written. The caller checks that key and session belong to the officer.
"""

from typing import Any
from uuid import UUID

import jwt
import msgspec

from backend.core.refusals import Refusal
from backend.core.wire import Moment

ALGORITHM, TYPE = "ES256", "fujing-leading+jwt"


class LeadingClaims(msgspec.Struct, frozen=True):
    """The claims that an officer signs.

    `naming`: id of the supervision. `occurred_at`: of the naming, by the auxiliary's device. `sid`: officer's session.
    """

    naming: UUID
    auxiliary: UUID
    officer: UUID
    occurred_at: Moment
    sid: UUID


class Signed(msgspec.Struct, frozen=True):
    """A signature that was read and is not verified yet. `jkt`: thumbprint of the key that it names."""

    text: str
    jkt: str
    claims: LeadingClaims


def read(text: str) -> Signed:
    """Decode a signature without verifying it. Raises Refusal `leading_not_proved` if it has another form."""
    try:
        header = jwt.get_unverified_header(text)
        claims = jwt.decode(text, options={"verify_signature": False})
        if (header.get("alg"), header.get("typ")) != (ALGORITHM, TYPE) or not isinstance(header.get("kid"), str):
            raise Refusal("leading_not_proved")
        return Signed(text, header["kid"], msgspec.convert(claims, LeadingClaims))
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
        raise Refusal("leading_not_proved") from error


def verify(signed: Signed, jwk: dict[str, Any]) -> None:
    """Check the signature. Raises Refusal `leading_not_proved` if this key did not make it."""
    try:
        jwt.decode(signed.text, jwt.PyJWK(jwk, algorithm=ALGORITHM).key, algorithms=[ALGORITHM])
    except jwt.PyJWTError as error:
        raise Refusal("leading_not_proved") from error
