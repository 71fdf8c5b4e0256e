"""`fujing verify-package`, on a terminal: no server, no network, no database."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from backend.proof.package import NotABag, open_bag, verify

UNVERIFIED = 3  # the exit code where all agrees and nobody says who signed it


def check(path: Path, trust: Sequence[str], console: Console) -> int:
    """Say what a package proves: 0 where all of it does, 1 where something was altered, 3 where nobody is trusted."""
    try:
        with open_bag(path) as bag:
            seen = verify(bag, trust)
    except (NotABag, OSError, RuntimeError) as error:
        console.print(f"✗ 这不是一个数据包 this is no package: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    for sentence in seen.flaws:
        console.print(f"✗ {sentence.zh}\n  {sentence.en}", style="red", markup=False, soft_wrap=True)
    for sentence in seen.proved:
        console.print(f"✓ {sentence.zh}\n  {sentence.en}", markup=False, soft_wrap=True)
    if seen.flaws:
        console.print("✗ 有改动，不能作为依据 altered: do not rely on it", style="red")
        return 1
    if not seen.trusted:
        console.print(
            "签名者未经核实：包内一致，但没有给出 --trust\n"
            "signer unverified: the package agrees with itself, and no --trust was given",
            style="yellow", soft_wrap=True,
        )  # fmt: skip
        return UNVERIFIED
    console.print("✓ 核验通过 verified", style="green")
    return 0
