"""A whole house in a folder, and back: the database, the keys, and every sealed byte that it names.

Guarantees: the database and the files beside it are of one moment; a file is there whole, with the digest that was
signed for, or is told as missing; a backup made again into the same folder copies only what is new, and one that is
killed leaves the one before it usable. Restored, each file is locked again as long as before, and its new place in the
store stands in the journal. What was not sealed is in no backup: whoever recorded it still has it (R.14, ADR 9).

    manifest.json           when, of which schema, how much, what was missing; written last, it names the other two
    database-MOMENT.dump    pg_dump's own format
    objects-MOMENT.jsonl    each file: its key in the store, SHA-256, size, lock, hold
    objects/KEY             its bytes
    secrets/                the keys: whoever has them signs as this house
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import msgspec

from backend.core import journal
from backend.core.database import execute, opened, tx, value
from backend.core.keys import KeyPurpose
from backend.core.settings import Settings
from backend.evidence.sealing import poster_key
from backend.proof.checkpoints import LEAVES, SIGNED, key_of
from storage.embedded.processes import EmbeddedError
from storage.evidence_store import EvidenceStore, ObjectUnknown
from storage.private_files import make_private, write_private

FORMAT = 1
MANIFEST, DUMP, LISTED = "manifest.json", "database-{}.dump", "objects-{}.jsonl"
BLOCK = 1024 * 1024
LANES = 4
SEALED = """
SELECT u.id, u.object_key, u.version, u.sha256, u.bytes, u.media_type, u.locked_until, u.legal_hold, r.poster_version
FROM upload u LEFT JOIN recording r ON r.id = u.id
WHERE u.state = 'sealed' AND u.disposed_at IS NULL ORDER BY u.id
"""
CHECKPOINTS = "SELECT number, signed, version, leaves_version FROM checkpoint WHERE version IS NOT NULL ORDER BY number"
UNSEALED = "SELECT count(*) FROM upload WHERE state IN ('declared', 'receiving', 'received', 'mismatch')"
MOVED = {
    "upload": "UPDATE upload SET version = $2 WHERE id = $1 RETURNING organ",
    "poster": "UPDATE recording SET poster_version = $2 WHERE id = $1 RETURNING organ",
}
Progress = Callable[[int, int], None]


class BackupError(Exception):
    """It cannot be done; the text says what to do."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file. `of`: upload, poster, or a checkpoint's signed or leaves; `id`: the upload's, or the checkpoint's
    number. `version` is that of the store it came from."""

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
    """What a backup holds. `dump` and `listed` are names of files; `missing` the keys that the store did not have."""

    format: int
    at: datetime
    dump: str
    listed: str
    missing: list[str]
    schema: str
    files: int
    bytes: int
    unsealed: int


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `missing`: the keys of files that are not there, or not whole; `copied`: how many were."""

    manifest: Manifest
    copied: int
    missing: list[str]


# -- out


