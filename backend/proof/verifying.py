"""Verify the journal: each row against its columns, the trees, the chain, the signatures, the copies in the store.
Then the facts: each row of the tables that proof rests on, against the last line that names it.

Guarantees: what the database says about itself is not believed. What counts is signed by a key that the reader trusts,
and lies in the locked store. The first row that was altered, removed, inserted or moved is named. Rows that no
checkpoint covers yet are counted as not proved yet. Nothing is written.
"""

import asyncio
import gc
import hashlib
import struct
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from backend.core.database import Record, cursor_of, execute, fetch, tx, value
from backend.core.database_errors import first_line, is_unreadable
from backend.core.journal import Position, position
from backend.proof import fact_rows
from backend.proof.checkpoints import (
    FOLDER,
    LEAVES,
    SIGNED,
    TYPE,
    CheckpointClaims,
    digest_of,
    key_of,
    pack_leaves,
    unpack_leaves,
)
from backend.proof.damaged import DamagedJournal
from backend.proof.facts import OF_THE_OWNER, Baseline, BaselineFacts, FactPages, MayChange, ToldFacts
from backend.proof.tree import root
from backend.proof.trust import BadSignature, KeySet, PublicJwk, by_kid, claims_of, trusted_keys
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoredVersion

BATCH = 5_000  # rows read at a time
AHEAD = 8  # checkpoints whose copies are read from the store ahead of the rows
UNREADABLE = "unreadable"
MOST_FLAWS = 100  # kept in a report; the first is what matters
ROWS = """
SELECT epoch, xid, seq, at, verb, outcome, organ, concat(coalesce(actor::text, 'None'), '|',
    coalesce(device::text, 'None'), '|', coalesce(entry_id::text, 'None'), '|', subjects), entry
FROM journal ORDER BY epoch, xid, seq
"""  # all ids as one text: four times as fast as each by itself
SENTENCES = {
    "row_altered": ("第 {seq} 行被改动", "row {seq} was altered"),
    "row_columns": ("第 {seq} 行的 {what} 列与原文不符", "row {seq} was altered: its {what} is not what its bytes say"),
    "row_unreadable": ("第 {seq} 行的原文不是日志格式", "row {seq} was altered: its bytes are no line of the journal"),
    "rows_unreadable": (
        "第 {seq} 行至第 {until} 行之间有 {what} 行无法读取：数据库文件已损坏，见 docs/operating.zh.md",
        "from row {seq} to row {until}, {what} rows cannot be read: the database's files are damaged, see "
        "docs/operating.md",
    ),
    "facts_unchecked": (
        "数据库有损坏，事实无法与日志比对：{what}",
        "the database is damaged, so the facts cannot be compared with the journal: {what}",
    ),
    "index_damaged": (
        "日志的一个索引已损坏，但每一行都已读出：{what}",
        "an index of the journal is damaged, but every row could be read: {what}",
    ),
    "seal_unreadable": (
        "{what} 的封存记录无法读取：数据库文件已损坏；只检查了其原始文件",
        "the row of the sealing of upload {what} cannot be read: the database's files are damaged; only its bytes in "
        "the store were looked at",
    ),
    "files_unchecked": (
        "封存文件未能逐一检查：数据库文件已损坏（{what}）",
        "not every sealed file was checked: the database's files are damaged ({what})",
    ),
    "evidence_unreadable": (
        "{what} 的原始文件读不出：读到第 {read_to} 字节为止；存储对其他文件应答正常",
        "the bytes of upload {what} cannot be read beyond byte {read_to}; the store gives other files",
    ),
    "copy_unreadable": (
        "锁定存储中检查点 {number} 的副本读不出", "the locked store's copy of checkpoint {number} cannot be read",
    ),
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
    "object_kept": (
        "{what} 标为已删除，但存储中仍有原始文件",
        "upload {what} is marked as removed, and the store still has its bytes",
    ),
    "sealed_twice": ("{what} 有两条封存记录", "upload {what} has two rows of its sealing"),
    "term_differs": (
        "{what} 的锁定期限与日志不符", "the term of upload {what} is not what the journal says",
    ),
    "disposal_differs": (
        "{what} 是否已处置、已删除与日志不符",
        "whether upload {what} was disposed of or removed is not what the journal says",
    ),
    "disposed_in_term": (
        "{what} 在锁定期限内被处置", "upload {what} was disposed of before its term was over",
    ),
    "fact_altered": (
        "{what} 被改动：与日志的最后记载（{told}）不符",
        "{what} was altered: it is not what {told} says, the last one about it",
    ),
    "fact_removed": (
        "{what} 被删除：{told}有记载", "{what} was removed: {told} tells of it",
    ),
    "fact_without_line": ("{what} 没有日志记载", "{what} was inserted: no row of the journal names it"),
    "fact_by_wrong_verb": (
        "第 {seq} 行改动了 {what}，此类操作无权改动它", "row {seq} changed {what}, which a row of its kind may not",
    ),
    "restore_not_admitted": (
        "第 {seq} 行记载从备份恢复，但当时没有恢复",
        "row {seq} tells of a restore from a backup, and there was none then",
    ),
    "baseline_differs": (
        "基线与签名的记载不符", "the baseline of the facts is not what the journal says was signed",
    ),
    "guard_missing": (
        "数据库中保护事实的 {what} 被停用、改动或删除",
        "{what}, which guards the facts in the database, was disabled, altered or removed",
    ),
}  # fmt: skip


class JournalEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A journal row decoded from its bytes; see backend.core.journal.Line. `rows`: see docs/adr/0055."""

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
    rows: dict[str, str] | None = None


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was written.

    `seq`: the row, `until`: the last of several. `number`: the checkpoint, or the one that covers the row. `what`: the
    column, the upload, the count or the reason. `read_to`: the byte up to which a file was read.
    """

    code: str
    seq: int | None = None
    until: int | None = None
    number: int | None = None
    what: str = ""
    read_to: int | None = None

    def sentence(self, language: str) -> str:
        """The flaw in words, in Chinese ("zh") or English."""
        chinese, english = SENTENCES[self.code]
        if language == "zh":
            told = "基线" if self.seq is None else f"第 {self.seq} 行"
            return chinese.format(told=told, **msgspec.structs.asdict(self))
        told = "the baseline" if self.seq is None else f"row {self.seq}"
        return english.format(told=told, **msgspec.structs.asdict(self))


class JournalReport(msgspec.Struct, kw_only=True):
    """The result of verifying the journal.

    `proved`: rows that signed checkpoints prove. `unproved`: rows that no checkpoint covers. `checkpoints`: those whose
    signature is good. `proved_until`: time of the last good checkpoint. `trusted`: fingerprints were given.
    `around`: the journal has damaged pages, which were left out. `highest`: number of a row that was signed.
    `facts`: rows of the fact tables that are what the journal last said; None: not compared. `baseline`: what there was
    before lines named the rows; changes of before cannot be compared.
    """

    proved: int = 0
    unproved: int = 0
    checkpoints: int = 0
    proved_until: datetime | None = None
    trusted: bool = False
    flaws: list[Flaw] = []
    around: DamagedJournal | None = None
    highest: int = 0
    facts: int | None = None
    baseline: Baseline | None = None

    @property
    def lacks_lines(self) -> bool:
        """Whether lines cannot be read; each may be the last one that told of a fact."""
        return self.around is not None and not self.around.is_index

    def add_flaw(self, code: str, **where: Any) -> None:
        if len(self.flaws) < MOST_FLAWS:
            self.flaws.append(Flaw(code=code, **where))

    def lost_of(self, signed: Sequence[tuple[int, bytes]], rows: Sequence[tuple[int, bytes]]) -> set[int]:
        """The rows under a checkpoint that cannot be read; not those that were removed."""
        present = {seq for seq, _ in rows}
        self.highest = max([self.highest, *(seq for seq, _ in signed or rows)])
        return self.around.explain(seq for seq, _ in signed if seq not in present) if self.around else set()


class SignedCheckpoint(msgspec.Struct, frozen=True):
    """One checkpoint as it was signed; `leaves`: the rows of its leaves file, None if no copy of that is intact."""

    claims: CheckpointClaims
    leaves: list[tuple[int, bytes]] | None


