"""The database: its version and settings, the role that serves, LISTEN, and the age of the last whole backup."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import asyncpg

from backend.core.database import SESSION, for_driver
from backend.core.database_errors import FAILED_CONNECTION, DatabaseUnusable, connecting, first_line
from backend.core.settings import Settings
from mobile_api.cli.doctor.place import Place
from mobile_api.cli.doctor.results import Line, unknown, warning, well, wrong
from mobile_api.cli.doctor.thresholds import THRESHOLDS

T = TypeVar("T")
CONNECT_SECONDS, STATEMENT = 4.0, "5s"
OLDEST = 150000  # server_version_num of PostgreSQL 15
DIRECT, WORKER = 2, 6 + 2  # connections besides the pool: of each API process; all of a worker
CHANNEL = "fujing_doctor"
NAMES = ("server_version", "data_checksums", "fsync", "full_page_writes", "synchronous_commit")
SHOWN = "SELECT name, setting FROM pg_settings WHERE name = ANY($1)"
NUMBERS = ("server_version_num", "max_connections", "superuser_reserved_connections", "reserved_connections")
OWNED = """
SELECT r.rolsuper, r.rolname, EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND pg_has_role(current_user, c.relowner, 'MEMBER')
) AS owns
FROM pg_roles r WHERE r.rolname = current_user
"""
LAST_BACKUP = """
SELECT at, convert_from(entry, 'UTF8')::jsonb -> 'facts' ->> 'missing' AS missing
FROM journal WHERE verb = 'house/backed-up' ORDER BY seq DESC LIMIT 20
"""
LOSES = {  # a setting that must be on, and what is lost without it
    "fsync": ("断电会毁坏数据库", "a power cut ruins the database"),
    "full_page_writes": ("断电会毁坏写到一半的页", "a power cut ruins pages that were half written"),
    "data_checksums": (
        "损坏的页不会被发现。停止数据库后运行 pg_checksums --enable",
        "damaged pages are not found. Stop the server and run pg_checksums --enable",
    ),
    "synchronous_commit": (
        "崩溃会丢失已应答的记录，而手机已不再保留",
        "a crash loses entries that were answered, and phones keep them no more"
    ),
}  # fmt: skip


LOCK_PROOF = "SELECT state, at, facts::text AS facts FROM store_check WHERE kind = 'lock'"


class LockProof(NamedTuple):
    """The last proof of the lock: `kept` or `not_kept`, when, and what was found."""

    state: str
    at: datetime
    facts: dict[str, Any]


class Unanswered(Exception):
    """The database did not answer what was asked. `zh`, `en`: whole sentences."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh, en)
        self.zh, self.en = zh, en


