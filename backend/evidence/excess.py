"""What the store holds beyond what was declared: bytes that exceed their slots, and versions that were refused.

Guarantees: a part's URL takes exactly its part, where the store keeps to what was signed; where it does not, what lies
there is counted in the quota, and an upload that holds more than its slots is aborted, so that the device begins it
again. A version whose bytes were not those declared stays until its term is over, and is taken for nothing meanwhile;
one that was sealed after all is never removed.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog

from backend.core import journal
from backend.core.database import Record, execute, fetch, rows_touched, tx
from backend.core.days import since
from backend.evidence import rules
from backend.evidence.removing import is_gone, posters_are_gone
from backend.law.catalogue import law
from storage.evidence_store import (
    EvidenceStore,
    ObjectUnknown,
    ObjectUnreadable,
    Part,
    StoredObject,
    StoreUnavailable,
    UploadUnknown,
)

WEIGHED = "UPDATE upload SET stored_bytes = $2, weighed_at = $3 WHERE id = $1 AND store_upload = $4"
# Once more after its last URL is over: until then, bytes may arrive that nobody told us of.
TO_WEIGH = """
SELECT * FROM upload WHERE state = 'receiving' AND store_upload IS NOT NULL
    AND (weighed_at IS NULL OR weighed_at < touched_at + $1::interval)
ORDER BY weighed_at NULLS FIRST, id LIMIT 500
"""
EMPTIED = """
UPDATE upload SET store_upload = NULL, stored_bytes = NULL, weighed_at = NULL WHERE id = $1 AND store_upload = $2
"""
REFUSE = """
INSERT INTO refused_version (upload, version, bytes, found_at, unreadable, object_key) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (upload, version) DO NOTHING
"""
REFUSED = "SELECT version FROM refused_version WHERE upload = $1"
FORGIVE = "UPDATE refused_version SET removed_at = $3 WHERE upload = $1 AND version = $2"
OVER = """
SELECT r.upload, r.version, coalesce(r.object_key, u.object_key) AS object_key, u.state = 'sealed' AS sealed
FROM refused_version r JOIN upload u ON u.id = r.upload
WHERE r.removed_at IS NULL AND r.found_at < $1 AND u.state <> 'received' AND u.version IS DISTINCT FROM r.version
    AND (NOT r.unreadable OR u.state = 'sealed')
ORDER BY r.found_at LIMIT 500
"""
log = structlog.get_logger()


def weight(parts: Sequence[Part]) -> int:
    """What the store holds of an upload, in bytes; a part sent twice counts twice."""
    return sum(part.bytes for part in parts)


async def weigh(store: EvidenceStore, now: datetime) -> int:
    """Count what the store holds of unfinished uploads; abort those that exceed their slots. How many were aborted."""
    aborted = 0
    for row in await fetch(TO_WEIGH, law().span("part_url_life")):
        try:
            parts = await store.parts(row["object_key"], row["store_upload"])
        except UploadUnknown:  # joined or aborted since; the next call of the device finds out which
            await execute(WEIGHED, row["id"], 0, now, row["store_upload"])
            continue
        if exceeds(row, parts):
            aborted += await _abort(store, row, weight(parts), now)
        else:
            await execute(WEIGHED, row["id"], weight(parts), now, row["store_upload"])
    return aborted


def exceeds(row: Record, parts: Sequence[Part]) -> bool:
    """Whether these parts are more than this upload may hold."""
    listed = [(part.number, part.bytes) for part in parts]
    terms = law().count("stored_share"), law().count("stored_slack")
    return rules.exceeds(listed, row["bytes"], row["part_size"], *terms)


async def _abort(store: EvidenceStore, row: Record, held: int, now: datetime) -> bool:
    await store.abort_upload(row["object_key"], row["store_upload"])
    async with tx():
        if not rows_touched(await execute(EMPTIED, row["id"], row["store_upload"])):
            return False
        await journal.append(
            journal.Line(
                at=now, verb="evidence/exceed", outcome="done", organ=row["organ"], subjects=[row["id"], row["owner"]],
                facts={"bytes": held},
            )
        )  # fmt: skip
    log.warning("an upload held more than its slots", upload=str(row["id"]), bytes=held)
    return True


async def refuse(upload: UUID, stored: StoredObject, now: datetime, *, unreadable: bool = False) -> None:
    """Note a version whose bytes are not those declared, or that nobody could read: that one stays until another one is
    sealed. Must be called in the transaction that says so."""
    await execute(REFUSE, upload, stored.version, stored.bytes, now, unreadable, stored.key if unreadable else None)


async def refused(upload: UUID) -> set[str]:
    """The versions that were read before and are not what was declared."""
    return {row["version"] for row in await fetch(REFUSED, upload)}


async def forgive(upload: UUID, version: str, now: datetime) -> None:
    """This version was sealed after all: the sweep leaves it. Must be called in the transaction that seals it."""
    await execute(FORGIVE, upload, version, now)


async def remove_refused(store: EvidenceStore, now: datetime) -> int:
    """Remove refused versions whose term is over, and their posters. How many. Raises StoreUnavailable."""
    removed = 0
    for row in await fetch(OVER, since(law(), "mismatched_kept", now)):
        try:
            gone = await is_gone(store, row["object_key"], row["version"]) and await _poster_is_gone(store, row)
        except StoreUnavailable:
            if await _is_given(store, row):
                raise
            continue
        if gone:
            await execute(FORGIVE, row["upload"], row["version"], now)
            removed += 1
    return removed


async def _poster_is_gone(store: EvidenceStore, row: Record) -> bool:
    return bool(row["sealed"]) or await posters_are_gone(store, row["upload"])


async def _is_given(store: EvidenceStore, row: Record) -> bool:
    """Whether the store gives this version; one that it does not holds up no other. Raises StoreUnavailable."""
    try:
        await store.find(row["object_key"], row["version"])
    except (ObjectUnknown, ObjectUnreadable):
        return False
    return True
