"""Read one file: its kind, its tracks, and in which stretches it shows a picture or holds a sound.

The lengths come from the frames, never from a header; what cannot be decoded is told apart. Runs in a child process.
"""

import base64
from fractions import Fraction
from typing import Any

import av

from storage import photos
from storage.mp4_boxes import index_is_lost
from storage.probe import kinds
from storage.probe.sources import Source
from storage.probe.timeline import Stretch, common, in_milliseconds, join, without
from storage.probe.tracks import Track, tracks_of
from storage.turning import Turning

POSTER_WIDTH = 480
POSTER_BYTES = 200_000
PHOTO_SIDE, PHOTO_BYTES = 1920, 1_000_000  # of a photo's still, which is watched where no browser shows the photo
PRIMING = 0.1  # seconds: sound that begins so much before the picture is an encoder's run-up, and begins with it
MOST_TAGS, LONGEST_TAG = 64, 256
OPTIONS = {"format_whitelist": kinds.FORMATS}
CONTAINERS = {"mov": "mp4", "mpeg": "mpegps"}  # FFmpeg's name: the common one
ERRORS = (av.error.FFmpegError, ValueError, OverflowError, ZeroDivisionError, TypeError)

Answer = dict[str, Any]


def read_film(file: Source, longest_frame: float) -> Answer:
    """What the file is: {media, kind, codec, container, duration_ms, tracks, jumps, plays_in_browser, tags}.

    `kind`: video, audio, photo, document, unknown. `media`: it is one of the first two. Only these have more than the
    next two, and only they have what follows. `tracks`: {kind, codec, stretches, undecoded} each; stretches are
    [from, to] in milliseconds from the first frame of the file, in order: where it can be decoded, and where it cannot.
    `duration_ms`: from the first frame to the end of the last, pauses included. `jumps`: how often its clock began
    anew; the parts then stand one after another. `tags`, of a photo too: texts in the file, as they are there.
    `index_lost`, of an unknown file: it is an MP4 whose index was never written.

    longest_frame: seconds; where frames are further apart, nothing is filmed between them.
    """
    head = file.piece(0, kinds.HEAD)
    if name := kinds.photo(head):
        return _still("photo", name, name in kinds.BROWSER_PHOTOS) | {"tags": photos.tags_of(file)}
    try:
        with opened(file) as container:
            tracks, jumps = tracks_of(container, file, longest_frame)
            if tracks:
                return _film(container, head, tracks, jumps)
    except ERRORS:
        pass
    if name := kinds.document(head):
        return _still("document", name, name in ("pdf", "text"))
    lost = index_is_lost(file.piece, file.size)
    return {"media": False, "kind": "unknown", "codec": None, "plays_in_browser": False, "index_lost": lost}


def stretches_of(answer: Answer) -> list[list[int]]:
    """Where the film shows a picture, in milliseconds; of a file without one, where it holds a sound."""
    tracks = [each for each in answer.get("tracks", ()) if each["kind"] == answer["kind"]]
    return in_milliseconds(((start / 1000, end / 1000) for each in tracks for start, end in each["stretches"]), 0)


def opened(file: Source) -> Any:
    """The film, open from its beginning."""
    file.seek(0)
    return av.open(file, metadata_errors="ignore", options=OPTIONS)


def _still(kind: str, name: str, shown: bool) -> Answer:
    return {"media": False, "kind": kind, "codec": name, "plays_in_browser": shown}


def _film(container: Any, head: bytes, tracks: list[Track], jumps: int) -> Answer:
    begin = _begin(tracks)
    answers = [_track(track, begin) for track in tracks]
    first = next((each for each in answers if each["kind"] == "video"), answers[0])
    name = _container_name(container, head)
    ends = [stretch[1] for each in answers for stretch in (*each["stretches"], *each["undecoded"])]
    return {
        "media": bool(ends),
        "kind": first["kind"],
        "codec": first["codec"],
        "container": name,
        "duration_ms": max(ends, default=0),
        "tracks": answers,
        "jumps": jumps,
        "plays_in_browser": _plays(name, answers),
        "tags": _tags(container, name),
    }


def _container_name(container: Any, head: bytes) -> str:
    """The common name of the format: FFmpeg's first one, with some exceptions."""
    name: str = container.format.name.split(",")[0]
    if name == "matroska" and b"webm" in head[:64]:
        return "webm"
    return CONTAINERS.get(name, name)


def _plays(container: str, tracks: list[Answer]) -> bool:
    """Whether a browser plays every track, and none is lost altogether."""
    return all(each["stretches"] for each in tracks) and kinds.plays_in_browser(
        container, [each["codec"] for each in tracks]
    )


def _begin(tracks: list[Track]) -> float:
    """When the first frame is: of the picture, unless there was sound long before it."""
    starts = [track.frames.start for track in tracks if track.frames.start is not None]
    pictures = [track.frames.start for track in tracks if track.kind == "video" and track.frames.start is not None]
    first = min(starts)
    return min(pictures) if pictures and min(pictures) - first < PRIMING else first


def _track(track: Track, begin: float) -> Answer:
    frames: list[Stretch] = join(track.frames.all())
    return {
        "kind": track.kind,
        "codec": track.codec,
        "stretches": in_milliseconds(without(frames, track.lost), begin),
        "undecoded": in_milliseconds(common(frames, track.lost), begin),
    }


def _tags(container: Any, name: str) -> dict[str, str]:
    """The texts of the file and its tracks; of a name that comes twice, the first. An AVI's own date is its IDIT."""
    tags: dict[str, str] = {}
    for texts in (container.metadata, *(stream.metadata for stream in container.streams)):
        for key, text in texts.items():
            if len(tags) < MOST_TAGS:
                key = "IDIT" if (name, key) == ("avi", "creation_time") else key
                tags.setdefault(key[:LONGEST_TAG], text[:LONGEST_TAG])
    return tags


def poster(file: Source) -> dict[str, str]:
    """{"poster"}: the first frame that can be decoded, or the photo as it was held, as a JPEG in base64; else {}."""
    if kinds.photo(file.piece(0, kinds.HEAD)):
        return _in_base64(photos.upright_jpeg(file, PHOTO_SIDE), PHOTO_BYTES)
    try:
        with opened(file) as container:
            if not container.streams.video:
                return {}
            frame = Turning().upright(next(container.decode(container.streams.video[0])))
        width = min(POSTER_WIDTH, frame.width) // 2 * 2
        height = max(2, frame.height * width // frame.width // 2 * 2)
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuvj420p", Fraction(1, 25)
        small = frame.reformat(width, height, "yuvj420p", dst_color_range="JPEG")
        small.pts = 0
        jpeg = b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])
    except (*ERRORS, StopIteration):
        return {}
    return _in_base64(jpeg)


def _in_base64(jpeg: bytes | None, most: int = POSTER_BYTES) -> dict[str, str]:
    return {"poster": base64.b64encode(jpeg).decode()} if jpeg and len(jpeg) <= most else {}
