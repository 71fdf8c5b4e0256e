"""Removing versions from the store, and the posters beside footage.

A bucket may lock by itself what is put into it. So nothing is decided by whether it goes: that comes first, and what is
locked goes later.
"""

from uuid import UUID

from storage.evidence_store import EvidenceStore, ObjectLocked


def poster_key(upload: UUID) -> str:
    """The key of the poster: the first frame of a recording, as a JPEG."""
    return f"poster/{upload}"


async def is_gone(store: EvidenceStore, key: str, version: str) -> bool:
    """Remove a version. False where the store keeps it locked for now. Raises StoreUnavailable."""
    try:
        await store.remove(key, version)
    except ObjectLocked:
        return False
    return True


async def posters_are_gone(store: EvidenceStore, upload: UUID) -> bool:
    """Remove every version of the poster, also one that a killed worker put and no row names.

    False where one is locked for now. Raises StoreUnavailable.
    """
    versions = await store.versions(poster_key(upload))
    return all([await is_gone(store, each.key, each.version) for each in versions])
