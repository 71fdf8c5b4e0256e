"""A card is looked through wholly: every file with a byte in it is found, and what cannot be taken is named."""

import os
import socket
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mobile_api.client.camera_files import Start, look, start_of
from mobile_api.client.card import look_through
from storage.mp4_boxes import index_is_lost
from tests import films
from tests.photos import HEIC, photo

LONGEST = timedelta(seconds=10)


def found(folder: Path) -> tuple[set[str], dict[str, str]]:
    """Names of what is taken, and of what stays with the reason."""
    card = look_through(folder)
    assert card.files == sorted(card.files)
    return (
        {str(path.relative_to(folder)) for path in card.files},
        {str(left.path.relative_to(folder)): left.why for left in card.left},
    )


def test_every_file_that_is_not_empty_is_taken(tmp_path: Path) -> None:
    """Of any kind and at any depth, hidden ones and a computer's own too: a film may be in the waste basket."""
    names = {"a.mp4", ".hidden.mp4", ".Trashes/501/b.mp4", "$RECYCLE.BIN/c.dav", "Thumbs.db", "track.nmea", "没有后缀",
             "DCIM/100/d.jpg", "ends.", "two\nlines.mp4"}  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert (names, {}) == found(tmp_path)


def test_what_stays_is_named_with_the_reason(tmp_path: Path) -> None:
    """Empty files, pipes, sockets, and links that lead off the card, to nothing or in a loop; nothing is opened."""
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "out.mp4").symlink_to(__file__)
    (tmp_path / "outer").symlink_to(Path(__file__).parent)
    (tmp_path / "gone.mp4").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "film.mp4").write_bytes(b"x")
    (tmp_path / "same.mp4").symlink_to("film.mp4")
    (tmp_path / "around").symlink_to(".")
    listening = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(tmp_path)  # a socket's name is short
    try:
        listening.bind("socket.mp4")
    finally:
        os.chdir(here)
        listening.close()
    taken, left = found(tmp_path)
    assert {"film.mp4"} == taken  # what links within the card lead to is taken once, under its own name
    ordinary, link = "不是普通文件 no ordinary file", "链接指向卡外，未跟随 a link that leads off the card"
    assert {
        "empty.mp4": "空文件 empty", "pipe.mp4": ordinary, "socket.mp4": ordinary,
        **dict.fromkeys(("out.mp4", "outer", "gone.mp4", "loop", "one", "two"), link),
    } == left  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads what nobody else may")
def test_a_folder_that_cannot_be_read_stops_no_other() -> None:
    """It is named, and what is beside it is taken. Asked as somebody who is not root, whom nothing stops."""
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder, "card")
        (card / "locked").mkdir(parents=True)
        (card / "locked" / "a.mp4").write_bytes(b"x")
        (card / "b.mp4").write_bytes(b"x")
        (card / "locked").chmod(0)
        Path(folder).chmod(0o755)
        os.seteuid(65534)
        try:
            taken, left = found(card)
        finally:
            os.seteuid(0)
        assert ({"b.mp4"}, {"locked": "无法读取 cannot be read: Permission denied"}) == (taken, left)


def cut_short(film: bytes) -> bytes:
    """The film of a recorder whose battery was gone before it wrote the index: `mdat` runs to the end, no `moov`."""
    at = film.index(b"mdat") - 4
    return film[:at] + (0).to_bytes(4) + film[at + 4 : film.index(b"moov") - 4]


@pytest.fixture(scope="module")
def film() -> bytes:
    """A film of two seconds with its index at the end."""
    whole = films.mux(picture=2)
    assert whole.index(b"mdat") < whole.index(b"moov")
    return whole


def looked(folder: Path, name: str, content: bytes) -> tuple[str, str]:
    """Kind and media type of a file of this name."""
    (folder / name).write_bytes(content)
    media = look(folder / name, LONGEST)
    return media.kind, media.media_type


