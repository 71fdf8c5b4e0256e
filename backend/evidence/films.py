"""What a film proves: the stretches in which it shows a picture (docs/adr/0044).

Keeps what a probe found, track by track, places it in time, and finds what is wrong with the film. Rows of an earlier
probe stay; those of the highest version count. Sound is kept as sound: it proves no act. Source: 公通字〔2016〕14号.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from asyncpg import Range

from backend.core import findings
from backend.core.database import Record, execute, fetch
from backend.core.findings import Finding
from backend.evidence import rules
from backend.evidence.probing import Probe, ProbedTrack, Stretches
from backend.law.catalogue import law
from storage.probe import VERSION

INSERT_TRACK = """
INSERT INTO film (upload, track, kind, codec, proved, undecoded, jumps, probe_version, probed_at)
VALUES ($1, $2, $3, $4, $5, $6::int8multirange - $5::int8multirange, $7, $8, $9)
"""
SET_LENGTH = "UPDATE recording SET probed_ms = $2, codec = $3 WHERE id = $1"
BY_DURATION = ("not_media", "index_lost", "end_unknown", "duration_disagrees")


async def keep(row: Record, probe: Probe, now: datetime) -> dict[str, Any]:
    """Keep the answer of a probe and what follows from it. `row`: of footage its id, owner, organ, media_type,
    started_at and ended_at.

    Returns facts for the journal. The caller has locked the persons concerned, and refreshes their findings.
    """
    tracks = probe.tracks if probe.media else []
    for number, track in enumerate(tracks):
        await _insert(row["id"], number, track.kind, track, probe.jumps, now)
    if not tracks:
        await _insert(row["id"], 0, "none", None, 0, now)
    await execute(SET_LENGTH, row["id"], probe.duration_ms, probe.codec)
    await _judge_duration(row, probe)
    await place(row["id"], now)
    return {
        "probe_version": VERSION,
        "picture_ms": _length(tracks, "video"),
        "sound_ms": _length(tracks, "audio"),
    }


async def place(upload: UUID, now: datetime) -> list[str]:
    """Set anew what a film proves, from its newest probe and the start of the recording, and what is wrong with it.

    To be called after either is new; then refresh the findings of the time before and after. Returns the codes of the
    film's findings that hold.
    """
    await execute("SELECT place_film($1)", upload)
    rows = await fetch("SELECT judge_film($1, $2, $3) AS kind", upload, now, law().span("gap_tolerance"))
    return [row["kind"] for row in rows]


async def _insert(upload: UUID, number: int, kind: str, track: ProbedTrack | None, jumps: int, now: datetime) -> None:
    codec, proved, undecoded = (None, [], []) if track is None else (track.codec, track.stretches, track.undecoded)
    await execute(
        INSERT_TRACK, upload, number, kind, codec, _ranges(proved), _ranges(undecoded), jumps, VERSION, now,
    )  # fmt: skip


def _ranges(stretches: Stretches) -> list[Any]:
    return [Range(start, end) for start, end in stretches if start < end]


def _length(tracks: list[ProbedTrack], kind: str) -> int:
    """How long the longest track of this kind can be decoded, in milliseconds."""
    return max((sum(end - start for start, end in each.stretches) for each in tracks if each.kind == kind), default=0)


async def _judge_duration(row: Record, probe: Probe) -> None:
    """The finding that the length gives rise to, if any; others of its kind are withdrawn."""
    due = _finding_kind(row, probe)
    for kind in BY_DURATION:
        if kind != due:
            await findings.withdraw(kind, row["id"])
    if due is not None:
        await findings.flag(
            Finding(
                kind=due, subject=row["id"], organ=row["organ"], person=row["owner"],
                started_at=row["started_at"], ended_at=row["ended_at"],
            )
        )  # fmt: skip


def _finding_kind(row: Record, probe: Probe) -> str | None:
    if not row["media_type"].startswith(rules.FILMS):
        return None
    if not probe.media or probe.duration_ms is None:
        return "index_lost" if probe.index_lost else "not_media"
    if row["ended_at"] is None:
        return "end_unknown"
    claimed, probed = row["ended_at"] - row["started_at"], timedelta(milliseconds=probe.duration_ms)
    tolerance, share = law().span("duration_tolerance"), law().count("duration_tolerance_share")
    return "duration_disagrees" if rules.durations_disagree(claimed, probed, tolerance, share) else None
