"""When and how a photo was taken, and the picture turned as it was held. Hostile ones are no photos."""

import io
import random

import pytest
from PIL import Image

from storage import photos
from storage.photos import Photo, read_photo, tags_of, upright_jpeg
from tests.photos import BLUE, HEIC, HEIGHT, RED, WIDTH, photo


def read(content: bytes) -> Photo | None:
    return read_photo(io.BytesIO(content))


@pytest.mark.parametrize(
    ("form", "name"),
    [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tiff"), ("GIF", "gif"), ("BMP", "bmp")],
)
def test_every_kind_of_photo_is_known_by_its_common_name(form: str, name: str) -> None:
    assert Photo(format=name, width=WIDTH, height=HEIGHT) == read(photo(form))


@pytest.mark.parametrize(
    ("exif", "taken"),
    [
        ({"taken": "2026:11:29 08:00:05", "zone": "+08:00"}, "2026-11-29T08:00:05+08:00"),
        ({"taken": "2026:11:29 08:00:05", "zone": "+08:00", "part": "250"}, "2026-11-29T08:00:05.250+08:00"),
        ({"taken": "2026:11:29 08:00:05"}, "2026-11-29T08:00:05"),
        ({"written": "2026:11:29 08:00:05"}, "2026-11-29T08:00:05"),
        ({"taken": "2026:11:29 08:00:05", "written": "2027:01:01 00:00:00"}, "2026-11-29T08:00:05"),
        ({"taken": "2026:11:29 08:00:05", "zone": "local", "part": "?"}, "2026-11-29T08:00:05"),
        ({"taken": "0000:00:00 00:00:00"}, None),
        ({"taken": "yesterday"}, None),
        ({"taken": ""}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_photo_says_when_it_was_taken(form: str, exif: dict[str, str], taken: str | None) -> None:
    """With its zone where the camera wrote one; what it says of a later change counts only where there is no other."""
    found = read(photo(form, **exif))
    assert found is not None
    assert taken == found.taken


def test_a_phones_heic_is_read_too() -> None:
    assert Photo(format="heic", width=64, height=32, taken="2026-11-29T08:00:05+08:00") == read(HEIC)
    assert {"DateTimeOriginal": "2026-11-29T08:00:05+08:00", "Orientation": "1"} == tags_of(io.BytesIO(HEIC))


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(left - right) < 40 for left, right in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("orientation", "size", "first", "last"),
    [(1, (64, 32), BLUE, RED), (3, (64, 32), RED, BLUE), (6, (32, 64), BLUE, RED), (8, (32, 64), RED, BLUE),
     (99, (64, 32), BLUE, RED)],
)  # fmt: skip
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_as_it_was_held(
    form: str, orientation: int, size: tuple[int, int], first: tuple[int, ...], last: tuple[int, ...]
) -> None:
    """And keeps nothing of where and by what it was taken."""
    content = photo(form, orientation=orientation, taken="2026:11:29 08:00:05")
    turned = upright_jpeg(io.BytesIO(content), 480)
    assert turned is not None
    with Image.open(io.BytesIO(turned)) as picture:
        pixels = picture.convert("RGB")
        assert size == picture.size
        assert {} == dict(picture.getexif())
        assert near(first, pixels.getpixel((4, 4)))
        assert near(last, pixels.getpixel((size[0] - 5, size[1] - 5)))
    found = read(content)
    assert found is not None
    assert size == (found.width, found.height)


def test_a_heic_becomes_a_picture_that_every_browser_shows() -> None:
    shown = upright_jpeg(io.BytesIO(HEIC), 480)
    assert shown is not None
    with Image.open(io.BytesIO(shown)) as picture:
        assert ("JPEG", (64, 32)) == (picture.format, picture.size)
        assert near(BLUE, picture.getpixel((8, 16)))


def test_a_picture_is_made_no_larger_than_asked() -> None:
    small = upright_jpeg(io.BytesIO(photo()), 16)
    assert small is not None
    with Image.open(io.BytesIO(small)) as picture:
        assert (16, 8) == picture.size


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"no photo " * 500, HEIC[:100]])
def test_what_is_no_photo_is_none(content: bytes) -> None:
    """A library's error never comes out: not its AssertionError either."""
    assert read(content) is None
    assert upright_jpeg(io.BytesIO(content), 480) is None
    assert {} == tags_of(io.BytesIO(content))


@pytest.mark.parametrize(
    "content", [photo(taken="2026:11:29 08:00:05"), photo("PNG"), photo("WEBP"), photo("TIFF"), HEIC]
)
def test_damaged_photos_end_in_none_or_a_photo(content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """Bytes changed and cut at random: no error, and no warning of the library on a terminal."""
    chance = random.Random(7)  # noqa: S311
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        cut = bytes(damaged[: chance.randrange(1, len(damaged) + 1)])
        for some in (bytes(damaged), cut):
            found = read(some)
            assert found is None or found.width > 0
            upright_jpeg(io.BytesIO(some), 480)
    assert ("", "") == capfd.readouterr()


def test_a_picture_too_large_for_memory_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes may claim billions of pixels."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # what is set here goes again
    monkeypatch.setattr(photos, "MOST_PIXELS", WIDTH * HEIGHT // 2)
    assert upright_jpeg(io.BytesIO(photo()), 480) is None
