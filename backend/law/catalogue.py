"""Reads the law's data files: terms (periods, deadlines, thresholds) and messages (every sentence, in both languages).

Guarantees: a file that is wrong is refused when it is loaded, with the name of the entry at fault; a term is asked
for by name and unit, so a period can never be taken for a count.
"""

import tomllib
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

HERE = Path(__file__).parent
T = TypeVar("T")
SPANS = ("seconds", "minutes", "hours", "days")

Language = Literal["zh", "en"]


class LawError(Exception):
    """A law file that cannot be used; the text names file and entry."""


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One period, deadline or threshold: exactly one unit, and where it comes from."""

    source: str
    seconds: int | None = None
    minutes: int | None = None
    hours: int | None = None
    days: int | None = None
    count: int | None = None
    bytes: int | None = None
    percent: int | None = None

    def units(self) -> dict[str, int]:
        fields = (*SPANS, "count", "bytes", "percent")
        return {unit: value for unit in fields if (value := getattr(self, unit)) is not None}


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One sentence in both languages; `title` is its short form, `status` the HTTP status of a refusal."""

    zh: str
    en: str
    title_zh: str
    title_en: str
    status: int | None = None
    article: str | None = None

    def sentence(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en

    def title(self, language: Language) -> str:
        return self.title_zh if language == "zh" else self.title_en


class Law(msgspec.Struct, frozen=True):
    """The terms and messages in force. `span` and `count` raise LawError for a name or unit that is not there."""

    terms: dict[str, Term]
    messages: dict[str, Message]

    def span(self, name: str) -> timedelta:
        unit, value = self._unit(name)
        if unit not in SPANS:
            raise LawError(f"terms.toml: [{name}] is a {unit}, not a period")
        return timedelta(**{unit: value})

    def count(self, name: str) -> int:
        unit, value = self._unit(name)
        if unit in SPANS:
            raise LawError(f"terms.toml: [{name}] is a period, not a number")
        return value

    def _unit(self, name: str) -> tuple[str, int]:
        if name not in self.terms:
            raise LawError(f"terms.toml: [{name}] is missing")
        ((unit, value),) = self.terms[name].units().items()
        return unit, value


def load(directory: Path = HERE) -> Law:
    """The law in `directory`. Raises LawError naming the file and the entry."""
    terms = _read(directory / "terms.toml", Term)
    for name, term in terms.items():
        if len(term.units()) != 1 or min(term.units().values()) < 0:
            raise LawError(f"terms.toml: [{name}] needs exactly one unit, not negative")
    return Law(terms=terms, messages=_read(directory / "messages.toml", Message))


def _read(path: Path, kind: type[T]) -> dict[str, T]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LawError(f"{path.name}: {error}") from error
    read = {}
    for name, table in tables.items():
        try:
            read[name] = msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            raise LawError(f"{path.name}: [{name}] {error}") from error
    return read


@cache
def law() -> Law:
    """The law this process works under."""
    return load()
