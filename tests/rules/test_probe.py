"""Reading the output of the probing child, however the child ended."""

import json
import os

import msgspec
import pytest

from backend.evidence.probing import Probe
from storage.probe import serving
from storage.probe.serving import parse_answer

FILM = b'{"media": true, "duration_ms": 10000, "codec": "h264"}\n'
ANSWER = {"media": True, "duration_ms": 10000, "codec": "h264"}


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        pytest.param(b"", {"media": False}, id="nothing"),
        pytest.param(FILM[:-9], {"media": False}, id="half-a-line"),
        pytest.param(b"[1]\n", {"media": False}, id="no-object"),
        pytest.param(FILM, ANSWER, id="no-picture"),
        pytest.param(FILM + b'{"poster": "abcd', ANSWER, id="killed-at-the-picture"),
        pytest.param(FILM + b'{"poster": "abcd"}\n', ANSWER | {"poster": "abcd"}, id="all"),
        pytest.param(FILM + b'{"duration_ms": 1}\n', ANSWER, id="another-length-later"),
        pytest.param(FILM + b'{}\n{"poster": "abcd"}\n', ANSWER, id="a-third-line"),
        pytest.param(FILM + b"garbage\n", ANSWER, id="no-json"),
        pytest.param(FILM + b"\xff\n", ANSWER, id="no-text"),
        pytest.param(FILM + b"null\n", ANSWER, id="null"),
        pytest.param(FILM + b'{"poster": 5}\n', ANSWER, id="a-picture-that-is-a-number"),
        pytest.param(FILM + b'{"poster": "abc"}\n', ANSWER, id="a-picture-that-is-no-base64"),
    ],
)
def test_the_first_line_stands_whatever_follows(written: bytes, answer: dict[str, object]) -> None:
    """Decoding a picture may kill or capture the child; it wrote the duration before."""
    assert answer == parse_answer(written)


@pytest.mark.parametrize(
    "other",
    [
        {"text": "FJ:" + 400 * "A", "at_ms": 0, "frame": 0},
        {"text": "FJ:A", "at_ms": 400 * 86_400_000, "frame": 0},
        {"text": "FJ:A", "at_ms": 0, "frame": 2**60},
        {"text": "FJ:A", "at_ms": -1, "frame": 0},
        "FJ:A",
    ],
)
def test_what_somebody_holds_before_a_camera_costs_no_film_its_answer(other: object) -> None:
    """A poster with a QR that is no time code would make the whole answer unreadable: then the film proves nothing."""
    code = {"text": "FJ:A", "at_ms": 1000, "frame": 10}
    written = FILM + b"{}\n" + json.dumps({"codes": [other, code] + 99 * [code]}).encode() + b"\n"
    probe = msgspec.json.decode(json.dumps(parse_answer(written)), type=Probe)
    assert (True, 10_000, 64) == (probe.media, probe.duration_ms, len(probe.codes))


def test_a_picture_that_takes_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child hangs after its first line: that line is read all the same."""
    monkeypatch.setattr(serving, "PICTURE_SECONDS", 0.2)
    reading, writing = os.pipe()
    os.write(writing, FILM + b'{"poster": "ab')
    assert ANSWER == parse_answer(serving._read_answer(reading))
    os.close(reading)
    os.close(writing)
