"""`make dev`, `make seed` and `make psql`: a house to try things on. `python -m mobile_api.cli.developing NAME`."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import rich_click as click

from backend.core import database
from backend.core.settings import Settings
from mobile_api.cli import serving
from mobile_api.cli.demo_people import PASSWORD, PEOPLE
from mobile_api.cli.house import read_settings
from mobile_api.cli.seeding import seed
from mobile_api.cli.serving import Ended, House, ServingError
from mobile_api.cli.terminal import Group, one_sentence, say
from storage.language import by_locale

ROOT = Path(__file__).parents[2]
WATCHED = ("backend", "migrations", "mobile_api", "storage")
POLL = 1.0  # seconds between looks at the files


@click.group(cls=Group, help=by_locale("开发用：试用的系统。", "For development: a house to try things on."))
def main() -> None:
    pass


@main.command(
    "seed",
    help=by_locale(
        "在空的数据目录中建立人员、设备、执勤和录像。",
        "Fill an empty data directory with people, devices, duty and footage.",
    ),
)
def make_seed() -> None:
    with one_sentence():
        settings = read_settings()
        with serving.until_signalled(), serving.house(settings) as house:
            if not asyncio.run(_is_empty(house.settings)):
                raise ServingError(
                    f"{settings.data_dir} 中已有人员：示例数据只放入空目录，请用 DIR= 另指一处。",
                    f"{settings.data_dir} has people already: seed an empty directory, which DIR= names.",
                )
            seed(house)
        _print_logins(settings)


@main.command(
    help=by_locale(
        "运行一个带示例数据的系统；源文件改动后自动重启接口和后台任务。",
        "Serve a seeded house; the API and the worker start again when a source file changes.",
    )
)
def dev() -> None:
    with one_sentence():
        settings = read_settings()
        try:
            with serving.until_signalled(), serving.house(settings) as house:
                if asyncio.run(_is_empty(house.settings)):
                    seed(house)
                _print_logins(settings)
                say(f"{house.url}/docs   按 Ctrl-C 结束", f"{house.url}/docs   Ctrl-C ends it")
                _reload(house)
        except Ended:
            say("已正常结束", "ended cleanly")


@main.command(
    help=by_locale(
        "以应用的角色连接正在运行的系统的数据库。",
        "Connect to the database of the running house, as the application's role.",
    )
)
def psql() -> None:
    from backend.postgres_programs import address_of, newest

    with one_sentence():
        settings = read_settings()
        running = serving.running_services(settings.data_dir) or {}
        url = settings.database_url or running.get("database_url")
        if url is None:
            raise ServingError(
                f"{settings.data_dir} 中没有正在运行的系统：请先运行 `make dev` 或 `fujing serve`。",
                f"No house runs in {settings.data_dir}: start `make dev` or `fujing serve` first.",
            )
        path = newest("psql")
        address, variables = address_of(url)
        os.execve(path, [str(path), f"--dbname={address}"], os.environ | dict(variables))  # noqa: S606 - PostgreSQL's own


async def _is_empty(settings: Settings) -> bool:
    """Whether there is nobody in the house."""
    async with database.opened(str(settings.database_url), size=1):
        return await database.value("SELECT count(*) FROM person") == 0


def _print_logins(settings: Settings) -> None:
    for badge, who in PEOPLE.items():
        say(f"  {badge}  {who}", f"  {badge}  {who}")
    say(
        f"所有人的口令：{PASSWORD}   数据：{settings.data_dir}",
        f"password of all: {PASSWORD}   data: {settings.data_dir}",
    )


def _reload(house: House) -> None:
    """Start the API and the worker again whenever a source file changes, until Ctrl-C.

    Where the new code does not start, its last lines are shown and the next change is waited for.
    """
    known, is_up = dict(_changes()), True
    while True:
        time.sleep(POLL)
        if (now := dict(_changes())) == known:
            if is_up:
                house.check()
            continue
        names = sorted({file.relative_to(ROOT).as_posix() for file, _ in now.items() ^ known.items()})
        say(f"{'、'.join(names)} 有改动，正在重启", f"{', '.join(names)} changed: starting again")
        known, is_up = now, False
        house.programs.stop()
        try:
            house.programs.start()
            is_up = True
            say("已就绪", "ready again")
        except Ended:
            raise
        except Exception as error:
            say(f"无法启动：{error}", f"it does not start: {error}")


def _changes() -> Iterator[tuple[Path, float]]:
    """Every source file with the time of its last change."""
    for folder in WATCHED:
        for ending in ("*.py", "*.toml", "*.sql"):
            for file in (ROOT / folder).rglob(ending):
                yield file, file.stat().st_mtime


if __name__ == "__main__":
    main()
