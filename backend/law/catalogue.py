"""The law as data: works (what may be done), terms (periods and thresholds), messages (every sentence), calendar,
recusals and complaints.

Guarantees: a wrong file is refused when it is loaded, with every mistake by file and line. A term is read by name and
unit, so a period is never taken for a count. Nothing here knows the number of an article: codes and articles come from
the files, and another regulation is another directory.

Another directory holds only what differs from the built-in law:
- its works.toml replaces the built-in one as a whole, because another regulation has other numbers; without [items.…]
  the built-in kinds of things handed out stay; its certificates, means of restraint, persons restrained, manners and
  whose work it is ([whose.…]) are added to the built-in ones;
- a term replaces the built-in term as a whole, and is of its sort: a period by the clock, a number of one unit, or a
  period in days or years, which may also run by the clock;
- a kind of finding in findings.toml replaces the built-in one, and says about the same;
- each table of recusals.toml and complaints.toml replaces the built-in table as a whole;
- a message replaces only the fields that it gives, so a renumbered article repeats no sentence;
- a year of the calendar replaces the built-in year as a whole, or is added;
- regulation.toml names the regulation, and confirms or renumbers each article that something kept still cites
  (regulation.py); each of its tables replaces the one before as a whole.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from backend.law.answerable import Answers, read_answers
from backend.law.calendar import RULE, Year, kind_of
from backend.law.keeping import FIXED, Keeping, Known, check_keeps
from backend.law.matters import ComplaintLaw, RecusalLaw, read_complaints, read_recusals
from backend.law.named import Named, Text
from backend.law.notices import Years, years_of
from backend.law.reading import LawError, Sheet, read_sheet, structs_of
from backend.law.regulation import (
    AuxiliaryKind,
    BeforeDuty,
    Decision,
    Insurance,
    Provisions,
    Rank,
    Regulation,
    cited_by_article,
    cited_by_source,
    provisions,
    renumbered_article,
    sources_in,
    with_sources,
)
from backend.law.sources import Source
from backend.law.works import CrewRule, WhoseWork, WorkTables, check_kind, check_work
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
    "law_at",
    "laws",
    "laws_by_time",
    "load",
    "use",
]

T = TypeVar("T", bound=msgspec.Struct)
HERE = Path(__file__).parent
CLOCK = ("seconds", "minutes", "hours")
DAYS = ("days", "years")
LAW_FILES = (
    "regulation.toml", "works.toml", "terms.toml", "messages.toml", "calendar.toml", "recusals.toml",
    "complaints.toml", "findings.toml", "sources.toml",
)  # fmt: skip
WORK_CODE = re.compile(r"[0-9A-Za-z]+(\.[0-9A-Za-z_]+)+")

# Tables of works.toml that are no works.
LISTS = ("qualifications", "equipment", "items", "certificates", "means", "restrained", "manners", "whose")

Language = Literal["zh", "en"]
Case = Literal["administrative", "criminal", "none"]
Counts = Literal["procedure", "plain"]
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


class QualificationKind(Named, frozen=True, kw_only=True):
    """A professional qualification that some work needs, or another certificate. The roster uses the same code."""


Recorded = QualificationKind | BeforeDuty | Insurance | Rank


class EquipmentKind(Named, frozen=True, kw_only=True):
    """A piece of equipment that the organ must give to whoever does some work (R.11, R.13)."""


class ItemKind(Named, frozen=True, kw_only=True):
    """A kind of thing that is handed out to a person. `tells_wearer`: whoever has it wears it, so its serial number and
    a time tell whose film it is."""

    tells_wearer: bool = False


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One item of the regulation: what is done, by whom, on which conditions. works.toml explains each field.

    Kind "none": forbidden to every auxiliary, without conditions. Every other work has `leadership`. `kinds`: the kinds
    of person whose work it is; where the file leaves them out, those of [whose.KIND].
    """

    text: Text
    gloss: Text
    kind: Text
    kinds: tuple[Text, ...] = ()
    part_of: Text | None = None
    leadership: Literal["command", "led"] | None = None
    officers: NonNegative = 0
    officers_source: Text | None = None
    officers_article: Text | None = None
    crews: tuple[CrewRule, ...] = ()
    recording: Literal["required", "not"] = "not"
    recording_source: Text | None = None
    legality: bool = False
    qualification: Text | None = None
    qualification_rule: Literal["law", "licence", "advised"] = "law"
    training: tuple[Text, ...] = ()
    training_source: Text | None = None
    prerequisites: tuple[Text, ...] = ()
    prerequisites_source: Text | None = None
    emergency_only: bool = False
    never_waits_for_leader: bool = False
    never_refused: bool = False
    never_refused_source: Text | None = None
    enforcement: bool = False
    insurance: bool = False
    enforcement_source: Text | None = None
    restraints: tuple[Text, ...] = ()
    watcher: bool = False
    restraint_source: Text | None = None
    self_protection: tuple[Text, ...] = ()
    self_protection_source: Text | None = None
    never_on: dict[str, tuple[Text, ...]] = {}
    never_on_source: Text | None = None
    manner: tuple[Text, ...] = ()
    cases: tuple[Case, ...] = ("administrative", "criminal", "none")
    cases_source: Text | None = None
    equipment: tuple[Text, ...] = ()
    equipment_source: Text | None = None


