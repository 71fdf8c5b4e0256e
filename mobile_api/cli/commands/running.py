"""Commands that run a house, or describe one: serve, api, worker, migrate, settings, openapi, sizing, demo."""

import sys
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import rich_click as click

from mobile_api.cli.house import external_services, in_database, read_settings
from mobile_api.cli.sizing import SOURCES, Assumed
from mobile_api.cli.terminal import console, fail, fujing, one_sentence, say
from storage.language import by_locale

if TYPE_CHECKING:
    from backend.core.settings import Settings


@fujing.command(
    help=by_locale(
        "启动全部：未指定外部服务时启动内置 PostgreSQL 和 S3，以及接口和后台任务。\n\n"
        "加 --lan 时，手机可在局域网中以同一名称通过 HTTPS 访问接口和存储；--ca 显示如何把本站 CA 证书装到手机上。",
        "Start everything: embedded PostgreSQL and S3 unless others are named, the API and the worker.\n\n"
        "With --lan, phones of the network reach API and store over HTTPS by one name; --ca prints how to bring the CA "
        "of this house onto them.",
    )
)
@click.option(
    "--lan", "name", metavar="[NAME]", is_flag=False, flag_value="",
    help=by_locale(
        "手机所用的名称或地址（同 FUJING_LAN）；不写名称则沿用上次的，或用本机地址。",
        "The name or address that phones call (as FUJING_LAN); without NAME that of before, or this machine's address.",
    ),
)  # fmt: skip
@click.option(
    "--ca", is_flag=True,
    help=by_locale("只显示 CA 证书的安装方法和指纹。", "Only print how phones get the CA, and its fingerprint."),
)  # fmt: skip
def serve(name: str | None, ca: bool) -> None:
    with one_sentence():
        from mobile_api.cli import serving

        settings = _with_lan(read_settings(), name)
        if ca:
            from mobile_api.cli.bringing_ca import show

            show(settings)
            return
        try:
            with serving.until_signalled(), serving.house(settings) as house:
                where, inside = house.settings.data_dir, house.operations_url
                say(
                    f"辅警 Fujing  {house.url}/docs   数据: {where}   运维: {inside}/metrics   按 Ctrl-C 结束",
                    f"辅警 Fujing  {house.url}/docs   data: {where}   operators: {inside}/metrics   Ctrl-C ends it",
                )
                from mobile_api.cli.bringing_ca import say_reach

                say_reach(house.settings, house.reach, house.shown)
                house.wait()
        except serving.Ended:
            say("已正常结束", "ended cleanly")


def _with_lan(settings: "Settings", name: str | None) -> "Settings":
    """The settings with what `--lan` said; None: it was not given. Raises SettingsError."""
    from backend.core.settings import with_setting
    from mobile_api.cli import lan

    if name is None:
        return settings
    return with_setting(settings, "lan", name or lan.name_without_one(settings))


@fujing.command(
    help=by_locale(
        "只运行接口，使用设置中指定的服务。", "Run the API alone, against the services that the settings name."
    )
)
def api() -> None:
    with one_sentence():
        settings = external_services()
        from mobile_api.cli.serving import run_api
        from mobile_api.logs import configure

        configure(settings.log_level)
        run_api(settings)


@fujing.command(
    help=by_locale(
        "只运行后台任务，使用设置中指定的服务。",
        "Run the job worker alone, against the services that the settings name.",
    )
)
def worker() -> None:
    with one_sentence():
        settings = external_services()
        from mobile_api.cli.serving import run_worker
        from mobile_api.logs import configure

        configure(settings.log_level)
        run_worker(settings)


@fujing.command(
    "health",
    help=by_locale(
        "询问该数据目录的每个接口能否服务；退出码 0 表示全部正常。",
        "Ask every API of the data directory whether it can serve; exit code 0 if all can.",
    ),
)
def show_health() -> None:
    with one_sentence():
        from mobile_api.cli.operations_addresses import addresses, health

        settings = read_settings()
        found = {address: health(address) for address in addresses(settings.data_dir)}
        if not found:
            fail(by_locale(f"{settings.data_dir} 没有正在运行的接口。", f"No API runs over {settings.data_dir}."))
        for address, told in found.items():
            click.echo(f"{address}  " + "  ".join(f"{name}={text}" for name, text in told.items() if text is not None))
        sys.exit(any(told["status"] != "ok" for told in found.values()))


@fujing.command(
    help=by_locale(
        "以表的所有者身份（FUJING_MIGRATE_URL）更新数据库结构，并向应用角色授权。",
        "Bring the schema up to date as its owner (FUJING_MIGRATE_URL), and grant to the application's role.",
    )
)
def migrate() -> None:
    async def alike() -> list[list[str]]:
        """The preparation did the rest."""
        from backend.people import roster

        return await roster.known_look_alikes()

    with one_sentence():
        from backend.core.settings import SettingsError

        settings = read_settings()
        if settings.database_url is not None and settings.migrate_url is None:
            raise SettingsError(
                "未设置 FUJING_MIGRATE_URL：迁移需要所有者的地址。",
                "FUJING_MIGRATE_URL is not set: the owner's URL is needed to migrate.",
            )
        groups = in_database(settings, alike)
        say("数据库结构已是最新", "the schema is up to date")
        for badges in (" ".join(group) for group in groups):
            say(f"易混的警号，请核对：{badges}", f"badges that look alike, to be looked at: {badges}")


@fujing.command(
    "settings",
    help=by_locale("列出全部设置及其取值；机密不显示。", "Print every setting and its value; secrets hidden."),
)
def show_settings() -> None:
    from rich.table import Table

    with one_sentence():
        table = Table(by_locale("变量", "variable"), by_locale("取值", "value"), box=None)
        for name, text in read_settings().shown().items():
            table.add_row(name, text)
        console.print(table)


@fujing.command(help=by_locale("以 OpenAPI JSON 输出接口约定。", "Print the API's contract as OpenAPI JSON."))
def openapi() -> None:
    with one_sentence():
        read_settings()
        import json

        from mobile_api.app import assemble
        from mobile_api.openapi import contract

        click.echo(json.dumps(contract(assemble([])), ensure_ascii=False, indent=2))


def _assumptions(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each assumption."""
    for field in reversed(fields(Assumed)):
        name = f"--{field.name.replace('_', '-')}"
        words = by_locale(*SOURCES[field.name])
        command = click.option(name, type=type(field.default), default=field.default, show_default=True, help=words)(
            command
        )
    return command


@fujing.command(
    help=by_locale(
        "按人数估算磁盘、数据库和带宽；依据的假设会列出，可以修改。",
        "Disk, database and bandwidth for so many people, from assumptions that it prints and that you may change.",
    )
)
@_assumptions
def sizing(**given: Any) -> None:
    with one_sentence():
        read_settings()
        from mobile_api.cli.sizing import show

        show(Assumed(**given), console)


@fujing.command(
    help=by_locale(
        "演示一次巡逻，从登录到封存回执，使用真实视频和内置服务。",
        "Play a patrol from sign-in to sealed receipt, with real video and embedded services.",
    )
)
@click.option(
    "--keep", is_flag=True, help=by_locale("演示后保持运行，以便查看。", "Leave it running afterwards, to look around.")
)
def demo(keep: bool) -> None:
    with one_sentence():
        from mobile_api.cli.demo import play

        sys.exit(play(keep))
