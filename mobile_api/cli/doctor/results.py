"""What a check says: a mark and a sentence in both languages."""

from typing import Literal

import msgspec

from storage.language import by_locale

Mark = Literal["well", "warning", "wrong", "unknown"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a check. `paste`: what is to be set, word for word; `unknown`: it could not be asked."""

    mark: Mark
    zh: str
    en: str
    paste: str | None = None

    def __str__(self) -> str:
        return by_locale(self.zh, self.en)


def well(zh: str, en: str) -> Line:
    """As it should be."""
    return Line(mark="well", zh=zh, en=en)


def warning(zh: str, en: str, paste: str | None = None) -> Line:
    """To be looked at; the house works."""
    return Line(mark="warning", zh=zh, en=en, paste=paste)


def wrong(zh: str, en: str, paste: str | None = None) -> Line:
    """To be mended: the sentence says how."""
    return Line(mark="wrong", zh=zh, en=en, paste=paste)


def unknown(zh: str, en: str) -> Line:
    """It could not be asked, so nobody knows."""
    return Line(mark="unknown", zh=zh, en=en)
