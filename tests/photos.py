"""Photos as cameras and phones make them, small; the left half blue and the right half red before they are turned."""

import io
from base64 import b64decode
from typing import Any

from PIL import Image

BLUE, RED = (30, 30, 200), (200, 30, 30)
WIDTH, HEIGHT = 64, 32
ORIENTATION, EXIF_IFD = 0x0112, 0x8769
TAKEN, ZONE, PART, WRITTEN = 0x9003, 0x9011, 0x9291, 0x0132
# 64 by 32 in HEVC, as a phone makes it, with the EXIF of 2026-11-29 08:00:05 +08:00; nothing here encodes HEIC.
HEIC = b64decode("""
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAb5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAAAERA
AAIAAQAAAAAB4gABAAAAAAAAAEAAAgAAAAACIgABAAAAAAAAAF4AAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQAC
AABFeGlmAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAA
AAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaA
AAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAIAAAAAEAAAAAAAAAAv///+AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAA
AAAAAAEAAQWBAgMFhAAAABppcmVmAAAAAAAAAA5jZHNjAAIAAQABAAAApm1kYXQAAAA8KAGvWOb06r//8QD5H5T0/+jy/V/9Kvr/uMPr+ngVaV9tHbPI
wkdyrBEyUFv39uIPBQjPAjeMOEgu9FrAAAAABkV4aWYAAE1NACoAAAAIAAGHaQAEAAAAAQAAABoAAAAAAAKQAwACAAAAFAAAADiQEQACAAAABwAAAEwA
AAAAMjAyNjoxMToyOSAwODowMDowNQArMDg6MDAAAA==
""")


def photo(form: str = "JPEG", *, orientation: int | None = None, **exif: Any) -> bytes:
    """A photo in this format. `taken`, `zone`, `part`, `written`: EXIF's times; `orientation`: how it was held."""
    image = Image.new("RGB", (WIDTH, HEIGHT), RED)
    image.paste(BLUE, (0, 0, WIDTH // 2, HEIGHT))
    said = Image.Exif()
    said[0x010F] = "Maker"
    if orientation is not None:
        said[ORIENTATION] = orientation
    if "written" in exif:
        said[WRITTEN] = exif["written"]
    inner = said.get_ifd(EXIF_IFD)
    for name, tag in (("taken", TAKEN), ("zone", ZONE), ("part", PART)):
        if name in exif:
            inner[tag] = exif[name]
    encoded = io.BytesIO()
    image.save(encoded, form, exif=said)
    return encoded.getvalue()
