"""Every check, in the order in which a device meets what it looks at; and how they are run."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic

from mobile_api.cli.doctor import addresses, api, clocks, database, disk, rights, store, uploads
from mobile_api.cli.doctor.place import Place
from mobile_api.cli.doctor.results import Line, unknown, wrong

DEADLINE = 25.0  # seconds for all of them, side by side: each has time limits of its own, which are shorter
API, STORE, DATABASE = "api", "store", "database"
NEEDED = {  # what a check cannot go without, and how to say that it is not there
    API: ("没有运行的接口", "no API runs"),
    STORE: ("存储没有运行", "the store does not run"),
    DATABASE: ("数据库没有运行", "the database does not run"),
}


@dataclass(frozen=True)
class Check:
    """`name` is for machines, and stays. `needs`: without these it is not run, and told as not known."""

    name: str
    zh: str
    en: str
    run: Callable[[Place], Iterator[Line]]
    needs: tuple[str, ...] = ()


def runs(place: Place) -> Iterator[Line]:
    """Only what is missing: a house that does not run is one line that says so."""
    if not (place.has_database and place.has_store):
        home = place.settings.data_dir
        yield wrong(
            f"{home} 中的系统没有运行，只能检查一部分。请先启动：`fujing serve`。",
            f"The house in {home} does not run, so only a part can be tried. Start it first: `fujing serve`.",
        )


CHECKS = (
    Check("house", "系统", "house", runs),
    Check("names", "名称", "names", addresses.names),
    Check("certificates", "证书", "certificates", addresses.certificates),
    Check("clocks", "时钟", "clocks", clocks.agree),
    Check("api", "接口", "API", api.answers, (API,)),
    Check("events", "推送", "news", api.stream, (API,)),
    Check("upload", "上传", "uploads", uploads.part, (STORE,)),
    Check("store", "存储", "store", store.bucket, (STORE,)),
    Check("lifecycle", "存储规则", "store rules", store.lifecycle, (STORE,)),
    Check("rights", "存储权限", "store rights", rights.each, (STORE,)),
    Check("database", "数据库", "database", database.configured, (DATABASE,)),
    Check("listen", "通知", "LISTEN", database.listens, (DATABASE,)),
    Check("disk", "磁盘", "disk", disk.free),
    Check("backup", "备份", "backup", database.backups, (DATABASE,)),
)


@dataclass(frozen=True)
class Told:
    """A check and what it said."""

    check: Check
    lines: tuple[Line, ...]


def all_of(place: Place, checks: tuple[Check, ...] = CHECKS, deadline: float = DEADLINE) -> list[Told]:
    """Run the checks side by side, for at most `deadline` seconds; one that has not ended is told as not known."""
    found: dict[str, tuple[Line, ...]] = {}
    threads = [threading.Thread(target=_tell, args=(check, place, found), daemon=True) for check in checks]
    for thread in threads:
        thread.start()
    ends = monotonic() + deadline
    for thread in threads:
        thread.join(max(0.0, ends - monotonic()))
    late = unknown(f"{deadline:.0f} 秒内没有结果。", f"It did not end within {deadline:.0f} s.")
    return [Told(check, found.get(check.name, (late,))) for check in checks]


def _tell(check: Check, place: Place, found: dict[str, tuple[Line, ...]]) -> None:
    missing = next((name for name in check.needs if not _has(place, name)), None)
    if missing is not None:
        zh, en = NEEDED[missing]
        found[check.name] = (unknown(f"无法检查：{zh}。", f"It cannot be tried: {en}."),)
        return
    try:
        found[check.name] = tuple(check.run(place))
    except Exception as error:  # one check that fails must not end the others; it is told, and never as well
        name = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        found[check.name] = (unknown(f"检查未能完成（{name}）。", f"The check failed ({name})."),)


def _has(place: Place, name: str) -> bool:
    return {API: place.api_url is not None, STORE: place.has_store, DATABASE: place.has_database}[name]