# Tables of works.toml that are added to those of the law before.
NAMED: dict[str, Any] = {
    "certificates": QualificationKind, "means": Named, "restrained": Named, "manners": Named, "whose": WhoseWork,
}  # fmt: skip
# Files whose tables stand in a struct of their own, and its name in the law.
OWNERS = {
    "regulation.toml": "provisions", "recusals.toml": "recusals", "complaints.toml": "complaints",
    "findings.toml": "answers",
}  # fmt: skip
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
    calendar: Mapping[str, Year] = Years({})
    items: dict[str, ItemKind] = {}
    means: dict[str, Named] = {}
    restrained: dict[str, Named] = {}
    manners: dict[str, Named] = {}
    whose: dict[str, WhoseWork] = {}
    recusals: RecusalLaw = RecusalLaw()
    complaints: ComplaintLaw = ComplaintLaw()
    answers: Answers = Answers()
    provisions: Provisions = Provisions()
    sources: dict[str, Source] = {}

    @property
    def regulation(self) -> Regulation | None:
        """Which regulation this is."""
        return self.provisions.regulation

    @property
    def kinds(self) -> dict[str, AuxiliaryKind]:
        """The kinds of auxiliaries, by code."""
        return self.provisions.kinds

    def decision(self, name: str) -> Decision:
        """Which organ decides about this: `recusal` or `injury`. Raises LawError where the law does not say."""
        if name not in self.provisions.decisions:
            entry = f"regulation.toml: [decisions.{name}]"
            raise LawError(f"{entry} 缺少", f"{entry} is missing")
        return self.provisions.decisions[name]

    def wearer_kinds(self) -> list[str]:
        """The kinds of things whose serial number tells a wearer."""
        return [code for code, kind in self.items.items() if kind.tells_wearer]

    @property
    def recorded(self) -> dict[str, Recorded]:
        """Everything that a roster records of a person under `qualification`, by code."""
        its = self.provisions
        return {**its.before_duty, **self.certificates, **its.insurances, **self.qualifications, **its.ranks}

    def with_lower_ranks(self, valid: Iterable[str]) -> frozenset[str]:
        """These codes, and every rank below the highest rank among them: what asks for a rank asks for at least it."""
        held, ranks = frozenset(valid), self.provisions.ranks
        highest = max((ranks[code].order for code in held & ranks.keys()), default=0)
        return held | {code for code, rank in ranks.items() if rank.order <= highest}

    def insurances_of(self, kind: str, work: Work) -> list[str]:
        """The insurances that the organ owes to an auxiliary of this kind who does this work."""
        return [
            code
            for code, each in self.provisions.insurances.items()
            if (each.works == "every" or work.insurance) and kind in (each.kinds or (kind,))
        ]

    def trainings_before_duty(self) -> list[str]:
        """The trainings among what the roster must show before the first duty; they count as the first yearly one."""
        return [code for code, each in self.provisions.before_duty.items() if each.training]

    def before_duty_of(self, kind: str) -> list[str]:
        """What the roster must show of somebody of this kind before their first duty."""
        return [code for code, each in self.provisions.before_duty.items() if kind in (each.kinds or (kind,))]

    def keeping(self) -> list[Keeping]:
        """The facts that keep footage until two people let it go, without those that a term switches off."""
        every = self.provisions.keeps.values()
        return [rule for rule in every if rule.term is None or self.is_permanent(rule.term)]

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
        """Whether this is a rest day or a holiday."""
        return kind_of(day, self.calendar) != "work"

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


class Kept(msgspec.Struct, frozen=True, order=True):
    """Something kept from the law before, and an article of that law which it cites."""

    article: str
    file: str
    entry: str


class Reading(msgspec.Struct, frozen=True):
    """What a directory says. `law` counts only without `mistakes`; `unconfirmed`: what cites an article that
    regulation.toml neither confirms nor renumbers."""

    law: Law
    mistakes: list[str]
    unconfirmed: list[Kept]


