"""Whether the bytes of a frame can be a frame, without decoding it. Pure.

Zeros are none: a disk or a card lost what stood there. Of H.264 and HEVC in MP4, each unit says its length, and the
lengths end where the frame ends: noise and ciphers do not.
"""

H264, HEVC = "h264", "hevc"
UNCOMPRESSED = "pcm_"


def nal_length(codec: str, extradata: bytes | None) -> int | None:
    """How many bytes tell the length of a unit, by the decoder's configuration (avcC, hvcC); 0: anything is possible;
    None: zeros are content."""
    if codec.startswith(UNCOMPRESSED) or codec == "rawvideo":
        return None
    if not extradata or extradata[0] != 1:
        return 0
    if codec == H264 and len(extradata) > 6:
        return (extradata[4] & 3) + 1
    return (extradata[21] & 3) + 1 if codec == HEVC and len(extradata) > 22 else 0


def can_be(content: bytes, length: int | None) -> bool:
    """Whether this can be the content of a frame. `length`: see nal_length."""
    if length is None:
        return True
    if not any(content):
        return False
    return length == 0 or _are_units(content, length)


def _are_units(content: bytes, length: int) -> bool:
    at = 0
    while at + length < len(content):
        size = int.from_bytes(content[at : at + length])
        if size == 0 or content[at + length] & 0x80:
            return False
        at += length + size
    return at == len(content)
