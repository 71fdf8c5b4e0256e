"""The cursor of the change feed: how far a reader has come, encrypted.

Guarantees: a cursor tells nobody how many lines others wrote: it is always of the same length and never the same twice.
Cursors that an older program sent unencrypted are read too. Source: DESIGN §11.8; docs/adr/0018.
"""

import base64
import functools
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backend.core.journal import Position
from backend.core.paging import invalid_parameter

VERSION = 1
PACKED = struct.Struct(">BIQQIQ12s")  # 45 bytes; an older program sent them as they are, in 60 letters
MARK, NONCE, TAG = b"\x02\x01", 12, 16  # how an encrypted cursor begins (100 letters, no padding); bytes of AES-GCM
LARGEST = 2**63 - 1
ELSEWHERE = PACKED.pack(VERSION, 0, 0, 0, 1, 0, bytes(12))  # a line that no journal has
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CursorCipher:
    """Encrypts under keys made from the secrets of the house. `secrets`: newest first; the first one encrypts."""

    def __init__(self) -> None:
        only_here = secrets.token_bytes(32)
        self.secrets: Callable[[], Sequence[bytes]] = lambda: (only_here,)

    def encrypt(self, plain: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return MARK + nonce + _cipher(self.secrets()[0]).encrypt(nonce, plain, MARK)

    def decrypt(self, raw: bytes) -> bytes | None:
        """The packed cursor; None where no key of this house encrypted it."""
        nonce, encrypted = raw[len(MARK) :][:NONCE], raw[len(MARK) :][NONCE:]
        for secret in self.secrets():
            with suppress(InvalidTag):
                return _cipher(secret).decrypt(nonce, encrypted, MARK)
        return None


@functools.cache
def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, b"fujing feed cursor", hashlib.sha256))


CIPHER = CursorCipher()  # of this process; the application gives it the secrets of the house


class FeedCursor(NamedTuple):
    """How far a reader has come.

    `position` and `check`: the last line read, and a checksum of its bytes. `at`: when it was read. `scope_print`: a
    digest of what the reader could see then. A cursor gives no rights, because each call checks again what the person
    may see. It is encrypted only because the position counts what everybody wrote.
    """

    position: Position
    check: int
    at: datetime
    scope_print: bytes

    def text(self) -> str:
        """As text for the client: encrypted under a new nonce, always of the same length."""
        micros = (self.at - EPOCH) // timedelta(microseconds=1)
        plain = PACKED.pack(VERSION, *self.position, self.check, micros, self.scope_print)
        return base64.urlsafe_b64encode(CIPHER.encrypt(plain)).decode()

    @classmethod
    def read(cls, text: str) -> "FeedCursor":
        """Decode a cursor; of one that another house encrypted the position is unknown. Raises Refusal `invalid`."""
        try:
            raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
            if raw.startswith(MARK) and len(raw) == len(MARK) + NONCE + PACKED.size + TAG:
                raw = CIPHER.decrypt(raw) or ELSEWHERE
            version, epoch, xid, seq, check, micros, scope_print = PACKED.unpack(raw)
            if version != VERSION or max(xid, seq) > LARGEST:
                raise ValueError(version)
            return cls(Position(epoch, xid, seq), check, EPOCH + timedelta(microseconds=micros), scope_print)
        except (ValueError, OverflowError, struct.error):
            raise invalid_parameter("after", "not one of ours") from None