def load(directory: Path = HERE, over: Law | None = None) -> Law:
    """Read the law in `directory`. What it leaves out comes from `over`; without `over` it must be complete.

    Raises LawError with every mistake and every citation that is not confirmed.
    """
    found = read(directory, over)
    mistakes = [*found.mistakes, *unconfirmed_lines(found.unconfirmed)]
    if mistakes:
        raise LawError(*["\n".join(mistakes)] * 2)  # each mistake was worded in the terminal's language
    return found.law


def read(directory: Path, over: Law | None) -> Reading:
    """The same with the mistakes told instead of raised."""
    sheets = {name: _sheet(directory / name, over) for name in LAW_FILES}
    works = sheets["works.toml"]
    its = provisions(sheets["regulation.toml"], over.provisions if over else None)
    named = {name: (getattr(over, name) if over else {}) | _named(works, name, kind) for name, kind in NAMED.items()}
    recorded = {**named["certificates"], **_dict(works, "qualifications"), **its.before_duty, **its.ranks}
    tables = WorkTables(
        recorded=recorded, **{name: named[name] for name in ("whose", "means", "restrained", "manners")}
    )
    found_works, qualifications, equipment = _works(works, over, tables)
    terms, messages = _terms(sheets["terms.toml"], over), _messages(sheets["messages.toml"], over)
    in_days = {name: term for name, term in terms.items() if len(term.units()) == 1 and _sort(term) == DAYS}
    found = Law(
        works=found_works, qualifications=qualifications, equipment=equipment,
        items=_named(works, "items", ItemKind) or (over.items if over else {}), **named,
        terms=terms, messages=messages,
        recusals=read_recusals(sheets["recusals.toml"], over.recusals if over else None, in_days),
        complaints=read_complaints(sheets["complaints.toml"], over.complaints if over else None, in_days),
        answers=read_answers(sheets["findings.toml"], over.answers if over else None, messages),
        calendar=_calendar(sheets["calendar.toml"], over), provisions=its,
        sources=(over.sources if over else {}) | _named(sheets["sources.toml"], "sources", Source),
    )  # fmt: skip
    unconfirmed: list[Kept] = []
    _check_kinds(sheets, found)
    check_keeps(sheets["regulation.toml"], its.keeps, _known(found))
    if over is not None:
        _check_regulation_named(sheets, found, over)
        if "regulation" in sheets["regulation.toml"].tables:
            found, unconfirmed = _confirmed(found, sheets)
    mistakes = [mistake for sheet in sheets.values() for mistake in sheet.sorted_mistakes()]
    return Reading(found, mistakes + _misplaced(directory, over), unconfirmed)


def _known(found: Law) -> Known:
    """What a rule about kept footage may name."""
    units = {name: next(iter(term.units()), "") for name, term in found.terms.items()}
    return Known(
        values=FIXED
        | {"described": [*found.provisions.retention], "work": [*found.works], "restraint": [*found.means]},
        clocks={name for name, unit in units.items() if unit in CLOCK},
        switches={name for name, unit in units.items() if unit == "permanent"},
    )


def unconfirmed_lines(unconfirmed: Iterable[Kept]) -> list[str]:
    """One line for each article: who still cites it."""
    by_article: dict[str, list[str]] = {}
    for kept in unconfirmed:
        by_article.setdefault(kept.article, []).append(f"{kept.file} [{kept.entry}]")
    return [
        by_locale(
            f'regulation.toml: [articles] 未确认第{article}条（写 "{article}" = "本条例条号"）：{"、".join(entries)}',
            f'regulation.toml: [articles] does not confirm "{article}" (write "{article}" = "its number here"): '
            + ", ".join(entries),
        )
        for article, entries in sorted(by_article.items(), key=lambda each: int(each[0]))
    ]


def _check_kinds(sheets: dict[str, Sheet], found: Law) -> None:
    """Whose work it is, is said with kinds that the law has."""
    works, regulation = sheets["works.toml"], sheets["regulation.toml"]
    used = {work.kind for work in found.works.values()} if found.kinds else set()
    for code in sorted(used & found.whose.keys()):
        for kind in sorted({*found.whose[code].kinds} - found.kinds.keys()):
            what = by_locale(f"没有 [kinds.{kind}]", f"there is no [kinds.{kind}]")
            (works if code in _dict(works, "whose") else regulation).wrong(("whose", code), what, field="kinds")