async def verify(
    store: EvidenceStore, known: KeySet, fingerprints: Collection[str], may_change: MayChange,
    progress: Callable[[int, int], None],
) -> JournalReport:  # fmt: skip
    """Verify the whole journal, and the facts by it. Without `fingerprints` every published key counts, and `trusted`
    is false.

    `may_change`: the tables that lines may change, by verb and outcome. `progress` is called with rows done and rows in
    all. Raises StoreUnavailable. Must not run inside another transaction. Where a page of the journal or of a fact
    cannot be read, all that can be is verified, and the rest is a flaw.
    """
    keys = trusted_keys(known, fingerprints) if fingerprints else by_kid(known.keys)
    with _without_collecting():
        return await _verify_around_damage(store, keys, bool(fingerprints), may_change, progress)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Look for no circles of garbage meanwhile: there are none, and looking through all digests again and again takes
    time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


async def _verify_around_damage(
    store: EvidenceStore, keys: Mapping[str, PublicJwk], trusted: bool, may_change: MayChange,
    progress: Callable[[int, int], None],
) -> JournalReport:  # fmt: skip
    """Verify; where a page of the database cannot be read, once more around it."""
    try:
        return await _verify(store, keys, JournalReport(trusted=trusted, flaws=[]), may_change, progress)
    except asyncpg.PostgresError as error:
        if not is_unreadable(error):
            raise
        why = str(error)
    return await _verify(store, keys, JournalReport(trusted=trusted, flaws=[]), may_change, progress, why)


async def _verify(
    store: EvidenceStore, keys: Mapping[str, PublicJwk], report: JournalReport, may_change: MayChange,
    progress: Callable[[int, int], None], damage: str = "",
) -> JournalReport:  # fmt: skip
    """Verify into this report. `damage`: what the database said when it could not read a page; read around it."""
    async with tx(isolation="repeatable_read", readonly=True):
        await execute(f"{fact_rows.OUR_PATH}; {fact_rows.TAKE_TIME}")
        rows = await fetch("SELECT * FROM checkpoint ORDER BY number")
        report.around = await DamagedJournal.survey() if damage else None
        total = report.around.total if report.around else await value("SELECT count(*) FROM journal")
        batches = report.around.batches(ROWS.partition("FROM")[0]) if report.around else _batches()
        versions = await _versions_by_key(store)
        unknown = _check_copies(rows, versions, report)
        checkpoints = _checkpoints(store, rows, keys, versions, report)
        async with nullcontext() if report.lacks_lines else fact_rows.reading() as facts:
            with closing(ToldFacts(may_change, await _admitted(), report.add_flaw)) as told:
                told.expected = BaselineFacts(*await fact_rows.take_baseline(told.last))
                await _check_rows(batches, checkpoints, told, report, lambda done: progress(done, total))
                await _check_facts(told, facts, report, damage)
    await _check_unknown(unknown, report)
    report.flaws.sort(key=lambda flaw: (flaw.seq is None, flaw.seq or 0))  # rows first, in the order of the journal
    return report


async def _admitted() -> frozenset[int]:
    """The epochs that began with a restore."""
    return frozenset(row["epoch"] for row in await fetch("SELECT epoch FROM journal_epoch WHERE restored"))


async def _check_facts(
    told: ToldFacts, facts: "asyncio.Task[FactPages] | None", report: JournalReport, damage: str
) -> None:  # fmt: skip
    """Compare the facts with the lines, unless lines are lost. `damage`: see _verify; at the first try, what cannot
    be read is raised."""
    report.baseline = told.baseline
    if facts is None or report.lacks_lines:
        return
    try:
        report.facts = told.end(await facts)
    except asyncpg.PostgresError as error:
        if not (damage and is_unreadable(error)):
            raise
        report.add_flaw("facts_unchecked", what=first_line(error))
        return
    if report.around is not None:
        report.add_flaw("index_damaged", what=damage)


async def _versions_by_key(store: EvidenceStore) -> dict[str, list[StoredVersion]]:
    versions: dict[str, list[StoredVersion]] = {}
    for version in await store.versions(FOLDER):
        versions.setdefault(version.key, []).append(version)
    return versions


