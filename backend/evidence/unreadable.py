"""A sealed file that the store has and does not give: the finding that says so, until it is read again or healed.

Guarantees: it is concluded of one file alone, where the store answers otherwise (storage/evidence_store.py,
ObjectUnreadable). The finding is against the organ that keeps the file, and says since when. See docs/adr/0062.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from backend.core import findings
from backend.core.database import value
from backend.core.findings import Finding
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoreUnavailable

KIND = "evidence_unreadable"
SINCE = "SELECT started_at FROM finding WHERE kind = $1 AND subject = $2 AND withdrawn_at IS NULL"


async def since(upload: UUID) -> datetime | None:
    """Since when this file cannot be read; None: nobody found that."""
    return await value(SINCE, KIND, upload)  # type: ignore[no-any-return]


async def note(upload: UUID, organ: str, now: datetime) -> datetime:
    """Record that this file cannot be read. Returns since when."""
    known = await since(upload)
    if known is None:
        await findings.flag(Finding(kind=KIND, subject=upload, organ=organ, started_at=now))
    return known or now


async def forget(upload: UUID) -> None:
    """Record that this file was read again."""
    await findings.withdraw(KIND, upload)


@asynccontextmanager
async def noting(upload: UUID, organ: str) -> AsyncIterator[None]:
    """Record it where the block finds that this file cannot be read; the error goes on."""
    try:
        yield
    except ObjectUnreadable:
        await note(upload, organ, datetime.now(UTC))
        raise


async def apart(store: EvidenceStore, row: Any, error: StoreUnavailable) -> Exception:
    """What a failed call about the sealed version of this row means. `row`: its object_key and version.

    Raises ObjectUnknown or ObjectUnreadable where it is the file's fault; else the store's own error is the answer.
    """
    await store.find(row["object_key"], row["version"])
    return error


async def is_whole(store: EvidenceStore, row: Any) -> bool:
    """Whether all bytes of a sealed file are read, and are those sealed. `row`: of the table `upload`.

    Raises ObjectUnknown, ObjectUnreadable, StoreUnavailable.
    """
    return await store.digest(row["object_key"], row["version"]) == (row["sha256"], row["bytes"])


async def is_readable_again(store: EvidenceStore, row: Any) -> bool:
    """Whether a file is read whole that could not be read before; true of one of which nobody found that.

    Raises StoreUnavailable.
    """
    if await since(row["id"]) is None:
        return True
    try:
        if not await is_whole(store, row):
            return False
    except (ObjectUnknown, ObjectUnreadable):
        return False
    await forget(row["id"])
    return True


async def only_whole(blocks: AsyncIterator[bytes], key: str, version: str, sha256: str) -> AsyncIterator[bytes]:
    """The blocks of a whole sealed file, the last of them only where all are the sealed bytes.

    Raises ObjectUnreadable before it where they are not: a store may give a damaged piece as if it were whole.
    """
    digest, held = hashlib.sha256(), b""
    async for block in blocks:
        digest.update(block)
        if held:
            yield held
        held = block
    if digest.hexdigest() != sha256:
        raise ObjectUnreadable(key, version)
    yield held
