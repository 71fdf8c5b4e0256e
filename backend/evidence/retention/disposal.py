"""Disposal: footage that is past its term and that nothing holds goes, one by one, and the journal says so.

Guarantees: it is decided under the lock that placing a hold takes, so no hold that stood then is overlooked; the store
lets go of the bytes after that, as often as it takes; receipt, digest and what the footage proved stay. Papers are not
disposed of: accounts and injuries have terms of their own. Source: DESIGN §7; 公通字〔2016〕14号.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from backend.core import findings, journal
from backend.core.database import Record, execute, fetch, first, rows_touched, tx
from backend.core.findings import Finding
from backend.core.journal import utc
from backend.core.refusals import Refusal, Unknown
from backend.evidence.retention.legal_holds import LOCK_OUT_HOLDS
from backend.evidence.sealing import remove_stills
from storage.evidence_store import EvidenceStore, ObjectLocked

PAST_TERM = """
u.kind = 'recording' AND u.state = 'sealed' AND u.disposed_at IS NULL AND u.locked_until < $1 AND NOT u.legal_hold
AND NOT EXISTS (SELECT FROM under_review w WHERE w.recording = u.id)
"""
DUE = f"""
SELECT u.id, u.owner, u.organ, u.bytes, u.sha256, u.locked_until, p.badge, r.started_at
FROM upload u JOIN recording r ON r.id = u.id JOIN person p ON p.id = u.owner 
WHERE {PAST_TERM} AND u.id NOT IN (SELECT h.upload FROM held h) ORDER BY r.started_at, u.id
"""  # noqa: S608
DISPOSE = f"""
UPDATE upload u SET disposed_at = $1
WHERE u.id = $2 AND {PAST_TERM} AND NOT EXISTS (SELECT FROM held h WHERE h.upload = $2)
RETURNING u.id, u.owner, u.organ, u.sha256, u.bytes
"""  # noqa: S608
TO_REMOVE = """
SELECT u.id, u.owner, u.organ, u.object_key, u.version FROM upload u JOIN recording r ON r.id = u.id
WHERE u.disposed_at IS NOT NULL AND u.removed_at IS NULL
"""
REMOVED = "UPDATE upload SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL"
ASKED = """
SELECT u.disposed_at IS NOT NULL AS gone, u.locked_until >= $2 AS in_term,
    u.legal_hold OR u.id IN (SELECT upload FROM held) AS held
FROM upload u WHERE u.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $1)
    AND u.kind = 'recording' AND u.state = 'sealed'
"""


class Disposed(NamedTuple):
    """What a run did: how many it decided on, their bytes, and of how many the store has let go."""

    decided: int
    bytes: int
    removed: int


async def due(now: datetime) -> list[Record]:
    """What is past its term and held by nothing, the oldest first: for a dry run."""
    return list(await fetch(DUE, now))


async def dispose(store: EvidenceStore, now: datetime) -> Disposed:
    """Dispose of everything due. Raises StoreUnavailable; what was decided then is removed by the next run."""
    decided = size = 0
    for row in await due(now):
        if await _decide(row["id"], now):
            decided, size = decided + 1, size + row["bytes"]
    return Disposed(decided, size, await follow(store, now))


async def dispose_one(store: EvidenceStore, upload: UUID, now: datetime) -> None:
    """Dispose of this one. Raises Refusal `unknown_recording`, `disposed`, `still_held`, `within_term`."""
    await require_due(upload, now)
    if not await _decide(upload, now):  # a hold was placed meanwhile
        raise Refusal("still_held")
    await follow(store, now)


async def require_due(upload: UUID, now: datetime) -> None:
    """Raises Refusal `unknown_recording`, `disposed`, `still_held`, `within_term` where it may not go."""
    row = await first(ASKED, upload, now)
    if row is None:
        raise Unknown("unknown_recording", upload)
    for wrong, code in (("gone", "disposed"), ("held", "still_held"), ("in_term", "within_term")):
        if row[wrong]:
            raise Refusal(code)


async def _decide(upload: UUID, now: datetime) -> bool:
    """Whether it goes: it is past its term, and while this transaction lasts nobody places a hold."""
    async with tx():
        await execute(LOCK_OUT_HOLDS)
        row = await first(DISPOSE, now, upload)
        if row is None:
            return False
        await _tell(row, "evidence/dispose", now, {"sha256": row["sha256"], "bytes": row["bytes"]})
    return True


async def follow(store: EvidenceStore, now: datetime) -> int:
    """Have the store let go of what was disposed of. Of how many it did. Raises StoreUnavailable.

    What it still keeps, because its own term or hold says so, is found and tried again.
    """
    removed = 0
    for row in await fetch(TO_REMOVE):
        try:
            await remove_stills(store, row["id"])
            await store.remove(row["object_key"], row["version"])
        except ObjectLocked:
            await findings.stand(Finding(kind="disposal_kept", subject=row["id"], organ=row["organ"], started_at=now))
            continue
        async with tx():
            if rows_touched(await execute(REMOVED, row["id"], now)):
                await findings.withdraw("disposal_kept", row["id"])
                await _tell(row, "evidence/remove", now, {"removed_at": utc(now)})
                removed += 1
    return removed


async def _tell(row: Record, verb: str, now: datetime, facts: dict[str, object]) -> None:
    await journal.append(
        journal.Line(
            at=now, verb=verb, outcome="done", organ=row["organ"], subjects=[row["id"], row["owner"]], facts=facts
        )
    )