async def _check_unknown(keys: Sequence[str], report: JournalReport) -> None:
    """Report checkpoints that the store has and the database does not.

    `keys` were unknown when the verification began. Checkpoints made since then are in the database by now.
    """
    if not keys:
        return
    numbers = [int(key.removeprefix(FOLDER).partition("-")[0]) for key in keys]
    rows = await fetch("SELECT number, signed FROM checkpoint WHERE number = ANY ($1)", numbers)
    known = {key_of(row["number"], row["signed"], SIGNED) for row in rows}
    for key, number in zip(keys, numbers, strict=True):
        if key not in known:
            report.add_flaw("copy_unknown", number=number)


def _check_copies(
    rows: Sequence[Record], versions: Mapping[str, list[StoredVersion]], report: JournalReport
) -> list[str]:
    """Check that each checkpoint has a copy in the store that no deletion covers.

    Returns the keys of checkpoints that the database does not know.
    """
    unknown = []
    row_of = {key_of(row["number"], row["signed"], ending): row for row in rows for ending in (SIGNED, LEAVES)}
    for key, stored in versions.items():
        row = row_of.get(key)
        if row is None:
            unknown += [key] if key.endswith(SIGNED) else []
        elif any(version.newest and version.deletion for version in stored):
            report.add_flaw("copy_covered", number=row["number"])
    for row in rows:
        if row["version"] is not None and key_of(row["number"], row["signed"], SIGNED) not in versions:
            report.add_flaw("copy_missing", number=row["number"])
    return unknown


async def _checkpoints(
    store: EvidenceStore, rows: Sequence[Record], keys: Mapping[str, PublicJwk],
    versions: Mapping[str, list[StoredVersion]], report: JournalReport,
) -> AsyncIterator[SignedCheckpoint]:  # fmt: skip
    """The checkpoints in order, each checked by itself and against the one before. Those with a bad signature are
    left out."""
    reading: list[asyncio.Task[dict[str, list[bytes]]]] = []
    before: SignedCheckpoint | None = None
    signed_before = ""
    try:
        for index, row in enumerate(rows):
            while len(reading) < AHEAD and index + len(reading) < len(rows):
                reading.append(asyncio.create_task(_read_copies(store, rows[index + len(reading)], versions)))
            copies = await reading.pop(0)
            checkpoint = _check_checkpoint(row, keys, copies, report)
            if checkpoint is None:
                signed_before = row["signed"]
                continue
            if not _follows(checkpoint.claims, before, signed_before):
                report.add_flaw("checkpoint_chain", number=row["number"])
            before, signed_before = checkpoint, row["signed"]
            yield checkpoint
    finally:
        for task in reading:
            task.cancel()


async def _read_copies(
    store: EvidenceStore, row: Record, versions: Mapping[str, list[StoredVersion]]
) -> dict[str, list[bytes]]:
    """The content of every version of a checkpoint's two files in the store, by file ending; and as UNREADABLE the
    endings of those that it does not give."""
    copies: dict[str, list[bytes]] = {UNREADABLE: []}
    for ending in (SIGNED, LEAVES):
        key = key_of(row["number"], row["signed"], ending)
        copies[ending] = []
        for version in versions.get(key, ()):
            if not version.deletion:
                try:
                    copies[ending].append(await store.read(key, version.version))
                except ObjectUnreadable:
                    copies[UNREADABLE].append(ending.encode())
                except ObjectUnknown:
                    continue
    return copies


