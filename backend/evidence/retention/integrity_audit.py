"""Audit sealed uploads: journal, row, receipt and stored object agree, and nothing lies over the sealed version.

Reads only. A `Flaw` is that of backend.proof.verifying.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from backend.core.database import Record, fetch, value
from backend.core.database_errors import first_line, is_unreadable
from backend.evidence.sealing import RECEIPT_TYPE
from backend.proof.trust import BadSignature, KeySet, PublicJwk, by_kid, claims_of, trusted_keys
from backend.proof.verifying import Flaw
from storage.evidence_store import EvidenceStore, ObjectUnknown

PAGE = 200
SEALED = """
SELECT u.id, u.object_key, u.version, u.sha256, u.bytes, u.receipt, u.removed_at, (
    SELECT j.entry FROM journal j WHERE j.subjects @> ARRAY[u.id] AND j.verb = 'evidence/seal' ORDER BY j.seq LIMIT 1
) AS entry, (
    SELECT j.entry FROM journal j WHERE j.subjects @> ARRAY[u.id] AND j.verb = 'evidence/restore'
    ORDER BY j.epoch DESC, j.seq DESC LIMIT 1
) AS restored FROM upload u WHERE u.state = 'sealed' AND ($1::uuid IS NULL OR u.id > $1)
    AND ($3::uuid IS NULL OR u.id = $3) ORDER BY u.id LIMIT $2
"""
BARE = """
SELECT u.id, u.object_key, u.version, u.sha256, u.bytes, u.removed_at FROM upload u WHERE u.state = 'sealed'
    AND ($1::uuid IS NULL OR u.id > $1) AND ($3::uuid IS NULL OR u.id = $3) ORDER BY u.id LIMIT $2
"""  # without the lines of the journal
WITHOUT_ROW = """
SELECT j.seq, j.subjects[1] AS id FROM journal j WHERE j.verb = 'evidence/seal'
    AND NOT EXISTS (SELECT FROM upload u WHERE u.id = j.subjects[1] AND u.state = 'sealed') ORDER BY j.seq LIMIT $1
"""


class Seal(msgspec.Struct, frozen=True):
    """What a line of the journal says was sealed."""

    sha256: str
    bytes: int
    version: str


async def audit(
    store: EvidenceStore, known: KeySet, fingerprints: Collection[str], *, deep: bool,
    progress: Callable[[int, int], None], only: UUID | None = None,
) -> list[Flaw]:  # fmt: skip
    """Audit every sealed upload, or `only` one. `deep`: read the bytes and compare them too. Raises StoreUnavailable.

    `progress` is called with the number done and the total.
    """
    keys = trusted_keys(known, fingerprints) if fingerprints else by_kid(known.keys)
    flaws = await _without_row()
    total, done = await value("SELECT count(*) FROM upload WHERE state = 'sealed'"), 0
    last: UUID | None = None
    while rows := await _next_page(store, last, only, deep, flaws):
        for row in rows:
            flaws += _flaws_of_row(row, keys)
        for stored in await asyncio.gather(*(_flaws_in_store(store, row, deep) for row in rows)):
            flaws += stored
        last, done = rows[-1]["id"], done + len(rows)
        progress(done, total)
    return flaws


async def _without_row() -> list[Flaw]:
    """Sealings whose upload is gone; where a page of the journal cannot be read, that some may be."""
    try:
        rows = await fetch(WITHOUT_ROW, PAGE)
    except asyncpg.PostgresError as error:
        if not is_unreadable(error):
            raise
        return [Flaw(code="files_unchecked", what=first_line(error))]
    return [Flaw(code="upload_missing", seq=row["seq"], what=str(row["id"])) for row in rows]


async def _sealed(last: UUID | None, most: int, only: UUID | None) -> Sequence[Record]:
    return await fetch(SEALED, last, most, only)


async def _next_page(
    store: EvidenceStore, last: UUID | None, only: UUID | None, deep: bool, flaws: list[Flaw]
) -> Sequence[Record]:  # fmt: skip
    """The next sealed uploads; of those whose lines cannot be read, the flaws of their bytes alone are added."""
    try:
        return await _sealed(last, PAGE, only)
    except asyncpg.PostgresError as error:
        if not is_unreadable(error):
            raise
    while bare := await fetch(BARE, last, PAGE, only):
        readable: list[Record] = []
        for row in bare:
            found = await _one(row["id"])
            readable += found
            unreadable = Flaw(code="seal_unreadable", what=str(row["id"]))
            if not found and unreadable not in flaws:
                flaws += [unreadable, *await _flaws_in_store(store, row, deep)]
        if readable:
            return readable
        last = bare[-1]["id"]
    return []


async def _one(upload: UUID) -> Sequence[Record]:
    """The upload with its lines; nothing where they cannot be read."""
    try:
        return await _sealed(None, 1, upload)
    except asyncpg.PostgresError as error:
        if not is_unreadable(error):
            raise
        return []


def _flaws_of_row(row: Record, keys: Mapping[str, PublicJwk]) -> list[Flaw]:
    """Where the row differs from the journal or from its receipt."""
    upload, flaws = str(row["id"]), []
    if row["entry"] is None:
        flaws.append(Flaw(code="seal_missing", what=upload))
    elif _seal_of(row) != Seal(row["sha256"], row["bytes"], row["version"]):
        flaws.append(Flaw(code="seal_columns", what=upload))
    try:
        claims = claims_of(row["receipt"], keys, RECEIPT_TYPE)
    except BadSignature:
        claims = {}
    if [claims.get(name) for name in ("id", "sha256", "bytes")] != [upload, row["sha256"], row["bytes"]]:
        flaws.append(Flaw(code="receipt_differs", what=upload))
    return flaws


def _seal_of(row: Record) -> Seal | None:
    """What was sealed, by the journal; after a restore from a backup, with its new version. None where these differ."""
    sealed = _facts_of(row["entry"])
    restored = _facts_of(row["restored"]) if row["restored"] is not None else sealed
    if sealed is None or restored is None or (sealed.sha256, sealed.bytes) != (restored.sha256, restored.bytes):
        return None
    return restored


def _facts_of(entry: bytes) -> Seal | None:
    """The facts of a line of the journal; None where they are no seal."""
    try:
        line: dict[str, Any] = msgspec.json.decode(entry)
        return msgspec.convert(line["facts"], Seal)
    except (msgspec.MsgspecError, KeyError, TypeError):
        return None


async def _flaws_in_store(store: EvidenceStore, row: Record, deep: bool) -> list[Flaw]:
    """Where the stored object is missing, differs or is covered; of one that was disposed of, nothing."""
    if row["removed_at"] is not None:
        return []
    upload = str(row["id"])
    try:
        if deep and await store.digest(row["object_key"], row["version"]) != (row["sha256"], row["bytes"]):
            return [Flaw(code="object_differs", what=upload)]
        if not deep:
            await store.locked_until(row["object_key"], row["version"])
    except ObjectUnknown:
        return [Flaw(code="object_missing", what=upload)]
    is_covered = not await is_newest(store, row["object_key"], row["version"])
    return [Flaw(code="object_covered", what=upload)] if is_covered else []


async def is_newest(store: EvidenceStore, key: str, version: str) -> bool:
    """Whether neither a later version nor a delete marker lies over this version."""
    try:
        return (await store.find(key)).version == version
    except ObjectUnknown:
        return False
