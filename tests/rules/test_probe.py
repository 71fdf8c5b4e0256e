"""What is made of the lines that the child which looks into a file wrote before it ended, however it ended."""

import pytest

from backend.evidence.probe import understood

FILM = b'{"media": true, "duration_ms": 10000, "codec": "h264"}\n'


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (b"", {"media": False}),
        (FILM[:-9], {"media": False}),
        (FILM, {"media": True, "duration_ms": 10000, "codec": "h264"}),
        (FILM + b'{"poster": "abc', {"media": True, "duration_ms": 10000, "codec": "h264"}),
        (FILM + b'{"poster": "abc"}\n', {"media": True, "duration_ms": 10000, "codec": "h264", "poster": "abc"}),
        (FILM + b'{"duration_ms": 1}\n', {"media": True, "duration_ms": 10000, "codec": "h264"}),
        (FILM + b"{}\n" + b'{"poster": "abc"}\n', {"media": True, "duration_ms": 10000, "codec": "h264"}),
    ],
    ids=[
        "nothing",
        "half-a-line",
        "no-picture",
        "killed-at-the-picture",
        "all",
        "another-length-later",
        "a-third-line",
    ],
)
def test_what_was_told_first_stands(told: bytes, seen: dict[str, object]) -> None:
    """Decoding a picture may kill or capture the child: how long the film lasts was told before."""
    assert seen == understood(told)
