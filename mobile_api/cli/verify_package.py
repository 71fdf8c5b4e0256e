"""`fujing verify-package`, on a terminal: no server, no network, no database."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from backend.proof.archive import NotABag
from backend.proof.bag import open_bag, printable
from backend.proof.package import verify

UNVERIFIED = 3  # exit code: all agrees, but nobody said which key to trust


def check(path: Path, trust: Sequence[str], console: Console) -> int:
    """Check a package and print what it proves.

    Returns the exit code: 0 all is proved, 1 something was altered, 3 nobody said which key to trust.
    """
    try:
        with open_bag(path) as bag:
            checked = verify(bag, trust)
    except NotABag as error:
        _say(console, "✗", f"这不是一个数据包：{error.zh}", f"this is no package: {error.en}")
        return 1
    except OSError as error:
        _say(console, "✗", f"无法读取：{error}", f"it cannot be read: {error}")
        return 1
    for sentence in checked.flaws:
        _say(console, "✗", sentence.zh, sentence.en)
    for sentence in checked.proved:
        _say(console, "✓", sentence.zh, sentence.en)
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


def _say(console: Console, mark: str, zh: str, en: str) -> None:
    """Print a sentence in both languages. Whatever a forger put into it is shown, and obeyed by no terminal."""
    style = "red" if mark == "✗" else ""
    lines = f"{mark} {printable(zh)}\n  {printable(en)}"
    console.print(lines, style=style, markup=False, emoji=False, soft_wrap=True)
