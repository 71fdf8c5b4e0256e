"""`fujing ingest`: a docking station uploads a card of footage, is killed in the middle, and goes on."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from rich.console import Console

from backend.law.catalogue import law
from mobile_api.cli.demo_film import film
from mobile_api.client import api
from mobile_api.client.api import Client, digest_of
from mobile_api.client.ingest import Order, bring_in
from tests import films
from tests.devices import MIB
from tests.houses import CHEN, DOCK, STATION, Serving
from tests.photos import HEIC, photo

CAMERA = "DSJ-0042"
PADDING = 96 * MIB  # so that there is a middle to be killed in
PLACE = {"lat": 30.2592, "lon": 120.1640, "accuracy_m": 6.0, "datum": "WGS84"}


@pytest.fixture
def chen(running: Serving, passwords: dict[str, str]) -> Client:
    """Their phone, signed in."""
    phone = running.handheld()
    phone.sign_in(CHEN, passwords[CHEN])
    return phone


def on_duty(chen: Client, minutes: int) -> datetime:
    """A shift of Chen's that began so long ago and ends now."""
    began = datetime.now(UTC) - timedelta(minutes=minutes)
    shift = chen.entry(
        "shifts/check-in", occurred_at=began, duty_type="patrol", dress="uniform", id_card_carried=True,
        roster_post="南门岗亭", place=PLACE,
    )["id"]  # fmt: skip
    chen.entry("shifts/check-out", shift=shift)
    return began


def a_card(folder: Path) -> tuple[Path, Path]:
    """A folder with a small film, a big film in a subfolder, a text, and the small film once more, hidden."""
    (folder / "DCIM 一").mkdir(parents=True)
    small = film(folder / "街面 01.mp4", seconds=4, width=160, height=96, ago=1000).path
    big = film(folder / "DCIM 一" / "[夜巡] 02.MP4", seconds=6, width=160, height=96, ago=900).path
    with big.open("r+b") as file:  # a box of nothing at the end, as the format allows
        file.seek(0, os.SEEK_END)
        file.write((PADDING + 8).to_bytes(4) + b"free")
        file.truncate(file.tell() + PADDING)
    (folder / "readme.txt").write_text("说明")
    (folder / ".trash.mp4").write_bytes(small.read_bytes())
    return small, big


def words(running: Serving, folder: Path, *more: str) -> list[str]:
    running.enrol_station()
    options = ["--camera", CAMERA, "--wearer", CHEN, "--dock", DOCK, "--url", running.url, *more]
    return ["ingest", str(folder), *options]


