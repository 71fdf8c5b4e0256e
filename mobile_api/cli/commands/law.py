"""Commands about the law as data: check a directory before it comes into force."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from mobile_api.cli.terminal import console, fujing, one_sentence, say
from storage.language import by_locale

if TYPE_CHECKING:
    from backend.law.checking import Check

DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
CHINA = timedelta(hours=8)
NOT_USABLE = 1


@fujing.group("law", help=by_locale("作为数据的规定。", "The law as data."))
def law_group() -> None:
    pass


@law_group.command(
    "check",
    help=by_locale(
        "检查规定目录：与内置规定的不同、未确认的条号、已过复核日期的依据。有错误或未确认的，退出码为 1。",
        "Check a directory of the law: what differs from the built-in one, which articles are not confirmed, which "
        "sources are past review. The exit code is 1 where there are mistakes or unconfirmed articles.",
    ),
)
@click.argument("directory", type=DIRECTORY, required=False)
def law_check(directory: Path | None) -> None:
    with one_sentence():
        from backend.law.checking import check

        checks = check(directory, (datetime.now(UTC) + CHINA).date())
        for each in checks:
            _show(each)
    if not all(each.usable for each in checks):
        raise Exit(NOT_USABLE)


def _show(found: "Check") -> None:
    from backend.law.catalogue import unconfirmed_lines

    if found.differences:
        console.print(_table(found))
    for line in (*found.mistakes, *unconfirmed_lines(found.unconfirmed)):
        console.print(line, markup=False)
    for code in found.past_review:
        say(f"已过复核日期：sources.toml [{code}]", f"past its review date: sources.toml [{code}]")
    for entry in found.undated:
        say(f"依据未注明版本和核对日期：{entry}", f"its source is not dated: {entry}")
    different, unconfirmed = len(found.differences), len({kept.article for kept in found.unconfirmed})
    say(
        f"{found.name} 不同 {different} 处，错误 {len(found.mistakes)} 处，未确认 {unconfirmed} 条，"
        f"已过复核日期 {len(found.past_review)} 项",
        f"{found.name} differences: {different}, mistakes: {len(found.mistakes)}, articles not confirmed: "
        f"{unconfirmed}, past review: {len(found.past_review)}",
    )


def _table(found: "Check") -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=found.name or None)
    table.add_column(by_locale("条目", "entry"), overflow="fold", ratio=3)
    table.add_column(by_locale("项", "field"), overflow="fold", ratio=2)
    for heading in (by_locale("原规定", "before"), by_locale("本规定", "here")):
        table.add_column(heading, overflow="fold", ratio=4)
    for each in found.differences:
        cells = (f"{each.file.removesuffix('.toml')} {each.entry}", each.field, each.before or "", each.here or "")
        table.add_row(*map(Text, cells))
    return table
