"""Reads what the State Council announced of single years, where this house took its notice in.

Guarantees: `fujing calendar YEAR --from FILE` writes calendar.toml in the folder `law` of the data directory, whole or
not at all; every process of the house reads it again as soon as it changes. A wrong file is refused when it is taken in
and at a start; one that somebody spoils by hand meanwhile is told in the log, and what was read before stays.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import msgspec
import structlog

from backend.law.calendar import SATURDAY, Year, statutory
from backend.law.reading import LawError, Sheet, read_sheet, structs_of
from storage.language import by_locale

FILE = "calendar.toml"
HEAD = (
    "# Written by `fujing calendar YEAR --from FILE`: the days off of each year, as the State Council announced them.\n"
)
log = structlog.get_logger()


class Years(Mapping[str, Year]):
    """What is told of single years: by a law, and beneath it by the notices of this house, field by field."""

    def __init__(self, given: Mapping[str, Year]) -> None:
        self.given = given

    def __getitem__(self, name: str) -> Year:
        noticed, given = in_force().get(name), self.given.get(name)
        if noticed is None or given is None:
            return self.given[name] if noticed is None else noticed
        told = {field: value for field, value in msgspec.structs.asdict(given).items() if value is not None}
        return msgspec.structs.replace(noticed, **told)

    def __iter__(self) -> Iterator[str]:
        return iter({**self.given, **in_force()})

    def __len__(self) -> int:
        return len({**self.given, **in_force()})


class _Kept:
    """Where the notices of this process are, and what was read of them last."""

    path: Path | None = None
    seen: tuple[int, ...] | None = None
    years: dict[str, Year] = {}  # noqa: RUF012 - one of this process


def keep_in(directory: Path | None) -> None:
    """Read notices from this folder from now on; None: from none. Raises LawError where a notice is wrong."""
    _Kept.path, _Kept.seen, _Kept.years = None, None, {}
    if directory is not None:
        path = directory / FILE
        _Kept.seen, _Kept.years = _signature(path), _read(path) if path.exists() else {}
        _Kept.path = path


def in_force() -> Mapping[str, Year]:
    """The notices as they are now, by year."""
    if _Kept.path is not None and (seen := _signature(_Kept.path)) != _Kept.seen:
        _Kept.seen = seen
        try:
            _Kept.years = {} if seen is None else _read(_Kept.path)
        except LawError as error:
            log.error("the notices cannot be used; what was read before stays", mistakes=str(error))
    return _Kept.years


def take_in(directory: Path, year: int, file: Path) -> Year:
    """Take the notice of a year in from a file like calendar.toml. Raises LawError with every mistake."""
    told = read_notice(year, file)
    keep(directory, year, told)
    return told


def read_notice(year: int, file: Path) -> Year:
    """The notice of a year in a file like calendar.toml. Raises LawError with every mistake."""
    read = read_sheet(file)
    told = years_of(read).get(str(year))
    if not read.mistakes:
        if told is None or told.rest is None or len(read.tables) != 1:
            what = (f'须恰有一个表 ["{year}"]，并给出 rest 和 work', f'takes one table ["{year}"], with rest and work')
            read.wrong((str(year),), by_locale(*what))
        else:
            _check_days(read, year, told)
    if told is None or read.mistakes:
        raise LawError(*["\n".join(read.sorted_mistakes())] * 2)
    return told


def keep(directory: Path, year: int, told: Year) -> None:
    """Write a notice into this folder; every process of the house reads it from then on."""
    path = directory / FILE
    _write(path, (_read(path) if path.exists() else {}) | {str(year): told})


def years_of(read: Sheet) -> dict[str, Year]:
    """The years of a calendar.toml. Mistakes are added to the sheet."""
    given = structs_of(read, read.tables, Year)
    for name, year in given.items():
        if (year.rest is None) != (year.work is None):
            read.wrong(
                (name,), by_locale("rest 与 work 须同时给出或都不给", "gives rest and work together, or neither")
            )
        if year.statutory is None and year.rest is None:
            read.wrong((name,), by_locale("什么也没有给出", "tells nothing"))
        for field in ("statutory", "rest", "work"):
            strange = [day for day in getattr(year, field) or () if str(day.year) != name]
            if strange:
                what = by_locale(
                    f"{field} 中的 {strange[0]} 不在这一年", f"{field} names {strange[0]}, a day of another year"
                )
                read.wrong((name,), what, field=field)
    return given


def _check_days(read: Sheet, year: int, told: Year) -> None:
    """Check that no day is told twice, and that only weekend days are worked instead."""
    holidays = statutory(year, {str(year): told})
    for day in told.work or ():
        if day.weekday() < SATURDAY:
            _wrong_day(read, day, "work", "不是周末", "is no day of a weekend")
        if day in holidays:
            _wrong_day(read, day, "work", "是法定节假日", "is a statutory holiday")
        if day in (told.rest or ()):
            _wrong_day(read, day, "work", "也写在 rest 中", "is in rest too")


def _wrong_day(read: Sheet, day: date, field: str, zh: str, en: str) -> None:
    read.wrong((str(day.year),), by_locale(f"{field} 中的 {day} {zh}", f"{field} names {day}, which {en}"), field=field)


def _read(path: Path) -> dict[str, Year]:
    """The years of a file. Raises LawError with every mistake."""
    read = read_sheet(path)
    years = years_of(read)
    if read.mistakes:
        raise LawError(*["\n".join(read.sorted_mistakes())] * 2)  # worded in the terminal's language
    return years


def _signature(path: Path) -> tuple[int, ...] | None:
    """What differs once the file was written anew; None: there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _write(path: Path, years: Mapping[str, Year]) -> None:
    """Write the file anew, whole or not at all."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".new")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(HEAD + "".join(_table(name, years[name]) for name in sorted(years)))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _table(name: str, year: Year) -> str:
    """One year as TOML."""
    fields = {field: value for field, value in msgspec.structs.asdict(year).items() if value is not None}
    source = msgspec.json.encode(fields.pop("source")).decode()  # a JSON string is one of TOML
    lists = [f"{field} = [{', '.join(map(str, sorted(days)))}]\n" for field, days in fields.items()]
    return f'\n["{name}"]\n{"".join(lists)}source = {source}\n'
