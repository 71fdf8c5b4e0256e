"""A time code (对时码): a QR that a handheld shows and a recorder films. Written, read, and judged. Pure.

Its text is `FJ:` and Base45 (RFC 9285) of 52 bytes and a signature of 64, so that it fits a QR of 45 modules:
version (1: signed by the server's evidence key, Ed25519; 2: by the device's key, ECDSA P-256 over SHA-256, r and s),
time in milliseconds since 1970 (6), wearer (16), shift (16, zeros: none), signing key (9: the first bytes of its
RFC 7638 SHA-256 thumbprint), age of the device's last server time in seconds (4; 0 in version 1).
Signed is DOMAIN and the 52 bytes, so that no other signature of these keys is a time code, nor any of these another.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import msgspec

PREFIX = "FJ:"
DOMAIN = b"fujing-timecode\x00"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
SERVER, DEVICE = 1, 2
MARK, PAYLOAD, SIGNATURE = 9, 52, 64  # bytes
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_SHIFT = UUID(int=0)
OLDEST_AGE = 2**32 - 1
CodeStanding = Literal[
    "proves", "timecode_forged", "timecode_revoked", "timecode_of_another", "timecode_stale", "timecode_ahead",
    "timecode_replayed", "timecode_contested",
]  # fmt: skip


class Timecode(NamedTuple):
    """What a code says. `mark`: the first bytes of the thumbprint of the key that signed it. `age`: see the module."""

    version: int
    at: datetime
    wearer: UUID
    shift: UUID | None
    mark: bytes
    age: timedelta
    signed: bytes
    signature: bytes = b""


def payload(
    version: int, at: datetime, wearer: UUID, shift: UUID | None, mark: bytes, age: timedelta = timedelta()
) -> bytes:
    """The 52 bytes of a code. `at`: the server's time, or the device's estimate of it."""
    moment = (at - EPOCH) // timedelta(milliseconds=1)
    seconds = min(max(0, age // timedelta(seconds=1)), OLDEST_AGE)
    return b"".join((
        bytes([version]), moment.to_bytes(6), wearer.bytes, (shift or NO_SHIFT).bytes, mark[:MARK], seconds.to_bytes(4),
    ))  # fmt: skip


def text_of(content: bytes, signature: bytes) -> str:
    """The text of the QR."""
    return PREFIX + _base45(content + signature)


def read(text: str) -> Timecode | None:
    """What a text says, not verified yet; None where it is no time code."""
    content = _from_base45(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else None
    if content is None or len(content) != PAYLOAD + SIGNATURE or content[0] not in (SERVER, DEVICE):
        return None
    try:
        at = EPOCH + timedelta(milliseconds=int.from_bytes(content[1:7]))
    except OverflowError:
        return None
    shift = UUID(bytes=content[23:39])
    return Timecode(
        version=content[0], at=at, wearer=UUID(bytes=content[7:23]), shift=None if shift == NO_SHIFT else shift,
        mark=content[39:48], age=timedelta(seconds=int.from_bytes(content[48:52])), signed=DOMAIN + content[:PAYLOAD],
        signature=content[PAYLOAD:],
    )  # fmt: skip


class FoundCode(msgspec.Struct, frozen=True):
    """A QR text of our kind that the probe found in a film, at which moment of it and frame."""

    text: Annotated[str, msgspec.Meta(max_length=400)]
    at_ms: Annotated[int, msgspec.Meta(ge=0, le=366 * 86_400_000)]
    frame: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Sighting(NamedTuple):
    """A code in a film: at which moment from its first frame, and the number of the frame."""

    code: Timecode
    text: str
    position: timedelta
    frame: int

    @property
    def start(self) -> datetime | None:
        """When the film began if the code was shown when it was made; None where that is no time."""
        try:
            return self.code.at - self.position
        except OverflowError:
            return None


class CodeFacts(NamedTuple):
    """What is known of a code that was found in a film.

    `signed`: the key that it names made the signature; of a device's key, the wearer had a session with it then.
    `revoked`: the device whose key signed was revoked by now. `offset`: the camera's clock minus the code's; None: the
    camera tells no time. `told_offset`: the same as somebody told it. `proved_offset`: the same as another film of this
    camera proved it last. `seen_elsewhere`: another film of this camera shows the same code; `elsewhere`: its offset.
    """

    signed: bool
    revoked: bool
    wearer: UUID
    had_by: datetime
    offset: timedelta | None = None
    told_offset: timedelta = timedelta()
    proved_offset: timedelta | None = None
    seen_elsewhere: bool = False
    elsewhere: timedelta | None = None
    clock_in_doubt: bool = False


def judge_code(found: Sighting, facts: CodeFacts, *, stale: timedelta, tolerance: timedelta) -> CodeStanding:
    """Whether a code proves when the film began, or why not.

    A code is a picture: it can be filmed again. So it counts for its wearer alone, is never later than the film, and
    must agree with what the camera's own clock ran since it was last compared, or with what was told of that clock;
    else it is contested, and counts for nothing until a person decides.
    `stale`: a device's own code counts while its last server time is not older.
    """
    code = found.code
    if not facts.signed:
        return "timecode_forged"
    if facts.revoked:
        return "timecode_revoked"
    if code.wearer != facts.wearer:
        return "timecode_of_another"
    if found.start is None or code.at > facts.had_by + tolerance:
        return "timecode_ahead"
    if code.version == DEVICE and code.age > stale:
        return "timecode_stale"
    if facts.seen_elsewhere and not _ran_on(facts, tolerance):
        return "timecode_replayed"
    if facts.offset is None or facts.clock_in_doubt:
        return "proves"
    known = [facts.told_offset, facts.proved_offset]
    agrees = any(each is not None and abs(each - facts.offset) <= tolerance for each in known)
    return "proves" if facts.proved_offset is None or agrees else "timecode_contested"


def _ran_on(facts: CodeFacts, tolerance: timedelta) -> bool:
    """Whether the camera's clock ran on from one film to the other: then both show the code at the same moment."""
    if facts.offset is None or facts.elsewhere is None or facts.clock_in_doubt:
        return False
    return abs(facts.elsewhere - facts.offset) <= tolerance


def _base45(content: bytes) -> str:
    """Base45 of bytes: three characters for two bytes, two for a last one."""
    text = []
    for at in range(0, len(content), 2):
        pair = content[at : at + 2]
        rest = int.from_bytes(pair)
        for _ in range(len(pair) + 1):
            rest, digit = divmod(rest, 45)
            text.append(ALPHABET[digit])
    return "".join(text)


def _from_base45(text: str) -> bytes | None:
    """The bytes; None where the text is no Base45."""
    content = bytearray()
    try:
        for at in range(0, len(text), 3):
            digits = [ALPHABET.index(each) for each in text[at : at + 3]]
            number = sum(digit * 45**place for place, digit in enumerate(digits))
            content += number.to_bytes(len(digits) - 1)
    except (ValueError, OverflowError):
        return None
    return bytes(content)
