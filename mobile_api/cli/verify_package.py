"""`fujing verify-package`, on a terminal: no server, no network, no database."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from backend.proof.archive import NotABag
from backend.proof.bag import open_bag, printable
from backend.proof.package import verify

UNVERIFIED = 3  # the exit code where all agrees and nobody says who signed it


def check(path: Path, trust: Sequence[str], console: Console) -> int:
    """Say what a package proves: 0 where all of it does, 1 where something was altered, 3 where nobody is trusted."""
    try:
        with open_bag(path) as bag:
            seen = verify(bag, trust)
    except NotABag as error:
        _say(console, "✗", f"这不是一个数据包：{error.zh}", f"this is no package: {error.en}")
        return 1
    except OSError as error:
        _say(console, "✗", f"无法读取：{error}", f"it cannot be read: {error}")
        return 1
    for sentence in seen.flaws:
        _say(console, "✗", sentence.zh, sentence.en)
    for sentence in seen.proved:
        _say(console, "✓", sentence.zh, sentence.en)
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


def _say(console: Console, mark: str, zh: str, en: str) -> None:
    """Print a sentence in both languages. Whatever a forger put into it is shown, and obeyed by no terminal."""
    style = "red" if mark == "✗" else ""
    lines = f"{mark} {printable(zh)}\n  {printable(en)}"
    console.print(lines, style=style, markup=False, emoji=False, soft_wrap=True)
