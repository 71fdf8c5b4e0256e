"""Read how it is known when footage began, and make a time code for a handheld to show.

The caller has checked that the recording may be seen.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import segno

from backend.core.database import fetch, value
from backend.core.keys import Keys
from backend.core.paging import as_row
from backend.core.verb import Actor
from backend.evidence.starts import timecodes
from backend.evidence.starts.rules import Candidate
from backend.evidence.starts.schemas import (
    CorrectionTold,
    RecordingStart,
    StartTold,
    TimecodeShown,
    TimecodeToShow,
)
from backend.law.catalogue import law

TELLINGS = "SELECT * FROM film_start WHERE upload = $1 ORDER BY id"
TIMECODES = "SELECT * FROM film_timecode WHERE upload = $1 ORDER BY id"
CORRECTIONS = """
SELECT c.id, c.by_person, p.badge, c.at, c.value, c.words FROM time_correction c JOIN person_now p ON p.id = c.by_person
WHERE c.recording = $1 ORDER BY c.at, c.id
"""
OPEN_SHIFT = (
    "SELECT id FROM shift WHERE person = $1 AND in_force AND during @> $2::timestamptz ORDER BY started_at LIMIT 1"
)


async def start_of(recording: UUID) -> RecordingStart | None:
    """Every telling of when this footage began; None where nobody told, as of bytes kept under another id."""
    rows = await fetch(TELLINGS, recording)
    chosen = next((row for row in reversed(rows) if row["chosen"]), None)
    if chosen is None:
        return None
    tellings = [as_row(StartTold, {**dict(row), "counts": row["id"] == chosen["id"]}) for row in rows]
    return RecordingStart(
        value=chosen["value"], source=chosen["source"], doubtful=any(_stays_doubtful(row, chosen) for row in rows),
        why=chosen["why"], candidates=_candidates(rows), tellings=tellings,
        timecodes=[as_row(TimecodeShown, row) for row in await fetch(TIMECODES, recording)],
        corrections=[as_row(CorrectionTold, row) for row in await fetch(CORRECTIONS, recording)],
    )  # fmt: skip


def _stays_doubtful(row: Any, chosen: Any) -> bool:
    """Whether this telling is the one that counts, or a later one against it, and is in doubt."""
    return bool(row["doubtful"]) and row["id"] >= chosen["id"]


def _candidates(rows: Any) -> list[Candidate]:
    """Those of the newest weighing."""
    listed = next((row["candidates"] for row in reversed(rows) if row["candidates"] != "[]"), "[]")
    return msgspec.json.decode(listed, type=list[Candidate])


async def timecode(keys: Keys, actor: Actor, now: datetime) -> TimecodeToShow:
    """A code of this moment for the actor and their open shift, signed by the evidence key."""
    shift = await value(OPEN_SHIFT, actor.person, now)
    mark = keys.evidence.mark(timecodes.MARK)
    content = timecodes.payload(timecodes.SERVER, now, actor.person, shift, mark)
    text = timecodes.text_of(content, keys.evidence.sign_bytes(timecodes.DOMAIN + content))
    at = timecodes.read(text)
    assert at is not None  # noqa: S101 - for the type checker
    return TimecodeToShow(
        text=text, svg=segno.make(text, error="m", boost_error=False).svg_inline(scale=4), at=at.at,
        wearer=actor.person, shift=shift, renew_after_ms=int(law().span("timecode_renewed").total_seconds() * 1000),
    )  # fmt: skip
