"""The conditions of a work that are more than one value: numbers of people, means of restraint, manner; their checks.

works.toml says them; verdict.py judges by them. Nothing here knows a kind of auxiliary, a means or a work by its name:
each stands in a table of works.toml, in both languages, with its source.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from backend.law.named import Named, Text
from backend.law.reading import Sheet
from storage.language import by_locale

NonNegative = Annotated[int, msgspec.Meta(ge=0)]
PlaceKind = Literal["expressway", "main_road", "highway", "other"]
Light = Literal["day", "night", "fog"]


class Crew(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A number of people: officers, the leading one included, and auxiliaries, the one who asks included."""

    officers: NonNegative = 0
    auxiliaries: NonNegative = 0


class CrewRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The least numbers of people in some places, in some light, or where nobody leads: any one of `least` is enough.

    `places`, `lights`: where the rule holds; empty: everywhere, always. `unled`: only where no officer leads.
    """

    least: Annotated[tuple[Crew, ...], msgspec.Meta(min_length=1)]
    source: Text
    places: tuple[PlaceKind, ...] = ()
    lights: tuple[Light, ...] = ()
    unled: bool = False


class WhoseWork(Named, frozen=True, kw_only=True):
    """Whose work it is, as `kind` of a work says it. `kinds`: the kinds of person on the roster that this means."""

    kinds: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]


class WorkTables(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of works.toml that its works refer to by code."""

    whose: Mapping[str, WhoseWork]
    recorded: Iterable[str]
    means: Iterable[str]
    restrained: Iterable[str]
    manners: Iterable[str]

    def kinds(self) -> set[str]:
        """Every kind of person whose work some work is."""
        return {kind for whose in self.whose.values() for kind in whose.kinds}


# Fields that list codes, the table that each code must be in, and the field that says where the list comes from.
CODES = (
    ("training", "certificates", "training_source"),
    ("prerequisites", "certificates", "prerequisites_source"),
    ("restraints", "means", None),
    ("self_protection", "means", "self_protection_source"),
    ("manner", "manners", None),
)


def check_work(read: Sheet, code: str, work: Any, tables: WorkTables) -> None:
    """Add a mistake for each condition of a work that refers to nothing, is said twice, or lacks its source."""
    _check_kinds(read, code, work, tables)
    if work.kind == "none":
        return
    known = {"certificates": tables.recorded, "means": tables.means, "manners": tables.manners}
    for field, table, source in CODES:
        _check_codes(read, code, field, getattr(work, field), table, known[table])
        if getattr(work, field) and source is not None and getattr(work, source) is None:
            read.wrong((code,), by_locale(f"缺少 {source}", f"{source} is missing"))
    _check_never_on(read, code, work, tables)
    if work.qualification_rule != "law" and work.qualification is None:
        what = by_locale("写了 qualification_rule 而没有 qualification", "qualification_rule without a qualification")
        read.wrong((code,), what, field="qualification_rule")


def check_kind(read: Sheet, code: str, table: Any, tables: WorkTables) -> None:
    """Add a mistake where the work says a kind that no [whose.…] names."""
    kind = table.get("kind") if isinstance(table, dict) else None
    if isinstance(kind, str) and kind not in (*tables.whose, "none"):
        choices = [*sorted(tables.whose), "none"]
        what = by_locale(f"kind 必须是 {' 或 '.join(choices)}", f"kind must be {' or '.join(choices)}")
        read.wrong((code,), what, field="kind")


def _check_kinds(read: Sheet, code: str, work: Any, tables: WorkTables) -> None:
    for kind in sorted({*work.kinds} - tables.kinds()):
        what = by_locale(f"[whose] 中没有 {kind} 这一类人员", f"no [whose] names the kind of person {kind}")
        read.wrong((code,), what, field="kinds")


def _check_codes(
    read: Sheet, code: str, field: str, named: tuple[str, ...], table: str, known: Iterable[str]
) -> None:  # fmt: skip
    for name in sorted({*named} - {*known}):
        read.wrong((code,), by_locale(f"没有 [{table}.{name}]", f"there is no [{table}.{name}]"), field=field)
    if len({*named}) < len(named):
        read.wrong((code,), by_locale(f"{field} 中有一项写了两次", f"{field} names one twice"), field=field)


def _check_never_on(read: Sheet, code: str, work: Any, tables: WorkTables) -> None:
    for person, means in work.never_on.items():
        _check_codes(read, code, "never_on", (person,), "restrained", tables.restrained)
        _check_codes(read, code, "never_on", means, "means", tables.means)
    if work.never_on and work.never_on_source is None:
        read.wrong((code,), by_locale("缺少 never_on_source", "never_on_source is missing"))
