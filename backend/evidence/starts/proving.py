"""Time codes that a film shows: whose key signed them, and what they prove. See timecodes.py for their rules.

Guarantees: every code that was found is kept with its frame's number and with why it proves nothing where it does not;
a code of a revoked device, of another wearer, or filmed again, moves no start.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from backend.core.database import Record, first
from backend.core.journal import utc
from backend.core.keys import Keys
from backend.evidence.starts import timecodes
from backend.evidence.starts.rules import Candidate, Circumstances, Weighed
from backend.evidence.starts.tables import FilmTimecode
from backend.evidence.starts.timecodes import CodeFacts, CodeStanding, FoundCode, Sighting
from backend.law.catalogue import law

MOST_CODES = 20
SIGNER = """
SELECT k.jwk, k.end_reason = 'reinstated' OR d.revoked_at IS NOT NULL AS revoked, EXISTS (
    SELECT FROM session s WHERE s.device_key = k.id AND s.person = $2
        AND s.opened_at <= $3::timestamptz + $4::interval AND $3 < coalesce(s.ended_at, s.ends_at) + $4
) AS had_it
FROM device_key k JOIN device d ON d.id = k.device WHERE starts_with(k.jkt, $1)
"""
PROVED_NEAR = """
SELECT offset_ms FROM film_timecode
WHERE camera_serial = $1 AND upload <> $2 AND standing = 'proves' AND offset_ms IS NOT NULL
    AND shown_at BETWEEN $3::timestamptz - $4::interval AND $3 + $4
