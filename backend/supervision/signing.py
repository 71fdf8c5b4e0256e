"""The officer's word without a network: a naming, signed by the key of the device that the officer was signed in on.

Guarantees: what is signed names the naming, both persons, the naming's own time and the officer's session, so that it
proves this leading and no other. Only reads; whether the key and the session were the officer's, the caller asks.
"""

from typing import Any
from uuid import UUID

import jwt
import msgspec

from backend.core.refusals import Refusal
from backend.core.wire import Moment

ALGORITHM, TYPE = "ES256", "fujing-leading+jwt"


class Leading(msgspec.Struct, frozen=True):
    """What an officer signs. `occurred_at` is the naming's, by the auxiliary's device; `sid` the officer's session."""

    naming: UUID
    auxiliary: UUID
    officer: UUID
    occurred_at: Moment
    sid: UUID


class Signed(msgspec.Struct, frozen=True):
    """A signature that was read and not yet believed."""

    text: str
    jkt: str
    leading: Leading


def read(text: str) -> Signed:
    """Raises Refusal `leading_not_proved` where it is no such signature at all."""
    try:
        header = jwt.get_unverified_header(text)
        told = jwt.decode(text, options={"verify_signature": False})
        if (header.get("alg"), header.get("typ")) != (ALGORITHM, TYPE) or not isinstance(header.get("kid"), str):
            raise Refusal("leading_not_proved")
        return Signed(text, header["kid"], msgspec.convert(told, Leading))
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
        raise Refusal("leading_not_proved") from error


def verify(signed: Signed, jwk: dict[str, Any]) -> None:
    """Raises Refusal `leading_not_proved` where this key did not sign it."""
    try:
        jwt.decode(signed.text, jwt.PyJWK(jwk, algorithm=ALGORITHM).key, algorithms=[ALGORITHM])
    except jwt.PyJWTError as error:
        raise Refusal("leading_not_proved") from error
