"""The command `calendar`: which days of a year are worked, and the notice that tells it."""

import hashlib
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from mobile_api.cli.house import existing_house, in_database
from mobile_api.cli.terminal import fujing, one_sentence, say
from storage.language import by_locale

if TYPE_CHECKING:
    from backend.law.calendar import Year

FIRST, LAST = 2000, 2999


@fujing.command(
    "calendar",
    help=by_locale(
        "列出一年的法定节假日和调休安排；--from 录入国务院办公厅公布的放假安排，运行中的系统随即使用。",
        "List the statutory days of a year, its other rest days and the weekend days worked instead; --from takes the "
        "State Council's notice in, and a running house uses it at once.",
    ),
)
@click.argument("year", type=click.IntRange(FIRST, LAST))
@click.option(
    "--from", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.toml",
    help=by_locale(
        '放假安排文件：["YEAR"] 之下写 rest、work、source。', 'The notice: rest, work and source under ["YEAR"].'
    ),
)  # fmt: skip
def calendar(year: int, file: Path | None) -> None:
    with one_sentence():
        settings = existing_house()
        home = settings.law_home
        from backend.law import notices
        from backend.law.calendar import rests_that_nothing_balances
        from backend.law.catalogue import law

        if file is not None:
            told = notices.read_notice(year, file)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            in_database(settings, lambda: _take_in(home, year, told, digest))
            say(f"{year} 年放假安排已写入 {home / notices.FILE}", f"the notice of {year} is in {home / notices.FILE}")
            if odd := rests_that_nothing_balances(year, told):
                say(
                    f"请核对：休息日与调休上班日相差 {odd} 天",
                    f"look again: rest days and days worked instead differ by {odd}",
                )
        _show(year, law().calendar.get(str(year)))


async def _take_in(home: Path, year: int, told: "Year", digest: str) -> None:
    """Keep the notice. The journal says so before: a kill in between leaves a line too many, never one too few."""
    from backend.core import journal
    from backend.law import notices

    facts = {"year": year, "sha256": digest}
    await journal.note("calendar/take-in", facts)
    notices.keep(home, year, told)
    await journal.note("calendar/taken-in", facts)


def _show(year: int, told: "Year | None") -> None:
    """Print what is known of a year."""
    from backend.law.calendar import SATURDAY, edition_of, is_announced, kind_of, statutory

    years = {} if told is None else {str(year): told}
    holidays = statutory(year, years)
    source = edition_of(year).source if told is None or told.statutory is None else told.source
    say(
        f"法定节假日 {len(holidays)} 天：{_days(holidays)}（{source}）",
        f"statutory days, {len(holidays)}: {_days(holidays)} ({source})",
    )
    if not is_announced(year, years):
        return say(
            "调休安排尚未公布：按周末和法定节假日计算",
            "other rest days: not announced yet; weekends and statutory days count",
        )
    days = [date(year, 1, 1) + timedelta(number) for number in range(366)]
    kinds = {day: kind_of(day, years) for day in days if day.year == year}
    rest = _days(day for day, kind in kinds.items() if kind == "rest" and day.weekday() < SATURDAY)
    work = _days(day for day, kind in kinds.items() if kind == "work" and day.weekday() >= SATURDAY)
    by = "chinesecalendar" if told is None or told.rest is None else told.source
    say(f"其他休息日：{rest}（{by}）", f"other rest days: {rest} ({by})")
    say(f"周末上班：{work}", f"weekend days worked: {work}")


def _days(days: Iterable[date]) -> str:
    return " ".join(f"{day:%m-%d}" for day in sorted(days))