def _check_regulation_named(sheets: dict[str, Sheet], found: Law, over: Law) -> None:
    """Other works are those of another regulation, which must be named."""
    works = sheets["works.toml"]
    if not works.present or "regulation" in sheets["regulation.toml"].tables:
        return
    theirs = {work.text for work in over.works.values()}
    if works.tables and not works.mistakes and any(work.text not in theirs for work in found.works.values()):
        what = by_locale("缺少这个表：工作已换成另一条例的", "is missing: the works are those of another regulation")
        sheets["regulation.toml"].wrong(("regulation",), what)


def _confirmed(found: Law, sheets: dict[str, Sheet]) -> tuple[Law, list[Kept]]:
    """The law with its own numbers in everything kept, and what cites an article that is not confirmed."""
    ours, unconfirmed = found.provisions.articles, []
    tables = sheets["messages.toml"].tables
    kept_messages = {code: message for code, message in found.messages.items() if "article" not in tables.get(code, {})}
    for code, message in kept_messages.items():
        cited = cited_by_article(message.article)
        unconfirmed += [Kept(article, "messages.toml", code) for article in cited if article not in ours]
    renumbered = {
        code: msgspec.structs.replace(message, article=renumbered_article(message.article, ours))
        for code, message in kept_messages.items()
    }
    changes: dict[str, dict[str, Any]] = {"": {"messages": found.messages | renumbered}}
    for table, kept in _kept_entries(found, sheets):
        for code, entry in kept.items():
            cited = [article for source in sources_in(entry) for article in cited_by_source(source)]
            unconfirmed += [Kept(article, table.file, code) for article in {*cited} if article not in ours]
        new = {**table.entries, **{code: with_sources(entry, ours) for code, entry in kept.items()}}
        changes.setdefault(OWNERS.get(table.file, ""), {})[table.name] = new[table.name] if table.alone else new
    of_law = changes.pop("")
    of_law |= {owner: msgspec.structs.replace(getattr(found, owner), **fields) for owner, fields in changes.items()}
    return msgspec.structs.replace(found, **of_law), sorted({*unconfirmed})


class LawTable(msgspec.Struct, frozen=True):
    """One table of a law: its file, its name, its entries by code. `alone`: it is one entry, called as the table."""

    file: str
    name: str
    entries: Mapping[str, Any]
    alone: bool = False


def tables_of(law: Law) -> Iterable[LawTable]:
    """Every table of a law."""
    for file, owner in OWNERS.items():
        its = getattr(law, owner)
        for name in its.__struct_fields__:
            entries = getattr(its, name)
            if isinstance(entries, msgspec.Struct) or entries is None:
                yield LawTable(file, name, {} if entries is None else {name: entries}, alone=True)
            elif name != "articles":
                yield LawTable(file, name, entries)
    for name in ("works", "qualifications", "equipment", "items", *NAMED):
        yield LawTable("works.toml", name, getattr(law, name))
    for name in ("terms", "messages", "calendar", "sources"):
        yield LawTable(f"{name}.toml", name, getattr(law, name))
    yield LawTable("holidays.toml", "editions", RULE.editions)  # national: the same in every law


def _kept_entries(found: Law, sheets: dict[str, Sheet]) -> Iterable[tuple[LawTable, dict[str, Any]]]:
    """The tables in which something was kept from the law before, and what was."""
    for table in tables_of(found):
        if table.file not in sheets:
            continue
        tables = sheets[table.file].tables
        given: Mapping[str, Any]
        if table.name == "findings":
            given = _dict(sheets[table.file], table.name)
        elif table.file in OWNERS or table.name == "items":
            given = table.entries if table.name in tables else {}
        elif table.name in ("works", "qualifications", "equipment"):
            given = table.entries if tables else {}
        elif table.name in NAMED:
            given = _dict(sheets[table.file], table.name)
        else:
            given = tables if table.name == "terms" else table.entries
        kept = {code: entry for code, entry in table.entries.items() if code not in given}
        if kept:
            yield table, kept


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


def _calendar(read: Sheet, over: Law | None) -> Years:
    given = years_of(read)
    return Years(given if over is None or not isinstance(over.calendar, Years) else {**over.calendar.given, **given})


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
    read: Sheet, over: Law | None, named: WorkTables
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
    for code, table in tables.items():
        check_kind(read, code, table, named)
    for code, work in works.items():
        _check_work(read, code, work, tables[code].keys())
        _check_cases(read, code, work, tables[code].keys())
        _check_qualification(read, code, work)
        _check_equipment(read, code, work)
        _check_whole(read, code, work)
        check_work(read, code, work, named)
    return _with_kinds(works, named), qualifications, equipment


