"""`fujing verify`, on a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.evidence.retention.integrity_audit import audit
from backend.proof.trust import KeySet
from backend.proof.verifying import Flaw, JournalReport, verify
from mobile_api.cli.verify_package import UNVERIFIED
from mobile_api.stores import store_of
from storage.evidence_store import EvidenceStore

SHOWN = 20  # flaws; the first is what matters
UNTRUSTED = (
    "签名者未经核实：未给出 --trust",
    "signer unverified: no --trust was given, so any key that this server publishes was taken for ours",
)


async def look(settings: Settings, trust: Sequence[str], deep: bool, console: Console) -> int:
    """Look at everything and say what was found: 0 where nothing is wrong, 1 where something is, 3 without trust."""
    evidence = Keys(settings.secrets_dir).evidence
    known = KeySet(keys=evidence.public(), endorsements=evidence.endorsements())
    with opened_store(settings) as store, bars(console) as progress:
        rows = progress.add_task("journal 日志", total=None)
        seen = await verify(store, known, trust, lambda done, total: progress.update(rows, completed=done, total=total))
        files = progress.add_task("sealed 封存文件", total=None)
        flaws = await audit(
            store, known, trust, deep=deep,
            progress=lambda done, total: progress.update(files, completed=done, total=total),
        )  # fmt: skip
    _say(console, seen, [*seen.flaws, *flaws])
    return 1 if seen.flaws or flaws else 0 if seen.trusted else UNVERIFIED


@contextmanager
def opened_store(settings: Settings) -> Iterator[EvidenceStore]:
    store = store_of(settings)
    try:
        yield store
    finally:
        store.close()


def bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=not console.is_terminal)


def _say(console: Console, seen: JournalReport, flaws: Sequence[Flaw]) -> None:
    for flaw in flaws[:SHOWN]:
        console.print(f"✗ {flaw.sentence('zh')}\n  {flaw.sentence('en')}", style="red", markup=False, soft_wrap=True)
    if len(flaws) > SHOWN:
        console.print(f"  … {len(flaws) - SHOWN} more", style="red")
    if not seen.trusted:
        console.print("\n".join(UNTRUSTED), style="yellow", soft_wrap=True)
    until = seen.proved_until.astimezone().isoformat(" ", "seconds") if seen.proved_until else "-"
    console.print(
        f"{seen.proved} 行经 {seen.checkpoints} 个检查点证明未被改动，截至 {until}；{seen.unproved} 行尚未证明\n"
        f"{seen.proved} rows proved unaltered by {seen.checkpoints} checkpoints, until {until}; "
        f"{seen.unproved} not proved yet",
        soft_wrap=True,
    )
    console.print(
        "✗ 有改动 altered" if flaws else "✓ 未发现改动 nothing was altered", style="red" if flaws else "green"
    )
