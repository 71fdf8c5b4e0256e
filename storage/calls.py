"""How long calls to the object store may take: `calls.toml`."""

import tomllib
from pathlib import Path

import msgspec


class Calls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All in seconds; what each is stands in calls.toml."""

    connect: float
    answer: float
    pauses: tuple[float, ...]
    waited_for: float
    unattended: float
    look: float
    look_again: float
    start: float
    clock_apart: float
    source: str


CALLS = msgspec.convert(tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")), Calls)
