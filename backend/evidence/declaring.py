"""What happens when footage or a paper is declared: one transaction, called by entries.record.

Guarantees: one person's bytes are one recording, whoever brings them; a file that is known already is answered at
once; quotas hold before anything is received, let alone locked.
"""

from datetime import datetime, timedelta
from typing import Any

from backend.database import execute, first
from backend.entries import Occasion, Outcome
from backend.evidence import rules
from backend.evidence.entries import DeclareDocument, DeclareRecording
from backend.refusals import Refusal

UPLOAD = """
INSERT INTO upload (id, kind, owner, organ, declared_by, device, file_name, media_type, state, bytes, sha256,
    part_size, object_key, same_as, declared_at, touched_at, digest_declared)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text, $12, $13, $14, $15, $15, $11::text IS NOT NULL)
"""
RECORDING = """
INSERT INTO recording (id, wearer, organ, camera_serial, camera_offset_ms, correction_ms, camera_started_at,
    started_at, ended_at, key_mark)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
KNOWN = "SELECT id, state, part_size FROM upload WHERE owner = $1 AND kind = $2 AND sha256 = $3 AND same_as IS NULL"
OPEN = """
SELECT count(*) AS uploads, coalesce(sum(bytes), 0) AS bytes FROM upload
WHERE owner = $1 AND state IN ('declared', 'receiving', 'received', 'mismatch')
"""


async def declare_recording(occasion: Occasion, entry: DeclareRecording) -> Outcome:
    """Raises Refusal `not_the_wearer`, `end_before_start`, `time_ahead`, `file_too_large`, `too_many_uploads`."""
    wearer = occasion.actor.person
    if entry.wearer not in (None, wearer):
        raise Refusal("not_the_wearer")
    correction = occasion.timing.skew - timedelta(milliseconds=entry.camera_offset_ms)
    started, ended = (_camera_time(at, correction, occasion) for at in (entry.started_at, entry.ended_at))
    if started is not None and ended is not None and ended < started:
        raise Refusal("end_before_start")
    outcome, is_new = await _declare(occasion, entry, "recording")
    if is_new:
        await execute(
            RECORDING, entry.id, wearer, occasion.actor.organ, entry.camera_serial, entry.camera_offset_ms,
            round(correction / timedelta(milliseconds=1)), entry.started_at, started, ended, entry.key_mark,
        )  # fmt: skip
    return outcome


async def declare_document(occasion: Occasion, entry: DeclareDocument) -> Outcome:
    """Raises Refusal `file_too_large`, `too_many_uploads`."""
    outcome, is_new = await _declare(occasion, entry, "document")
    if is_new:
        await execute(
            "INSERT INTO document (id, person, title) VALUES ($1, $2, $3)",
            entry.id, occasion.actor.person, entry.title,
        )  # fmt: skip
    return outcome


async def _declare(occasion: Occasion, entry: DeclareRecording | DeclareDocument, kind: str) -> tuple[Outcome, bool]:
    law, actor = occasion.law, occasion.actor
    if entry.bytes is not None and entry.bytes > law.count("file_ceiling"):
        raise Refusal("file_too_large")
    known = await first(KNOWN, actor.person, kind, entry.sha256)
    if known is None:
        await _within_quota(occasion, entry.bytes or 0)
    size = rules.part_size(entry.bytes, law.count("part_floor"), law.count("parts_ceiling"))
    received = occasion.timing.received_at
    await execute(
        UPLOAD, entry.id, kind, actor.person, actor.organ, actor.person, actor.device, entry.file_name,
        entry.media_type, "declared" if known is None else "same_as", entry.bytes, entry.sha256, size,
        f"{kind}/{received:%Y/%m}/{entry.id}", known and known["id"], received,
    )  # fmt: skip
    standing = {
        "id": str(entry.id),
        "state": known["state"] if known else "declared",
        "part_size": known["part_size"] if known else size,
        "same_as": str(known["id"]) if known else None,
    }
    subjects = [entry.id, actor.person, *([known["id"]] if known else [])]
    return Outcome(subject={"upload": standing}, subjects=subjects, organ=actor.organ), known is None


async def _within_quota(occasion: Occasion, size: int) -> None:
    row: Any = await first(OPEN, occasion.actor.person)
    law = occasion.law
    too_many = row["uploads"] >= law.count("open_uploads_ceiling")
    if too_many or row["bytes"] + size > law.count("unsealed_bytes_ceiling"):
        raise Refusal("too_many_uploads")


def _camera_time(told: datetime | None, correction: timedelta, occasion: Occasion) -> datetime | None:
    if told is None:
        return None
    return corrected(told, correction, occasion.timing.received_at + occasion.law.span("clock_skew_tolerance"))


def corrected(told: datetime, correction: timedelta, latest: datetime) -> datetime:
    """A camera's time by the server's clock. Raises Refusal `time_ahead`, `time_out_of_range`."""
    try:
        at = told + correction
        ahead = at > latest
    except OverflowError:
        raise Refusal("time_out_of_range") from None
    if ahead:
        raise Refusal("time_ahead")
    if at.year < 2000:
        raise Refusal("time_out_of_range")
    return at
