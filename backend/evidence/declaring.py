"""What happens when footage or a paper is declared: one transaction, called by entries.record.

Guarantees: one person's bytes are one recording, whoever brings them; a file that is known already is answered at
once; quotas hold before anything is received, let alone locked. Nobody declares footage of another but a docking
station, for the wearers of its organ and those below it; the footage is then the wearer's, and of the wearer's organ.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from backend.core.database import execute, fetch, first
from backend.core.findings import Touched
from backend.core.refusals import Refusal
from backend.core.verb import Actor, Occasion, Outcome
from backend.evidence import rules
from backend.evidence.schemas import DeclareDocument, DeclareRecording
from backend.people.directory import DOCK, wearer_under

UPLOAD = """
INSERT INTO upload (id, kind, owner, organ, declared_by, device, file_name, media_type, state, bytes, sha256,
    part_size, object_key, same_as, declared_at, touched_at, digest_declared)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text, $12, $13, $14, $15, $15, $11::text IS NOT NULL)
"""
RECORDING = """
INSERT INTO recording (id, wearer, organ, camera_serial, camera_offset_ms, correction_ms, camera_started_at,
    started_at, ended_at, key_mark, time_source)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
KNOWN = "SELECT id, state, part_size FROM upload WHERE owner = $1 AND kind = $2 AND sha256 = $3 AND same_as IS NULL"
OPEN = """
SELECT count(*) AS uploads, coalesce(sum(bytes), 0) AS bytes FROM upload
WHERE owner = $1 AND state IN ('declared', 'receiving', 'received', 'mismatch')
"""
LED = "SELECT DISTINCT auxiliary FROM supervision WHERE officer = $1 AND during && tstzrange($2, $3)"


class Owner(msgspec.Struct, frozen=True):
    """Whose the bytes are, and which organ answers for them."""

    person: UUID
    organ: str


async def the_wearer(actor: Actor, entry: DeclareRecording) -> Iterable[UUID]:
    """Whom a declaration concerns: the actor, the wearer, and who named the wearer as leading while the camera ran.

    Not only whom they led: a shift that arrives at this very moment may make it so.
    """
    wearer = entry.wearer if actor.kind == DOCK and entry.wearer is not None else actor.person
    if actor.kind not in (DOCK, "officer") or not _in_order(entry):
        return {actor.person, wearer}
    led = await fetch(LED, wearer, entry.started_at, entry.ended_at)
    return {actor.person, wearer, *(row["auxiliary"] for row in led)}


async def declare_recording(occasion: Occasion, entry: DeclareRecording) -> Outcome:
    """Raises Refusal `not_the_wearer`, of a dock `wearer_missing`, `unknown_wearer`; `end_before_start`, `time_ahead`,
    `time_out_of_range`, `file_too_large`, `too_many_uploads`.
    """
    owner = await _wearer(occasion.actor, entry.wearer)
    correction = occasion.timing.skew - timedelta(milliseconds=entry.camera_offset_ms)
    started = _camera_time(entry.started_at, correction, occasion)
    ended = None if entry.ended_at is None else _camera_time(entry.ended_at, correction, occasion)
    if ended is not None and ended < started:
        raise Refusal("end_before_start")
    outcome, is_new = await _declare(occasion, entry, "recording", owner)
    if is_new:
        await execute(
            RECORDING, entry.id, owner.person, owner.organ, entry.camera_serial, entry.camera_offset_ms,
            round(correction / timedelta(milliseconds=1)), entry.started_at, started, ended, entry.key_mark,
            entry.time_source,
        )  # fmt: skip
        return msgspec.structs.replace(outcome, touches=Touched([owner.person], started, ended))
    return outcome


async def declare_document(occasion: Occasion, entry: DeclareDocument) -> Outcome:
    """Raises Refusal `file_too_large`, `too_many_uploads`."""
    owner = Owner(occasion.actor.person, occasion.actor.organ)
    outcome, is_new = await _declare(occasion, entry, "document", owner)
    if is_new:
        await execute(
            "INSERT INTO document (id, person, title) VALUES ($1, $2, $3)",
            entry.id, owner.person, entry.title,
        )  # fmt: skip
    return outcome


async def _wearer(actor: Actor, told: UUID | None) -> Owner:
    """Whose footage it is: one's own, or of whom a docking station names."""
    if actor.kind != DOCK:
        if told not in (None, actor.person):
            raise Refusal("not_the_wearer")
        return Owner(actor.person, actor.organ)
    if told is None:
        raise Refusal("wearer_missing")
    wearer = await wearer_under(actor.organ, told)
    if wearer is None:
        raise Refusal("unknown_wearer")
    return Owner(wearer["id"], wearer["organ"])


def _in_order(entry: DeclareRecording) -> bool:
    """Whether the times make an interval that the database can be asked about; the others are refused later."""
    started, ended = entry.started_at, entry.ended_at or entry.started_at
    return 1900 <= started.year <= ended.year < 9000 and started <= ended


async def _declare(
    occasion: Occasion, entry: DeclareRecording | DeclareDocument, kind: str, owner: Owner
) -> tuple[Outcome, bool]:
    law, actor = occasion.law, occasion.actor
    if entry.bytes is not None and entry.bytes > law.count("file_ceiling"):
        raise Refusal("file_too_large")
    known = await first(KNOWN, owner.person, kind, entry.sha256)
    if known is None:
        await _within_quota(occasion, owner.person, entry.bytes or 0)
    size = rules.part_size(entry.bytes, law.count("part_floor"), law.count("parts_ceiling"))
    received = occasion.timing.received_at
    await execute(
        UPLOAD, entry.id, kind, owner.person, owner.organ, actor.person, actor.device, entry.file_name,
        entry.media_type, "declared" if known is None else "same_as", entry.bytes, entry.sha256, size,
        f"{kind}/{received:%Y/%m}/{entry.id}", known and known["id"], received,
    )  # fmt: skip
    standing = {
        "id": str(entry.id),
        "state": known["state"] if known else "declared",
        "part_size": known["part_size"] if known else size,
        "same_as": str(known["id"]) if known else None,
    }
    subjects = [entry.id, owner.person, *([known["id"]] if known else [])]
    return Outcome(subject={"upload": standing}, subjects=subjects, organ=owner.organ), known is None


async def _within_quota(occasion: Occasion, owner: UUID, size: int) -> None:
    row: Any = await first(OPEN, owner)
    law = occasion.law
    too_many = row["uploads"] >= law.count("open_uploads_ceiling")
    if too_many or row["bytes"] + size > law.count("unsealed_bytes_ceiling"):
        raise Refusal("too_many_uploads")


def _camera_time(told: datetime, correction: timedelta, occasion: Occasion) -> datetime:
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
