"""`fujing probe`: what the server would find in a file, for somebody with a card in hand."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from backend.evidence.starts.readings import FileFacts
from backend.evidence.starts.rules import Limits, StartedAt, started_at
from backend.law.catalogue import law
from mobile_api.client.camera_files import moment_of, safe_name
from storage.language import SentenceError, by_locale
from storage.probe.film import stretches_of
from storage.probe.serving import probe_file

KINDS = {
    "video": ("视频", "video"), "audio": ("音频", "audio"), "photo": ("照片", "photo"),
    "document": ("文档", "document"), "unknown": ("未知", "unknown"),
}  # fmt: skip
BEGIN = {"video", "audio", "photo"}  # kinds of file that show or sound at a moment
NOT_TOLD = StartedAt(value=None, source=None, doubtful=False, candidates=[])


class Probed(msgspec.Struct, frozen=True):
    """One file. `stretches`: [from, to] in milliseconds from its first frame: of its picture, else of its sound."""

    file: str
    kind: str
    codec: str | None
    duration_ms: int | None
    stretches: list[list[int]]
    started_at: StartedAt
    plays_in_browser: bool


def probe(paths: Iterable[Path]) -> list[Probed]:
    """Look into each file, in a child process. Raises OSError; SentenceError: a pipe or a device, which has no end."""
    paths = list(paths)
    for path in paths:
        if not path.is_file():
            name = safe_name(path.name)
            raise SentenceError(f"{name} 不是普通文件。", f"{name} is no ordinary file.")
    longest = law().span("longest_frame").total_seconds()
    return [_probed(path, probe_file(path, longest)) for path in paths]


def _probed(path: Path, answer: dict[str, Any]) -> Probed:
    return Probed(
        file=str(path), kind=answer.get("kind", "unknown"), codec=answer.get("codec"),
        duration_ms=answer.get("duration_ms"), stretches=stretches_of({"kind": "unknown"} | answer),
        started_at=_started_at(path, answer), plays_in_browser=answer.get("plays_in_browser", False),
    )  # fmt: skip


def _started_at(path: Path, answer: dict[str, Any]) -> StartedAt:
    """When the film or photo began, by all that the file gives; of another file, nothing."""
    if answer.get("kind") not in BEGIN:
        return NOT_TOLD
    facts = FileFacts(
        name=path.name, duration_ms=answer.get("duration_ms") or 0, tags=answer.get("tags", {}),
        container=answer.get("container") or answer.get("codec") or "", modified=moment_of(path.stat().st_mtime),
    )  # fmt: skip
    return started_at(facts, datetime.now(UTC) + law().span("clock_skew_tolerance"), limits())


def limits() -> Limits:
    """The terms of the law in force by which starts are weighed."""
    return Limits(tolerance=law().span("start_tolerance"), old=law().span("start_long_ago"))


def as_json(files: list[Probed]) -> str:
    """One list, indented."""
    return msgspec.json.format(msgspec.json.encode(files)).decode()


def show(files: list[Probed], console: Console) -> None:
    """Print each file: what it is, how long, when it began, and its stretches."""
    for file in files:
        console.print(Text(_line(file)), soft_wrap=True)
        for start, end in file.stretches:
            console.print(Text(f"  {_clock(start)} – {_clock(end)}"), soft_wrap=True)


def _line(file: Probed) -> str:
    length = [] if file.duration_ms is None else [_clock(file.duration_ms)]
    began = _began(file.started_at)
    plays = (
        by_locale("浏览器可播放", "plays in a browser")
        if file.plays_in_browser
        else by_locale("浏览器不能直接播放", "no browser plays it as it is")
    )
    words = [by_locale(*KINDS[file.kind]), *([file.codec] if file.codec else []), *length, *began, plays]
    return f"{safe_name(Path(file.file).name)}  {' · '.join(words)}"


def _began(start: StartedAt) -> list[str]:
    """When it began, and that this is in doubt."""
    if start.value is None:
        return []
    doubt = by_locale("（存疑）", " (in doubt)") if start.doubtful else ""
    return [by_locale("开始于 ", "began ") + start.value + doubt]


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
