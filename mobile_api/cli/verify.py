"""`fujing verify`, on a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backend.core.database_errors import first_line, is_unreadable
from backend.core.days import in_china
from backend.core.keys import Keys
from backend.core.settings import Settings
from backend.evidence.retention.integrity_audit import audit
from backend.proof.trust import KeySet
from backend.proof.verifying import Flaw, JournalReport, verify
from backend.registry import MAY_CHANGE_BY_LINE
from migrations import guards
from mobile_api.cli.verify_package import UNVERIFIED
from mobile_api.stores import store_of
from storage.evidence_store import EvidenceStore

SHOWN = 20  # flaws; the first tells most
DAMAGE = {
    "rows_unreadable",
    "facts_unchecked",
    "files_unchecked",
    "seal_unreadable",
    "index_damaged",
    "evidence_unreadable",
    "copy_unreadable",
}  # nothing altered
UNTRUSTED = (
    "签名者未经核实：未给出 --trust",
    "signer unverified: no --trust was given, so any key that this server publishes was taken for ours",
)


async def check(settings: Settings, trust: Sequence[str], deep: bool, console: Console) -> int:
    """Check the journal, the facts and the sealed files, and print the result.

    Returns the exit code: 0 nothing is altered, 1 something is or cannot be read, 3 nobody said which key to trust.
    """
    evidence = Keys(settings.secrets_dir).evidence
    known = KeySet(keys=evidence.public(), endorsements=evidence.endorsements())
    with opened_store(settings) as store, bars(console) as progress:
        rows = progress.add_task("journal 日志", total=None)
        verified = await verify(
            store, known, trust, MAY_CHANGE_BY_LINE,
            progress=lambda done, total: progress.update(rows, completed=done, total=total),
        )  # fmt: skip
        files = progress.add_task("sealed 封存文件", total=None)
        try:
            flaws = await audit(
                store, known, trust, deep=deep,
                progress=lambda done, total: progress.update(files, completed=done, total=total),
            )  # fmt: skip
        except asyncpg.PostgresError as error:
            if not is_unreadable(error):
                raise
            flaws = [Flaw(code="files_unchecked", what=first_line(error))]
    flaws += [Flaw(code="guard_missing", what=name) for name in await guards.missing()]
    report(console, verified, [*verified.flaws, *flaws])
    return 1 if verified.flaws or flaws else 0 if verified.trusted else UNVERIFIED


@contextmanager
def opened_store(settings: Settings) -> Iterator[EvidenceStore]:
    """The store of these settings, for the length of a block."""
    store = store_of(settings)
    try:
        yield store
    finally:
        store.close()


def bars(console: Console) -> Progress:
    """Progress bars that count; in a log nothing of them stays."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=not console.is_terminal)


def report(console: Console, verified: JournalReport, flaws: Sequence[Flaw]) -> None:
    """Print the result: what is wrong, what is proved, and last what it comes to, in one line."""
    for flaw in flaws[:SHOWN]:
        console.print(f"✗ {flaw.sentence('zh')}\n  {flaw.sentence('en')}", style="red", markup=False, soft_wrap=True)
    if len(flaws) > SHOWN:
        console.print(f"  … 另有 {len(flaws) - SHOWN} 项 more", style="red")
    if not verified.trusted:
        console.print("\n".join(UNTRUSTED), style="yellow", soft_wrap=True)
    until = in_china(verified.proved_until).isoformat(" ", "seconds") if verified.proved_until else "-"
    console.print(
        f"{verified.proved} 行经 {verified.checkpoints} 个检查点证明未被改动，截至 {until}；"
        f"{verified.unproved} 行尚未证明\n"
        f"{verified.proved} rows proved unaltered by {verified.checkpoints} checkpoints, until {until}; "
        f"{verified.unproved} not proved yet",
        soft_wrap=True,
    )
    _print_facts(console, verified)
    console.print(last_line(flaws), style="red" if flaws else "green")


def last_line(flaws: Sequence[Flaw]) -> str:
    """What all flaws come to: something altered, something that cannot be read, or nothing."""
    if not flaws:
        return "✓ 未发现改动 nothing was altered"
    if all(flaw.code in DAMAGE for flaw in flaws):
        return "✗ 有损坏，未能全部核验 damaged: not everything could be verified"
    return "✗ 有改动 altered"


def _print_facts(console: Console, verified: JournalReport) -> None:
    if verified.facts is None:
        console.print(
            "事实未能与日志比对\nthe facts were not compared with the journal", style="yellow", soft_wrap=True
        )
        return
    console.print(
        f"{verified.facts} 条事实与日志一致\n{verified.facts} facts are what the journal says", soft_wrap=True
    )
    if verified.baseline is not None:
        since = in_china(verified.baseline.at).isoformat(" ", "seconds")
        console.print(
            f"有 {verified.baseline.rows} 条事实早于 {since}：此前的改动无从查明，此后按签名的基线核对\n"
            f"{verified.baseline.rows} facts are not comparable before {since}; "
            "since then they are compared with the signed baseline",
            soft_wrap=True,
        )
