"""The media type of a file by its first bytes, whatever its name says. Pure.

A name is what somebody gave; a player that trusts `nosniff` needs what the file is.
"""

UNKNOWN = "application/octet-stream"
HEAD_BYTES = 2048  # as many of the first bytes as `media_type_of` looks at
PACKET_SIZES = (188, 192, 204)  # of a transport stream: plain, with a time stamp before it (MTS), with check bytes
STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"FLV\x01", "video/x-flv"),
    (b"OggS", "application/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"#!AMR-WB\n", "audio/amr-wb"),
    (b"#!AMR\n", "audio/amr"),
    (b"DHAV", "video/x-dahua"),
    (b"\x00\x00\x01\xba", "video/mp2p"),
    (b"\x00\x00\x01\xb3", "video/mpeg"),
)
RIFF = {b"AVI ": "video/x-msvideo", b"WAVE": "audio/wav", b"WEBP": "image/webp"}
BRANDS = {  # of ISO base media files; any other brand is a film in MP4
    b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4", b"heic": "image/heic",
    b"heix": "image/heic", b"mif1": "image/heif", b"msf1": "image/heif", b"avif": "image/avif",
    b"3gp4": "video/3gpp", b"3gp5": "video/3gpp", b"3gp6": "video/3gpp",
}  # fmt: skip
QUICKTIME_STARTS = (b"moov", b"mdat", b"wide", b"free", b"skip")


def media_type_of(head: bytes) -> str:
    """The media type of a file that begins with `head`; `application/octet-stream` where it is none that we know."""
    return (
        next((media_type for start, media_type in STARTS if head.startswith(start)), None)
        or _boxed(head)
        or _riff(head)
        or _matroska(head)
        or _hikvision(head)
        or _stream(head)
        or UNKNOWN
    )


def _boxed(head: bytes) -> str | None:
    """Of MP4 and its relatives."""
    if head[4:8] == b"ftyp":
        return BRANDS.get(head[8:12], "video/mp4")
    return "video/quicktime" if head[4:8] in QUICKTIME_STARTS else None


def _riff(head: bytes) -> str | None:
    return RIFF.get(head[8:12]) if head.startswith(b"RIFF") else None


def _matroska(head: bytes) -> str | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    return "video/webm" if b"webm" in head[:64] else "video/x-matroska"


def _hikvision(head: bytes) -> str | None:
    """Of a program stream behind the maker's forty bytes, as some recorders write it into a file named .mp4."""
    return "video/mp2p" if head.startswith(b"IMKH") else None


def _stream(head: bytes) -> str | None:
    """Of streams without a head: a transport stream, and MPEG sound."""
    for size in PACKET_SIZES:
        first = size - 188 if size == 192 else 0
        beats = head[first::size]
        if len(beats) >= 4 and set(beats[:-1]) == {0x47}:
            return "video/mp2t"
    if len(head) > 4 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    return "audio/mpeg" if len(head) > 4 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 else None
