"""Which facts keep footage until two people let it go: the tables [keeps.CODE] of regulation.toml. Pure.

The facts are those that the program knows (`Fact`); which of them, with which values, keep footage is the law's.
Guarantees: an unknown fact or value is a mistake, and so are two rules for one value: every footage is kept by one rule
of a fact, with one category and one reason. Source: 公通字〔2016〕14号.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import msgspec

from backend.law.named import Code, Named, Text
from backend.law.reading import Sheet
from storage.language import by_locale

# case       an act that was ever told to be in such a case; values: kinds of case
# call       a call for help, of its caller and of who came; values: what it is because of
# matter     a matter that was raised, what it links and its person's footage; values: kinds of matters
# key_mark   footage that its wearer marked; no values
# described  footage whose description names a category; values: the categories of [retention]
# work       an act of such work, as anybody told it; values: codes of works
# restraint  an act in which somebody was restrained; values: means of restraint
# injury     an accident on duty; values: how severe a report says it is
Fact = Literal["case", "call", "matter", "key_mark", "described", "work", "restraint", "injury"]
FIXED: dict[Fact, tuple[str, ...]] = {  # of facts whose values are the program's own
    "case": ("administrative", "criminal"),
    "call": ("violence", "injury", "pursuit", "crowd", "medical", "other"),
    "matter": ("suggestion", "appeal", "harassment"),
    "key_mark": (),
    "injury": ("minor", "serious", "critical", "fatal"),
}
ITS_OWN_CATEGORY: Fact = "described"  # its value is the category


class Keeping(Named, frozen=True, kw_only=True):
    """One fact that keeps footage. `zh`, `en`: the sentence that says why, which a hold repeats.

    `values`: with which values it does; none: with each. `category`: of what kind the footage then is.
    `around`: a term by the clock, for how long before and after the fact. `term`: a term that is permanent = true or
    false, by which a house switches the rule off.
    """

    fact: Fact
    values: tuple[Text, ...] = ()
    category: Code | None = None
    around: Text | None = None
    term: Text | None = None


class Known(msgspec.Struct, frozen=True):
    """What a rule may name: the values of each fact, terms by the clock, and terms that are true or false."""

    values: Mapping[Fact, Collection[str]]
    clocks: Collection[str]
    switches: Collection[str]


def check_keeps(read: Sheet, keeps: Mapping[str, Keeping], known: Known) -> None:
    """Check that each rule names what there is, and that no value is named twice."""
    said: set[tuple[Fact, str]] = set()
    for code, rule in keeps.items():
        key = ("keeps", code)
        for value in _unknown(rule, known.values[rule.fact]):
            read.wrong(key, _no_value(rule.fact, value, known.values[rule.fact]), field="values")
        if (rule.category is None) != (rule.fact == ITS_OWN_CATEGORY):
            read.wrong(key, _about_category(rule), field="category")
        for field, names in (("around", known.clocks), ("term", known.switches)):
            if (name := getattr(rule, field)) is not None and name not in names:
                read.wrong(key, _no_term(field, name), field=field)
        if said & (meant := _meant(rule, known.values[rule.fact])):
            read.wrong(key, _twice(rule.fact), field="values" if rule.values else "fact")
        said |= meant


def _unknown(rule: Keeping, known: Collection[str]) -> Iterable[str]:
    return [value for value in rule.values if value not in known]


def _meant(rule: Keeping, known: Collection[str]) -> set[tuple[Fact, str]]:
    """The values that the rule is about; of a fact without any, the fact itself."""
    return {(rule.fact, value) for value in rule.values or known or ("",)}


def _no_value(fact: Fact, value: str, known: Collection[str]) -> str:
    shown = ", ".join(known)
    if not known:
        return by_locale(f"事实 {fact} 没有取值，不应写 {value}", f"{value} is said of {fact}, which has no values")
    return by_locale(f"事实 {fact} 没有 {value}；只有 {shown}", f"{value} is no value of {fact}, which are {shown}")


def _about_category(rule: Keeping) -> str:
    if rule.category is None:
        return by_locale("缺少 category", "category is missing")
    return by_locale(f"事实 {rule.fact} 的类别就是其取值，不应写 category", f"the category of {rule.fact} is its value")


def _no_term(field: str, name: str) -> str:
    if field == "around":
        return by_locale(f"没有以时分秒计算的期限 [{name}]", f"there is no term by the clock [{name}]")
    return by_locale(f"没有写 permanent 的 [{name}]", f"there is no [{name}] that says permanent")


def _twice(fact: Fact) -> str:
    return by_locale(f"事实 {fact} 的同一取值已有另一条规则", f"another rule has the same value of {fact}")
