"""The regulation itself as data: its title and interval, kinds of auxiliaries, ranks, insurances, dress, deciders.

Another regulation has other articles. Whatever it keeps of the law before it (a sentence, a term, a kind) still cites
an article of that law, so each such article stands in [articles] with the article of its own that says the same:

    [articles]
    "33" = "33"      # read and confirmed: ours says the same under the same number
    "24" = "19"      # ours says it in Article 19
    "31" = ""        # ours has no such rule, or nobody has looked yet: nothing is cited

An article that is cited and does not stand there is refused at load, with everything that cites it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import takewhile
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from backend.law.keeping import Keeping
from backend.law.named import Named, Text
from backend.law.reading import Sheet, structs_of
from storage.language import by_locale

T = TypeVar("T", bound=msgspec.Struct)
Level = Literal["station", "county", "city"]

CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
ARTICLE = re.compile(r"[0-9]{1,3}")
CITED = re.compile(r"\bR\.([0-9]+(?:, [0-9]+)*)")  # in a source: R.24, or R.8, 24, 30
NO_ARTICLE = "(none)"
BUILT_IN_PARTS = ("officer", "staff", "dock")  # kinds of the program itself: no law makes or unmakes them


class Regulation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which regulation this is, and from when to when it is in force (days in China, both included).

    `follows_built_in`: until it comes into force the built-in regulation is; False: nothing older is judged here.
    """

    zh: Text
    en: Text
    in_force_from: date
    source: Text
    number: Text | None = None
    in_force_until: date | None = None
    follows_built_in: bool = False


class AuxiliaryKind(Named, frozen=True, kw_only=True):
    """A kind of auxiliary. `words`: what rosters call it beside `zh`. Whose work is whose: works.toml."""

    words: tuple[Text, ...] = ()


class Rank(Named, frozen=True, kw_only=True):
    """A rank of auxiliaries; the roster records it like a qualification. `order`: 1 is the lowest. No kinds: of all."""

    order: Annotated[int, msgspec.Meta(ge=1, le=100)]
    kinds: tuple[Text, ...] = ()


class Insurance(Named, frozen=True, kw_only=True):
    """An insurance that the organ owes. `works`: of those marked `insurance` only, or of every work. No kinds: all."""

    works: Literal["marked", "every"] = "marked"
    kinds: tuple[Text, ...] = ()


