"""What a film shows, and for how long: paused, cut, joined, hollow, encrypted films, and what is no film at all."""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.probe import decoding, packets
from storage.probe.decoding import CPU_SECONDS, FRAMES, MOST_DEATHS, Decoder
from storage.probe.film import poster, read_film
from storage.probe.serving import probe_file
from storage.probe.sources import Source
from storage.probe.timeline import FORWARD, Clock, Stretches, common, in_milliseconds, join, without
from storage.timecode_search import _key_frames, search
from storage.view_copies.opening import FilmClock, packets_of
from tests import films

LONGEST_FRAME = 5.0
FRAME = 100  # milliseconds: of the films made here
SOUND_FRAME = 1024 / films.SOUND_RATE * 1000


def probed(content: bytes, tmp_path: Path, name: str = "a.mp4") -> dict[str, Any]:
    """What is found in a file of this content."""
    path = tmp_path / name
    path.write_bytes(content)
    return probe_file(path, LONGEST_FRAME)


def pictures(answer: dict[str, Any]) -> list[list[int]]:
    """The stretches of its picture."""
    return [stretch for track in answer["tracks"] if track["kind"] == "video" for stretch in track["stretches"]]


def sounds(answer: dict[str, Any]) -> list[list[int]]:
    return [stretch for track in answer["tracks"] if track["kind"] == "audio" for stretch in track["stretches"]]


def near(stretches: list[list[int]], by: float = FRAME) -> Any:
    """These stretches, give or take a frame."""
    return [pytest.approx(stretch, abs=by) for stretch in stretches]


# -- the table of what happens to films


@pytest.mark.parametrize("form", ["mp4", "matroska"])
def test_a_pause_is_not_filmed(tmp_path: Path, form: str) -> None:
    """Three seconds, ten minutes of pause, three seconds more: two stretches where the frames are."""
    answer = probed(films.paused(form), tmp_path)
    assert near([[0, 3000], [603_000, 606_000]]) == pictures(answer)
    assert pytest.approx(606_000, abs=FRAME) == answer["duration_ms"]


def test_a_fragmented_film_with_segment_indexes_is_whole(tmp_path: Path) -> None:
    """Its first index knows of 190 of 200 frames."""
    assert near([[0, 20_000]]) == pictures(probed(films.with_segment_index(), tmp_path))


@pytest.mark.parametrize(
    ("form", "codec", "rate"),
    [("mpegts", "libx264", 10), ("vob", "libx264", 10), ("vob", "mpeg2video", 25), ("webm", "libvpx", 10)],
)
def test_parts_whose_clocks_begin_alike_are_both_filmed(tmp_path: Path, form: str, codec: str, rate: int) -> None:
    """Two parts of four seconds joined in one file are eight seconds; nobody knows how long it was between them."""
    answer = probed(films.joined(form, codec, rate), tmp_path)
    assert near([[0, 8000]], 2 * FRAME) == pictures(answer)
    assert 1 == answer["jumps"]


@pytest.mark.parametrize("jump", [10_000, 95_000])
def test_a_clock_that_jumps_forward_films_nothing(tmp_path: Path, jump: float) -> None:
    """What was filmed before and after counts, and not a second more."""
    answer = probed(films.paused("mpegts", jump), tmp_path)
    assert near([[0, 6000]], 2 * FRAME) == pictures(answer)
    assert 1 == answer["jumps"]


def test_a_pause_in_a_transport_stream_is_a_pause(tmp_path: Path) -> None:
    """Its clock ran on for ten minutes: no other clock."""
    answer = probed(films.paused("mpegts"), tmp_path)
    assert near([[0, 3000], [603_000, 606_000]], 2 * FRAME) == pictures(answer)
    assert 0 == answer["jumps"]


def test_sound_behind_a_picture_is_sound(tmp_path: Path) -> None:
    """The picture lasts two seconds, whatever the sound does."""
    answer = probed(films.mostly_sound(), tmp_path)
    assert (near([[0, 2000]]), near([[0, 30_000]])) == (pictures(answer), sounds(answer))
    assert ("video", pytest.approx(30_000, abs=FRAME)) == (answer["kind"], answer["duration_ms"])


