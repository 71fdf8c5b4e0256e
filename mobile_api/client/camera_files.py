"""Reads a recorder's files: which are footage, how long they play, and when they began.

Guarantees: a child process with bounded memory and time opens each file, so a broken or hostile one can only end that
child. A start time says where it was read from; it is recorded, not trusted. `start_of` is pure: no I/O, no clock.
"""

import multiprocessing
import os
import re
import resource
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing.connection import Connection
from pathlib import Path

import av
import msgspec

from backend.core.wire import EARLIEST
from backend.evidence.schemas import TimeSource
from storage.probe.film import opened, read_film
from storage.probe.sources import LocalFile

MEDIA_TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".avi": "video/x-msvideo",
    ".mkv": "video/x-matroska", ".webm": "video/webm", ".ts": "video/mp2t", ".mts": "video/mp2t",
    ".m2ts": "video/mp2t", ".mpg": "video/mpeg", ".mpeg": "video/mpeg", ".3gp": "video/3gpp", ".asf": "video/x-ms-asf",
    ".wmv": "video/x-ms-wmv", ".flv": "video/x-flv", ".m4a": "audio/mp4", ".mp3": "audio/mpeg", ".aac": "audio/aac",
    ".wav": "audio/wav", ".amr": "audio/amr", ".ogg": "audio/ogg", ".flac": "audio/flac",
}  # fmt: skip
CHINA = timezone(timedelta(hours=8))  # the one legal time, which file names are written in
IN_NAME = re.compile(r"(?<!\d)\d{14}(?!\d)")  # GA/T 947: serial_officer_YYYYMMDDHHMMSS_number
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
    """How long a file plays, by its packets, and the creation time that its metadata give."""

    duration_ms: int
    created: str | None = None


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
    with opened(file) as container:
        metadata = [container.metadata, *(stream.metadata for stream in container.streams)]
    created = next((each["creation_time"] for each in metadata if each.get("creation_time")), None)
    return MediaFile(found["duration_ms"], created)


def start_of(media: MediaFile, name: str, modified: float, *, offset: timedelta, latest: datetime) -> Start | None:
    """When the recording began: by its metadata, else by its name in China's time, else by its modification time. Pure.

    A time is skipped where, corrected by the camera's `offset`, it lies before 2000 or the recording would end after
    `latest`. None where no time is left.
    """
    duration = timedelta(milliseconds=media.duration_ms)
    for start in _candidates(media, name, modified, duration):
        try:
            if start.at - offset >= EARLIEST and start.at + duration - offset <= latest:
                return start
        except OverflowError:
            continue
    return None


def _candidates(media: MediaFile, name: str, modified: float, duration: timedelta) -> Iterator[Start]:
    """Every start time that the file gives, the most reliable first."""
    if media.created is not None and (created := _metadata_time(media.created)) is not None:
        yield Start(created, "metadata")
    for digits in IN_NAME.findall(name):
        try:
            yield Start(datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=CHINA), "file_name")
        except ValueError:
            continue
    try:
        yield Start(datetime.fromtimestamp(modified, UTC) - duration, "file_time")
    except (OverflowError, ValueError, OSError):
        return


def _metadata_time(text: str) -> datetime | None:
    """A container's creation time: UTC unless it says otherwise; None where it is no time."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
