"""Back up the database, the keys and every sealed file into a folder, and restore them from it.

Guarantees: the list of files is of the same moment as the database. Each file in a backup is complete and has the
digest that was signed for; otherwise it is listed as missing. One file that the store does not give ends no backup, and
the good copy of it that the folder has stays and counts. A second backup into the same folder copies only what is new.
A backup that is killed leaves the one before it usable. After a restore each file is locked until the same time as
before, and its new version in the store is in the journal. Files that were not sealed are in no backup, because the
devices keep them until they are sealed (R.14, ADR 9).

    manifest.json           time, schema, counts, what was missing; written last; names the next two files
    database-MOMENT.dump    the database in pg_dump's custom format
    objects-MOMENT.jsonl    one line for each file: its key in the store, SHA-256, size, lock, hold
    objects/KEY             the bytes of the file
    secrets/                the keys; whoever has them can sign as this server; of its own CA too, if there is one
    lan.json                the name and the ports by which phones call it, if they do
    law/                    the notices on days off that were taken in, if there are any
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple, get_args
from uuid import UUID

import asyncpg
import msgspec

from backend import postgres_programs
from backend.core import journal
from backend.core.database import execute, fetch, opened, tx, value
from backend.core.database_errors import connecting, first_line, is_damage
from backend.core.keys import KeyPurpose
from backend.core.settings import Settings
from backend.evidence import unreadable
from backend.evidence.removing import poster_key
from backend.law import notices
from backend.postgres_programs import Program, ProgramFailed, Server
from backend.proof import known_store
from backend.proof.checkpoints import LEAVES, SIGNED, key_of
from storage import house_ca
from storage.evidence_store import EvidenceStore, ObjectUnknown, ObjectUnreadable, StoreUnavailable
from storage.language import SentenceError
from storage.private_files import make_private, write_private

FORMAT = 1
WHOLE = ("--no-owner", "--no-privileges", "--no-comments")
MANIFEST, DUMP, OBJECTS = "manifest.json", "database-{}.dump", "objects-{}.jsonl"
BLOCK = 1024 * 1024  # bytes
LANES = 4  # files copied at the same time
SEALED = """
SELECT u.id, u.object_key, u.version, u.sha256, u.bytes, u.media_type, u.locked_until, u.legal_hold, r.poster_version
FROM upload u LEFT JOIN recording r ON r.id = u.id
WHERE u.state = 'sealed' AND u.disposed_at IS NULL ORDER BY u.id
"""
CHECKPOINTS = "SELECT number, signed, version, leaves_version FROM checkpoint WHERE version IS NOT NULL ORDER BY number"
BY_KEY = "SELECT id, organ FROM upload WHERE object_key = ANY ($1) AND disposed_at IS NULL"
UNSEALED = "SELECT count(*) FROM upload WHERE state IN ('declared', 'receiving', 'received', 'mismatch')"
NEW_VERSION = {
    "upload": "UPDATE upload SET version = $2 WHERE id = $1 RETURNING organ",
    "poster": "UPDATE recording SET poster_version = $2 WHERE id = $1 RETURNING organ",
}
# Lines of `evidence/restore` stand only in an epoch that a restore began. One that just began has no line yet.
BEGIN_EPOCH = """
WITH begun AS (
    UPDATE journal_epoch SET restored = true
    WHERE epoch = current_epoch() AND NOT EXISTS (SELECT FROM journal WHERE epoch = current_epoch()) RETURNING epoch
)
INSERT INTO journal_epoch (epoch, system_identifier, restored)
SELECT current_epoch() + 1, c.system_identifier, true FROM pg_control_system() c WHERE NOT EXISTS (SELECT FROM begun)
"""
Progress = Callable[[int, int], None]


class BackupError(SentenceError):
    """The backup or restore is not possible. The text says what to do."""


class DatabaseNotSaved(BackupError):
    """The database could not be dumped, so there is no new backup. `missing`: files of the last one that are absent."""

    exit_code = 2

    def __init__(self, zh: str, en: str, missing: list[str]) -> None:
        super().__init__(zh, en)
        self.missing = missing


class BackupFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a backup.

    `of`: upload, poster, signed or leaves; the last two are the files of a checkpoint. `id`: of the upload, or the
    number of the checkpoint. `version`: in the store that it was copied from. `bytes`: -1 while it is not known.
    """

    of: str
    id: str
    key: str
    version: str
    media_type: str
    sha256: str = ""
    bytes: int = -1
    locked_until: datetime | None = None
    hold: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds.

    `dump`, `listed`: names of the two files beside it. `missing`: keys that the store did not have. `files`, `bytes`:
    totals. `unsealed`: uploads that were not sealed yet.
    """

    format: int
    at: datetime
    dump: str
    listed: str
    missing: list[str]
    schema: str
    files: int
    bytes: int
    unsealed: int


class BackupResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a backup or a restore. `copied`: number of files; `missing`: keys of absent or damaged files.

    `unreadable`: keys that the store did not give, with the byte up to which each was read. `kept`: keys of files that
    the store lost, of which the folder has the good copy of an earlier backup.
    """

    manifest: Manifest
    copied: int
    missing: list[str]
    unreadable: dict[str, int] = {}
    kept: list[str] = []


