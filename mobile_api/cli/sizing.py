"""`fujing sizing`: disk, database and bandwidth for a number of people, from assumptions that it prints.

Every assumption is an option. What an entry takes in the database is measured by `make bench`.
"""

from dataclasses import dataclass, fields

from rich.console import Console
from rich.table import Table

from storage.language import by_locale

GIB = 1024**3
DAY = 86_400.0


@dataclass(frozen=True)
class Assumed:
    """What a deployment is computed from. The comment at each value says where it comes from."""

    people: int = 600
    on_duty: float = 0.4  # share of them on one day: four teams in turn, leave
    hours_recorded: float = 3.0  # a person on duty a day: R.10 asks for enforcement alone
    mbit: float = 4.0  # 1080p, H.264 at 25 frames/s, as recorders come set
    kept_longer: float = 0.05  # share of footage that holds and longer terms keep five times as long
    entries: float = 40.0  # a person on duty a day: shift, leading, activities, footage, sync
    entry_bytes: float = 4_000.0  # three lines of the journal and their rows: `line_bytes` of make bench
    docks: int = 10  # stations that upload at the end of a shift
    peak_hours: float = 3.0  # a day's footage comes in at three changes of shift, an hour each
    copies: float = 1.5  # bytes of disk for a byte stored: erasure coding 8+4


SOURCES = {  # of each assumption, in Chinese and in English
    "people": ("辅警人数", "auxiliaries, --people"),
    "on_duty": ("每日在岗比例：四班轮换", "share on duty on one day: four teams in turn"),
    "hours_recorded": (
        "每人每日录制小时数：仅执法（第十条）",
        "hours recorded by each of them: enforcement alone (R.10)",
    ),
    "mbit": ("记录仪码率 Mbit/s：1080p，H.264", "Mbit/s of a recorder: 1080p, H.264"),
    "kept_longer": ("因保全或更长期限保存五倍时间的比例", "share that holds and longer terms keep, five times as long"),
    "entries": ("每人每日记录条数", "entries by each of them"),
    "entry_bytes": (
        "每条记录占用数据库字节数，含索引和日志",
        "bytes of the database for an entry, indexes and journal included",
    ),
    "docks": ("同时上传的采集工作站数", "docking stations that send at once"),
    "peak_hours": ("一天中视音频上传的小时数", "hours of the day in which footage comes in"),
    "copies": ("每存一字节占用磁盘字节数：纠删码 8+4", "bytes of disk for a byte stored: erasure coding 8+4"),
}


@dataclass(frozen=True)
class Size:
    """What the assumptions come to, in bytes; `uplink_mbit` in Mbit/s."""

    footage_a_day: float
    footage_kept: float
    disk: float
    database_a_year: float
    uplink_mbit: float
    entries_a_second: float


def size_of(assumed: Assumed) -> Size:
    """What these assumptions come to."""
    from backend.law.catalogue import law

    duties = assumed.people * assumed.on_duty
    daily = duties * assumed.hours_recorded * 3600 * assumed.mbit * 1e6 / 8
    days = law().days("footage_retention").at_most
    kept = daily * days * (1 + assumed.kept_longer * 4)
    return Size(
        footage_a_day=daily,
        footage_kept=kept,
        disk=kept * assumed.copies,
        database_a_year=duties * assumed.entries * assumed.entry_bytes * 365,
        uplink_mbit=daily * 8 / 1e6 / (assumed.peak_hours * 3600),
        entries_a_second=duties * assumed.entries / 2 / 1800,
    )


def show(assumed: Assumed, console: Console) -> None:
    """Print the assumptions, then what they come to."""
    console.print(_assumptions(assumed))
    console.print(_needs(assumed))


def _assumptions(assumed: Assumed) -> Table:
    from backend.law.catalogue import law

    table = Table("assumption 假设", "", title=f"{assumed.people} people 人", title_justify="left")
    for field in fields(assumed):
        table.add_row(by_locale(*SOURCES[field.name]), f"{getattr(assumed, field.name):g}")
    source = law().terms["footage_retention"].source
    words = by_locale(f"视音频保存天数：{source}", f"days of footage kept: {source}")
    table.add_row(words, str(law().days("footage_retention").at_most))
    return table


def _needs(assumed: Assumed) -> Table:
    from backend.law.catalogue import law

    days, size = law().days("footage_retention").at_most, size_of(assumed)
    table = Table("needed 需要", "")
    for words, number in (
        ("footage a day 每日视音频", _bytes(size.footage_a_day)),
        (f"footage kept at once, {days} days 在库视音频", _bytes(size.footage_kept)),
        ("disks of the store 存储磁盘", _bytes(size.disk)),
        ("database a year 数据库每年", _bytes(size.database_a_year)),
        ("uplink while footage comes in 上传带宽", f"{size.uplink_mbit:,.0f} Mbit/s"),
        (f"of each of {assumed.docks} docking stations 每个采集站", f"{size.uplink_mbit / assumed.docks:,.0f} Mbit/s"),
        ("entries a second, half a day's in half an hour 高峰写入", f"{size.entries_a_second:,.1f}"),
    ):
        table.add_row(words, number)
    return table


def _bytes(count: float) -> str:
    gib = count / GIB
    return f"{gib / 1024:,.1f} TiB" if gib >= 1024 else f"{gib:,.1f} GiB"