ORDER BY abs(extract(epoch FROM shown_at - $3)), id DESC LIMIT 1
"""
ELSEWHERE = """
SELECT offset_ms FROM film_timecode
WHERE digest = $1 AND camera_serial = $2 AND upload <> $3 AND standing = 'proves' ORDER BY id LIMIT 1
"""
MILLISECOND = timedelta(milliseconds=1)


class CodeFound(msgspec.Struct, frozen=True):
    """A code that was judged. `offset`: the camera's clock minus the code's; None: the camera tells no time."""

    sighting: Sighting
    standing: CodeStanding
    offset: timedelta | None


async def judge(
    keys: Keys, row: Record, found: Sequence[FoundCode], weighed: Weighed, around: Circumstances
) -> list[CodeFound]:
    """Judge each code that a film shows; texts that are no code are left out."""
    sightings = [
        Sighting(code, each.text, timedelta(milliseconds=each.at_ms), each.frame)
        for each in found[:MOST_CODES]
        if (code := timecodes.read(each.text)) is not None
    ]
    return [await _judge(keys, row, each, weighed, around) for each in sightings]


async def _judge(keys: Keys, row: Record, seen: Sighting, weighed: Weighed, around: Circumstances) -> CodeFound:
    offset = None if weighed.by_camera is None else weighed.by_camera + seen.position - seen.code.at
    signed, revoked = await _signer(keys, seen)
    other: Any = await first(ELSEWHERE, _digest(seen.text), row["camera_serial"], row["id"])
    facts = CodeFacts(
        signed=signed, revoked=revoked, wearer=row["wearer"], had_by=row["received_at"] or row["declared_at"],
        offset=offset, told_offset=around.offset, proved_offset=await _proved_offset(row, seen),
        seen_elsewhere=other is not None, elsewhere=_milliseconds(other and other["offset_ms"]),
        clock_in_doubt=weighed.doubtful,
    )  # fmt: skip
    terms = law()
    standing = timecodes.judge_code(
        seen, facts, stale=terms.span("timecode_stale"), tolerance=terms.span("clock_skew_tolerance")
    )
    return CodeFound(seen, standing, offset)


async def _signer(keys: Keys, seen: Sighting) -> tuple[bool, bool]:
    """Whether the key that the code names signed it, and whether its device was revoked by now."""
    code = seen.code
    if code.version == timecodes.SERVER:
        return keys.evidence.made(code.mark, code.signed, code.signature), False
    signer: Any = await first(SIGNER, _thumbprint(code.mark), code.wearer, code.at, law().span("clock_skew_tolerance"))
    if signer is None or not signer["had_it"]:
        return False, False
    return _made_by(signer["jwk"], code.signed, code.signature), bool(signer["revoked"])


def _made_by(jwk: str, content: bytes, signature: bytes) -> bool:
    """Whether this P-256 key made the signature: r and s, 32 bytes each."""
    key = jwt.PyJWK(msgspec.json.decode(jwk), algorithm="ES256").key
    encoded = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    try:
        key.verify(encoded, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


async def _proved_offset(row: Record, seen: Sighting) -> timedelta | None:
    """The offset that another film of this camera proved, of those shown near it in time the nearest."""
    near: Any = await first(PROVED_NEAR, row["camera_serial"], row["id"], seen.code.at, law().span("timecode_compared"))
    return _milliseconds(near and near["offset_ms"])


def with_codes(weighed: Weighed, codes: Sequence[CodeFound], around: Circumstances) -> Weighed:
    """The start as the codes prove it; where one that proves nothing contradicts the file, its start is in doubt.

    A code is shown some time after it was made, so of several the latest start is the nearest.
    """
    listed = (*weighed.candidates, *(_candidate(each, start) for each in codes if (start := each.sighting.start)))
    starts = [each.sighting.start for each in codes if each.standing == "proves" and each.sighting.start is not None]
    if starts:
        return Weighed(value=max(starts), source="timecode", doubtful=False, why="timecode", candidates=listed,
                       by_camera=weighed.by_camera)  # fmt: skip
    against = [each for each in codes if _speaks_against(each, weighed, around)]
    if not against:
        return msgspec.structs.replace(weighed, candidates=listed)
    return msgspec.structs.replace(weighed, doubtful=True, why="timecode_doubtful", candidates=listed)


def _speaks_against(found: CodeFound, weighed: Weighed, around: Circumstances) -> bool:
    """Whether a code that proves nothing tells another start. Anybody can draw a code that nobody of ours signed."""
    start = found.sighting.start
    if found.standing == "timecode_forged" or start is None:
        return False
    return weighed.value is None or abs(start - weighed.value) > around.limits.tolerance


def _candidate(found: CodeFound, start: datetime) -> Candidate:
    return Candidate(
        at=start, source="timecode", read_from=f"frame {found.sighting.frame}", how=found.standing,
        agrees=found.standing == "proves",
    )  # fmt: skip


async def keep(row: Record, codes: Sequence[CodeFound], now: datetime) -> None:
    """Keep each code with its frame's number and what it proves."""
    rows = [
        FilmTimecode(
            upload=row["id"], camera_serial=row["camera_serial"], position_ms=each.sighting.position // MILLISECOND,
            frame=each.sighting.frame, shown_at=each.sighting.code.at, signer=_signed_by(each),
            age_s=int(each.sighting.code.age.total_seconds()), wearer=each.sighting.code.wearer,
            shift=each.sighting.code.shift, offset_ms=None if each.offset is None else each.offset // MILLISECOND,
            standing=each.standing, digest=_digest(each.sighting.text), at=now,
        )
        for each in codes
    ]  # fmt: skip
    if rows:
        await FilmTimecode.insert(*rows)


def fact(found: CodeFound) -> dict[str, object]:
    """What the journal says of a code: ids, codes, times and numbers."""
    code, shift = found.sighting.code, found.sighting.code.shift
    return {
        "at": utc(code.at), "frame": found.sighting.frame, "position_ms": found.sighting.position // MILLISECOND,
        "offset_ms": None if found.offset is None else found.offset // MILLISECOND, "wearer": str(code.wearer),
        "shift": None if shift is None else str(shift), "signer": _signed_by(found), "standing": found.standing,
        "sha256": _digest(found.sighting.text),
    }  # fmt: skip


def _signed_by(found: CodeFound) -> str:
    return "server" if found.sighting.code.version == timecodes.SERVER else "device"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _thumbprint(mark: bytes) -> str:
    """The first characters of a device key's thumbprint: base64url, whose groups of four are three bytes."""
    return base64.urlsafe_b64encode(mark).decode()


def _milliseconds(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(milliseconds=count)