# -- back up


async def back_up(settings: Settings, store: EvidenceStore, folder: Path, progress: Progress) -> BackupResult:
    """Back up into `folder`. `progress` is called with files done and files in all.

    Raises BackupError, DatabaseUnusable, ProgramError, and DatabaseNotSaved where the dump failed: then the last whole
    backup stays as it is, and those of its files are saved that can be.
    """
    make_private(folder)
    before = manifest_of(folder) if (folder / MANIFEST).exists() else None
    known = {file.key: file for file in (_read_list(folder, before) if before is not None else ())}
    at = datetime.now(UTC)
    dump, listed = (name.format(at.strftime("%Y%m%dT%H%M%S%f")) for name in (DUMP, OBJECTS))
    try:
        snapshot = await _dump_database(owner_of(settings), folder / dump)
    except _NotDumped as error:
        raise await _not_saved(error, store, folder, before, known, progress) from error
    _copy_keys(settings.secrets_dir, folder / "secrets")
    _copy_notices(settings.law_home, folder / "law")
    _copy_network(_Network.of(settings), _Network.kept_in(folder))
    out = await _copy_files_out(store, folder, snapshot.files, known, progress)
    files = sorted(out.present, key=lambda file: file.key)
    _write(folder / listed, b"".join(msgspec.json.encode(file) + b"\n" for file in files))
    manifest = Manifest(
        format=FORMAT, at=at, dump=dump, listed=listed, missing=sorted(out.missing), schema=snapshot.schema,
        files=len(files), bytes=sum(file.bytes for file in files), unsealed=snapshot.unsealed,
    )  # fmt: skip
    _write(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    _remove_older(folder, manifest)
    await _note_unreadable(list(out.unreadable), at)
    return BackupResult(
        manifest=manifest, copied=out.copied, missing=sorted(out.missing), unreadable=out.unreadable,
        kept=sorted(out.kept),
    )  # fmt: skip


async def _note_unreadable(keys: list[str], at: datetime) -> None:
    """Record which sealed files the store does not give, so that it rings and their devices are asked for them."""
    for row in await fetch(BY_KEY, keys):
        await unreadable.note(row["id"], row["organ"], at)


class _Snapshot(NamedTuple):
    """What the database says at the moment of the dump: the sealed files, the number of others, the schema."""

    files: list[BackupFile]
    unsealed: int
    schema: str


class _NotDumped(Exception):
    """The dump failed; the text says why."""


async def _dump_database(owner: str, path: Path) -> _Snapshot:
    """Dump the database to `path`, and read at the same moment which files belong to it.

    The dump has its name only when it is whole. Raises _NotDumped, DatabaseUnusable, ProgramError.
    """
    with connecting(owner):
        connection = await asyncpg.connect(owner, timeout=10)
    draft = path.with_name(f"{path.name}.new")
    try:
        server = await postgres_programs.server_of(connection)
        program = postgres_programs.choose("pg_dump", server)
        snapshot = await _dump(connection, program, server, owner, draft)
        draft.replace(path)
        return snapshot
    finally:
        draft.unlink(missing_ok=True)
        await connection.close()


async def _dump(
    connection: asyncpg.Connection, program: Program, server: Server, owner: str, path: Path
) -> _Snapshot:  # fmt: skip
    """Dump with this program. Raises _NotDumped."""
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            moment = await connection.fetchval("SELECT pg_export_snapshot()")
            words = ("--format=custom", *WHOLE, f"--snapshot={moment}", f"--file={path}")
            await postgres_programs.run(program, server, owner, *words)
            uploads, checkpoints = await connection.fetch(SEALED), await connection.fetch(CHECKPOINTS)
            return _Snapshot(
                files=[*_upload_files(uploads), *_checkpoint_files(checkpoints)],
                unsealed=await connection.fetchval(UNSEALED),
                schema=await connection.fetchval("SELECT max(name) FROM migration"),
            )
    except ProgramFailed as error:
        raise _NotDumped(error.said) from error
    except asyncpg.PostgresError as error:
        if not is_damage(error):
            raise
        raise _NotDumped(first_line(error)) from error


async def _not_saved(
    error: _NotDumped, store: EvidenceStore, folder: Path, before: Manifest | None, known: dict[str, BackupFile],
    progress: Progress,
) -> DatabaseNotSaved:  # fmt: skip
    """Save those files of the last whole backup that can be, and say that the database was not saved."""
    missing: list[str] = []
    if before is None:
        zh, en = f"{folder} 中没有更早的备份。", f"{folder} holds no earlier backup."
    else:
        wanted = list(known.values())
        out = await _copy_files_out(store, folder, wanted, known, progress, (StoreUnavailable,))
        missing = sorted(out.missing)
        counted, of = f"{len(out.present)}/{len(wanted)}", before.at.isoformat(" ", "seconds")
        zh = f"{of} 的上一份完整备份保持原样，其文件现有 {counted} 个。"
        en = f"The last whole backup, of {of}, stays as it is, and {counted} of its files are there."
    return DatabaseNotSaved(
        f"数据库没有备份成功：{error}\n{zh}若数据库文件损坏，请按 docs/operating.zh.md 中“数据库损坏”处理。",
        f"The database was NOT saved: {error}\n{en} Where its files are damaged, go on by “A damaged database” in "
        "docs/operating.md.",
        missing,
    )


def _upload_files(rows: Iterable[asyncpg.Record]) -> Iterator[BackupFile]:
    for row in rows:
        common = {"id": str(row["id"]), "locked_until": row["locked_until"]}
        yield BackupFile(
            of="upload", key=row["object_key"], version=row["version"], media_type=row["media_type"],
            sha256=row["sha256"], bytes=row["bytes"], hold=row["legal_hold"], **common,
        )  # fmt: skip
        if row["poster_version"] is not None:
            key, version = poster_key(row["id"]), row["poster_version"]
            yield BackupFile(of="poster", key=key, version=version, media_type="image/jpeg", **common)


def _checkpoint_files(rows: Iterable[asyncpg.Record]) -> Iterator[BackupFile]:
    for row in rows:
        for of, ending, version in (("signed", SIGNED, "version"), ("leaves", LEAVES, "leaves_version")):
            yield BackupFile(
                of=of, id=str(row["number"]), key=key_of(row["number"], row["signed"], ending), version=row[version],
                media_type="application/jwt" if of == "signed" else "application/octet-stream",
            )  # fmt: skip


async def _copy_files_out(
    store: EvidenceStore, folder: Path, wanted: list[BackupFile], known: dict[str, BackupFile], progress: Progress,
    passed: tuple[type[Exception], ...] = (),
) -> "_CopiedOut":  # fmt: skip
    """Copy the wanted files from the store, except those that the folder has from the backup before (`known`).

    `passed`: errors of one file that do not end it all, but make that file a missing one.
    """
    out, done = _CopiedOut(), 0
    lost: tuple[type[Exception], ...] = (ObjectUnknown, ObjectUnreadable, _DigestDiffers, *passed)

    async def copy(file: BackupFile) -> None:
        nonlocal done
        path, before = path_of(folder, file), known.get(file.key)
        if before is not None and before.version == file.version and path.is_file() and _size(path) == before.bytes:
            out.present.append(msgspec.structs.replace(file, sha256=before.sha256, bytes=before.bytes))
        else:
            try:
                out.present.append(await _copy_out(store, file, path))
                out.copied += 1
            except lost as error:
                await out.lose(file, path, error)
        done += 1
        progress(done, len(wanted))

    await _in_lanes(wanted, copy)
    return out


class _CopiedOut:
    """What became of the wanted files: those that the folder has now, how many are new, and what the store lost."""

    def __init__(self) -> None:
        self.present: list[BackupFile] = []
        self.missing: list[str] = []
        self.kept: list[str] = []
        self.unreadable: dict[str, int] = {}
        self.copied = 0

    async def lose(self, file: BackupFile, path: Path, error: Exception) -> None:
        """The store lost this file; a copy of exactly these bytes that the folder has is kept."""
        if isinstance(error, ObjectUnreadable):
            self.unreadable[file.key] = error.read_to
        if await asyncio.to_thread(_is_copy_of, path, file):
            self.kept.append(file.key)
            self.present.append(file)
        else:
            self.missing.append(file.key)


class _DigestDiffers(Exception):
    """The store returned other bytes than were signed for."""


async def _copy_out(store: EvidenceStore, source: BackupFile, path: Path) -> BackupFile:
    """Copy one file from the store. It gets its final name only when it is complete and its digest is right."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = source.bytes if source.bytes >= 0 else len(await store.read(source.key, source.version))
    draft, digest = path.with_name(f"{path.name}.part"), hashlib.sha256()
    try:
        with _private(draft) as file:
            async for block in store.stream(source.key, source.version, 0, size, BLOCK):
                digest.update(block)
                await asyncio.to_thread(file.write, block)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        sha256 = digest.hexdigest()
        if source.sha256 not in ("", sha256):
            raise _DigestDiffers
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return msgspec.structs.replace(source, sha256=sha256, bytes=size)


# -- restore


async def restore(
    settings: Settings, store: EvidenceStore, folder: Path, migrate: Callable[[], Awaitable[None]], progress: Progress
) -> BackupResult:
    """Restore the backup in `folder` into an empty database. `migrate` updates its schema.

    Raises BackupError, DatabaseUnusable, ProgramError.
    """
    manifest = manifest_of(folder)
    owner = owner_of(settings)
    server = await _empty_server(owner, settings.secrets_dir)
    program = postgres_programs.choose("pg_restore", server, folder / manifest.dump)
    await store.prepare()
    await store.prove_lock()
    restored, missing = await _copy_files_back(store, folder, _read_list(folder, manifest), progress)
    _copy_keys(folder / "secrets", settings.secrets_dir)
    _copy_notices(folder / "law", settings.law_home)
    _copy_network(_Network.kept_in(folder), _Network.of(settings))
    whole = ("--single-transaction", "--exit-on-error", str(folder / manifest.dump))
    await postgres_programs.run(program, server, owner, *WHOLE, *whole)
    await migrate()
    known = await known_store.put_marker(store)
    async with opened(owner, size=1), tx():
        await execute(BEGIN_EPOCH)
        await _journal_restore(folder, manifest, len(restored), len(missing))
        await known_store.begin_anew()
        await known_store.name(store, known)
        await execute("ALTER TABLE checkpoint DISABLE TRIGGER checkpoint_no_change")
        for file in restored:
            await _record_version(file)
        await execute("ALTER TABLE checkpoint ENABLE TRIGGER checkpoint_no_change")
    async with opened(owner, size=1):
        await known_store.lengthen(store)
    return BackupResult(manifest=manifest, copied=len(restored), missing=sorted([*missing, *manifest.missing]))


async def _journal_restore(folder: Path, manifest: Manifest, restored: int, missing: int) -> None:
    """The first line of the restored house: which backup it was made from, and how much of it."""
    facts = {
        "backup_at": journal.utc(manifest.at), "manifest_sha256": manifest_digest(folder), "restored": restored,
        "missing": missing,
    }  # fmt: skip
    await journal.note("house/restore", facts)


async def _copy_files_back(
    store: EvidenceStore, folder: Path, listed: list[BackupFile], progress: Progress
) -> tuple[list[BackupFile], list[str]]:
    """Put the files into the store. Returns them with their new versions, and the keys of the missing ones."""
    restored, missing, done = [], [], 0

    async def put(file: BackupFile) -> None:
        nonlocal done
        path = path_of(folder, file)
        if await asyncio.to_thread(_is_copy_of, path, file):
            restored.append(msgspec.structs.replace(file, version=await _put_back(store, file, path)))
        else:
            missing.append(file.key)
        done += 1
        progress(done, len(listed))

    await _in_lanes(listed, put)
    return sorted(restored, key=lambda file: file.key), sorted(missing)


async def _put_back(store: EvidenceStore, file: BackupFile, path: Path) -> str:
    """Put one file into the store, lock it and hold it as before. Returns its version."""
    version = await _version_of_earlier_attempt(store, file)
    if version is None:
        version = (await store.put_file(file.key, path, file.media_type)).version
    if file.locked_until is not None and file.locked_until > datetime.now(UTC):
        await store.lock(file.key, version, file.locked_until)
    if file.hold:
        await store.hold(file.key, version, True)
    return version


async def _version_of_earlier_attempt(store: EvidenceStore, file: BackupFile) -> str | None:
    """The version that an earlier, interrupted restore put into the store; None if there is none."""
    try:
        newest = await store.find(file.key)
        same = await store.digest(newest.key, newest.version) == (file.sha256, file.bytes)
    except (ObjectUnknown, ObjectUnreadable):
        return None
    return newest.version if same else None


async def _record_version(file: BackupFile) -> None:
    """Write the new version of a file into the database, and for an upload into the journal."""
    if file.of in NEW_VERSION:
        organ = await value(NEW_VERSION[file.of], UUID(file.id), file.version)
        if file.of == "upload":
            facts = {"sha256": file.sha256, "bytes": file.bytes, "version": file.version}
            await journal.append(
                journal.Line(
                    at=datetime.now(UTC), verb="evidence/restore", outcome="done", organ=organ,
                    subjects=[UUID(file.id)], facts=facts,
                )
            )  # fmt: skip
        return
    column = "version" if file.of == "signed" else "leaves_version"
    await execute(f"UPDATE checkpoint SET {column} = $2 WHERE number = $1", int(file.id), file.version)  # noqa: S608


async def _empty_server(owner: str, secrets: Path) -> Server:
    """The server of an empty database. Raises BackupError where it is not empty, or the house has keys."""
    with connecting(owner):
        connection = await asyncpg.connect(owner, timeout=10)
    try:
        server = await postgres_programs.server_of(connection)
        if await connection.fetchval("SELECT to_regclass('journal') IS NOT NULL"):
            raise BackupError(
                "数据库不是空的：请恢复到新建的数据库，以免覆盖任何内容。",
                "The database is not empty: restore into a new one, so that nothing is overwritten.",
            )
    finally:
        await connection.close()
    if any((secrets / "evidence").glob("evidence-*")):
        raise BackupError(
            f"{secrets} 中已有证据密钥：请把 FUJING_DATA_DIR 设为空目录后再恢复。",
            f"{secrets} has evidence keys of its own: name an empty FUJING_DATA_DIR to restore into.",
        )
    return server


# -- shared


def path_of(folder: Path, file: BackupFile) -> Path:
    """The path of a file inside a backup."""
    return folder / "objects" / file.key


def _read_list(folder: Path, manifest: Manifest) -> list[BackupFile]:
    lines = (folder / manifest.listed).read_bytes().splitlines()
    return [msgspec.json.decode(line, type=BackupFile) for line in lines]


def manifest_of(folder: Path) -> Manifest:
    """What the backup in `folder` holds. Raises BackupError where there is no whole one."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        raise BackupError(
            f"{folder} 中没有完整的备份：缺少可读的 manifest.json。",
            f"{folder} holds no whole backup: it has no manifest.json that can be read.",
        ) from None
    if manifest.format != FORMAT:
        raise BackupError(
            f"{folder} 的格式为 {manifest.format}；本程序只读格式 {FORMAT}。",
            f"{folder} is of format {manifest.format}; this program reads format {FORMAT}.",
        )
    return manifest


