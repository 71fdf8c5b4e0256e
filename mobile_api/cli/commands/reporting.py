"""Commands that look back: timeline, and the group report."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import rich_click as click

from mobile_api.cli.house import existing_house, in_database
from mobile_api.cli.terminal import CSV, DASH, FILE, ORGAN, XLSX, console, fujing, month_option, one_sentence, write
from storage.language import by_locale

if TYPE_CHECKING:
    from mobile_api.cli.reports import Report


@fujing.command(
    help=by_locale(
        "画出一个班次：执勤、带班、工作和录像各成一行，标出缺口，下方列出问题。",
        "Draw a shift: duty, leading, work and footage as lanes, gaps marked, findings beneath.",
    )
)
@click.argument("shift", type=click.UUID)
@click.option(
    "--svg", "picture", type=FILE,
    help=by_locale(
        "以 SVG 图片写入该文件（0600）；- 为标准输出。", "Write it as an SVG picture to this file (0600); - for stdout."
    ),
)  # fmt: skip
@click.option(
    "--json", "raw", type=FILE,
    help=by_locale(
        "以 JSON 写入该文件（0600）；- 为标准输出。", "Write what was drawn as JSON to this file (0600); - for stdout."
    ),
)  # fmt: skip
def timeline(shift: UUID, picture: Path | None, raw: Path | None) -> None:
    if picture == raw == DASH:
        raise click.UsageError(by_locale("--svg 与 --json 只能有一个为 -。", "Only one of --svg and --json can be -."))
    with one_sentence():
        settings = existing_house()
        import msgspec

        from backend.law.catalogue import law
        from backend.oversight import timeline as timelines
        from mobile_api.cli.drawing import draw
        from mobile_api.cli.svg import svg

        drawn = msgspec.to_builtins(in_database(settings, lambda: timelines.timeline_of(shift)))
        sentences = {code: message.sentence("zh") for code, message in law().messages.items()}
        if raw is not None:
            write(raw, json.dumps(drawn, ensure_ascii=False, indent=2) + "\n")
        if picture is not None:
            write(picture, svg(drawn, sentences))
        if DASH not in (picture, raw):
            console.print(draw(drawn, sentences, console.width))


@fujing.group(help=by_locale("供人员管理者使用的清单。", "Lists for whoever manages people."))
def report() -> None:
    pass


@report.command(
    "expiring",
    help=by_locale(
        "即将到期、已过期或缺失的培训、资质和保险（第八、二十四、三十条）。",
        "Trainings, qualifications and insurance that expire soon, have expired or are missing (R.8, 24, 30).",
    ),
)
@click.option(
    "--days", type=click.IntRange(0, 3650),
    help=by_locale("提前多少天；不填按 terms.toml。", "So many days ahead; left out: as terms.toml says."),
)  # fmt: skip
@ORGAN
@CSV
@XLSX
def report_expiring(days: int | None, organ: str | None, table: Path | None, workbook: Path | None) -> None:
    with one_sentence():
        settings = existing_house()
        from backend.oversight import expiring
        from mobile_api.cli import reports

        ahead = expiring.notice_days() if days is None else days
        rows = in_database(settings, lambda: expiring.expiring(datetime.now(UTC), ahead, organ))
        _show(reports.of_expiring(rows, ahead), table, workbook)


@report.command(
    "advances",
    help=by_locale(
        "伤害费用：申请、批准、支付和尚未结清的金额（第二十六条）。",
        "Costs of injuries: asked for, approved, paid, and what is not settled yet (R.26).",
    ),
)
@ORGAN
@CSV
@XLSX
def report_advances(organ: str | None, table: Path | None, workbook: Path | None) -> None:
    with one_sentence():
        settings = existing_house()
        from backend.injuries import reads
        from mobile_api.cli import reports

        _show(reports.of_advances(in_database(settings, lambda: reads.outstanding(organ))), table, workbook)


@report.command(
    "hours",
    help=by_locale(
        "工时、加班，以及应补休和已补休（第二十五条）。", "Hours worked, overtime, and time off owed and taken (R.25)."
    ),
)
@month_option("哪个月。", "Which month.")
@ORGAN
@CSV
@XLSX
def report_hours(month: str, organ: str | None, table: Path | None, workbook: Path | None) -> None:
    with one_sentence():
        settings = existing_house()
        from backend.hours import reads
        from backend.people import roster
        from mobile_api.cli import reports

        async def asked() -> tuple[list[reads.PersonHours], dict[str, str]]:
            return await reads.report(month, organ), await roster.organ_names()

        rows, names = in_database(settings, asked)
        _show(reports.of_hours(rows, month, names), table, workbook)


@report.command(
    "spot-checks",
    help=by_locale(
        "抽查：抽取、到期、完成各多少，其中发现问题多少。",
        "How many spot checks were drawn, due and done, and in how many something was found.",
    ),
)
@month_option("在该月开始的各周。", "Of the weeks that begin in it.")
@ORGAN
@CSV
@XLSX
def report_spot_checks(month: str, organ: str | None, table: Path | None, workbook: Path | None) -> None:
    first = date.fromisoformat(f"{month}-01")
    until = (first + timedelta(days=31)).replace(day=1)
    with one_sentence():
        settings = existing_house()
        from backend.reviews import spot_checks
        from mobile_api.cli import reports

        _show(
            reports.of_spot_checks(in_database(settings, lambda: spot_checks.report(first, until, organ)), month),
            table, workbook,
        )  # fmt: skip


def _show(report: "Report", table: Path | None, workbook: Path | None) -> None:
    """Print the report, or write it as CSV or as a workbook to a file or standard output."""
    if table == workbook == DASH:
        raise click.UsageError(by_locale("--csv 与 --xlsx 只能有一个为 -。", "Only one of --csv and --xlsx can be -."))
    if table is not None:
        write(table, report.csv())
    if workbook is not None:
        write(workbook, report.xlsx())
    if report.rows and table is None and workbook is None:
        console.print(report.table())
    if DASH not in (table, workbook):
        console.print(report.sentence)
