"""What the law says of recusals and complaints, as recusals.toml and complaints.toml give it. Pure.

Guarantees: a term that these files name is one of terms.toml, in days. Each table stands alone: another law gives the
tables that it changes, each as a whole, and the others stay.
"""

from collections.abc import Mapping
from typing import Literal, TypeVar, get_args

import msgspec

from backend.law.named import Named, Text
from backend.law.reading import Sheet, structs_of
from storage.language import by_locale

Role = Literal["commander", "inspector", "treasurer", "administrator"]
About = Literal["case", "shift", "activity", "mediation", "incident"]
Told = Literal["notice", "extension", "result"]
T = TypeVar("T", bound=msgspec.Struct)
OUTSIDE_A_CASE = "none"


class RecusalTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The terms of recusals in one kind of case, by their names in terms.toml. None: there is no such thing."""

    decided: Text
    source: Text
    extended: Text | None = None
    extended_by_roles: tuple[Role, ...] = ()
    asked: Text | None = None
    reconsidered: Text | None = None


class RecusalLaw(msgspec.Struct, frozen=True):
    """recusals.toml. `terms`: by kind of case; "none" outside a case."""

    grounds: dict[str, Named] = {}
    applicants: dict[str, Named] = {}
    about: dict[str, Named] = {}
    terms: dict[str, RecusalTerms] = {}

    def terms_of(self, case_kind: str | None) -> RecusalTerms:
        """The terms in this kind of case; None: outside a case."""
        return self.terms[case_kind or OUTSIDE_A_CASE]


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for a complaint of which nobody said what it is. `kind`: what it is taken for."""

    notice: Text
    kind: Text
    source: Text


class ComplaintKind(Named, frozen=True, kw_only=True):
    """A kind of complaint, report or petition. complaints.toml explains each field; terms by their names."""

    notice: Text | None = None
    end: Text | None = None
    extension: Text | None = None
    extension_roles: tuple[Role, ...] = ()
    written: tuple[Told, ...] = ()


class ComplaintLaw(msgspec.Struct, frozen=True):
    """complaints.toml."""

    kinds: dict[str, ComplaintKind] = {}
    receipt: Receipt | None = None

    @property
    def taken_for(self) -> str:
        """The kind of a complaint of which nobody said what it is."""
        return "" if self.receipt is None else self.receipt.kind

    def notice_of(self, kind: str | None) -> str:
        """The name of the term in which a complainant is told what becomes of it."""
        known = self.kinds.get(kind or "")
        general = "" if self.receipt is None else self.receipt.notice
        return known.notice if known is not None and known.notice is not None else general


def read_recusals(read: Sheet, over: RecusalLaw | None, terms: Mapping[str, object]) -> RecusalLaw:
    """recusals.toml; what it leaves out comes from `over`. `terms`: the names of the terms in days."""
    _check_tables(read, {"grounds", "applicants", "about", "terms"}, over)
    before = over or RecusalLaw()
    law = RecusalLaw(
        grounds=_table(read, "grounds", Named) or before.grounds,
        applicants=_table(read, "applicants", Named) or before.applicants,
        about=_table(read, "about", Named) or before.about,
        terms=_table(read, "terms", RecusalTerms) or before.terms,
    )
    for code in law.about:
        if code not in get_args(About):
            read.wrong(("about", code), by_locale("不能从中回避", "is nothing that one can be recused from"))
    for case in ("administrative", "criminal", OUTSIDE_A_CASE):
        if law.terms and case not in law.terms:
            read.wrong(("terms",), by_locale(f"缺少 [terms.{case}]", f"[terms.{case}] is missing"))
    for case, each in law.terms.items():
        key = ("terms", case)
        for field in ("decided", "extended", "asked", "reconsidered"):
            _check_term(read, key, field, getattr(each, field), terms)
        _check_together(read, key, ("extended", "extended_by_roles"), each)
        _check_together(read, key, ("asked", "reconsidered"), each)
    return law


def read_complaints(read: Sheet, over: ComplaintLaw | None, terms: Mapping[str, object]) -> ComplaintLaw:
    """complaints.toml; what it leaves out comes from `over`. `terms`: the names of the terms in days."""
    _check_tables(read, {"receipt", "kinds"}, over)
    before = over or ComplaintLaw()
    kinds = _table(read, "kinds", ComplaintKind) or before.kinds
    receipt = structs_of(read, {k: v for k, v in read.tables.items() if k == "receipt"}, Receipt)
    law = ComplaintLaw(kinds, receipt.get("receipt", before.receipt))
    for code, kind in kinds.items():
        for field in ("notice", "end", "extension"):
            _check_term(read, ("kinds", code), field, getattr(kind, field), terms)
        _check_together(read, ("kinds", code), ("extension", "extension_roles"), kind)
        if kind.extension is not None and kind.end is None:
            what = by_locale("没有 end，无从延期", "has no end that could be extended")
            read.wrong(("kinds", code), what, field="extension")
    if law.receipt is not None:
        _check_term(read, ("receipt",), "notice", law.receipt.notice, terms)
        if law.receipt.kind not in kinds:
            what = by_locale(f"没有 [kinds.{law.receipt.kind}]", f"there is no [kinds.{law.receipt.kind}]")
            read.wrong(("receipt",), what, field="kind")
    return law


def _table(read: Sheet, name: str, kind: type[T]) -> dict[str, T]:
    """The tables [name.CODE], by code."""
    table = read.tables.get(name, {})
    if not isinstance(table, dict):
        read.wrong((name,), by_locale("必须是一个表", "must be a table"))
        return {}
    return structs_of(read, table, kind, under=(name,))


def _check_tables(read: Sheet, names: set[str], over: object) -> None:
    """Check that the file has these tables and no others; one that lies over another law may leave some out."""
    if not read.tables:  # absent, empty or not readable
        return
    for name in sorted(read.tables.keys() - names):
        read.wrong((name,), by_locale("本文件中没有这种表", "is no table of this file"))
    if over is None:
        for name in sorted(names - read.tables.keys()):
            read.wrong((name,), by_locale("缺少", "is missing"))


def _check_term(read: Sheet, key: tuple[str, ...], field: str, name: str | None, terms: Mapping[str, object]) -> None:
    if name is not None and name not in terms:
        what = by_locale(f"terms.toml 中没有以日或年计算的 [{name}]", f"terms.toml has no [{name}] in days or years")
        read.wrong(key, what, field=field)


def _check_together(read: Sheet, key: tuple[str, ...], names: tuple[str, str], struct: object) -> None:
    """Check that both fields are given or neither."""
    given = [name for name in names if getattr(struct, name)]
    if len(given) == 1:
        both = " / ".join(names)
        read.wrong(key, by_locale(f"{both} 须同时给出", f"gives {both} together, or neither"), field=given[0])