def copy_of(folder: Path, upload: UUID) -> Path:
    """Where the backup in `folder` has the file of this upload. Raises BackupError."""
    for file in _read_list(folder, manifest_of(folder)):
        if (file.of, file.id) == ("upload", str(upload)) and path_of(folder, file).is_file():
            return path_of(folder, file)
    raise BackupError(f"{folder} 中没有 {upload}。", f"{folder} does not hold {upload}.")


def manifest_digest(folder: Path) -> str:
    """SHA-256 of a backup's manifest, which names everything else in it."""
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def _remove_older(folder: Path, manifest: Manifest) -> None:
    """Remove the dumps and lists of earlier backups, and of backups that were killed."""
    for path in (
        *folder.glob(DUMP.format("*")),
        *folder.glob(DUMP.format("*") + ".new"),
        *folder.glob(OBJECTS.format("*")),
    ):
        if path.name not in (manifest.dump, manifest.listed):
            path.unlink()


def _copy_keys(source: Path, target: Path) -> None:
    """Copy the keys of every purpose. The passwords of the embedded servers are not copied: each server has its own."""
    for purpose in get_args(KeyPurpose):
        for path in sorted((source / purpose).iterdir()):
            write_private(target / purpose / path.name, path.read_bytes())


def _copy_notices(source: Path, target: Path) -> None:
    """Copy the notices on days off; a house may have taken none in."""
    if (source / notices.FILE).exists():
        make_private(target)
        _write(target / notices.FILE, (source / notices.FILE).read_bytes())


