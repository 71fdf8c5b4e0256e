"""Reads a recorder's files: which are footage, how long they play, and when they began.

Guarantees: a child process with bounded memory and time opens each file, so a broken or hostile one can only end that
child. A start time says where it was read from; it is recorded, not trusted. `start_of` is pure: no I/O, no clock.
"""

import multiprocessing
import os
import re
import resource
import signal
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast, get_args

import av
import msgspec

from backend.evidence.schemas import TimeSource
from backend.evidence.starts.readings import CHINA as CHINA
from backend.evidence.starts.readings import FileFacts
from backend.evidence.starts.rules import Circumstances, weigh
from storage.probe.film import read_film
from storage.probe.sources import LocalFile

MEDIA_TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".avi": "video/x-msvideo",
    ".mkv": "video/x-matroska", ".webm": "video/webm", ".ts": "video/mp2t", ".mts": "video/mp2t",
    ".m2ts": "video/mp2t", ".mpg": "video/mpeg", ".mpeg": "video/mpeg", ".3gp": "video/3gpp", ".asf": "video/x-ms-asf",
    ".wmv": "video/x-ms-wmv", ".flv": "video/x-flv", ".m4a": "audio/mp4", ".mp3": "audio/mpeg", ".aac": "audio/aac",
    ".wav": "audio/wav", ".amr": "audio/amr", ".ogg": "audio/ogg", ".flac": "audio/flac",
}  # fmt: skip
NOT_IN_A_NAME = re.compile(r"[/\\\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
MEMORY = 4 * 1024**3
CPU_SECONDS = 300
LOOKING_SECONDS = 600
CHILDREN = multiprocessing.get_context("fork")


class Folder(msgspec.Struct, frozen=True):
    """The files of a folder: those named like footage, in order; folders that could not be read; how many others."""

    files: list[Path]
    unreadable: list[str]
    others: int


class MediaFile(msgspec.Struct, frozen=True):
    """How long a file plays, by its packets, and what its metadata say of its creation.

    `tags`: all its texts by name; `container`: its format.
    """

    duration_ms: int
    created: str | None = None
    tags: dict[str, str] = {}
    container: str = ""


class Start(msgspec.Struct, frozen=True):
    """When a recording began by its camera's clock, and where that time was read."""

    at: datetime
    source: TimeSource


def find(folder: Path) -> Folder:
    """Find every file below `folder` that is named like footage; no hidden ones, none that a link leads out to."""
    root, files, unreadable, others = folder.resolve(), [], [], 0
    for place, inner, names in os.walk(root, onerror=lambda error: unreadable.append(str(error))):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(place, name)
            if path.suffix.lower() in MEDIA_TYPES and path.is_file() and path.resolve().is_relative_to(root):
                files.append(path)
            else:
                others += 1
    return Folder(files, unreadable, others)


def media_type_of(path: Path) -> str:
    """The media type by the file's ending, which must be one of MEDIA_TYPES."""
    return MEDIA_TYPES[path.suffix.lower()]


def safe_name(name: str) -> str:
    """The file's name without characters that a terminal or a page could misread, at most 255 long."""
    return NOT_IN_A_NAME.sub("_", name)[-255:]


def look(path: Path, longest_frame: timedelta) -> MediaFile | None:
    """Read the file's length and creation time; None where it is no video or audio that can be read.

    `longest_frame`: a packet that claims to last longer counts as this long (terms.toml).
    """
    here, there = CHILDREN.Pipe(duplex=False)
    child = CHILDREN.Process(target=_look, args=(path, longest_frame.total_seconds(), there), daemon=True)
    child.start()
    there.close()
    try:
        return msgspec.json.decode(here.recv_bytes(), type=MediaFile | None) if here.poll(LOOKING_SECONDS) else None
    except (EOFError, OSError, msgspec.MsgspecError):
        return None
    finally:
        child.kill()
        child.join()
        here.close()


def _look(path: Path, longest: float, there: Connection) -> None:
    """In the child: read the file, send what it is, end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    av.logging.set_level(av.logging.PANIC)
    there.send_bytes(msgspec.json.encode(_read(path, longest)))


def _read(path: Path, longest: float) -> MediaFile | None:
    file = LocalFile(path)
    found = read_film(file, longest)
    if not found["media"]:
        return None
    tags = found.get("tags", {})
    return MediaFile(found["duration_ms"], tags.get("creation_time"), tags, found.get("container", ""))


def start_of(media: MediaFile, name: str, modified: float, *, offset: timedelta, latest: datetime) -> Start | None:
    """When the recording began: its metadata, name and modification time are weighed (evidence/starts). Pure.

    A time is passed over where, corrected by the camera's `offset`, it lies before 2000 or the recording would end
    after `latest`. None where no time is left.
    """
    facts = FileFacts(
        name=name, duration_ms=media.duration_ms, tags=media.tags or _made(media.created), container=media.container,
        modified=moment_of(modified),
    )  # fmt: skip
    weighed = weigh(facts, Circumstances(offset=offset, latest=latest))
    if weighed.by_camera is None or weighed.source not in get_args(TimeSource):
        return None
    return Start(weighed.by_camera, cast("TimeSource", weighed.source))


def _made(created: str | None) -> dict[str, str]:
    return {} if created is None else {"creation_time": created}


def moment_of(modified: float) -> datetime | None:
    """A file system's time; None where it is none."""
    try:
        return datetime.fromtimestamp(modified, UTC)
    except (OverflowError, ValueError, OSError):
        return None