@pytest.mark.parametrize("gop", [10, 250], ids=["a-key-frame-a-second", "one-key-frame"])
@pytest.mark.parametrize("filling", ["zeros", "noise"])
def test_zeros_behind_a_good_index_are_no_film(tmp_path: Path, filling: str, gop: int) -> None:
    """Of twenty seconds 60 % of the bytes are gone; the header and the index say nothing of it."""
    answer = probed(films.hollow("libx264", gop, filling), tmp_path)
    (track,) = [track for track in answer["tracks"] if track["kind"] == "video"]
    assert near([[0, 8000]], 1000) == track["stretches"]
    assert near([[8000, 20_000]], 1000) == track["undecoded"]
    assert near([[0, 8000]], 1000) == sounds(answer)
    assert 20_000 == answer["duration_ms"]


@pytest.mark.parametrize("form", ["mp4", "mpegts"])
def test_a_picture_that_is_renewed_bit_by_bit_is_a_picture(tmp_path: Path, form: str) -> None:
    """Some recorders have no whole key frames (intra refresh), so that a bad line loses little."""
    content = films.mux(form, picture=8, gop=20, **{"x264-params": "intra-refresh=1:bframes=0", "tune": "film"})
    assert near([[0, 8000]], 2 * FRAME) == pictures(probed(content, tmp_path))


def test_frames_that_are_reordered_begin_when_they_are_shown(tmp_path: Path) -> None:
    """HEVC is decoded two frames before it is shown; that makes a film neither longer nor later."""
    answer = probed(films.whole("libx265"), tmp_path)
    assert ([[0, 5000]], near([[0, 5000]])) == (pictures(answer), sounds(answer))


def test_hevc_is_looked_into_too(tmp_path: Path) -> None:
    """Whole it counts, hollow it does not."""
    assert near([[0, 5000]]) == pictures(probed(films.whole("libx265"), tmp_path))
    assert near([[0, 2000]], 1000) == pictures(probed(films.hollow("libx265"), tmp_path))


def test_a_hole_in_the_middle_is_cut_out(tmp_path: Path) -> None:
    """What is before and behind it stands."""
    answer = probed(films.damaged(), tmp_path)
    assert near([[0, 8000], [12_000, 20_000]], 1100) == pictures(answer)


AVI = {"picture": 20, "codec": "mjpeg", "sound": 20, "sound_codec": "pcm_s16le"}


def test_what_is_behind_a_hole_of_an_avi_lies_where_its_index_says(tmp_path: Path) -> None:
    """The format has no times, and a reader counts the frames that it finds: the last ones would be 6 s too early."""
    whole = films.mux("avi", **AVI)
    begin, end = (round(len(whole) * share) for share in (0.3, 0.6))
    answer = probed(whole[:begin] + bytes(end - begin) + whole[end:], tmp_path)
    assert near([[0, 6000], [12_000, 20_000]], 700) == pictures(answer)
    assert (0, pytest.approx(20_000, abs=700)) == (answer["jumps"], answer["duration_ms"])


