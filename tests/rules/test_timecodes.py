"""Time codes: their text, whose signature counts, what a code that was filmed proves. No database."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from backend.core.keys import KeyRing
from backend.evidence.starts import timecodes
from backend.evidence.starts.timecodes import ALPHABET, CodeFacts, Sighting, judge_code
from mobile_api.client.device_key import DeviceKey
from mobile_api.client.timecodes import NoServerTime, ServerTime, sign
from storage.timecode_search import search
from tests.films_with_codes import film_showing

LIN, AT = uuid4(), datetime(2026, 11, 29, 3, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1)).map(
    lambda at: at.replace(tzinfo=UTC, microsecond=at.microsecond // 1000 * 1000)
)


@given(MOMENTS, st.uuids(), st.none() | st.uuids(), st.binary(min_size=9, max_size=9), st.integers(0, 2**32 - 1))
def test_a_code_says_what_was_written(at: datetime, wearer: UUID, shift: UUID | None, mark: bytes, age: int) -> None:
    """For any content; a QR of 45 modules holds it in the alphanumeric mode, ASCII alone."""
    content = timecodes.payload(timecodes.DEVICE, at, wearer, shift, mark, timedelta(seconds=age))
    text = timecodes.text_of(content, bytes(64))
    read = timecodes.read(text)
    assert read is not None
    told = None if shift == timecodes.NO_SHIFT else shift
    assert (at, wearer, told, mark, timedelta(seconds=age)) == (read.at, read.wearer, read.shift, read.mark, read.age)
    assert set(text.removeprefix("FJ")) <= set(ALPHABET)
    assert "7-M" == segno.make(text, error="m", boost_error=False).designator


@given(st.text(max_size=200) | st.text(ALPHABET, max_size=180).map(lambda text: f"FJ:{text}"))
def test_other_texts_are_no_code(text: str) -> None:
    """Whatever a QR in the picture says, it breaks nothing; a part of a code is none."""
    code = timecodes.read(text)
    assert code is None or len(code.signature) == timecodes.SIGNATURE
    whole = timecodes.text_of(timecodes.payload(1, AT, LIN, None, bytes(9)), bytes(64))
    assert timecodes.read(whole) is not None
    assert timecodes.read(whole[:-1]) is None
    assert timecodes.read(whole.replace("FJ:", "XX:")) is None


def test_only_the_key_that_made_it_counts(tmp_path: Path) -> None:
    """The newest signs, all verify; another deployment's does not, nor one byte that was changed."""
    ours, theirs = KeyRing(tmp_path / "a", "evidence"), KeyRing(tmp_path / "b", "evidence")
    mark, signature = ours.mark(9), ours.sign_bytes(b"content")
    ours.rotate()
    assert ours.made(mark, b"content", signature)
    assert mark != ours.mark(9)
    assert not ours.made(mark, b"Content", signature)
    assert not ours.made(mark, b"content", theirs.sign_bytes(b"content"))
    assert not theirs.made(theirs.mark(9), b"content", signature)


# -- what it proves


def standing(facts: dict[str, Any], **code: Any) -> str:
    """Of a code that is seen a second into a film of Lin's."""
    told = {"version": 1, "at": AT, "wearer": LIN, "shift": None, "mark": b"", "age": timedelta(), "signed": b""} | code
    seen = Sighting(timecodes.Timecode(**told), "text", SECOND, 10)
    known = {"signed": True, "revoked": False, "wearer": LIN, "had_by": AT + HOUR}
    return judge_code(seen, CodeFacts(**(known | facts)), stale=72 * HOUR, tolerance=120 * SECOND)


