"""What the checks said, as a table for a person and as JSON for a program."""

import json

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mobile_api.cli.doctor.checks import Told
from mobile_api.cli.doctor.results import Line, Mark
from storage.language import by_locale

MARKS: dict[Mark, tuple[str, str]] = {
    "well": ("✓", "green"), "warning": ("!", "yellow"), "wrong": ("✗", "red"), "unknown": ("?", "yellow"),
}  # fmt: skip


def exit_code(told: list[Told]) -> int:
    """1 where something is wrong; warnings and what is not known are 0."""
    return int(any(line.mark == "wrong" for each in told for line in each.lines))


def as_json(told: list[Told]) -> str:
    """One object: `wrong`, and each line with its check, its mark and both sentences."""
    lines = [
        {"check": each.check.name, "mark": line.mark, "zh": line.zh, "en": line.en}
        | ({"paste": line.paste} if line.paste else {})
        for each in told
        for line in each.lines
    ]
    return json.dumps({"wrong": bool(exit_code(told)), "lines": lines}, ensure_ascii=False, indent=2)


def show(told: list[Told], console: Console) -> None:
    """The table, what is to be set word for word, and a last line that counts."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(width=1)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for each in told:
        for number, line in enumerate(each.lines):
            sign, style = MARKS[line.mark]
            title = by_locale(each.check.zh, each.check.en) if number == 0 else ""
            table.add_row(Text(sign, style=style), title, Text(str(line)))
    console.print(table)
    lines = [line for each in told for line in each.lines]
    for paste in dict.fromkeys(line.paste for line in lines if line.paste):
        console.print()
        console.print(paste, markup=False, soft_wrap=True)
    console.print()
    console.print(_counted(lines), markup=False)


def _counted(lines: list[Line]) -> str:
    wrongs, doubts = (sum(line.mark in marks for line in lines) for marks in (("wrong",), ("warning", "unknown")))
    if not wrongs and not doubts:
        return by_locale("一切正常。", "All is well.")
    return by_locale(
        f"{wrongs} 项有问题（✗），{doubts} 项请注意（! 或 ?）。",
        f"{wrongs} wrong (✗), {doubts} to be looked at (! or ?).",
    )
