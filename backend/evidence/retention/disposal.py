"""Disposal of footage whose term is over and that no hold covers: one by one, each with a line in the journal.

Guarantees: before anything is disposed of, every fact is asked whether its category keeps footage, and every lock
whether it is as long as the term. The decision is made under the lock that placing a hold takes too, so no hold is
overlooked, nor a fact that came a moment ago; after that the
store removes the bytes, and failed removals are tried again; receipt, digest and proved facts stay. Nothing is decided
or removed while this process's clock is minutes from the database's. A paper has no term of its own, as accounts and
injuries have theirs: its bytes go once it was erased with its last matter.
Source: DESIGN §7; 公通字〔2016〕14号; PIPL 47.
"""

from contextlib import suppress
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from backend.core import clocks, findings
from backend.core.database import Record, execute, fetch, first, tx
from backend.core.erased import ERASED
from backend.core.findings import Finding
from backend.core.journal import utc
from backend.core.refusals import Refusal, Unknown
from backend.evidence import healing, view_copies
from backend.evidence.removing import posters_are_gone
from backend.evidence.retention import category_holds, terms
from backend.evidence.retention.category_holds import LOCK_OUT_HOLDS
from backend.evidence.sealing import append_line
from backend.evidence.tables import Upload
from backend.proof import known_store
from storage.evidence_store import EvidenceStore, ObjectLocked, ObjectUnknown, ObjectUnreadable, StoreUnavailable

PAST_TERM = """
u.kind = 'recording' AND u.state = 'sealed' AND u.disposed_at IS NULL AND u.locked_until < $1 AND NOT u.legal_hold
AND NOT EXISTS (SELECT FROM under_review w WHERE w.recording = u.id)
"""
DUE = f"""
SELECT u.id, u.owner, u.organ, u.bytes, u.sha256, u.locked_until, p.badge, r.started_at
FROM upload u JOIN recording r ON r.id = u.id JOIN person_now p ON p.id = u.owner
WHERE {PAST_TERM} AND (SELECT count(*) FROM held_footage h WHERE h.upload = u.id) = 0 ORDER BY r.started_at, u.id
"""  # noqa: S608
DISPOSE = f"""
UPDATE upload u SET disposed_at = $1
WHERE u.id = $2 AND {PAST_TERM} AND NOT EXISTS (SELECT FROM held_footage h WHERE h.upload = $2)
RETURNING u.id, u.owner, u.organ, u.sha256, u.bytes
"""  # noqa: S608
ERASED_PAPERS = """
UPDATE upload u SET disposed_at = $1
WHERE u.kind = 'document' AND u.state = 'sealed' AND u.disposed_at IS NULL AND u.locked_until < $1 AND NOT u.legal_hold
    AND EXISTS (SELECT FROM document d WHERE d.id = u.id AND d.title = $2)
    AND NOT EXISTS (SELECT FROM held h WHERE h.upload = u.id)
RETURNING u.id, u.owner, u.organ, u.sha256, u.bytes
"""
TO_REMOVE = """
SELECT u.id, u.owner, u.organ, u.object_key, u.version FROM upload u
WHERE u.disposed_at IS NOT NULL AND u.removed_at IS NULL
"""
STATUS = """
SELECT u.disposed_at IS NOT NULL AS disposed, u.locked_until >= $2 AS in_term,
    u.legal_hold OR EXISTS (SELECT FROM held_footage h WHERE h.upload = u.id) AS held
FROM upload u WHERE u.id = (SELECT coalesce(same_as, id) FROM upload WHERE id = $1)
    AND u.kind = 'recording' AND u.state = 'sealed'
"""


class Disposed(NamedTuple):
    """What a run did: how many recordings it disposed of, their bytes, and how many the store removed."""

    decided: int
    bytes: int
    removed: int


async def due(now: datetime) -> list[Record]:
    """Recordings whose term is over and that no hold covers, oldest first. Disposes of nothing."""
    await category_holds.judge_all(now)
    return list(await fetch(DUE, now))


