"""View copies without a server: what a file is, how it is watched, and packets put into fragmented MP4 by time."""

import asyncio
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import av
import pytest

from storage.media_types import HEAD_BYTES, media_type_of
from storage.view_copies import SHIFT_MS, children, stored_file
from storage.view_copies.ahead import ahead
from storage.view_copies.fragments import Fragments, codecs_of
from storage.view_copies.messages import MORE
from storage.view_copies.opening import look
from storage.view_copies.remuxing import remux
from storage.view_copies.transcoding import transcode
from tests.recorder_films import HEIGHT, RATE, WIDTH, hikvision, recorded_film, shade

KINDS = {
    "ts": (("ts",), "video/mp2t", "remux"),
    "mts": (("mts",), "video/mp2t", "remux"),
    "flv": (("flv",), "video/x-flv", "remux"),
    "mkv": (("mkv",), "video/x-matroska", "remux"),
    "ps": (("mpg", "libx264", "mp2"), "video/mp2p", "remux"),
    "avi": (("avi", "libx264", "pcm_alaw"), "video/x-msvideo", "remux"),
    "live mp4": (("live.mp4",), "video/mp4", "remux"),
    "mp4": (("mp4",), "video/mp4", "as_is"),
    "mov": (("mov",), "video/quicktime", "as_is"),
    "hevc": (("mp4", "libx265"), "video/mp4", "transcode"),
    "mjpeg": (("avi", "mjpeg", "pcm_alaw"), "video/x-msvideo", "transcode"),
    "mpeg2": (("mpg", "mpeg2video", "mp2"), "video/mp2p", "transcode"),
    "bare h264": (("264", "libx264", None), "application/octet-stream", "transcode"),
    "bare hevc": (("265", "libx265", None), "application/octet-stream", "transcode"),
    "mpeg4": (("avi", "mpeg4", "libopencore_amrnb"), "video/x-msvideo", "transcode"),
}
FRAMES = 4 * RATE
DECODING = """
with av.open(io.BytesIO(sys.stdin.buffer.read())) as container:
    for packet in container.demux(video=0):
        try:
            packet.decode()
        except av.error.FFmpegError:
            pass
"""


def made(way: Any, content: bytes, *more: Any) -> tuple[list[tuple[bytes, bytes, int]], bytes]:
    """The init and the fragments of a copy, and all of it."""
    pieces: list[tuple[bytes, bytes, int]] = []

    def take(kind: bytes, piece: Any, at: int) -> None:
        if kind == MORE:
            kind, before, at = pieces.pop()
            pieces.append((kind, before + bytes(piece), at))
        else:
            pieces.append((kind, bytes(piece), at))

    way(io.BytesIO(content), Fragments(take), *more)
    return pieces, b"".join(piece for _, piece, _ in pieces)


