"""A sealed file that cannot be read, from a device that still has it: sent again, it waits beside the sealed one.

Guarantees: while the sealed copy cannot be read no device hears "sealed", so none deletes its own. What it sends lies
under a key of its own, never over the sealed version; its bytes are read, and what is not the sealed film is removed at
once. Only the owner of the tables puts it in the place of the broken copy (healing.py): the application's role may not.
See docs/adr/0062.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from backend.core import jobs, journal
from backend.core.database import execute, fetch, first, rows_touched, tx
from backend.core.days import since
from backend.core.verb import Actor
from backend.evidence import unreadable
from backend.evidence.removing import is_gone
from backend.law.catalogue import law
from storage.evidence_store import EvidenceStore, ObjectUnknown, StoreNonsense

FOLDER = "again/"
Row = Mapping[str, Any]
RECEIVED = """
UPDATE upload SET resent_at = $2, touched_at = $2, store_upload = NULL, stored_bytes = NULL
WHERE id = $1 AND state = 'sealed' AND resent_at IS NULL
"""
WAITS = "SELECT * FROM upload WHERE id = $1 AND state = 'sealed' AND resent_at IS NOT NULL"
SEND_ANEW = "UPDATE upload SET resent_at = NULL WHERE id = $1 AND resent_at IS NOT NULL"
LEFT = "SELECT id, store_upload FROM upload WHERE state = 'sealed' AND store_upload IS NOT NULL AND touched_at < $1"
CLOSED = "UPDATE upload SET store_upload = NULL, stored_bytes = NULL WHERE id = $1 AND store_upload = $2"


def key_of(upload: UUID) -> str:
    """The key under which the bytes that were sent again wait."""
    return f"{FOLDER}{upload}"


async def is_wanted(row: Row) -> bool:
    """Whether a device is asked for the bytes of this upload, because its sealed copy cannot be read."""
    return (
        row["state"] == "sealed" and row["disposed_at"] is None and await unreadable.since(row["id"]) is not None
    )  # fmt: skip


async def state_of(row: Row) -> str:
    """The state that a device is told of this upload."""
    if not await is_wanted(row):
        return str(row["state"])
    return _again(row)


def _again(row: Row) -> str:
    return "receiving" if row["resent_at"] is None else "received"


async def as_told(row: Row) -> Row:
    """The row as its device deals with it: as sealed, or as on its way again under its other key."""
    if not await is_wanted(row):
        return row
    return {**row, "state": _again(row), "object_key": key_of(row["id"]), "receipt": None}


def is_again(row: Row) -> bool:
    """Whether this is a row of `as_told` that is on its way again."""
    return bool(row["object_key"] == key_of(row["id"]))


async def set_received(row: Row, actor: Actor, size: int, sha256: str, now: datetime) -> None:
    """All parts were joined: a job reads them, and they wait for the owner."""
    async with tx():
        if not rows_touched(await execute(RECEIVED, row["id"], now)):
            return
        await jobs.enqueue(jobs.COMPARE, row["id"])
        await journal.append(
            journal.Line(
                at=now, verb="uploads/complete", outcome="done", organ=row["organ"], actor=actor.person,
                device=actor.device, subjects=[row["id"], row["owner"]],
                facts={"bytes": size, "sha256": sha256, "again": True},
            )
        )  # fmt: skip


async def compare(store: EvidenceStore, upload: UUID, now: datetime) -> None:
    """Read what was sent again. Other bytes than were sealed, read twice, are removed, and the device sends once more.

    Raises ObjectUnreadable, StoreUnavailable; the job is tried again then.
    """
    row = await first(WAITS, upload)
    if row is None:
        return
    sealed = (row["sha256"], row["bytes"])
    try:
        stored = await store.find(key_of(upload))
        read = await store.digest(stored.key, stored.version)
        if read == sealed:
            return
        if await store.digest(stored.key, stored.version, anew=True) != read:
            raise StoreNonsense(
                f"存储对 {stored.key} 两次读出的内容不同。", f"The store gave two different readings of {stored.key}."
            )
        await is_gone(store, stored.key, stored.version)  # later ones lie over it where it is locked
        found = read[0]
    except ObjectUnknown:
        found = "nothing"
    async with tx():
        if rows_touched(await execute(SEND_ANEW, upload)):
            await journal.append(
                journal.Line(
                    at=now, verb="evidence/mismatch", outcome="done", organ=row["organ"],
                    subjects=[row["id"], row["owner"]], facts={"declared": row["sha256"], "found": found},
                )
            )  # fmt: skip


async def close_left(store: EvidenceStore, now: datetime) -> int:
    """Drop the parts of what was begun again and that nobody goes on with. How many."""
    rows = await fetch(LEFT, since(law(), "upload_abandoned_after", now))
    for row in rows:
        await store.abort_upload(key_of(row["id"]), row["store_upload"])
        await execute(CLOSED, row["id"], row["store_upload"])
    return len(rows)


async def remove(store: EvidenceStore, upload: UUID) -> None:
    """Remove what was sent again, once the sealed copy is whole. Raises StoreUnavailable."""
    for version in await store.versions(key_of(upload)):
        if version.key == key_of(upload):
            await store.remove(version.key, version.version)