async def dispose(store: EvidenceStore, now: datetime) -> Disposed:
    """Dispose of all that is due. Raises ClocksDiffer; StoreUnavailable: the next run then removes what was decided."""
    await clocks.must_agree()
    await terms.lengthen(store, now)
    decided = size = 0
    for row in await due(now):
        if await _set_disposed(row["id"], now):
            decided, size = decided + 1, size + row["bytes"]
    await _dispose_of_erased_papers(now)
    return Disposed(decided, size, await remove_disposed(store, now))


async def dispose_one(store: EvidenceStore, upload: UUID, now: datetime) -> None:
    """Dispose of one recording. Raises ClocksDiffer, Refusal `unknown_recording`, `disposed`, `still_held`,
    `within_term`.
    """
    await clocks.must_agree()
    await terms.lengthen(store, now)
    await require_due(upload, now)
    if not await _set_disposed(upload, now):  # a hold was placed meanwhile
        raise Refusal("still_held")
    await remove_disposed(store, now)


async def require_due(upload: UUID, now: datetime) -> None:
    """Check that it may be disposed of. Raises Refusal `unknown_recording`, `disposed`, `still_held`, `within_term`."""
    await category_holds.judge_all(now)
    row = await first(STATUS, upload, now)
    if row is None:
        raise Unknown("unknown_recording", upload)
    for column, code in (("disposed", "disposed"), ("held", "still_held"), ("in_term", "within_term")):
        if row[column]:
            raise Refusal(code)


async def _set_disposed(upload: UUID, now: datetime) -> bool:
    """Mark it as disposed, if it is due; nobody can place a hold until the transaction ends. Whether it was due."""
    async with tx():
        await execute(LOCK_OUT_HOLDS)
        await category_holds.judge_moved(now)
        row = await first(DISPOSE, now, upload)
        if row is None:
            return False
        await append_line(row, "evidence/dispose", now, {"sha256": row["sha256"], "bytes": row["bytes"]})
    return True


async def _dispose_of_erased_papers(now: datetime) -> None:
    """Mark papers that were erased (backend/erasing.py), and whose lock is over, as disposed of."""
    async with tx():
        await execute(LOCK_OUT_HOLDS)
        for row in await fetch(ERASED_PAPERS, now, ERASED):
            await append_line(row, "evidence/dispose", now, {"sha256": row["sha256"], "bytes": row["bytes"]})


async def remove_disposed(store: EvidenceStore, now: datetime) -> int:
    """Remove the bytes of what was disposed of from the store. Returns how many. Raises StoreUnavailable.

    Where the store's own lock or hold still protects them, or it cannot read what it should remove, there is a
    finding, and the next run tries again.
    """
    removed = 0
    await known_store.must_be_ours(store)
    for row in await fetch(TO_REMOVE):
        try:
            await _remove(store, row)
        except (ObjectLocked, ObjectUnreadable):
            await findings.flag(Finding(kind="disposal_kept", subject=row["id"], organ=row["organ"], started_at=now))
            continue
        async with tx():
            still_there = (Upload.id == row["id"]) & Upload.removed_at.is_null()
            if await Upload.update({Upload.removed_at: now}).where(still_there).returning(Upload.id):
                await findings.withdraw("disposal_kept", row["id"])
                await append_line(row, "evidence/remove", now, {"removed_at": utc(now)})
                removed += 1
    return removed


async def _remove(store: EvidenceStore, row: Record) -> None:
    """Remove the bytes of one file. Raises ObjectLocked, ObjectUnreadable, StoreUnavailable."""
    await view_copies.remove(store, row["id"])
    if not await posters_are_gone(store, row["id"]):
        raise ObjectLocked
    for place in await healing.places_of(row):
        try:
            await store.remove(*place)
        except StoreUnavailable:
            with suppress(ObjectUnknown):  # it is gone, though the store said that it failed
                await store.find(*place)
                raise
