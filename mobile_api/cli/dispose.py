"""`fujing dispose`, on a terminal."""

from datetime import UTC, datetime
from uuid import UUID

from rich.console import Console
from rich.table import Table

from backend.core.settings import Settings
from backend.evidence.retention import disposal
from mobile_api.cli.verify import opened_store

MIB = 1024 * 1024


async def show_due(recording: UUID | None, console: Console) -> None:
    """What would go; nothing does. Raises Refusal where the one asked for would not."""
    now = datetime.now(UTC)
    if recording is not None:
        await disposal.require_due(recording, now)
    rows = [row for row in await disposal.due(now) if recording in (None, row["id"])]
    table = Table("recording", "wearer", "began", "term over", "MiB", box=None)
    for row in rows:
        began, over = (row[name].astimezone().strftime("%Y-%m-%d %H:%M") for name in ("started_at", "locked_until"))
        table.add_row(str(row["id"]), row["badge"], began, over, f"{row['bytes'] / MIB:.1f}")
    if rows:
        console.print(table)
    size = sum(row["bytes"] for row in rows) / MIB
    console.print(
        f"{len(rows)} 份到期，共 {size:.1f} MiB；未做任何改动，加 --for-real 执行\n"
        f"{len(rows)} past their term, {size:.1f} MiB; nothing was done: --for-real does it",
        soft_wrap=True,
    )


async def dispose_of(settings: Settings, recording: UUID | None, console: Console) -> None:
    """Do it. Raises Refusal, StoreUnavailable."""
    now = datetime.now(UTC)
    with opened_store(settings) as store:
        if recording is not None:
            await disposal.dispose_one(store, recording, now)
            console.print(f"已处理 disposed of {recording}", soft_wrap=True)
            return
        told = await disposal.dispose(store, now)
    console.print(
        f"已处理 {told.decided} 份，共 {told.bytes / MIB:.1f} MiB；存储已清除 {told.removed} 份\n"
        f"{told.decided} disposed of, {told.bytes / MIB:.1f} MiB; the store has let go of {told.removed}",
        soft_wrap=True,
    )
