"""`fujing sizing`: disk, database and bandwidth for so many people, from assumptions that it prints.

Every assumption can be given; what an entry takes in the database is measured by `make bench`.
"""

from dataclasses import dataclass, fields

from rich.console import Console
from rich.table import Table

from backend.law.catalogue import law

GIB = 1024**3
DAY = 86_400.0


@dataclass(frozen=True)
class Assumed:
    """What a deployment is counted from; the text beside each says where its value comes from."""

    people: int = 600
    on_duty: float = 0.4  # share of them on a day: four teams in turn, leave
    hours_recorded: float = 3.0  # a person a day on duty: R.10 asks for enforcement alone
    mbit: float = 4.0  # 1080p, H.264 at 25 frames/s, as recorders come set
    kept_longer: float = 0.05  # share of footage that holds and terms keep five times as long
    entries: float = 40.0  # a person a day on duty: shift, leading, acts, footage, sync
    entry_bytes: float = 4_000.0  # three lines of the journal with what hangs on them: `line_bytes` of make bench
    docks: int = 10  # stations that upload at the end of a shift
    peak_hours: float = 3.0  # in which a day's footage comes in, at three changes of shift of an hour each
    copies: float = 1.5  # what the store needs for a byte: erasure coding 8+4


SOURCES = {
    "people": "auxiliaries, --people",
    "on_duty": "share on duty on one day: four teams in turn",
    "hours_recorded": "hours recorded by each of them: enforcement alone (R.10)",
    "mbit": "Mbit/s of a recorder: 1080p, H.264",
    "kept_longer": "share that holds and longer terms keep, five times as long",
    "entries": "entries by each of them",
    "entry_bytes": "bytes of the database for an entry, indexes and journal included",
    "docks": "docking stations that send at once",
    "peak_hours": "hours of the day in which footage comes in",
    "copies": "bytes of disk for a byte stored: erasure coding 8+4",
}


@dataclass(frozen=True)
class Size:
    """What follows."""

    footage_a_day: float
    footage_kept: float
    disk: float
    database_a_year: float
    uplink_mbit: float
    entries_a_second: float


def size_of(told: Assumed) -> Size:
    """Bytes, Mbit/s and entries a second."""
    duties = told.people * told.on_duty
    daily = duties * told.hours_recorded * 3600 * told.mbit * 1e6 / 8
    days = law().span("footage_retention").total_seconds() / DAY
    kept = daily * days * (1 + told.kept_longer * 4)
    return Size(
        footage_a_day=daily,
        footage_kept=kept,
        disk=kept * told.copies,
        database_a_year=duties * told.entries * told.entry_bytes * 365,
        uplink_mbit=daily * 8 / 1e6 / (told.peak_hours * 3600),
        entries_a_second=duties * told.entries / 2 / 1800,
    )


def show(told: Assumed, console: Console) -> None:
    """The assumptions, then what follows from them."""
    days, size = law().span("footage_retention").days, size_of(told)
    given = Table("assumption 假设", "", title=f"{told.people} people 人", title_justify="left")
    for field in fields(told):
        given.add_row(SOURCES[field.name], f"{getattr(told, field.name):g}")
    given.add_row(f"days of footage kept: {law().terms['footage_retention'].source}", str(days))
    console.print(given)
    found = Table("needed 需要", "")
    for words, number in (
        ("footage a day 每日视音频", _bytes(size.footage_a_day)),
        (f"footage kept at once, {days} days 在库视音频", _bytes(size.footage_kept)),
        ("disks of the store 存储磁盘", _bytes(size.disk)),
        ("database a year 数据库每年", _bytes(size.database_a_year)),
        ("uplink while footage comes in 上传带宽", f"{size.uplink_mbit:,.0f} Mbit/s"),
        (f"of each of {told.docks} docking stations 每个采集站", f"{size.uplink_mbit / told.docks:,.0f} Mbit/s"),
        ("entries a second, half a day's in half an hour 高峰写入", f"{size.entries_a_second:,.1f}"),
    ):
        found.add_row(words, number)
    console.print(found)


def _bytes(count: float) -> str:
    gib = count / GIB
    return f"{gib / 1024:,.1f} TiB" if gib >= 1024 else f"{gib:,.1f} GiB"
