"""Commands about one station's server as a whole: doctor, install."""

import os
import sys
from pathlib import Path

import rich_click as click

from mobile_api.cli.house import existing_house
from mobile_api.cli.terminal import console, errors, fujing, one_sentence
from storage.language import by_locale


@fujing.command(
    help=by_locale(
        "从外到内检查系统：名称、证书、时钟、接口、上传、推送、存储、数据库、磁盘、备份；有问题的，用一句话说明怎么办。\n\n"
        "不改动系统，只在存储中以专用的名称打开一个上传、发送一个分片，随即中止。"
        "退出码：0 正常或只有提醒，1 有问题，2 无法开始。",
        "Try the house from outside in: names, certificates, clocks, API, uploads, store, database, disk, backup; "
        "a sentence says what to do for each thing that is wrong.\n\n"
        "It changes nothing in the house: in the store an upload under a name of its own is opened, gets one part, and "
        "is aborted. Exit codes: 0 well, or warnings alone; 1 something is wrong; 2 it could not begin.",
    )
)
@click.option(
    "--json", "as_json", is_flag=True, help=by_locale("以 JSON 输出，供程序使用。", "Print JSON, for programs.")
)
def doctor(as_json: bool) -> None:
    with one_sentence():
        settings = existing_house()
        from mobile_api.cli.doctor import checks, showing
        from mobile_api.cli.doctor.place import place_of

        with errors.status(by_locale("正在检查…", "trying…")):
            told = checks.all_of(place_of(settings))
        if as_json:
            click.echo(showing.as_json(told))
        else:
            showing.show(told, console)
        sys.exit(showing.exit_code(told))


@fujing.command(
    help=by_locale(
        "把本系统装成 systemd 服务：`fujing serve`，以及每夜备份；缺少的系统账号和数据目录一并建立。\n\n"
        "再次运行只改变有差别之处。不是 root 或没有 systemd 时，只显示将要写入的内容，退出码为 2。"
        "数据目录：FUJING_DATA_DIR，未设置时为 /var/lib/fujing。",
        "Install this house as systemd services: `fujing serve`, and a backup every night. The system account and the "
        "data directory are made where they are missing; it starts now, and with the machine.\n\n"
        "Run again, it changes what differs. Without root or systemd it prints what it would write, exit code 2. The "
        "data directory: FUJING_DATA_DIR, or else /var/lib/fujing.",
    )
)
@click.option(
    "--lan",
    metavar="NAME",
    help=by_locale(
        "手机访问所用的名称；不写则只供本机使用。", "The name by which phones reach it; without it, none does."
    ),
)
@click.option(
    "--user",
    default="fujing",
    show_default=True,
    metavar="NAME",
    help=by_locale("运行服务的系统账号。", "The system account that runs it."),
)
@click.option(
    "--backup",
    default=Path("/var/backups/fujing"),
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help=by_locale("每夜备份到此目录。", "Where it is saved every night."),
)
@click.option(
    "--root",
    default=Path("/"),
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=by_locale(
        "装入此目录中未运行的系统（制作镜像时用）。", "Install into the system in DIR, which does not run: an image."
    ),
)
@click.option(
    "--dry-run", is_flag=True, help=by_locale("只显示将要写入的内容。", "Print what it would write, and end.")
)
def install(lan: str | None, user: str, backup: Path, root: Path, dry_run: bool) -> None:
    with one_sentence():
        from mobile_api.cli import installing
        from mobile_api.cli.units import Plan

        data = Path(os.environ.get("FUJING_DATA_DIR") or "/var/lib/fujing").expanduser().absolute()
        plan, machine = (
            Plan(installing.program(), data, backup.absolute(), user, lan),
            installing.Machine(root.absolute()),
        )
        installing.check(plan)
        if dry_run:
            installing.show(plan)
            return
        if machine.runs:
            try:
                installing.must_be_possible()
            except installing.NotInstalled:
                installing.show(plan)
                raise
        installing.install(plan, machine)
