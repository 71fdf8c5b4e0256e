"""A time code on a handheld's screen: `fujing timecode` shows it, a recorder films it, the server knows the time."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from mobile_api.cli.demo_film import film
from mobile_api.client.api import Client, digest_of
from tests.houses import CHEN, DOCK, Place, Serving, succeeded

CAMERA = "DSJ-0077"
SLOW = timedelta(hours=3)
SIDE = 448


def filmed(picture: Path, path: Path) -> Path:
    """Two seconds of this picture, which came a second after the film began."""
    with av.open(str(picture)) as still:
        shown = next(still.decode(video=0)).reformat(SIDE, SIDE, "rgb24")
    dark = av.VideoFrame(SIDE, SIDE, "rgb24")
    dark.planes[0].update(bytes(dark.planes[0].buffer_size))
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for number in range(30):
            frame = (shown if number >= 10 else dark).reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sent(chen: Client, path: Path) -> dict[str, Any]:
    """The film, declared by a camera that is three hours slow, sealed; how it is known when it began."""
    began = datetime.now(UTC) - SLOW
    upload = chen.declare(path, camera_serial=CAMERA, media_type="video/mp4", started_at=began)
    chen.bring(upload, path)
    size, sha256 = digest_of(path)
    chen.receipt(upload, bytes=size, sha256=sha256)
    return dict(chen.get(f"/v1/recordings/{upload}")["start"])


def test_a_code_that_a_handheld_shows_tells_the_server_when_the_film_began(
    running: Serving, passwords: dict[str, str], tmp_path: Path
) -> None:
    """Once from the server, once signed by the device, where no server answers."""
    chen = running.handheld()
    key = tmp_path / "handheld.pem"
    key.write_bytes(chen.key.pem())
    shown = running.place.run(
        "timecode", "--badge", CHEN, "--url", running.url, "--key", str(key), "-o", str(tmp_path / "code.png"),
        given=passwords[CHEN] + "\n",
    )  # fmt: skip
    assert "signed by the server" in succeeded(shown)
    chen.sign_in(CHEN, passwords[CHEN])
    about = datetime.now(UTC)
    start = sent(chen, filmed(tmp_path / "code.png", tmp_path / "one.mp4"))
    assert ("timecode", False) == (start["source"], start["doubtful"])
    assert abs(datetime.fromisoformat(start["value"]) - about) < timedelta(minutes=1)

    offline = running.place.run("timecode", "--offline", "--key", str(key), "-o", str(tmp_path / "own.png"))
    assert "s old" in succeeded(offline)
    start = sent(chen, filmed(tmp_path / "own.png", tmp_path / "two.mp4"))
    assert [("device", "proves")] == [(each["signer"], each["standing"]) for each in start["timecodes"]]


def test_a_terminal_shows_a_code_and_says_what_is_missing(running: Serving, tmp_path: Path) -> None:
    """In its own characters; a device that never heard a server, and one without a key, are told so."""
    key = tmp_path / "new.pem"
    place: Place = running.place
    assert "there is no key file" in place.run("timecode", "--offline", "--key", str(key)).stderr
    key.write_bytes(running.handheld().key.pem())
    assert "no time of the server yet" in place.run("timecode", "--offline", "--key", str(key)).stderr
    (tmp_path / "new.pem.time").write_text(
        '{"server":"2026-11-29T03:00:00Z","device":"2026-11-29T03:00:00Z","wearer":"'
        '0192f0c1-5d2e-7a31-8a5e-6f0e4f6f0001"}'
    )
    assert "█" in succeeded(place.run("timecode", "--offline", "--key", str(key)))
    wrong = place.run("timecode", "--offline", "--key", str(key), "-o", str(tmp_path / "code.gif"))
    assert "only .png and .svg" in wrong.stderr


def test_a_dock_that_runs_again_with_another_offset_says_what_that_would_change(
    running: Serving, passwords: dict[str, str], tmp_path: Path
) -> None:
    """And changes nothing."""
    running.enrol_station()
    card = tmp_path / "card"
    card.mkdir()
    film(card / "a.mp4", seconds=2, width=160, height=96, ago=3000)
    words = ["ingest", str(card), "--camera", "DSJ-0078", "--wearer", CHEN, "--dock", DOCK, "--url", running.url]
    first = running.place.run(*words, given=passwords[DOCK] + "\n", seconds=120)
    assert 0 == first.returncode, first.stdout
    again = running.place.run(*words, "--offset-ms", "3600000", given=passwords[DOCK] + "\n", seconds=120)
    assert (0, True) == (again.returncode, "-01:00:00" in again.stdout), again.stdout
    assert "Nothing was changed" in again.stdout
    same = running.place.run(*words, given=passwords[DOCK] + "\n", seconds=120)
    assert "already sealed, skipped" in same.stdout
