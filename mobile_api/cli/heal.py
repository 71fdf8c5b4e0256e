"""`fujing heal`, on a terminal."""

from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

from rich.console import Console

from backend import backup
from backend.core import database
from backend.core.settings import Settings
from backend.evidence import healing
from backend.evidence.healing import Origin, Source
from mobile_api.cli import serving
from mobile_api.cli.verify import opened_store


async def put_back(settings: Settings, recording: UUID, given: Path | None, console: Console) -> None:
    """Put a sealed file back: from a backup's folder, a file, or what a device sent again.

    As the owner of the tables, who alone names another version. Raises NotHealed, BackupError, StoreUnavailable.
    """
    owner = backup.owner_of(settings)
    await serving.prepare(settings)
    with ExitStack() as opened:
        async with database.opened(owner, size=2):
            row = await healing.sealed_file(recording)
            origin, source = _source_of(row["id"], given, opened)
            store = opened.enter_context(opened_store(settings))
            version = await healing.heal(store, row, origin, source)
    if version is None:
        console.print(f"{recording} 完好，无需修复 is whole: nothing was to be done", soft_wrap=True)
        return
    console.print(
        f"✓ {recording} 已放回存储，摘要与封存时一致，锁定与冻结照旧\n"
        f"✓ {recording} is back: the bytes that were sealed, locked and held as before",
        style="green", soft_wrap=True,
    )  # fmt: skip


def _source_of(upload: UUID, given: Path | None, opened: ExitStack) -> tuple[Origin, Source | None]:
    """Where the bytes come from, opened; None: from a device. Raises BackupError."""
    if given is None:
        return "device", None
    if given.is_dir():
        return "backup", opened.enter_context(backup.copy_of(given, upload).open("rb"))
    return "file", opened.enter_context(given.open("rb"))
