"""The documents that the rules come from, each with its edition, how it is known and when it was last checked. Pure.

A term or a rule names its documents in its `source`, in its own words; sources.toml knows them by marks in those words.
So each document is dated once, and every rule that rests on it is dated with it.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Literal

import msgspec

Standing = Literal["full_text", "secondary", "assumed", "decision"]
WEAKEST: tuple[Standing, ...] = ("assumed", "secondary", "full_text", "decision")
WORDS: dict[Standing, tuple[str, str]] = {
    "full_text": ("全文核对", "read in full text"),
    "secondary": ("转引", "by a secondary source"),
    "assumed": ("未核对", "assumed"),
    "decision": ("产品决定", "decision of the product"),
}
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One document. `marks`: how the source of a rule names it. `review`: when somebody looks again; None: never."""

    marks: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    zh: Text
    edition: Text
    standing: Standing
    checked: date
    review: date | None = None


def named_in(text: str, sources: Mapping[str, Source]) -> list[str]:
    """The codes of the documents that the source of a rule names. Where two marks overlap, the longer one counts."""
    found = []
    for mark, code in _marks(sources):
        if mark in text:
            found.append(code)
            text = text.replace(mark, "\0")
    return sorted({*found})


def standing_of(text: str, sources: Mapping[str, Source]) -> Standing | None:
    """How well the source of a rule is known: as its weakest document. None: it names no document that is dated."""
    standings = {sources[code].standing for code in named_in(text, sources)}
    return next((each for each in WEAKEST if each in standings), None)


def past_review(sources: Mapping[str, Source], today: date) -> list[str]:
    """The codes of the documents that somebody should have looked at again before today."""
    return [code for code, each in sources.items() if each.review is not None and each.review < today]


def _marks(sources: Mapping[str, Source]) -> Iterable[tuple[str, str]]:
    marks = [(mark, code) for code, each in sources.items() for mark in each.marks]
    return sorted(marks, key=lambda each: -len(each[0]))
