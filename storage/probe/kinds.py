"""What a file is, by its content: a photo, a document, or perhaps a film; and what of it a browser plays.

The name of a file says nothing here: a JPEG named .mp4 is a photo.
"""

import re
from typing import Literal

Kind = Literal["video", "audio", "photo", "document", "unknown"]
HEAD = 4096  # bytes that tell a photo or a document

PHOTOS = (
    (b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"), (b"MM\x00*", "tiff"),
)  # fmt: skip
PHOTO_BRANDS = {
    b"heic": "heic", b"heix": "heic", b"heim": "heic", b"heis": "heic", b"mif1": "heic", b"avif": "avif",
}  # fmt: skip
DOCUMENTS = (
    (b"%PDF-", "pdf"), (b"{\\rtf", "rtf"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"), (b"PK\x03\x04", "zip"),
)  # fmt: skip
NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

# FFmpeg's formats of films and sounds. No other is opened: a playlist or a script could name files elsewhere.
FORMATS = (
    "mov,matroska,webm,mpegts,mpeg,avi,flv,live_flv,asf,h264,hevc,vvc,m4v,h263,mpegvideo,mjpeg,dhav,ivf,obu,av1,mxf,dv,"
    "rm,nut,vc1,wav,w64,aiff,au,caf,amr,amrnb,amrwb,aac,mp3,ac3,eac3,ogg,flac,gsm,g722,alaw,mulaw"
)

# What Chromium was seen to play (docs/media.md). A film plays if all its tracks do.
BROWSER_CODECS = {
    "mp4": {"h264", "vp9", "av1", "aac", "mp3", "opus", "flac", "pcm_alaw", "pcm_mulaw", "pcm_s16le"},
    "matroska": {"h264", "vp8", "vp9", "av1", "aac", "mp3", "opus", "vorbis", "flac", "pcm_alaw", "pcm_mulaw",
                 "pcm_s16le"},
    "webm": {"vp8", "vp9", "av1", "opus", "vorbis"},
    "ogg": {"opus", "vorbis", "flac"},
    "wav": {"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_alaw", "pcm_mulaw"},
    "mp3": {"mp3"}, "flac": {"flac"}, "aac": {"aac"},
}  # fmt: skip
BROWSER_PHOTOS = {"jpeg", "png", "gif", "webp", "avif", "bmp"}


def photo(head: bytes) -> str | None:
    """The common name of the photo's format; None: it is no photo."""
    for start, name in PHOTOS:
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "bmp"
    return PHOTO_BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None


def document(head: bytes) -> str | None:
    """The common name of the document's format; None: it is no document that is known here."""
    for start, name in DOCUMENTS:
        if head.startswith(start):
            return name
    return "text" if head and _is_text(head) else None


def _is_text(head: bytes) -> bool:
    if NO_TEXT.search(head):
        return False
    for encoding in ("utf-8", "gb18030"):
        try:
            head[: len(head) - 3 if len(head) == HEAD else None].decode(encoding)
        except UnicodeDecodeError as error:
            if error.end < len(head) - 4:
                continue
        return True
    return False


def plays_in_browser(container: str, codecs: list[str]) -> bool:
    """Whether a browser plays every track of a film in this container as it is."""
    played = BROWSER_CODECS.get(container, set())
    return bool(codecs) and all(codec in played for codec in codecs)
