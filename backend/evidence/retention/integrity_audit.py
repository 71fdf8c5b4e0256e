"""Audit sealed uploads: journal, row, receipt and stored object agree, and nothing lies over the sealed version.
Term, disposal and removal are those of the journal too, and nothing was disposed of within its term.

Reads only. A `Flaw` is that of backend.proof.verifying.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from backend.core.database import Record, fetch, value
from backend.core.database_errors import first_line, is_unreadable
from backend.evidence.sealing import RECEIPT_TYPE
from backend.proof.trust import BadSignature, KeySet, PublicJwk, by_kid, claims_of, trusted_keys
from backend.proof.verifying import Flaw
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable

PAGE = 200
SEAL, RESTORE, HEAL, EXTEND, DISPOSE, REMOVE = (
    "evidence/seal", "evidence/restore", "evidence/heal", "evidence/extend", "evidence/dispose", "evidence/remove",
)  # fmt: skip
UPLOAD_LINES = [SEAL, RESTORE, HEAL, EXTEND, DISPOSE, REMOVE]
SEALED = """
SELECT u.id, u.object_key, u.version, u.sha256, u.bytes, u.receipt, u.locked_until, u.disposed_at, u.removed_at, ARRAY(
    SELECT j.entry FROM journal j WHERE j.subjects @> ARRAY[u.id] AND j.outcome = 'done' AND j.verb = ANY ($4)
    ORDER BY j.epoch, j.xid, j.seq
) AS lines FROM upload u WHERE u.state = 'sealed' AND ($1::uuid IS NULL OR u.id > $1)
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


class UploadFacts(msgspec.Struct, frozen=True):
    """What a line says of an upload. What it does not say is None."""

    sha256: str | None = None
    bytes: int | None = None
    version: str | None = None
    locked_until: datetime | None = None
    removed_at: datetime | None = None


class UploadLine(msgspec.Struct, frozen=True):
    """A line of the journal about an upload."""

    verb: str
    at: datetime
    facts: UploadFacts = UploadFacts()


decode_line = msgspec.json.Decoder(UploadLine).decode


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
    while rows := await _next_page(store, last, only, flaws):
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
    return await fetch(SEALED, last, most, only, UPLOAD_LINES)


async def _next_page(
    store: EvidenceStore, last: UUID | None, only: UUID | None, flaws: list[Flaw]
) -> Sequence[Record]:  # fmt: skip
    """The next sealed uploads. Of one whose lines cannot be read, the bytes are read, and their flaws are added."""
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
                flaws += [unreadable, *await _flaws_in_store(store, row, deep=True)]
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
    upload, lines = str(row["id"]), _lines_of(row)
    codes = [*_sealing_flaws(row, lines), *_term_flaws(row, lines)]
    try:
        claims = claims_of(row["receipt"], keys, RECEIPT_TYPE)
    except BadSignature:
        claims = {}
    if [claims.get(name) for name in ("id", "sha256", "bytes")] != [upload, row["sha256"], row["bytes"]]:
        codes.append("receipt_differs")
    return [Flaw(code=code, what=upload) for code in codes]


def _lines_of(row: Record) -> list[UploadLine]:
    """What the lines of the journal say of this upload, in their order. One that cannot be read says nothing."""
    lines = []
    for content in row["lines"]:
        with suppress(msgspec.MsgspecError):
            lines.append(decode_line(content))
    return lines


def _sealing_flaws(row: Record, lines: Sequence[UploadLine]) -> Iterator[str]:
    """Codes of what is wrong with its digest, size and version. A restore from a backup, or what was put back
    for a damaged copy, gave it a new version."""
    sealed = [line.facts for line in lines if line.verb == SEAL]
    moved = [line.facts for line in lines if line.verb in (RESTORE, HEAL)]
    if not sealed:
        yield "seal_missing"
        return
    if len(sealed) > 1:
        yield "sealed_twice"
    last = (moved or sealed)[-1]
    expected = (row["sha256"], row["bytes"])
    if any((each.sha256, each.bytes) != expected for each in (*sealed, last)) or last.version != row["version"]:
        yield "seal_columns"


def _term_flaws(row: Record, lines: Sequence[UploadLine]) -> Iterator[str]:
    """Codes of what is wrong with its term, its disposal and the removal of its bytes."""
    until: datetime | None = None
    disposed, removed, early = [], [], False
    for line in lines:
        if line.verb in (SEAL, EXTEND) and line.facts.locked_until is not None:
            until = line.facts.locked_until
        elif line.verb == DISPOSE:
            disposed.append(line.at)
            early |= until is not None and line.at <= until
        elif line.verb == REMOVE:
            removed.append(line.facts.removed_at)
    if until is not None and until != row["locked_until"]:
        yield "term_differs"
    if [disposed, removed] != [[at] if at else [] for at in (row["disposed_at"], row["removed_at"])]:
        yield "disposal_differs"
    if early:
        yield "disposed_in_term"


async def _flaws_in_store(store: EvidenceStore, row: Record, deep: bool) -> list[Flaw]:
    """Where the stored object is missing, differs or is covered; of one that was removed, whether it is there still."""
    upload = str(row["id"])
    if row["removed_at"] is not None:
        is_there = deep and await _is_there(store, row["object_key"], row["version"])
        return [Flaw(code="object_kept", what=upload)] if is_there else []
    try:
        if deep or _was_healed(row) or await _is_beside_the_sealed_one(store, row):
            if await store.digest(row["object_key"], row["version"]) != (row["sha256"], row["bytes"]):
                return [Flaw(code="object_differs", what=upload)]
        else:
            await store.find(row["object_key"], row["version"])
        is_covered = not await is_newest(store, row["object_key"], row["version"])
    except ObjectUnknown:
        return [Flaw(code="object_missing", what=upload)]
    except ObjectUnreadable as error:
        return [Flaw(code="evidence_unreadable", what=upload, read_to=error.read_to)]
    return [Flaw(code="object_covered", what=upload)] if is_covered else []


def _was_healed(row: Record) -> bool:
    """Whether somebody put the bytes back for a damaged copy: they are read, deep or not."""
    return any(line.verb == HEAL for line in _lines_of(row))


async def _is_beside_the_sealed_one(store: EvidenceStore, row: Record) -> bool:
    """Whether a restore named another version, and the store has the sealed one: its bytes are read, deep or not."""
    sealed = (line.facts.version for line in _lines_of(row) if line.verb == SEAL)
    for version in {version for version in sealed if version is not None} - {row["version"]}:
        if await _is_there(store, row["object_key"], version):
            return True
    return False


async def _is_there(store: EvidenceStore, key: str, version: str) -> bool:
    """Whether the store has this version; one that it does not give is there."""
    try:
        await store.find(key, version)
    except ObjectUnknown:
        return False
    except ObjectUnreadable:
        return True
    return True


async def is_newest(store: EvidenceStore, key: str, version: str) -> bool:
    """Whether neither a later version nor a delete marker lies over this version."""
    try:
        return (await store.find(key)).version == version
    except ObjectUnknown:
        return False
