"""Open a film as FFmpeg reads it, say what is in it, and tell the film's time of each packet.

The film's time begins at its first packet. Where a stream's clock goes back (parts joined by a recorder), the film's
time goes on; where it steps forward, the gap stays, unless it is of more than an hour in a stream.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from storage.avi_places import AviPlaces
from storage.media_types import HEAD_BYTES, media_type_of
from storage.view_copies.ways import SHOWN_STILLS, STILL_CONTAINERS, STILLS, way_of

MICROSECONDS = 1_000_000
BACK = MICROSECONDS  # a clock that goes back by more has begun anew
FORWARD = 3600 * MICROSECONDS  # of a stream, whose clock may be set anew, a longer step forward is no pause
STREAMS = {"mpegts", "mpeg"}
BUFFER = 256 * 1024
LONGEST_HOLE = 16 * 1024  # steps of 64 KiB
FORMATS = (  # containers of films; no list that names other files, and nothing that leaves this one
    "mov", "matroska", "webm", "mpegts", "mpeg", "mpegvideo", "avi", "flv", "dhav", "h264", "hevc", "m4v", "mjpeg",
    "amr", "amrnb", "amrwb", "wav", "mp3", "aac", "flac", "ogg", "asf", "h263", "3gp", "w64", "au", "caf", "aiff",
    "jpeg_pipe", "png_pipe", "image2",
)  # fmt: skip
OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "", "enable_drefs": "0"}
BOXES_LOOKED_AT = 64
POINTS = 500  # of the index that are kept


def opened(file: Any, *, measured: bool = True) -> Any:
    """The film as a container. Raises av.error.FFmpegError, ValueError.

    `measured`: its end is read too, where only that tells how long it is.
    """
    options = OPTIONS if measured else OPTIONS | {"skip_estimate_duration_from_pts": "1"}
    return av.open(file, options=options, metadata_errors="ignore", buffer_size=BUFFER)


def packets_of(container: Any, streams: Any) -> Iterator[Any]:
    """The packets of these streams, also those behind a hole: the reader of a transport stream gives up after 64 KiB
    without a packet, and is sent on.
    """
    for _ in range(LONGEST_HOLE):
        try:
            yield from container.demux(streams)
        except BlockingIOError:
            continue
        return


def picture_of(container: Any) -> Any:
    """The stream of the picture, cover pictures left out; None where there is none."""
    films = [stream for stream in container.streams.video if not is_cover(stream) and stream.codec_context]
    return max(films, key=lambda stream: stream.codec_context.width or 0, default=None)


def sound_of(container: Any) -> Any:
    """The stream of the sound; None where there is none."""
    return next((stream for stream in container.streams.audio if stream.codec_context), None)


def is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def look(file: Any) -> dict[str, Any]:
    """What is in a file: {"kind", "container", "video", "audio", "duration_ms", "fragmented", "rotation", "way"}."""
    file.seek(0)
    media_type = media_type_of(file.read(HEAD_BYTES))
    if media_type.startswith("image/"):  # also HEIC, which opens as a film of one tile of the picture
        way = "as_is" if media_type in SHOWN_STILLS else "none"
        return {"kind": "photo", "container": None, "video": None, "audio": None, "way": way}
    try:
        fragmented = is_fragmented(file)
        file.seek(0)
        with opened(file) as container:
            seen = _look(container)
    except (av.error.FFmpegError, ValueError, OverflowError):
        return {"kind": "unknown", "container": None, "video": None, "audio": None, "way": "none"}
    seen["fragmented"] = fragmented and seen["container"] == "mov"
    return seen | {"way": "as_is" if seen["kind"] == "photo" else way_of(seen)}


def _look(container: Any) -> dict[str, Any]:
    picture, sound = picture_of(container), sound_of(container)
    name = container.format.name
    still = any(mark in name for mark in STILL_CONTAINERS) and bool(picture) and picture.codec_context.name in STILLS
    kind = "photo" if still else "video" if picture else "audio" if sound else "unknown"
    return {
        "kind": kind,
        "container": name.split(",")[0],
        "video": picture and _track(picture) | _measures(picture),
        "audio": sound and _track(sound),
        "points": _points(container, picture or sound),
        "duration_ms": None if container.duration is None else max(0, container.duration // 1000),
    }


def _points(container: Any, stream: Any) -> list[list[int]]:
    """Where in the file which time is, as [byte, milliseconds], by an index that lists all of it; empty without."""
    if container.format.name.split(",")[0] != "mov" or stream is None or not stream.time_base:
        return []
    entries, zero = stream.index_entries, FilmClock(container).zero
    step = max(1, len(entries) // POINTS)
    points = []
    for entry in (entries[number] for number in range(0, len(entries), step)):
        at = round(entry.timestamp * stream.time_base * MICROSECONDS) - zero
        points.append([entry.pos, max(0, at // 1000)])
    return points if points == sorted(points) else []


def _track(stream: Any) -> dict[str, Any]:
    return {"codec": stream.codec_context.name, "decoded": stream.codec_context.codec is not None}


def _measures(picture: Any) -> dict[str, Any]:
    rate = picture.average_rate or picture.guessed_rate
    return {
        "width": picture.codec_context.width,
        "height": picture.codec_context.height,
        "frame_rate": float(rate) if rate and 0 < rate <= 240 else None,
    }


def is_fragmented(file: Any) -> bool:
    """Whether this is an MP4 in fragments: a player asks once for each before it shows the first picture."""
    at = 0
    for _ in range(BOXES_LOOKED_AT):
        file.seek(at)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if kind == b"moof":
            return True
        size = int.from_bytes(head[8:16], "big") if size == 1 else size
        if len(head) < 16 or size < 8 or not kind.isalnum():
            return False
        at += size
    return False


class FilmClock:
    """Sets each packet to the film's time, which begins at zero."""

    def __init__(self, container: Any) -> None:
        self.zero = self._first(container)
        self._may_jump = container.format.name in STREAMS
        self._offsets = [-self.zero]  # of each run of the clocks, in microseconds
        self._tracks: dict[int, _Track] = {}
        self._end = 0
        self._places = AviPlaces(picture_of(container)) if container.format.name == "avi" else None

    def set(self, packet: Any) -> int | None:
        """Put the packet's times into the film's time; its decoding time in microseconds. None: nobody knows it."""
        track = self._tracks.get(packet.stream_index) or self._new_track(packet)
        decoded, shown, lasting = packet.dts, packet.pts, packet.duration or 0
        told = decoded if decoded is not None else shown if shown is not None else track.due
        if told is None or track.base == 0 or not packet.size:
            return None
        counted = told
        if self._places is not None:
            told += track.in_ticks(round(self._places.later(packet) * MICROSECONDS))
        raw = told * track.base // track.scale
        step = raw - track.last if track.last is not None else 0
        if step < -BACK or (self._may_jump and step > FORWARD):
            self._begin_anew(track, raw)
        track.last, track.due = raw, counted + lasting
        packet.dts = told + track.ticks
        packet.pts = packet.dts + (0 if shown is None or decoded is None else shown - decoded)
        at: int = raw + self._offsets[track.run]
        self._end = max(self._end, at + lasting * track.base // track.scale)
        return at

    def _new_track(self, packet: Any) -> "_Track":
        base = packet.time_base or 0
        track = self._tracks[packet.stream_index] = _Track(base.numerator * MICROSECONDS, base.denominator)
        track.ticks = track.in_ticks(self._offsets[0])
        return track

    def _begin_anew(self, track: "_Track", raw: int) -> None:
        track.run += 1
        if track.run == len(self._offsets):
            self._offsets.append(self._end - raw)
        track.ticks = track.in_ticks(self._offsets[track.run])

    @staticmethod
    def _first(container: Any) -> int:
        """When the first stream begins, in microseconds of the container's clock."""
        starts = [
            stream.start_time * stream.time_base
            for stream in (picture_of(container), sound_of(container))
            if stream is not None and stream.start_time is not None and stream.time_base is not None
        ]
        return int(min(starts, default=Fraction(0)) * MICROSECONDS)


class _Track:
    """What the clock knows of one stream. Its ticks are `base` / `scale` microseconds long."""

    __slots__ = ("base", "due", "last", "run", "scale", "ticks")

    def __init__(self, base: int, scale: int) -> None:
        self.base, self.scale = base, scale
        self.run = self.ticks = 0  # which run of the clocks it is in, and what that adds, in its own ticks
        self.last: int | None = None  # the decoding time told last, in microseconds
        self.due: int | None = None  # when the next packet is due, in its own ticks

    def in_ticks(self, microseconds: int) -> int:
        return round(microseconds * self.scale / self.base) if self.base else 0
