"""Reads a recorder's files: what each is, how long it plays, and when it began.

Guarantees: a child process with bounded memory and time opens each file, so a broken or hostile one can only end that
child. What a file is, is told by its content, not by its name. A start time says where it was read from; it is
recorded, not trusted. `start_of` is pure: no I/O, no clock.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from backend.evidence.schemas import TimeSource
from backend.evidence.starts.readings import CHINA as CHINA
from backend.evidence.starts.readings import FileFacts
from backend.evidence.starts.rules import Circumstances, weigh
from storage import media_types
from storage.probe.serving import probe_file

# By a file's ending, where its bytes do not tell: a film that was cut off, or a format without a head.
MEDIA_TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".avi": "video/x-msvideo",
    ".mkv": "video/x-matroska", ".webm": "video/webm", ".ts": "video/mp2t", ".mts": "video/mp2t",
    ".m2ts": "video/mp2t", ".mpg": "video/mpeg", ".mpeg": "video/mpeg", ".ps": "video/mp2p", ".3gp": "video/3gpp",
    ".asf": "video/x-ms-asf", ".wmv": "video/x-ms-wmv", ".flv": "video/x-flv", ".dav": "video/x-dahua",
    ".264": "video/h264", ".h264": "video/h264", ".265": "video/h265", ".h265": "video/h265", ".hevc": "video/h265",
    ".m4a": "audio/mp4", ".mp3": "audio/mpeg", ".aac": "audio/aac", ".wav": "audio/wav", ".amr": "audio/amr",
    ".ogg": "audio/ogg", ".flac": "audio/flac", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png",
    ".heic": "image/heic", ".heif": "image/heif", ".webp": "image/webp",
}  # fmt: skip
BY_CODEC = {"h264": "video/h264", "hevc": "video/h265"}  # of a film whose first bytes tell nothing
BESIDE_A_FILE = b"\x00\x05\x16\x07"  # AppleDouble: ._NAME, named like the file beside which a computer put it
NOT_IN_A_NAME = re.compile(r"[/\\\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class MediaFile(msgspec.Struct, frozen=True):
    """What a file is by its content: how long it plays, what it says of its creation, its kind and media type.

    `tags`: all its texts by name; `container`: its format, of a photo too. `kind`: video, audio, photo, document or
    unknown. `index_lost`: a film whose index was never written.
    """

    duration_ms: int
    created: str | None = None
    tags: Mapping[str, str] = {}
    container: str = ""
    kind: str = "video"
    media_type: str = media_types.UNKNOWN
    index_lost: bool = False


class Start(msgspec.Struct, frozen=True):
    """When a recording began by its camera's clock, and where that time was read."""

    at: datetime
    source: TimeSource


def safe_name(name: str) -> str:
    """The file's name without characters that a terminal or a page could misread, at most 255 long."""
    return NOT_IN_A_NAME.sub("_", name)[-255:]


def look(path: Path, longest_frame: timedelta) -> MediaFile:
    """Find out what the file is. One that makes the child fail is of unknown kind. Raises OSError: it cannot be read.

    `longest_frame`: a packet that claims to last longer counts as this long (terms.toml).
    """
    found = probe_file(path, longest_frame.total_seconds())
    with path.open("rb") as file:
        head = file.read(media_types.HEAD_BYTES)
    lost = bool(found.get("index_lost"))
    tags = found.get("tags") or {}
    return MediaFile(
        duration_ms=found.get("duration_ms") or 0, created=tags.get("creation_time"), tags=tags,
        container=found.get("container") or found.get("codec") or "",
        kind="video" if lost else found.get("kind", "unknown"), media_type=_media_type(head, path, found),
        index_lost=lost,
    )  # fmt: skip


def _media_type(head: bytes, path: Path, found: Mapping[str, Any]) -> str:
    """The media type by the first bytes, else by the file's ending, else by what the probe found."""
    known = media_types.media_type_of(head)
    if known != media_types.UNKNOWN or head.startswith(BESIDE_A_FILE):
        return known
    if found.get("kind") == "document" and found.get("codec") == "text":
        return "text/plain"
    return MEDIA_TYPES.get(path.suffix.lower()) or BY_CODEC.get(str(found.get("codec")), media_types.UNKNOWN)


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


def doubtful_start(modified: float, now: datetime) -> Start:
    """The time in the file system, though it cannot be right; now, where that is no time. The server says the rest."""
    return Start(moment_of(modified) or now, "file_time")


def moment_of(modified: float) -> datetime | None:
    """A file system's time; None where it is none."""
    try:
        return datetime.fromtimestamp(modified, UTC)
    except (OverflowError, ValueError, OSError):
        return None
