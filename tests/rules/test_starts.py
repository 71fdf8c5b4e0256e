"""When footage began: every source of its start, weighed. No I/O."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core.wire import EARLIEST
from backend.evidence.starts.names import stamps
from backend.evidence.starts.readings import CHINA, FileFacts, parsed, readings
from backend.evidence.starts.rules import (
    Circumstances,
    Limits,
    Shift,
    Weighed,
    judge_correction,
    started_at,
    weigh,
)
from mobile_api.cli.probing import probe
from tests.films_with_codes import film_showing
from tests.photos import photo

TEN_MINUTES = 600_000
ELEVEN = datetime(2026, 11, 29, 11, tzinfo=CHINA)
THREE_UTC = "2026-11-29T03:00:00.000000Z"  # the same moment
ELEVEN_AS_UTC = "2026-11-29T11:00:00.000000Z"  # the mistake
BY_DAY = Shift(datetime(2026, 11, 29, 8, tzinfo=CHINA), datetime(2026, 11, 29, 17, tzinfo=CHINA))
STOP = ELEVEN + timedelta(minutes=10)
NEXT_DAY = datetime(2026, 11, 30, 9, tzinfo=CHINA)
NAMED = "DSJ0042_FJ1001_20261129110000_0001.mp4"
APPLE = "com.apple.quicktime.creationdate"


def weighed(
    name: str = "clip.mp4", *, shifts: tuple[Shift, ...] = (), offset: timedelta = timedelta(), **facts: Any
) -> Weighed:
    """A film of ten minutes, weighed the next day."""
    file = FileFacts(name=name, **({"duration_ms": TEN_MINUTES} | facts))
    return weigh(file, Circumstances(latest=NEXT_DAY, shifts=shifts, offset=offset))


@pytest.mark.parametrize(
    "name",
    [
        NAMED, "20261129_110000.mp4", "VID_20261129_110000.mp4", "2026-11-29_11-00-00.mp4", "2026-11-29 11.00.00.mov",
        "2026_11_29_11_00_00.avi", "2026年11月29日11时00分00秒.mp4", "20261129T110000.ts", "20261129-110000.mp4",
        "34020000001320000001_20261129110000.ps", "3402000000132000000120261129110000.ps",
        "34020000001320000001_20261129_110000.dav", "REC20261129110000.mp4",
    ],
)  # fmt: skip
def test_a_name_tells_the_start_in_every_form_that_recorders_write(name: str) -> None:
    """GA/T 947 and its relatives, phones, and platforms that put a device's id of 20 digits before the time."""
    found = weighed(name)
    assert (ELEVEN, "file_name", False, "only_source") == (found.value, found.source, found.doubtful, found.why)


@pytest.mark.parametrize(
    "name",
    ["20261129_110000123.mp4", "20261129_110000_123.mp4", "20261129110000123.mp4", "2026-11-29_11-00-00.123.mp4",
     "3402000000132000000120261129110000123.mp4"],
)  # fmt: skip
def test_milliseconds_behind_a_time_are_read(name: str) -> None:
    """They are no digits too many."""
    assert ELEVEN + timedelta(milliseconds=123) == weighed(name).value


@pytest.mark.parametrize(
    "name",
    ["clip.mp4", "20261129.mp4", "20261399_110000.mp4", "202611291100001.mp4", "A20261129250000.mp4",
     "34020000001320000001.ps", "99999999999999.mp4", "20260230_110000.mp4", "00000000000000.mp4"],
)  # fmt: skip
def test_digits_that_are_no_time_tell_nothing(name: str) -> None:
    """A serial number may be as long; no such day, no such hour."""
    assert [] == stamps(name)
    assert (None, True, "no_time") == (weighed(name).value, weighed(name).doubtful, weighed(name).why)


def test_of_several_times_in_a_name_the_first_is_the_start_unless_others_say_otherwise() -> None:
    """Platforms write start and end into one name; some put the time of the export first."""
    both = "ch01_20261129110000_20261129111000.dav"
    assert (ELEVEN, False) == (weighed(both).value, weighed(both).doubtful)
    exported = "20261129200000_20261129110000.mp4"
    assert ELEVEN == weighed(exported, tags={"creation_time": THREE_UTC}).value


