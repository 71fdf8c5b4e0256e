"""Verification: every row against its columns, every tree, the chain, the signatures, and the copies in the store.

Guarantees: nothing that the database says of itself is believed: what counts is signed by a key that the reader
trusts, and lies in the locked store. The first row that was altered, removed, inserted or moved is named, and what no
checkpoint covers yet is said to be not proved yet. Reads only.
"""

import asyncio
import hashlib
import struct
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from backend.core.database import DB, Record, fetch, first, tx
from backend.proof.checkpoints import (
    FOLDER,
    LEAVES,
    SIGNED,
    TYPE,
    Claims,
    Position,
    digest_of,
    key_of,
    packed,
    position,
    unpacked,
)
from backend.proof.tree import root
from backend.proof.trust import BadSignature, Jwk, KeySet, by_kid, read, trusted
from storage.evidence_store import EvidenceStore, ObjectUnknown, StoredVersion

BATCH = 5_000
AHEAD = 8  # checkpoints whose copies are fetched while rows are read
MOST_TOLD = 100  # problems; the first is what matters
ROWS = """
SELECT epoch, xid, seq, at, actor::text, device::text, verb, outcome, entry_id::text, subjects::text, organ, entry
FROM journal ORDER BY epoch, xid, seq
"""  # ids as text: a row takes a quarter of the time
WORDS = {
    "row_altered": ("第 {seq} 行被改动", "row {seq} was altered"),
    "row_columns": ("第 {seq} 行的 {what} 列与原文不符", "row {seq} was altered: its {what} is not what its bytes say"),
    "row_unreadable": ("第 {seq} 行的原文不是日志格式", "row {seq} was altered: its bytes are no line of the journal"),
    "row_removed": ("第 {seq} 行被删除", "row {seq} was removed"),
    "row_inserted": ("第 {seq} 行是后来插入的", "row {seq} was inserted"),
    "row_moved": ("第 {seq} 行被移动", "row {seq} was moved"),
    "root_differs": ("检查点 {number} 的行与签名不符", "the rows under checkpoint {number} are not those signed"),
    "checkpoint_signature": (
        "检查点 {number} 的签名不成立：{what}", "checkpoint {number} is not signed by a trusted key: {what}",
    ),
    "checkpoint_chain": (
        "检查点 {number} 与前一个不相接", "checkpoint {number} does not follow the one before it",
    ),
    "checkpoint_columns": (
        "检查点 {number} 的列与签名内容不符", "checkpoint {number} was altered: its columns are not what was signed",
    ),
    "copy_missing": (
        "锁定存储中没有检查点 {number} 的副本", "the locked store has no copy of checkpoint {number}",
    ),
    "copy_differs": (
        "锁定存储中检查点 {number} 的副本与数据库不符",
        "the locked store's copy of checkpoint {number} is not what the database has",
    ),
    "copy_covered": (
        "锁定存储中检查点 {number} 的副本被新版本或删除标记遮盖",
        "the locked store's copy of checkpoint {number} lies under a newer version or a deletion",
    ),
    "copy_unknown": (
        "锁定存储中的检查点 {number} 在数据库中不存在：其历史被删除、被重建，或数据库由旧备份恢复",
        "the locked store has a checkpoint {number} that the database does not: its history was removed or rebuilt, or "
        "the database was restored from an older backup",
    ),
    "seal_columns": ("{what} 的记录与封存时的日志不符", "upload {what} is not what the journal says was sealed"),
    "seal_missing": ("{what} 标为已封存，但日志中没有封存记录", "upload {what} has no row of its sealing"),
    "upload_missing": ("{what} 曾被封存，其记录已被删除", "upload {what} was sealed, and its record was removed"),
    "receipt_differs": ("{what} 的封存回执不成立", "the receipt of upload {what} is not for its bytes, or not ours"),
    "object_missing": ("锁定存储中没有 {what} 的原始文件", "the locked store no longer has the bytes of upload {what}"),
    "object_covered": (
        "{what} 的原始文件上被放了新版本", "a newer version was put over the bytes of upload {what} in the store",
    ),
    "object_differs": ("{what} 的原始文件内容被改动", "the bytes of upload {what} in the store are not those sealed"),
}  # fmt: skip


class JournalEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a row's bytes say; see backend.core.journal.Line."""

    v: int
    at: datetime
    verb: str
    outcome: str
    organ: str | None = None
    actor: str | None = None
    device: str | None = None
    id: str | None = None
    subjects: list[str] = []
    facts: msgspec.Raw = msgspec.Raw()


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was written. `seq`: the row; `number`: the checkpoint, or the one it is under;
    `what`: the column, the upload, or the reason."""

    code: str
    seq: int | None = None
    number: int | None = None
    what: str = ""

    def sentence(self, language: str) -> str:
        words = WORDS[self.code][0 if language == "zh" else 1]
        return words.format(seq=self.seq, number=self.number, what=self.what)


class Verified(msgspec.Struct, kw_only=True):
    """What was looked at and what was found. `proved`: rows under a signed checkpoint, all in order."""

    proved: int = 0
    unproved: int = 0
    checkpoints: int = 0
    proved_until: datetime | None = None
    trusted: bool = False
    flaws: list[Flaw] = []

    def flaw(self, code: str, **told: Any) -> None:
        if len(self.flaws) < MOST_TOLD:
            self.flaws.append(Flaw(code=code, **told))


class Stretch(msgspec.Struct, frozen=True):
    """One checkpoint as it was signed, and what of it the store has."""

    claims: Claims
    leaves: list[tuple[int, bytes]] | None


async def verify(
    store: EvidenceStore, known: KeySet, fingerprints: Collection[str], progress: Callable[[int, int], None]
) -> Verified:
    """Look at everything. Without `fingerprints` any published key counts, and `trusted` is false.

    `progress` is called with rows done and rows in all. Raises StoreUnavailable. Not inside another transaction.
    """
    keys = trusted(known, fingerprints) if fingerprints else by_kid(known.keys)
    seen = Verified(trusted=bool(fingerprints), flaws=[])
    async with tx(isolation="repeatable_read", readonly=True):
        rows = await fetch("SELECT * FROM checkpoint ORDER BY number")
        counted: Any = await first("SELECT count(*) AS rows FROM journal")
        listed = await _listed(store)
        unknown = _copies(rows, listed, seen)
        stretches = _stretches(store, rows, keys, listed, seen)
        await _walk(_batches(), stretches, seen, lambda done: progress(done, counted["rows"]))
    await _unknown(unknown, seen)
    seen.flaws.sort(key=lambda flaw: (flaw.seq is None, flaw.seq or 0))  # rows first, the first of them first
    return seen


async def _listed(store: EvidenceStore) -> dict[str, list[StoredVersion]]:
    found: dict[str, list[StoredVersion]] = {}
    for each in await store.versions(FOLDER):
        found.setdefault(each.key, []).append(each)
    return found


async def _unknown(keys: Sequence[str], seen: Verified) -> None:
    """What the store has and the database had not when the look began; made since then, it is none."""
    if not keys:
        return
    numbers = [int(key.removeprefix(FOLDER).partition("-")[0]) for key in keys]
    rows = await fetch("SELECT number, signed FROM checkpoint WHERE number = ANY ($1)", numbers)
    made = {key_of(row["number"], row["signed"], SIGNED) for row in rows}
    for key, number in zip(keys, numbers, strict=True):
        if key not in made:
            seen.flaw("copy_unknown", number=number)


def _copies(rows: Sequence[Record], listed: Mapping[str, list[StoredVersion]], seen: Verified) -> list[str]:
    """That every checkpoint has its copy, and nothing lies over it. Returns what the database does not know."""
    unknown = []
    named = {key_of(row["number"], row["signed"], ending): row for row in rows for ending in (SIGNED, LEAVES)}
    for key, versions in listed.items():
        row = named.get(key)
        if row is None:
            unknown += [key] if key.endswith(SIGNED) else []
        elif any(each.newest and each.deletion for each in versions):
            seen.flaw("copy_covered", number=row["number"])
    for row in rows:
        if row["version"] is not None and key_of(row["number"], row["signed"], SIGNED) not in listed:
            seen.flaw("copy_missing", number=row["number"])
    return unknown


async def _stretches(
    store: EvidenceStore, rows: Sequence[Record], keys: Mapping[str, Jwk],
    listed: Mapping[str, list[StoredVersion]], seen: Verified,
) -> AsyncIterator[Stretch]:  # fmt: skip
    """The checkpoints in order, each checked by itself and against the one before."""
    waiting: list[asyncio.Task[dict[str, list[bytes]]]] = []
    before: Stretch | None = None
    signed_before = ""
    try:
        for at, row in enumerate(rows):
            while len(waiting) < AHEAD and at + len(waiting) < len(rows):
                waiting.append(asyncio.create_task(_read_copies(store, rows[at + len(waiting)], listed)))
            copies = await waiting.pop(0)
            stretch = _checked(row, keys, copies, seen)
            if stretch is None:
                signed_before = row["signed"]
                continue
            if not _follows(stretch.claims, before, signed_before):
                seen.flaw("checkpoint_chain", number=row["number"])
            before, signed_before = stretch, row["signed"]
            yield stretch
    finally:
        for task in waiting:
            task.cancel()


async def _read_copies(
    store: EvidenceStore, row: Record, listed: Mapping[str, list[StoredVersion]]
) -> dict[str, list[bytes]]:
    """What the store has of a checkpoint, every version."""
    read: dict[str, list[bytes]] = {}
    for ending in (SIGNED, LEAVES):
        key = key_of(row["number"], row["signed"], ending)
        read[ending] = []
        for each in listed.get(key, ()):
            if not each.deletion:
                try:
                    read[ending].append(await store.read(key, each.version))
                except ObjectUnknown:
                    continue
    return read


def _checked(row: Record, keys: Mapping[str, Jwk], copies: Mapping[str, list[bytes]], seen: Verified) -> Stretch | None:
    """A checkpoint as it was signed, or None where nothing can be read of it."""
    number = row["number"]
    try:
        claims = msgspec.convert(read(row["signed"], keys, TYPE), Claims)
    except (BadSignature, msgspec.ValidationError) as error:
        seen.flaw("checkpoint_signature", number=number, what=str(error))
        return None
    columns = (row["number"], position(row), row["rows"], row["total"])
    if columns != (claims.number, claims.last, claims.rows, claims.total):
        seen.flaw("checkpoint_columns", number=number)
    if any(copy != row["signed"].encode() for copy in copies[SIGNED]):
        seen.flaw("copy_differs", number=number)
    kept = copies[LEAVES] if row["version"] is not None else [row["leaves"] or b""]
    whole = [copy for copy in kept if hashlib.sha256(copy).hexdigest() == claims.leaves]
    if not whole or len(whole) < len(kept):
        seen.flaw("copy_differs" if kept else "copy_missing", number=number)
    seen.checkpoints += 1
    return Stretch(claims, _leaves(whole[0]) if whole else None)


def _leaves(content: bytes) -> list[tuple[int, bytes]] | None:
    try:
        return unpacked(content)
    except struct.error:
        return None


def _follows(claims: Claims, before: Stretch | None, signed_before: str) -> bool:
    if claims.previous != (digest_of(signed_before) if signed_before else ""):
        return False
    if before is None:
        return bool(signed_before) or (claims.number, claims.after, claims.total) == (1, Position(), claims.rows)
    last = before.claims
    expected = (last.number + 1, last.last, last.total + claims.rows)
    return (claims.number, claims.after, claims.total) == expected


async def _batches() -> AsyncIterator[Sequence[Record]]:
    transaction = DB.current_transaction.get()
    if transaction is None:
        raise RuntimeError("rows are read inside a transaction")
    cursor = await transaction.connection.cursor(ROWS)
    fetching = asyncio.ensure_future(cursor.fetch(BATCH))
    try:
        while batch := await fetching:
            fetching = asyncio.ensure_future(cursor.fetch(BATCH))
            await asyncio.sleep(0)  # the server reads the next ones while these are looked at
            yield batch
    finally:
        fetching.cancel()
        with suppress(asyncio.CancelledError):
            await fetching


async def _walk(
    batches: AsyncIterator[Sequence[Record]], stretches: AsyncIterator[Stretch], seen: Verified,
    progress: Callable[[int], None],
) -> None:  # fmt: skip
    """Every row once, in order, under the checkpoint that covers its place."""
    stretch = await anext(stretches, None)
    under: list[tuple[int, bytes]] = []
    done = 0
    async for batch in batches:
        hashed = _hashed(batch, seen)
        begin = 0
        while stretch is not None and position(batch[-1]) > stretch.claims.last:
            end = bisect_right(batch, stretch.claims.last, lo=begin, key=position)
            _judge(stretch, under + hashed[begin:end], seen)
            begin, under, stretch = end, [], await anext(stretches, None)
        under += hashed[begin:]
        done += len(batch)
        progress(done)
        await asyncio.sleep(0)
    while stretch is not None:
        _judge(stretch, under, seen)
        under, stretch = [], await anext(stretches, None)
    seen.unproved = len(under)


def _hashed(batch: Sequence[Record], seen: Verified) -> list[tuple[int, bytes]]:
    """Each row's seq and leaf; its columns are compared with its bytes on the way."""
    decode, sha256 = msgspec.json.Decoder(JournalEntry).decode, hashlib.sha256
    found = []
    for _, _, seq, *columns, entry in batch:
        try:
            told = decode(entry)
        except msgspec.MsgspecError:
            seen.flaw("row_unreadable", seq=seq)
        else:
            subjects = "{" + ",".join(told.subjects) + "}"
            said = [told.at, told.actor, told.device, told.verb, told.outcome, told.id, subjects, told.organ]
            if said != columns:
                seen.flaw("row_columns", seq=seq, what=_first_difference(said, columns))
        found.append((seq, sha256(b"\x00" + entry).digest()))
    return found


