"""The clock of this server against the database's and against the store's, which its every answer tells."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from backend.law.catalogue import law
from backend.oversight.alarms import RULES
from mobile_api.cli.doctor import database
from mobile_api.cli.doctor.place import Place
from mobile_api.cli.doctor.results import Line, Mark, unknown
from storage.s3_calls import NoAnswer

WARNS = timedelta(seconds=float(RULES["FujingClocksDiffer"].above or 0))


def agree(place: Place) -> Iterator[Line]:
    """Each by itself: a store that tells no time says nothing of the database."""
    yield _of_database(place)
    yield _of_store(place)


def _of_database(place: Place) -> Line:
    if not place.has_database:
        return unknown("数据库没有运行，无法比较时钟。", "The database does not run: its clock is not known.")
    before = datetime.now(UTC)
    try:
        told = database.value(place.settings, "SELECT clock_timestamp()")
    except database.Unanswered as error:
        return unknown(f"数据库的时钟不明：{error.zh}", f"The database's clock is not known: {error.en}")
    return _judged("数据库", "the database", _apart(before, told, datetime.now(UTC)))


def _of_store(place: Place) -> Line:
    if not place.has_store:
        return unknown("存储没有运行，无法比较时钟。", "The store does not run: its clock is not known.")
    before = datetime.now(UTC) - timedelta(seconds=1)  # it tells whole seconds
    try:
        told = place.inside().call("HEAD").date
    except NoAnswer as error:
        return unknown(f"存储的时钟不明（{error}）。", f"The store's clock is not known ({error}).")
    if told is None:
        return unknown("存储没有给出时间（Date）。", "The store tells no time (Date).")
    return _judged("存储", "the store", _apart(before, told, datetime.now(UTC)))


def _apart(before: datetime, told: datetime, after: datetime) -> timedelta:
    """How far the told clock is from ours, the time of the answer not counted; more than nothing: it is ahead."""
    if told < before:
        return told - before
    return max(timedelta(), told - after)


def _judged(zh: str, en: str, apart: timedelta) -> Line:
    seconds, most = abs(apart), law().span("clocks_apart")
    mark: Mark = "wrong" if seconds > most else "warning" if seconds > WARNS else "well"
    if mark == "well":
        return Line(mark=mark, zh=f"本机与{zh}的时钟一致。", en=f"The clocks of this server and of {en} agree.")
    how, told = ("快", "ahead of") if apart < timedelta() else ("慢", "behind")
    return Line(
        mark=mark,
        zh=f"本机时钟比{zh}{how} {seconds.total_seconds():.0f} 秒。请在两台机器上启用 NTP；超过 "
        f"{most.total_seconds():.0f} 秒时不封存、不处置。",
        en=f"This server's clock is {seconds.total_seconds():.0f} s {told} that of {en}. Run NTP on both; beyond "
        f"{most.total_seconds():.0f} s nothing is sealed or disposed of.",
    )