def _check_checkpoint(
    row: Record, keys: Mapping[str, PublicJwk], copies: Mapping[str, list[bytes]], report: JournalReport
) -> SignedCheckpoint | None:
    """Check a checkpoint's signature, columns and copies. None if its signature is bad."""
    number = row["number"]
    try:
        claims = msgspec.convert(claims_of(row["signed"], keys, TYPE), CheckpointClaims)
    except (BadSignature, msgspec.ValidationError) as error:
        report.add_flaw("checkpoint_signature", number=number, what=str(error))
        return None
    columns = (row["number"], position(row), row["rows"], row["total"])
    if columns != (claims.number, claims.last, claims.rows, claims.total):
        report.add_flaw("checkpoint_columns", number=number)
    if copies[UNREADABLE]:
        report.add_flaw("copy_unreadable", number=number)
    if any(copy != row["signed"].encode() for copy in copies[SIGNED]):
        report.add_flaw("copy_differs", number=number)
    leaves_files = copies[LEAVES] if row["version"] is not None else [row["leaves"] or b""]
    intact = [content for content in leaves_files if hashlib.sha256(content).hexdigest() == claims.leaves]
    if len(intact) < len(leaves_files) or not (intact or LEAVES.encode() in copies[UNREADABLE]):
        report.add_flaw("copy_differs" if leaves_files else "copy_missing", number=number)
    report.checkpoints += 1
    return SignedCheckpoint(claims, _leaves(intact[0]) if intact else None)


def _leaves(content: bytes) -> list[tuple[int, bytes]] | None:
    try:
        return unpack_leaves(content)
    except struct.error:
        return None


def _follows(claims: CheckpointClaims, before: SignedCheckpoint | None, signed_before: str) -> bool:
    """Whether a checkpoint continues where the one before it ended.

    `before`: None at the first one, and after one with a bad signature. `signed_before`: its signed text.
    """
    if claims.previous != (digest_of(signed_before) if signed_before else ""):
        return False
    if before is None:
        return bool(signed_before) or (claims.number, claims.after, claims.total) == (1, Position(), claims.rows)
    last = before.claims
    expected = (last.number + 1, last.last, last.total + claims.rows)
    return (claims.number, claims.after, claims.total) == expected


async def _batches() -> AsyncIterator[Sequence[Record]]:
    """All rows of the journal in order. The next batch is fetched while the current one is checked."""
    cursor = await cursor_of(ROWS)
    fetching = asyncio.ensure_future(cursor.fetch(BATCH))
    try:
        while batch := await fetching:
            fetching = asyncio.ensure_future(cursor.fetch(BATCH))
            await asyncio.sleep(0)  # let the fetch start before the rows are checked
            yield batch
    finally:
        fetching.cancel()
        with suppress(asyncio.CancelledError):
            await fetching


async def _check_rows(
    batches: AsyncIterator[Sequence[Record]], checkpoints: AsyncIterator[SignedCheckpoint], told: ToldFacts,
    report: JournalReport, progress: Callable[[int], None],
) -> None:  # fmt: skip
    """Check every row once, in order, against the checkpoint that covers its position."""
    checkpoint = await anext(checkpoints, None)
    covered: list[tuple[int, bytes]] = []
    done = 0
    async for batch in batches:
        leaves = _leaves_of(batch, told, report)
        begin = 0
        while checkpoint is not None and position(batch[-1]) > checkpoint.claims.last:
            end = bisect_right(batch, checkpoint.claims.last, lo=begin, key=position)
            _check_covered(checkpoint, covered + leaves[begin:end], report)
            begin, covered, checkpoint = end, [], await anext(checkpoints, None)
        covered += leaves[begin:]
        done += len(batch)
        progress(done)
        await asyncio.sleep(0)
    while checkpoint is not None:
        _check_covered(checkpoint, covered, report)
        covered, checkpoint = [], await anext(checkpoints, None)
    report.unproved = len(covered)
    _report_lost(report, [seq for seq, _ in covered])


def _report_lost(report: JournalReport, unproved: Sequence[int]) -> None:
    """Report the rows that cannot be read. `unproved`: numbers of those that can and that no checkpoint covers."""
    for lost in report.around.lost(report.highest, unproved) if report.around is not None else ():
        report.add_flaw("rows_unreadable", seq=lost.first, until=lost.last, what=str(lost.many))