def _with_kinds(works: dict[str, Work], named: WorkTables) -> dict[str, Work]:
    """Each work with the kinds of person whose work it is; where it says none, those of [whose.KIND]."""
    meant = {code: whose.kinds for code, whose in named.whose.items()}
    return {
        code: msgspec.structs.replace(work, kinds=work.kinds or meant.get(work.kind, ()))
        for code, work in works.items()
    }


def _dict(read: Sheet, name: str) -> dict[str, Any]:
    """The table [name], or nothing where it is no table."""
    table = read.tables.get(name)
    return table if isinstance(table, dict) else {}


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
    if work.never_refused and work.never_refused_source is None:
        read.wrong((code,), _missing("never_refused_source"))


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


# Editions: the laws that were, are and will be in force


CHINA = timezone(timedelta(hours=8))  # one legal time


def editions_in(directory: Path | None, built_in: Law) -> tuple[Law, ...]:
    """The laws that `directory` puts into force one after the other, the oldest first. None: the built-in law alone.

    A directory without files of the law holds one directory for each edition; each is laid over the one before it.
    Raises LawError with every mistake.
    """
    if directory is None:
        return (built_in,)
    found: list[Law] = []
    for each in edition_directories(directory):
        found.append(load(each, over=found[-1] if found else built_in))
    if found[0].regulation is not None and found[0].regulation.follows_built_in:
        found.insert(0, built_in)
    for earlier, later in pairwise(found):
        _check_succession(earlier, later)
    return tuple(found)


def edition_directories(directory: Path) -> list[Path]:
    """The directory itself, or the directories of its editions by their first day in force."""
    inside = [path for path in directory.glob("*/") if any(path.glob("*.toml"))]
    if any(directory.glob("*.toml")) or not inside:
        return [directory]
    return sorted(inside, key=_begins)


def _begins(directory: Path) -> date:
    """The first day of an edition. Raises LawError where it names none."""
    read = read_sheet(directory / "regulation.toml")
    begins = _dict(read, "regulation").get("in_force_from")
    if not isinstance(begins, date) or isinstance(begins, datetime):
        raise LawError(
            f"{directory.name}/regulation.toml: 每一版本都须写明 [regulation] 的 in_force_from",
            f"{directory.name}/regulation.toml: each edition names in_force_from in [regulation]",
        )
    return begins


def _check_succession(earlier: Law, later: Law) -> None:
    """Raises LawError where two editions are in force on one day, or none is between them."""
    before, after = earlier.regulation, later.regulation
    if before is None or after is None:
        return
    last, ends = after.in_force_from - timedelta(days=1), before.in_force_until
    if before.in_force_from > last or (ends is not None and ends != last):
        raise LawError(
            f"《{before.zh}》应在《{after.zh}》生效前一日（{last}）失效",
            f"{before.en} has to end on {last}, the day before {after.en} comes into force",
        )


class InForce(msgspec.Struct, frozen=True):
    """The laws of this process, the oldest first, and the first moment of each but the oldest."""

    laws: tuple[Law, ...]
    begins: tuple[datetime, ...]

    def at(self, moment: datetime) -> Law:
        return self.laws[bisect_right(self.begins, moment)]

    def intervals(self) -> list[tuple[Law, datetime | None, datetime | None]]:
        """Each law, from when, and until when it judges. None: without a beginning, without an end."""
        return list(zip(self.laws, (None, *self.begins), (*self.begins, None), strict=True))


_in_force: InForce | None = None


def law() -> Law:
    """The law of today: the built-in one, until `use` names another."""
    laws = _laws()
    return laws.laws[0] if not laws.begins else laws.at(datetime.now(UTC))


def law_at(moment: datetime) -> Law:
    """The law by which an act of this moment is judged: the one in force then. Before the oldest: the oldest."""
    return _laws().at(moment)


def laws() -> tuple[Law, ...]:
    """Every law that this process judges by, the oldest first."""
    return _laws().laws


def laws_by_time() -> list[tuple[Law, datetime | None, datetime | None]]:
    """Every law, from when, and until when acts are judged by it. None: without a beginning, without an end."""
    return _laws().intervals()


def use(directory: Path | None) -> Law:
    """Put the law in `directory` into force, on top of the built-in one. None: the built-in law alone.

    Returns the law of today. Raises LawError with every mistake; then nothing changes.
    """
    _put_into_force(editions_in(directory, load()))
    return law()


def _put_into_force(found: tuple[Law, ...]) -> InForce:
    global _in_force
    begins = [each.regulation.in_force_from for each in found[1:] if each.regulation is not None]
    _in_force = InForce(found, tuple(datetime.combine(day, datetime.min.time(), CHINA) for day in begins))
    return _in_force


def _laws() -> InForce:
    return _put_into_force((load(),)) if _in_force is None else _in_force