class _Network(NamedTuple):
    """How phones call a house and know it: the folder of its CA, and the file with its name and ports."""

    ca: Path
    lan: Path

    @classmethod
    def of(cls, settings: Settings) -> "_Network":
        return cls(settings.ca_dir, settings.lan_file)

    @classmethod
    def kept_in(cls, folder: Path) -> "_Network":
        return cls(folder / "secrets" / "ca", folder / "lan.json")


def _copy_network(source: _Network, target: _Network) -> None:
    """Copy the CA, its certificate last, and the ports: phones trust the one and call the others. Often there is none.

    What the target has is replaced: phones know what the source says.
    """
    if (source.ca / house_ca.CERTIFICATE).exists():
        make_private(target.ca)
        (target.ca / house_ca.CERTIFICATE).unlink(missing_ok=True)
        for name in (house_ca.KEY, house_ca.CERTIFICATE):
            _write(target.ca / name, (source.ca / name).read_bytes())
    if source.lan.exists():
        _write(target.lan, source.lan.read_bytes())


def _write(path: Path, content: bytes) -> None:
    """Write a file that has its final name only when it is complete."""
    draft = path.with_name(f"{path.name}.new")
    with _private(draft) as file:
        file.write(content)
    draft.replace(path)


def _private(path: Path) -> IO[bytes]:
    """Open a new file that its owner alone can read; an old one of the same name goes."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def _is_copy_of(path: Path, file: BackupFile) -> bool:
    return path.is_file() and _digest(path) == (file.sha256, file.bytes)


def _size(path: Path) -> int:
    return path.stat().st_size


async def _in_lanes(files: Iterable[BackupFile], work: Callable[[BackupFile], Awaitable[None]]) -> None:
    """Work on `LANES` files at a time. The first failure ends all."""
    waiting = iter(files)

    async def lane() -> None:
        for file in waiting:
            await work(file)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(lane())


def owner_of(settings: Settings) -> str:
    """The URL of the owner of the tables. Raises BackupError where none is set."""
    if settings.migrate_url is None:
        raise BackupError(
            "未设置 FUJING_MIGRATE_URL：只有表的所有者才能读取并建立全部的表。",
            "FUJING_MIGRATE_URL is not set: only the owner of the tables may read and make all of them.",
        )
    return settings.migrate_url
