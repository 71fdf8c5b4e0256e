"""Starts a child process again that ended by itself, later each time, and not without limit (restarts.toml)."""

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec

from mobile_api.cli.terminal import say
from storage.embedded.processes import EmbeddedError, ServerProcess
from storage.language import SentenceError


class EndedTooOften(SentenceError):
    """A child ended again and again; the text has the last lines of its log."""


class RestartLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many restarts within such a time. The first pause doubles with each, up to the longest. `source`: why."""

    times: Annotated[int, msgspec.Meta(ge=1)]
    within_seconds: Annotated[float, msgspec.Meta(gt=0)]
    first_delay_seconds: Annotated[float, msgspec.Meta(gt=0)]
    longest_delay_seconds: Annotated[float, msgspec.Meta(gt=0)]
    source: str


LIMIT = msgspec.convert(tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")), RestartLimit)


class Deaths:
    """When one child ended, as far as the limit looks back."""

    def __init__(self, limit: RestartLimit = LIMIT) -> None:
        self._limit = limit
        self._at: list[float] = []

    def pause_after(self, now: float) -> float | None:
        """Count a death at this moment (monotonic seconds). The seconds to wait before a restart; None: no more."""
        limit = self._limit
        self._at = [*(at for at in self._at if at > now - limit.within_seconds), now]
        if len(self._at) > limit.times:
            return None
        return min(limit.first_delay_seconds * 2.0 ** (len(self._at) - 1), limit.longest_delay_seconds)


class Restarted:
    """A child that is started again by `restart` when it ended by itself."""

    def __init__(self, process: ServerProcess, restart: Callable[[], None]) -> None:
        self.process, self._restart = process, restart
        self._deaths, self._due = Deaths(), 0.0

    def tend(self) -> None:
        """Start it again where it ended and its pause is over. Raises EndedTooOften where it ended too often."""
        if not self.process.exited():
            return
        if not self._due:
            self._due = time.monotonic() + self._pause()
        if time.monotonic() >= self._due:
            self._due = 0.0
            try:
                self._restart()
            except EmbeddedError as error:  # it counts as ended once more
                say(str(error), str(error))

    def _pause(self) -> float:
        name, pause = self.process.name, self._deaths.pause_after(time.monotonic())
        if pause is None:
            minutes, last = LIMIT.within_seconds / 60, self.process.last_words()
            raise EndedTooOften(
                f"{name} 在 {minutes:.0f} 分钟内退出 {LIMIT.times + 1} 次，不再重启，系统已停止。{last}",
                f"{name} ended {LIMIT.times + 1} times within {minutes:.0f} minutes: it is not started again, "
                f"and all has been stopped.{last}",
            )
        say(f"{name} 自行退出，{pause:.0f} 秒后重启", f"{name} ended by itself: starting it again in {pause:.0f} s")
        return pause
