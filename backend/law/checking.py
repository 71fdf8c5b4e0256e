"""Compares a directory of the law with the law that it is laid over, for whoever writes or adopts it. Pure.

Guarantees: nothing is put into force. Every mistake, every citation that is not confirmed and every difference is told
at once; a source past its review date, or one that no document of sources.toml dates, is told too.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from backend.law.catalogue import Kept, Law, LawError, edition_directories, editions_in, load, read, tables_of
from backend.law.regulation import sources_in
from backend.law.sources import named_in, past_review


class Difference(msgspec.Struct, frozen=True):
    """One field that another law gives otherwise. None: there is no such entry, or the field says nothing."""

    file: str
    entry: str
    field: str
    before: str | None
    here: str | None


class Check(msgspec.Struct, frozen=True):
    """What is to be said of one edition. `undated`: entries whose source names no document that is dated."""

    name: str
    differences: list[Difference]
    mistakes: list[str]
    unconfirmed: list[Kept]
    past_review: list[str]
    undated: list[str]

    @property
    def usable(self) -> bool:
        """Whether it would load."""
        return not (self.mistakes or self.unconfirmed)


def check(directory: Path | None, today: date) -> list[Check]:
    """One check for each edition in `directory`, the oldest first; None: of the built-in law alone.

    After an edition that would not load the later ones are compared with the law before it.
    """
    over = load()
    if directory is None:
        return [_checked("", over, over, [], [], today)]
    checks = []
    for each in edition_directories(directory):
        found = read(each, over)
        checks.append(_checked(each.name, found.law, over, found.mistakes, found.unconfirmed, today))
        if checks[-1].usable:
            over = found.law
    if all(each.usable for each in checks):
        checks[-1].mistakes.extend(_badly_followed(directory))
    return checks


def _badly_followed(directory: Path) -> list[str]:
    """What is wrong with how the editions follow each other, though each of them is in order."""
    try:
        editions_in(directory, load())
    except LawError as error:
        return [str(error)]
    return []


def _checked(name: str, law: Law, over: Law, mistakes: list[str], unconfirmed: list[Kept], today: date) -> Check:
    different, due = list(differences(over, law)), past_review(law.sources, today)
    return Check(name, different, mistakes, unconfirmed, due, undated(law))


def differences(before: Law, here: Law) -> Iterator[Difference]:
    """Everything that is given otherwise, entry by entry and field by field."""
    for old, new in zip(tables_of(before), tables_of(here), strict=True):
        for code in [*old.entries, *(code for code in new.entries if code not in old.entries)]:
            entry = code if old.name in (code, "works") or old.file == f"{old.name}.toml" else f"{old.name}.{code}"
            yield from _fields(old.file, entry, old.entries.get(code), new.entries.get(code))


def _fields(file: str, entry: str, old: msgspec.Struct | None, new: msgspec.Struct | None) -> Iterator[Difference]:
    if old is None or new is None:
        shown = _name_of(old), _name_of(new)
        yield Difference(file, entry, "", *shown)
        return
    for field in old.__struct_fields__:
        if field.endswith("source"):  # where a rule comes from is told by what it says, and by its article
            continue
        was, now = getattr(old, field), getattr(new, field)
        if was != now:
            yield Difference(file, entry, field, _shown(was), _shown(now))


def _name_of(entry: msgspec.Struct | None) -> str | None:
    """What an entry is called: its text or its name."""
    if entry is None:
        return None
    return next((str(text) for name in ("text", "zh", "source") if (text := getattr(entry, name, None))), "")


def _shown(value: Any) -> str | None:
    if value is None or value == ():
        return None
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def undated(law: Law) -> list[str]:
    """The entries whose source names no document of sources.toml."""
    return [
        f"{table.file} [{code}]"
        for table in tables_of(law)
        for code, entry in table.entries.items()
        if table.name != "sources" and any(not named_in(source, law.sources) for source in sources_in(entry))
    ]
