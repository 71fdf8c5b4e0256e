"""Commands about one station's server as a whole: doctor."""

import sys

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