def frames(content: bytes) -> list[tuple[float, int]]:
    """The film's time and the brightness (0 to 255) of each frame of a copy."""
    with av.open(io.BytesIO(content)) as container:
        return [
            (round(frame.time - SHIFT_MS / 1000, 2), int(frame.to_ndarray(format="gray")[HEIGHT // 2, WIDTH // 2]))
            for frame in container.decode(video=0)
        ]


def level_of(number: int) -> int:
    """The brightness of a frame, from black 0 to white 255."""
    return (shade(number % FRAMES) - 16) * 255 // 219


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_what_is_in_it(kind: str) -> None:
    """Its media type by its first bytes, and the way to watch it by what FFmpeg finds in it."""
    film, media_type, way = KINDS[kind]
    content = recorded_film(*film)
    seen = look(io.BytesIO(content))
    assert (media_type, way, "video") == (media_type_of(content[:HEAD_BYTES]), seen["way"], seen["kind"])
    assert kind.startswith("bare") or abs(seen["duration_ms"] - 4000) < 120


def test_a_makers_head_before_a_program_stream_is_looked_through() -> None:
    content = hikvision(recorded_film("mpg", "libx264", "mp2"))
    assert ("video/mp2p", "remux") == (media_type_of(content), look(io.BytesIO(content))["way"])


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 4000, b"ID" * 3000, b"#EXTM3U\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"],
)
def test_what_is_no_film_cannot_be_watched(content: bytes) -> None:
    """Nor is a list that names other files, which a player would open for its writer."""
    assert ("none", "application/octet-stream") == (look(io.BytesIO(content))["way"], media_type_of(content))


def test_a_photo_is_watched_as_it_is() -> None:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 32, 32, "yuvj420p", Fraction(1, 25)
    jpeg = b"".join(bytes(packet) for packet in encoder.encode(av.VideoFrame(32, 32, "yuvj420p")))
    assert ("photo", "as_is", "image/jpeg") == (
        *[look(io.BytesIO(jpeg))[name] for name in ("kind", "way")],
        media_type_of(jpeg),
    )


@pytest.mark.parametrize("kind", [kind for kind, (_, _, way) in KINDS.items() if way == "remux"])
def test_a_remux_has_every_frame_at_its_time(kind: str) -> None:
    """From the start all frames; from 2.5 s on those from the last picture before it that stands alone."""
    content = recorded_film(*KINDS[kind][0])
    pieces, whole = made(remux, content, 0, False, "note")
    assert (b"I", "avc1.42c00a,mp4a.40.2") == (pieces[0][0], codecs_of(pieces[0][1]))
    seen = frames(whole)
    assert FRAMES - 2 <= len(seen) <= FRAMES
    begins = seen[0][0]  # of AVI, which tells no time of showing, a frame later
    assert begins <= 1 / RATE
    assert all(abs(level - level_of(round((at - begins) * RATE))) <= 12 for at, level in seen), seen
    later, part = made(remux, content, 2500, False, "note")
    begun = frames(part)
    assert b"I" == later[0][0]
    assert 1.4 < begun[0][0] <= 2.5
    assert set(begun) <= set(seen)


@pytest.mark.parametrize(
    ("asked", "begins"), [(500, 0), (11_900, 0), *((at, 12) for at in range(12_300, 24_000, 900)), (25_900, 24)]
)
def test_a_time_is_found_where_pictures_that_stand_alone_are_far_apart(asked: int, begins: int) -> None:
    """Looked for in steps backwards, as a stream has no index: the last such picture, and every frame from there."""
    content = recorded_film("ts", seconds=28, apart=12)
    seen = frames(made(remux, content, asked, False, "note")[1])
    assert abs(seen[0][0] - begins) < 1 / RATE
    assert (28 - begins) * RATE - 2 <= len(seen) <= (28 - begins) * RATE


def test_a_film_of_two_clocks_goes_on_and_is_found_by_its_own_time() -> None:
    """Two transport streams joined: the second begins at 0 again, and is the film's second half."""
    one = recorded_film("ts", seconds=4)
    seen = frames(made(remux, one + one, 0, True, "note")[1])
    assert 2 * FRAMES - 3 <= len(seen) <= 2 * FRAMES
    assert 7.7 < seen[-1][0] < 8.3
    late = frames(made(remux, one + one, 6500, True, "note")[1])
    assert 5 < late[0][0] <= 6.6


@pytest.mark.parametrize("kind", [kind for kind, (_, _, way) in KINDS.items() if way == "transcode"])
def test_what_no_browser_decodes_is_encoded(kind: str) -> None:
    """Every frame at its time, in fragments that can each be begun with."""
    pieces, whole = made(transcode, recorded_film(*KINDS[kind][0]), "note")
    assert codecs_of(pieces[0][1]).startswith("avc1.64")
    seen = frames(whole)
    assert FRAMES - 2 <= len(seen) <= FRAMES
    assert all(abs(level - level_of(round(at * RATE))) <= 14 for at, level in seen[:-3]), seen
    for _, fragment, at in pieces[1:]:
        first = frames(pieces[0][1] + fragment)
        assert not first or abs(first[0][0] - (at / 1e6 - SHIFT_MS / 1000)) < 0.02


@pytest.mark.parametrize(("turned", "size"), [(90, (HEIGHT, WIDTH)), (180, (WIDTH, HEIGHT)), (0, (WIDTH, HEIGHT))])
def test_a_picture_is_turned_as_the_film_says(turned: int, size: tuple[int, int]) -> None:
    _, whole = made(transcode, recorded_film("mp4", "libx265", None, 1, turned), "note")
    with av.open(io.BytesIO(whole)) as container:
        frame = next(container.decode(video=0))
    assert (*size, 0) == (frame.width, frame.height, round(frame.rotation or 0))


def test_a_remux_says_itself_how_it_is_turned() -> None:
    """Its packets stay as they are: the player turns the picture."""
    _, whole = made(remux, recorded_film("live.mp4", "libx264", None, 1, 90), 0, False, "note")
    with av.open(io.BytesIO(whole)) as container:
        assert 90 == abs(round(next(container.decode(video=0)).rotation))


def test_a_copy_says_that_it_is_one() -> None:
    _, whole = made(remux, recorded_film("ts"), 0, False, "观看副本 view copy")
    with av.open(io.BytesIO(whole)) as container:
        assert "观看副本 view copy" == container.metadata["comment"]


@pytest.mark.parametrize(("way", "film"), [(remux, ("ts",)), (transcode, ("mkv", "libx265"))])
@pytest.mark.parametrize("sound", ["aac", None])
def test_no_frame_lasts_for_a_pause(way: Any, film: tuple[str, ...], sound: str | None) -> None:
    """A player goes on behind the pause, as nothing was filmed in it: no frame is held for twenty seconds."""
    codec = film[1] if len(film) > 1 else "libx264"
    content = recorded_film(film[0], codec, sound, pause=20)
    _, whole = made(way, content, *((0, False) if way is remux else ()), "note")
    seen = frames(whole)
    assert FRAMES - 2 <= len(seen) <= FRAMES
    assert 23.5 < seen[-1][0] < 24.1
    with av.open(io.BytesIO(whole)) as container:
        lasting = [packet.duration * packet.time_base for packet in container.demux() if packet.size]
    assert max(lasting) < 1


def test_working_ahead_gives_the_same_items_in_order_and_raises_what_they_raise() -> None:
    """Never more ahead than asked for; who leaves early leaves no thread behind."""
    taken: list[int] = []
    seen: list[int] = []

    def counted() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number
        raise KeyError

    def see() -> None:
        for number in ahead(counted(), 3):
            assert len(taken) <= number + 6
            seen.append(number)

    with pytest.raises(KeyError):
        see()
    assert list(range(20)) == seen
    before = threading.active_count()
    leaving = ahead(iter(range(1000)), 3)
    assert 0 == next(leaving)
    leaving.close()
    assert before == threading.active_count()


def test_a_child_says_nothing_of_a_damaged_film() -> None:
    """FFmpeg tells of each damage; a child keeps silent, by a callback that takes no lock of Python's."""
    film = bytearray(recorded_film("mkv", "libx265", None))
    for at in range(len(film) // 4, len(film), 97):
        film[at] ^= 0xFF
    for silence, silent in (("silence()", True), ("av.logging.restore_default_callback()", False)):
        code = f"import av, io, sys; from storage.ffmpeg_log import silence; {silence}\n{DECODING}"
        done = subprocess.run([sys.executable, "-c", code], input=bytes(film), capture_output=True, timeout=60)
        assert (0, silent) == (done.returncode, not done.stderr), done.stderr[-2000:]


async def test_no_child_hangs_over_a_damaged_film() -> None:
    """Decoders tell of damage from threads of their own: whatever comes of it, the answer ends, twelve times."""
    film = bytearray(recorded_film("mkv", "libx265", None))
    for at in range(len(film) // 4, len(film), 97):
        film[at] ^= 0xFF
    with NamedTemporaryFile() as file:
        file.write(film)
        file.flush()
        with serving_ranges(file.name) as url:
            for _ in range(12):
                order = {"task": "transcode", "url": url, "bytes": len(film), "note": "x", "cpu_seconds": 20}
                async with asyncio.timeout(20), children.Reading(order) as reading:
                    with suppress(children.Unreadable):
                        await reading.head()
                        async for _piece in reading.pieces():
                            pass
    children.CHILDREN.close()


@pytest.mark.parametrize("most", [None, 700_000])
def test_a_stored_file_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, most: int | None) -> None:
    """On and on, after jumps, at its end; also from a store that breaks off long answers to a reader who is slow."""
    monkeypatch.setattr(stored_file, "BLOCK", 50_000)
    monkeypatch.setattr(stored_file, "ALIGNED", 25_000)
    monkeypatch.setattr(stored_file, "LARGEST_BLOCK", 50_000)
    content = os.urandom(3_000_001)
    (tmp_path / "object").write_bytes(content)
    with serving_ranges(str(tmp_path / "object"), most) as url:
        file = stored_file.StoredFile(url, len(content))
        for begin in (0, 2_900_000, 1_500_000, 200, 3_000_001):
            file.seek(begin)
            pieces = list(iter(lambda: file.read(65_536), b""))
            assert content[begin:] == b"".join(pieces), begin
        assert file.read_bytes < 3 * len(content)


def test_a_store_that_gives_no_more_ends_the_reading(tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(b"x" * 1000)
    with serving_ranges(str(tmp_path / "object")) as url:
        file = stored_file.StoredFile(url, 5_000_000)
        file.seek(2_000_000)
        with pytest.raises(OSError, match="store"):
            file.read(10)


@contextmanager
def serving_ranges(path: str, most: int | None = None) -> Iterator[str]:
    """A server of the ranges of one file, as a store is. `most`: bytes after which it breaks off."""

    class Ranges(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            begin, end = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            with open(path, "rb") as file:
                file.seek(begin)
                piece = file.read(end - begin + 1)
            self.send_response(206)
            self.send_header("Content-Length", str(len(piece)))
            self.end_headers()
            self.wfile.write(piece[:most])
            self.close_connection = most is not None and most < len(piece)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