COLUMNS = ("at", "actor", "device", "verb", "outcome", "entry_id", "subjects", "organ")


def _first_difference(said: Sequence[Any], columns: Sequence[Any]) -> str:
    return next(name for name, one, other in zip(COLUMNS, said, columns, strict=True) if one != other)


def _judge(stretch: Stretch, under: Sequence[tuple[int, bytes]], seen: Verified) -> None:
    """Whether these rows are those that the checkpoint was signed over; if not, which row is not."""
    claims = stretch.claims
    same = stretch.leaves == under if stretch.leaves is not None else _packed_digest(under) == claims.leaves
    if same and len(under) == claims.rows and root([hashed for _, hashed in under]).hex() == claims.root:
        seen.proved += len(under)
        seen.proved_until = datetime.fromisoformat(claims.at)
        return
    flaws = [] if stretch.leaves is None else _differences(stretch.leaves, under)
    for code, seq in flaws:
        seen.flaw(code, seq=seq, number=claims.number)
    if not flaws:
        seen.flaw("root_differs", number=claims.number)


def _packed_digest(under: Sequence[tuple[int, bytes]]) -> str:
    return hashlib.sha256(packed(under)).hexdigest()


def _differences(signed: Sequence[tuple[int, bytes]], there: Sequence[tuple[int, bytes]]) -> list[tuple[str, int]]:
    """(code, seq) of every row that is not as it was signed, in the order of the rows that were signed."""
    was, now = dict(signed), dict(there)
    were, are = set(was.values()), set(now.values())
    found: list[tuple[str, int]] = []
    for seq, hashed in signed:
        if seq not in now:
            found.append(("row_moved" if hashed in are else "row_removed", seq))
        elif now[seq] != hashed:
            found.append(("row_moved" if hashed in are and now[seq] in were else "row_altered", seq))
    found += [("row_inserted", seq) for seq, hashed in there if seq not in was and hashed not in were]
    if not found:  # the same rows in another order
        order = [(one[0], other[0]) for one, other in zip(signed, there, strict=True) if one != other]
        found = [("row_moved", order[0][0])] if order else []
    return sorted(found, key=lambda flaw: flaw[1])