def _leaves_of(batch: Sequence[Record], told: ToldFacts, report: JournalReport) -> list[tuple[int, bytes]]:
    """The seq and leaf hash of each row. Also compares the columns of each row with its bytes, and gives `told` what
    it tells of facts."""
    decode, sha256 = msgspec.json.Decoder(JournalEntry).decode, hashlib.sha256
    leaves = []
    for epoch, _, seq, at, verb, outcome, organ, ids, content in batch:
        try:
            entry = decode(content)
        except msgspec.MsgspecError:
            report.add_flaw("row_unreadable", seq=seq)
        else:
            if _ids_of(entry) != ids or entry.verb != verb or (entry.at, entry.outcome, entry.organ) != (
                at, outcome, organ,
            ):  # fmt: skip
                report.add_flaw("row_columns", seq=seq, what=_first_difference(entry, (at, verb, outcome, organ, ids)))
            if entry.rows is not None:
                told.take(seq, entry.verb, entry.outcome, entry.rows)
            if entry.verb in OF_THE_OWNER:
                told.take_of_the_owner(seq, epoch, entry.verb, entry.at, bytes(entry.facts))
        leaves.append((seq, sha256(b"\x00" + content).digest()))
    return leaves


def _ids_of(entry: JournalEntry) -> str:
    """The ids of a row as ROWS puts them together."""
    return f"{entry.actor}|{entry.device}|{entry.id}|{{{','.join(entry.subjects)}}}"


COLUMNS = ("at", "verb", "outcome", "organ", "actor", "device", "entry_id", "subjects")


def _first_difference(entry: JournalEntry, columns: tuple[Any, ...]) -> str:
    """The name of the first column that is not what the bytes say. `columns`: the last one has all ids."""
    expected = (entry.at, entry.verb, entry.outcome, entry.organ, *_ids_of(entry).split("|"))
    present = (*columns[:-1], *columns[-1].split("|"))
    return next(name for name, one, other in zip(COLUMNS, expected, present, strict=True) if one != other)


def _check_covered(checkpoint: SignedCheckpoint, rows: Sequence[tuple[int, bytes]], report: JournalReport) -> None:
    """Check that these rows (seq and leaf hash) are those that were signed; if not, report each that differs."""
    claims, signed = checkpoint.claims, checkpoint.leaves
    lost = report.lost_of(signed or [], rows) if report.around else set()
    leaves = signed if lost and signed is not None else rows  # of a lost row, its leaf as it was signed
    if lost and signed is not None:
        signed = [each for each in signed if each[0] not in lost]
    same = signed == rows if signed is not None else _leaves_digest(rows) == claims.leaves
    if same and len(leaves) == claims.rows and root([leaf for _, leaf in leaves]).hex() == claims.root:
        report.proved += len(rows)
        report.proved_until = datetime.fromisoformat(claims.at)
        return
    flaws = [] if signed is None else _differences(signed, rows)
    for code, seq in flaws:
        report.add_flaw(code, seq=seq, number=claims.number)
    if not flaws:
        report.add_flaw("root_differs", number=claims.number)


def _leaves_digest(rows: Sequence[tuple[int, bytes]]) -> str:
    return hashlib.sha256(pack_leaves(rows)).hexdigest()


def _differences(signed: Sequence[tuple[int, bytes]], present: Sequence[tuple[int, bytes]]) -> list[tuple[str, int]]:
    """The flaw (code, seq) of every row that is not as it was signed, in the order of seq.

    `signed` and `present`: seq and leaf hash of the rows that were signed and of those in the database now.
    """
    signed_leaf, present_leaf = dict(signed), dict(present)
    signed_leaves, present_leaves = set(signed_leaf.values()), set(present_leaf.values())
    flaws: list[tuple[str, int]] = []
    for seq, leaf in signed:
        if seq not in present_leaf:
            flaws.append(("row_moved" if leaf in present_leaves else "row_removed", seq))
        elif present_leaf[seq] != leaf:
            moved = leaf in present_leaves and present_leaf[seq] in signed_leaves
            flaws.append(("row_moved" if moved else "row_altered", seq))
    flaws += [("row_inserted", seq) for seq, leaf in present if seq not in signed_leaf and leaf not in signed_leaves]
    if not flaws:  # the same rows in another order
        order = [(one[0], other[0]) for one, other in zip(signed, present, strict=True) if one != other]
        flaws = [("row_moved", order[0][0])] if order else []
    return sorted(flaws, key=lambda flaw: flaw[1])