def test_a_film_without_its_index_is_a_film(tmp_path: Path, film: bytes) -> None:
    """Cut by a battery it is taken as what it is, and said to have lost its index; a whole one is not."""
    (tmp_path / "cut.mp4").write_bytes(cut_short(film))
    (tmp_path / "whole.mp4").write_bytes(film)
    cut, whole = look(tmp_path / "cut.mp4", LONGEST), look(tmp_path / "whole.mp4", LONGEST)
    assert ("video", "video/mp4", True, 0) == (cut.kind, cut.media_type, cut.index_lost, cut.duration_ms)
    assert ("video", "video/mp4", False, 2000) == (whole.kind, whole.media_type, whole.index_lost, whole.duration_ms)


@pytest.mark.parametrize(
    ("content", "lost"),
    [(b"", False), (b"\x00" * 64, False), (b"text of any length, more than sixteen", False),
     (b"\x00\x00\x00\x08wide\x00\x00\x00\x10mdat12345678", True),
     (b"\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\xff\xff1234", True),
     (b"\x00\x00\x00\x10mdat12345678\x00\x00\x00\x08moov", False),
     (b"\x00\x00\x00\x08free" * 20_000, False)],
)  # fmt: skip
def test_an_index_is_lost_where_there_is_a_film_and_no_index(content: bytes, lost: bool) -> None:
    """Of anything else nothing is said; a chain of boxes without end ends."""
    assert lost == index_is_lost(lambda at, length: content[at : at + length], len(content))


@pytest.mark.parametrize(
    ("name", "form", "kind", "media_type"),
    [("a.ts", "mpegts", "video", "video/mp2t"), ("a.MP4", "mpegts", "video", "video/mp2t"),
     ("a.ps", "mpeg", "video", "video/mp2p"), ("a.264", "h264", "video", "video/h264"),
     ("a.bin", "h264", "video", "video/h264"), ("a.avi", "avi", "video", "video/x-msvideo"),
     ("a.mov", "mov", "video", "video/quicktime")],
)  # fmt: skip
def test_a_film_is_what_its_content_says(tmp_path: Path, name: str, form: str, kind: str, media_type: str) -> None:
    """Whatever its name says."""
    assert (kind, media_type) == looked(tmp_path, name, films.mux(form, picture=1))


@pytest.mark.parametrize(
    ("name", "content", "kind", "media_type"),
    [
        ("a.jpg", photo(), "photo", "image/jpeg"),
        ("a.mp4", photo(), "photo", "image/jpeg"),
        ("a.png", photo("PNG"), "photo", "image/png"),
        ("IMG_1.HEIC", HEIC, "photo", "image/heic"),
        ("a.txt", "巡逻记录".encode(), "document", "text/plain"),
        ("a.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "document", "application/pdf"),
        ("a.dav", b"\x01\x02\x03" * 500, "unknown", "video/x-dahua"),
        ("._a.mp4", b"\x00\x05\x16\x07" + b"\x00" * 60, "unknown", "application/octet-stream"),
        ("Thumbs.db", b"\x00\x01\x02" * 500, "unknown", "application/octet-stream"),
        ("a", b"\x00\x01\x02" * 500, "unknown", "application/octet-stream"),
    ],
)
def test_any_other_file_is_what_it_is(tmp_path: Path, name: str, content: bytes, kind: str, media_type: str) -> None:
    """Photos and texts by their content; what nobody knows is known by its ending, or by nothing."""
    assert (kind, media_type) == looked(tmp_path, name, content)


def test_a_photo_tells_when_it_was_taken(tmp_path: Path) -> None:
    """Whenever it was copied; a time without a zone is that of a camera in China."""
    midnight, copied = datetime(2026, 11, 29, 0, 0, 5, tzinfo=UTC), datetime(2026, 11, 29, 9, tzinfo=UTC)
    for name, exif, start in (
        ("zoned.jpg", {"taken": "2026:11:29 01:00:05", "zone": "+01:00"}, Start(midnight, "metadata")),
        ("local.jpg", {"taken": "2026:11:29 08:00:05"}, Start(midnight, "metadata")),
        ("silent.jpg", {}, Start(copied, "file_time")),
    ):
        (tmp_path / name).write_bytes(photo(**exif))
        media = look(tmp_path / name, LONGEST)
        assert start == start_of(media, name, copied.timestamp(), offset=timedelta(), latest=copied), name