def ingest(running: Serving, passwords: dict[str, str], folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with the password on standard input."""
    return running.place.run(*words(running, folder, *more), given=passwords[DOCK] + "\n", seconds=120)


def uploads_of(chen: Client, *files: Path) -> dict[str, dict[str, object]]:
    """The server's rows of these files, by file name."""
    wanted = {digest_of(file)[1] for file in files}
    return {row["file_name"]: row for row in chen.get("/v1/recordings")["items"] if row["sha256"] in wanted}


def killed_in_the_middle(running: Serving, password: str, folder: Path, chen: Client, big: Path) -> int:
    """Start the command, and kill it once the store has a part of the big file. How many parts the store has then."""
    station = subprocess.Popen(
        [sys.executable, "-m", "mobile_api.cli", *words(running, folder, "--lanes", "1")],
        env=running.place.environment() | {"FUJING_DOCK_PASSWORD": password}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline, parts = time.monotonic() + 60, 0
        while parts == 0:
            assert station.poll() is None
            assert time.monotonic() < deadline
            for row in uploads_of(chen, big).values():
                have = chen.get(f"/v1/uploads/{row['id']}/parts")["have"]
                parts = sum(last - first + 1 for first, last in have)
    finally:
        station.send_signal(signal.SIGKILL)
        station.wait()
    return parts


def test_a_card_is_brought_in_by_a_station_that_is_killed_and_started_again(
    running: Serving, passwords: dict[str, str], chen: Client, tmp_path: Path
) -> None:
    """One recording each, the phone's and the dock's alike; the second run goes on, the third sends nothing."""
    began = on_duty(chen, 20)
    small, big = a_card(tmp_path / "卡")
    size, sha256 = digest_of(small)
    phones = chen.declare(small, camera_serial=CAMERA, media_type="video/mp4", started_at=began)

    parts = killed_in_the_middle(running, passwords[DOCK], tmp_path / "卡", chen, big)
    assert 0 < parts < PADDING // (8 * MIB)
    again = ingest(running, passwords, tmp_path / "卡")
    assert 0 == again.returncode, again.stdout + again.stderr

    rows = uploads_of(chen, small, big)
    assert {"sealed"} == {row["state"] for row in rows.values()}
    assert {small.name: str(phones), big.name: rows[big.name]["id"]} == {name: row["id"] for name, row in rows.items()}
    assert (size, sha256) == tuple(
        chen.receipt(phones, bytes=size, sha256=sha256)[name] for name in ("bytes", "sha256")
    )
    started = datetime.fromisoformat(str(rows[big.name]["started_at"]))
    assert abs(started - (datetime.now(UTC) - timedelta(seconds=900))) < timedelta(seconds=60)
    assert 6000 == round(int(str(rows[big.name]["probed_ms"])), -2)
    assert "missing" in again.stdout
    assert "metadata" in again.stdout
    assert f"DCIM 一/{big.name}" in again.stdout
    assert "录像 video: 3" in again.stdout
    assert "nothing stays on the card" in again.stdout

    third = ingest(running, passwords, tmp_path / "卡")
    assert 0 == third.returncode
    assert 4 == third.stdout.count("already sealed, skipped") // 2  # as each is met, and in the table
    assert rows == uploads_of(chen, small, big)


def of_every_kind(folder: Path) -> tuple[dict[str, tuple[bytes, str]], datetime]:
    """Files of a card by name, each with its media type; and when the first photo was taken."""
    whole = film(folder / "街面.mp4", seconds=3, width=160, height=96, ago=3000).path.read_bytes()
    at, taken_at = whole.index(b"mdat") - 4, (datetime.now(UTC) - timedelta(minutes=10)).replace(microsecond=0)
    exif = {"taken": f"{taken_at + timedelta(hours=1):%Y:%m:%d %H:%M:%S}", "zone": "+01:00"}
    return {
        "街面.mp4": (whole, "video/mp4"),
        "断电 20260301080000.mp4": (
            whole[:at] + bytes(4) + whole[at + 4 : -2000].replace(b"moov", b"gone"),
            "video/mp4",
        ),
        "IMG_0001.jpg": (photo(**exif, orientation=6), "image/jpeg"),
        "IMG_0002.HEIC": (HEIC, "image/heic"),
        "b.ts": (films.mux("mpegts", picture=1), "video/mp2t"),
        ".hidden/c.dav": (b"\x01\x02\x03" * 900, "video/x-dahua"),
        "Thumbs.db": (b"\x00\x01" * 900, "application/octet-stream"),
        "two\nlines.txt": ("巡逻路线".encode(), "text/plain"),
    }, taken_at


def test_a_card_comes_in_whole_or_says_what_stays(
    running: Serving, passwords: dict[str, str], chen: Client, tmp_path: Path
) -> None:
    """Every kind is taken as what it is; what cannot be taken is named, and then the exit code is not 0."""
    taken, taken_at = of_every_kind(tmp_path)
    for name, (content, _) in taken.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "copy of b.ts").write_bytes(taken["b.ts"][0])
    done = ingest(running, passwords, tmp_path)
    assert (0, True) == (done.returncode, "nothing stays on the card" in done.stdout), done.stdout + done.stderr
    assert "index lost" in done.stdout
    assert "two_lines.txt" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr

    rows = uploads_of(chen, *(tmp_path / name for name in taken))
    assert {"sealed"} == {row["state"] for row in rows.values()}
    kinds = {name.replace("\n", "_").rpartition("/")[2]: kind for name, (_, kind) in taken.items()}
    copies = {"b.ts", "copy of b.ts"}
    assert {name: kind for name, kind in kinds.items() if name not in copies} == {
        name: row["media_type"] for name, row in rows.items() if name not in copies
    }
    assert 1 == len(copies & set(rows))  # the same bytes are one recording
    shot = rows["IMG_0001.jpg"]
    assert taken_at == datetime.fromisoformat(str(shot["started_at"]))
    assert "metadata" in done.stdout

    (tmp_path / "empty.avi").touch()
    (tmp_path / "elsewhere.mp4").symlink_to(__file__)
    os.mkfifo(tmp_path / "pipe.mp4")
    left = ingest(running, passwords, tmp_path)
    assert 1 == left.returncode
    stays = left.stdout.partition("stays on the card: 3")[2]
    for name, why in (("empty.avi", "empty"), ("elsewhere.mp4", "off the card"), ("pipe.mp4", "no ordinary file")):
        assert any(name in line and why in line for line in stays.splitlines()), left.stdout
    assert set(rows) == set(uploads_of(chen, *(tmp_path / name for name in taken)))


def test_a_file_that_grows_is_not_said_to_be_in(running: Serving, passwords: dict[str, str], tmp_path: Path) -> None:
    """A recorder that still writes: what was there is sealed, and what came after it stays on the card."""
    running.enrol_station()
    growing, ended = tmp_path / "growing.ts", threading.Event()
    growing.write_bytes(films.mux("mpegts", picture=1))

    def grow() -> None:
        with growing.open("ab", buffering=0) as file:
            while not ended.wait(0.02):
                file.write(b"\x47" * 188)

    recorder = threading.Thread(target=grow)
    recorder.start()
    try:
        done = ingest(running, passwords, tmp_path)
    finally:
        ended.set()
        recorder.join()
    assert (1, True) == (done.returncode, "it changed meanwhile" in done.stdout), done.stdout + done.stderr
    assert "stays on the card: 1" in done.stdout
    again = ingest(running, passwords, tmp_path)
    assert 0 == again.returncode, again.stdout + again.stderr


def test_a_file_that_the_server_refuses_is_told_in_its_words(
    running: Serving, passwords: dict[str, str], tmp_path: Path
) -> None:
    """With a bad serial number, each file gets the sentence and the name of the field."""
    film(tmp_path / "one.mp4", seconds=1, width=160, height=96, ago=300)
    done = ingest(running, passwords, tmp_path, "--camera", "DSJ 42")
    assert (1, True) == (done.returncode, "/camera_serial" in done.stdout), done.stdout


def test_a_folder_without_footage_is_soon_done(running: Serving, passwords: dict[str, str], tmp_path: Path) -> None:
    """An empty card succeeds: there is nothing to upload."""
    done = ingest(running, passwords, tmp_path)
    assert (0, True) == (done.returncode, "files: 0" in done.stdout), done.stdout + done.stderr


@pytest.mark.parametrize(
    "more",
    [("--dock", "DOCK-99"), ("--dock", CHEN), ("--wearer", "FJ9999")],
    ids=["unknown-dock", "another-password", "unknown-wearer"],
)
def test_what_stops_it_before_it_begins_is_one_sentence(
    running: Serving, passwords: dict[str, str], tmp_path: Path, more: tuple[str, str]
) -> None:
    """Exit 1, and never a stack."""
    done = ingest(running, passwords, tmp_path, *more)
    assert (1, 1) == (done.returncode, len(done.stderr.strip().splitlines())), done.stdout + done.stderr
    assert done.stderr.startswith("fujing: ")


def test_a_station_without_a_key_is_told_how_to_get_one(
    running: Serving, passwords: dict[str, str], tmp_path: Path
) -> None:
    """A wrong code is refused, and leaves no key file behind."""
    key = tmp_path / "no-key.pem"
    done = ingest(running, passwords, tmp_path, "--key", str(key))
    assert (1, True) == (done.returncode, "enrol-station" in done.stderr), done.stderr
    wrong = running.place.run("enrol-station", "0000-0000-0000-0000", "--url", running.url, "--key", str(key))
    assert (1, True) == (wrong.returncode, wrong.stderr.startswith("fujing: enrolment_refused")), wrong.stderr
    assert not key.exists()


def test_a_server_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After every attempt; what is on the card is still on the card."""
    monkeypatch.setattr(api, "ATTEMPTS", 1)
    said, wrong = Console(file=io.StringIO()), Console(file=io.StringIO())
    order = Order(
        folder=tmp_path,
        camera=CAMERA,
        wearer=CHEN,
        dock=DOCK,
        url="http://127.0.0.1:1",
        key=tmp_path / "key.pem",
        longest_frame=law().span("longest_frame"),
        clock_skew_tolerance=law().span("clock_skew_tolerance"),
    )
    assert 1 == bring_in(order, "nobody hears it", said, wrong)
    assert 1 == len(wrong.file.getvalue().splitlines())
    assert "run it again" in wrong.file.getvalue()


def test_a_file_that_becomes_shorter_while_it_is_sent_is_told(tmp_path: Path) -> None:
    """Sending it again would not help, so the command does not try again."""
    card = tmp_path / "cut.mp4"
    card.write_bytes(b"x" * 10)
    with card.open("rb") as source, pytest.raises(OSError, match="shorter"):
        Client("http://127.0.0.1:1")._send(source.fileno(), lambda _: None, {"bytes": 11, "offset": 0, "url": ""})


def test_a_station_need_not_be_told_whose_a_card_is(
    running: Serving, passwords: dict[str, str], chen: Client, tmp_path: Path
) -> None:
    """The recorder that Chen had taken out tells it; one that nobody had says at once what to do."""
    clerk = f"record,code,name,kind,organ,from,until\nperson,N1001,周敏,staff,{STATION},2024-03-01,\n"
    desk = running.handheld("HH-0003")
    desk.sign_in("N1001", running.place.bring_in_people(clerk)["N1001"])
    me = chen.get("/v1/me")
    out = datetime.now(UTC) - timedelta(hours=1)
    desk.entry("items/issue", kind="recorder", serial="DSJ-0043", person=me["id"], issued_at=out)
    (tmp_path / "卡").mkdir()
    path = film(tmp_path / "卡" / "01.mp4", seconds=3, width=160, height=96, ago=600).path
    running.enrol_station()
    told = ["ingest", str(tmp_path / "卡"), "--dock", DOCK, "--url", running.url]
    nobody = running.place.run(*told, "--camera", "DSJ-0044", given=passwords[DOCK] + "\n", seconds=120)
    assert 1 == nobody.returncode
    assert "items/issue" in nobody.stdout
    done = running.place.run(*told, "--camera", "DSJ-0043", given=passwords[DOCK] + "\n", seconds=120)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "班次 shifts" in done.stdout  # the handover report of the wearer whom the server named
    (row,) = uploads_of(chen, path).values()
    assert (me["id"], "sealed") == (row["wearer"], row["state"])


@pytest.mark.parametrize(
    ("state", "english"), [("full", "the store is full"), ("read_only", "The store takes no writes")]
)
def test_a_full_store_is_told_in_words(
    running: Serving, passwords: dict[str, str], chen: Client, tmp_path: Path, state: str, english: str
) -> None:
    """The server answers at once, and says what is wrong. The files stay on the card."""
    on_duty(chen, 20)
    for name in ("一.mp4", "二.mp4"):
        film(tmp_path / name, seconds=3, width=160, height=96, ago=900 if name < "二" else 800)
    url = json.loads((running.place.data / "services.json").read_text())["database_url"]
    begun = time.monotonic()
    done, over = None, threading.Event()
    worker = threading.Thread(target=asyncio.run, args=(told_by_the_worker(url, state, over),))
    worker.start()
    try:
        done = ingest(running, passwords, tmp_path)
    finally:
        over.set()
        worker.join()
    assert time.monotonic() - begun < 45  # seconds; most of it is the two films and the command's start
    assert (1, 0) == (done.returncode, done.stdout.count("does not answer")), done.stdout
    assert done.stdout.lower().count(english.lower()) >= 4, "in the list and in the table, for both files"


async def told_by_the_worker(url: str, state: str, over: threading.Event) -> None:
    """The real one finds that all is well once a minute."""
    told = "UPDATE store_check SET at = now(), state = $1 WHERE kind = 'write'"
    connection = await asyncpg.connect(url)
    while not over.wait(0.05):
        await connection.execute(told, state)
    await connection.execute(told, "ok")
    await connection.close()