@pytest.mark.parametrize(
    ("facts", "code", "expected"),
    [
        ({}, {}, "proves"),
        ({"offset": 3 * HOUR}, {}, "proves"),  # a camera that was never compared
        ({"signed": False, "revoked": True}, {}, "timecode_forged"),
        ({"revoked": True}, {}, "timecode_revoked"),
        ({"wearer": uuid4()}, {}, "timecode_of_another"),
        ({"had_by": AT - HOUR}, {}, "timecode_ahead"),
        ({}, {"version": 2, "age": 71 * HOUR}, "proves"),
        ({}, {"version": 2, "age": 73 * HOUR}, "timecode_stale"),
        ({"offset": 3 * HOUR, "proved_offset": 3 * HOUR + 90 * SECOND}, {}, "proves"),  # it drifted
        ({"offset": SECOND, "proved_offset": 3 * HOUR}, {}, "proves"),  # it was put right
        ({"offset": 3 * HOUR, "proved_offset": SECOND, "told_offset": 3 * HOUR}, {}, "proves"),  # and that was told
        ({"offset": 3 * HOUR, "proved_offset": SECOND}, {}, "timecode_contested"),
        ({"offset": 3 * HOUR, "proved_offset": SECOND, "clock_in_doubt": True}, {}, "proves"),  # it was reset
        ({"offset": HOUR, "seen_elsewhere": True, "elsewhere": HOUR}, {}, "proves"),  # one film in two files
        ({"offset": 3 * HOUR, "seen_elsewhere": True, "elsewhere": SECOND}, {}, "timecode_replayed"),
        ({"offset": None, "seen_elsewhere": True, "elsewhere": SECOND}, {}, "timecode_replayed"),
        ({"offset": SECOND, "seen_elsewhere": True, "elsewhere": None}, {}, "timecode_replayed"),
    ],
)
def test_a_code_proves_only_what_it_can(facts: dict[str, Any], code: dict[str, Any], expected: str) -> None:
    """A picture can be filmed again: its wearer, its time and the camera's own clock must speak for it."""
    assert expected == standing(facts, **code)


# -- where it is found


CODE = timecodes.text_of(timecodes.payload(1, AT, LIN, None, bytes(range(9))), bytes(range(64)))


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "libx264"), ("mpegts", "libx264"), ("avi", "mpeg4"), ("matroska", "libx264")]
)
def test_a_code_is_found_in_whatever_recorders_write(container: str, codec: str) -> None:
    """At the frame where it is first seen, or a few later."""
    (found,) = search(io.BytesIO(film_showing(CODE, container=container, codec=codec)))
    assert (CODE, True) == (found["text"], 1000 <= found["at_ms"] <= 1400)
    assert found["at_ms"] == 100 * found["frame"]


def test_the_last_minute_is_searched_too_and_nothing_between() -> None:
    """Three minutes of one picture a second."""
    (found,) = search(io.BytesIO(film_showing(CODE, seconds=180, at=170, rate=1)))
    assert (CODE, 170, 170_000) == (found["text"], found["frame"], found["at_ms"])
    between = film_showing(CODE, seconds=180, at=70, until=100, rate=1)
    assert [] == search(io.BytesIO(between))


@pytest.mark.parametrize("gop", [5, 10, 250])
def test_a_long_film_is_searched_by_its_key_frames(gop: int) -> None:
    """A code that is shown for three seconds at its beginning, and another at its end: both are found."""
    other = timecodes.text_of(timecodes.payload(1, AT, LIN, None, bytes(9)), bytes(64))
    film = film_showing(CODE, seconds=100, at=4, until=7, then=(other, 95), rate=5, gop=gop)
    found = search(io.BytesIO(film))
    assert [CODE, other] == [each["text"] for each in found]
    assert 4000 <= found[0]["at_ms"] <= 6000
    assert 95_000 <= found[1]["at_ms"] <= 97_000


def test_other_pictures_are_not_kept() -> None:
    """A bystander's QR may say something about them. What is no film breaks nothing."""
    assert [] == search(io.BytesIO(film_showing("HTTPS://EXAMPLE.TEST/13800138000")))
    assert [] == search(io.BytesIO(film_showing(None)))
    assert [] == search(io.BytesIO(b"no film"))
    assert [] == search(io.BytesIO(film_showing(CODE)[:2000]))


# -- a device's own


def test_a_device_that_never_heard_its_server_makes_none(tmp_path: Path) -> None:
    """It could only tell its own clock."""
    with pytest.raises(NoServerTime):
        sign(DeviceKey(), tmp_path / "none")


def test_a_device_goes_on_from_the_servers_time_that_it_heard() -> None:
    """Its own clock is an hour fast; the code tells the server's time, and how old that is."""
    heard = ServerTime(server=AT, device=AT + HOUR, wearer=LIN)
    code = timecodes.read(heard.code(DeviceKey(), AT + HOUR + 90 * SECOND))
    assert code is not None
    assert (AT + 90 * SECOND, 90 * SECOND, LIN, timecodes.DEVICE) == (code.at, code.age, code.wearer, code.version)