async def back_up(settings: Settings, store: EvidenceStore, folder: Path, progress: Progress) -> Done:
    """The house of these settings into `folder`. Raises BackupError."""
    make_private(folder)
    connection = await asyncpg.connect(_owner(settings))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            at = datetime.now(UTC)
            dump, listed = (name.format(at.strftime("%Y%m%dT%H%M%S%f")) for name in (DUMP, LISTED))
            await _dump(_owner(settings), folder / dump, snapshot)
            wanted = list(_uploads(await connection.fetch(SEALED))) + list(
                _checkpoints(await connection.fetch(CHECKPOINTS))
            )
            unsealed = await connection.fetchval(UNSEALED)
            schema = await connection.fetchval("SELECT max(name) FROM migration")
    finally:
        await connection.close()
    _copy_keys(settings.secrets_dir, folder / "secrets")
    before = _manifest(folder) if (folder / MANIFEST).exists() else None
    known = {each.key: each for each in (_listed(folder, before) if before is not None else ())}
    kept, copied, missing = await _copied_out(store, folder, wanted, known, progress)
    _write(folder / listed, b"".join(msgspec.json.encode(each) + b"\n" for each in kept))
    manifest = Manifest(
        format=FORMAT, at=at, dump=dump, listed=listed, missing=missing, schema=schema, files=len(kept),
        bytes=sum(each.bytes for each in kept), unsealed=unsealed,
    )  # fmt: skip
    _write(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    _forget_others(folder, manifest)
    return Done(manifest=manifest, copied=copied, missing=missing)


def _uploads(rows: Iterable[asyncpg.Record]) -> Iterator[Kept]:
    for row in rows:
        common = {"id": str(row["id"]), "locked_until": row["locked_until"]}
        yield Kept(
            of="upload", key=row["object_key"], version=row["version"], media_type=row["media_type"],
            sha256=row["sha256"], bytes=row["bytes"], hold=row["legal_hold"], **common,
        )  # fmt: skip
        if row["poster_version"] is not None:
            key, version = poster_key(row["id"]), row["poster_version"]
            yield Kept(of="poster", key=key, version=version, media_type="image/jpeg", **common)


def _checkpoints(rows: Iterable[asyncpg.Record]) -> Iterator[Kept]:
    for row in rows:
        for of, ending, version in (("signed", SIGNED, "version"), ("leaves", LEAVES, "leaves_version")):
            yield Kept(
                of=of, id=str(row["number"]), key=key_of(row["number"], row["signed"], ending), version=row[version],
                media_type="application/jwt" if of == "signed" else "application/octet-stream",
            )  # fmt: skip


async def _copied_out(
    store: EvidenceStore, folder: Path, wanted: list[Kept], known: dict[str, Kept], progress: Progress
) -> tuple[list[Kept], int, list[str]]:
    kept, missing, copied, done = [], [], 0, 0

    async def copy(each: Kept) -> None:
        nonlocal copied, done
        path, before = place_of(folder, each), known.get(each.key)
        if before is not None and before.version == each.version and path.is_file() and _size(path) == before.bytes:
            kept.append(msgspec.structs.replace(each, sha256=before.sha256, bytes=before.bytes))
        else:
            try:
                kept.append(await _copy_out(store, each, path))
                copied += 1
            except (ObjectUnknown, _Differs):
                missing.append(each.key)
        done += 1
        progress(done, len(wanted))

    await _each(wanted, copy)
    return sorted(kept, key=lambda each: each.key), copied, sorted(missing)


class _Differs(Exception):
    """The bytes are not those that were signed for."""


async def _copy_out(store: EvidenceStore, each: Kept, path: Path) -> Kept:
    """The file whole, with its digest, under its own name only then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = each.bytes if each.bytes >= 0 else len(await store.read(each.key, each.version))
    draft, digest = path.with_name(f"{path.name}.part"), hashlib.sha256()
    with draft.open("wb") as file:
        async for block in store.stream(each.key, each.version, 0, size, BLOCK):
            digest.update(block)
            await asyncio.to_thread(file.write, block)
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    found = digest.hexdigest()
    if each.sha256 not in ("", found):
        draft.unlink()
        raise _Differs
    draft.replace(path)
    return msgspec.structs.replace(each, sha256=found, bytes=size)


# -- back


async def restore(
    settings: Settings, store: EvidenceStore, folder: Path, migrate: Callable[[], Awaitable[None]], progress: Progress
) -> Done:
    """The house of `folder` into an empty place. `migrate` brings the schema up to date. Raises BackupError."""
    manifest = _manifest(folder)
    owner = _owner(settings)
    await _must_be_empty(owner, settings.secrets_dir)
    await store.prepare()
    await store.prove_lock()
    placed, missing = await _put_back(store, folder, _listed(folder, manifest), progress)
    _copy_keys(folder / "secrets", settings.secrets_dir)
    await _load(owner, folder / manifest.dump)
    await migrate()
    async with opened(owner, size=1), tx():
        await execute("ALTER TABLE checkpoint DISABLE TRIGGER checkpoint_no_change")
        for each in placed:
            await _note(each)
        await execute("ALTER TABLE checkpoint ENABLE TRIGGER checkpoint_no_change")
    return Done(manifest=manifest, copied=len(placed), missing=sorted([*missing, *manifest.missing]))


async def _put_back(
    store: EvidenceStore, folder: Path, listed: list[Kept], progress: Progress
) -> tuple[list[Kept], list[str]]:
    placed, missing, done, now = [], [], 0, datetime.now(UTC)

    async def put(each: Kept) -> None:
        nonlocal done
        path = place_of(folder, each)
        if path.is_file() and await asyncio.to_thread(_digest, path) == (each.sha256, each.bytes):
            version = (
                await _there_already(store, each) or (await store.put_file(each.key, path, each.media_type)).version
            )
            if each.locked_until is not None and each.locked_until > now:
                await store.lock(each.key, version, each.locked_until)
            if each.hold:
                await store.hold(each.key, version, True)
            placed.append(msgspec.structs.replace(each, version=version))
        else:
            missing.append(each.key)
        done += 1
        progress(done, len(listed))

    await _each(listed, put)
    return sorted(placed, key=lambda each: each.key), sorted(missing)


async def _there_already(store: EvidenceStore, each: Kept) -> str | None:
    """The version that an earlier attempt put there."""
    try:
        found = await store.find(each.key)
        same = await store.digest(found.key, found.version) == (each.sha256, each.bytes)
    except ObjectUnknown:
        return None
    return found.version if same else None


async def _note(each: Kept) -> None:
    """Where the store has it now."""
    if each.of in MOVED:
        organ = await value(MOVED[each.of], UUID(each.id), each.version)
        if each.of == "upload":
            facts = {"sha256": each.sha256, "bytes": each.bytes, "version": each.version}
            await journal.append(
                journal.Line(
                    at=datetime.now(UTC), verb="evidence/restore", outcome="done", organ=organ,
                    subjects=[UUID(each.id)], facts=facts,
                )
            )  # fmt: skip
        return
    column = "version" if each.of == "signed" else "leaves_version"
    await execute(f"UPDATE checkpoint SET {column} = $2 WHERE number = $1", int(each.id), each.version)  # noqa: S608


async def _must_be_empty(owner: str, secrets: Path) -> None:
    connection = await asyncpg.connect(owner)
    try:
        if await connection.fetchval("SELECT to_regclass('journal') IS NOT NULL"):
            raise BackupError("The database is not empty: restore into a new one, so that nothing is overwritten.")
    finally:
        await connection.close()
    if any((secrets / "evidence").glob("evidence-*")):
        raise BackupError(f"{secrets} has evidence keys of its own: name an empty FUJING_DATA_DIR to restore into.")


# -- pieces


def place_of(folder: Path, each: Kept) -> Path:
    return folder / "objects" / each.key


def _listed(folder: Path, manifest: Manifest) -> list[Kept]:
    lines = (folder / manifest.listed).read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Kept) for line in lines]


def _manifest(folder: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        raise BackupError(f"{folder} holds no whole backup: it has no manifest.json that can be read.") from None
    if manifest.format != FORMAT:
        raise BackupError(f"{folder} is of format {manifest.format}; this program reads format {FORMAT}.")
    return manifest


def _forget_others(folder: Path, manifest: Manifest) -> None:
    """Dumps and lists of backups before, and of ones that were killed."""
    for path in (*folder.glob(DUMP.format("*")), *folder.glob(LISTED.format("*"))):
        if path.name not in (manifest.dump, manifest.listed):
            path.unlink()


def _copy_keys(source: Path, target: Path) -> None:
    """The keys of every purpose; what the embedded servers know each other by is of their place, and stays."""
    for purpose in get_args(KeyPurpose):
        for path in sorted((source / purpose).iterdir()):
            write_private(target / purpose / path.name, path.read_bytes())


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def _size(path: Path) -> int:
    return path.stat().st_size


async def _each(items: Iterable[Kept], work: Callable[[Kept], Awaitable[None]]) -> None:
    """A few at a time; the first failure ends it."""
    waiting = iter(items)

    async def lane() -> None:
        for each in waiting:
            await work(each)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(lane())


def _owner(settings: Settings) -> str:
    if settings.migrate_url is None:
        raise BackupError("FUJING_MIGRATE_URL is not set: only the owner of the tables may read and make all of them.")
    return settings.migrate_url


async def _dump(url: str, path: Path, snapshot: str) -> None:
    await _run(
        "pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", "--no-comments", f"--snapshot={snapshot}",
        f"--file={path}",
    )  # fmt: skip


async def _load(url: str, path: Path) -> None:
    await _run(
        "pg_restore", url, "--no-owner", "--no-privileges", "--no-comments", "--single-transaction", "--exit-on-error",
        str(path),
    )  # fmt: skip


async def _run(name: str, url: str, *words: str) -> None:
    """PostgreSQL's own program; the password is in its environment, where other users do not see it."""
    parts = urlsplit(url)
    address = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@", 1)))
    process = await asyncio.create_subprocess_exec(
        _program(name), f"--dbname={address}", *words, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PGPASSWORD": unquote(parts.password or "")},
    )  # fmt: skip
    _, said = await process.communicate()
    if process.returncode:
        raise BackupError(f"{name} failed: {said.decode(errors='replace').strip()[:500]}")


def _program(name: str) -> str:
    """The embedded server's, which reads every older one; else the system's."""
    from storage.embedded.postgres import postgres_binaries

    try:
        return str(postgres_binaries() / name)
    except EmbeddedError:
        found = shutil.which(name)
        if found is None:
            raise BackupError(f"{name} is not installed: it comes with PostgreSQL's client programs.") from None
        return found