def asked(url: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Work with one connection of its own, within seconds. Raises Unanswered."""

    async def main() -> T:
        connection = await _connected(url)
        try:
            return await asyncio.wait_for(work(connection), 2 * CONNECT_SECONDS)
        finally:
            connection.terminate()

    try:
        return asyncio.run(main())
    except DatabaseUnusable as error:
        raise Unanswered(error.zh, error.en) from error
    except FAILED_CONNECTION as error:
        said = first_line(error)
        raise Unanswered(f"数据库没有回答（{said}）。", f"The database did not answer ({said}).") from error


async def _connected(url: str) -> asyncpg.Connection:
    session = SESSION | {"statement_timeout": STATEMENT}  # no other: a pooler refuses what it does not know
    with connecting(url):
        return await asyncpg.connect(**for_driver(url), timeout=CONNECT_SECONDS, server_settings=session)


def value(settings: Settings, sql: str) -> Any:
    """One value of the application's database. Raises Unanswered."""
    return asked(str(settings.database_url), lambda connection: connection.fetchval(sql))


def configured(place: Place) -> Iterator[Line]:
    """Version, what a power cut or a crash would lose, connections, and the role that serves."""
    try:
        told, numbers, role = asked(str(place.settings.database_url), _told)
    except Unanswered as error:
        yield wrong(error.zh, error.en)
        return
    yield _version(told, numbers)
    yield from _losing(told)
    yield _connections(place, numbers)
    yield _role(role)


async def _told(connection: asyncpg.Connection) -> tuple[dict[str, str], dict[str, int], asyncpg.Record]:
    texts = {row["name"]: row["setting"] for row in await connection.fetch(SHOWN, list(NAMES))}
    numbers = {row["name"]: int(row["setting"]) for row in await connection.fetch(SHOWN, list(NUMBERS))}
    return texts, numbers, await connection.fetchrow(OWNED)


def _version(told: dict[str, str], numbers: dict[str, int]) -> Line:
    version = told["server_version"]
    if numbers["server_version_num"] >= OLDEST:
        return well(f"数据库为 PostgreSQL {version}。", f"The database is PostgreSQL {version}.")
    return wrong(
        f"数据库为 PostgreSQL {version}，须为 15 或更高版本。请升级数据库。",
        f"The database is PostgreSQL {version}, and must be 15 or newer. Upgrade it.",
    )


def _losing(told: dict[str, str]) -> Iterator[Line]:
    lost = {name: words for name, words in LOSES.items() if told.get(name) == "off"}
    for name, (zh, en) in lost.items():
        yield wrong(f"数据库的 {name} 为 off：{zh}。", f"{name} of the database is off: {en}.")
    if not lost:
        names = ", ".join(LOSES)
        yield well(f"断电和崩溃不会丢失数据（{names}）。", f"A power cut or a crash loses nothing ({names}).")


def _connections(place: Place, numbers: dict[str, int]) -> Line:
    chosen, apis = place.settings, max(1, len(place.operators))
    needed = apis * chosen.workers * (chosen.pool_size + DIRECT) + WORKER
    reserved = numbers["superuser_reserved_connections"] + numbers.get("reserved_connections", 0)
    free = numbers["max_connections"] - reserved
    zh = f"最多需要 {needed} 条连接，服务器提供 {free} 条"
    en = f"At most {needed} connections are needed, and the server has {free}"
    if needed <= free:
        return well(f"{zh}。", f"{en}.")
    return wrong(
        f"{zh}：请增大 max_connections，或减小 FUJING_POOL_SIZE、FUJING_WORKERS。",
        f"{en}: raise its max_connections, or lower FUJING_POOL_SIZE or FUJING_WORKERS.",
    )


def _role(role: asyncpg.Record) -> Line:
    name = role["rolname"]
    if role["rolsuper"]:
        return wrong(
            f"FUJING_DATABASE_URL 所用的角色 {name} 是超级用户，可以改动日志。请使用不拥有任何表的角色。",
            f"The role {name} of FUJING_DATABASE_URL is a superuser and could alter the journal. Use one that owns "
            "no table.",
        )
    if role["owns"]:
        return wrong(
            f"FUJING_DATABASE_URL 所用的角色 {name} 拥有表，可以改动日志。请使用不拥有任何表的角色。",
            f"The role {name} of FUJING_DATABASE_URL owns tables and could alter the journal. Use one that owns none.",
        )
    return well(f"角色 {name} 不拥有任何表。", f"The role {name} owns no table.")


def listens(place: Place) -> Iterator[Line]:
    """A notification of one session reaches another by the URL that is kept for it."""
    chosen = place.settings
    try:
        heard = asked(chosen.listening_url, lambda connection: _heard(connection, str(chosen.database_url)))
    except Unanswered as error:
        yield wrong(error.zh, error.en)
        return
    if heard:
        yield well("通知（LISTEN）能送达。", "Notifications (LISTEN) arrive.")
        return
    yield wrong(
        "通知（LISTEN）收不到：地址经过事务模式的连接池。请用 FUJING_DATABASE_DIRECT_URL 指定直连地址。",
        "Notifications (LISTEN) do not arrive: the URL leads through a pooler in transaction mode. Name the one past "
        "it by FUJING_DATABASE_DIRECT_URL.",
    )


async def _heard(listening: asyncpg.Connection, url: str) -> bool:
    """Whether a notification of a second session arrives within seconds."""
    arrived = asyncio.Event()
    await listening.add_listener(CHANNEL, lambda *_: arrived.set())
    speaking = await _connected(url)
    try:
        await speaking.fetchval("SELECT pg_notify($1, '')", CHANNEL)
        async with asyncio.timeout(CONNECT_SECONDS):
            await arrived.wait()
    except TimeoutError:
        return False
    finally:
        speaking.terminate()
    return True


def lock_proof(place: Place) -> LockProof | None:
    """The proof that the house recorded last; None where none is recorded, or the database does not say."""
    try:
        row = asked(str(place.settings.database_url), lambda connection: connection.fetchrow(LOCK_PROOF))
    except Unanswered:
        return None
    return None if row is None else LockProof(row["state"], row["at"], json.loads(row["facts"] or "{}"))


def backups(place: Place) -> Iterator[Line]:
    """When the last whole backup ended: one in which no file was missing."""
    try:
        rows = asked(str(place.settings.database_url), lambda connection: connection.fetch(LAST_BACKUP))
    except Unanswered as error:
        yield unknown(f"最近一次备份的时间不明：{error.zh}", f"When the last backup was made is not known: {error.en}")
        return
    whole = next((row["at"] for row in rows if row["missing"] in (None, "0")), None)
    if whole is not None:
        yield _aged(datetime.now(UTC) - whole)
    elif rows:
        yield wrong(
            f"没有完整的备份：最近一次缺少 {rows[0]['missing']} 个文件。请运行 `fujing backup` 并处理它指出的文件。",
            f"There is no whole backup: the last one lacks {rows[0]['missing']} files. Run `fujing backup`, and see to "
            "the files that it names.",
        )
    else:
        yield warning(
            "还没有备份。请运行 `fujing backup FOLDER`，或用 `fujing install` 设置每夜备份。",
            "There is no backup yet. Run `fujing backup FOLDER`, or have one every night by `fujing install`.",
        )


def _aged(age: timedelta) -> Line:
    hours = age / timedelta(hours=1)
    mark = THRESHOLDS["backup_hours"].judge(hours)
    if mark == "well":
        return well(
            f"最近一次完整备份在 {hours:.0f} 小时前。", f"The last whole backup was made {hours:.0f} hours ago."
        )
    return Line(
        mark=mark,
        zh=f"最近一次完整备份已是 {hours:.0f} 小时前。请运行 `fujing backup`，并查看 journalctl -u fujing-backup。",
        en=f"The last whole backup is {hours:.0f} hours old. Run `fujing backup`, and look at "
        "journalctl -u fujing-backup.",
    )
