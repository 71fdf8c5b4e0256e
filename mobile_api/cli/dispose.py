"""`fujing dispose`, on a terminal."""

from datetime import UTC, datetime
from uuid import UUID

from rich.console import Console
from rich.table import Table

from backend.core.settings import Settings
from backend.evidence.retention import disposal
from mobile_api.cli.verify import opened_store
from mobile_api.printing import BEIJING
from storage.language import by_locale

MIB = 1024 * 1024
HEADINGS = (
    ("录像", "recording"), ("佩戴者", "wearer"), ("开始", "began"), ("期限届满", "term over"), ("MiB", "MiB"),
)  # fmt: skip


async def show_due(recording: UUID | None, console: Console) -> None:
    """Print what is due; nothing is done. Raises Refusal where `recording` is not due."""
    now = datetime.now(UTC)
    if recording is not None:
        await disposal.require_due(recording, now)
    rows = [row for row in await disposal.due(now) if recording in (None, row["id"])]
    table = Table(*(by_locale(zh, en) for zh, en in HEADINGS), box=None)
    for row in rows:
        began, over = (f"{row[name].astimezone(BEIJING):%Y-%m-%d %H:%M}" for name in ("started_at", "locked_until"))
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
    """Dispose of what is due, or of `recording` alone. Raises Refusal, StoreUnavailable."""
    now = datetime.now(UTC)
    with opened_store(settings) as store:
        if recording is not None:
            await disposal.dispose_one(store, recording, now)
            console.print(f"已处理 disposed of {recording}", soft_wrap=True)
            return
        done = await disposal.dispose(store, now)
    console.print(
        f"已处理 {done.decided} 份，共 {done.bytes / MIB:.1f} MiB；存储已清除 {done.removed} 份\n"
        f"{done.decided} disposed of, {done.bytes / MIB:.1f} MiB; the store has let go of {done.removed}",
        soft_wrap=True,
    )
