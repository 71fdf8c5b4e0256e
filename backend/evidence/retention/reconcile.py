"""That the store's locks and holds agree with the database: what differs is repaired, and what cannot be is found.

Guarantees: a lock is never shortened; what was repaired is in the journal, for somebody altered it behind our back.
"""

from datetime import datetime
from uuid import UUID

from backend.core import findings, journal
from backend.core.database import Record, fetch, value
from backend.core.findings import Finding
from backend.evidence.retention.integrity_audit import is_newest
from storage.evidence_store import EvidenceStore, ObjectUnknown

PAGE = 200
TRIES = 3
WANTED = "SELECT legal_hold FROM upload WHERE id = $1"
GONE = "SELECT disposed_at IS NOT NULL FROM upload WHERE id = $1"
KEPT = """
SELECT u.id, u.organ, u.object_key, u.version, u.locked_until, u.legal_hold, ARRAY(
    SELECT f.kind FROM finding f WHERE f.subject = u.id AND f.withdrawn_at IS NULL
) AS standing FROM upload u
WHERE u.state = 'sealed' AND u.disposed_at IS NULL AND ($1::uuid IS NULL OR u.id > $1)
    AND ($3::uuid IS NULL OR u.id = $3)
ORDER BY u.id LIMIT $2
"""


async def agree(store: EvidenceStore, now: datetime, only: UUID | None = None) -> dict[str, int]:
    """Compare every sealed upload, or `only` one, with the store. How many of each there were."""
    told = {"seen": 0, "repaired": 0, "missing": 0, "covered": 0}
    last: UUID | None = None
    while rows := await fetch(KEPT, last, PAGE, only):
        last = rows[-1]["id"]
        for row in rows:
            told["seen"] += 1
            try:
                told["repaired"] += await _repaired(store, row, now)
                covered = not await is_newest(store, row["object_key"], row["version"])
                told["covered"] += covered
                await _stands("evidence_covered", row, covered)
                await _stands("evidence_missing", row, False)
            except ObjectUnknown:
                if not await value(GONE, row["id"]):  # not disposed of meanwhile
                    told["missing"] += 1
                    await _stands("evidence_missing", row, True)
    return told


async def _repaired(store: EvidenceStore, row: Record, now: datetime) -> int:
    """How much was put right: the lock, the hold."""
    key, version, repaired = row["object_key"], row["version"], []
    kept = await store.locked_until(key, version)
    if row["locked_until"] > now and (kept is None or kept < row["locked_until"]):
        await store.lock(key, version, row["locked_until"])
        repaired.append("lock")
    for _ in range(TRIES):  # what the database wants may change while the store is told
        wanted = bool(await value(WANTED, row["id"]))
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


async def _stands(kind: str, row: Record, wrong: bool) -> None:
    if wrong:
        await findings.stand(Finding(kind=kind, subject=row["id"], organ=row["organ"]))
    elif kind in row["standing"]:
        await findings.withdraw(kind, row["id"])