class BeforeDuty(Named, frozen=True, kw_only=True):
    """What the roster must show before the first duty: a training, an oath, a health check. No kinds: of everybody.

    `hours`, `days`: how much of it; for people to read. Whoever records it in the roster answers for that.
    `training`: whether it is one; an oath or a health check is none.
    """

    kinds: tuple[Text, ...] = ()
    training: bool = True
    hours: Annotated[int, msgspec.Meta(ge=1)] | None = None
    days: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Dress(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is carried on duty. `id_card`: the work ID is carried in plain clothes only, or always."""

    id_card: Literal["plain", "always"]
    source: Text


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which organ decides: its own station, or the nearest county or city bureau upwards.

    `second_above_fen`: an advance of more than this is approved by two persons; None: one is enough.
    """

    level: Level
    source: Text
    second_above_fen: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Category(Named, frozen=True, kw_only=True):
    """Footage that is kept until two people let it go, where its description or a hold says that it is of this kind."""


class Provisions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that regulation.toml says. `articles`: article before -> article here."""

    regulation: Regulation | None = None
    articles: dict[str, str] = {}
    kinds: dict[str, AuxiliaryKind] = {}
    ranks: dict[str, Rank] = {}
    insurances: dict[str, Insurance] = {}
    before_duty: dict[str, BeforeDuty] = {}
    dress: Dress | None = None
    decisions: dict[str, Decision] = {}
    retention: dict[str, Category] = {}
    keeps: dict[str, Keeping] = {}


TABLES: dict[str, type[msgspec.Struct]] = {
    "kinds": AuxiliaryKind,
    "ranks": Rank,
    "insurances": Insurance,
    "before_duty": BeforeDuty,
    "decisions": Decision,
    "retention": Category,
    "keeps": Keeping,
}
SINGLE: dict[str, type[msgspec.Struct]] = {"regulation": Regulation, "dress": Dress}
MAY_BE_EMPTY = ("ranks", "insurances", "before_duty", "keeps")  # a regulation may ask for none of them
DECISIONS = ("recusal", "injury")


def provisions(read: Sheet, over: Provisions | None) -> Provisions:
    """What the sheet says, on top of `over`: each table that is given replaces the one before as a whole."""
    known = {*TABLES, *SINGLE, "articles"}
    for name in sorted(read.tables.keys() - known):
        read.wrong((name,), by_locale("不是本文件中的表", "is no table of this file"))
    given: dict[str, Any] = {name: _named(read, name, kind) for name, kind in TABLES.items() if name in read.tables}
    single = structs_of_each(read, SINGLE)
    articles = _articles(read)
    if over is None:
        _lacks_nothing(read, single.keys() | given.keys())
    elif "regulation" not in read.tables and "articles" in read.tables:
        read.wrong(("articles",), by_locale("须先写明 [regulation]", "needs [regulation] first"))
    before = {} if over is None else {name: getattr(over, name) for name in (*TABLES, *SINGLE)}
    found = Provisions(**before | given | single, articles=articles)
    _check(read, found)
    return found


def structs_of_each(read: Sheet, kinds: Mapping[str, type[msgspec.Struct]]) -> dict[str, Any]:
    """The tables that stand alone, each with a struct of its own."""
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        if name in read.tables:
            found |= structs_of(read, {name: read.tables[name]}, kind)
    return found


def _named(read: Sheet, name: str, kind: type[T]) -> dict[str, T]:
    named = read.tables[name]
    if not isinstance(named, dict):
        read.wrong((name,), by_locale("必须是一个表", "must be a table"))
        return {}
    for code in named:
        if not CODE.fullmatch(code):
            read.wrong((name, code), by_locale("须为小写字母、数字和下划线", "takes small letters, digits and _"))
    return structs_of(read, named, kind, under=(name,))


def _articles(read: Sheet) -> dict[str, str]:
    table = read.tables.get("articles", {})
    if not isinstance(table, dict):
        read.wrong(("articles",), by_locale("必须是一个表", "must be a table"))
        return {}
    for article, ours in table.items():
        if not ARTICLE.fullmatch(article) or not isinstance(ours, str) or len(ours) > 40:
            what = by_locale('须写作 "24" = "19"：原条号 = 本条例条号', 'takes the form "24" = "19": theirs = ours')
            read.wrong(("articles",), what, field=article)
    return {article: ours for article, ours in table.items() if isinstance(ours, str)}


def _lacks_nothing(read: Sheet, given: Iterable[str]) -> None:
    if read.mistakes:
        return
    for name in (*SINGLE, *TABLES):
        if name not in given and name not in MAY_BE_EMPTY:
            read.wrong((name,), by_locale("缺少这个表", "is missing"))


def _check(read: Sheet, found: Provisions) -> None:
    """Check what one entry says of another."""
    if found.kinds == {} and "kinds" in read.tables:
        read.wrong(("kinds",), by_locale("至少须有一类辅警", "needs one kind of auxiliary at least"))
    for code in BUILT_IN_PARTS:
        if code in found.kinds:
            read.wrong(("kinds", code), by_locale("是程序本身的类别", "is a kind of the program itself"))
    for name in ("ranks", "insurances", "before_duty"):
        for code, entry in getattr(found, name).items():
            for kind in sorted({*entry.kinds} - found.kinds.keys()):
                what = by_locale(f"没有 [kinds.{kind}]", f"there is no [kinds.{kind}]")
                read.wrong((name, code), what, field="kinds")
    for code in sorted(found.decisions.keys() - {*DECISIONS}):
        known = ", ".join(DECISIONS)
        read.wrong(("decisions", code), by_locale(f"只有 {known}", f"is none of {known}"))
    regulation = found.regulation
    if regulation is not None and (regulation.in_force_until or date.max) < regulation.in_force_from:
        what = by_locale("在生效之前就已失效", "ends before it begins")
        read.wrong(("regulation",), what, field="in_force_until")


# Citations: which articles of the regulation a sentence or a source names


def cited_by_article(article: str | None) -> list[str]:
    """The articles of the regulation itself in the `article` of a message, such as `11, 程序规定 58`."""
    return list(takewhile(ARTICLE.fullmatch, _parts(article)))


def cited_by_source(source: str) -> list[str]:
    """The articles of the regulation itself in a source, such as `R.8, 24 (F)`."""
    return [article for found in CITED.findall(source) for article in found.split(", ")]


def renumbered_article(article: str | None, ours: Mapping[str, str]) -> str | None:
    """The same with the numbers of our own regulation; None where nothing is left to cite.

    What follows another law's name, as in `程序规定 55, 86`, is that law's.
    """
    cited = cited_by_article(article)
    parts = [*(ours.get(each, each) for each in cited), *_parts(article)[len(cited) :]]
    return ", ".join(part for part in parts if part) or None


def renumbered_source(source: str, ours: Mapping[str, str]) -> str:
    """The same with the numbers of our own regulation."""

    def numbers(found: re.Match[str]) -> str:
        new = [ours.get(article, article) for article in found[1].split(", ")]
        return f"R.{', '.join(article for article in new if article) or NO_ARTICLE}"

    return CITED.sub(numbers, source)


def sources_in(entry: msgspec.Struct) -> Iterator[str]:
    """Every source that an entry gives: `source`, `officers_source` and the like."""
    for name in entry.__struct_fields__:
        text = getattr(entry, name)
        if name.endswith("source") and isinstance(text, str):
            yield text


def with_sources(entry: T, ours: Mapping[str, str]) -> T:
    """The entry with each source renumbered."""
    texts = {name: getattr(entry, name) for name in entry.__struct_fields__ if name.endswith("source")}
    changed = {name: renumbered_source(text, ours) for name, text in texts.items() if isinstance(text, str)}
    return msgspec.structs.replace(entry, **changed)


def _parts(article: str | None) -> list[str]:
    return [] if article is None else article.split(", ")
