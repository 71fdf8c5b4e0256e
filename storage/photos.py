"""Photos: when and how a picture was taken, as its EXIF says, and the picture itself, turned as it was held.

Guarantees: called in a child process with limited memory and time (a picture may be made to harm). No format is opened
but those of photos, and none whose pixels would not fit into memory. What cannot be read is None or empty, never an
error of the library.

Pillow reads JPEG, PNG, WebP, GIF, BMP and TIFF, and with libheif (pi-heif, which only decodes) HEIC as phones make it:
many tiles, turned by the container. EXIF: CIPA DC-008.
"""

import io
import re
import warnings
from typing import Any

import msgspec
import pi_heif
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
MOST_PIXELS = 250_000_000
EXIF_IFD, ORIENTATION, DATE_TIME = 0x8769, 0x0112, 0x0132
TIMES = ((0x9003, 0x9011, 0x9291), (0x9004, 0x9012, 0x9292))  # taken, digitised: the time, its zone, parts of a second
WRITTEN = (DATE_TIME, 0x9010, 0x9290)
TIME = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
ZONE = re.compile(r"[+-]\d\d:\d\d")
JPEG_QUALITY = 82
UNREADABLE = (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, EOFError, AttributeError,
              ArithmeticError, RuntimeError, AssertionError, Image.DecompressionBombError)  # fmt: skip


class Photo(msgspec.Struct, frozen=True, kw_only=True):
    """What a photo says of itself. `format`: its common name, such as jpeg or heic. `width`, `height`: upright.

    `taken`: when, as ISO 8601; with its zone where the camera wrote one, else by the camera's clock alone; None: it
    does not say. `orientation`: how it was held, 1 to 8 as EXIF counts; 1: upright, or turned by its container.
    """

    format: str
    width: int
    height: int
    taken: str | None = None
    orientation: int = 1


def read_photo(file: Any) -> Photo | None:
    """What the photo says; None: it is no photo that can be opened. The picture itself is not decoded."""
    try:
        with _opened(file) as image:
            exif = image.getexif()
            orientation = _orientation(exif)
            width, height = image.size if orientation < 5 else image.size[::-1]
            name = {"MPO": "jpeg", "HEIF": "heic"}.get(image.format or "", (image.format or "").lower())
            return Photo(format=name, width=width, height=height, taken=_taken(exif), orientation=orientation)
    except UNREADABLE:
        return None


def tags_of(file: Any) -> dict[str, str]:
    """The texts of a photo that tell when and how it was taken: DateTimeOriginal, as ISO 8601, and Orientation."""
    photo = read_photo(file)
    if photo is None:
        return {}
    taken = {} if photo.taken is None else {"DateTimeOriginal": photo.taken}
    return taken | {"Orientation": str(photo.orientation)}


def upright_jpeg(file: Any, longest: int) -> bytes | None:
    """The picture as a JPEG, upright, at most `longest` pixels on its longer side, without its EXIF (where it was taken
    and with what). None where it cannot be decoded."""
    try:
        with _opened(file) as image:
            image.draft("RGB", (longest, longest))
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((longest, longest))
            picture = Image.new("RGB", upright.size, "white")
            seen = upright.convert("RGBA") if upright.mode in ("RGBA", "LA", "PA", "P") else upright.convert("RGB")
            picture.paste(seen, mask=seen if seen.mode == "RGBA" else None)
            encoded = io.BytesIO()
            picture.save(encoded, "JPEG", quality=JPEG_QUALITY)
            return encoded.getvalue()
    except UNREADABLE:
        return None


def _opened(file: Any) -> Image.Image:
    file.seek(0)
    warnings.simplefilter("ignore")  # of a damaged EXIF, onto a person's terminal
    pi_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # the library warns from here on, and refuses at twice as many
    return Image.open(file, formats=FORMATS)


def _orientation(exif: Image.Exif) -> int:
    told = exif.get(ORIENTATION, 1)
    return told if isinstance(told, int) and 1 <= told <= 8 else 1


def _taken(exif: Image.Exif) -> str | None:
    """When the photo was taken, else digitised, else last written."""
    inner = exif.get_ifd(EXIF_IFD)
    for time, zone, part in TIMES:
        if found := _moment(inner.get(time), inner.get(zone), inner.get(part)):
            return found
    return _moment(exif.get(WRITTEN[0]), inner.get(WRITTEN[1]), inner.get(WRITTEN[2]))


def _moment(time: object, zone: object, part: object) -> str | None:
    """EXIF's time, zone and parts of a second as one text; None where there is no time. Pure."""
    match = TIME.match(time.strip("\x00 ")) if isinstance(time, str) else None
    if match is None or match[1] == "0000":
        return None
    digits = part.strip("\x00 ") if isinstance(part, str) else ""
    seconds = f"{match[4]}.{digits[:6]}" if digits.isdecimal() and digits.isascii() else match[4]
    offset = zone.strip("\x00 ") if isinstance(zone, str) else ""
    return f"{match[1]}-{match[2]}-{match[3]}T{seconds}{offset if ZONE.fullmatch(offset) else ''}"
