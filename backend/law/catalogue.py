"""The law as data: works (what may be done), terms (periods and thresholds), messages (every sentence), calendar,
recusals and complaints.

Guarantees: a wrong file is refused when it is loaded, with every mistake by file and line. A term is read by name and
unit, so a period is never taken for a count. Nothing here knows the number of an article: codes and articles come from
the files, and another regulation is another directory.

Another directory holds only what differs from the built-in law:
- its works.toml replaces the built-in one as a whole, because another regulation has other numbers; without [items.…]
  the built-in kinds of things handed out stay, and its certificates are added to the built-in ones;
- a term replaces the built-in term as a whole, and is of its sort: a period by the clock, a number of one unit, or a
  period in days or years, which may also run by the clock;
- each table of recusals.toml and complaints.toml replaces the built-in table as a whole;
- a message replaces only the fields that it gives, so a renumbered article repeats no sentence;
- a year of the calendar replaces the built-in year as a whole, or is added.
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from backend.law.calendar import SATURDAY, CalendarUnknown, Year, kind_of
from backend.law.matters import ComplaintLaw, RecusalLaw, read_complaints, read_recusals
from backend.law.reading import LawError, Sheet, read_sheet, structs_of
from storage.language import by_locale

__all__ = [
    "HERE",
    "Case",
    "Counts",
    "Days",
    "EquipmentKind",
    "ItemKind",
    "Language",
    "Law",
    "LawError",
    "Message",
    "QualificationKind",
    "Term",
    "Work",
    "law",
    "load",
    "use",
]

T = TypeVar("T", bound=msgspec.Struct)
HERE = Path(__file__).parent
CLOCK = ("seconds", "minutes", "hours")
DAYS = ("days", "years")
LAW_FILES = ("works.toml", "terms.toml", "messages.toml", "calendar.toml", "recusals.toml", "complaints.toml")
WORK_CODE = re.compile(r"[0-9A-Za-z]+(\.[0-9A-Za-z_]+)+")

LISTS = ("qualifications", "equipment", "items", "certificates")  # tables of works.toml that are no works

Language = Literal["zh", "en"]
Case = Literal["administrative", "criminal", "none"]
Counts = Literal["procedure", "plain"]
Text = Annotated[str, msgspec.Meta(min_length=1)]
NonNegative = Annotated[int, msgspec.Meta(ge=0)]


class Term(msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True, kw_only=True):
    """One period, deadline or threshold: one value in one unit, its source and the version of the source.

    `counts`: of days and years alone, and always there: whether a last day that is a rest day or a holiday moves to the
    next working day (procedure) or stands (plain).
    """

    source: str
    version: Text
    seconds: int | None = None
    minutes: int | None = None
    hours: int | None = None
    days: int | None = None
    years: int | None = None
    counts: Counts | None = None
    count: int | None = None
    bytes: int | None = None
    percent: int | None = None
    metres: int | None = None
    permanent: bool | None = None

    def units(self) -> dict[str, int]:
        """The units that are given, with their values. A valid term has exactly one."""
        fields = (*CLOCK, *DAYS, "count", "bytes", "percent", "metres", "permanent")
        return {unit: value for unit in fields if (value := getattr(self, unit)) is not None}


class Days(NamedTuple):
    """A term in whole days or years. `carries_over`: past a last day that is a rest day or a holiday.

    backend/core/days.py reckons with it, and nothing else does.
    """

    years: int
    days: int
    carries_over: bool

    @property
    def at_most(self) -> int:
        """How many days these are; a year counts as 366, which it never exceeds."""
        return self.days + 366 * self.years


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One sentence in both languages. `title`: its short form. `status`: the HTTP status of a refusal.

    `retry_after`: of a refusal that time alone may change, the seconds after which to send the same again.
    """

    zh: str
    en: str
    title_zh: str
    title_en: str
    status: int | None = None
    article: str | None = None
    retry_after: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None

    def sentence(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en

    def title(self, language: Language) -> str:
        return self.title_zh if language == "zh" else self.title_en


class QualificationKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A professional qualification that some work needs, or another certificate. The roster uses the same code."""

    zh: Text
    en: Text
    source: Text


class EquipmentKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A piece of equipment that the organ must give to whoever does some work (R.11, R.13)."""

    zh: Text
    en: Text
    source: Text


class ItemKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kind of thing that is handed out to a person. `tells_wearer`: whoever has it wears it, so its serial number and
    a time tell whose film it is."""

    zh: Text
    en: Text
    source: Text
    tells_wearer: bool = False


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One item of the regulation: what is done, by whom, on which conditions. works.toml explains each field.

    Kind "none": forbidden to every auxiliary, without conditions. Every other work has `leadership`.
    """

    text: Text
    gloss: Text
    kind: Literal["civilian", "duty", "none"]
    part_of: Text | None = None
    leadership: Literal["command", "led"] | None = None
    officers: NonNegative = 0
    officers_source: Text | None = None
    recording: Literal["required", "not"] = "not"
    recording_source: Text | None = None
    legality: bool = False
    qualification: Text | None = None
    emergency_only: bool = False
    never_waits_for_leader: bool = False
    enforcement: bool = False
    insurance: bool = False
    enforcement_source: Text | None = None
    restraints: tuple[Text, ...] = ()
    watcher: bool = False
    restraint_source: Text | None = None
    cases: tuple[Case, ...] = ("administrative", "criminal", "none")
    cases_source: Text | None = None
    equipment: tuple[Text, ...] = ()
    equipment_source: Text | None = None


PERMITTED_WORK_NEEDS = ("leadership", "officers", "officers_source", "recording", "recording_source")
FORBIDDEN_WORK_MAY_HAVE = {"text", "gloss", "kind", "part_of"}


class Law(msgspec.Struct, frozen=True):
    """The law in force."""

    terms: dict[str, Term]
    messages: dict[str, Message]
    works: dict[str, Work] = {}
    qualifications: dict[str, QualificationKind] = {}
    equipment: dict[str, EquipmentKind] = {}
    certificates: dict[str, QualificationKind] = {}
    calendar: dict[str, Year] = {}
    items: dict[str, ItemKind] = {}
    recusals: RecusalLaw = RecusalLaw()
    complaints: ComplaintLaw = ComplaintLaw()

    def wearer_kinds(self) -> list[str]:
        """The kinds of things whose serial number tells a wearer."""
        return [code for code, kind in self.items.items() if kind.tells_wearer]

    @property
    def recorded(self) -> dict[str, QualificationKind]:
        """Everything that a roster records of a person under `qualification`, by code."""
        return self.certificates | self.qualifications

    def span(self, name: str) -> timedelta:
        """A term by the clock: seconds, minutes, hours. Raises LawError where there is none of this name.

        A term in days is none: it ends with a day, not so many hours later. `days` gives it.
        """
        unit, value = self._unit(name)
        if unit not in CLOCK:
            raise LawError(
                f"terms.toml: [{name}] 的单位是 {unit}，不是按时分秒计算的期限",
                f"terms.toml: [{name}] is in {unit}, not a period by the clock",
            )
        return _timedelta(unit, value)

    def by_clock(self, name: str) -> timedelta | None:
        """The term, if it runs by the clock, else None. Raises LawError where there is none of this name."""
        return self.span(name) if self._unit(name)[0] in CLOCK else None

    def days(self, name: str) -> Days:
        """A term in days or years; of one by the clock, the whole days that hold it.

        Raises LawError where there is none of this name.
        """
        unit, value = self._unit(name)
        if unit in CLOCK:
            return Days(0, -(-self.span(name) // timedelta(days=1)), False)
        if unit not in DAYS:
            raise LawError(
                f"terms.toml: [{name}] 的单位是 {unit}，不是以日或年计算的期限",
                f"terms.toml: [{name}] is in {unit}, not a period in days or years",
            )
        carries_over = self.terms[name].counts == "procedure"
        return Days(value, 0, carries_over) if unit == "years" else Days(0, value, carries_over)

    def rests(self, day: date) -> bool:
        """Whether this is a rest day or a holiday; of a year that no calendar knows, a Saturday or a Sunday."""
        try:
            return kind_of(day, self.calendar) != "work"
        except CalendarUnknown:
            return day.weekday() >= SATURDAY

    def count(self, name: str) -> int:
        """A term that is a number: count, bytes, percent, metres. Raises LawError where there is none of this name."""
        unit, value = self._unit(name)
        if unit in (*CLOCK, *DAYS):
            raise LawError(f"terms.toml: [{name}] 是期限，不是数目", f"terms.toml: [{name}] is a period, not a number")
        if unit == "permanent":
            raise LawError(f"terms.toml: [{name}] 是是否永久保存，不是数目", f"terms.toml: [{name}] is no number")
        return value

    def is_permanent(self, name: str) -> bool:
        """Whether what this term is about is kept until people let it go. Raises LawError where the term says no such
        thing."""
        unit, value = self._unit(name)
        if unit != "permanent":
            raise LawError(
                f"terms.toml: [{name}] 须写 permanent = true 或 false",
                f"terms.toml: [{name}] takes permanent = true or false",
            )
        return bool(value)

    def _unit(self, name: str) -> tuple[str, int]:
        if name not in self.terms:
            raise LawError(f"terms.toml: 缺少 [{name}]", f"terms.toml: [{name}] is missing")
        return _measured(self.terms[name])


@cache
def _measured(term: Term) -> tuple[str, int]:
    """The one unit of a term and its value. Cached: it is read several times for each entry."""
    ((unit, value),) = term.units().items()
    return unit, value


@cache
def _timedelta(unit: str, value: int) -> timedelta:
    return timedelta(**{unit: value})


def load(directory: Path = HERE, over: Law | None = None) -> Law:
    """Read the law in `directory`. What it leaves out comes from `over`; without `over` it must be complete.

    Raises LawError with every mistake.
    """
    sheets = {name: _sheet(directory / name, over) for name in LAW_FILES}
    works, qualifications, equipment = _works(sheets["works.toml"], over)
    items = _named(sheets["works.toml"], "items", ItemKind) or (over.items if over else {})
    certificates = ({} if over is None else over.certificates) | _named(
        sheets["works.toml"], "certificates", QualificationKind
    )
    terms = _terms(sheets["terms.toml"], over)
    messages = _messages(sheets["messages.toml"], over)
    years = _calendar(sheets["calendar.toml"], over)
    in_days = {name: term for name, term in terms.items() if len(term.units()) == 1 and _sort(term) == DAYS}
    recusals = read_recusals(sheets["recusals.toml"], over.recusals if over else None, in_days)
    complaints = read_complaints(sheets["complaints.toml"], over.complaints if over else None, in_days)
    mistakes = [mistake for read in sheets.values() for mistake in read.sorted_mistakes()] + _misplaced(directory, over)
    if mistakes:
        raise LawError(*["\n".join(mistakes)] * 2)  # each mistake was worded in the terminal's language
    return Law(
        terms=terms, messages=messages, works=works, qualifications=qualifications, equipment=equipment, items=items,
        certificates=certificates, calendar=years, recusals=recusals, complaints=complaints,
    )  # fmt: skip


def _sheet(path: Path, over: Law | None) -> Sheet:
    return Sheet(path.name, present=False) if over and not path.exists() else read_sheet(path)


def _misplaced(directory: Path, over: Law | None) -> list[str]:
    """Mistakes that would change nothing without a word: a wrong directory, a misspelt file name."""
    if over is None:
        return []
    found, files = {path.name for path in directory.glob("*.toml")}, ", ".join(LAW_FILES)
    if not found:
        return [by_locale(f"{directory}: 其中没有 {files} 中的任何一个", f"{directory}: holds none of {files}")]
    what = by_locale(f"不是规定文件；规定文件有 {files}", f"is no file of the law, which are {files}")
    return [f"{name}: {what}" for name in sorted(found - {*LAW_FILES})]


def _terms(read: Sheet, over: Law | None) -> dict[str, Term]:
    given = structs_of(read, read.tables, Term)
    for name, term in given.items():
        if len(term.units()) != 1 or min(term.units().values()) < 0:
            read.wrong((name,), by_locale("须恰有一个单位，且不为负", "needs exactly one unit, not negative"))
        else:
            _check_counts(read, name, term)
    if over is None:
        return given
    _check_known(read, given, over.terms, by_locale("期限", "term"))
    for name, term in given.items():
        if name in over.terms and len(term.units()) == 1 and _sort(term)[0] not in _may_be(over.terms[name]):
            sort = " / ".join(_may_be(over.terms[name]))
            read.wrong((name,), by_locale(f"单位须为 {sort}", f"its unit must be {sort}"))
    return over.terms | given


def _may_be(term: Term) -> tuple[str, ...]:
    """The units in which another law may give this term."""
    return (*DAYS, *CLOCK) if _sort(term) == DAYS else _sort(term)


def _sort(term: Term) -> tuple[str, ...]:
    """The units of this term's sort: those of a clock, those of a calendar, or its own alone."""
    (unit,) = term.units()
    return next((sort for sort in (CLOCK, DAYS) if unit in sort), (unit,))


def _check_counts(read: Sheet, name: str, term: Term) -> None:
    """Check that a term in days says how its last day counts, and that no other does."""
    in_days = _sort(term) == DAYS
    if in_days and term.counts is None:
        what = by_locale(
            'days 与 years 须写 counts = "procedure"（期满日遇休息日、节假日顺延）或 "plain"（不顺延）',
            'days and years need counts = "procedure" (carried over rest days and holidays) or "plain" (not)',
        )
        read.wrong((name,), what)
    if not in_days and term.counts is not None:
        read.wrong(
            (name,), by_locale("counts 只用于 days 与 years", "counts is for days and years alone"), field="counts"
        )


def _calendar(read: Sheet, over: Law | None) -> dict[str, Year]:
    given = structs_of(read, read.tables, Year)
    for name, year in given.items():
        if (year.rest is None) != (year.work is None):
            read.wrong(
                (name,), by_locale("rest 与 work 须同时给出或都不给", "gives rest and work together, or neither")
            )
        for field in ("statutory", "rest", "work"):
            strange = [day for day in getattr(year, field) or () if str(day.year) != name]
            if strange:
                what = by_locale(
                    f"{field} 中的 {strange[0]} 不在这一年", f"{field} names {strange[0]}, a day of another year"
                )
                read.wrong((name,), what, field=field)
    return given if over is None else over.calendar | given


def _messages(read: Sheet, over: Law | None) -> dict[str, Message]:
    if over is None:
        return structs_of(read, read.tables, Message)
    _check_known(read, read.tables, over.messages, "message")
    merged = {name: _merged(over.messages.get(name), table) for name, table in read.tables.items()}
    return over.messages | structs_of(
        read, {name: table for name, table in merged.items() if name in over.messages}, Message
    )


def _merged(message: Message | None, table: Any) -> Any:
    """The built-in message with the fields that the table gives."""
    if message is None or not isinstance(table, dict):
        return table
    return {name: value for name, value in msgspec.structs.asdict(message).items() if value is not None} | table


def _check_known(read: Sheet, given: Iterable[str], known: Iterable[str], noun: str) -> None:
    for name in given:
        if name not in known:
            read.wrong((name,), by_locale(f"不是内置规定中的{noun}", f"is no {noun} of the built-in law"))


def _works(
    read: Sheet, over: Law | None
) -> tuple[dict[str, Work], dict[str, QualificationKind], dict[str, EquipmentKind]]:
    if over is not None and not read.present:
        return over.works, over.qualifications, over.equipment
    tables = {code: table for code, table in read.tables.items() if code not in LISTS}
    qualifications, equipment = (
        _named(read, "qualifications", QualificationKind),
        _named(read, "equipment", EquipmentKind),
    )
    works = structs_of(read, {code: table for code, table in tables.items() if _quoted(read, code, table)}, Work)
    if not tables and not read.mistakes:
        read.wrong(("works",), by_locale("本文件中没有任何工作", "there is no work in this file"))
    for code, work in works.items():
        _check_work(read, code, work, tables[code].keys())
        _check_cases(read, code, work, tables[code].keys())
        _check_qualification(read, code, work)
        _check_equipment(read, code, work)
        _check_whole(read, code, work)
    return works, qualifications, equipment


def _named(read: Sheet, name: str, kind: type[T]) -> dict[str, T]:
    """The tables [name.CODE], by code."""
    named = read.tables.get(name, {})
    if isinstance(named, dict):
        return structs_of(read, named, kind, under=(name,))
    read.wrong((name,), by_locale("必须是一个表", "must be a table"))
    return {}


def _quoted(read: Sheet, code: str, table: Any) -> bool:
    """Whether the header has quotes, as in ["10.3"]: without them TOML reads a table 3 in a table 10."""
    if not isinstance(table, dict) or not table or not all(isinstance(value, dict) for value in table.values()):
        return True
    for inner in table:
        read.wrong((code, inner), by_locale("需要引号：", "needs quotes: ") + f'["{code}.{inner}"]')
    return False


def _check_work(read: Sheet, code: str, work: Work, said: Iterable[str]) -> None:
    """Check which fields a work has and lacks. `said`: the names of its fields."""
    if not WORK_CODE.fullmatch(code):
        read.wrong((code,), by_locale("须为 10.3 这样的编号：章.项", "must be a code like 10.3: chapter.item"))
    if work.kind == "none":
        for name in sorted({*said} - FORBIDDEN_WORK_MAY_HAVE):
            what = by_locale(
                f"禁止的工作（kind none）没有条件，不应写 {name}",
                f"{name} is said of a forbidden work (kind none), which has no conditions",
            )
            read.wrong((code,), what, field=name)
        return
    for name in PERMITTED_WORK_NEEDS:
        if name not in said:
            read.wrong((code,), _missing(name))
    if work.legality and work.recording == "not":
        what = by_locale("legality 要求 recording 为 required", "legality needs recording required")
        read.wrong((code,), what, field="legality")
    if (work.enforcement or work.insurance) and work.enforcement_source is None:
        read.wrong((code,), _missing("enforcement_source"))
    if (work.restraints or work.watcher) and work.restraint_source is None:
        read.wrong((code,), _missing("restraint_source"))


def _missing(name: str) -> str:
    return by_locale(f"缺少 {name}", f"{name} is missing")


def _twice(name: str) -> str:
    return by_locale(f"{name} 中有一项写了两次", f"{name} names one twice")


def _nowhere(table: str) -> str:
    return by_locale(f"没有 [{table}]", f"there is no [{table}]")


def _check_cases(read: Sheet, code: str, work: Work, said: Iterable[str]) -> None:
    """Check the kinds of case, where they are given."""
    if "cases" not in said or work.kind == "none":
        return
    if not work.cases:
        what = by_locale(
            "cases 是空的：工作总在某种案件中或在无案件时进行", "cases is empty: a work is done in some case or in none"
        )
        read.wrong((code,), what, field="cases")
    if len({*work.cases}) < len(work.cases):
        read.wrong((code,), _twice("cases"), field="cases")
    if work.cases_source is None:
        read.wrong((code,), _missing("cases_source"))


def _check_qualification(read: Sheet, code: str, work: Work) -> None:
    if work.qualification is not None and not _is_named(read, "qualifications", work.qualification):
        read.wrong((code,), _nowhere(f"qualifications.{work.qualification}"), field="qualification")


def _check_equipment(read: Sheet, code: str, work: Work) -> None:
    if work.kind == "none":
        return
    for name in sorted({*work.equipment}):
        if not _is_named(read, "equipment", name):
            read.wrong((code,), _nowhere(f"equipment.{name}"), field="equipment")
    if len({*work.equipment}) < len(work.equipment):
        read.wrong((code,), _twice("equipment"), field="equipment")
    if work.equipment and work.equipment_source is None:
        read.wrong((code,), _missing("equipment_source"))


def _is_named(read: Sheet, name: str, code: str) -> bool:
    named = read.tables.get(name)
    return isinstance(named, dict) and code in named


def _check_whole(read: Sheet, code: str, work: Work) -> None:
    """Check that the text of a part is in the text of its item."""
    if work.part_of is None:
        return
    whole = read.tables.get(work.part_of)
    if not isinstance(whole, dict):
        what = by_locale(f"没有 [{work.part_of}] 可作为整项", f"there is no [{work.part_of}] to be a part of")
        read.wrong((code,), what, field="part_of")
    elif work.text not in str(whole.get("text")):
        what = by_locale(
            f"其文字不在 [{work.part_of}] 的文字之中", f"its text does not stand in the text of [{work.part_of}]"
        )
        read.wrong((code,), what, field="part_of")


_in_force: Law | None = None


def law() -> Law:
    """The law of this process: the built-in one, until `use` names another."""
    return use(None) if _in_force is None else _in_force


def use(directory: Path | None) -> Law:
    """Put the law in `directory` into force, on top of the built-in one. None: the built-in law alone.

    Raises LawError with every mistake; then nothing changes.
    """
    global _in_force
    built_in = load()
    _in_force = built_in if directory is None else load(directory, over=built_in)
    return _in_force