def test_a_view_copy_goes_on_behind_a_hole_of_a_transport_stream() -> None:
    """Its reader gives up after 64 KiB without a packet; the probe was sent on, and the copy ended there."""
    whole = films.mux("mpegts", picture=20, crf="5")
    begin, end = (round(len(whole) * share) // 188 * 188 for share in (0.4, 0.5))
    assert end - begin > 2 * 64 * 1024
    with av.open(io.BytesIO(whole[:begin] + bytes(end - begin) + whole[end:])) as film:
        clock = FilmClock(film)
        times = [at for packet in packets_of(film, film.streams.video[0]) if (at := clock.set(packet)) is not None]
    assert 180 == pytest.approx(len(times), abs=3)
    assert 19_900_000 == pytest.approx(times[-1], abs=100_000)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Somebody names one by mistake; nobody writes into it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no ordinary file"):
        probe_file(tmp_path / "pipe", LONGEST_FRAME)


def test_a_view_copy_has_the_time_line_of_the_proof() -> None:
    """What was filmed at twelve seconds is watched at twelve seconds, on the other side of a hole too."""
    whole = films.mux("avi", **AVI)
    begin, end = (round(len(whole) * share) for share in (0.3, 0.6))
    with av.open(io.BytesIO(whole[:begin] + bytes(end - begin) + whole[end:])) as film:
        clock, times = FilmClock(film), []
        for packet in film.demux(film.streams.video[0]):
            at = clock.set(packet)
            times += [] if at is None else [at / 1_000_000]
    (hole,) = [(before, after) for before, after in pairwise(times) if after - before > 1]
    assert (pytest.approx(6, abs=0.7), pytest.approx(12, abs=0.7), 19.9) == (*hole, times[-1])


def test_a_hole_in_an_avi_without_its_index_is_told(tmp_path: Path) -> None:
    """A battery ended it: nobody knows how long it was between what is before and behind the hole."""
    whole = films.mux("avi", **AVI)
    whole = whole[: whole.index(b"idx1")]
    begin, end = (round(len(whole) * share) for share in (0.1, 0.9))
    assert end - begin > 1024**2
    answer = probed(whole[:begin] + bytes(end - begin) + whole[end:], tmp_path)
    assert (1, near([[0, 4000]], 700)) == (answer["jumps"], pictures(answer))
    assert 0 == probed(whole, tmp_path)["jumps"]


def test_encrypted_samples_are_no_film(tmp_path: Path) -> None:
    """Four seconds of frames that nobody can see here."""
    answer = probed(films.encrypted(), tmp_path)
    assert ([], near([[0, 4000]])) == (pictures(answer), answer["tracks"][0]["undecoded"])
    assert not answer["plays_in_browser"]


def test_a_whole_film_is_whole(tmp_path: Path) -> None:
    """Nothing is lost by looking."""
    answer = probed(films.whole(), tmp_path)
    assert (near([[0, 20_000]]), near([[0, 20_000]])) == (pictures(answer), sounds(answer))
    assert [] == [track["undecoded"] for track in answer["tracks"] if track["undecoded"]]
    assert ("video", "h264", "mp4", True) == tuple(
        answer[name] for name in ("kind", "codec", "container", "plays_in_browser")
    )


# -- what it is


@pytest.mark.parametrize(
    ("content", "kind", "codec", "plays"),
    [
        pytest.param(lambda: films.photo(), "photo", "jpeg", True, id="jpeg"),
        pytest.param(lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "document", "pdf", True, id="pdf"),
        pytest.param(lambda: "日期,警号\n2026-03-01,FJ1001\n".encode(), "document", "text", True, id="csv"),
        pytest.param(lambda: "日期,警号\n2026-03-01,FJ1001\n".encode("gb18030"), "document", "text", True, id="gb"),
        pytest.param(lambda: b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "document", "text", True, id="playlist"),
        pytest.param(lambda: bytes(range(256)) * 50, "unknown", None, False, id="bytes"),
        pytest.param(lambda: b"", "unknown", None, False, id="nothing"),
        pytest.param(lambda: b"\x00\x00\x00\x18ftypheic" + bytes(100), "photo", "heic", False, id="heic"),
    ],
)
def test_a_kind_is_told_by_the_content(tmp_path: Path, content: Any, kind: str, codec: str | None, plays: bool) -> None:
    """All of them are named .mp4."""
    answer = probed(content(), tmp_path)
    assert (False, kind, codec, plays) == tuple(answer[name] for name in ("media", "kind", "codec", "plays_in_browser"))


KINDS = {
    "wav": ("audio", "pcm_s16le", True, {"sound": 4, "sound_codec": "pcm_s16le"}),
    "mp3": ("audio", "mp3", True, {"sound": 4, "sound_codec": "libmp3lame"}),
    "avi": ("video", "mjpeg", False, {"picture": 4, "codec": "mjpeg", "sound": 4, "sound_codec": "pcm_s16le"}),
    "webm": ("video", "vp8", True, {"picture": 4, "codec": "libvpx"}),
    "mpegts": ("video", "h264", False, {"picture": 4, "sound": 4}),
    "vob": ("video", "mpeg2video", False, {"picture": 4, "codec": "mpeg2video", "rate": 25}),
    "mov": ("video", "hevc", False, {"picture": 4, "codec": "libx265"}),
    "3gp": ("video", "mpeg4", False, {"picture": 4, "codec": "mpeg4"}),
    "matroska": ("video", "h264", True, {"picture": 4, "sound": 4, "sound_codec": "libopus"}),
    "h264": ("video", "h264", False, {"picture": 4, "rate": 10}),
    "hevc": ("video", "hevc", False, {"picture": 4, "codec": "libx265", "rate": 10}),
}


@pytest.mark.parametrize("form", KINDS)
def test_every_kind_of_film_is_four_seconds(tmp_path: Path, form: str) -> None:
    """Whatever box the frames are in."""
    kind, codec, plays, how = KINDS[form]
    answer = probed(films.mux(form, **how), tmp_path, "four-seconds")
    assert (kind, codec, plays) == tuple(answer[name] for name in ("kind", "codec", "plays_in_browser"))
    assert near([[0, 4000]], 150) == (pictures(answer) or sounds(answer))


@pytest.mark.parametrize("form", sorted(set(KINDS) - {"h264", "hevc"}))
def test_a_plain_film_is_as_long_as_ffprobe_says(tmp_path: Path, form: str) -> None:
    """Another reader of the same files."""
    if (ffprobe := shutil.which("ffprobe")) is None:
        pytest.skip("there is no ffprobe on this machine: no film was compared with what it says")
    _, codec, _, how = KINDS[form]
    path = tmp_path / "film"
    path.write_bytes(films.mux(form, **how))
    asked = [ffprobe, "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    said = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
    answer = probe_file(path, LONGEST_FRAME)
    assert pytest.approx(float(said["format"]["duration"]) * 1000, abs=200) == answer["duration_ms"]
    assert codec == next(each["codec_name"] for each in said["streams"] if each["codec_type"] == answer["kind"])


def test_a_file_cut_off_while_it_was_written_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    """A transport stream needs no index: half of it is half of it."""
    content = films.mux("mpegts", picture=8)
    (stretch,) = pictures(probed(content[: len(content) // 2], tmp_path))
    assert (0, True) == (stretch[0], 3000 < stretch[1] < 5000)


@pytest.mark.parametrize(("form", "codec"), [("mpegts", "libx264"), ("webm", "libvpx"), ("flv", "libx264")])
def test_what_lies_behind_a_hole_counts_in_its_own_time(tmp_path: Path, form: str, codec: str) -> None:
    """A card lost the middle third; the reader gives up in it, and is sent on."""
    content = films.mux(form, picture=30, codec=codec)
    start, end = len(content) // 3, 2 * len(content) // 3
    answer = probed(content[:start] + bytes(end - start) + content[end:], tmp_path)
    assert near([[0, 10_000], [20_000, 30_000]], 1500) == pictures(answer)


class Counted(Source):
    """A file in memory that counts what is read of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(len(content))
        self.content, self.got, self.requests = content, 0, 0

    def fetch(self, at: int, length: int) -> tuple[int, bytes]:
        self.got += length
        self.requests += 1
        return at, self.content[at : at + length]


def test_a_long_film_with_an_index_is_not_read_whole() -> None:
    """Of some megabytes to which a good index leads, a frame is read now and then."""
    file = Counted(films.mux(picture=30, gop=50, crf="1"))
    assert ("video", True) == (read_film(file, LONGEST_FRAME)["kind"], file.size > 4_000_000)
    assert file.got < 0.7 * file.size


# Of a film of 70 seconds with sound: seconds from one key frame to the next, its quality, at most so many requests for
# all that is looked for, and why so many. Before neighbours were fetched together: 99, 46, 60.
REQUESTS = [
    (
        1,
        "1",
        36,
        "head, index, first packets; 16 frames of picture and 6 of sound a megabyte apart; two minutes in runs",
    ),
    (10, "1", 38, "the same, and the key frames of two minutes, which lie a megabyte or more apart"),
    (1, "30", 8, "a film of 6 MB as recorders make it: everything lies near"),
]


@pytest.mark.parametrize(("apart", "crf", "most", "why"), REQUESTS)
def test_a_film_is_probed_with_few_requests(apart: int, crf: str, most: int, why: str) -> None:
    """Each costs the store two milliseconds while it reads the same film for its digest. Nothing is read twice."""
    content = films.mux(picture=70, sound=70, gop=1000 * apart // FRAME, crf=crf)
    file = Counted(content)
    assert "video" == read_film(file, LONGEST_FRAME)["kind"]
    found = file.requests
    assert poster(file)
    assert found == file.requests, "the first frame and the index are there already"
    assert [] == search(file)
    assert file.requests <= most, why
    assert file.got <= len(content)


def test_the_search_for_time_codes_does_not_walk_through_the_index() -> None:
    """Each entry costs two microseconds, twice: of an hour at 25 frames a second more than the rest of the search."""
    looked: list[int] = []

    class Index:
        """The index of a film, which says what is looked at."""

        def __init__(self, entries: Any) -> None:
            self.entries, self.search_timestamp = entries, entries.search_timestamp

        def __len__(self) -> int:
            return len(self.entries)

        def __getitem__(self, number: int) -> Any:
            looked.append(number)
            return self.entries[number]

    with av.open(io.BytesIO(films.mux(picture=300, gop=10))) as film:
        stream = film.streams.video[0]
        seen = SimpleNamespace(time_base=stream.time_base, index_entries=Index(stream.index_entries))
        keys = [float(key.timestamp * stream.time_base) for key in _key_frames(seen, 240.0)]
    assert [pytest.approx(240 + second) for second in range(60)] == keys
    assert len(looked) <= 605


def test_what_is_expected_is_fetched_together_and_only_once() -> None:
    """Pieces in any order, also nonsense; whatever is read of them is what stands there."""
    content = random.Random("runs").randbytes(12_000_000)  # noqa: S311 - no secret
    file = Counted(content)
    near, far = [(place, 40_000) for place in range(1_000_000, 3_000_000, 200_000)], (11_000_000, 40_000)
    file.expect([far, *reversed(near), (-5, 10), (20_000_000, 10), (12_000_000, 10), (7, 0)])
    assert [content[at : at + size] for at, size in [*near, far]] == [file.piece(at, size) for at, size in [*near, far]]
    assert 2 == file.requests
    assert content[900_000:3_500_000] == file.piece(900_000, 2_600_000)
    assert file.got < 3_500_000


def test_a_piece_of_a_file_is_whole() -> None:
    """Whatever blocks it lies in; and nothing comes after the end."""
    content = random.Random("pieces").randbytes(3_000_000)  # noqa: S311 - no secret
    file, chance = Counted(content), random.Random("places")  # noqa: S311 - no secret
    for _ in range(200):
        at, wanted = chance.randrange(len(content)), chance.randrange(300_000)
        assert content[at : at + wanted] == file.piece(at, wanted)


@pytest.fixture
def decoder() -> Iterator[tuple[Decoder, int, list[bytes]]]:
    """A decoder of an open film, the number of its picture, and the frames of it."""
    with av.open(io.BytesIO(films.whole())) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        stream = container.streams.video[0]
        asked = Decoder([stream])
        yield asked, stream.index, packets
        asked.end()


def test_no_more_frames_are_decoded_than_the_limit(decoder: tuple[Decoder, int, list[bytes]]) -> None:
    """After 200 frames of a file nobody knows of the rest."""
    asked, track, packets = decoder
    said = [asked.shows(track, packets[:1]) for _ in range(FRAMES + 10)]
    assert [True] * FRAMES + [None] * 10 == said


def test_a_frame_that_ends_the_decoder_is_not_decoded(decoder: tuple[Decoder, int, list[bytes]]) -> None:
    """The next one goes to another process; who ends three of them has no more frames that can be decoded."""
    asked, track, packets = decoder
    said = []
    for _ in range(MOST_DEATHS):
        assert asked.shows(track, packets[:1])
        os.kill(asked._child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, asked._child.pid, os.WEXITED | os.WNOWAIT)
        said.append(asked.shows(track, packets[:1]))
    assert [False] * MOST_DEATHS == said
    assert not asked.shows(track, packets[:1])
    assert asked._child is None


def test_a_frame_that_takes_too_long_uses_the_budget_up(
    decoder: tuple[Decoder, int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel ends the decoder; that nobody had the time to look is no proof against the film."""
    asked, track, packets = decoder
    asked._cpu_left = 1.0

    def busy(*_: Any) -> tuple[bool, int]:
        while True:
            pass

    monkeypatch.setattr(decoding, "_clean_frame", busy)
    assert [None, None] == [asked.shows(track, packets[:1]) for _ in range(2)]


def test_looking_into_a_film_has_its_limits() -> None:
    """Of the issue: at most 200 frames and 20 seconds of a processor."""
    assert (200, 20) == (FRAMES, CPU_SECONDS)


# -- the rules


TIMES = st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=40).map(sorted)
STRETCHES = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 100)).filter(lambda two: two[0] < two[1]), max_size=8
)


@given(times=TIMES, longest=st.floats(0.1, 20))
def test_nothing_is_proved_that_no_frame_covers(times: list[float], longest: float) -> None:
    """Every moment of a stretch is within the longest frame after some frame; stretches are in order and apart."""
    frames = Stretches(longest)
    for at in times:
        frames.add(at)
    stretches = frames.all()
    assert all(start < end for start, end in stretches)
    assert all(end < start for (_, end), (start, _) in pairwise(stretches))
    for start, end in stretches:
        inside = [at for at in times if start <= at < end]
        assert start == inside[0]
        steps = [after - before for before, after in zip(inside, [*inside[1:], end], strict=True)]
        assert all(step <= longest + 1e-9 for step in steps)
    assert all(any(start <= at <= end for start, end in stretches) for at in times)


@given(times=TIMES, gaps=st.lists(st.floats(0.01, 4.9), min_size=1, max_size=30))
def test_what_is_filmed_without_a_pause_is_one_stretch(times: list[float], gaps: list[float]) -> None:
    """However uneven the frames are."""
    frames, at = Stretches(LONGEST_FRAME), times[0]
    frames.add(at)
    for gap in gaps:
        at += gap
        frames.add(at)
    ((start, end),) = frames.all()
    assert (times[0], True) == (start, at < end <= at + LONGEST_FRAME)


@given(first=st.lists(st.floats(0.02, 4), min_size=2, max_size=20), second=st.floats(-1e5, 1e5), jumps=st.booleans())
def test_a_clock_never_goes_back(first: list[float], second: float, jumps: bool) -> None:
    """Of however many tracks and jumps, and it never makes a film longer than its frames do."""
    tracks = {0: Stretches(LONGEST_FRAME)}
    clock, places, at = Clock(tracks, may_jump=jumps), [], 0.0
    for step in (*first, *(step + 0.001 for step in first)):
        at = second if len(places) == len(first) else at + step
        places.append(clock.place(0, at))
        tracks[0].add(places[-1])
    assert all(later - earlier >= -1 for earlier, later in pairwise(places))
    if jumps:
        assert all(later - earlier <= FORWARD for earlier, later in pairwise(places))


@given(some=STRETCHES, others=STRETCHES)
def test_what_is_left_and_what_is_common_make_the_whole(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    """Second by second."""
    covered = {second for start, end in some for second in range(start, end)}
    taken = {second for start, end in others for second in range(start, end)}
    for stretches, expected in (
        (join(some), covered), (without(some, others), covered - taken), (common(some, others), covered & taken)
    ):  # fmt: skip
        assert expected == {second for start, end in stretches for second in range(int(start), int(end))}
        assert all(end < start for (_, end), (start, _) in pairwise(stretches))


@given(stretches=STRETCHES, begin=st.integers(0, 50))
def test_milliseconds_are_counted_from_the_first_frame(stretches: list[tuple[int, int]], begin: int) -> None:
    """In order, and none before it."""
    counted = in_milliseconds(stretches, begin)
    assert all(0 <= start < end for start, end in counted)
    assert all(end < start for (_, end), (start, _) in pairwise(counted))
    assert sum(end - start for start, end in counted) == 1000 * sum(
        end - max(start, begin) for start, end in join(stretches) if end > begin
    )


@pytest.mark.parametrize(
    ("content", "length", "possible"),
    [
        (bytes(40), 0, False),
        (bytes(40), None, True),
        (b"\x00\x00\x00\x02\x41\x9a" * 2, 4, True),
        (b"\x00\x00\x00\x02\x41\x9a\x00", 4, False),
        (b"\x00\x00\x00\x02\xc1\x9a", 4, False),
        (b"\x00\x00\x00\x09\x41\x9a", 4, False),
        (b"\x17\x2a\x9e\x10" * 10, 4, False),
        (b"\x17\x2a\x9e\x10" * 10, 0, True),
    ],
)
def test_units_end_where_their_frame_ends(content: bytes, length: int | None, possible: bool) -> None:
    """Zeros are no frame, but of sound that is not compressed they are silence."""
    assert possible == packets.can_be(content, length)


# -- fujing probe


def asked(*files: Path, json_list: bool = True) -> str:
    """What `fujing probe` prints in English."""
    command = [sys.executable, "-m", "mobile_api.cli", "probe", *(["--json"] if json_list else []), *map(str, files)]
    run = subprocess.run(command, capture_output=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
    return run.stdout.decode()


def test_the_command_says_of_each_file_what_the_server_would_find(tmp_path: Path) -> None:
    """For somebody with a card in hand: one list, in the order asked, whatever is among the files."""
    contents = {
        "paused.mp4": films.paused(), "photo.mp4": films.photo(), "paper.pdf": b"%PDF-1.7\n", "empty.mp4": b"",
        "sound.wav": films.mux("wav", sound=4, sound_codec="pcm_s16le"),
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    answers = json.loads(asked(*(tmp_path / name for name in contents)))
    assert [str(tmp_path / name) for name in contents] == [answer["file"] for answer in answers]
    paused, photo, paper, empty, sound = answers
    assert ["video", "photo", "document", "unknown", "audio"] == [answer["kind"] for answer in answers]
    assert ("h264", True, near([[0, 3000], [603_000, 606_000]])) == (
        paused["codec"], paused["plays_in_browser"], paused["stretches"],
    )  # fmt: skip
    assert (near([[0, 4000]]), [], [], []) == tuple(each["stretches"] for each in (sound, photo, paper, empty))
    assert {"value", "source", "doubtful", "candidates"} == set(paused["started_at"])
    assert {
        "file", "kind", "codec", "duration_ms", "stretches", "started_at", "plays_in_browser",
    } == set(paused)  # fmt: skip


def test_the_command_prints_a_line_for_a_file_and_one_for_each_stretch(tmp_path: Path) -> None:
    """People read it too."""
    path = tmp_path / "[red]paused.mp4"
    path.write_bytes(films.paused())
    first, *stretches = asked(path, json_list=False).splitlines()
    assert first.startswith("[red]paused.mp4  video · h264 · 00:10:06.0")
    assert ["  00:00:00.000 – 00:00:03.000", "  00:10:03.000 – 00:10:06.000"] == stretches