@pytest.mark.parametrize(
    ("tags", "container"),
    [
        ({"creation_time": THREE_UTC}, "mov"), ({"creation_time": "2026-11-29T11:00:00+08:00"}, "mov"),
        ({APPLE: "2026-11-29T11:00:00+0800"}, "mov"), ({"creation_time": "2026-11-29 11:00:00"}, "avi"),
        ({"IDIT": "Sun Nov 29 11:00:00 2026\n"}, "avi"), ({"IDIT": "2026:11:29 11:00:00"}, "avi"),
        ({"creation_time": "2026-11-29 03:00:00"}, "matroska"),
        ({"date": "2026-11-29", "creation_time": "11:00:00"}, "wav"), ({"IDIT": "2026-11-29/ 11:00"}, "avi"),
    ],
)  # fmt: skip
def test_metadata_tell_the_start(tags: dict[str, str], container: str) -> None:
    """In UTC as the container wants it, with their zone as Apple writes it, in local time in AVI and sound files."""
    found = weighed(tags=tags, container=container)
    assert (ELEVEN, "metadata", False) == (found.value, found.source, found.doubtful)


def test_local_time_written_as_utc_is_recognised_by_the_majority() -> None:
    """Name and modification time say eleven, and the container eight hours more: it was local time."""
    found = weighed(NAMED, tags={"creation_time": ELEVEN_AS_UTC}, modified=STOP)
    assert (ELEVEN, False, "local_as_utc") == (found.value, found.doubtful, found.why)
    assert {"as_written", "local_as_utc"} == {each.how for each in found.candidates}


def test_a_photo_whose_exif_names_no_zone_is_of_local_time_by_fujing_probe_too(tmp_path: Path) -> None:
    """As at its sealing: most cameras write no zone."""
    (tmp_path / "IMG_1.jpg").write_bytes(photo(taken="2026:11:28 15:00:00"))
    (found,) = probe([tmp_path / "IMG_1.jpg"])
    assert ("2026-11-28T15:00:00+08:00", "metadata", False) == (
        found.started_at.value, found.started_at.source, found.started_at.doubtful,
    )  # fmt: skip


def test_the_shift_is_a_vote_too() -> None:
    """Eleven lies in the shift, and nineteen hours does not."""
    found = weighed(NAMED, tags={"creation_time": ELEVEN_AS_UTC}, shifts=(BY_DAY,))
    assert (ELEVEN, False, "local_as_utc") == (found.value, found.doubtful, found.why)


@pytest.mark.parametrize(
    "camera",
    [
        pytest.param({"name": "IMG_0042.jpg", "container": "jpeg", "duration_ms": 0,
                      "tags": {"DateTimeOriginal": "2026-11-28T15:00:00"}}, id="exif"),
        pytest.param({"name": "20261128_150000.jpg", "container": "jpeg", "duration_ms": 0}, id="name"),
        pytest.param({"tags": {"creation_time": "2026-11-28T07:00:00Z"}}, id="container"),
    ],
)  # fmt: skip
def test_the_shift_does_not_outvote_a_camera_for_a_copy(camera: dict[str, Any]) -> None:
    """A photo of the day before, copied at eleven while its wearer was on duty, is of the day before."""
    found = weighed(**camera, modified=ELEVEN, shifts=(BY_DAY,))
    assert datetime(2026, 11, 28, 15, tzinfo=CHINA) == found.value
    assert not found.doubtful
    reset = weighed(tags={"creation_time": "2015-01-01T00:03:00Z"}, modified=STOP, shifts=(BY_DAY,))
    assert (ELEVEN, "file_time", True) == (reset.value, reset.source, reset.doubtful)


def test_a_name_in_utc_is_recognised_by_the_majority_too() -> None:
    """The mistake of the other side: container and modification time are right."""
    found = weighed("20261129_030000.mp4", tags={"creation_time": THREE_UTC}, modified=STOP)
    assert (ELEVEN, "metadata", False, "utc_as_local") == (found.value, found.source, found.doubtful, found.why)


