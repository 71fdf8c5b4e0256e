"""`fujing verify-package`, on a terminal: no server, no network, no database."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from backend.proof.package import NotABag, open_bag, verify

UNVERIFIED = 3  # exit code: all agrees, but nobody said which key to trust


def check(path: Path, trust: Sequence[str], console: Console) -> int:
    """Check a package and print what it proves.

    Returns the exit code: 0 all is proved, 1 something was altered, 3 nobody said which key to trust.
    """
    try:
        with open_bag(path) as bag:
            checked = verify(bag, trust)
    except (NotABag, OSError, RuntimeError) as error:
        console.print(f"✗ 这不是一个数据包 this is no package: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    for sentence in checked.flaws:
        console.print(f"✗ {sentence.zh}\n  {sentence.en}", style="red", markup=False, soft_wrap=True)
    for sentence in checked.proved:
        console.print(f"✓ {sentence.zh}\n  {sentence.en}", markup=False, soft_wrap=True)
    if checked.flaws:
        console.print("✗ 有改动，不能作为依据 altered: do not rely on it", style="red")
        return 1
    if not checked.trusted:
        console.print(
            "签名者未经核实：包内一致，但没有给出 --trust\n"
            "signer unverified: the package agrees with itself, and no --trust was given",
            style="yellow", soft_wrap=True,
        )  # fmt: skip
        return UNVERIFIED
    console.print("✓ 核验通过 verified", style="green")
    return 0
