"""What happens when the key content of footage is described: one transaction, called by entries.record.

公安机关办理行政案件程序规定 55, 86: footage may stand in for a written record if its key content and time spans are
described.

Guarantees: only the wearer and officers who led the wearer while the camera ran describe; no stretch lies beyond the
footage, as far as its end is known; a description is never altered, a later one stands beside it. Words stay in their
table and enter the journal as a salted digest only.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from backend.core.database import Record, execute, first, value
from backend.core.refusals import Refusal, Unknown
from backend.core.verb import Actor, Occasion, Outcome
from backend.evidence.schemas import DescribeRecording
from backend.law.catalogue import Law

KEPT = "SELECT coalesce(same_as, id) FROM upload WHERE id = $1"
WORN = f"SELECT wearer FROM recording WHERE id = ({KEPT})"  # noqa: S608
MAY = f"""
SELECT r.* FROM recording r,
    LATERAL (SELECT tstzrange(r.started_at, coalesce(r.ended_at, r.started_at), '[]') AS during) f
WHERE r.id = ({KEPT}) AND (r.wearer = $2 OR EXISTS (
    SELECT FROM led l WHERE l.auxiliary = r.wearer AND l.officer = $2
        AND l.named && f.during AND l.during && f.during
))
"""  # noqa: S608
DESCRIBED = """
WITH told AS (INSERT INTO recording_description (id, recording, by_person, at) VALUES ($1, $2, $3, $4) RETURNING id)
INSERT INTO recording_key_content (description, position, from_ms, to_ms, words)
SELECT told.id, c.position, c.from_ms, c.to_ms, c.words
FROM told, unnest($5::bigint[], $6::bigint[], $7::text[]) WITH ORDINALITY AS c (from_ms, to_ms, words, position)
"""


async def the_wearer(actor: Actor, entry: Any) -> Iterable[UUID]:
    """Whom a description concerns: the actor and the wearer, who never changes."""
    wearer = await value(WORN, entry.recording)
    return [actor.person] if wearer is None else [actor.person, wearer]


async def describe(occasion: Occasion, entry: DescribeRecording) -> Outcome:
    """Raises Refusal `unknown_recording`, `end_before_start`, `beyond_the_footage`, however late the entry comes."""
    actor = occasion.actor
    row = await first(MAY, entry.recording, actor.person)
    if row is None:
        raise Unknown("unknown_recording", entry.recording)
    _check_spans(entry, _length(row), occasion.law)
    content = entry.content
    await execute(
        DESCRIBED, entry.id, row["id"], actor.person, occasion.at, [piece.from_ms for piece in content],
        [piece.to_ms for piece in content], [piece.words for piece in content],
    )  # fmt: skip
    told = {"recording": str(row["id"]), "stretches": len(content)}
    subjects = list(dict.fromkeys([entry.id, row["id"], row["wearer"]]))
    return Outcome(subject={"described": told}, subjects=subjects, organ=row["organ"])


def _check_spans(entry: DescribeRecording, length: timedelta | None, law: Law) -> None:
    if any(piece.to_ms <= piece.from_ms for piece in entry.content):
        raise Refusal("end_before_start")
    if length is None:
        return
    last = timedelta(milliseconds=max(piece.to_ms for piece in entry.content))
    if last > length + law.span("duration_tolerance"):
        raise Refusal("beyond_the_footage")


def _length(row: Record) -> timedelta | None:
    """What the file itself holds, else what was declared; none while neither is known."""
    if row["probed_ms"] is not None:
        return timedelta(milliseconds=row["probed_ms"])
    return None if row["ended_at"] is None else row["ended_at"] - row["started_at"]