def test_eight_hours_without_a_majority_stay_in_doubt() -> None:
    """One against one: the name counts, as most recorders make the other mistake, and a person is asked."""
    found = weighed(NAMED, tags={"creation_time": ELEVEN_AS_UTC})
    assert (ELEVEN, "file_name", True, "sources_disagree") == (found.value, found.source, found.doubtful, found.why)
    assert 2 == len(found.candidates)


def test_phones_that_write_the_stop_are_recognised_by_the_length() -> None:
    """The container's time is that of the stop: ten minutes before it is the start that the name says."""
    found = weighed("VID_20261129_110000.mp4", tags={"creation_time": "2026-11-29T03:10:00Z"})
    assert (ELEVEN, False, "at_the_stop") == (found.value, found.doubtful, found.why)
    alone = weighed(tags={"creation_time": "2026-11-29T03:10:00Z"}, modified=STOP)
    assert (ELEVEN, False) == (alone.value, alone.doubtful)


def test_local_time_of_the_stop_is_recognised_too() -> None:
    """Both mistakes at once."""
    found = weighed(NAMED, tags={"creation_time": "2026-11-29T11:10:00Z"}, shifts=(BY_DAY,))
    assert (ELEVEN, False, "local_as_utc") == (found.value, found.doubtful, found.why)


def test_a_modification_time_alone_is_never_taken_without_a_word() -> None:
    """It may be the time of copying."""
    found = weighed(modified=STOP)
    assert (ELEVEN, "file_time", True, "file_time_alone") == (found.value, found.source, found.doubtful, found.why)


def test_a_copy_made_later_contradicts_nothing() -> None:
    """A copied file has the time of copying; the name counts."""
    found = weighed(NAMED, modified=STOP + timedelta(hours=7, minutes=21))
    assert (ELEVEN, False) == (found.value, found.doubtful)


def test_a_file_older_than_its_content_is_a_contradiction() -> None:
    """Nothing can have been written before it was filmed."""
    assert weighed(NAMED, modified=STOP - timedelta(days=3)).doubtful


def test_disagreement_that_stays_is_told_with_all_candidates() -> None:
    """The name says eleven, the container half past four."""
    found = weighed(NAMED, tags={"creation_time": "2026-11-29T08:30:00Z"})
    assert (True, "sources_disagree") == (found.doubtful, found.why)
    assert {ELEVEN, ELEVEN.replace(hour=16, minute=30)} == {each.at for each in found.candidates}


def test_three_against_one_is_no_doubt() -> None:
    """A container that was never set aside, name, modification time and shift agree."""
    found = weighed(NAMED, tags={"creation_time": "2015-01-01T00:03:00Z"}, modified=STOP, shifts=(BY_DAY,))
    assert (ELEVEN, False, "majority") == (found.value, found.doubtful, found.why)


@pytest.mark.parametrize("year", [2015, 2018])
def test_a_clock_that_was_reset_is_in_doubt(year: int) -> None:
    """A flat clock battery writes 2015 or 2018 everywhere; nobody brings in footage years late."""
    name = f"{year}0101_000300.mp4"
    assert (True, "long_ago") == (weighed(name).doubtful, weighed(name).why)


@pytest.mark.parametrize("created", ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "", "soon", "0001-01-01T00:00Z"])
def test_a_time_that_was_never_set_is_no_source(created: str) -> None:
    """Zero is no time."""
    found = weighed(NAMED, tags={"creation_time": created})
    assert (ELEVEN, False) == (found.value, found.doubtful)


def test_a_time_to_come_is_not_taken_and_makes_the_others_doubtful() -> None:
    """A camera whose clock is ahead may have written the name by it too."""
    found = weighed(NAMED, tags={"creation_time": "2099-01-01T00:00:00Z"})
    assert (ELEVEN, True, "clock_ahead") == (found.value, found.doubtful, found.why)
    only = weighed(tags={"creation_time": "2099-01-01T00:00:00Z"})
    assert (None, True) == (only.value, only.doubtful)


