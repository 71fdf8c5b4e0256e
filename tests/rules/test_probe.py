"""What is made of the lines that the child which looks into a file wrote before it ended, however it ended."""

import os

import pytest

from storage import probe
from storage.probe import understood

FILM = b'{"media": true, "duration_ms": 10000, "codec": "h264"}\n'


TOLD = {"media": True, "duration_ms": 10000, "codec": "h264"}


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        pytest.param(b"", {"media": False}, id="nothing"),
        pytest.param(FILM[:-9], {"media": False}, id="half-a-line"),
        pytest.param(b"[1]\n", {"media": False}, id="no-object"),
        pytest.param(FILM, TOLD, id="no-picture"),
        pytest.param(FILM + b'{"poster": "abcd', TOLD, id="killed-at-the-picture"),
        pytest.param(FILM + b'{"poster": "abcd"}\n', TOLD | {"poster": "abcd"}, id="all"),
        pytest.param(FILM + b'{"duration_ms": 1}\n', TOLD, id="another-length-later"),
        pytest.param(FILM + b'{}\n{"poster": "abcd"}\n', TOLD, id="a-third-line"),
        pytest.param(FILM + b"garbage\n", TOLD, id="no-json"),
        pytest.param(FILM + b"\xff\n", TOLD, id="no-text"),
        pytest.param(FILM + b"null\n", TOLD, id="null"),
        pytest.param(FILM + b'{"poster": 5}\n', TOLD, id="a-picture-that-is-a-number"),
        pytest.param(FILM + b'{"poster": "abc"}\n', TOLD, id="a-picture-that-is-no-base64"),
    ],
)
def test_what_was_told_first_stands(told: bytes, seen: dict[str, object]) -> None:
    """Decoding a picture may kill or capture the child: how long the film lasts was told before."""
    assert seen == understood(told)


def test_a_picture_that_takes_too_long_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child neither ends nor writes on: what it told first is there all the same."""
    monkeypatch.setattr(probe, "PICTURE_SECONDS", 0.2)
    reading, writing = os.pipe()
    os.write(writing, FILM + b'{"poster": "ab')
    assert TOLD == understood(probe._told(reading))
    os.close(reading)
    os.close(writing)
