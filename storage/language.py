"""The language of a terminal: Chinese where its locale is Chinese, English everywhere else.

The locale is the first of LC_ALL, LC_MESSAGES and LANG that is set, as POSIX has it. Every command's help, prompt,
answer and error is chosen here. It stands at the bottom of the house because the errors of every layer need it.
"""

import os
from collections.abc import Mapping
from typing import Literal

Language = Literal["zh", "en"]


def language(environment: Mapping[str, str] | None = None) -> Language:
    """The language that `environment` (os.environ) asks for."""
    environment = os.environ if environment is None else environment
    locale = next((text for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (text := environment.get(name))), "")
    return "zh" if locale.lower().startswith("zh") else "en"


def by_locale(zh: str, en: str) -> str:
    """The sentence in the language of this terminal."""
    return zh if language() == "zh" else en


class SentenceError(Exception):
    """An error for a person: one sentence in Chinese and one in English; `str` gives that of the terminal's language.

    The command `fujing` prints it and ends with `exit_code`.
    """

    exit_code = 1

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh, en)
        self.zh, self.en = zh, en

    def __str__(self) -> str:
        return by_locale(self.zh, self.en)