def test_what_was_told_by_who_saw_it_run_goes_before_the_file() -> None:
    """The seconds of an app's own clock, where the file agrees."""
    told = ELEVEN + timedelta(seconds=2)
    found = weighed(NAMED, told=told)
    assert (told, "clock", False) == (found.value, found.source, found.doubtful)


def test_an_export_after_the_film_contradicts_nobody_who_saw_it_run() -> None:
    """A program that writes the film anew writes its own time into it; one before the film is a contradiction."""
    exported = weighed(told=ELEVEN, tags={"creation_time": "2026-11-29T05:00:00Z"})
    assert (ELEVEN, "clock", False) == (exported.value, exported.source, exported.doubtful)
    assert weighed(told=ELEVEN, tags={"creation_time": "2026-11-29T01:00:00Z"}).doubtful


def test_an_export_contradicts_no_film_that_names_its_zone() -> None:
    """A phone's film that was edited keeps when it was taken, and has the time of the export in its header."""
    exported = weighed(tags={APPLE: "2026-11-29T11:00:00+0800", "creation_time": "2026-11-29T09:30:00Z"})
    assert (ELEVEN, False) == (exported.value, exported.doubtful)


TAKEN = {APPLE: "2026-11-29T11:00:00+0800"}


def an_avi() -> bytes:
    """With its IDIT, as cameras write it; FFmpeg's own writer has none."""
    film = bytearray(film_showing(None, seconds=1, container="avi", codec="mpeg4"))
    chunk = b"IDIT" + (26).to_bytes(4, "little") + b"Sun Nov 29 11:00:00 2026\n\x00"
    at = film.index(b"LIST")
    size = int.from_bytes(film[at + 4 : at + 8], "little")
    film[at + 8 + size : at + 8 + size] = chunk
    film[at + 4 : at + 8] = (size + len(chunk)).to_bytes(4, "little")
    film[4:8] = (int.from_bytes(film[4:8], "little") + len(chunk)).to_bytes(4, "little")
    return bytes(film)


@pytest.mark.parametrize(
    ("name", "film", "read_from"),
    [
        ("IMG_0001.MOV", lambda: film_showing(None, seconds=1, container="mov", tags=TAKEN), APPLE),
        ("MOVI0001.AVI", an_avi, "IDIT"),
        ("V.mp4", lambda: film_showing(None, seconds=1, began="2026-11-29T03:00:00Z"), "creation_time"),
    ],
)  # fmt: skip
def test_a_real_file_says_when_it_began(tmp_path: Path, name: str, film: Any, read_from: str) -> None:
    """As `fujing probe` prints it; the copy on this disk is of now."""
    path = tmp_path / name
    path.write_bytes(film())
    (found,) = probe([path])
    assert ("2026-11-29T11:00:00+08:00", "metadata", False) == (
        found.started_at.value, found.started_at.source, found.started_at.doubtful,
    )  # fmt: skip
    assert read_from == found.started_at.candidates[0]["read_from"]


def test_the_offset_of_the_camera_corrects_what_its_file_says() -> None:
    """The recorder's clock begins anew in 1980; corrected, its times are today's."""
    offset = datetime(1980, 1, 1, 8, tzinfo=UTC) - ELEVEN
    found = weighed("DSJ_19800101160000.mp4", offset=offset)
    assert (ELEVEN, False) == (found.value, found.doubtful)
    assert datetime(1980, 1, 1, 8, tzinfo=UTC) == found.by_camera


def test_what_is_printed_says_value_source_doubt_and_candidates() -> None:
    """As `fujing probe --json` gives it."""
    found = started_at(FileFacts(name=NAMED, duration_ms=TEN_MINUTES), NEXT_DAY)
    assert ("2026-11-29T11:00:00+08:00", "file_name", False) == (found.value, found.source, found.doubtful)
    assert ["file_name"] == [each["source"] for each in found.candidates]


# -- a correction


LIMITS = Limits()


