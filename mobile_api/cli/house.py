"""What a command needs of a house: its settings, its services, its database.

Each function imports what it needs when it is called, so that help is there at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rich_click as click

from storage.language import SentenceError

if TYPE_CHECKING:
    from backend.core.settings import Settings


def read_settings() -> "Settings":
    """The settings of the environment, with the law that they name in force. Raises SettingsError, LawError."""
    from backend.core import settings
    from backend.law import notices
    from backend.law.catalogue import use

    chosen = settings.load()
    use(chosen.law_dir)
    notices.keep_in(chosen.law_home)
    return chosen


def existing_house() -> "Settings":
    """The settings of a house that was started before. Raises SentenceError where there is none: none is made."""
    settings = read_settings()
    if not settings.secrets_dir.is_dir():
        raise SentenceError(
            f"{settings.data_dir} 中没有 Fujing：请用 FUJING_DATA_DIR 指明所在目录；`fujing serve` 会新建。",
            f"There is no Fujing in {settings.data_dir}: FUJING_DATA_DIR names where it is; `fujing serve` begins one.",
        )
    return settings


def external_services() -> "Settings":
    """The settings, which must name a database and a store. Raises SettingsError."""
    from backend.core.settings import SettingsError, variable

    settings = read_settings()
    for name in ("database_url", "s3_endpoint"):
        if getattr(settings, name) is None:
            raise SettingsError(
                f"未设置 {variable(name)}；`fujing serve` 会启动内置服务。",
                f"{variable(name)} is not set; `fujing serve` starts embedded services.",
            )
    return settings


@contextmanager
def by_operator() -> Iterator[None]:
    """Name whoever runs this command in every journal line that it writes."""
    from backend.core import operators

    with operators.acting(operators.of_this_process(_command())):
        yield


def _command() -> str | None:
    """The words of the command that runs, without `fujing`."""
    words: list[str] = []
    context: click.Context | None = click.get_current_context(silent=True)
    while context is not None and context.parent is not None:
        words, context = [str(context.info_name), *words], context.parent
    return " ".join(words) or None


def in_database(settings: "Settings", work: Callable[[], Awaitable[Any]]) -> Any:
    """Run `work` with the database of these settings open and its schema up to date; its result.

    The journal lines that it writes name the operator. The store is not asked anything.
    """
    return in_services(settings, lambda _: work())


def in_services(settings: "Settings", work: Callable[["Settings"], Awaitable[Any]], *, writes: str = "") -> Any:
    """The same for work that needs the store too: it is given the settings with every service named.

    `writes`: name of a command that writes into the store, which is proved first. One that only reads needs no store
    that takes writes. Raises StoreUnavailable.
    """
    from backend.core import database
    from mobile_api.cli import serving

    async def main(full: "Settings") -> Any:
        await serving.prepare_database(full)
        if writes and (away := await serving.prepare_store(full, writes)) is not None:
            raise away
        async with database.opened(str(full.database_url)):
            return await work(full)

    with by_operator(), serving.until_signalled(), serving.services(settings) as full:
        return asyncio.run(main(full))
