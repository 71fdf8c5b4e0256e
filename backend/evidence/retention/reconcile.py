"""Compare the locks and legal holds of the store with the database: repair differences, or record a finding.

Guarantees: a lock is never shortened; each repair is in the journal, because somebody changed the store without us. One
file that the store does not give holds up no other: it gets a finding, which goes once all of it was read again.
"""

from datetime import datetime
from uuid import UUID

from backend.core import findings, journal
from backend.core.database import Record, fetch
from backend.core.findings import Finding
from backend.evidence import unreadable
from backend.evidence.retention.integrity_audit import is_newest
from backend.evidence.tables import Upload
from backend.proof import known_store
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoreUnavailable

PAGE = 200
TRIES = 3
SEALED = """
SELECT u.id, u.organ, u.object_key, u.version, u.sha256, u.bytes, u.locked_until, u.legal_hold, ARRAY(
    SELECT f.kind FROM finding f WHERE f.subject = u.id AND f.withdrawn_at IS NULL
) AS findings FROM upload u
WHERE u.state = 'sealed' AND u.disposed_at IS NULL AND ($1::uuid IS NULL OR u.id > $1)
    AND ($3::uuid IS NULL OR u.id = $3)
ORDER BY u.id LIMIT $2
"""


async def reconcile(store: EvidenceStore, now: datetime, only: UUID | None = None) -> dict[str, int]:
    """Compare every sealed upload, or `only` one, with the store. Returns counts. Raises StoreUnavailable."""
    counts = {"checked": 0, "repaired": 0, "missing": 0, "covered": 0, "unreadable": 0}
    last: UUID | None = None
    await known_store.must_be_ours(store)
    while rows := await fetch(SEALED, last, PAGE, only):
        last = rows[-1]["id"]
        for row in rows:
            counts["checked"] += 1
            try:
                await _compare(store, row, now, counts)
            except ObjectUnreadable:
                if not await _is_disposed(row["id"]):
                    counts["unreadable"] += 1
                    await unreadable.note(row["id"], row["organ"], now)
            except ObjectUnknown:
                if not await _is_disposed(row["id"]):  # it may have been since the rows were read
                    counts["missing"] += 1
                    await _set_finding("evidence_missing", row, True)
    return counts


async def _compare(store: EvidenceStore, row: Record, now: datetime, counts: dict[str, int]) -> None:
    """Compare one file. Raises ObjectUnknown, ObjectUnreadable, StoreUnavailable."""
    try:
        counts["repaired"] += await _repair(store, row, now)
        covered = not await is_newest(store, row["object_key"], row["version"])
    except StoreUnavailable as error:
        raise await unreadable.apart(store, row, error) from error
    counts["covered"] += covered
    await _set_finding("evidence_covered", row, covered)
    await _set_finding("evidence_missing", row, False)
    if unreadable.KIND in row["findings"] and await unreadable.is_whole(store, row):
        await unreadable.forget(row["id"])


async def _repair(store: EvidenceStore, row: Record, now: datetime) -> int:
    """Repair the lock and the legal hold of one version. Returns how many repairs were made."""
    key, version, repaired = row["object_key"], row["version"], []
    locked_until = await store.locked_until(key, version)
    if row["locked_until"] > now and (locked_until is None or locked_until < row["locked_until"]):
        await store.lock(key, version, row["locked_until"])
        repaired.append("lock")
    for _ in range(TRIES):  # a hold may be placed or released while the store is called
        wanted = await Upload.exists().where(Upload.id == row["id"], Upload.legal_hold.eq(True))
        if await store.is_held(key, version) == wanted:
            break
        await store.hold(key, version, wanted)
        repaired.append("hold")
    if repaired:
        await journal.append(
            journal.Line(
                at=now, verb="evidence/repair", outcome="done", organ=row["organ"], subjects=[row["id"]],
                facts={"repaired": repaired},
            )
        )  # fmt: skip
    return len(repaired)


async def _is_disposed(upload: UUID) -> bool:
    return await Upload.exists().where(Upload.id == upload, Upload.disposed_at.is_not_null())


async def _set_finding(kind: str, row: Record, holds: bool) -> None:
    """Record the finding where it holds, withdraw it where it does not."""
    if holds:
        await findings.flag(Finding(kind=kind, subject=row["id"], organ=row["organ"]))
    elif kind in row["findings"]:
        await findings.withdraw(kind, row["id"])