@pytest.mark.parametrize(
    ("value", "proved", "shifts", "expected"),
    [
        (ELEVEN, None, (), (True, "correction_unsupported")),
        (ELEVEN, None, (BY_DAY,), (False, "corrected")),
        (ELEVEN, ELEVEN, (), (True, "correction_unsupported")),
        (ELEVEN + timedelta(hours=1), ELEVEN, (BY_DAY,), (True, "correction_against_timecode")),
    ],
)
def test_a_correction_is_believed_where_something_speaks_for_it(
    value: datetime, proved: datetime | None, shifts: tuple[Shift, ...], expected: tuple[bool, str]
) -> None:
    """A shift, or a source of the file; never against a time code."""
    assert expected == judge_correction(value, proved=proved, candidates=(), shifts=shifts, limits=LIMITS)


def test_a_correction_that_the_file_says_too_is_believed() -> None:
    """One of the candidates."""
    candidates = weighed(NAMED, tags={"creation_time": "2026-11-29T08:30:00Z"}).candidates
    found = judge_correction(ELEVEN, proved=None, candidates=candidates, shifts=(), limits=LIMITS)
    assert (False, "corrected") == found


# -- properties


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
NAMES = st.text(max_size=40) | MOMENTS.map(lambda at: f"D_{at:%Y%m%d%H%M%S}_1.mp4")
TAGS = st.dictionaries(
    st.sampled_from(["creation_time", APPLE, "IDIT", "date"]), st.text(max_size=30) | st.datetimes().map(str)
)
FACTS = st.builds(
    FileFacts, name=NAMES, duration_ms=st.integers(0, 10**9), tags=TAGS, container=st.sampled_from(["mov", "avi", ""]),
    modified=st.none() | st.datetimes().map(lambda at: at.replace(tzinfo=UTC)), told=st.none() | MOMENTS,
)  # fmt: skip
SHIFTS = st.lists(st.builds(Shift, MOMENTS, st.none() | MOMENTS), max_size=3).map(tuple)


@given(FACTS, SHIFTS, st.timedeltas())
def test_a_start_is_never_absurd_and_is_one_of_the_readings(
    facts: FileFacts, shifts: tuple[Shift, ...], offset: timedelta
) -> None:
    """For any file: between 2000 and now, and read somewhere; or there is none, in doubt."""
    found = weigh(facts, Circumstances(latest=NEXT_DAY, shifts=shifts, offset=offset))
    if found.value is None:
        assert found.doubtful
    else:
        assert EARLIEST <= found.value <= NEXT_DAY - facts.duration
        assert found.by_camera in {each.at for each in readings(facts)}


@given(st.integers(0, 10**7), st.integers(2001, 2025), st.integers(0, 10**7))
def test_sources_that_agree_are_never_in_doubt(length: int, minutes: int, seconds: int) -> None:
    """Name, container and file system of a camera whose clock is right, whatever it filmed when."""
    at = NEXT_DAY - timedelta(seconds=seconds, milliseconds=length, minutes=minutes)
    at = at.replace(microsecond=0)
    found = weighed(
        f"D_{at.astimezone(CHINA):%Y%m%d%H%M%S}.mp4", duration_ms=length,
        tags={"creation_time": at.astimezone(UTC).isoformat()}, modified=at + timedelta(milliseconds=length),
    )  # fmt: skip
    assert (at, False) == (found.value, found.doubtful)


@given(FACTS)
def test_one_more_source_that_agrees_never_makes_a_doubt(facts: FileFacts) -> None:
    """Being told the same by whoever saw it run changes the value by no more than the tolerance."""
    before = weigh(facts, Circumstances(latest=NEXT_DAY))
    if before.by_camera is None or facts.told is not None:
        return
    after = weigh(
        FileFacts(name=facts.name, duration_ms=facts.duration_ms, tags=facts.tags, container=facts.container,
                  modified=facts.modified, told=before.by_camera),
        Circumstances(latest=NEXT_DAY),
    )  # fmt: skip
    assert after.value is not None
    assert before.value is not None
    assert abs(after.value - before.value) <= LIMITS.tolerance
    assert before.doubtful or not after.doubtful


@given(st.text(max_size=400))
def test_no_name_and_no_tag_breaks_the_reading(text: str) -> None:
    """Whatever is written there."""
    assert 8 >= len(stamps(text))
    parsed(text)
