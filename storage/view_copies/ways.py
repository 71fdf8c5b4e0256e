"""How a film can be watched in a browser, by what is in it. Pure.

as_is: its own bytes play. remux: its packets play from another container. transcode: they must be encoded anew.
none: nothing in it can be decoded here.
"""

from typing import Any, Literal

Way = Literal["as_is", "remux", "transcode", "none"]
MP4, MATROSKA = "mov", "matroska"
# What browsers play, by container: pictures, sounds. `None`: it has none.
PLAYED: dict[str, tuple[set[str | None], set[str | None]]] = {
    MP4: ({"h264", "vp9", "av1", None}, {"aac", "mp3", "opus", "flac", None}),
    MATROSKA: ({"vp8", "vp9", "av1", None}, {"opus", "vorbis", None}),
    "wav": ({None}, {"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_alaw", "pcm_mulaw"}),
    "mp3": ({None}, {"mp3"}),
    "aac": ({None}, {"aac"}),
    "flac": ({None}, {"flac"}),
    "ogg": ({None, "vp8"}, {"opus", "vorbis", "flac"}),
}
NOTHING: tuple[set[str | None], set[str | None]] = (set(), set())
COPIED_PICTURE, COPIED_SOUND = "h264", "aac"  # what MP4 takes as it is, and every browser plays from there
WITHOUT_CLOCK = {"h264", "hevc"}  # bare streams: no packet says when it is shown
STILLS = {"mjpeg", "png", "bmp", "gif", "webp", "tiff"}
SHOWN_STILLS = {"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"}
STILL_CONTAINERS = ("image2", "_pipe", "gif")


def way_of(look: dict[str, Any]) -> Way:
    """The way by the look of a film: `container`, `fragmented`, and `codec` and `decoded` of `video` and `audio`."""
    video, audio, container = look.get("video"), look.get("audio"), str(look.get("container"))
    if not any(track and track["decoded"] for track in (video, audio)):
        return "none"
    picture, sound = video and video["codec"], audio and audio["codec"]
    pictures, sounds = PLAYED.get(container, NOTHING)
    if picture in pictures and sound in sounds and not (look.get("fragmented") and picture is not None):
        return "as_is"
    if picture in (COPIED_PICTURE, None) and container not in WITHOUT_CLOCK:
        return "remux" if picture or sound == COPIED_SOUND else "transcode"
    if video and not video["decoded"]:
        return "none"  # sound over a frozen picture would tell half of it
    return "transcode"
