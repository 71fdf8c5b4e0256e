"""`fujing backup` and `fujing restore`, on a terminal."""

from pathlib import Path

from rich.console import Console

from backend import backup
from backend.backup import BackupResult, DatabaseNotSaved
from backend.core import journal
from backend.core.days import in_china
from backend.core.settings import Settings
from migrations.apply import migrate, role_of
from mobile_api.cli.verify import bars, opened_store

SHOWN = 20  # missing files


async def back_up(settings: Settings, folder: Path, console: Console) -> int:
    """Back the house up into a folder. Returns the exit code: 0 all is there, 1 a file is missing.

    The journal says so before the first byte is copied: whoever took a copy of everything, killed or not, is named.
    Raises DatabaseNotSaved after the missing files of the last backup were named.
    """
    await journal.note("house/backup", {})
    with opened_store(settings) as store, bars(console) as progress:
        files = progress.add_task("files 文件", total=None)
        try:
            done = await backup.back_up(
                settings, store, folder, lambda count, total: progress.update(files, completed=count, total=total)
            )
        except DatabaseNotSaved as error:
            _print_missing(error.missing, "in the store", console)
            raise
    _print_unreadable(done, console)
    manifest = done.manifest
    facts = {
        "manifest_sha256": backup.manifest_digest(folder), "files": manifest.files, "bytes": manifest.bytes,
        "missing": len(done.missing),
    }  # fmt: skip
    await journal.note("house/backed-up", facts)
    console.print(
        f"{manifest.files} files, {manifest.bytes / 2**30:.2f} GiB, {done.copied} of them new; the database as of "
        f"{in_china(manifest.at).isoformat(' ', 'seconds')}\n"
        f"共 {manifest.files} 个文件，其中新增 {done.copied} 个；数据库与文件为同一时刻",
        soft_wrap=True,
    )
    if manifest.unsealed:
        console.print(
            f"{manifest.unsealed} uploads were not sealed yet and are in no backup: who recorded them still has them\n"
            f"{manifest.unsealed} 个上传尚未封存，不在备份中，原始文件仍在采集者处",
            style="yellow", soft_wrap=True,
        )  # fmt: skip
    console.print(f"{folder} holds the keys of this house: keep it as you keep them 备份内含密钥，请妥善保管")
    return _print_missing(done.missing, "in the store", console) or (1 if done.kept else 0)


def _print_unreadable(done: BackupResult, console: Console) -> None:
    """Name the files that the store has and does not give, how far each reads, and those saved by an earlier backup."""
    for key, read_to in list(done.unreadable.items())[:SHOWN]:
        console.print(
            f"✗ {key} 读到第 {read_to} 字节为止，存储读不出其余部分：请用 fujing heal 修复\n"
            f"  {key} cannot be read beyond byte {read_to}: put it back with fujing heal",
            style="red", markup=False, soft_wrap=True,
        )  # fmt: skip
    for key in done.kept[:SHOWN]:
        console.print(
            f"  {key} 在此备份中有先前的完好副本，已保留\n"
            f"  {key}: this backup keeps the good copy that it has from before",
            markup=False, soft_wrap=True,
        )  # fmt: skip


async def restore(settings: Settings, folder: Path, console: Console) -> int:
    """Restore a folder into an empty place. Returns the exit code: 0 all is there, 1 a file is missing."""

    async def up_to_date() -> None:
        await migrate(str(settings.migrate_url), role_of(str(settings.database_url)))

    with opened_store(settings) as store, bars(console) as progress:
        files = progress.add_task("files 文件", total=None)
        done = await backup.restore(
            settings, store, folder, up_to_date,
            lambda count, total: progress.update(files, completed=count, total=total),
        )  # fmt: skip
    console.print(
        f"{done.copied} of {done.manifest.files} files are back and locked as before; now run `fujing verify --trust`\n"
        f"{done.copied} 个文件已恢复并重新锁定；请运行 fujing verify --trust 核验",
        soft_wrap=True,
    )
    return _print_missing(done.missing, "in the backup", console)


def _print_missing(missing: list[str], where: str, console: Console) -> int:
    """Name the missing files. Returns the exit code."""
    for key in missing[:SHOWN]:
        console.print(f"✗ missing {where}, or not whole: {key} 缺失或不完整", style="red", markup=False, soft_wrap=True)
    if len(missing) > SHOWN:
        console.print(f"  … 另有 {len(missing) - SHOWN} 个 more", style="red")
    return 1 if missing else 0
